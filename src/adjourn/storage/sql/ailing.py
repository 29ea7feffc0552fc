"""What recorded attempts mean for their apps: health, and URLs that are gone. In the commit that records.

An attempt at a callback means nothing for its app: it goes to a URL of its own.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from adjourn.models import DeliveryState, Disabled, DisabledBy, NoticeKind, subject_of_target
from adjourn.storage.base import Result
from adjourn.storage.sql.apps import APP_CHANGED
from adjourn.storage.sql.connection import Connection
from adjourn.storage.sql.notices import insert_notice
from adjourn.storage.sql.rows import text, time, to_ms

__all__ = ["record_health", "switch_off"]

_SUCCEEDED = """
    UPDATE health SET succeeded_at = ?, failed_first = NULL, failed_last = NULL, exhausted_at = NULL
    WHERE app_id = ?
"""
_FAILED = "UPDATE health SET failed_first = coalesce(failed_first, ?), failed_last = ? WHERE app_id = ?"
_EXHAUSTED = "UPDATE health SET abandoned = abandoned + ?, exhausted_at = ? WHERE app_id = ?"
_APP = "SELECT id FROM app WHERE id = ?"
_APP_GONE = """
    UPDATE app SET webhook_enabled = FALSE, disabled = ?, version = version + 1, updated_at = ?
    WHERE id = ? AND webhook_url = ? AND webhook_enabled
"""
_AUTOMATION = "SELECT name, webhook_url FROM automation WHERE id = ?"
_AUTOMATION_GONE = """
    UPDATE automation SET status = 'inactive', updated_at = ?
    WHERE id = ? AND webhook_url = ? AND status = 'active'
"""


def record_health(
    connection: Connection, results: Sequence[Result], exhausted: Collection[str], now: int
) -> None:
    """`exhausted`: the deliveries abandoned with these results because their last retry failed.

    A failure that began before webhooks were last enabled tells nothing about the time since.
    """
    of_app: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if subject_of_target(result.claimed.target) is None:
            of_app[result.claimed.app_id].append(result)
    for app_id, its in of_app.items():
        succeeded = [each.step.state is DeliveryState.DELIVERED for each in its]
        if any(succeeded):
            connection.execute(_SUCCEEDED, (now, app_id))
        if all(succeeded):
            continue
        failures = [each for each, well in zip(its, succeeded, strict=True) if not well]
        enabled = connection.execute("SELECT enabled_at FROM health WHERE app_id = ?", (app_id,)).fetchone()
        failures = [each for each in failures if enabled and to_ms(each.attempt.at) >= enabled[0]]
        if failures and not succeeded[-1]:
            connection.execute(_FAILED, (now, now, app_id))
        if count := sum(each.claimed.id in exhausted for each in failures):
            connection.execute(_EXHAUSTED, (count, None if succeeded[-1] else now, app_id))


def switch_off(connection: Connection, results: Sequence[Result], now: int) -> list[str]:
    """Disable the apps and automations whose present URL answered 410: CONTRACTS 1.5."""
    gone = {
        (each.claimed.app_id, each.claimed.target, each.step.gone_url)
        for each in results
        if each.step.gone_url is not None and subject_of_target(each.claimed.target) is None
    }
    in_order = sorted(gone, key=lambda each: each[0])
    return sorted({each[0] for each in in_order if _switch_off(connection, *each, now)})


def _switch_off(connection: Connection, app_id: str, target: str | None, url: str | None, now: int) -> bool:
    """Whether anything was: the automation with its own URL, or the app. The app's row is held first."""
    connection.hold(_APP, (app_id,))
    automation = None if target is None else connection.execute(_AUTOMATION, (target,)).fetchone()
    if automation is not None and automation[1] is not None:
        if not connection.execute(_AUTOMATION_GONE, (now, target, url)).rowcount:
            return False
        connection.execute(APP_CHANGED, (now, app_id))
        facts = {"url": str(url), "name": str(automation[0])}
        insert_notice(connection, app_id, NoticeKind.AUTOMATION_GONE, facts, now)
        return True
    disabled = Disabled(by=DisabledBy.GONE, at=time(now), reason=f"{url} answered 410 Gone")
    if not connection.execute(_APP_GONE, (text(disabled), now, app_id, url)).rowcount:
        return False
    insert_notice(connection, app_id, NoticeKind.URL_GONE, {"url": str(url)}, now)
    return True
