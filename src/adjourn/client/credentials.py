"""Rotating credentials and taking a rotation back, for both APIs."""

from typing import NotRequired, TypedDict

from adjourn.client.call import Call, given, post
from adjourn.client.values import CredentialType
from adjourn.resources import RotatedCredential

__all__ = ["Rotation", "rollback", "rotate"]


class Rotation(TypedDict):
    confirmation_token: str
    reason: NotRequired[str | None]
    grace_period_hours: NotRequired[float | None]  # that the old one works on; 24 if not given, 0: none
    idempotency_key: NotRequired[str | None]


def rotate(credential_type: CredentialType, rotation: Rotation, *path: str) -> Call[RotatedCredential]:
    body = given(**rotation)
    key = body.pop("idempotency_key", None)
    return post(RotatedCredential, *path, _segment(credential_type), "rotate", body=body, key=key)


def rollback(
    credential_type: CredentialType, body: dict[str, str], key: str | None, *path: str
) -> Call[None]:
    return post(type(None), *path, _segment(credential_type), "rollback", body=body, key=key)


def _segment(credential_type: str) -> str:
    """As it stands in a path: api-key."""
    return credential_type.replace("_", "-")
