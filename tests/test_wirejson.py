"""The strict decoder and the canonical encoder, against what JavaScript itself prints."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjourn import wirejson
from adjourn.errors import JsonError
from adjourn.wirejson import dumps, loads

VECTORS = json.loads((Path(__file__).parent / "vectors" / "ecmascript.json").read_text("utf-8"))


def test_encodes_every_vector_as_javascript_does() -> None:
    pairs = VECTORS["pairs"]
    assert len(pairs) == VECTORS["header"]["count"]
    wrong = [
        (text, printed)
        for text, printed in pairs
        if dumps(loads(text.encode("utf-8"))) != printed.encode("utf-8")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0**60, b"1152921504606847000"),
        (5.0, b"5"),
        (-0.0, b"0"),
        (0.95, b"0.95"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (-1e-7, b"-1e-7"),
        (0.000001, b"0.000001"),
        (True, b"true"),
        (1, b"1"),
        (2**53 - 1, b"9007199254740991"),
        ({"a": {}, "b": [], "1": None}, b'{"1":null,"a":{},"b":[]}'),
        ("\x7f\u2028é\x00/", '"\x7f\u2028é\\u0000/"'.encode()),
    ],
)
def test_encodes_values_that_no_decoder_gave(value: object, text: bytes) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), "\ud800", {"\udfff": 1}, ["\udbff"]]
)
def test_refuses_to_encode_what_readers_would_read_differently(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|same number|surrogates"):
        dumps(value)


@pytest.mark.parametrize(
    "value", [b"x", {1: 2}, {None: 1}, {"a": 1, 2: 3}, (1, 2), {1}, object(), [object()]]
)
def test_refuses_to_encode_other_types(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.0", 5),
        ("-0", 0),
        ("-0.0", 0),
        ("9007199254740991.0", 2**53 - 1),
        ("9007199254740992.0", 2.0**53),
        ("1e20", 1e20),
        ("1e-400", 0),
        ("0.95", 0.95),
        ("true", True),
        ("null", None),
        (' "\\ud83d\\ude00" ', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ('{"a":[{}]}', {"a": [{}]}),
    ],
)
def test_decodes_to_the_type_that_ecmascript_prints(text: str, value: object) -> None:
    read = loads(text.encode())
    assert read == value
    assert type(read) is type(value)
    assert str(read) == str(value)  # 0, never -0.0


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "$", "the body is empty"),
        (b" \r\n\t", "$", "the body is empty"),
        (b"\xef\xbb\xbf{}", "$", "byte order mark"),
        (b'{"a":"\xff"}', "$", "not UTF-8: invalid start byte at byte 6"),
        (b'"\xed\xa0\x80"', "$", "not UTF-8"),  # a surrogate encoded as UTF-8
        ("{}".encode("utf-16"), "$", "not UTF-8"),
        (b"{'a':1}", "$", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"a":1,}', "$", "not JSON"),
        (b"[1,]", "$", "not JSON"),
        (b"01", "$", "not JSON: Extra data"),
        (b"1.", "$", "not JSON"),
        (b".5", "$", "not JSON"),
        (b"+1", "$", "not JSON"),
        (b"0x10", "$", "not JSON"),
        (b"{} {}", "$", "not JSON: Extra data at line 1, column 4"),
        (b"{}\n// end", "$", "not JSON: Extra data at line 2, column 1"),
        (b"\xc2\xa0{}", "$", "not JSON"),  # a space, but not of JSON
        ("[٣]".encode(), "$", "not JSON"),
        (b'"a\nb"', "$", "not JSON: Invalid control character"),
        (b'"\\x41"', "$", "not JSON"),
        (b'"\\u12"', "$", "not JSON"),
        (b'{"a":1,"a":1}', "$.a", "duplicate key"),
        (b'{"a":1,"\\u0061":2}', "$.a", "duplicate key"),
        (b'{"data":[0,{"x y":1,"b":2,"x y":3}]}', '$.data[1]["x y"]', "duplicate key"),
        (b'{"a":NaN}', "$.a", "NaN is not JSON"),
        (b"[Infinity]", "$[0]", "Infinity is not JSON"),
        (b"-Infinity", "$", "-Infinity is not JSON"),
        (b'{"n":[1,1e400]}', "$.n[1]", "the number 1e400 is too large for a double"),
        (b"-1e400", "$", "too large for a double"),
        (b"9007199254740992", "$", "the integer 9007199254740992 is beyond"),
        (b"-9007199254740992", "$", "the integer -9007199254740992 is beyond"),
        (b"[" + b"9" * 10_000 + b"]", "$[0]", "9... is beyond"),
        (b'{"data":{"title":"\\ud800"}}', "$.data.title", "lone surrogate"),
        (b'["\\udc00\\ud800"]', "$[0]", "lone surrogate"),
        (b'{"ok":1,"\\uDBFF":1}', '$["\\udbff"]', "lone surrogate"),
        (b'{"' + b"k" * 9_000 + b'":NaN}', f'$["{"k" * 64}..."]', "NaN"),
    ],
)
def test_refuses_and_says_what_and_where(body: bytes, path: str, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        loads(body)
    (fault,) = caught.value.faults
    assert fault.path == path
    assert reason in fault.reason
    assert reason in str(caught.value)
    assert path in str(caught.value) or path == "$"
    assert len(str(caught.value)) < 300
    str(caught.value).encode("utf-8")  # fit for an answer


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nests_to_the_limit_and_not_deeper(opening: bytes, closing: bytes) -> None:
    inner = b"[]"
    loads(opening * 63 + inner + closing * 63)
    with pytest.raises(JsonError, match="nested deeper than 64 levels") as caught:
        loads(opening * 64 + inner + closing * 64)
    assert caught.value.faults[0].path.count("a" if opening != b"[" else "[") == 64
    assert loads(b"[[1]]", max_depth=2) == [[1]]
    with pytest.raises(JsonError, match="2 levels"):
        loads(b"[[[1]]]", max_depth=2)


@pytest.mark.parametrize("depth", [500, sys.getrecursionlimit(), 100_000, 1_000_000])
@pytest.mark.parametrize("max_depth", [64, 10**9])
def test_recursion_never_escapes(depth: int, max_depth: int) -> None:
    for body in (b"[" * depth + b"]" * depth, b"[" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        try:
            loads(body, max_depth=max_depth)
        except JsonError:
            continue
        assert max_depth > 64


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.integers(0, 2**33).map(str), inner),
    max_leaves=20,
)


def wide(literal: str) -> int | float:
    """An integer as JavaScript reads it: exact to 2^53, the nearest double beyond."""
    return int(literal) if abs(int(literal)) < 2**53 else float(literal)


@given(VALUES)
def test_encoding_what_was_read_back_changes_nothing(value: object) -> None:
    once = dumps(value)
    again = json.loads(once, parse_int=wide)
    assert again == value
    assert dumps(again) == once


def refusal(body: bytes) -> JsonError | None:
    try:
        loads(body)
    except JsonError as exc:
        return exc
    return None


@given(VALUES.map(lambda value: json.dumps(value, indent=1).encode()))
def test_decode_and_encode_is_idempotent(body: bytes) -> None:
    once = dumps(loads(body))
    if refused := refusal(once):
        # A double of 2^53 to 1e21 prints without an exponent: an integer literal that no publisher may use.
        assert "is beyond" in str(refused)
    else:
        assert dumps(loads(once)) == once


JSONISH = st.text(st.sampled_from(list('{}[]",:0123456789.eE+-\\u dDtrfalsn\n\ud800\x00é'))).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@given(st.binary() | JSONISH | st.text().map(lambda text: json.dumps(text).encode()))
def test_any_bytes_give_a_value_or_json_error(body: bytes) -> None:
    if refused := refusal(body):
        assert refused.faults
        str(refused).encode("utf-8")
    else:
        dumps(loads(body))


# --- the short way gives what the long way gives


def both_ways(body: bytes, max_depth: int = 64) -> list[tuple[str, str]]:
    """What `loads` gives, or says, and what the long way alone does: each with its type."""

    def outcome(read: Callable[[], object]) -> tuple[str, str]:
        try:
            value = read()
        except JsonError as exc:
            return "refused", str(exc)
        return "read", repr(value)  # it tells 5 from 5.0, True from 1, and the order of keys

    return [
        outcome(lambda: loads(body, max_depth=max_depth)),
        outcome(lambda: wirejson._read_strictly(body, max_depth)),
    ]


KEYS = st.sampled_from(["a", "b", "\\u0061", '\\"', "\\u0022", "1", "10", "\\ud800", "é", "[", "}", "1" * 16])
NUMBERS = (
    st.sampled_from(["0", "-0", "-0.0", "5.0", "0.1", "1e5", "1E-7", "1e20", "1e21", "1e400", "-1e400"])
    | st.sampled_from(["9007199254740991", "9007199254740992", "-9007199254740992", "1234567890123456"])
    | st.sampled_from(
        ["9999999999999999", "0.1234567890123456789", "12345678901234567890", "01", "1.", "1e-400"]
    )
    | st.integers(-(10**18), 10**18).map(str)
)
STRINGS = (KEYS | TEXT.map(lambda text: json.dumps(text)[1:-1])).map(lambda text: f'"{text}"')
SPACES = st.sampled_from(["", "", " ", "\n"])


def written(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(KEYS, SPACES, inner).map(lambda parts: f'"{parts[0]}":{parts[1]}{parts[2]}'))
    return st.tuples(SPACES, st.lists(inner)).map(
        lambda parts: f"[{parts[0]}{','.join(parts[1])}]"
    ) | st.tuples(members, SPACES).map(lambda parts: f"{{{','.join(parts[0])}{parts[1]}}}")


LITERALS = st.sampled_from(["null", "true", "false", "NaN", "-Infinity", "nul", ""]) | NUMBERS | STRINGS


@settings(max_examples=1000)
@given(st.recursive(LITERALS, written, max_leaves=12))
def test_the_short_way_reads_what_the_long_way_reads(text: str) -> None:
    short, long = both_ways(text.encode())
    assert short == long


@settings(max_examples=300)
@given(st.recursive(st.sampled_from(["1", '"}"', '"[["', '"]"']), written, max_leaves=6), st.integers(0, 8))
def test_both_ways_count_levels_alike(text: str, depth: int) -> None:
    short, long = both_ways(text.encode(), depth)
    assert short == long


@given(st.binary() | JSONISH)
def test_both_ways_refuse_alike(body: bytes) -> None:
    short, long = both_ways(body)
    assert short == long


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"a":1,"b":"\\u0022\\u0022"}',  # as many quotation marks come out as went in
        '{"a":1,"a":1,"\\u0022\\u0022":2}',
        '{"\\u0061":1,"a":2}',
        '{"":1,"":2}',
        '[{"a":[{"b":1,"b":[]}]}]',
        "[" * 64 + "]" * 64,
        "[" * 65 + "]" * 65,
        '{"a":' * 64 + "[]" + "}" * 64,
        "[" + ",".join(["[[[]]]"] * 100) + "]",
        "[" + ",".join(['"["'] * 100) + "," + "[" * 64 + "]" * 64 + "]",
        "[" + ",".join(['"[]"'] * 100) + "," + "[" * 64 + "]" * 64 + "]",
        "[" + ",".join(['"{"'] * 70) + ',"' + "}" * 70 + '"]',
        '"a:9007199254740992"',
        '["9007199254740993",9007199254740992]',
        "[1,-9007199254740992]",
        '{"a":9007199254740992}',
        "9007199254740991",
        "18446744073709551616",
        "1e400",
        "[1.0,-0.0,5e0,1e16]",
        '"\\ud83d\\ude00\\/"',
        '"\\ud83d"',
    ],
)
def test_hard_cases_are_read_alike(text: str) -> None:
    short, long = both_ways(text.encode())
    assert short == long


def test_the_short_way_is_taken_for_what_publishers_send() -> None:
    event = {"data": {"title": 'Zoë "x" \\ 1234567890123456789', "n": [1, {"b": None}]}, "audience": {}}
    for text in (json.dumps(event), json.dumps(event, ensure_ascii=False), json.dumps([[event]] * 100)):
        assert wirejson._read_shortly(text.encode(), 64) == json.loads(text)


@settings(max_examples=500)
@given(VALUES | st.recursive(st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_both_ways_write_alike(value: object) -> None:
    assert dumps({"value": value}) == wirejson._object_text({"value": value}).encode()
    if isinstance(value, dict):
        assert dumps(value) == wirejson._object_text(value).encode()


@pytest.mark.parametrize("character", [*map(chr, range(0x100)), "\u2028", "\u2029", "\ufeff", "\U0010ffff"])
def test_both_ways_escape_alike(character: str) -> None:
    value: dict[str, object] = {character: f"a{character}b"}
    assert dumps(value) == wirejson._object_text(value).encode()
