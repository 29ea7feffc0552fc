"""What the fixture `webhooks` does: events delivered to an inbox's handlers, in a test."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from adjourn import (
    ConfigError,
    DeadLetter,
    Inbox,
    MeetingEnded,
    Receiver,
    VerificationError,
    contio,
    meetingbaas,
)
from adjourn.errors import CatalogError
from adjourn.models import Receipt, ReceiptState
from adjourn.providers import PROVIDERS
from adjourn.receiving import asgi, flask
from adjourn.rehearsal import Webhooks
from adjourn.testing import encode

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = "meeting.completed"


@pytest.fixture
def webhooks(tmp_path: Path) -> Iterator[Webhooks]:
    folder = tmp_path / "with space?"
    folder.mkdir()
    with Webhooks(SECRET, folder=folder) as mine:
        yield mine


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """Its own database must never be there."""
    return Inbox(f"sqlite:///{tmp_path}/own.db")


@pytest.fixture(autouse=True)
def nothing_of_the_users_is_touched(tmp_path: Path) -> Iterator[None]:
    yield
    assert not (tmp_path / "own.db").exists()


class TestDeliver:
    def test_handlers_have_run_when_it_returns(self, webhooks: Webhooks, inbox: Inbox) -> None:
        seen: list[object] = []

        @inbox.on(contio.MeetingCompleted, name="plain")
        def plain(event: contio.MeetingCompleted, receipt: Receipt) -> None:
            seen.append((event.data.title, receipt.attempt_no))

        @inbox.on(MeetingEnded, name="coroutine")
        async def coroutine(event: MeetingEnded) -> None:
            await asyncio.sleep(0)
            seen.append(event.title)

        receipt = webhooks.deliver(inbox, contio, EVENT, title="Retro")
        assert seen == [("Retro", 0), "Retro"]
        assert (receipt.state, receipt.done, receipt.attempt_no) == (
            ReceiptState.HANDLED,
            ("plain", "coroutine"),
            1,
        )

    def test_the_same_event_is_a_duplicate_and_with_other_changes_it_is_another(
        self, webhooks: Webhooks, inbox: Inbox
    ) -> None:
        titles: list[str] = []
        inbox.on(contio.MeetingCompleted)(lambda event: titles.append(event.data.title))
        receipts = [
            webhooks.deliver(inbox, contio, EVENT, title=title)
            for title in ("Retro", "Retro", "Sync", "Retro")
        ]
        assert titles == ["Retro", "Sync"]
        first, again, other, once_more = receipts
        assert first.seq == again.seq == once_more.seq != other.seq
        assert [each.duplicates for each in receipts] == [0, 1, 0, 2]

    @pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
    def test_every_type_of_every_vendor(self, webhooks: Webhooks, inbox: Inbox, provider: Any) -> None:
        kinds: list[type] = []
        for event_type in provider.event_types.values():
            inbox.on(event_type.event, name=event_type.name)(lambda event: kinds.append(type(event)))
        for name in provider.event_types:
            webhooks.deliver(inbox, provider, name)
        assert kinds == [each.event for each in provider.event_types.values()]

    @pytest.mark.parametrize("as_bytes", [True, False])
    def test_a_whole_event(self, webhooks: Webhooks, inbox: Inbox, as_bytes: bool) -> None:
        ids: list[str] = []
        inbox.on(contio.MeetingCompleted)(lambda event: ids.append(event.event_id))
        sampled = {**contio.PROVIDER.event_types[EVENT].sample, "event_id": "evt-mine"}
        event = encode(sampled) if as_bytes else sampled
        webhooks.deliver(inbox, contio, event)
        assert ids == ["evt-mine"]
        with pytest.raises(ConfigError, match="a whole event is taken as it is"):
            webhooks.deliver(inbox, contio, event, title="Retro")

    def test_an_id_made_for_changes_looks_like_the_vendors(self, webhooks: Webhooks) -> None:
        for vendor, name, change in (
            (contio, "event_id", {"title": "Retro"}),
            (PROVIDERS["quil"], "id", {"meeting": {"eventName": "Retro"}}),
        ):
            plain, changed = (
                json.loads(webhooks.request(vendor, EVENT, **changes).body)[name] for changes in ({}, change)
            )
            assert plain != changed
            assert [each.isdigit() for each in plain] == [each.isdigit() for each in changed]

    def test_a_type_that_the_vendor_has_not(self, webhooks: Webhooks, inbox: Inbox) -> None:
        with pytest.raises(CatalogError, match=r"did you mean `meeting\.completed`"):
            webhooks.deliver(inbox, contio, "meeting.complete")

    def test_a_change_that_the_event_has_not(self, webhooks: Webhooks, inbox: Inbox) -> None:
        for deliver in (
            lambda **changes: webhooks.deliver(inbox, contio, EVENT, **changes),
            lambda **changes: webhooks.request(contio, EVENT, **changes),
            lambda **changes: webhooks.forged(contio, EVENT, **changes),
        ):
            with pytest.raises(CatalogError, match=r"data\.tittle: .*did you mean `title`"):
                deliver(tittle="Retro")

    def test_handlers_that_come_later_run_too(self, webhooks: Webhooks, inbox: Inbox) -> None:
        assert webhooks.deliver(inbox, contio, EVENT).done == ()
        inbox.on(contio.MeetingCompleted, name="late")(lambda event: None)
        assert webhooks.deliver(inbox, contio, EVENT, title="Retro").done == ("late",)

    def test_each_inbox_is_on_its_own(self, webhooks: Webhooks, inbox: Inbox) -> None:
        other = Inbox(inbox.url)
        assert webhooks.deliver(inbox, contio, EVENT).duplicates == 0
        assert webhooks.deliver(other, contio, EVENT).duplicates == 0
        assert webhooks.deliver(inbox, contio, EVENT).duplicates == 1

    def test_where_handlers_run(self, webhooks: Webhooks, inbox: Inbox) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="")
        seen: list[tuple[bool, str]] = []

        def note(event: object) -> None:
            seen.append((threading.current_thread() is threading.main_thread(), variable.get()))

        @inbox.on(contio.MeetingCompleted)
        async def coroutine(event: object) -> None:
            note(event)

        inbox.on(contio.MeetingCompleted)(note)
        variable.set("the test's")
        webhooks.deliver(inbox, contio, EVENT)
        assert seen == [(False, "the test's"), (True, "the test's")]


class TestFailures:
    def test_what_a_handler_raises_is_raised_as_it_is(self, webhooks: Webhooks, inbox: Inbox) -> None:
        error = ValueError("no title")

        @inbox.on(contio.MeetingCompleted)
        def fails(event: object) -> None:
            raise error

        with pytest.raises(ValueError, match="no title") as caught:
            webhooks.deliver(inbox, contio, EVENT)
        assert caught.value is error
        assert caught.traceback[-1].name == "fails"
        assert [each.name for each in caught.traceback if str(each.path).endswith("worker.py")] == []

    def test_of_several_it_is_a_group(self, webhooks: Webhooks, inbox: Inbox) -> None:
        def fail(event: object) -> None:
            raise ValueError

        async def fail_too(event: object) -> None:
            raise KeyError

        for handler in (fail, fail_too):
            inbox.on(contio.MeetingCompleted)(handler)
        with pytest.raises(ExceptionGroup) as caught:
            webhooks.deliver(inbox, contio, EVENT)
        assert [type(each) for each in caught.value.exceptions] == [ValueError, KeyError]

    def test_a_retry_comes_when_its_time_has_come_and_for_what_failed_alone(
        self, webhooks: Webhooks, inbox: Inbox
    ) -> None:
        calls: list[str] = []
        is_down = True

        @inbox.on(contio.MeetingCompleted)
        def works(event: object) -> None:
            calls.append("works")

        @inbox.on(contio.MeetingCompleted)
        async def fails_at_first(event: object) -> None:
            calls.append("fails")
            if is_down:
                raise ConnectionError

        with pytest.raises(ConnectionError):
            webhooks.deliver(inbox, contio, EVENT)
        (receipt,) = webhooks.handle(inbox)
        assert (receipt.state, calls) == (ReceiptState.FAILED, ["works", "fails"])
        with pytest.raises(ConnectionError):
            webhooks.handle(inbox, after=timedelta(seconds=12))  # after 10 s, and up to a tenth more
        is_down = False
        (receipt,) = webhooks.handle(inbox, after=timedelta(seconds=10))
        assert receipt.state is ReceiptState.FAILED, "the next is due after a minute"
        (receipt,) = webhooks.handle(inbox, after=timedelta(minutes=2))
        assert (receipt.state, calls) == (ReceiptState.HANDLED, ["works", "fails", "fails", "fails"])

    def test_a_dead_letter(self, webhooks: Webhooks, inbox: Inbox) -> None:
        @inbox.on(contio.MeetingCompleted)
        def gives_up(event: object) -> None:
            raise DeadLetter("nobody knows this meeting")

        with pytest.raises(DeadLetter, match="nobody knows this meeting"):
            webhooks.deliver(inbox, contio, EVENT)
        assert [each.state for each in webhooks.handle(inbox)] == [ReceiptState.DEAD]

    def test_what_only_a_test_raises(self, webhooks: Webhooks, inbox: Inbox) -> None:
        @inbox.on(contio.MeetingCompleted)
        def ends_the_test(event: object) -> None:
            pytest.fail("this must not be called")

        with pytest.raises(pytest.fail.Exception, match="this must not be called"):
            webhooks.deliver(inbox, contio, EVENT)

    @pytest.mark.parametrize("error", [StopIteration(), SystemExit(3), Exception()], ids=repr)
    @pytest.mark.parametrize("is_async", [True, False])
    def test_odd_ones(self, webhooks: Webhooks, inbox: Inbox, error: BaseException, is_async: bool) -> None:
        def plain(event: object) -> None:
            raise error

        async def coroutine(event: object) -> None:
            raise error

        inbox.on(contio.MeetingCompleted)(coroutine if is_async else plain)
        with pytest.raises((type(error), RuntimeError)) as caught:
            webhooks.deliver(inbox, contio, EVENT)
        assert error in {caught.value, caught.value.__cause__}

    def test_a_decorated_coroutine_function(self, webhooks: Webhooks, inbox: Inbox) -> None:
        def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(function)
            def call(*given: object) -> object:
                return function(*given)

            return call

        @inbox.on(contio.MeetingCompleted)
        @decorated
        async def fails(event: object) -> None:
            raise ValueError("awaited")

        with pytest.raises(ValueError, match="awaited"):
            webhooks.deliver(inbox, contio, EVENT)

    def test_one_that_takes_too_long(self, webhooks: Webhooks, tmp_path: Path) -> None:
        inbox = Inbox(f"sqlite:///{tmp_path}/own.db", timeout=timedelta(milliseconds=1))

        @inbox.on(contio.MeetingCompleted)
        async def hangs(event: object) -> None:
            await asyncio.Event().wait()

        with pytest.raises(AssertionError, match=r"TimeoutError: it took more than 0\.001 s"):
            webhooks.deliver(inbox, contio, EVENT)

    def test_an_interrupt_in_a_handler_ends_the_test_at_once(self, webhooks: Webhooks, inbox: Inbox) -> None:
        @inbox.on(contio.MeetingCompleted)
        def interrupted(event: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            webhooks.deliver(inbox, contio, EVENT)
        assert not any(each.name == "webhooks" for each in threading.enumerate())


class TestAsync:
    pytestmark = pytest.mark.anyio

    async def test_coroutine_functions_run_in_the_tests_loop(self, webhooks: Webhooks, inbox: Inbox) -> None:
        came: asyncio.Queue[str] = asyncio.Queue()
        loops: list[object] = []
        threads: list[threading.Thread] = []

        @inbox.on(contio.MeetingCompleted)
        async def coroutine(event: contio.MeetingCompleted) -> None:
            loops.append(asyncio.get_running_loop())
            await came.put(event.data.title)

        inbox.on(contio.MeetingCompleted)(lambda event: threads.append(threading.current_thread()))
        receipt = await webhooks.adeliver(inbox, contio, EVENT, title="Retro")
        assert (await came.get(), receipt.state) == ("Retro", ReceiptState.HANDLED)
        assert loops == [asyncio.get_running_loop()]
        assert threads != [threading.current_thread()]

    async def test_failures_and_retries(self, webhooks: Webhooks, inbox: Inbox) -> None:
        errors: list[Exception] = [ValueError("at first")]

        @inbox.on(contio.MeetingCompleted)
        def fails_at_first(event: object) -> None:
            if errors:
                raise errors.pop()

        with pytest.raises(ValueError, match="at first"):
            await webhooks.adeliver(inbox, contio, EVENT)
        (receipt,) = await webhooks.ahandle(inbox, after=timedelta(minutes=1))
        assert (receipt.state, receipt.attempt_no) == (ReceiptState.HANDLED, 2)

    async def test_the_other_form_says_which_one_is_meant(self, webhooks: Webhooks, inbox: Inbox) -> None:
        with pytest.raises(RuntimeError, match=r"await webhooks\.adeliver"):
            webhooks.deliver(inbox, contio, EVENT)
        with pytest.raises(RuntimeError, match="ahandle"):
            webhooks.handle(inbox)


class TestRequests:
    @pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
    def test_only_the_genuine_one_is_received(self, webhooks: Webhooks, provider: Any) -> None:
        receiver = Receiver(provider, SECRET)
        event_type = next(iter(provider.event_types))
        assert receiver.receive(*webhooks.request(provider, event_type)).event_type == event_type
        for refused, says in ((webhooks.forged, "fit"), (webhooks.stale, "in the past")):
            with pytest.raises(VerificationError) as caught:
                receiver.receive(*refused(provider, event_type))
            assert says in f"{caught.value}"

    def test_the_secret_can_be_another(self, webhooks: Webhooks, inbox: Inbox) -> None:
        webhooks.secret = "another secret of Contio"
        Receiver(contio, "another secret of Contio").receive(*webhooks.request(contio, EVENT))
        assert webhooks.deliver(inbox, contio, EVENT).state is ReceiptState.HANDLED


class TestApps:
    @pytest.fixture
    def titles(self, inbox: Inbox) -> list[str]:
        titles: list[str] = []

        @inbox.on(MeetingEnded)
        async def save(event: MeetingEnded) -> None:
            titles.append(event.title or "")

        return titles

    def test_an_asgi_app_can_be_posted_to(self, webhooks: Webhooks, inbox: Inbox, titles: list[str]) -> None:
        app = asgi.webhook(Receiver(contio, SECRET), inbox)
        webhooks.isolate(inbox)

        async def post(*requests: tuple[dict[str, str], bytes]) -> list[tuple[int, str | None]]:
            transport = httpx.ASGITransport(app=app)
            async with inbox, httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                answers = [
                    await client.post("/", content=body, headers=headers) for headers, body in requests
                ]
            return [(each.status_code, each.headers.get("Adjourn-Receipt")) for each in answers]

        request = webhooks.request(contio, EVENT, title="Retro")
        answers = asyncio.run(
            post(request, request, webhooks.forged(contio, EVENT), webhooks.stale(contio, EVENT))
        )
        assert answers == [(200, "new"), (200, "duplicate"), (401, None), (401, None)]
        assert titles == [], "nothing handles until the test says so"
        (receipt,) = webhooks.handle(inbox)
        assert (titles, receipt.duplicates) == (["Retro"], 1)
        assert webhooks.deliver(inbox, contio, EVENT, title="Retro").duplicates == 2

    def test_a_flask_app_can_be_posted_to(self, webhooks: Webhooks, inbox: Inbox, titles: list[str]) -> None:
        app = Flask(__name__)
        app.add_url_rule("/hook", view_func=flask.webhook(Receiver(contio, SECRET), inbox), methods=["POST"])
        webhooks.isolate(inbox)
        headers, body = webhooks.request(contio, EVENT, title="Retro")
        assert app.test_client().post("/hook", data=body, headers=headers).status_code == 200
        webhooks.handle(inbox)
        assert titles == ["Retro"]

    def test_afterwards_the_inbox_is_as_it_was(self, tmp_path: Path, inbox: Inbox) -> None:
        url = inbox.url
        with Webhooks(SECRET, folder=tmp_path) as webhooks:
            webhooks.isolate(inbox)
            assert inbox.url != url
            webhooks.isolate(inbox)  # once more changes nothing
        assert inbox.url == url
        with pytest.raises(ConfigError, match="not open"):
            _ = inbox.receipts

    def test_an_inbox_that_is_open_cannot_be_isolated(self, webhooks: Webhooks, tmp_path: Path) -> None:
        inbox = Inbox(f"sqlite:///{tmp_path}/open.db")

        async def main() -> None:
            async with inbox:
                with pytest.raises(ConfigError, match="open already"):
                    webhooks.isolate(inbox)

        asyncio.run(main())


def test_callbacks_and_other_options_are_signed_with_the_library_itself(
    webhooks: Webhooks, inbox: Inbox
) -> None:
    body = webhooks.request(meetingbaas, "bot.completed").body
    assert json.loads(body)["event"] == "bot.completed"
    assert datetime.now(UTC) - webhooks.deliver(inbox, meetingbaas, body).received_at < timedelta(minutes=5)
