"""Keyring: which credentials work, how one takes the place of another, and the history of it."""

from datetime import datetime, timedelta

import msgspec
import pytest
from tests.storage.harness import MINUTE, MS, START, World, kept

from adjourn.config import Secret
from adjourn.errors import Conflict, NotFound
from adjourn.models import OldSecret
from adjourn.storage.base import (
    AnswerExists,
    Credential,
    CredentialAction,
    CredentialEvent,
    CredentialType,
    Rotation,
    Who,
)
from adjourn.vault import digest_key

pytestmark = pytest.mark.anyio

API_KEY, WEBHOOK_SECRET, CLIENT_SECRET = (
    CredentialType.API_KEY,
    CredentialType.WEBHOOK_SECRET,
    CredentialType.CLIENT_SECRET,
)
HOUR = 60 * MINUTE
PARTNER = Who(kind="partner", ip_address="192.0.2.1", user_agent="Größe ☂")
SYSTEM = Who(kind="system")
FIRST_KEY = b"key app"  # the hash that the harness adds an app with


def rotation(
    world: World,
    kind: CredentialType = API_KEY,
    *,
    secret: str = "new",
    app_id: str = "app",
    grace: timedelta | None = HOUR,
    token: bytes | None = b"token",
) -> Rotation:
    return Rotation(
        app_id=app_id,
        type=kind,
        secret=Secret(secret),
        at=world.clock.now,
        grace_ends_at=None if grace is None else world.clock.now + grace,
        rollback_hash=token,
        who=PARTNER,
        reason="leaked",
    )


async def rotate(world: World, asked: Rotation) -> None:
    await world.store.keyring.rotate(asked, answer=None)


async def roll_back(
    world: World, kind: CredentialType = API_KEY, *, token: bytes = b"token", app_id: str = "app"
) -> bool:
    return await world.store.keyring.roll_back(
        app_id, kind, rollback_hash=token, who=PARTNER, reason=None, answer=None
    )


async def app_by(world: World, key: str | bytes) -> str | None:
    """The app found by a key, or by a hash."""
    hashed = key if isinstance(key, bytes) else digest_key(key.encode())
    app = await world.store.keyring.find_app_by_key(hashed)
    return None if app is None else app.id


async def credential(world: World, kind: CredentialType = API_KEY) -> Credential:
    (found,) = [each for each in await world.store.keyring.list_credentials("app") if each.type is kind]
    return found


async def history(
    world: World,
    *,
    app_id: str = "app",
    kind: CredentialType | None = None,
    action: CredentialAction | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[CredentialEvent]:
    return await world.store.keyring.list_history(
        app_id, kind=kind, action=action, limit=limit, offset=offset
    )


async def lines(world: World) -> list[tuple[CredentialType, CredentialAction, datetime]]:
    return [(each.type, each.action, each.at) for each in await history(world)]


# finding


async def test_an_app_is_found_by_its_key(world: World) -> None:
    app = await world.add_app()
    await world.add_app("other")
    assert await world.store.keyring.find_app_by_key(FIRST_KEY) == app
    assert await app_by(world, b"key other") == "other"
    assert await app_by(world, b"secret") is None
    assert await app_by(world, b"") is None


async def test_a_deleted_apps_keys_open_nothing(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world))
    await world.store.directory.delete_app("app")
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == [None, None]
    assert await world.store.keyring.list_credentials("app") == []
    await world.add_app()
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == ["app", None]


# rotating


async def test_both_keys_work_until_the_grace_period_ends(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world))
    world.clock.advance(HOUR - MS)
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == ["app", "app"]
    world.clock.advance(MS)
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == [None, "app"]


async def test_without_a_grace_period_the_old_key_ends_at_once(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, grace=None, token=None))
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == [None, "app"]
    assert (await credential(world)).grace_ends_at is None


async def test_rotating_again_keeps_what_was_promised_to_those_before(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, secret="one"))
    world.clock.advance(MINUTE)
    await rotate(world, rotation(world, secret="two"))
    assert [await app_by(world, key) for key in (FIRST_KEY, "one", "two")] == ["app", "app", "app"]
    assert (await credential(world, API_KEY)).grace_ends_at == world.clock.now + HOUR
    world.clock.advance(HOUR - MINUTE)
    assert [await app_by(world, key) for key in (FIRST_KEY, "one", "two")] == [None, "app", "app"]


async def test_without_a_grace_period_all_before_end_at_once(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, secret="one"))
    await rotate(world, rotation(world, secret="two", grace=None))
    assert [await app_by(world, key) for key in (FIRST_KEY, "one", "two")] == [None, None, "app"]


