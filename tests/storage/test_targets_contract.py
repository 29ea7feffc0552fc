"""Targets: a delivery waits for its app's URL, or for that of one of its automations."""

from typing import Any

import msgspec
import pytest
from tests.storage.harness import MINUTE, QUIET, START, World, ids_of

from adjourn.errors import Conflict
from adjourn.models import (
    Action,
    App,
    Automation,
    AutomationStatus,
    DeliveryState,
    DisabledBy,
    NoticeKind,
    Replay,
    ReplayStatus,
)

pytestmark = pytest.mark.anyio

URL = "https://example.com/automation"


def automation(number: int = 1, *, app_id: str = "app", url: str | None = URL, **fields: Any) -> Automation:
    config = None if url is None else {"url": url}
    given: dict[str, Any] = {
        "id": f"automation-{number}",
        "app_id": app_id,
        "name": f"Automation {number}",
        "description": None,
        "trigger_type": "action_item_created",
        "actions": (Action("webhook", config), Action("phrase_match", {"phrases": ["größe"]})),
        "keywords": ("one", "two"),
        "status": AutomationStatus.ACTIVE,
        "created_at": START,
        "updated_at": START,
    }
    return Automation(**{**given, **fields})


async def with_automations(world: World, *automations: Automation, **fields: Any) -> App:
    app = await world.store.directory.get_app("app")
    changed = msgspec.structs.replace(app, automations=automations, **fields)
    return await world.store.directory.save_app(changed)


async def publish_to(world: World, target: str | None, *, order_key: str | None = None) -> str:
    (delivery_id,) = await world.publish(world.delivery(target=target, order_key=order_key))
    return delivery_id


async def gone(world: World, url: str) -> list[str]:
    claimed = await world.claim_one()
    return list((await world.record(world.last_failure(claimed, gone_url=url))).changed)


async def notices(world: World) -> list[tuple[NoticeKind, dict[str, str]]]:
    found = await world.store.infirmary.list_notices("app", limit=10)
    return [(each.kind, dict(each.facts)) for each in found]


async def test_an_app_is_read_with_its_automations_oldest_first(world: World) -> None:
    await world.add_app()
    later = automation(1, created_at=START + MINUTE)
    earlier = automation(2, url=None, description="d", status=AutomationStatus.INACTIVE)
    saved = await with_automations(world, later, earlier)
    (found,) = await world.store.directory.load_apps(["app"])
    assert found.automations == (earlier, later)
    assert found.version == saved.version == 2


async def test_changing_an_automation_is_a_change_of_its_app(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation(1), automation(2))
    changed = msgspec.structs.replace(automation(1), name="other", keywords=())
    assert (await with_automations(world, changed, automation(2))).version == 3
    assert (await world.store.directory.get_app("app")).automations == (changed, automation(2))


async def test_the_owner_of_an_automation_is_known_even_when_it_is_deleted(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation())
    await with_automations(world)
    assert (await world.store.directory.get_app("app")).automations == ()
    assert await world.store.directory.find_owner("automation-1") == "app"
    assert await world.store.directory.find_owner("automation-2") is None


async def test_what_is_for_an_inactive_automation_waits_and_what_is_for_its_app_goes(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation(status=AutomationStatus.INACTIVE))
    held = await publish_to(world, "automation-1")
    free = await publish_to(world, None)
    assert ids_of(await world.claim()) == [free]
    await with_automations(world, automation())
    (claimed,) = await world.claim()
    assert (claimed.id, claimed.target) == (held, "automation-1")
    assert (await world.get(held)).target == "automation-1"


async def test_an_automation_without_a_url_of_its_own_uses_the_apps(world: World) -> None:
    await world.add_app()
    await world.change(url=None)
    await with_automations(world, automation(url=None))
    delivery_id = await publish_to(world, "automation-1")
    assert await world.claim() == []
    await world.change(url="https://example.com/webhooks")
    assert ids_of(await world.claim()) == [delivery_id]


async def test_an_app_without_a_url_still_serves_its_automations(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation(), webhook_url=None)
    held = await publish_to(world, None)
    free = await publish_to(world, "automation-1")
    assert ids_of(await world.claim()) == [free]
    assert await world.state(held) is DeliveryState.PENDING


async def test_what_waits_for_a_deleted_automation_is_abandoned(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation(1), automation(2))
    orphan = await publish_to(world, "automation-1")
    others = [await publish_to(world, "automation-2"), await publish_to(world, None)]
    await with_automations(world, automation(2))
    assert sorted(ids_of(await world.claim())) == sorted(others)
    assert await world.store.queue.discard(limit=10) == 1
    delivery = await world.get(orphan)
    assert (delivery.state, delivery.error) == (DeliveryState.ABANDONED, "its automation was deleted")
    assert await world.store.queue.discard(limit=10) == 0


