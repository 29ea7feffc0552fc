"""Publishing a batch: publications, events, deliveries, and the jobs of those that wait."""

from collections.abc import Sequence
from itertools import groupby

from adjourn.errors import NotFound
from adjourn.models import DeliveryState, lane_target
from adjourn.storage.base import Entry, NewDelivery, StaleApps
from adjourn.storage.sql.answers import insert_answer
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.rows import text
from adjourn.storage.sql.subjects import note_subjects
from adjourn.storage.sql.waiting import ADD_LANE, enter, wait, wake
from adjourn.storage.sqlite.rows import Milliseconds, insert
from adjourn.vault import Vault

__all__ = ["publish"]

_DELIVERIES = (
    "INSERT INTO delivery (id, app_id, event_id, event_type, lane_id, target, owner, created_at, state)"
)
_PENDING = str(DeliveryState.PENDING)
_JOBS = "INSERT INTO job (delivery_id, app_id, lane_id, due)"


def publish(connection: Connection, entries: Sequence[Entry], vault: Vault, now: int) -> None:
    """Raises StaleApps, AnswerExists and NotFound."""
    _check_versions(connection, entries)
    _enter_owners(connection, entries, now)
    for entry in entries:
        if entry.answer is not None:
            insert_answer(connection, entry.answer)
        if entry.revokes is not None:
            _revoke(connection, entry, now)
    note_subjects(connection, entries, vault, now)
    _insert(connection, entries, now)


def _check_versions(connection: Connection, entries: Sequence[Entry]) -> None:
    planned: dict[str, int] = {}
    stale = []
    for entry in entries:
        for app_id, version in entry.app_versions.items():
            if planned.setdefault(app_id, version) != version:
                stale.append(app_id)
    for app_id, version in planned.items():
        row = connection.execute("SELECT version FROM app WHERE id = ?", (app_id,)).fetchone()
        if row != (version,):
            stale.append(app_id)
    if stale:
        raise StaleApps(sorted(set(stale)))


def _enter_owners(connection: Connection, entries: Sequence[Entry], now: int) -> None:
    """See that `reap` will find what is published as owned, whatever became of its worker meanwhile."""
    floors: dict[str, str] = {}
    for entry in entries:
        for each in entry.deliveries:
            if each.owner is not None:
                floors[each.owner] = min(each.id, floors.get(each.owner, each.id))
    for owner, floor in floors.items():
        enter(connection, owner, now, floor=floor)


def _revoke(connection: Connection, entry: Entry, now: int) -> None:
    ended = entry.revokes
    assert ended is not None
    changed = connection.execute(
        "UPDATE connection SET status = 'revoked', updated_at = ? "
        "WHERE user_id = ? AND app_id = ? AND id = ? AND status <> 'revoked'",
        (now, ended.user_id, ended.app_id, ended.id),
    ).rowcount
    if not changed:
        raise NotFound("connection", ended.user_id)


def _insert(connection: Connection, entries: Sequence[Entry], now: int) -> None:
    ms = Milliseconds()
    publications = [
        (
            each.id,
            ms.of(each.at),
            each.provider,
            each.event_type,
            each.timestamp,
            each.actor_user_id,
            text(each.audience),
            each.data,
            text(each.verdicts),
        )
        for each in (entry.publication for entry in entries)
    ]
    insert(connection, "INSERT INTO publication", publications)
    events = [
        (each.id, each.publication_id, each.app_id, each.user_id, each.head, each.own_data)
        for entry in entries
        for each in entry.events
    ]
    insert(connection, "INSERT INTO event", events)
    deliveries = [each for entry in entries for each in entry.deliveries]
    rows = [
        (
            each.id,
            each.app_id,
            each.event_id,
            each.event_type,
            each.lane_id,
            each.target,
            each.owner,
            now,
            _PENDING,
        )
        for each in deliveries
    ]
    insert(connection, _DELIVERIES, rows)
    _insert_waiting(connection, deliveries, now)


def _insert_waiting(connection: Connection, deliveries: Sequence[NewDelivery], now: int) -> None:
    lanes = {
        each.lane_id: (each.lane_id, each.app_id, each.origin, lane_target(each.target))
        for each in deliveries
    }
    for lane in lanes.values():
        connection.execute(ADD_LANE, lane)
    waiting = [each for each in deliveries if each.owner is None]
    for is_free, some in groupby(waiting, key=lambda each: each.order_key is None):
        if is_free:
            insert(connection, _JOBS, [(each.id, each.app_id, each.lane_id, now) for each in some])
        else:
            for each in some:
                wait(connection, each.id, each.app_id, each.lane_id, due=now, order_key=each.order_key)
    for lane_id in {each.lane_id for each in waiting if each.order_key is None}:
        wake(connection, lane_id, now)