async def test_five_at_most_are_in_their_grace_periods(world: World) -> None:
    await world.add_app()
    for number in range(5):
        await rotate(world, rotation(world, secret=f"key {number}"))
    with pytest.raises(Conflict, match="5 earlier ones are in their grace periods"):
        await rotate(world, rotation(world, secret="one more"))
    assert [await app_by(world, key) for key in ("key 4", "one more")] == ["app", None]


async def test_a_key_may_be_used_again_once_it_has_ended(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, secret="one"))
    await rotate(world, rotation(world, secret="two", grace=None))
    await rotate(world, rotation(world, secret="one"))
    assert [await app_by(world, key) for key in ("one", "two")] == ["app", "app"]


async def test_the_secrets_in_grace_are_read_the_longest_lasting_first(world: World) -> None:
    await world.add_app()
    for secret, grace in (("one", 2 * HOUR), ("two", HOUR), ("three", 3 * HOUR)):
        await rotate(world, rotation(world, WEBHOOK_SECRET, secret=secret, grace=grace))
    app = await world.store.directory.get_app("app")
    assert app.webhook_secret.reveal() == "three"
    assert [each.secret.reveal() for each in app.old_secrets] == ["two", "whsec_app", "one"]
    assert len(app.secrets_in_grace(world.clock.now + HOUR)) == 2


async def test_a_new_webhook_secret_changes_the_app(world: World) -> None:
    app = await world.add_app()
    world.clock.advance(MINUTE)
    await rotate(world, rotation(world, WEBHOOK_SECRET, secret="whsec_ü\ud800"))
    changed = await world.store.directory.get_app("app")
    assert changed == msgspec.structs.replace(
        app,
        version=2,
        updated_at=world.clock.now,
        webhook_secret=Secret("whsec_ü\ud800"),
        old_secrets=(OldSecret(app.webhook_secret, until=world.clock.now + HOUR),),
    )
    await rotate(world, rotation(world, WEBHOOK_SECRET, secret="whsec_3", grace=None))
    changed = await world.store.directory.get_app("app")
    assert (changed.version, changed.webhook_secret.reveal(), changed.old_secrets) == (3, "whsec_3", ())


@pytest.mark.parametrize("kind", [API_KEY, CLIENT_SECRET])
async def test_other_credentials_leave_the_app_as_it_is(world: World, kind: CredentialType) -> None:
    app = await world.add_app()
    world.clock.advance(MINUTE)
    await rotate(world, rotation(world, kind))
    assert await roll_back(world, kind)
    assert await world.store.directory.get_app("app") == app


async def test_credentials_of_other_types_stay(world: World) -> None:
    await world.add_app()
    before = await world.store.keyring.list_credentials("app")
    await rotate(world, rotation(world, WEBHOOK_SECRET))
    after = await world.store.keyring.list_credentials("app")
    changed = [old.type for old, new in zip(before, after, strict=True) if old != new]
    assert (changed, await app_by(world, FIRST_KEY)) == ([WEBHOOK_SECRET], "app")


@pytest.mark.parametrize("grace", [HOUR, None])
async def test_a_key_of_another_app_is_refused_while_it_works(world: World, grace: timedelta | None) -> None:
    await world.add_app()
    await world.add_app("other")
    await rotate(world, rotation(world, app_id="other", secret="first"))
    await rotate(world, rotation(world, app_id="other", secret="second"))
    for taken in ("first", "second"):  # in its grace period, and the current one
        with pytest.raises(Conflict) as caught:
            await rotate(world, rotation(world, secret=taken, grace=grace))
        assert caught.value.faults
        assert await app_by(world, taken) == "other"
    assert await app_by(world, FIRST_KEY) == "app"
    assert await history(world) == []
    world.clock.advance(HOUR)
    await rotate(world, rotation(world, secret="first"))
    assert await app_by(world, "first") == "app"


async def test_a_client_secret_may_be_that_of_another_app(world: World) -> None:
    for app_id in ("app", "other"):
        await world.add_app(app_id)
        await rotate(world, rotation(world, CLIENT_SECRET, app_id=app_id))
    assert await app_by(world, "new") is None


async def test_an_app_that_is_not_there_has_nothing_to_rotate(world: World) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            await rotate(world, rotation(world))
        await world.add_app()
        await world.store.directory.delete_app("app")
    assert await history(world) == []


