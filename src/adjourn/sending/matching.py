"""Which automations an action item's title calls for, and the assignments that follow: CONTRACTS 1.7. Pure.

Titles and keywords are compared as words, whatever their case and their form in Unicode: NFKC and case
folding make `CRM` and `crm` one, full-width or not. White space and punctuation part words, so that
`follow-up`, the keyword of the vendor's own example, is found in "Follow up with customer" and in
"Follow-up: customer", but not in "follow-ups". Symbols are no punctuation: `C++` and `$500` are words.
Scripts that put no space between words match only as far as punctuation parts them.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from adjourn.models import Automation, AutomationStatus

__all__ = ["assignments", "score"]

_TRIGGER = "action_item_created"


def score(automation: Automation, title: str) -> float | None:
    """How well the title matches, above 0 and up to 1; None: not at all.

    A phrase found is 1; keywords are as many as are found, of all there are. The higher counts.
    """
    words = _words(title)
    if any(_has(words, phrase) for phrase in automation.phrases):
        return 1.0
    found = sum(_has(words, keyword) for keyword in automation.keywords)
    return found / len(automation.keywords) if found else None


def assignments(
    automations: Iterable[Automation], data: Mapping[str, Any], *, at: datetime, new_id: Callable[[], str]
) -> list[dict[str, Any]]:
    """The data of automation.assignment.created for each automation that takes this action item.

    `automations` are those of one app; `data` is that of an action_item.created, as the catalog has it.
    """
    return [
        {
            "assignment_id": new_id(),
            "action_item_id": data["action_item_id"],
            "meeting_id": data["meeting_id"],
            "automation_id": each.id,
            "automation_name": each.name,
            "confidence_score": confidence,
            "status": "pending",
            "created_at": _utc(at),
            "workspace_id": data["workspace_id"],
        }
        for each in automations
        if each.status is AutomationStatus.ACTIVE and each.trigger_type == _TRIGGER
        if (confidence := score(each, data["title"])) is not None
    ]


def _has(words: str, wanted: str) -> bool:
    """Whether all words of `wanted` stand in `words`, one after the other. Without any it is nowhere."""
    inner = _words(wanted)
    return inner.strip() != "" and inner in words


@lru_cache(maxsize=8192)  # the same keywords are asked for with each action item
def _words(text: str) -> str:
    """The words, each with a space before and behind it, so that one string in another is whole words."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    parts = "".join(" " if _parts_words(each) else each for each in folded).split()
    return f" {' '.join(parts)} "


@cache  # as many as there are characters
def _parts_words(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
