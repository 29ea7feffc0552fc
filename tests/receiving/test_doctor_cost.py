"""What looking for a cause costs, counted in tries and bytes: anyone may send a body made to hurt."""

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjourn import Receiver, VerificationError, contio, meetingbaas
from adjourn.config import Secret
from adjourn.receiving import Refused, diagnose
from adjourn.receiving.allowance import Allowance
from adjourn.receiving.body_forms import BodyForm, body_forms
from adjourn.receiving.diagnosis import Case
from adjourn.receiving.rewritten import find_indentation
from adjourn.signing import Headers, Verified, Verifier
from adjourn.testing import sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
LONGEST = 64 << 10
MOST_FORMS = 70
MOST_HASHED = 256 * LONGEST
BODY = sample(contio, "meeting.completed")


def fill(item: str, *, start: str = "[", end: str = "]", depth: int = 1) -> bytes:
    """So many items as fit into the longest body that is tried, between so many brackets."""
    room = LONGEST - depth * len((start + end).encode())
    count = (room + 1) // (len(item.encode()) + 1)
    return (start * depth + ",".join([item] * count) + end * depth).encode()


def text_of(part: str) -> bytes:
    return f'["{part * ((LONGEST - 4) // len(part.encode()))}"]'.encode()


WORST = {
    **{f"{depth} deep and wide": fill("1", depth=depth) for depth in (1, 12, 50, 100, 480, 900)},
    **{f"{depth} objects deep": fill("[]", start='{"a":[', end="]}", depth=depth) for depth in (10, 400)},
    "900 deep": b"[" * 900 + b"]" * 900,
    "too deep": b"[" * LONGEST,
    "4,300 digits": fill("9" * 4_300),
    "300 digits": fill("9" * 300),
    "exponents": fill("1e-300"),
    "long exponents": fill("2.2250738585072011e-308"),
    "they grow": fill("1e15"),
    "an event of floats": fill("1.5", start='{"event_type":"meeting.completed","ä":[', end="]}"),
    "many keys": json.dumps({str(key): 0 for key in range(5_500)}).encode(),
    "empty objects": fill("{}"),
    "slashes": text_of("/"),
    "DEL": text_of("\x7f"),
    "emoji": text_of("\N{GRINNING FACE}"),
    "escapes": text_of("\\u00e4"),
    "lone surrogates": text_of("\\ud800"),
    "a string of JSON": json.dumps(text_of("\\u007f")[:30_000].decode()).encode(),
    "percent signs": b"%7b" + b"%" * 60_000,
    "no escapes": b"%7b" + b"%zz" * 20_000,
    "escapes of a form": b"a=%7b+" + b"%41" * 20_000,
    "UTF-16": b"\xff\xfe" + b"\xe4\x00" * 32_000,
    "Latin-1": b"\xe4" * LONGEST,
    "line breaks": b"[" + b"\n" * 60_000 + b"]",
}


@pytest.mark.parametrize("name", WORST)
def test_the_forms_of_the_worst_bodies_are_few_and_short(name: str) -> None:
    body = WORST[name]
    assert len(body) <= LONGEST
    tracemalloc.start()
    count = longest = together = 0
    for form in body_forms(body, contio.PROVIDER):
        count, longest = count + 1, max(longest, len(form.body))
        together += len(form.body)
        del form
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count <= MOST_FORMS
    assert longest <= 4 * LONGEST
    assert together <= MOST_HASHED
    assert peak <= 8 << 20  # an attacker's 64 KiB took 700 MB once


def indented(body: bytes) -> list[BodyForm]:
    return [form for form in body_forms(body, contio.PROVIDER) if "indented" in form.text]


def test_an_indent_is_written_where_it_is_short() -> None:
    for value in ({"a": [1, {"b": [2]}]}, [[[[[[[[1, 2]]]]]]]] * 100):
        expected = {json.dumps(value, indent=indent).encode() for indent in (2, 4)}
        assert expected <= {form.body for form in indented(json.dumps(value).encode())}
    assert indented(b"[" * 500 + b"1," * 200 + b"1" + b"]" * 500) == []


def rewritten(body: bytes) -> list[BodyForm]:
    return [form for form in body_forms(body, contio.PROVIDER) if "written again" in form.text]


@pytest.mark.parametrize(
    ("most", "item"),
    [
        (8_191, "1"),  # with the array they are 8,192: one for 8 bytes of the longest body
        (8_191, "1.5"),
        (1_023, "1e-300"),
    ],
)
def test_a_body_of_very_many_values_is_not_written_again(most: int, item: str) -> None:
    assert rewritten(f"[{','.join([item] * most)}]".encode())
    assert not rewritten(f"[{','.join([item] * (most + 1))}]".encode())


def test_a_number_of_thousands_of_digits_is_not_written_again() -> None:
    assert rewritten(b'{"a":%d}' % 10**100)
    assert not rewritten(b'{"a":%s}' % (b"[" + b",".join([b"9" * 4_000] * 10) + b"]"))


def test_a_form_without_an_escape_in_it_is_none() -> None:
    forms = {form.body: form.text for form in body_forms(b"a=%7b%zz", contio.PROVIDER)}
    assert not any("form-encoded" in text for text in forms.values())


# --- what is hashed


class Counting(Verifier):
    """Refuses all, and remembers what it was asked."""

    def __init__(self, reads: tuple[str, ...] = ("x-contio-signature", "x-contio-timestamp")) -> None:
        self.reads = reads
        self.sizes: list[int] = []
        self.headers: list[int] = []

    def verify_at(self, headers: Headers, body: bytes, at: float, /) -> Verified:
        self.sizes.append(len(body))
        self.headers.append(len([*headers]))
        raise VerificationError("signature_mismatch", "no")