async def test_an_attempt_that_fails_after_its_automation_was_deleted_was_the_last(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation())
    delivery_id = await publish_to(world, "automation-1")
    claimed = await world.claim_one()
    await with_automations(world)
    assert await world.store.queue.discard(limit=10) == 0
    await world.record(world.failure(claimed))
    assert await world.store.queue.discard(limit=10) == 1
    assert await world.state(delivery_id) is DeliveryState.ABANDONED


async def test_a_delivery_of_a_deleted_automation_cannot_be_retried(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation())
    delivery_id = await publish_to(world, "automation-1")
    await world.record(world.success(await world.claim_one()))
    await with_automations(world)
    with pytest.raises(Conflict, match="its automation was deleted"):
        await world.ask(delivery_id)


async def test_a_deleted_automation_releases_the_next_in_order(world: World) -> None:
    """Keys hold the target, so the next waits for the same automation: it goes the same way."""
    await world.add_app(ordered=True)
    await with_automations(world, automation())
    for _ in range(3):
        await publish_to(world, "automation-1", order_key="automation-1 m")
    await with_automations(world)
    assert await world.store.queue.discard(limit=10) == 3


async def test_410_from_an_automations_own_url_makes_it_inactive(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation())
    await publish_to(world, "automation-1")
    assert await gone(world, URL) == ["app"]
    app = await world.store.directory.get_app("app")
    assert (app.webhook_enabled, app.automations[0].status) == (True, AutomationStatus.INACTIVE)
    assert await notices(world) == [(NoticeKind.AUTOMATION_GONE, {"url": URL, "name": "Automation 1"})]


async def test_410_from_a_url_that_an_automation_no_longer_has_changes_nothing(world: World) -> None:
    await world.add_app()
    await with_automations(world, automation())
    await publish_to(world, "automation-1")
    claimed = await world.claim_one()
    await with_automations(world, automation(url="https://example.com/mended"))
    recorded = await world.record(world.last_failure(claimed, gone_url=URL))
    assert list(recorded.changed) == []
    assert (await world.store.directory.get_app("app")).automations[0].status is AutomationStatus.ACTIVE


async def test_410_from_the_apps_url_by_way_of_an_automation_disables_the_app(world: World) -> None:
    await world.add_app()
    app = await with_automations(world, automation(url=None))
    await publish_to(world, "automation-1")
    assert await gone(world, str(app.webhook_url)) == ["app"]
    app = await world.store.directory.get_app("app")
    assert not app.webhook_enabled
    assert app.disabled is not None
    assert (app.disabled.by, app.disabled.at) == (DisabledBy.GONE, world.clock.now)
    assert await notices(world) == [(NoticeKind.URL_GONE, {"url": str(app.webhook_url)})]


async def test_who_did_not_switch_it_off_is_told_that_it_is_on_again(world: World) -> None:
    await world.add_app()
    app = await world.store.directory.get_app("app")
    await publish_to(world, None)
    await gone(world, str(app.webhook_url))
    await world.change(enabled=True)
    assert [kind for kind, _ in await notices(world)] == [NoticeKind.ENABLED_AGAIN, NoticeKind.URL_GONE]


async def test_who_switched_it_off_is_not_told(world: World) -> None:
    await world.add_app()
    await world.change(enabled=False)
    await world.change(enabled=True)
    assert await notices(world) == []


async def test_a_replay_passes_over_an_inactive_automation(world: World) -> None:
    """Extra attempts that wait for it would hold up the rest."""
    await world.add_app()
    await with_automations(world, automation())
    for target in ("automation-1", None):
        await publish_to(world, target)
    await world.record(*[world.success(each) for each in await world.claim()])
    await with_automations(world, automation(status=AutomationStatus.INACTIVE))
    replay = Replay(
        id=world.ids(),
        app_id="app",
        status=ReplayStatus.RUNNING,
        state=None,
        event_type=None,
        since=None,
        until=None,
        up_to=world.ids.floor(),
        total=2,
        created_at=world.clock.now,
    )
    await world.store.replays.add(replay, answer=None)
    assert await world.store.replays.step(replay, limit=10, waiting=10, quiet=QUIET) == 1
    done = await world.store.replays.get("app", replay.id)
    assert (done.status, done.scheduled, done.skipped) == (ReplayStatus.DONE, 1, 1)