async def test_a_rotation_is_made_with_its_answer_or_not_at_all(world: World) -> None:
    app = await world.add_app()
    await world.store.keyring.rotate(rotation(world, CLIENT_SECRET), answer=kept())
    assert await world.store.directory.find_answer("POST /events", "k") == kept()
    with pytest.raises(AnswerExists):
        await world.store.keyring.rotate(rotation(world, WEBHOOK_SECRET), answer=kept())
    assert await world.store.directory.get_app("app") == app
    assert len(await history(world)) == 1


# rolling back


@pytest.mark.parametrize("kind", list(CredentialType))
async def test_rolling_back_puts_the_old_one_back_and_ends_the_new_one(
    world: World, kind: CredentialType
) -> None:
    app = await world.add_app()
    before = await credential(world, kind)
    await rotate(world, rotation(world, kind))
    world.clock.advance(HOUR - MS)
    assert await roll_back(world, kind)
    assert await credential(world, kind) == before
    world.clock.advance(HOUR)
    assert [await app_by(world, key) for key in (FIRST_KEY, "new")] == ["app", None]
    now = await world.store.directory.get_app("app")
    assert (now.webhook_secret, now.old_secrets) == (app.webhook_secret, ())


async def test_a_webhook_secret_put_back_changes_the_app(world: World) -> None:
    app = await world.add_app()
    await rotate(world, rotation(world, WEBHOOK_SECRET))
    world.clock.advance(MINUTE)
    assert await roll_back(world, WEBHOOK_SECRET)
    changed = msgspec.structs.replace(app, version=3, updated_at=world.clock.now)
    assert await world.store.directory.get_app("app") == changed


async def test_a_token_works_once_and_for_what_it_was_given(world: World) -> None:
    await world.add_app()
    await world.add_app("other")
    await rotate(world, rotation(world))
    await rotate(world, rotation(world, CLIENT_SECRET, token=b"its own"))
    assert not await roll_back(world, token=b"wrong")
    assert not await roll_back(world, CLIENT_SECRET)
    assert not await roll_back(world, app_id="other")
    assert await app_by(world, "new") == "app"
    assert await roll_back(world)
    assert not await roll_back(world)
    assert await app_by(world, FIRST_KEY) == "app"


async def test_a_token_ends_with_the_grace_period(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world))
    world.clock.advance(HOUR)
    assert not await roll_back(world)
    assert await app_by(world, "new") == "app"


async def test_each_token_is_good_for_its_own_rotation(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, secret="one", token=b"first"))
    await rotate(world, rotation(world, secret="two", token=b"second"))
    assert await roll_back(world, token=b"first")
    assert not await roll_back(world, token=b"first")
    assert [await app_by(world, key) for key in (FIRST_KEY, "one", "two")] == ["app", "app", None]
    assert await roll_back(world, token=b"second")
    assert [await app_by(world, key) for key in (FIRST_KEY, "one")] == [None, "app"]


@pytest.mark.parametrize("grace", [HOUR, None])
async def test_without_a_token_nothing_is_rolled_back(world: World, grace: timedelta | None) -> None:
    await world.add_app()
    await rotate(world, rotation(world, grace=grace, token=None))
    assert not await roll_back(world, token=b"")
    assert await app_by(world, "new") == "app"


async def test_a_rollback_is_made_with_its_answer_or_not_at_all(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world))
    back = world.store.keyring.roll_back
    assert not await back("app", API_KEY, rollback_hash=b"wrong", who=PARTNER, reason=None, answer=kept())
    assert await world.store.directory.find_answer("POST /events", "k") is None
    await world.store.directory.keep_answer(kept())
    with pytest.raises(AnswerExists):
        await back("app", API_KEY, rollback_hash=b"token", who=PARTNER, reason=None, answer=kept())
    assert await app_by(world, "new") == "app"
    assert await back("app", API_KEY, rollback_hash=b"token", who=PARTNER, reason=None, answer=kept(key="2"))
    assert await world.store.directory.find_answer("POST /events", "2") == kept(key="2")


# as they stand


async def test_each_type_has_one_credential(world: World) -> None:
    assert await world.store.keyring.list_credentials("app") == []
    await world.add_app()
    found = await world.store.keyring.list_credentials("app")
    assert {each.type: each for each in found} == {
        kind: Credential(type=kind, created_at=START, rotated_at=None, used_at=None, grace_ends_at=None)
        for kind in CredentialType
    }
    assert len(found) == 3


async def test_a_rotated_credential_says_since_when_and_how_long_both_work(world: World) -> None:
    await world.add_app()
    world.clock.advance(MINUTE)
    await rotate(world, rotation(world))
    rotated = Credential(
        type=API_KEY,
        created_at=START,
        rotated_at=START + MINUTE,
        used_at=None,
        grace_ends_at=START + MINUTE + HOUR,
    )
    assert await credential(world) == rotated
    world.clock.advance(HOUR)
    assert await credential(world) == msgspec.structs.replace(rotated, grace_ends_at=None)


