"""Apps whose webhooks a private key signs: who is shown what of it, and which providers can."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.api.harness import ADMIN, Api, check_problem

from adjourn import resources
from adjourn.errors import VerificationError
from adjourn.providers import PROVIDERS
from adjourn.signing import BodyHmacVerifier, StandardVerifier, Verifier, new_signing_key, public_key
from adjourn.testing import RecordedRequest

pytestmark = pytest.mark.anyio

CREDENTIALS = f"{ADMIN}/credentials"
# CONTRACTS 4
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
PREFIXES = {"meetingbaas": "svix-", "quil": "webhook-"}
each_provider = pytest.mark.parametrize("provider", PREFIXES)


async def create(api: Api, provider: str, secret: str = PRIVATE, **options: Any) -> dict[str, Any]:
    return await api.create_app(provider=provider, credentials={"webhook_secret": secret}, **options)


async def rotate(api: Api, created: dict[str, Any], **more: Any) -> tuple[resources.RotatedCredential, str]:
    """And the answer as it went over the wire."""
    path = f"{CREDENTIALS}/webhook-secret/rotate"
    answer = await api.partner(created).post(path, json={"confirmation_token": "yes", **more})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=resources.RotatedCredential), answer.text


async def shown_key(api: Api, created: dict[str, Any]) -> object:
    answer = await api.partner(created).get(CREDENTIALS)
    return msgspec.json.decode(answer.content, type=resources.CredentialsStatus).webhook_secret.public_key


async def deliver(api: Api, created: dict[str, Any], provider: str) -> RecordedRequest:
    event_type = next(iter(PROVIDERS[provider].event_types.values()))
    audience = {"partner_app_ids": [created["app"]["id"]]}
    body = {"event_type": event_type.name, "data": event_type.sample_data, "audience": audience}
    before = len(api.endpoint.received)
    await api.publish({**body, "provider": provider})
    return (await api.endpoint.wait_for(before + 1))[before]


def is_signed(received: RecordedRequest, verifier: Verifier) -> bool:
    try:
        verifier.verify(received.headers, received.body, now=datetime.now(UTC))
    except VerificationError:
        return False
    return True


@each_provider
async def test_what_a_private_key_signs_is_verified_with_the_public_key_that_is_shown(
    api: Api, provider: str
) -> None:
    created = await create(api, provider)
    answers = [await api.partner(created).get(CREDENTIALS)]
    answers.append(await api.platform.get(f"/v1/platform/apps/{created['app']['id']}/credentials"))
    for answer in answers:
        assert answer.json()["webhook_secret"]["public_key"] == PUBLIC
        assert "whsk_" not in answer.text
        assert "public_key" not in answer.json()["api_key"]
    received = await deliver(api, created, provider)
    assert is_signed(received, StandardVerifier(PUBLIC, prefix=PREFIXES[provider]))


async def test_a_shared_secret_has_no_public_key(api: Api) -> None:
    assert await shown_key(api, await api.create_app()) is msgspec.UNSET


@each_provider
async def test_a_private_key_is_rotated_for_another_of_which_the_public_one_is_shown(
    api: Api, provider: str
) -> None:
    created = await create(api, provider)
    rotated, text = await rotate(api, created)
    assert rotated.new_credential.startswith("whpk_")
    assert rotated.new_credential != PUBLIC
    assert "whsk_" not in text
    assert await shown_key(api, created) == rotated.new_credential
    received = await deliver(api, created, provider)
    for key in (rotated.new_credential, PUBLIC):
        assert is_signed(received, StandardVerifier(key, prefix=PREFIXES[provider]))


async def test_without_a_grace_period_only_the_new_key_signs(api: Api) -> None:
    created = await create(api, "quil")
    rotated, _ = await rotate(api, created, grace_period_hours=0)
    received = await deliver(api, created, "quil")
    assert is_signed(received, StandardVerifier(rotated.new_credential))
    assert not is_signed(received, StandardVerifier(PUBLIC))


async def test_a_lost_answer_comes_again_with_the_public_key_alone(api: Api) -> None:
    created = await create(api, "quil")
    partner = api.partner(created)
    asked = [
        await partner.post(
            f"{CREDENTIALS}/webhook-secret/rotate",
            json={"confirmation_token": "yes"},
            headers={"Idempotency-Key": "k"},
        )
        for _ in range(2)
    ]
    assert asked[0].content == asked[1].content
    assert asked[1].headers["idempotent-replayed"] == "true"
    assert asked[0].json()["new_credential"] == await shown_key(api, created)


REFUSED = [
    ("contio", PRIVATE, "x-contio-signature needs a secret that both sides share: no whsk_ key will do"),
    ("contio", PUBLIC, "x-contio-signature needs a secret that both sides share: no whpk_ key will do"),
    ("contio", "whsk_", "x-contio-signature needs a secret that both sides share: no whsk_ key will do"),
    ("meetingbaas", PUBLIC, "a whpk_ key only verifies: to sign, give the whsk_ key that it belongs to"),
    (
        "meetingbaas",
        "whsk_AAAA",
        "a signing key must be whsk_ and the base64 of 64 bytes, or of the 32 of its seed",
    ),
    ("quil", "plain", "a Standard Webhooks secret must be whsec_ and the base64 of 24 to 64 bytes"),
]


@pytest.mark.parametrize(("provider", "secret", "reason"), REFUSED)
async def test_a_secret_that_the_provider_cannot_sign_with_makes_no_app(
    api: Api, provider: str, secret: str, reason: str
) -> None:
    body = {
        "name": "Acme",
        "company_name": "Acme Inc.",
        "primary_contact_email": "dev@example.com",
        "provider": provider,
        "credentials": {"webhook_secret": secret},
    }
    answer = await api.platform.post("/v1/platform/apps", json=body)
    problem = check_problem(answer, 400, "validation_error")
    assert [(each["path"], each["reason"]) for each in problem["faults"]] == [
        ("$.credentials.webhook_secret", reason)
    ]
    assert len(secret) < 9 or secret not in answer.text
    assert (await api.platform.get("/v1/platform/apps")).json()["total"] == 0


async def test_options_that_leave_a_secret_without_use_change_nothing(api: Api) -> None:
    created = await create(api, "quil")
    path = f"/v1/platform/apps/{created['app']['id']}"
    answer = await api.platform.patch(path, json={"signature": "hmac-hex"})
    problem = check_problem(answer, 400, "validation_error")
    (fault,) = problem["faults"]
    assert fault["path"] == "$"
    assert "no whsk_ key will do" in fault["reason"]
    assert (await api.platform.get(path)).json() == created["app"]


async def test_a_secret_before_must_fit_new_options_too(api: Api) -> None:
    """It signs again what a receiver refuses by the new one."""
    created = await create(api, "quil", "plain", signature="hmac-hex", signature_header="X-Quil-Signature")
    rotated, _ = await rotate(api, created)
    path = f"/v1/platform/apps/{created['app']['id']}"
    check_problem(await api.platform.patch(path, json={"signature": "standard"}), 400, "validation_error")
    received = await deliver(api, created, "quil")
    assert is_signed(received, BodyHmacVerifier(rotated.new_credential, header="X-Quil-Signature"))
    await rotate(api, created, grace_period_hours=0)
    answer = await api.platform.patch(path, json={"signature": "standard"})
    assert answer.status_code == 200


def test_the_key_here_is_that_of_the_contracts() -> None:
    assert public_key(PRIVATE) == PUBLIC
    assert public_key(new_signing_key()) != PUBLIC
