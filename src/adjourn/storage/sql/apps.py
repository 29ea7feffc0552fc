"""Apps as they lie in the tables: the app's row, its webhook secrets, its automations."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf

import msgspec

from adjourn.config import Secret
from adjourn.errors import ConfigError, StorageError
from adjourn.models import (
    Action,
    App,
    AppStatus,
    Automation,
    AutomationStatus,
    Disabled,
    Filter,
    OldSecret,
)
from adjourn.providers import PROVIDERS
from adjourn.storage.sql.connection import Connection, Row, any_of
from adjourn.storage.sql.rows import text, time, to_ms
from adjourn.vault import Vault

__all__ = [
    "APP_CHANGED",
    "CLEAR_AUTOMATION",
    "AppReader",
    "app_values",
    "save_automations",
]

Sealed = tuple[bytes, int | None]
"""A webhook secret, and until when it works; None: the current one."""

_AT_ONCE = 256  # apps in one statement
_COLUMNS = (
    "id, version, provider, name, description, company_name, client_id, primary_contact_email, webhook_url, "
    "webhook_enabled, webhook_filter, status, slug, options, disabled, created_at, updated_at"
)
_SECRETS = "SELECT app_id, sealed, until FROM credential WHERE type = 'webhook_secret'"
_AUTOMATION_COLUMNS = (
    "id, app_id, name, description, trigger_type, actions, keywords, status, created_at, updated_at"
)
_AUTOMATIONS = f"SELECT {_AUTOMATION_COLUMNS} FROM automation WHERE status <> 'deleted'"  # noqa: S608
_PUT_AUTOMATION = f"""
    INSERT INTO automation ({_AUTOMATION_COLUMNS}, webhook_url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, description = excluded.description, trigger_type = excluded.trigger_type,
        actions = excluded.actions, keywords = excluded.keywords, status = excluded.status,
        updated_at = excluded.updated_at, webhook_url = excluded.webhook_url
    WHERE automation.app_id = excluded.app_id
"""  # noqa: S608
# What belongs to an app has changed: no statement may act on what was known of it before.
APP_CHANGED = "UPDATE app SET version = version + 1, updated_at = ? WHERE id = ?"
# Its id stays: what is published for it later must reach nobody.
CLEAR_AUTOMATION = """
    UPDATE automation SET status = 'deleted', name = '', description = NULL, actions = '[]', keywords = '[]',
           webhook_url = NULL
"""


class AppReader:
    """Reads whole apps; their webhook secrets are opened by `vault`.

    The app's row is read first: what is read after it is as new as its version says, or newer.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def load(self, connection: Connection, app_ids: Sequence[str]) -> list[App]:
        """Those of them that exist."""
        found: list[App] = []
        for start in range(0, len(app_ids), _AT_ONCE):
            marks, values = any_of(app_ids[start : start + _AT_ONCE])
            found += self.read(connection, f"id IN {marks} AND status <> 'deleted'", values)
        return found

    def read(
        self, connection: Connection, where: str, values: Sequence[object], *, automations: bool = True
    ) -> list[App]:
        """Those that the condition, and what may follow it, holds for; with their automations or without."""
        rows = connection.execute(f"SELECT {_COLUMNS} FROM app WHERE {where}", values).fetchall()  # noqa: S608
        if not rows:
            return []
        marks, ids = any_of([row[0] for row in rows])
        secrets, its = defaultdict(list), defaultdict(list)
        for app_id, sealed, until in connection.execute(f"{_SECRETS} AND app_id IN {marks}", ids):
            secrets[app_id].append((sealed, until))
        if automations:
            for row in connection.execute(f"{_AUTOMATIONS} AND app_id IN {marks}", ids):
                its[row[1]].append(_automation(row))
        # one without secrets was deleted since its row was read
        return [self._app(row, secrets[row[0]], its[row[0]]) for row in rows if secrets[row[0]]]

    def _app(self, row: Row, secrets: Iterable[Sealed], automations: Iterable[Automation]) -> App:
        (current, _), *old = sorted(secrets, key=_latest_first)
        return App(
            id=row[0],
            version=row[1],
            provider=row[2],
            name=row[3],
            description=row[4],
            company_name=row[5],
            client_id=row[6] or "",
            primary_contact_email=row[7],
            webhook_url=row[8],
            webhook_enabled=bool(row[9]),
            webhook_filter=None if row[10] is None else msgspec.json.decode(row[10], type=Filter),
            status=AppStatus(row[11]),
            slug=row[12],
            options=msgspec.json.decode(row[13], type=PROVIDERS[row[2]].options),
            disabled=None if row[14] is None else msgspec.json.decode(row[14], type=Disabled),
            webhook_secret=self._secret(current),
            old_secrets=tuple(OldSecret(self._secret(sealed), time(until or 0)) for sealed, until in old),
            automations=tuple(sorted(automations, key=lambda each: (each.created_at, each.id))),
            created_at=time(row[15]),
            updated_at=time(row[16]),
        )

    def _secret(self, sealed: bytes) -> Secret:
        try:
            return Secret(self._vault.open(sealed).decode("utf-8", "surrogatepass"))
        except ConfigError as exc:  # another node seals with a key that this one was not given
            raise StorageError(str(exc)) from exc


def _latest_first(secret: Sealed) -> float:
    """The current one, then by when their grace periods end."""
    return -inf if secret[1] is None else -secret[1]


def app_values(app: App) -> dict[str, object]:
    """What of an app may change, by its column."""
    return {
        "name": app.name,
        "description": app.description,
        "company_name": app.company_name,
        "primary_contact_email": app.primary_contact_email,
        "webhook_url": app.webhook_url,
        "webhook_enabled": app.webhook_enabled,
        "webhook_filter": None if app.webhook_filter is None else text(app.webhook_filter),
        "status": app.status,
        "slug": app.slug,
        "options": text(app.options),
        "disabled": None if app.disabled is None else text(app.disabled),
    }


def save_automations(connection: Connection, app: App) -> None:
    """Make the app's automations those that it has; what is stored as it should be is left alone.

    The caller holds the app's row, as all do who change an automation.
    """
    rows = connection.execute(f"{_AUTOMATIONS} AND app_id = ?", (app.id,)).fetchall()
    stored = {row[0]: tuple(row) for row in rows}
    for each in app.automations:
        row = _automation_row(each)
        if stored.pop(each.id, None) != row:
            connection.execute(_PUT_AUTOMATION, (*row, each.webhook_url))
    connection.executemany(f"{CLEAR_AUTOMATION} WHERE id = ?", [(automation_id,) for automation_id in stored])


def _automation(row: Row) -> Automation:
    return Automation(
        id=row[0],
        app_id=row[1],
        name=row[2],
        description=row[3],
        trigger_type=row[4],
        actions=msgspec.json.decode(row[5], type=tuple[Action, ...]),
        keywords=msgspec.json.decode(row[6], type=tuple[str, ...]),
        status=AutomationStatus(row[7]),
        created_at=time(row[8]),
        updated_at=time(row[9]),
    )


def _automation_row(each: Automation) -> Row:
    return (
        each.id,
        each.app_id,
        each.name,
        each.description,
        each.trigger_type,
        text(each.actions),
        text(each.keywords),
        each.status.value,
        to_ms(each.created_at),
        to_ms(each.updated_at),
    )