async def test_a_key_tells_when_it_was_last_used(world: World) -> None:
    await world.add_app()
    note = world.store.keyring.note_used
    await note(FIRST_KEY, START + 2 * MINUTE)
    await note(FIRST_KEY, START + MINUTE)
    await note(b"nobody's", START + HOUR)
    assert (await credential(world)).used_at == START + 2 * MINUTE
    assert (await credential(world, CLIENT_SECRET)).used_at is None
    await rotate(world, rotation(world))
    await note(FIRST_KEY, START + 3 * MINUTE)
    assert (await credential(world)).used_at is None
    await note(digest_key(b"new"), START + 4 * MINUTE)
    assert (await credential(world)).used_at == START + 4 * MINUTE


async def test_a_webhook_secret_is_used_by_attempts_well_or_not(world: World) -> None:
    await world.add_app()
    for succeeds in (False, True, False):
        world.clock.advance(MINUTE)
        await world.publish_waiting()
        claimed = await world.claim_one()
        await world.record(world.success(claimed) if succeeds else world.failure(claimed, retry_in=HOUR))
        assert (await credential(world, WEBHOOK_SECRET)).used_at == world.clock.now
    assert (await credential(world)).used_at is None
    world.clock.advance(MS)
    await rotate(world, rotation(world, WEBHOOK_SECRET))
    assert (await credential(world, WEBHOOK_SECRET)).used_at is None


# the end of a grace period


async def test_what_has_ended_is_forgotten_once(world: World) -> None:
    app = await world.add_app()
    for kind in CredentialType:
        await rotate(world, rotation(world, kind))
    version = (await world.store.directory.get_app("app")).version
    world.clock.advance(HOUR - MS)
    assert await world.store.keyring.end_grace() == 0
    world.clock.advance(MS)
    assert await world.store.keyring.end_grace() == 3
    assert await world.store.keyring.end_grace() == 0
    ended = await history(world, action=CredentialAction.DISABLED)
    assert {each.type for each in ended} == set(CredentialType)
    assert {(each.who, each.reason, each.at) for each in ended} == {(SYSTEM, None, START + HOUR)}
    changed = await world.store.directory.get_app("app")
    assert (changed.version, changed.old_secrets) == (version, ())
    assert changed.webhook_secret != app.webhook_secret


async def test_an_end_that_nobody_noted_is_in_the_history_before_the_next_rotation(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world, secret="one"))
    world.clock.advance(2 * HOUR)
    await rotate(world, rotation(world, secret="two"))
    assert await lines(world) == [
        (API_KEY, CredentialAction.ROTATED, START + 2 * HOUR),
        (API_KEY, CredentialAction.DISABLED, START + HOUR),
        (API_KEY, CredentialAction.ROTATED, START),
    ]
    assert await world.store.keyring.end_grace() == 0


# the history


async def test_the_history_tells_what_was_done_by_whom(world: World) -> None:
    await world.add_app()
    await rotate(world, rotation(world))
    world.clock.advance(MINUTE)
    await roll_back(world)
    back, rotated = await history(world)
    assert back.id != rotated.id
    assert rotated == CredentialEvent(
        id=rotated.id,
        app_id="app",
        type=API_KEY,
        action=CredentialAction.ROTATED,
        who=PARTNER,
        reason="leaked",
        at=START,
    )
    assert (back.action, back.reason, back.at) == (CredentialAction.ROLLBACK, None, START + MINUTE)


async def test_the_history_is_listed_by_type_and_action_newest_first(world: World) -> None:
    await world.add_app()
    await world.add_app("other")
    for kind in (API_KEY, CLIENT_SECRET, WEBHOOK_SECRET):
        await rotate(world, rotation(world, kind))
    await roll_back(world)
    everything = await history(world)
    assert [each.type for each in everything] == [API_KEY, WEBHOOK_SECRET, CLIENT_SECRET, API_KEY]
    assert await history(world, limit=2, offset=1) == everything[1:3]
    assert await history(world, kind=API_KEY) == [everything[0], everything[3]]
    assert await history(world, action=CredentialAction.ROTATED, limit=2) == everything[1:3]
    assert await history(world, kind=API_KEY, action=CredentialAction.ROLLBACK) == everything[:1]
    assert await history(world, offset=4) == []
    assert await history(world, app_id="other") == []
