"""Values for samples: what people, titles, ids and addresses look like, and the hard cases of each.

walk.py asks here for the value of one field, by its name and format. Pure: all chance comes from a Scene.
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from adjourn.ids import Uuid7

__all__ = [
    "EDGE_MOMENTS",
    "EXTRA_FIELDS",
    "FREE_OBJECTS",
    "FREE_VALUES",
    "Scene",
    "TextKind",
    "free_object",
    "kind_of",
    "word",
]

T = TypeVar("T")

_FIRST_MOMENT = datetime(2025, 1, 6, tzinfo=UTC)
_SECONDS = 500 * 86_400  # so long after it, everything happens

EDGE_MOMENTS = (
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),  # the first second that 32 bits do not hold
    datetime(2000, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
)

# As they are written, and as an address has them.
_FIRST_NAMES = (
    ("Ana", "ana"), ("Ben", "ben"), ("Chloé", "chloe"), ("Dmitri", "dmitri"), ("Elif", "elif"),
    ("Fatima", "fatima"), ("Grace", "grace"), ("Hiroshi", "hiroshi"), ("Ingrid", "ingrid"), ("João", "joao"),
    ("Kwame", "kwame"), ("Lucía", "lucia"), ("Mei", "mei"), ("Noor", "noor"),
    ("Søren", "soren"), ("Zoë", "zoe"),
)  # fmt: skip
_LAST_NAMES = (
    ("Adeyemi", "adeyemi"), ("Brown", "brown"), ("Çelik", "celik"), ("Dubois", "dubois"),
    ("García", "garcia"), ("Hansen", "hansen"), ("Ito", "ito"), ("Kowalski", "kowalski"),
    ("Larsson", "larsson"), ("Müller", "mueller"), ("Nguyễn", "nguyen"), ("O'Brien", "obrien"),
    ("Petrova", "petrova"), ("Rossi", "rossi"), ("Silva", "silva"), ("Tanaka", "tanaka"),
)  # fmt: skip
_TITLES = (
    "Weekly product sync", "Q4 roadmap review", "Customer onboarding: Acme", "1:1 Ana / Ben",
    "Sprint planning 42", "Budget 2026, second draft", "Interview: Backend Engineer", "Design critique",
    "Incident review", "Sales handover", "Send the revised proposal", "Agree on launch date",
)  # fmt: skip
_LABELS = (
    "Summary", "Follow-up e-mail", "Create CRM task", "Weekly review", "Share with the team", "Risk check",
    "Meeting recap", "Onboarding checklist",
)  # fmt: skip
_SENTENCES = (
    "Discussed budget and timeline for the upcoming launch.",
    "The model did not answer in time; try again.",
    "The figures in section 3 are from last year.",
    "The meeting had ended before anybody could be let in.",
    "Agreed: Ben sends the draft by Friday, Chloé reviews it.",
)
_WORDS = ("default", "standard", "custom")
_TAGS = ("q4", "follow-up", "urgent", "kundengespräch", "internal")


class Scene:
    """One sample's chance, moment and people. The same seed gives the same on every machine.

    `at` is when the event happens. Nothing but getrandbits is asked: its numbers are those of the
    generator itself in every version of Python.
    """

    def __init__(self, seed: str, at: datetime | None = None) -> None:
        digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
        self._rng = random.Random(int.from_bytes(digest))  # noqa: S311 - samples are no secrets
        drawn = _FIRST_MOMENT + timedelta(seconds=self.below(_SECONDS), milliseconds=self.below(1000))
        self.at = drawn if at is None else at
        self._first, self._last = _FIRST_NAMES[0], _LAST_NAMES[0]
        self.meet()

    def below(self, bound: int) -> int:
        """0 to bound - 1."""
        return self._rng.getrandbits(48) * bound >> 48

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def uuid(self) -> str:
        """Of version 7 and of this moment."""
        ms = (self.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        return Uuid7.of(ms, f"{self._rng.getrandbits(64):x}")

    def meet(self) -> None:
        """The next person: `person` and `email` are theirs."""
        self._first, self._last = self.pick(_FIRST_NAMES), self.pick(_LAST_NAMES)

    @property
    def person(self) -> str:
        return f"{self._first[0]} {self._last[0]}"

    @property
    def email(self) -> str:
        return f"{self._first[1]}.{self._last[1]}@example.com"

    def url(self) -> str:
        return f"https://files.example.com/{self.pick(_TAGS[:3])}/{self._rng.getrandbits(64):016x}"


@dataclass(frozen=True, kw_only=True)
class TextKind:
    """One kind of text: what it is like as a rule, and its hard cases."""

    usual: Callable[[Scene], str]
    edges: tuple[str, ...]


_LONG = "A title that goes on and on, as nobody would write it. " * 40

_TEXT_EDGES = (
    "",
    "x",
    "Zoë & 会議 ☃",
    "👩‍👩‍👧‍👦 🇧🇷 🫱🏽‍🫲🏿",
    "line\u2028paragraph\u2029end",
    'She said "no" \\ C:\\new\\table',
    "tab\tline\r\nNUL\x00 bell\x07 escape\x1b[31m DEL\x7f",
    "</script><!-- {{title}} ${x} %s &amp;",
    "مرحبا \u202eאבג\u202c",
    "e\u0301 is not é \ufeff\u200b",
    "  spaces around  ",
    "null",
    "007",
    _LONG,
)
_ID_EDGES = (
    "0",
    "mtg_01H2J3K4L",
    "mtg-550e8400-e29b-41d4-a716-446655440000",
    "auth0|64f1c0ffee",
    "ключ/é?x=1&y=2#z",
    'a "quoted" \\ id',
    "9" * 255,
)
_URL_EDGES = (
    "https://example.com",
    "http://localhost:8080/",
    "https://files.example.com/a%20b/%E2%98%83.mp4?X-Sig=%2Bab%2F%3D&Expires=1735689600#t=10",
    "https://xn--bcher-kva.example:8443/~me;v=1/",
    "https://[2001:db8::1]/x",
    f"https://files.example.com/?signature={'0123456789abcdef' * 100}",
)
_EMAIL_EDGES = (
    "a@example.com",
    "o'brien+notes@example.com",
    f"{'l' * 64}@example.com",
    "zoë@example.com",
)

_TEXT = TextKind(usual=lambda scene: scene.pick(_SENTENCES), edges=_TEXT_EDGES)
_TITLE = TextKind(usual=lambda scene: scene.pick(_TITLES), edges=_TEXT_EDGES)
_LABEL = TextKind(usual=lambda scene: scene.pick(_LABELS), edges=_TEXT_EDGES)
_PERSON = TextKind(usual=lambda scene: scene.person, edges=("+12345678900", *_TEXT_EDGES))
_WORD = TextKind(
    usual=lambda scene: scene.pick(_WORDS), edges=("SOMETHING_NEW", "something new", *_TEXT_EDGES)
)
_ID = TextKind(usual=Scene.uuid, edges=_ID_EDGES)
_UUID = TextKind(
    usual=Scene.uuid,
    edges=("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
)
_URL = TextKind(usual=Scene.url, edges=_URL_EDGES)
_EMAIL = TextKind(usual=lambda scene: scene.email, edges=_EMAIL_EDGES)
_DOMAIN = TextKind(
    usual=lambda scene: f"{scene.pick(_TAGS[:3])}.example.com",
    edges=("example", "xn--bcher-kva.example", f"{'l' * 63}.example.com"),
)

_BY_FORMAT: Mapping[str, TextKind] = {
    "uuid": _UUID, "uri": _URL, "http-url": _URL, "email": _EMAIL, "id": _ID,
}  # fmt: skip

# By a field's name and the one it stands in, in snake case; the first that matches counts.
_BY_NAME: Sequence[tuple[re.Pattern[str], TextKind]] = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"email$", _EMAIL),
        (r"(^|[._])ur[il]s?$|picture$", _URL),
        (r"(participants|speakers|attendees)(\.name|\.display_name)?$|(owner|record)_name$", _PERSON),
        (r"title$|meeting\.name$", _TITLE),
        (r"name$", _LABEL),
        (r"(message|reason|notes?|description)$", _TEXT),
        (r"domain$", _DOMAIN),
        (r"(^|[._])ids?$|_by$", _ID),
    )
]


def kind_of(path: str, format_name: str | None) -> TextKind | None:
    """The kind of a text by the format its type says, else by its name; None: an open word, like a status.

    `path` is `participants.display_name`: in snake case, without the positions in lists.
    """
    if format_name is not None and format_name in _BY_FORMAT:
        return _BY_FORMAT[format_name]
    return next((kind for pattern, kind in _BY_NAME if pattern.search(path)), None)


def word(words: Sequence[str]) -> TextKind:
    """The kind of an open word: one of these as a rule."""
    return TextKind(usual=lambda scene: scene.pick(words), edges=_WORD.edges) if words else _WORD


def free_object(scene: Scene) -> dict[str, Any]:
    """What somebody might keep in a field that takes any object."""
    return {
        "priority": scene.pick(("low", "normal", "high")),
        "score": (scene.below(99) + 1) / 100,
        "tags": [scene.pick(_TAGS) for _ in range(scene.below(3))],
        "ticket": {"id": scene.uuid(), "url": scene.url(), "open": scene.below(2) == 1},
        "owner": {"name": scene.person, "email": scene.email},
    }


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


FREE_OBJECTS: Sequence[dict[str, Any]] = (
    {},
    # ECMAScript moves array indices to the front, ascending; not all of these are indices.
    {"b": 1, "10": "ten", "2": "two", "01": "text", "-1": "text", "4294967294": "last index",
     "4294967295": "text", "1.5": "text", "0": {"1": 1, "0": 0}, "a": 2},
    # Each way in which Number::toString lays out digits, but for those it prints as integers beyond 2^53 - 1:
    # publishing takes none that are written so.
    {"numbers": [0, -1, 5, 0.95, -0.5, 0.1 + 0.2, 0.001, 0.000001, 1e-7, 1.5e-10, -1.5e-10, 5e-324, 1e21,
                 -1.2345678901234567e21, 1.5e300, 1.7976931348623157e308, 2**53 - 1, 1 - 2**53]},
    {"": "empty", "__proto__": {"polluted": True}, "constructor": None, 'quote " and \\': "\u2028",
     "é 😀": "key", "e\u0301": "not é", "\x00": "\x1f", "toString": []},
    {"nested": _nested(24), "null": None, "false": False, "list": [[], {}, None, [None]]},
    {text: text for text in _TEXT_EDGES},
)  # fmt: skip
"""Objects that take some care."""

FREE_VALUES: Sequence[Any] = (None, "text", 7, 0.5, True, [1, "two", None, {"3": [4]}])
"""Values that are no objects, for a field that takes any JSON."""

EXTRA_FIELDS: Sequence[dict[str, Any]] = (
    {},
    {"detail": None, "7": {"nested": [1.5, "é"]}},
    {"retry_in_ms": 2**53 - 1},
)
"""What an object that is open for more may have beside its fields."""
