"""What rows hold written short is read as it was written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjourn.storage.sql.shorthand import read_headers, read_ids, short_headers, short_ids

NEAR = "01a1ff4d-792f-7045-b514-324da751337e"


def test_common_headers_take_half_the_room() -> None:
    headers = {
        "server": "nginx/1.22.1",
        "date": "Sat, 21 Nov 2026 18:10:29 GMT",
        "content-type": "text/plain",
        "content-length": "0",
        "connection": "keep-alive",
    }
    json = msgspec.json.encode(headers)
    assert len(short_headers(json)) < len(json) / 2
    assert read_headers(short_headers(json)) == json


@given(st.dictionaries(st.sampled_from(["server", "date", "content-type", "x", "connection"]), st.text()))
def test_any_headers_are_read_as_they_were(headers: dict[str, str]) -> None:
    json = msgspec.json.encode(headers)
    assert msgspec.json.decode(read_headers(short_headers(json))) == headers


@pytest.mark.parametrize("character", [chr(code) for code in range(32)])
def test_control_characters_in_a_header_stay_what_they_are(character: str) -> None:
    headers = {"server": character, "date": f'","date":"{character}'}
    assert msgspec.json.decode(read_headers(short_headers(msgspec.json.encode(headers)))) == headers


def test_ids_of_the_same_moment_take_a_few_characters() -> None:
    other = "01a1ff4d-792f-7046-b514-324da751337e"
    json = msgspec.json.encode([NEAR, other, "01a1ff4d-7783-7000-8165-7e2814bdf223"])
    assert len(short_ids(json, NEAR)) == len(json) - 60
    assert read_ids(short_ids(json, NEAR), NEAR) == json


@given(st.lists(st.text()))
def test_other_texts_beside_ids_are_read_as_they_were(texts: list[str]) -> None:
    json = msgspec.json.encode([NEAR, *texts, NEAR[18:], NEAR[:14]])
    assert read_ids(short_ids(json, NEAR), NEAR) == json
