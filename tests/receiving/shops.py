"""Somebody's own database connections, of every kind that an inbox can keep in the transaction of."""

import inspect
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import aiosqlite
import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

__all__ = ["ASYNC", "POSTGRES", "SHOPS", "Shop", "answer"]

SELL = "INSERT INTO sale (what) VALUES ('a meeting')"


class Shop(NamedTuple):
    """An open connection, and its owner's words; `sell` writes a row of business."""

    connection: Any
    sell: Callable[[], Any]
    commit: Callable[[], Any]
    rollback: Callable[[], Any]


async def answer(given: Any) -> Any:
    """What it gives, awaited if it must be."""
    return await given if inspect.isawaitable(given) else given


def path_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


@asynccontextmanager
async def plain_sqlite(url: str) -> AsyncIterator[Shop]:
    connection = sqlite3.connect(path_of(url), timeout=30, check_same_thread=False)
    try:
        yield Shop(connection, lambda: connection.execute(SELL), connection.commit, connection.rollback)
    finally:
        connection.close()


@asynccontextmanager
async def async_sqlite(url: str) -> AsyncIterator[Shop]:
    async with aiosqlite.connect(path_of(url)) as connection:
        yield Shop(connection, lambda: connection.execute(SELL), connection.commit, connection.rollback)


@asynccontextmanager
async def sync_psycopg(url: str) -> AsyncIterator[Shop]:
    with psycopg.connect(url) as connection:
        yield Shop(connection, lambda: connection.execute(SELL), connection.commit, connection.rollback)


@asynccontextmanager
async def async_psycopg(url: str) -> AsyncIterator[Shop]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield Shop(connection, lambda: connection.execute(SELL), connection.commit, connection.rollback)


@asynccontextmanager
async def of_asyncpg(url: str) -> AsyncIterator[Shop]:
    connection = await asyncpg.connect(url)
    try:
        yield await _begun(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def of_a_pool(url: str) -> AsyncIterator[Shop]:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        yield await _begun(connection)


async def _begun(connection: Any) -> Shop:
    transaction = connection.transaction()
    await transaction.start()
    return Shop(connection, lambda: connection.execute(SELL), transaction.commit, transaction.rollback)


def _with(url: str, driver: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}+{driver}://{rest}"


def alchemy(
    driver: str, make: Callable[[sqlalchemy.Engine], Any]
) -> Callable[[str], AbstractAsyncContextManager[Shop]]:
    @asynccontextmanager
    async def open_shop(url: str) -> AsyncIterator[Shop]:
        engine = sqlalchemy.create_engine(_with(url, driver))
        with make(engine) as connection:
            sell = lambda: connection.execute(sqlalchemy.text(SELL))  # noqa: E731
            yield Shop(connection, sell, connection.commit, connection.rollback)
        engine.dispose()

    return open_shop


def async_alchemy(
    driver: str, make: Callable[[Any], Any]
) -> Callable[[str], AbstractAsyncContextManager[Shop]]:
    @asynccontextmanager
    async def open_shop(url: str) -> AsyncIterator[Shop]:
        engine = create_async_engine(_with(url, driver))
        async with make(engine) as connection:
            sell = lambda: connection.execute(sqlalchemy.text(SELL))  # noqa: E731
            yield Shop(connection, sell, connection.commit, connection.rollback)
        await engine.dispose()

    return open_shop


def _connect(engine: Any) -> Any:
    return engine.connect()


SHOPS: dict[str, Callable[[str], AbstractAsyncContextManager[Shop]]] = {
    "sqlite3": plain_sqlite,
    "aiosqlite": async_sqlite,
    "psycopg": sync_psycopg,
    "psycopg async": async_psycopg,
    "asyncpg": of_asyncpg,
    "asyncpg pool": of_a_pool,
    "SQLAlchemy sqlite3": alchemy("pysqlite", _connect),
    "SQLAlchemy psycopg": alchemy("psycopg", _connect),
    "SQLAlchemy session sqlite3": alchemy("pysqlite", Session),
    "SQLAlchemy session psycopg": alchemy("psycopg", Session),
    "SQLAlchemy async aiosqlite": async_alchemy("aiosqlite", _connect),
    "SQLAlchemy async asyncpg": async_alchemy("asyncpg", _connect),
    "SQLAlchemy async psycopg": async_alchemy("psycopg", _connect),
    "SQLAlchemy async session aiosqlite": async_alchemy("aiosqlite", AsyncSession),
    "SQLAlchemy async session asyncpg": async_alchemy("asyncpg", AsyncSession),
    "SQLAlchemy async session psycopg": async_alchemy("psycopg", AsyncSession),
}
POSTGRES = [name for name in SHOPS if "sqlite" not in name]
ASYNC = [name for name in SHOPS if "async" in name or name == "aiosqlite"]
