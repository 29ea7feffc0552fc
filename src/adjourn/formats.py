"""The formats that strings of a struct may have: what each takes, and what is wrong with all else.

A field has one by `Meta(extra_json_schema={"format": ...})`; adjourn/check.py looks it up here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

from adjourn.endpoint import check_endpoint
from adjourn.header import find_name_fault, find_value_fault

__all__ = ["FORMATS", "PATTERNS", "FindFault"]

FindFault = Callable[[str], str | None]

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)

_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # of any version

# RFC 3986, appendix A, absolute and with a host where it has an authority. Each repetition is possessive:
# no text makes the match slow.
_NAMED = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_QUERY = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})"
_URI = (
    rf"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:(?:{_NAMED}|:)*+@)?(?:\[[0-9A-Fa-f:.]++\]|{_NAMED}++)(?::[0-9]*+)?(?:/{_PATH}*+)?|(?!//){_PATH}++)"
    rf"(?:\?{_QUERY}*+)?(?:\#{_QUERY}*+)?"
)

_LONGEST_ID = 255  # characters

_DATE = (
    r"(?!0000)[0-9]{4}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+")
_LONGEST_EMAIL = 254  # characters: RFC 5321, 4.5.3.1.3

PATTERNS: Mapping[str, str] = {
    "date-time": rf"\A{_DATE}[Tt]{_TIME}(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z",
    # Of what endpoint.py takes, that with a name whose last label begins with a letter, as its host, and at
    # most four digits of a port.
    "http-url": (
        r"\A(?=.{8,2000}\Z)(?=https?://[^:/?#]{1,253}(?:[:/?#]|\Z))"
        r"https?://(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9_-]{0,62}"
        r"(?::[1-9][0-9]{0,3})?(?:[/?#][\x21-\x5b\x5d-\x7e]*)?\Z"
    ),
    "header-value": r"\A(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?\Z",
    "id": rf"\A[^\x00-\x1f\x7f]{{1,{_LONGEST_ID}}}\Z",
    "text": r"\A[^\x00]*\Z",
    "uri": rf"\A{_URI}\Z",
    "utc-date-time": rf"\A{_DATE}T{_TIME}Z\Z",
    "uuid": rf"\A{_UUID}\Z",
}
"""What strings that are surely right look like; what these do not take may still be."""


def _date_time(value: str) -> str | None:
    """RFC 3339 without leap seconds: no clock in Python could read one back."""
    if _DATE_TIME.fullmatch(value):
        try:
            date.fromisoformat(value[:10])
        except ValueError:  # 30 February, the year 0000
            pass
        else:
            return None
    return "must be an RFC 3339 date-time with an offset, like 2025-01-15T10:30:00Z"


def _utc_date_time(value: str) -> str | None:
    """RFC 3339 in UTC, as JavaScript's toISOString spells it but for the digits of its fraction."""
    if value[10:11] == "T" and value.endswith("Z") and _date_time(value) is None:
        return None
    return "must be an RFC 3339 date-time in UTC ending in Z, like 2025-01-15T10:30:00Z"


def _matches(pattern: str, reason: str) -> FindFault:
    match = re.compile(pattern).fullmatch
    return lambda value: None if match(value) else reason


def _http_url(value: str) -> str | None:
    try:
        check_endpoint(value)
    except ValueError as exc:
        return str(exc)
    return None


def _email(value: str) -> str | None:
    """One address, and nothing that makes it several; whether it works shows when mail is sent."""
    if len(value) <= _LONGEST_EMAIL and _EMAIL.fullmatch(value):
        return None
    return "must be an e-mail address, like dev@example.com"


def _id(value: str) -> str | None:
    """Whatever form it has, it goes into paths, headers and logs."""
    if not value:
        return "must not be empty"
    if len(value) > _LONGEST_ID:
        return f"must have at most {_LONGEST_ID} characters"
    return "must have no control characters" if _CONTROL.search(value) else None


def _name(value: str) -> str | None:
    """It goes into mails and onto screens."""
    if value and not value.strip():
        return "must not be blank"
    return "must have no control characters" if _UNSEEN.search(value) else None


def _text(value: str) -> str | None:
    """PostgreSQL keeps no NUL in a text."""
    return "must have no NUL (U+0000)" if "\0" in value else None


FORMATS: Mapping[str, FindFault] = {
    "date-time": _date_time,
    "email": _email,
    "header-name": find_name_fault,
    "header-value": find_value_fault,
    "http-url": _http_url,
    "id": _id,
    "name": _name,
    "text": _text,
    "uri": _matches(_URI, "must be an absolute URI, like https://example.com/recording.mp4"),
    "utc-date-time": _utc_date_time,
    "uuid": _matches(_UUID, "must be a UUID, like 2f6c1f0a-6f0e-4d57-9a53-0f6a7c1f7b21"),
}
"""By its name, what is wrong with a string that is to have that format; None where nothing is."""
