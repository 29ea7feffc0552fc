"""Which handlers an event has, and how each is called."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from adjourn import ConfigError, EventError, MeetingEnded, UnknownEvent, contio, meetingbaas, quil
from adjourn.models import Receipt, ReceiptState
from adjourn.providers import CalendarChanged, Provider
from adjourn.receiving.handlers import Handlers
from adjourn.receiving.handling import handle
from adjourn.testing import encode, sample

RECEIPT = Receipt(
    seq=1,
    provider="contio",
    id="e1",
    event_type="meeting.completed",
    state=ReceiptState.NEW,
    received_at=datetime(2026, 1, 5, tzinfo=UTC),
    scheme="contio",
    profile="documented",
    body=sample(contio, "meeting.completed"),
)


def read(vendor: Any, event_type: str) -> tuple[Provider, Struct]:
    return vendor.PROVIDER, vendor.PROVIDER.read(sample(vendor, event_type))


def names(handlers: Handlers, vendor: Any, event_type: str) -> list[str]:
    return [match.handler.name for match in handlers.match(*read(vendor, event_type))]


def handlers_of(**kinds: Any) -> Handlers:
    """One for each name, of those kinds."""
    made = Handlers()
    for name, kind in kinds.items():
        made.add(lambda event: None, kind if isinstance(kind, tuple) else (kind,), name=name)
    return made


def test_an_event_goes_to_the_handlers_of_its_class_in_their_order() -> None:
    made = handlers_of(b=contio.MeetingCompleted, other=contio.MeetingCreated, a=contio.MeetingCompleted)
    assert names(made, contio, "meeting.completed") == ["b", "a"]


@pytest.mark.parametrize(
    ("vendor", "event_type"),
    [(contio, "meeting.completed"), (meetingbaas, "bot.completed"), (quil, "meeting.completed")],
)
def test_a_meeting_that_ended_is_the_same_kind_for_every_vendor(vendor: Any, event_type: str) -> None:
    (match,) = handlers_of(ended=MeetingEnded).match(*read(vendor, event_type))
    assert isinstance(match.event, MeetingEnded)
    assert match.event.provider == vendor.PROVIDER.name


def test_a_handler_of_several_kinds_gets_each_event_once() -> None:
    made = handlers_of(both=(contio.MeetingCompleted, MeetingEnded))
    (match,) = made.match(*read(contio, "meeting.completed"))
    assert isinstance(match.event, contio.MeetingCompleted)
    (match,) = made.match(*read(quil, "meeting.completed"))
    assert isinstance(match.event, MeetingEnded)


def test_what_is_not_normalised_reaches_no_handler_of_normalised_events() -> None:
    made = handlers_of(ended=MeetingEnded, changed=CalendarChanged)
    assert names(made, contio, "action_item.created") == []
    assert names(made, meetingbaas, "bot.completed") == ["ended"]
    assert names(made, meetingbaas, "calendar.event_created") == ["changed"]


def test_struct_stands_for_every_event_and_unknown_event_for_those_of_no_known_type() -> None:
    made = handlers_of(all=Struct, unknown=UnknownEvent)
    assert names(made, contio, "meeting.completed") == ["all"]
    body = encode({"event_id": "e1", "event_type": "meeting.sung", "data": {}})
    matches = made.match(contio.PROVIDER, contio.PROVIDER.read(body))
    assert [match.handler.name for match in matches] == ["all", "unknown"]


def test_a_time_that_is_none_is_an_event_error_for_who_wants_it_normalised() -> None:
    body = sample(contio, "meeting.completed", completed_at="later")
    event = contio.PROVIDER.read(body)
    assert handlers_of(own=contio.MeetingCompleted).match(contio.PROVIDER, event)
    own, ended = handlers_of(own=contio.MeetingCompleted, ended=MeetingEnded).match(contio.PROVIDER, event)
    assert own.error is None
    assert isinstance(ended.error, EventError)


class Spy:
    """Notes what it was called with, and in which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.threads: list[int] = []

    def note(self, *given: Any) -> None:
        self.calls.append(given)
        self.threads.append(threading.get_ident())


