"""Infirmary: apps disabled or warned for their health, and the notices that tell of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from tests.storage.harness import LEASE, MINUTE, MS, START, World

from adjourn.models import (
    AppOptions,
    AppStatus,
    DeliveryState,
    Disabled,
    DisabledBy,
    Health,
    Notice,
    NoticeKind,
    NoticeState,
)
from adjourn.storage.base import Step, Verdict

pytestmark = pytest.mark.anyio

HOUR = 60 * MINUTE
DISABLE = Verdict(disable=True, reason="It fails.")
WARN = Verdict(disable=False, reason="It fails often.")

Decide = Callable[[Health, datetime], Verdict | None]


class Judge:
    """Says the same of every app, and remembers what it was shown."""

    def __init__(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        self.seen: dict[str, Health] = {}
        self.at: datetime | None = None

    def __call__(self, health: Health, now: datetime) -> Verdict | None:
        self.seen[health.app_id] = health
        self.at = now
        return self._verdict


async def fail(world: World, app_id: str = "app", *, last: bool = False) -> None:
    """One failed attempt; it may be the last retry of its delivery."""
    await world.publish_waiting(app_id)
    claimed = await world.claim_one()
    step = Step(state=DeliveryState.ABANDONED, retry_count=3, exhausted=True)
    ended = world.result(claimed, step, status=500) if last else world.failure(claimed, retry_in=100 * HOUR)
    await world.record(ended)


async def ailing(world: World, app_id: str = "app") -> None:
    await world.add_app(app_id)
    await fail(world, app_id, last=True)


async def judge(world: World, decide: Decide, *app_ids: str) -> list[str]:
    """Of all that ail where none is named."""
    return await world.store.infirmary.judge(app_ids or None, decide)


async def shown(world: World, *app_ids: str) -> set[str]:
    """Which apps are looked at."""
    judge_of_all = Judge(None)
    assert await judge(world, judge_of_all, *app_ids) == []
    return set(judge_of_all.seen)


async def notices(world: World, app_id: str = "app") -> list[Notice]:
    return await world.store.infirmary.list_notices(app_id, limit=100)


async def kinds(world: World) -> list[NoticeKind]:
    return [each.kind for each in await notices(world)]


async def claim(world: World, *, limit: int = 100, lease: timedelta = LEASE) -> list[Notice]:
    return await world.store.infirmary.claim_notices(limit=limit, lease=lease)


# looking


async def test_a_new_app_is_well(world: World) -> None:
    assert await world.store.infirmary.find_health("app") is None
    await world.add_app()
    assert await world.store.infirmary.find_health("app") == Health(app_id="app", enabled_at=START)


async def test_all_that_fail_are_shown_as_they_are(world: World) -> None:
    for app_id in ("well", "failing", "exhausted", "recovered", "lossy"):
        await world.add_app(app_id)
    world.clock.advance(MINUTE)
    await fail(world, "failing")
    await fail(world, "exhausted", last=True)
    await fail(world, "recovered")
    await fail(world, "lossy", last=True)
    for app_id in ("recovered", "lossy"):
        await world.publish_waiting(app_id)
        await world.record(world.success(await world.claim_one()))
    world.clock.advance(MINUTE)
    all_of_them = Judge(None)
    assert await judge(world, all_of_them) == []
    assert set(all_of_them.seen) == {"failing", "exhausted", "lossy"}
    assert all_of_them.at == world.clock.now
    failed_at = START + MINUTE
    assert all_of_them.seen["exhausted"] == Health(
        app_id="exhausted",
        enabled_at=START,
        abandoned=1,
        failed_first=failed_at,
        failed_last=failed_at,
        exhausted_at=failed_at,
    )
    assert all_of_them.seen["failing"] == await world.store.infirmary.find_health("failing")


async def test_those_that_are_named_are_shown_well_or_not(world: World) -> None:
    for app_id in ("well", "other"):
        await world.add_app(app_id)
    await ailing(world)
    assert await shown(world, "well", "app", "no such app") == {"well", "app"}


async def test_an_app_that_gets_nothing_is_not_looked_at(world: World) -> None:
    for app_id in ("off", "suspended", "deleted", "app"):
        await ailing(world, app_id)
    await world.change("off", enabled=False)
    await world.change("suspended", status=AppStatus.SUSPENDED)
    await world.store.directory.delete_app("deleted")
    assert await shown(world) == {"app"}
    assert await shown(world, "off", "suspended", "deleted", "app") == {"app"}


async def test_an_app_that_is_never_disabled_automatically_is_not_looked_at(world: World) -> None:
    await ailing(world)
    app = await world.store.directory.get_app("app")
    await world.store.directory.save_app(msgspec.structs.replace(app, options=AppOptions(auto_disable=False)))
    assert await shown(world) == await shown(world, "app") == set()


# disabling


@pytest.mark.parametrize("named", [True, False])
async def test_an_app_is_disabled_with_the_reason_and_a_notice(world: World, named: bool) -> None:
    await ailing(world)
    before = await world.store.directory.get_app("app")
    world.clock.advance(MINUTE)
    assert await judge(world, Judge(DISABLE), *(["app"] if named else [])) == ["app"]
    assert await world.store.directory.get_app("app") == msgspec.structs.replace(
        before,
        version=before.version + 1,
        webhook_enabled=False,
        disabled=Disabled(by=DisabledBy.AUTO_DISABLE, at=world.clock.now, reason=DISABLE.reason),
        updated_at=world.clock.now,
    )
    (notice,) = await notices(world)
    assert notice == Notice(
        id=notice.id,
        app_id="app",
        kind=NoticeKind.AUTO_DISABLED,
        facts={"reason": DISABLE.reason},
        created_at=world.clock.now,
    )


async def test_a_disabled_app_is_not_disabled_again_and_gets_nothing(world: World) -> None:
    await ailing(world)
    await judge(world, Judge(DISABLE))
    assert await judge(world, Judge(DISABLE)) == await judge(world, Judge(DISABLE), "app") == []
    assert await kinds(world) == [NoticeKind.AUTO_DISABLED]
    await world.publish_waiting()
    assert await world.claim() == []


async def test_each_app_is_judged_on_its_own(world: World) -> None:
    for app_id in ("app", "bad", "worse"):
        await ailing(world, app_id)
    await fail(world, "worse", last=True)

    def decide(health: Health, now: datetime) -> Verdict | None:
        verdicts = {"app": None, "bad": WARN, "worse": DISABLE}
        return verdicts[health.app_id]

    assert await judge(world, decide) == ["worse"]
    enabled = {
        app_id: (await world.store.directory.get_app(app_id)).webhook_enabled for app_id in ("app", "bad")
    }
    assert enabled == {"app": True, "bad": True}
    of_each = [[each.kind for each in await notices(world, app_id)] for app_id in ("app", "bad", "worse")]
    assert of_each == [[], [NoticeKind.HALF_WAY], [NoticeKind.AUTO_DISABLED]]


# warning


async def test_an_app_is_warned_once(world: World) -> None:
    await ailing(world)
    before = await world.store.directory.get_app("app")
    world.clock.advance(MINUTE)
    for _ in range(2):
        assert await judge(world, Judge(WARN)) == await judge(world, Judge(WARN), "app") == []
    (notice,) = await notices(world)
    assert (notice.kind, notice.facts) == (NoticeKind.HALF_WAY, {"reason": WARN.reason})
    assert await world.store.directory.get_app("app") == before
    health = await world.store.infirmary.find_health("app")
    assert health is not None
    assert health.warned_at == world.clock.now


async def test_an_app_that_was_warned_may_be_disabled_and_warned_again_once_it_is_enabled(
    world: World,
) -> None:
    await ailing(world)
    await judge(world, Judge(WARN))
    assert await judge(world, Judge(DISABLE)) == ["app"]
    await world.change(enabled=True)
    assert await shown(world) == set()
    await fail(world)
    await judge(world, Judge(msgspec.structs.replace(WARN, reason="It fails again.")))
    assert await kinds(world) == [
        NoticeKind.HALF_WAY,
        NoticeKind.ENABLED_AGAIN,
        NoticeKind.AUTO_DISABLED,
        NoticeKind.HALF_WAY,
    ]


# notices


async def three_notices(world: World) -> list[int]:
    """Made a minute apart; the last is that of another app."""
    await ailing(world)
    await ailing(world, "other")
    for app_id, verdict in (("app", WARN), ("app", DISABLE), ("other", WARN)):
        await judge(world, Judge(verdict), app_id)
        world.clock.advance(MINUTE)
    newest_first = await notices(world) + await notices(world, "other")
    return sorted(each.id for each in newest_first)


async def test_notices_are_listed_newest_first(world: World) -> None:
    first, second, third = await three_notices(world)
    assert [each.id for each in await notices(world)] == [second, first]
    assert [each.id for each in await world.store.infirmary.list_notices("app", limit=1)] == [second]
    assert [each.id for each in await notices(world, "other")] == [third]


async def test_a_notice_is_claimed_once_while_the_lease_lasts(world: World) -> None:
    first, second, third = await three_notices(world)
    assert [(each.id, each.tries) for each in await claim(world, limit=2)] == [(first, 1), (second, 1)]
    assert [each.id for each in await claim(world)] == [third]
    world.clock.advance(LEASE - MS)
    assert await claim(world) == []
    world.clock.advance(MS)
    assert [(each.id, each.tries) for each in await claim(world)] == [(first, 2), (second, 2), (third, 2)]


async def test_a_notice_that_is_settled_stays_so(world: World) -> None:
    ids = await three_notices(world)
    await claim(world)
    settle = world.store.infirmary.settle_notice
    outcomes = [NoticeState.SENT, NoticeState.FAILED, NoticeState.NOT_CONFIGURED]
    for notice_id, state in zip(ids, outcomes, strict=True):
        await settle(notice_id, state=state, error="" if state is NoticeState.SENT else "no")
    sent_at = world.clock.now
    world.clock.advance(100 * HOUR)
    assert await claim(world) == []
    found = sorted(await notices(world) + await notices(world, "other"), key=lambda each: each.id)
    assert [(each.state, each.error, each.sent_at, each.tries) for each in found] == [
        (NoticeState.SENT, "", sent_at, 1),
        (NoticeState.FAILED, "no", None, 1),
        (NoticeState.NOT_CONFIGURED, "no", None, 1),
    ]


async def test_a_notice_that_is_tried_again_waits_first(world: World) -> None:
    await ailing(world)
    await judge(world, Judge(WARN))
    (notice,) = await claim(world)
    await world.store.infirmary.settle_notice(
        notice.id, state=NoticeState.WAITING, error="busy", retry_in=HOUR
    )
    assert [(each.state, each.error, each.tries) for each in await notices(world)] == [
        (NoticeState.WAITING, "busy", 1)
    ]
    world.clock.advance(HOUR - MS)
    assert await claim(world) == []
    world.clock.advance(MS)
    (again,) = await claim(world)
    assert (again.id, again.tries) == (notice.id, 2)


async def test_a_notice_that_was_sent_stays_so_whatever_a_lost_try_says(world: World) -> None:
    await ailing(world)
    await judge(world, Judge(WARN))
    (notice,) = await claim(world)
    settle = world.store.infirmary.settle_notice
    await settle(notice.id, state=NoticeState.SENT)
    await settle(notice.id, state=NoticeState.WAITING, error="lost", retry_in=MINUTE)
    world.clock.advance(HOUR)
    assert await claim(world) == []
    assert [(each.state, each.error) for each in await notices(world)] == [(NoticeState.SENT, "")]
