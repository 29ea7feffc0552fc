"""What recorded attempts mean for the health of their apps: storage/sql/ailing.py, for a batch at once."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from adjourn.models import DeliveryState, subject_of_target
from adjourn.storage.base import Result
from adjourn.storage.postgres.bridge import Link
from adjourn.storage.sql.rows import to_ms

__all__ = ["record_health"]

_HOLD = (
    "SELECT app_id, enabled_at FROM health WHERE app_id = ANY($1::text[]) ORDER BY app_id FOR NO KEY UPDATE"
)
_RECORD = """
    UPDATE health SET
        succeeded_at = CASE WHEN succeeded THEN $6 ELSE succeeded_at END,
        failed_first = CASE WHEN failed THEN coalesce(CASE WHEN succeeded THEN NULL ELSE failed_first END, $6)
                            WHEN NOT succeeded THEN failed_first END,
        failed_last = CASE WHEN failed THEN $6 WHEN NOT succeeded THEN failed_last END,
        exhausted_at = CASE WHEN count > 0 THEN CASE WHEN NOT succeeded_last THEN $6 END
                            WHEN NOT succeeded THEN exhausted_at END,
        abandoned = abandoned + count
    FROM unnest($1::text[], $2::bool[], $3::bool[], $4::bool[], $5::int[])
             AS given (id, succeeded, succeeded_last, failed, count)
    WHERE app_id = given.id
"""


async def record_health(link: Link, results: Sequence[Result], exhausted: Collection[str], now: int) -> None:
    """`exhausted`: the deliveries abandoned with these results because their last retry failed.

    A failure that began before webhooks were last enabled tells nothing about the time since.
    """
    of_app: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if subject_of_target(result.claimed.target) is None:
            of_app[result.claimed.app_id].append(result)
    if not of_app:
        return
    enabled = {row[0]: row[1] for row in await link.raw.fetch(_HOLD, list(of_app))}
    rows = []
    for app_id in enabled:
        its = of_app[app_id]
        well = [each.step.state is DeliveryState.DELIVERED for each in its]
        failures = [
            each
            for each, delivered in zip(its, well, strict=True)
            if not delivered and to_ms(each.attempt.at) >= enabled[app_id]
        ]
        count = sum(each.claimed.id in exhausted for each in failures)
        rows.append((app_id, any(well), well[-1], bool(failures) and not well[-1], count))
    if rows:
        await link.raw.execute(_RECORD, *zip(*rows, strict=True), now)
