"""msgspec, asked first, takes nothing that the closures refuse."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjourn.check import _compiled, check, fitting
from adjourn.providers import contio
from adjourn.sending.submission import EventBody

MOMENTS = st.sampled_from(
    [
        *(f"2025-{month:02}-{day:02}T10:30:00Z" for month in range(14) for day in (0, 1, 28, 29, 30, 31, 32)),
        *("2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00z"),
        *("2025-01-15t10:30:00+00:00", "2025-01-15T10:30:00.5-09:30", "2025-01-15T10:30:00.Z"),
        *("2025-01-15T24:00:00Z", "2025-01-15T23:60:00Z", "2025-01-15T23:59:60Z", "2025-01-15T10:30:00"),
        *(
            "2025-01-15T10:30:00Z\n",
            "\n2025-01-15T10:30:00Z",
            "2025-01-15T10:30:00+24:00",
            "\uff12025-01-15T10:30:00Z",
        ),
    ]
)
IDS = st.sampled_from(
    ["", "a", "x" * 255, "x" * 256, "a\n", "\nb", "a\x7f", "a\x80", "é" * 255, "\ud800", "a b"]
)
NUMBERS = st.sampled_from([0, 1, -1, 0.5, 1.5, 5.0, -0.0, 1e20, 2**53, 2**63, 2**64, 10**400, -(2**63) - 1])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | IDS | MOMENTS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
EVENT = {
    "event_type": "meeting.created",
    "data": {},
    "audience": {"user_ids": ["ana", "ben"]},
    "actor_user_id": "ana",
    "timestamp": "2025-01-15T10:30:00Z",
    "provider": "contio",
    "match_automations": False,
}
FORMS = [(each.data, each.sample_data) for each in contio.PROVIDER.event_types.values()] + [
    (EventBody, EVENT)
]


def faults_by_closures(struct: type[msgspec.Struct], value: object) -> list[tuple[str, str]]:
    return [(f"${path}", reason) for path, reason in _compiled(struct).find_problems(value)]


def faults(struct: type[msgspec.Struct], value: object) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in check(struct, value)]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in it."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for key, child in children for found in [(value, key), *places(child)]]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_what_is_asked_first_changes_no_verdict(data: st.DataObject) -> None:
    struct, good = data.draw(st.sampled_from(FORMS))
    value = copy.deepcopy(good)
    for _ in range(data.draw(st.integers(0, 3))):
        container, key = data.draw(st.sampled_from(places(value) or [({}, "x")]))
        match data.draw(st.sampled_from(["change", "change", "change", "remove", "add"])):
            case "change":
                container[key] = data.draw(VALUES)
            case "remove":
                container.pop(key) if key in container or isinstance(container, list) else None
            case "add" if isinstance(container, dict):
                container[data.draw(st.text(max_size=5))] = data.draw(VALUES)
        if not places(value):
            break
    assert faults(struct, value) == faults_by_closures(struct, value)


@given(VALUES)
def test_any_value_gets_the_same_verdict(value: object) -> None:
    for struct, _ in FORMS:
        assert faults(struct, value) == faults_by_closures(struct, value)


@pytest.mark.parametrize(("struct", "good"), FORMS)
def test_good_data_is_of_the_strict_form(struct: type[msgspec.Struct], good: object) -> None:
    twin = fitting(struct, good)
    assert twin is not None
    assert msgspec.structs.asdict(msgspec.convert(good, struct)).keys() == msgspec.structs.asdict(twin).keys()


def test_what_fits_has_the_structs_fields_and_defaults() -> None:
    twin = fitting(EventBody, {"event_type": "t", "data": 1, "audience": {"partner_app_ids": ["a"]}})
    assert twin is not None
    assert (twin.event_type, twin.data, twin.provider, twin.match_automations) == ("t", 1, None, False)
    assert (twin.audience.user_ids, twin.audience.partner_app_ids) == (None, ["a"])
