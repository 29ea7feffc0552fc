"""The log: reads for the APIs. Those of any length each have a snapshot of their own."""

from adjourn.errors import NotFound
from adjourn.models import Attempt, Delivery, DeliveryState, Publication
from adjourn.storage.base import Published, Waiting
from adjourn.storage.sql.apps import AppReader
from adjourn.storage.sql.connection import Connection, Database, Row, any_of, look_up
from adjourn.storage.sql.rows import (
    ATTEMPT_COLUMNS,
    DELIVERY_COLUMNS,
    PUBLICATION_COLUMNS,
    is_id,
    read_attempt,
    read_delivery,
    read_publication,
    time,
)
from adjourn.vault import Vault

__all__ = ["SqlLog"]


_OLDEST = f"""
    SELECT {PUBLICATION_COLUMNS} FROM publication WHERE id = (
        SELECT publication_id FROM event WHERE id = (
            SELECT delivery.event_id FROM app JOIN job ON job.app_id = app.id AND job.seq > app.discard_seq
            JOIN delivery ON delivery.id = job.delivery_id
            WHERE app.id = ? AND delivery.event_type = ? AND delivery.state IN ('pending', 'failed')
            ORDER BY delivery.id LIMIT 1))
"""  # noqa: S608
_BACKLOG = """
    SELECT delivery.event_type, delivery.state, count(*), min(delivery.created_at)
    FROM app JOIN job ON job.app_id = app.id AND job.seq > app.discard_seq
    JOIN delivery ON delivery.id = job.delivery_id
    WHERE app.id = ? AND delivery.state IN ('pending', 'failed')
    GROUP BY delivery.event_type, delivery.state
"""
_PUBLISHED = f"""
    SELECT {PUBLICATION_COLUMNS} FROM publication
    WHERE id = coalesce((SELECT publication_id FROM event WHERE id = ?), ?)
"""  # noqa: S608
_AT_ONCE = 256  # deliveries in one statement


class SqlLog:
    """`storage.base.Log`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._reader = AppReader(vault)

    async def get_delivery(self, app_id: str | None, delivery_id: str) -> Delivery:
        sql = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id = ?"  # noqa: S608
        for row in await look_up(self._database, sql, delivery_id) if is_id(delivery_id) else ():
            delivery = read_delivery(row)
            if app_id in (None, delivery.app_id):
                return delivery
        raise NotFound("delivery", delivery_id)

    async def list_deliveries(
        self,
        app_id: str | None,
        *,
        state: DeliveryState | None,
        event_type: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Delivery], int]:
        given = {"app_id": app_id, "state": state, "event_type": event_type}
        bounds = {name: value for name, value in given.items() if value is not None}
        rows, total = await self._newest("delivery", DELIVERY_COLUMNS, bounds, (limit, offset))
        return [read_delivery(row) for row in rows], total

    async def find_newest(self) -> str | None:
        rows = await look_up(self._database, "SELECT id FROM delivery ORDER BY id DESC LIMIT 1")
        return rows[0][0] if rows else None

    async def list_attempts(self, delivery_id: str) -> list[Attempt]:
        sql = f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE delivery_id = ? ORDER BY no, at"  # noqa: S608
        rows = await look_up(self._database, sql, delivery_id) if is_id(delivery_id) else ()
        return [read_attempt(row) for row in rows]

    async def find_published(self, key: str) -> Published | None:
        return await self._database.read(lambda connection: self._find_published(connection, key), turn=key)

    async def list_publications(
        self, *, event_type: str | None, limit: int, offset: int
    ) -> tuple[list[Publication], int]:
        bounds = {} if event_type is None else {"event_type": event_type}
        rows, total = await self._newest("publication", PUBLICATION_COLUMNS, bounds, (limit, offset))
        return [read_publication(row) for row in rows], total

    async def backlog_of(self, app_id: str) -> list[Waiting]:
        def run(connection: Connection) -> list[Waiting]:
            return [
                Waiting(event_type, DeliveryState(state), count, time(oldest))
                for event_type, state, count, oldest in connection.execute(_BACKLOG, (app_id,))
            ]

        return await self._database.read(run, turn=app_id)

    async def oldest_waiting(self, app_id: str, event_type: str) -> Publication | None:
        def run(connection: Connection) -> Publication | None:
            row = connection.execute(_OLDEST, (app_id, event_type)).fetchone()
            return None if row is None else read_publication(row)

        return await self._database.read(run, turn=app_id)

    async def _newest(
        self, table: str, columns: str, bounds: dict[str, str], page: tuple[int, int]
    ) -> tuple[list[Row], int]:
        where = " AND ".join(f"{name} = ?" for name in bounds) or "TRUE"
        values = tuple(bounds.values())

        def run(connection: Connection) -> tuple[list[Row], int]:
            (total,) = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()  # noqa: S608
            sql = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
            return connection.execute(sql, (*values, *page)).fetchall(), total

        return await self._database.read(run, turn=bounds.get("app_id", table))

    def _find_published(self, connection: Connection, key: str) -> Published | None:
        row = connection.execute(_PUBLISHED, (key, key)).fetchone() if is_id(key) else None
        if row is None:
            return None
        publication = read_publication(row)
        considered = {each.app_id for each in publication.verdicts if each.app_id is not None}
        its = [delivery_id for each in publication.verdicts for delivery_id in each.delivery_ids]
        deliveries: list[Delivery] = []
        for start in range(0, len(its), _AT_ONCE):
            marks, values = any_of(its[start : start + _AT_ONCE])
            sql = f"SELECT {DELIVERY_COLUMNS} FROM delivery WHERE id IN {marks}"  # noqa: S608
            deliveries += [read_delivery(row) for row in connection.execute(sql, values)]
        apps = self._reader.load(connection, sorted(considered))
        return Published(
            publication=publication,
            deliveries={each.id: each for each in deliveries},
            apps={each.id: each for each in apps},
        )