def case_of(body: bytes, verifier: Verifier, *, secrets: int = 1, headers: Any = None, **more: Any) -> Case:
    return Case(
        provider=contio.PROVIDER,
        verifier=verifier,
        secrets=tuple(Secret(f"{SECRET}{at}") for at in range(secrets)),
        options={},
        callback=False,
        headers=tuple((sign(contio, body, SECRET, at=NOW) if headers is None else headers).items()),
        body=body,
        now=NOW,
        error=VerificationError("signature_mismatch", "no"),
        **more,
    )


@pytest.mark.parametrize("secrets", [1, 4, 40])
@pytest.mark.parametrize("name", WORST)
def test_what_is_hashed_is_bounded_for_every_secret(name: str, secrets: int) -> None:
    verifier = Counting()
    assert diagnose(case_of(WORST[name], verifier, secrets=secrets)).text
    assert len(verifier.sizes) <= MOST_FORMS
    assert sum(verifier.sizes) * secrets <= MOST_HASHED


def test_a_spent_allowance_ends_the_tries() -> None:
    verifier = Counting()
    case = case_of(BODY, verifier, allowance=Allowance(1_000))
    while case.passes() or not case.allowance.is_spent:
        pass
    tries = len(verifier.sizes)
    assert 1 < tries < 256_000 / len(BODY)
    assert not case.passes()
    assert not case.passes_by(SECRET)
    assert len(verifier.sizes) == tries


def test_signatures_of_a_key_pair_are_dear() -> None:
    """Each costs 100 us, and 1,000 characters have ten."""
    counts = []
    for signatures in (1, 10):
        headers = {"x-contio-signature": " ".join(["v1a,AAAA"] * signatures), "x-contio-timestamp": "1"}
        verifier = Counting()
        case = case_of(BODY, verifier, headers=headers, allowance=Allowance())
        while case.passes() or not case.allowance.is_spent:
            pass
        counts.append(len(verifier.sizes) * signatures)
    assert max(counts) < 500


def test_of_thousands_of_headers_a_try_sees_those_that_are_read() -> None:
    verifier = Counting()
    headers = {f"x-{at}": "1" for at in range(10_000)} | sign(contio, BODY, SECRET, at=NOW)
    diagnose(case_of(BODY, verifier, headers={name.lower(): value for name, value in headers.items()}))
    assert len(verifier.headers) > 10
    assert set(verifier.headers) == {2}


def test_it_says_that_it_did_not_try_all() -> None:
    body = json.dumps({"event_type": "x", "text": "a" * 60_000}).encode()
    with pytest.raises(Refused) as caught:
        Receiver(contio, [f"{SECRET}{at}" for at in range(200)]).receive(
            sign(contio, b"{}", SECRET, at=NOW), body, now=NOW
        )
    assert caught.value.hint.endswith("; not all was tried, for that would take long")


def test_the_longest_usual_body_is_tried_in_every_form() -> None:
    """A transcript of 60 KB, by a receiver that accepts two secrets."""
    words = [{"word": "and/or é", "start": at * 0.5, "end": at * 0.5 + 0.3} for at in range(1_150)]
    event = {"event": "transcript", "data": words}
    signed = json.dumps(event, separators=(",", ":")).replace("/", "\\/").encode()
    came = json.dumps(event, ensure_ascii=False).encode()
    assert 50_000 < len(came) <= LONGEST
    with pytest.raises(Refused) as caught:
        Receiver(meetingbaas, [SECRET, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]).receive(
            sign(meetingbaas, signed, SECRET, at=NOW), came, now=NOW
        )
    assert (caught.value.diagnosis.cause, caught.value.diagnosis.certain) == ("body_rewritten", True)


# --- whatever comes

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=5) | st.dictionaries(st.text(max_size=5), each, max_size=5)
)


@given(VALUES)
def test_the_indentation_is_never_more_than_was_reckoned(value: Any) -> None:
    columns = find_indentation(value, most=1 << 40)
    assert columns is not None
    text = json.dumps(value, indent=1)
    assert sum(len(line) - len(line.lstrip(" ")) for line in text.split("\n")) <= columns


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON, or nearly, blown up to at most 64 KiB: an item many times, some depth, something around it."""
    item = draw(
        VALUES.map(json.dumps)
        | VALUES.map(lambda value: json.dumps(value, ensure_ascii=False))
        | st.sampled_from(["1", "1e15", "{}", '"/"', "5e-324", "9" * 300])
    ).encode()
    depth = draw(st.integers(1, 1_000))
    start, end = draw(st.sampled_from([(b"[", b"]"), (b'{"a":[', b"]}"), (b'"', b'"'), (b"%7B", b"")]))
    room = LONGEST - depth * len(start + end)
    count = draw(st.integers(0, max(room, 0) // (len(item) + 1)))
    separator = draw(st.sampled_from([b",", b", ", b"\n", b"", b"%"]))
    return (start * depth + separator.join([item] * count) + end * depth)[:LONGEST]


@settings(max_examples=60, deadline=None)
@given(bodies() | st.binary(max_size=2_000))
def test_whatever_comes_little_is_written_and_hashed(body: bytes) -> None:
    forms = [len(form.body) for form in body_forms(body, contio.PROVIDER)]
    assert len(forms) <= MOST_FORMS
    assert max(forms, default=0) <= 4 * LONGEST
    verifier = Counting()
    assert diagnose(case_of(body, verifier)).text
    assert sum(verifier.sizes) <= min(sum(forms) + 100 * LONGEST, MOST_HASHED)
