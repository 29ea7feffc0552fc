"""Which automations an action item's title calls for, and the assignments that follow: CONTRACTS 1.7. Pure.

Titles and keywords are compared as words, whatever their case and their form in Unicode: NFKC and case
folding make `CRM` and `crm` one, full-width or not. White space and punctuation part words, so that
`follow-up`, the keyword of the vendor's own example, is found in "Follow up with customer" and in
"Follow-up: customer", but not in "follow-ups". Symbols are no punctuation: `C++` and `$500` are words.
Scripts that put no space between words match only as far as punctuation parts them. Of a title only its
first 2,000 characters count.

It runs in the loop that publishes for all, on what partners wrote: so keywords and phrases are folded once,
and only those whose first and last word a title has are looked for in it.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from adjourn.models import Automation, AutomationStatus
from adjourn.wirejson import utc

__all__ = ["assignments", "score"]

_TRIGGER = "action_item_created"
_LONGEST_TITLE = 2000  # characters that are looked at
_MOST = 20  # assignments of one action item, for one app


class _Title(NamedTuple):
    """`text`: its words, each with a space before and behind it. So one string in another is whole words."""

    text: str
    words: frozenset[str]


class _Phrase(NamedTuple):
    """Of more words than one; `text` as in a title."""

    text: str
    last: str  # word


class _Wanted(NamedTuple):
    """Some keywords or phrases: how often each single word is among them, the longer ones by their first."""

    total: int
    words: frozenset[str]
    times: Mapping[str, int]
    firsts: frozenset[str]
    by_first: Mapping[str, Sequence[_Phrase]]


def score(automation: Automation, title: str) -> float | None:
    """How well the title matches, above 0 and up to 1; None: not at all.

    A phrase found is 1; keywords are as many as are found, of all there are. The higher counts.
    """
    folded = _title(title[:_LONGEST_TITLE])
    if _found(_wanted(automation.phrases), folded):
        return 1.0
    keywords = _wanted(automation.keywords)
    found = _found(keywords, folded)
    return found / keywords.total if found else None


def assignments(
    automations: Iterable[Automation], data: Mapping[str, Any], *, at: datetime, new_id: Callable[[], str]
) -> list[dict[str, Any]]:
    """The data of automation.assignment.created for each automation that takes this action item.

    `automations` are those of one app, oldest first; `data` is that of an action_item.created, as the catalog
    has it. At most 20: those with the best score, of equal ones the oldest; in that order.
    """
    scored = [
        (confidence, each)
        for each in automations
        if each.status is AutomationStatus.ACTIVE and each.trigger_type == _TRIGGER
        if (confidence := score(each, data["title"])) is not None
    ]
    scored.sort(key=lambda found: -found[0])
    return [
        {
            "assignment_id": new_id(),
            "action_item_id": data["action_item_id"],
            "meeting_id": data["meeting_id"],
            "automation_id": each.id,
            "automation_name": each.name,
            "confidence_score": confidence,
            "status": "pending",
            "created_at": utc(at),
            "workspace_id": data["workspace_id"],
        }
        for confidence, each in scored[:_MOST]
    ]


def _found(wanted: _Wanted, title: _Title) -> int:
    """How many stand in the title, all words of each one after the other."""
    singly = sum(wanted.times[word] for word in wanted.words & title.words)
    return singly + sum(
        phrase.last in title.words and phrase.text in title.text
        for first in wanted.firsts & title.words
        for phrase in wanted.by_first[first]
    )


@lru_cache(maxsize=64)  # the title of an event, once for all automations of all apps
def _title(text: str) -> _Title:
    words = _words(text)
    return _Title(_spaced(words), frozenset(words))


@lru_cache(maxsize=4096)  # of at most 16 KiB each, as the API bounds an automation
def _wanted(texts: tuple[str, ...]) -> _Wanted:
    """What has no word at all is nowhere, but counts."""
    folded = [*map(_words, texts)]
    times = Counter(words[0] for words in folded if len(words) == 1)
    by_first: dict[str, list[_Phrase]] = defaultdict(list)
    for words in folded:
        if len(words) > 1:
            by_first[words[0]].append(_Phrase(_spaced(words), words[-1]))
    return _Wanted(len(texts), frozenset(times), times, frozenset(by_first), by_first)


def _spaced(words: Iterable[str]) -> str:
    return f" {' '.join(words)} "


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_PARTED).split()


class _Parted(dict[int, str]):
    """For str.translate: a space for each mark of punctuation. It fills with the characters that come up."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character).startswith("P") else character
        return self[code]


_PARTED = _Parted()