def ways(spy: Spy) -> dict[str, tuple[Callable[..., Any], int, bool]]:
    """Each with how many arguments it takes, and whether it runs in the loop's thread."""

    async def plain_async(event: Struct) -> None:
        spy.note(event)

    async def async_both(event: Struct, receipt: Receipt) -> None:
        spy.note(event, receipt)

    def plain(event: Struct) -> None:
        spy.note(event)

    def both(event: Struct, receipt: Receipt) -> None:
        spy.note(event, receipt)

    def default(event: Struct, database: str = "db") -> None:
        spy.note(event)

    def optional(event: Struct, receipt: Receipt | None = None) -> None:
        spy.note(event, receipt)

    def any_number(*given: Any) -> None:
        spy.note(*given)

    class Called:
        async def __call__(self, event: Struct, receipt: Receipt) -> None:
            spy.note(event, receipt)

        def method(self, event: Struct) -> None:
            spy.note(event)

    @functools.wraps(async_both)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return async_both(*args, **kwargs)

    def keyword(event: Struct, receipt: Receipt, *, database: str) -> None:
        spy.note(event, receipt)

    return {
        "async": (plain_async, 1, True),
        "async with receipt": (async_both, 2, True),
        "sync": (plain, 1, False),
        "sync with receipt": (both, 2, False),
        "another default": (default, 1, False),
        "an optional receipt": (optional, 2, False),
        "any number": (any_number, 2, False),
        "an object": (Called(), 2, True),
        "a method": (Called().method, 1, False),
        "a decorated coroutine function": (decorated, 2, True),
        "a partial": (functools.partial(keyword, database="db"), 2, False),
    }


@pytest.mark.parametrize("way", ways(Spy()))
def test_every_kind_of_function_is_called_as_it_wants(way: str) -> None:
    spy = Spy()
    function, count, in_loop = ways(spy)[way]
    made = Handlers()
    made.add(function, (contio.MeetingCompleted,), name=None)

    async def main() -> None:
        with ThreadPoolExecutor(1) as threads:
            await handle(RECEIPT, made, threads=threads, limit=60)

    asyncio.run(main())
    assert spy.calls == [(read(contio, "meeting.completed")[1], RECEIPT)[:count]]
    assert (spy.threads == [threading.get_ident()]) is in_loop


def test_a_handler_is_known_by_its_module_and_name() -> None:
    made = Handlers()

    def greet(event: Struct) -> None: ...

    made.add(greet, (Struct,), name=None)
    (handler,) = made
    assert handler.name == f"{__name__}.test_a_handler_is_known_by_its_module_and_name.<locals>.greet"


def generator(event: Struct) -> Iterator[None]:
    yield


async def async_generator(event: Struct) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("function", "kinds", "says"),
    [
        (lambda event: None, (), "needs the events"),
        (lambda event: None, ("meeting.completed",), "'meeting.completed'"),
        (lambda event: None, (dict,), "dict"),
        (lambda event: None, (contio,), "contio"),
        (
            lambda event: None,
            (contio.MeetingCompletedData,),
            "did you mean adjourn.providers.contio.MeetingCompleted?",
        ),
        (lambda event: None, (Receipt,), "no event is a adjourn.models.receipts.Receipt"),
        ("no function", (Struct,), "'no function'"),
        (lambda: None, (Struct,), "(event, receipt)"),
        (lambda one, two, three: None, (Struct,), "(event, receipt)"),
        (lambda event, *, database: None, (Struct,), "(event, receipt)"),
        (generator, (Struct,), "yield"),
        (async_generator, (Struct,), "yield"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_at_once(function: Any, kinds: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Handlers().add(function, kinds, name=None)
    assert says in str(caught.value)


def test_no_two_handlers_have_one_name() -> None:
    made = handlers_of(mine=Struct)
    with pytest.raises(ConfigError, match="mine"):
        made.add(lambda event: None, (Struct,), name="mine")
