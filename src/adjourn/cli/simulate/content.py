"""What the events of a simulation tell: usual things, hard ones, and what no catalog has yet. Pure."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice

from adjourn import wirejson
from adjourn.cli.simulate.author import Author, Event
from adjourn.documents.samples import samples
from adjourn.providers import EventType
from adjourn.providers.provider import Facts, JsonObject, order_key

__all__ = ["UNKNOWN_TYPE", "about_one_subject", "hard", "large", "new_fields", "unknown", "usual"]

UNKNOWN_TYPE = "meeting.simulated"

_SYSTEMATIC = 19  # samples of a type until they are like real ones: documents/samples
_FIRST_HARD = 2  # of them; the first has every field, the second as few as may be
_MOST_HARD = 24
_LARGE = 256 << 10  # characters
_ORDERED = 5
_TEXTS = ("Zoë", "会議", "اجتماع", "👩\u200d💻", "e\u0301", "\u2028", "\u202e", "\u0000", "📅 9–10")  # noqa: RUF001


def usual(author: Author, types: Sequence[EventType], *, count: int, seed: int) -> list[Event]:
    """So many of each type, in an order that the seed gives."""
    made = [author.write(each, content) for each in types for content in _samples(author, each, count, seed)]
    random.Random(seed).shuffle(made)  # noqa: S311 - no secrets
    return made


def hard(author: Author, types: Sequence[EventType], *, seed: int) -> list[Event]:
    """Nulls, empty and long texts, numbers and keys that programs get wrong: some, which the seed chooses."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    places = [(each, at) for each in types for at in range(_FIRST_HARD, _SYSTEMATIC)]
    made = []
    for event_type, at in rng.sample(places, min(len(places), _MOST_HARD)):
        (content,) = islice(_samples(author, event_type, at + 1, seed), at, None)
        made.append(author.write(event_type, content))
    return made


def new_fields(author: Author, event_type: EventType) -> Event:
    """Fields that no catalog has yet, and texts of every kind in them."""
    content = _first(author, event_type)
    news = {"simulated": {"texts": [*_TEXTS], "none": None, "numbers": [0, -1, 0.5, 1e21]}}
    return author.write(event_type, content | news | {"data": content["data"] | news}, about="unknown fields")


def large(author: Author, event_type: EventType) -> Event:
    content = _first(author, event_type)
    padding = {"simulated_padding": "long, " * (_LARGE // 6)}
    return author.write(
        event_type, content | {"data": content["data"] | padding}, about=f"{_LARGE >> 10} KiB"
    )


def unknown(author: Author, event_type: EventType) -> Event:
    """Of a type that no catalog has."""
    tag = str(event_type.event.__struct_config__.tag_field)
    content = _first(author, event_type) | {tag: UNKNOWN_TYPE, "data": {"simulated": True}}
    return author.write(event_type, content, about=UNKNOWN_TYPE)


def about_one_subject(author: Author, types: Sequence[EventType], *, now: datetime) -> list[Event]:
    """Events that happened one after the other, about the same meeting or bot where they are about any."""
    subjects = Counter(filter(None, (order_key(each.sample_data) for each in types)))
    subject = max(subjects, key=lambda each: subjects[each], default=None)
    chosen = cycle(each for each in types if order_key(each.sample_data) == subject)
    return [
        author.write(each, _at(author, each, now - timedelta(minutes=_ORDERED - number)))
        for number, each in enumerate(islice(chosen, _ORDERED))
    ]


def _at(author: Author, event_type: EventType, at: datetime) -> JsonObject:
    provider = author.provider
    facts = Facts(
        event_type=event_type.name,
        event_id="id",
        timestamp=wirejson.utc(at),
        app_id="app-simulated",
        user=None,
        actor_user_id=None,
    )
    body = provider.head(facts) + wirejson.dumps(event_type.sample_data) + b"}"
    content = wirejson.loads(body)
    assert isinstance(content, dict)
    return content


def _first(author: Author, event_type: EventType) -> JsonObject:
    return next(_samples(author, event_type, 1, 0))


def _samples(author: Author, event_type: EventType, count: int, seed: int) -> Iterator[JsonObject]:
    return samples(author.provider, event_type, count=count, seed=seed, options=author.app_options)
