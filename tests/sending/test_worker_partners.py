"""What partners manage, seen from the sending side: targets, secrets in grace, a backlog's pace."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sending.harness import OK, QUICK, World, eventually, world

from adjourn.models import Action, App, Automation, AutomationStatus, DeliveryState, DisabledBy
from adjourn.sending.credentials import Credentials
from adjourn.sending.policy import Reply
from adjourn.sending.sender import Request
from adjourn.sending.submission import parse_submission
from adjourn.signing import ContioVerifier, StandardVerifier
from adjourn.storage.base import Backlog, CredentialType, Who

DELIVERED, PENDING, ABANDONED = DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.ABANDONED
OWN = "https://own.example/hook"
REFUSED = Reply(status=401, error="HTTP 401")

Test = Callable[[World], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    def run_in(test: Test, **options: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), world(tmp_path, **options) as made:
                await test(made)

        asyncio.run(main())

    return run_in  # type: ignore[return-value]


async def automate(w: World, app_id: str, *, url: str | None = OWN, keywords: tuple[str, ...] = ()) -> App:
    now = datetime.now(UTC)
    automation = Automation(
        id=f"auto-{app_id}",
        app_id=app_id,
        name="CRM",
        description=None,
        trigger_type="action_item_created",
        actions=(Action("webhook", None if url is None else {"url": url}),),
        keywords=keywords,
        status=AutomationStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )
    return await w.change(app_id, automations=(automation,))


async def assign(w: World, automation_id: str) -> None:
    data = {
        "assignment_id": "asgn",
        "action_item_id": "ai",
        "meeting_id": "mtg",
        "automation_id": automation_id,
        "automation_name": "CRM",
        "status": "pending",
        "created_at": "2025-01-15T10:30:00Z",
        "workspace_id": "ws",
    }
    raw = {"event_type": "automation.assignment.created", "data": data, "audience": {"user_ids": ["ana"]}}
    await w.publisher.publish([parse_submission(raw)])


# targets


def test_an_assignment_is_sent_to_its_automation_and_a_corrected_url_serves_what_waits(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        await w.add("two")
        await automate(w, "one", url="https://wrong.example/")
        w.sender.answer = lambda request: OK if request.url == OWN else Reply(status=500, error="no")
        await assign(w, "auto-one")
        await eventually(lambda: len(w.sender.to("https://wrong.example/")) == 1)
        await automate(w, "one")
        (delivery,) = await w.settled(DELIVERED, 1)
        assert (delivery.app_id, delivery.target) == ("one", "auto-one")
        assert {each.url for each in w.sender.requests} == {"https://wrong.example/", OWN}

    run(test, delays=(0.3, 0.3, 0.3))


def test_an_inactive_automation_holds_what_waits_for_it(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        app = await automate(w, "one")
        w.sender.answer = lambda request: Reply(status=500, error="no")
        await assign(w, "auto-one")
        await eventually(lambda: len(w.sender.to(OWN)) == 1)
        off = msgspec.structs.replace(app.automations[0], status=AutomationStatus.INACTIVE)
        await w.change("one", automations=(off,))
        await w.idle()
        w.sender.answer = lambda request: OK
        await w.change("one", automations=app.automations)
        await w.settled(DELIVERED, 1)

    run(test)


def test_deleting_an_automation_abandons_what_waits_for_it(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        await automate(w, "one")
        w.sender.answer = lambda request: Reply(status=500, error="no")
        await assign(w, "auto-one")
        await eventually(lambda: len(w.sender.to(OWN)) == 1)
        await w.change("one", automations=())
        (delivery,) = await w.settled(ABANDONED, 1)
        assert delivery.error == "its automation was deleted"
        await assign(w, "auto-one")
        assert len(await w.deliveries()) == 1, "nobody gets what was for it, later either"

    run(test, delays=(60,))


def test_410_from_an_automations_url_makes_it_inactive_at_once(run: Run) -> None:
    async def test(w: World) -> None:
        await w.add("one")
        await automate(w, "one")
        w.sender.answer = lambda request: Reply(status=410, error="HTTP 410 Gone")
        await assign(w, "auto-one")
        await w.settled(ABANDONED, 1)
        app = await w.apps.get("one")
        assert (app.webhook_enabled, app.automations[0].status) == (True, AutomationStatus.INACTIVE)

    run(test)


# secrets


def headers(request: Request) -> dict[str, str]:
    return dict(request.headers)


def accepts(secret: str, request: Request) -> bool:
    """Whether an endpoint that knows this secret alone takes X-Contio-Signature."""
    try:
        ContioVerifier(secret).verify(headers(request), request.body, now=datetime.now(UTC))
    except Exception:
        return False
    return True


async def rotate(w: World, app_id: str, *, hours: float) -> tuple[str, str]:
    """The old webhook secret and the new one."""
    old = (await w.apps.get(app_id)).webhook_secret.reveal()
    rotated = await Credentials(keyring=w.store.keyring, apps=w.apps).rotate(
        app_id,
        CredentialType.WEBHOOK_SECRET,
        grace=timedelta(hours=hours),
        who=Who(kind="partner"),
        reason=None,
    )
    return old, rotated.secret.reveal()


def test_in_its_grace_period_the_old_secret_signs_beside_the_new_one(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        old, new = await rotate(w, "one", hours=1)
        await w.publish()
        await w.settled(DELIVERED, 1)
        (request,) = w.sender.to(url)
        assert (accepts(new, request), accepts(old, request)) == (True, False)
        for secret in (old, new):
            StandardVerifier(secret).verify(headers(request), request.body, now=datetime.now(UTC))

    run(test)


@pytest.mark.parametrize("status", [401, 403])
def test_an_endpoint_that_knows_only_the_old_secret_is_asked_again_with_it(run: Run, status: int) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        old, _ = await rotate(w, "one", hours=1)
        w.sender.answer = lambda request: OK if accepts(old, request) else Reply(status=status, error="no")
        await w.publish()
        (delivery,) = await w.settled(DELIVERED, 1)
        assert len(w.sender.to(url)) == 2
        assert (delivery.retry_count, len(await w.attempts(delivery))) == (0, 1), (
            "the repetition is not counted"
        )

    run(test)


def test_one_that_refuses_both_is_asked_twice_for_each_attempt(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await rotate(w, "one", hours=1)
        w.sender.answer = lambda request: REFUSED
        await w.publish()
        (delivery,) = await w.settled(ABANDONED, 1)
        assert (len(w.sender.to(url)), len(await w.attempts(delivery))) == (8, 4)

    run(test)


def test_no_repetition_starts_once_a_disable_has_answered(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await rotate(w, "one", hours=1)
        gate = w.sender.block(url)
        w.sender.answer = lambda request: REFUSED
        await w.publish()
        await eventually(lambda: len(w.sender.to(url)) == 1)
        await w.partners.disable("one", DisabledBy.PARTNER)
        gate.set()
        await w.idle()
        assert len(w.sender.to(url)) == 1

    run(test, delays=(60,))


def test_without_a_grace_period_the_old_secret_is_worth_nothing(run: Run) -> None:
    async def test(w: World) -> None:
        url = await w.add("one")
        await rotate(w, "one", hours=0)
        w.sender.answer = lambda request: REFUSED
        await w.publish()
        await w.settled(ABANDONED, 1)
        assert len(w.sender.to(url)) == 4

    run(test)


# backlogs


def test_a_backlog_drains_at_its_pace_while_others_and_new_ones_go_at_once(run: Run) -> None:
    async def test(w: World) -> None:
        url, other = await w.add("one"), await w.add("two", users=["eve"])
        await w.partners.disable("one", DisabledBy.PARTNER)
        await w.publish(count=100)
        began = asyncio.get_running_loop().time()
        await w.partners.enable("one", Backlog.DELIVER)
        await w.publish("eve")
        (new,) = await w.publish()
        await eventually(lambda: len(w.sender.to(other)) == 1)
        sent = [each["event_id"] for each in w.sender.bodies(url)]
        await eventually(
            lambda: new.envelopes[0].event.id in [each["event_id"] for each in w.sender.bodies(url)]
        )
        assert len(sent) < 100
        await w.settled(DELIVERED, 102)
        # 100 at 100 a second, of which a quarter of a second's worth may go at once
        assert asyncio.get_running_loop().time() - began > 0.7

    run(test, backlog_rate=100.0, pace=msgspec.structs.replace(QUICK, drain=0.02))


# matching


def test_an_action_item_that_matches_brings_its_assignment_in_the_same_commit(run: Run) -> None:
    async def test(w: World) -> None:
        url, other = await w.add("one"), await w.add("two")
        await automate(w, "one", keywords=("customer", "invoice"))
        raw = {
            "event_type": "action_item.created",
            "data": {
                "action_item_id": "ai",
                "meeting_id": "mtg",
                "workspace_id": "ws",
                "title": "Follow up with the Customer",
                "created_at": "2025-01-15T10:30:00Z",
            },
            "audience": {"user_ids": ["ana"]},
        }
        await w.publisher.publish([parse_submission(raw)])
        (made,) = await w.publisher.publish([parse_submission({**raw, "match_automations": True})])
        assert w.queue.calls["publish"] == 2
        await w.settled(DELIVERED, 5)
        assert [len(w.sender.to(each)) for each in (url, other, OWN)] == [2, 2, 1]
        (body,) = w.sender.bodies(OWN)
        assert (body["event_type"], body["partner_app_id"]) == ("automation.assignment.created", "one")
        assert body["for_user"] == {"id": "ana", "email": "ana@example.com"}
        data = body["data"]
        assert {name: data[name] for name in ("action_item_id", "meeting_id", "workspace_id", "status")} == {
            "action_item_id": "ai",
            "meeting_id": "mtg",
            "workspace_id": "ws",
            "status": "pending",
        }
        assert (data["automation_id"], data["automation_name"], data["confidence_score"]) == (
            "auto-one",
            "CRM",
            0.5,
        )
        (assigned,) = made.assignments
        assert [each.app_id for each in assigned.publication.verdicts] == ["one"]

    run(test)
