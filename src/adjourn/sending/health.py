"""When an endpoint that keeps failing is switched off: the two rules, and the watch that has them applied.

The last step of the flow: the worker records outcomes, the store counts them (models/health.py), and here
is decided what they mean. The decision is pure; the store applies it in the commit that looks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from adjourn import resources
from adjourn.models import Health
from adjourn.repeating import Repeating
from adjourn.storage.base import Infirmary, Verdict

__all__ = ["HealthPace", "HealthWatch", "judge", "standing", "strikes_at"]

_log = logging.getLogger(__name__)

ABANDONED_LIMIT = 50  # deliveries: contio-webhook-management, "How Auto-Disable Works"
SILENCE_LIMIT = timedelta(hours=72)  # without a success: the same
FAILING_FOR = timedelta(hours=1)  # CONTRACTS 1.6: one blip after a quiet weekend disables nothing
WARN_ABANDONED = ABANDONED_LIMIT // 2
WARN_SILENCE = SILENCE_LIMIT / 2

_GRACE = timedelta(seconds=5)  # for a look under way, when the watch is to stop


def judge(health: Health, now: datetime) -> Verdict | None:
    """Disable the app's webhooks, warn its contact, or neither."""
    silence = now - _quiet_since(health)
    failing = _is_failing(health)
    if health.abandoned >= ABANDONED_LIMIT:
        return Verdict(disable=True, reason=f"{_abandoned(health)}.")
    if failing and silence > SILENCE_LIMIT:
        return Verdict(disable=True, reason=f"{_silent(health, SILENCE_LIMIT)}.")
    if health.abandoned >= WARN_ABANDONED:
        what = f"{_abandoned(health)}; at {ABANDONED_LIMIT} webhooks are disabled"
        return Verdict(disable=False, reason=f"{what}.")
    if failing and silence > WARN_SILENCE:
        what = f"{_silent(health, WARN_SILENCE)}; after {_hours(SILENCE_LIMIT)} webhooks are disabled"
        return Verdict(disable=False, reason=f"{what}.")
    return None


def strikes_at(health: Health) -> datetime | None:
    """When silence alone disables webhooks, should attempts go on failing. None: none has failed since."""
    at = _quiet_since(health) + SILENCE_LIMIT
    if health.exhausted_at is not None:
        return at
    if health.failed_first is not None:
        return max(at, health.failed_first + FAILING_FOR)
    return None


def standing(health: Health, now: datetime, *, enabled: bool) -> resources.AutoDisable:
    """How near an app is to being disabled. `enabled`: whether it can be, by its option and the setting."""
    silence = max(now - _quiet_since(health), timedelta(0))
    return resources.AutoDisable(
        enabled=enabled,
        abandoned=health.abandoned,
        abandoned_limit=ABANDONED_LIMIT,
        hours_since_last_success=round(silence / timedelta(hours=1), 2),
        hours_limit=SILENCE_LIMIT / timedelta(hours=1),
        failing=_is_failing(health),
        last_enabled_at=health.enabled_at,
        last_success_at=health.succeeded_at or msgspec.UNSET,
        strikes_at=strikes_at(health) or msgspec.UNSET,
    )


def _quiet_since(health: Health) -> datetime:
    return max(health.succeeded_at or health.enabled_at, health.enabled_at)


def _is_failing(health: Health) -> bool:
    """Whether what failed since the last success or enabling is more than a blip."""
    if health.exhausted_at is not None:
        return True
    if health.failed_first is None or health.failed_last is None:
        return False
    return health.failed_last - health.failed_first >= FAILING_FOR


def _abandoned(health: Health) -> str:
    return (
        f"{health.abandoned} deliveries were abandoned after exhausting their retries "
        f"since webhooks were last enabled ({_in_words(health.enabled_at)})"
    )


def _silent(health: Health, limit: timedelta) -> str:
    return (
        f"No delivery has succeeded for more than {_hours(limit)} "
        f"(since {_in_words(_quiet_since(health))}), while attempts kept failing"
    )


def _hours(span: timedelta) -> str:
    return f"{span // timedelta(hours=1)} hours"


def _in_words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


class HealthPace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the watch does what it does; all in seconds."""

    sweep: float = 60.0  # CONTRACTS 1.6: "a sweep every minute"
    between_looks: float = 0.2  # apps that fail meanwhile share the next
    after_error: float = 1.0


class HealthWatch:
    """Looks at apps as their deliveries fail, and at all that fail every minute. `start`, then `stop`.

    `on_disabled` gets the apps that went off; if it raises it is called again. `enabled`: the rollout;
    without it the watch never looks.
    """

    def __init__(
        self,
        *,
        infirmary: Infirmary,
        on_disabled: Callable[[Sequence[str]], Awaitable[None]],
        enabled: bool = True,
        pace: HealthPace = HealthPace(),  # noqa: B008 - it is frozen
    ) -> None:
        self._infirmary = infirmary
        self._on_disabled = on_disabled
        self._enabled = enabled
        self._between_looks = pace.between_looks
        self._suspects: set[str] = set()
        self._went_off: set[str] = set()  # and on_disabled was not told yet
        self._looking = Repeating(self._look, every=pace.sweep, after_error=pace.after_error)
        self._sweeping = Repeating(self._sweep, every=pace.sweep, after_error=pace.after_error)

    def start(self) -> None:
        if self._enabled:
            self._looking.start()
            self._sweeping.start()

    async def stop(self) -> None:
        await asyncio.gather(self._looking.stop(_GRACE), self._sweeping.stop(_GRACE))

    def look_at(self, app_ids: Iterable[str]) -> None:
        """These have failed: look soon."""
        if self._enabled:
            self._suspects.update(app_ids)
            self._looking.wake()

    async def _look(self) -> None:
        suspects, self._suspects = self._suspects, set()
        if not suspects:
            return
        try:
            await self._judge(sorted(suspects))
        except BaseException:
            self._suspects |= suspects
            raise
        await asyncio.sleep(self._between_looks)

    async def _sweep(self) -> None:
        await self._judge(None)

    async def _judge(self, app_ids: Sequence[str] | None) -> None:
        went_off = await self._infirmary.judge(app_ids, judge)
        if went_off:
            _log.warning("webhooks disabled automatically: %s", ", ".join(went_off))
            self._went_off.update(went_off)
        if telling := sorted(self._went_off):
            await self._on_disabled(telling)
            self._went_off.difference_update(telling)
