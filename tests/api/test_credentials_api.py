"""Credentials: how old they are, rotated and put back, and what is signed meanwhile: CONTRACTS 1.7."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem, eventually, open_api, sample

from adjourn import resources
from adjourn.errors import VerificationError
from adjourn.signing import ContioVerifier, StandardVerifier
from adjourn.testing import RecordedRequest

pytestmark = pytest.mark.anyio

CREDENTIALS = f"{ADMIN}/credentials"
YES = {"confirmation_token": "yes"}
A_MOMENT = 1e-6  # hours: 3.6 ms


async def status_of(
    client: httpx.AsyncClient, path: str = CREDENTIALS
) -> dict[str, resources.CredentialStatus]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    msgspec.json.decode(answer.content, type=resources.CredentialsStatus)
    return msgspec.json.decode(answer.content, type=dict[str, resources.CredentialStatus])


async def rotate(client: httpx.AsyncClient, kind: str, **more: Any) -> resources.RotatedCredential:
    answer = await client.post(f"{CREDENTIALS}/{kind}/rotate", json={**YES, **more})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=resources.RotatedCredential)


async def history(client: httpx.AsyncClient, query: str = "") -> list[resources.CredentialHistoryEvent]:
    answer = await client.get(f"{CREDENTIALS}/history?{query}")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=resources.CredentialHistory).events


async def works(api: Api, key: str) -> bool:
    return (await api.client({"X-API-Key": key}).get(f"{ADMIN}/app")).status_code == 200


def is_signed(received: RecordedRequest, verifier: ContioVerifier | StandardVerifier) -> bool:
    try:
        verifier.verify(received.headers, received.body, now=datetime.now(UTC))
    except VerificationError:
        return False
    return True


def is_on_disk(secret: bytes, folder: Path) -> bool:
    return any(secret in path.read_bytes() for path in folder.iterdir())


async def test_new_credentials_are_ok_and_their_use_is_noted(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)

    status = await status_of(partner)
    assert status["api_key"].last_used_at is not msgspec.UNSET  # with the very first request
    for kind, each in status.items():
        assert each.credential_type == kind
        assert (each.status, each.age_days, each.recommended_action) == ("active", 0, "ok")
        assert each.last_rotated_at is msgspec.UNSET
    assert status["client_secret"].last_used_at is msgspec.UNSET
    path = f"/v1/platform/apps/{created['app']['id']}/credentials"

    async def is_noted() -> bool:
        return (await status_of(api.platform, path))["api_key"].last_used_at is not msgspec.UNSET

    await eventually(is_noted)
    for kind, each in (await status_of(api.platform, path)).items():
        expected = msgspec.structs.replace(status[kind], last_used_at=each.last_used_at)
        assert each == expected


async def test_while_two_keys_work_nobody_says_that_the_new_one_was_used(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    await partner.post(f"{ADMIN}/credentials/api-key/rotate", json={"confirmation_token": "yes"})
    assert (await status_of(partner))["api_key"].last_used_at is msgspec.UNSET


@pytest.mark.parametrize(
    ("days", "recommended"),
    [(74, "ok"), (75, "rotate_soon"), (89, "rotate_soon"), (90, "rotate_recommended")],
)
async def test_old_credentials_should_be_rotated(api: Api, days: int, recommended: str) -> None:
    created_at = (datetime.now(UTC) - timedelta(days=days, minutes=1)).isoformat()
    partner = api.partner(await api.create_app(created_at=created_at))
    before = (await status_of(partner))["client_secret"]
    assert (before.age_days, before.recommended_action) == (days, recommended)
    await rotate(partner, "client-secret")
    after = (await status_of(partner))["client_secret"]
    assert (after.age_days, after.recommended_action) == (0, "ok")
    assert after.created_at == before.created_at
    assert after.last_rotated_at is not msgspec.UNSET


async def test_both_keys_work_during_the_grace_period(api: Api) -> None:
    created = await api.create_app()
    old = created["credentials"]["api_key"]
    rotated = await rotate(api.partner(created), "api-key", reason="yearly")
    assert rotated.credential_type == "api_key"
    assert isinstance(rotated.grace_period_ends_at, datetime)
    left = rotated.grace_period_ends_at - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert rotated.rollback_expires_at == rotated.grace_period_ends_at
    assert await works(api, old)
    assert await works(api, rotated.new_credential)
    status = (await status_of(api.partner(created)))["api_key"]
    assert (status.status, status.grace_period_ends_at) == ("transitioning", rotated.grace_period_ends_at)


async def test_without_a_grace_period_the_old_key_ends_at_once(api: Api) -> None:
    created = await api.create_app()
    rotated = await rotate(api.partner(created), "api-key", grace_period_hours=0)
    assert rotated.grace_period_ends_at is rotated.rollback_token is msgspec.UNSET
    check_problem(await api.partner(created).get(f"{ADMIN}/app"), 401, "unauthorized")
    assert await works(api, rotated.new_credential)


async def test_the_old_key_ends_with_its_grace_period_and_so_does_the_way_back(api: Api) -> None:
    created = await api.create_app()
    old = created["credentials"]["api_key"]
    rotated = await rotate(api.partner(created), "api-key", grace_period_hours=A_MOMENT)

    async def is_over() -> bool:
        return not await works(api, old)

    await eventually(is_over)
    partner = api.client({"X-API-Key": rotated.new_credential})
    body = {"rollback_token": rotated.rollback_token}
    answer = await partner.post(f"{CREDENTIALS}/api-key/rollback", json=body)
    problem = check_problem(answer, 400, "validation_error")
    assert problem["faults"][0]["path"] == "$.rollback_token"
    assert (await status_of(partner))["api_key"].status == "active"


async def test_a_rollback_puts_the_old_key_back_and_ends_the_new_one(api: Api) -> None:
    created = await api.create_app()
    partner = api.partner(created)
    rotated = await rotate(partner, "api-key")
    wrong = await partner.post(f"{CREDENTIALS}/api-key/rollback", json={"rollback_token": "wrong"})
    assert check_problem(wrong, 400, "validation_error")["faults"][0]["path"] == "$.rollback_token"
    body = {"rollback_token": rotated.rollback_token, "reason": "a mistake"}
    other = await partner.post(f"{CREDENTIALS}/client-secret/rollback", json=body)
    check_problem(other, 400, "validation_error")
    headers = {"Idempotency-Key": "back"}
    first, again = [
        await partner.post(f"{CREDENTIALS}/api-key/rollback", json=body, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, first.content) == (204, b"")
    assert (again.status_code, again.content) == (204, b"")
    assert again.headers["idempotent-replayed"] == "true"
    assert not await works(api, rotated.new_credential)
    assert (await status_of(partner))["api_key"].status == "active"
    assert [(each.action, each.reason) for each in await history(partner)] == [
        ("rollback", "a mistake"),
        ("rotated", msgspec.UNSET),
    ]


async def test_the_history_is_told_newest_first_in_pages(api: Api) -> None:
    created = await api.create_app()
    headers = {"X-API-Key": created["credentials"]["api_key"], "User-Agent": "a" * 600}
    partner = api.client(headers)
    for kind in ("client-secret", "webhook-secret", "api-key"):
        await rotate(partner, kind, reason=f"for {kind}")
    path = f"/v1/platform/apps/{created['app']['id']}/credentials/webhook-secret/rotate"
    assert (await api.platform.post(path, json=YES)).status_code == 200
    events = await history(partner)
    assert [(each.credential_type, each.initiated_by) for each in events] == [
        ("webhook_secret", "internal"),
        ("api_key", "partner"),
        ("webhook_secret", "partner"),
        ("client_secret", "partner"),
    ]
    assert {each.partner_app_id for each in events} == {created["app"]["id"]}
    assert (events[1].ip_address, events[1].user_agent) == ("127.0.0.1", "a" * 500)
    assert events[1].reason == "for api-key"
    page = (await partner.get(f"{CREDENTIALS}/history?limit=3&offset=2")).json()
    assert page["pagination"] == {"limit": 3, "offset": 2, "count": 2}
    assert await history(partner, "credential_type=api_key&action=rotated") == events[1:2]
    assert await history(partner, "action=rollback") == []
    whole = await api.platform.get(f"/v1/platform/apps/{created['app']['id']}/credentials/history")
    assert whole.json() == (await partner.get(f"{CREDENTIALS}/history")).json()
    for name in ("credential_type", "action"):
        unknown = await partner.get(f"{CREDENTIALS}/history?{name}=none")
        assert check_problem(unknown, 400, "validation_error")["faults"][0]["path"] == f"?{name}"


async def test_the_end_of_a_grace_period_is_in_the_history(api: Api) -> None:
    partner = api.partner(await api.create_app())
    await rotate(partner, "client-secret", grace_period_hours=A_MOMENT)

    async def is_remembered() -> bool:
        await rotate(partner, "webhook-secret", grace_period_hours=0)  # any rotation looks what has ended
        ends = await history(partner, "action=disabled")
        return [(each.credential_type, each.initiated_by) for each in ends] == [("client_secret", "system")]

    await eventually(is_remembered)


async def test_a_repeated_rotation_shows_the_same_credential(api: Api, tmp_path: Path) -> None:
    partner = api.partner(await api.create_app())
    headers = {"Idempotency-Key": "rotate"}
    first, again = [
        await partner.post(f"{CREDENTIALS}/webhook-secret/rotate", json=YES, headers=headers)
        for _ in range(2)
    ]
    assert (again.status_code, again.content) == (200, first.content)
    assert len(await history(partner)) == 1
    secret = first.json()["new_credential"].encode()
    assert not is_on_disk(secret, tmp_path)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.confirmation_token"),
        ({"confirmation_token": ""}, "$.confirmation_token"),
        ({**YES, "grace_period_hours": -1}, "$.grace_period_hours"),
        ({**YES, "grace_period_hours": 720.5}, "$.grace_period_hours"),
        ({**YES, "grace_period_hours": "24"}, "$.grace_period_hours"),
        ({**YES, "grace_period_hours": None}, "$.grace_period_hours"),
        ({**YES, "reason": "x" * 501}, "$.reason"),
        ({**YES, "surplus": 1}, "$.surplus"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_rotated(
    api: Api, body: dict[str, Any], path: str
) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.post(f"{CREDENTIALS}/api-key/rotate", json=body)
    problem = check_problem(answer, 400, "validation_error")
    assert [fault["path"] for fault in problem["faults"]] == [path]
    assert await history(partner) == []


async def test_there_are_three_kinds_and_two_can_be_put_back(api: Api) -> None:
    created = await api.create_app()
    of_app = f"/v1/platform/apps/{created['app']['id']}/credentials"
    for client, base in ((api.partner(created), CREDENTIALS), (api.platform, of_app)):
        for path in ("webhook-secret/rollback", "password/rotate", "api_key/rotate", "password/rollback"):
            answer = await client.post(f"{base}/{path}", json={**YES})
            check_problem(answer, 404, "not_found")
        answer = await client.get(f"{base}/api-key/rotate")
        check_problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}


async def test_what_arrives_is_signed_with_both_secrets_during_the_grace_period(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    old = created["credentials"]["webhook_secret"]
    rotated = await rotate(api.partner(created), "webhook-secret")
    assert rotated.rollback_token is msgspec.UNSET
    new = rotated.new_credential
    await api.publish(sample("meeting.created"))
    (received,) = await api.endpoint.wait_for(1)
    assert is_signed(received, ContioVerifier(new, strict=True))
    assert not is_signed(received, ContioVerifier(old))
    assert is_signed(received, StandardVerifier(new))
    assert is_signed(received, StandardVerifier(old))


async def test_without_a_grace_period_only_the_new_secret_signs(api: Api) -> None:
    created = await api.create_app()
    await api.connect(created)
    rotated = await rotate(api.partner(created), "webhook-secret", grace_period_hours=0)
    await api.publish(sample("meeting.created"))
    (received,) = await api.endpoint.wait_for(1)
    assert is_signed(received, ContioVerifier(rotated.new_credential))
    assert is_signed(received, StandardVerifier(rotated.new_credential))
    assert not is_signed(received, StandardVerifier(created["credentials"]["webhook_secret"]))


@pytest.mark.parametrize("refusal", [401, 403])
async def test_an_endpoint_that_knows_only_the_old_secret_gets_it_at_once(
    tmp_path: Path, refusal: int
) -> None:
    secrets: list[str] = []

    def answer(received: RecordedRequest) -> int:
        return 200 if is_signed(received, ContioVerifier(secrets[0])) else refusal

    async with open_api(tmp_path, answer) as api:
        created = await api.create_app()
        secrets.append(created["credentials"]["webhook_secret"])
        await api.connect(created)
        rotated = await rotate(api.partner(created), "webhook-secret")
        await api.publish(sample("meeting.created"))
        by_new, by_old = await api.endpoint.wait_for(2)
        assert is_signed(by_new, ContioVerifier(rotated.new_credential))
        assert by_new.body == by_old.body
        partner = api.partner(created)

        async def is_delivered() -> bool:
            page = (await partner.get(f"{ADMIN}/webhook-deliveries?status=delivered")).json()
            return bool(page["total"] == 1)

        await eventually(is_delivered)
        (delivery,) = (await partner.get(f"{ADMIN}/webhook-deliveries")).json()["deliveries"]
        assert (delivery["retry_count"], delivery["http_status_code"]) == (0, 200)
