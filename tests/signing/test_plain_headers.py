"""The short way to headers of the plainest form: it finds what the long one finds, and never more."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.errors import VerificationError
from adjourn.models import SignatureProfile
from adjourn.signing import ContioSigner, ContioVerifier, Signer, StandardSigner, StandardVerifier, Verifier
from adjourn.signing.headers import Picked
from adjourn.signing.plain_headers import PlainHeaders

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")
NOW = datetime.fromtimestamp(1736937000, UTC)
BODY = b'{"a":1}'
PLAIN = {"host": "example.com", **dict.fromkeys(NAMES, "x"), "user-agent": "a"}
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SCHEMES: Mapping[str, tuple[Signer, Verifier]] = {
    "two signatures": (StandardSigner(SECRET, OTHER), StandardVerifier(OTHER)),
    "standard": (StandardSigner(SECRET), StandardVerifier(SECRET)),
    "svix": (StandardSigner(SECRET, prefix="svix-"), StandardVerifier(SECRET, prefix="svix-")),
    "contio": (ContioSigner(SECRET), ContioVerifier(SECRET)),
    "contio sdk": (ContioSigner(SECRET, profile=SignatureProfile.SDK), ContioVerifier(SECRET)),
}


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def found(headers: Any, *, before: Any = None) -> Any:
    """What the second look finds: the first learns which names there are."""
    plain = PlainHeaders(NAMES)
    plain.find(headers if before is None else before)
    return plain.find(headers)


@pytest.mark.parametrize("headers", [PLAIN, raw(PLAIN), dict(reversed(PLAIN.items())), raw(PLAIN)[::-1]])
def test_plain_headers_are_found_once_their_names_are_known(headers: Any) -> None:
    assert PlainHeaders(NAMES).find(headers) is None
    assert list(found(headers)) == ["x", "x", "x"]


UNUSUAL: Sequence[Any] = (
    {**PLAIN, "Webhook-Id": "x"},
    dict([*PLAIN.items(), (b"webhook-id", "x")]),
    {**PLAIN, "webhoo\u212a-id": "x"},  # the Kelvin sign, whose lower case is k
    {**PLAIN, "webhook-id": "é"},
    {**PLAIN, "webhook-id": b"x"},
    {**PLAIN, "webhook-id": None},
    {name: value for name, value in PLAIN.items() if name != "webhook-id"},
    {**PLAIN, "x" * 101: ""},
    [*raw(PLAIN), (b"webhook-id", b"x")],
    [*raw(PLAIN), (b"WEBHOOK-ID", b"y")],
    [*raw(PLAIN), ("webhook-id", "y")],
    [*raw(PLAIN)[:-2], (b"webhook-signature", bytearray(b"x"))],
    [*raw(PLAIN)[:-2], (b"webhook-signature", b"\xe9")],
    [*raw(PLAIN)[:-2], (b"webhook-signature", "\u00e9".encode())],
    tuple(raw(PLAIN)),
    iter(raw(PLAIN)),
    raw({}),
    {},
)


@pytest.mark.parametrize("headers", UNUSUAL)
def test_of_any_other_form_the_long_way_decides(headers: Any) -> None:
    assert found(headers, before=PLAIN) is None
    assert found(headers) is None


def test_what_it_remembers_is_bounded() -> None:
    plain = PlainHeaders(NAMES)
    for at in range(0, 10_000, 100):
        plain.find({f"x-{number}": "" for number in range(at, at + 100)})
        plain.find([(b"x-%d" % number, b"") for number in range(at, at + 100)])
    assert len(plain._known) == len(plain._raw_known) == 500
    assert plain.find(dict.fromkeys(NAMES, "x")) == ("x", "x", "x")


# --- however mangled: both say the same

Mangle = Callable[[list[tuple[Any, Any]]], list[tuple[Any, Any]]]

others = st.sampled_from(["host", "Host", "x-a", "HOST", "\u212a"]) | st.text(max_size=4)
spellings: Any = st.sampled_from(
    [str.upper, str.title, str.lower, str.swapcase, str.encode, lambda name: name.replace("k", "\u212a")]
)
twisted = st.sampled_from(
    [
        lambda value: value + " ",
        lambda value: " " + value,
        lambda value: value + "\n",
        lambda value: value[:-1],
        lambda value: value.upper(),
        lambda value: "0" + value,
        lambda value: f"v1, v2,x {value}",
        lambda value: f"{value} {value}",
        lambda value: f"{value}\x7f v1,x",
        lambda value: f"v1,x\t {value}",
        lambda value: value.replace("1", "\u0661"),  # a digit of another script
        lambda value: value.encode("utf-16"),
        lambda value: bytearray(value, "utf-8"),
        lambda value: None,
        lambda value: "",
    ]
)


@st.composite
def mangled(draw: st.DrawFn, headers: Mapping[str, str]) -> list[tuple[Any, Any]]:
    """Some of them in another spelling, changed, left out, or given again."""
    pairs: list[tuple[Any, Any]] = []
    for name, value in headers.items():
        kind = draw(st.sampled_from(["same"] * 6 + ["spelled", "twisted", "lost", "again", "both"]))
        if kind in ("same", "again", "both"):
            pairs.append((name, value))
        if kind in ("spelled", "again"):
            pairs.append((draw(spellings)(name), value))
        if kind in ("twisted", "both"):
            pairs.append((name, draw(twisted)(value)))
    pairs += [(draw(spellings)(name), "x") for name in draw(st.lists(others, max_size=3))]
    return draw(st.permutations(pairs))


def as_raw(text: Any) -> Any:
    return text.encode("latin-1", "replace") if isinstance(text, str) else text


def outcome(verifier: Verifier, headers: Any) -> object:
    try:
        return verifier.verify(headers, BODY, now=NOW)
    except VerificationError as exc:
        return exc.code


@pytest.mark.parametrize("scheme", list(SCHEMES))
@given(st.data())
def test_both_ways_say_the_same_of_mangled_headers(scheme: str, data: st.DataObject) -> None:
    signer, verifier = SCHEMES[scheme]
    lower = {
        name.lower(): value
        for name, value in signer.sign(BODY, event_id="evt-1", timestamp=1736937000).items()
    }
    pairs = data.draw(mangled(lower))
    for headers in (dict(pairs), [(as_raw(name), as_raw(value)) for name, value in pairs]):
        items = tuple(headers.items()) if isinstance(headers, dict) else tuple(headers)
        outcome(verifier, headers)  # what there is to learn
        assert outcome(verifier, headers) == outcome(verifier, items)


@given(st.data())
def test_what_is_found_is_what_picked_finds(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.text(min_size=1, max_size=5), min_size=3, max_size=3))
    pairs = data.draw(mangled(dict(zip(NAMES, values, strict=True))))
    for headers in (dict(pairs), [(as_raw(name), as_raw(value)) for name, value in pairs]):
        short = found(headers)
        if short is not None:
            assert list(short) == Picked(headers, NAMES).require(*NAMES)
