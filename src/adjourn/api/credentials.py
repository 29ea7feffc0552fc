"""An app's credentials, in both APIs: how old each is, what was done to them, rotated and put back."""

from datetime import UTC, datetime, timedelta

import msgspec
from litestar import Controller, Response, get, post

from adjourn.api.bodies import RollBackCredential, RotateCredential
from adjourn.api.callers import Concerned, caller, once, who
from adjourn.api.idempotency import Keep
from adjourn.api.inputs import choice, page, read_form
from adjourn.api.problems import Answer
from adjourn.api.services import AnyRequest, Wired, answer, json_answer
from adjourn.api.shapes import Json, given
from adjourn.errors import Fault, InputError
from adjourn.sending.credentials import Rotated
from adjourn.signing import find_public_key
from adjourn.storage.base import Credential, CredentialAction, CredentialEvent, CredentialType

__all__ = ["Credentials"]

_ROTATE_SOON = 75  # days
_ROTATE = 90  # days

_ROTATED = {kind.replace("_", "-"): kind for kind in CredentialType}
# What a webhook secret has signed is on its way: no way back, but another rotation.
_PUT_BACK = _ROTATED.keys() - {"webhook-secret"}


class Credentials(Controller):
    path = "/credentials"

    @get()
    async def show(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        now = datetime.now(UTC)
        found = await services.store.keyring.list_credentials(app.id)
        if caller(request).kind == "partner":
            found = [_used_now(each, now) for each in found]
        shapes = {each.type: _credential_shape(each, now) for each in found}
        if (public := find_public_key(app.webhook_secret)) is not None:
            shapes[CredentialType.WEBHOOK_SECRET]["public_key"] = public
        return answer(json_answer(shapes))

    @get("/history")
    async def history(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        query = request.query_params
        limit, offset = page(query)
        found = await services.store.keyring.list_history(
            app.id,
            kind=choice(query, "credential_type", CredentialType),
            action=choice(query, "action", CredentialAction),
            limit=limit,
            offset=offset,
        )
        pagination = {"limit": limit, "offset": offset, "count": len(found)}
        return answer(
            json_answer({"events": [_event_shape(each) for each in found], "pagination": pagination})
        )

    @post([f"/{name}/rotate" for name in _ROTATED], status_code=200)
    async def rotate(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            form = await read_form(request, RotateCredential)
            rotated = await services.credentials.rotate(
                app.id,
                _kind(request),
                grace=timedelta(hours=form.grace_period_hours),
                who=who(request),
                reason=form.reason,
                keep=lambda rotated: keep(_shown(rotated)),
            )
            return _shown(rotated)

        return answer(await once(services, request, work, secret=True))

    @post([f"/{name}/rollback" for name in _PUT_BACK], status_code=200)
    async def roll_back(self, app: Concerned, request: AnyRequest, services: Wired) -> Response[bytes]:
        async def work(keep: Keep) -> Answer:
            form = await read_form(request, RollBackCredential)
            done = await services.credentials.roll_back(
                app.id,
                _kind(request),
                token=form.rollback_token,
                who=who(request),
                reason=form.reason,
                answer=keep(_DONE),
            )
            if not done:
                fault = Fault("$.rollback_token", "is not that of a rotation in its grace period")
                raise InputError("nothing to roll back", faults=[fault])
            return _DONE

        return answer(await once(services, request, work))


_DONE = Answer(204, b"")


def _kind(request: AnyRequest) -> CredentialType:
    """By the last part but one of its path."""
    return _ROTATED[request.scope["path"].rstrip("/").split("/")[-2]]


def _shown(rotated: Rotated) -> Answer:
    token = rotated.rollback_token
    shape = {
        "credential_type": rotated.type,
        "new_credential": rotated.secret.reveal(),
        "grace_period_ends_at": rotated.grace_ends_at,
        "rollback_token": None if token is None else token.reveal(),
        "rollback_expires_at": None if token is None else rotated.grace_ends_at,
    }
    return json_answer(given(shape))


def _credential_shape(credential: Credential, now: datetime) -> Json:
    age = max((now - (credential.rotated_at or credential.created_at)).days, 0)
    return given(
        {
            "credential_type": credential.type,
            "status": "active" if credential.grace_ends_at is None else "transitioning",
            "created_at": credential.created_at,
            "last_rotated_at": credential.rotated_at,
            "last_used_at": credential.used_at,
            "age_days": age,
            "recommended_action": _recommended(age),
            "grace_period_ends_at": credential.grace_ends_at,
        }
    )


def _used_now(credential: Credential, now: datetime) -> Credential:
    """As it is with the request that asks: its key came with it, and is written down only later.

    In a grace period the key may be the one before.
    """
    if credential.type is not CredentialType.API_KEY or credential.grace_ends_at is not None:
        return credential
    return msgspec.structs.replace(credential, used_at=now)


def _recommended(age_days: int) -> str:
    if age_days >= _ROTATE:
        return "rotate_recommended"
    return "rotate_soon" if age_days >= _ROTATE_SOON else "ok"


def _event_shape(event: CredentialEvent) -> Json:
    return given(
        {
            "id": event.id,
            "partner_app_id": event.app_id,
            "credential_type": event.type,
            "action": event.action,
            "initiated_by": event.who.kind,
            "ip_address": event.who.ip_address,
            "user_agent": event.who.user_agent,
            "reason": event.reason,
            "created_at": event.at,
        }
    )
