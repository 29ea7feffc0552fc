"""msgspec, asked first, takes nothing that the closures refuse."""

import copy
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjourn.check import OpenStruct, _compiled, check, fitting
from adjourn.providers import PROVIDERS, quil
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
UUIDS = st.sampled_from(
    [
        *("2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21", "2F6C1F0A-6F0E-4D57-9A53-0F6A7C1F7B21"),
        *("2f6c1f0a6f0e4d579a530f6a7c1f7b21", "2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21\n", "\uff12f6c1f0a-"),
    ]
)
LINKS = st.sampled_from(
    [
        *(
            "https://a.example/x",
            "http://a.example:80?x#y",
            "https://[::1]:8080/a%20b",
            "s3://b/k",
            "urn:a:b",
        ),
        *("https://u:p@a.example/", "https://", "https:///x", "//a.example", "a b:c", "https://a.example/\n"),
        *("http://a.example:0/", "http://a.example:99999/", "http://a_b.example/", "http://a.example/\\"),
        *("http://a.example/%zz", "https://é.example/", "HTTPS://A.EXAMPLE", "http://" + "a" * 1993),
        *("http://" + "a" * 1994, "http://a.example/" + "é", "javascript:alert(1)", "https://a..b/", "x:"),
    ]
)
NUMBERS = st.sampled_from([0, 1, -1, 0.5, 1.5, 5.0, -0.0, 1e20, 2**53, 2**63, 2**64, 10**400, -(2**63) - 1])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | IDS | MOMENTS | UUIDS | LINKS | st.text(),
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
    "callback": {"url": "https://bots.example.com:8443/end?x=%20", "secret": "hush", "method": "PUT"},
}
FORMS: list[tuple[type[msgspec.Struct], Any]] = [
    *(
        (each.data, each.sample_data)
        for provider in PROVIDERS.values()
        for each in provider.event_types.values()
    ),
    (EventBody, EVENT),
]
# Those for which msgspec has no type: they are always checked by closures.
WITHOUT_STRICT = {quil.MeetingCompletedData}


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


@pytest.mark.parametrize(("struct", "good"), [each for each in FORMS if each[0] not in WITHOUT_STRICT])
def test_good_data_is_of_the_strict_form(struct: type[msgspec.Struct], good: object) -> None:
    twin = fitting(struct, good)
    assert twin is not None
    assert msgspec.structs.asdict(msgspec.convert(good, struct)).keys() == msgspec.structs.asdict(twin).keys()


def test_what_fits_has_the_structs_fields_and_defaults() -> None:
    twin = fitting(EventBody, {"event_type": "t", "data": 1, "audience": {"partner_app_ids": ["a"]}})
    assert twin is not None
    assert (twin.event_type, twin.data, twin.provider, twin.match_automations) == ("t", 1, None, False)
    assert (twin.audience.user_ids, twin.audience.partner_app_ids) == (None, ["a"])


UNION = list[int] | Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri"})]


def test_a_union_that_msgspec_would_break_on_is_left_to_the_closures() -> None:
    """msgspec 0.22 writes past its memory for an array or else a string with a pattern: `_breaks_msgspec`."""
    struct = msgspec.defstruct("Either", [("x", UNION)])
    assert _compiled(struct).strict is None
    assert fitting(struct, {"x": [1]}) is None
    assert faults(struct, {"x": [1]}) == faults(struct, {"x": "https://a.example/"}) == []
    assert [path for path, _ in faults(struct, {"x": "a b"})] == ["$.x"]
    plain = msgspec.defstruct("Plain", [("x", list[int] | str)])
    assert _compiled(plain).strict is not None


class Loose(OpenStruct, frozen=True):
    code: str
    attempt: int | msgspec.UnsetType = msgspec.UNSET


class Holder(msgspec.Struct):
    loose: Loose
    many: list[Loose]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"loose": {"code": "a", "new": [1]}, "many": []}, []),
        (
            {"loose": {"code": "a", "attempt": "1", "new": 1}, "many": [{}]},
            ["$.loose.attempt", "$.many[0].code"],
        ),
        ({"loose": {"code": "a"}, "many": [], "new": 1}, ["$.new"]),
    ],
)
def test_an_open_struct_may_have_more_keys_and_only_that_one(value: object, expected: list[str]) -> None:
    assert [path for path, _ in faults(Holder, value)] == expected
    assert (fitting(Holder, value) is not None) is (expected == [])


def test_a_format_of_ours_counts_before_that_of_json_schema() -> None:
    in_utc = msgspec.Meta(extra_json_schema={"format": "date-time"}, extra={"format": "utc-date-time"})
    struct = msgspec.defstruct("InUtc", [("at", Annotated[str, in_utc])])
    assert faults(struct, {"at": "2025-01-15T10:30:00.5Z"}) == []
    assert faults(struct, {"at": "2025-01-15T10:30:00+00:00"}) == [
        ("$.at", "must be an RFC 3339 date-time in UTC ending in Z, like 2025-01-15T10:30:00Z")
    ]


@pytest.mark.parametrize(
    "link", ["https://a.example/" + "%20" * 50_000 + "^", "https://" + "a:" * 50_000 + "^"]
)
def test_a_hostile_link_is_refused_in_one_pass(link: str) -> None:
    struct = msgspec.defstruct(
        "Linked", [("x", Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri"})])]
    )
    assert len(faults(struct, {"x": link})) == 1
