"""PostgreSQL under the store: opening it, losing it, values it cannot keep, answers that never come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from tests.postgres import Server, empty_database, new_database, run_sql, server_url
from tests.storage.harness import KEY, START, Clock, World, connected, ids_of, kept

from adjourn.config import Secret
from adjourn.errors import ConfigError, InDoubt, InputError, StorageError
from adjourn.models import DeliveryState
from adjourn.storage.base import AnswerExists, Claimed
from adjourn.storage.postgres.faults import refusal, translated
from adjourn.storage.postgres.store import PostgresStore
from adjourn.vault import Vault

pytestmark = pytest.mark.anyio

OTHER_KEY = Secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
ASLEEP = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'adjourn %'"
)


async def opened(url: str, clock: Clock | None = None) -> World:
    clock = clock or Clock()
    store = await PostgresStore.open(url, Vault([KEY]), clock=clock, lease=timedelta(0))
    return World(store, clock)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await opened(empty_database())
    yield made
    await made.store.close()


# opening


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ana:hunter2@127.0.0.1:1/none", "is it running there"),
        ("postgresql://ana:hunter2@no-such-host.invalid/none", "ADJOURN_DATABASE_URL"),
        ("postgresql://ana:hunter2@127.0.0.1:1/none?sslmode=perhaps", "sslmode"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_a_setting_to_mend(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match="cannot open the PostgreSQL database 'none'") as failed:
        await PostgresStore.open(url, Vault([KEY]))
    assert told in str(failed.value)
    assert "hunter2" not in str(failed.value)


async def test_a_database_that_is_not_there_is_named() -> None:
    url = urlunsplit(urlsplit(server_url())._replace(path="/absent"))
    with pytest.raises(ConfigError, match="createdb absent"):
        await PostgresStore.open(url, Vault([KEY]))


async def test_a_user_who_may_not_is_told_so() -> None:
    url = server_url().replace("//postgres@", "//nobody:hunter2@")
    with pytest.raises(ConfigError, match="check user and password") as failed:
        await PostgresStore.open(url, Vault([KEY]))
    assert "hunter2" not in str(failed.value)


def test_no_message_shows_the_password_that_the_driver_quotes() -> None:
    told = refusal("postgresql://ana:hun%20ter@host/db", ValueError("bad: hun%20ter, hun ter"))
    assert str(told).count("***") == 2


async def test_tables_of_a_newer_adjourn_are_left_alone() -> None:
    url = new_database("adjourn_newer")
    run_sql(url, "CREATE TABLE adjourn_schema (version integer)", "INSERT INTO adjourn_schema VALUES (999)")
    with pytest.raises(ConfigError, match="tables have version 999"):
        await PostgresStore.open(url, Vault([KEY]))


async def test_a_database_whose_texts_lose_characters_is_refused() -> None:
    run_sql(
        server_url(),
        "DROP DATABASE IF EXISTS adjourn_latin",
        "CREATE DATABASE adjourn_latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    url = urlunsplit(urlsplit(server_url())._replace(path="/adjourn_latin"))
    with pytest.raises(ConfigError, match="LATIN1"):
        await PostgresStore.open(url, Vault([KEY]))


async def test_many_nodes_make_the_tables_of_a_new_database_once() -> None:
    url = new_database("adjourn_many")
    worlds = await asyncio.gather(*(opened(url) for _ in range(3)))
    await worlds[0].add_app()
    assert [(await each.store.directory.get_app("app")).id for each in worlds] == ["app"] * 3
    for each in worlds:
        await each.store.close()


async def test_another_key_does_not_open_it(world: World) -> None:
    with pytest.raises(ConfigError, match="ADJOURN_SECRET_KEY"):
        await PostgresStore.open(empty_url(world), Vault([OTHER_KEY]))


async def test_it_is_sealed_anew_with_the_newest_key(world: World) -> None:
    app = await world.add_app()
    again = await PostgresStore.open(empty_url(world), Vault([OTHER_KEY, KEY]), clock=world.clock)
    await again.close()
    alone = await PostgresStore.open(empty_url(world), Vault([OTHER_KEY]), clock=world.clock)
    assert (await alone.directory.get_app("app")).webhook_secret == app.webhook_secret
    await alone.close()


async def test_a_node_without_the_newest_key_asks_to_be_tried_again(world: World) -> None:
    await world.add_app()
    other = await PostgresStore.open(empty_url(world), Vault([OTHER_KEY, KEY]), clock=world.clock)
    await other.close()
    with pytest.raises(StorageError, match="ADJOURN_SECRET_KEY"):
        await world.store.directory.get_app("app")


async def test_a_closed_store_says_so(world: World) -> None:
    await world.store.close()
    with pytest.raises(StorageError, match="closed"):
        await world.publish_waiting()
    with pytest.raises(StorageError, match="closed"):
        await world.add_app()


def empty_url(world: World) -> str:
    return str(world.store._database.url)  # type: ignore[attr-defined]


# values


async def test_a_character_that_it_cannot_keep_is_the_callers_fault(world: World) -> None:
    await world.add_app()
    connection = connected("app", "ana\0", id="c")
    with pytest.raises(InputError, match=r"U\+0000"):
        await world.store.directory.put_connections([connection], new_id=world.ids)


async def test_half_a_character_is_the_callers_fault(world: World) -> None:
    with pytest.raises(InputError):
        await world.store.directory.put_connections([connected("app", "ana\ud800", id="c")], new_id=world.ids)


async def test_whatever_an_endpoint_says_is_on_record(world: World) -> None:
    await world.add_app()
    await world.publish(world.delivery(), world.delivery())
    for claimed in await world.claim():
        result = world.failure(claimed)
        attempt = type(result.attempt)(
            delivery_id=claimed.id,
            no=1,
            at=START,
            duration_ms=1,
            http_status=500,
            error="answered\0 500",
            response="\0\x01☂ \N{REPLACEMENT CHARACTER}",
            response_headers={"x": "\0"},
        )
        await world.record(type(result)(claimed=claimed, attempt=attempt, step=result.step))
        (found,) = await world.store.log.list_attempts(claimed.id)
        assert found.response == attempt.response
        assert found.response_headers == attempt.response_headers
        assert found.error == "answered\N{REPLACEMENT CHARACTER} 500"


@pytest.mark.parametrize("given", ["", "x", "0" * 36, "Ä" * 36, "019b8e07-4600-7000-bca9-d37952e6b43"])
async def test_what_is_no_id_is_nothings_id(world: World, given: str) -> None:
    assert await world.store.log.find_published(given) is None
    assert await world.store.log.list_attempts(given) == []


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (asyncpg.CharacterNotInRepertoireError("told"), InputError),
        (asyncpg.NumericValueOutOfRangeError("told"), InputError),
        (asyncpg.DeadlockDetectedError("told"), StorageError),
        (asyncpg.DiskFullError("no space left"), StorageError),
        (asyncpg.ConnectionDoesNotExistError("told"), StorageError),
        (asyncpg.InterfaceError("connection is closed"), StorageError),
        (TimeoutError(), StorageError),
        (ConnectionResetError(), StorageError),
    ],
)
def test_every_error_is_translated(exc: Exception, kind: type[Exception]) -> None:
    assert type(translated("it failed", exc)) is kind


# losing it


async def test_after_its_connections_are_lost_a_store_makes_new_ones(world: World) -> None:
    await world.add_app()
    await world.enlist()
    first = await world.publish_held()
    run_sql(empty_url(world), ASLEEP)
    second = await world.publish_held()
    run_sql(empty_url(world), ASLEEP)
    for _ in range(3):
        with contextlib.suppress(StorageError):
            await world.record(world.success(first), world.success(second))
    assert await world.state(first.id) is DeliveryState.DELIVERED
    assert await world.state(second.id) is DeliveryState.DELIVERED


async def test_a_server_that_stopped_and_started_again_has_all_that_was_answered() -> None:
    server = Server(careful=True)
    await asyncio.to_thread(server.start)
    try:
        world = await opened(server.url)
        await world.add_app()
        published = [await world.publish_waiting() for _ in range(3)]
        await asyncio.to_thread(server.stop, immediate=True)
        with pytest.raises(StorageError):
            await world.publish_waiting()
        await asyncio.to_thread(server.start)
        assert ids_of(await world.claim()) == published
        await world.store.close()
    finally:
        await asyncio.to_thread(server.remove)


class Cut:
    """Between the store and the server: loses the answers to what holds `mark`, when it is told to."""

    def __init__(self) -> None:
        self.mark: bytes | None = None
        self.cut = 0
        self.refuses = False  # new connections
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, url: str) -> str:
        parts = urlsplit(url)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self.refuses:
            writer.close()
            return
        to_reader, to_writer = await asyncio.open_connection(*self._to)
        losing = asyncio.Event()
        up = asyncio.create_task(self._up(reader, to_writer, losing))
        self._tasks.add(up)
        try:
            while data := await to_reader.read(65536):
                if losing.is_set():
                    self.cut += 1
                    break
                writer.write(data)
        finally:
            up.cancel()
            for each in (writer, to_writer):
                each.close()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 20):
            if self.mark is not None and self.mark in data:
                self.mark = None
                losing.set()
            writer.write(data)
        writer.close()


@pytest.fixture
async def cut() -> AsyncIterator[tuple[Cut, World]]:
    between = Cut()
    world = await opened(await between.start(empty_database()))
    await world.add_app()
    await world.enlist()
    await world.publish_held()  # its connection and lane are there
    yield between, world
    await world.store.close()
    await between.stop()


@pytest.mark.parametrize("mark", [b"unique mark", b"COMMIT"])
async def test_publishing_whose_answer_is_lost_is_stored_once(cut: tuple[Cut, World], mark: bytes) -> None:
    between, world = cut
    waits = mark == b"COMMIT"
    new = world.delivery(owner=None if waits else "w1", event_type="unique mark")
    entry = world.entry(new)
    between.mark = mark
    await world.store.queue.publish([entry])
    assert between.cut == 1
    assert (await world.get(new.id)).event_type == "unique mark"
    _, total = await world.store.log.list_publications(event_type=None, limit=1, offset=0)
    assert total == 2
    assert ids_of(await world.claim()) == ([new.id] if waits else [])


async def test_publishing_that_nobody_can_ask_about_is_in_doubt_and_given_back(
    cut: tuple[Cut, World],
) -> None:
    between, world = cut
    new = world.delivery(owner="w1", event_type="unique mark")
    between.mark, between.refuses = b"unique mark", True
    with pytest.raises(InDoubt):
        await world.store.queue.publish([world.entry(new)])
    between.refuses = False
    assert await world.claim() == []
    held = Claimed(
        id=new.id,
        app_id=new.app_id,
        lane_id=new.lane_id,
        event_id=new.event_id,
        event_type=new.event_type,
        body=b"{}",
    )
    await world.store.queue.give_back("w1", [held])
    assert ids_of(await world.claim()) == [new.id]


async def test_an_answer_kept_by_a_commit_whose_answer_is_lost_is_ours(cut: tuple[Cut, World]) -> None:
    between, world = cut
    entry = world.entry(world.delivery())
    with_answer = type(entry)(
        publication=entry.publication,
        events=entry.events,
        deliveries=entry.deliveries,
        app_versions={},
        answer=kept(),
    )
    between.mark = b"COMMIT"
    await world.store.queue.publish([with_answer])
    assert between.cut == 1
    other = world.entry(world.delivery())
    with pytest.raises(AnswerExists):
        await world.store.queue.publish(
            [
                type(other)(
                    publication=other.publication,
                    events=other.events,
                    deliveries=other.deliveries,
                    app_versions={},
                    answer=kept(),
                )
            ]
        )


async def test_what_a_claim_took_whose_answer_is_lost_comes_again(cut: tuple[Cut, World]) -> None:
    between, world = cut
    delivery_id = await world.publish_waiting()
    await world.claim(room=0)
    between.mark = b"COMMIT"
    with pytest.raises(StorageError):
        await world.claim()
    assert between.cut == 1
    assert ids_of(await world.claim()) == [delivery_id]
    assert await world.claim("w2") == []


async def test_recording_whose_answer_is_lost_may_be_repeated(cut: tuple[Cut, World]) -> None:
    between, world = cut
    held = await world.publish_held()
    await world.record(world.success(held))
    second = await world.publish_held()
    between.mark = b"unique mark"
    result = world.success(second)
    attempt = type(result.attempt)(
        delivery_id=second.id,
        no=1,
        at=START,
        duration_ms=1,
        http_status=200,
        error="",
        response="unique mark",
    )
    result = type(result)(claimed=second, attempt=attempt, step=result.step)
    with pytest.raises(StorageError):
        await world.record(result)
    assert between.cut == 1
    await world.record(result)
    assert await world.state(second.id) is DeliveryState.DELIVERED
    assert await world.attempts(second.id) == [1]
