"""The words that calls take."""

from typing import Literal

__all__ = [
    "AppStatus",
    "AutomationStatus",
    "ConnectionStatus",
    "CredentialAction",
    "CredentialType",
    "DeliveryStatus",
    "Disposition",
    "FilterType",
    "SignatureProfile",
]

AppStatus = Literal["active", "suspended", "inactive"]
AutomationStatus = Literal["active", "inactive"]
ConnectionStatus = Literal["active", "revoked", "expired"]
CredentialAction = Literal["rotated", "rollback", "disabled", "enabled", "accessed", "tested"]
CredentialType = Literal["api_key", "webhook_secret", "client_secret"]
DeliveryStatus = Literal["pending", "failed", "delivered", "abandoned"]
Disposition = Literal["abandon", "deliver"]
FilterType = Literal["include", "exclude"]
SignatureProfile = Literal["documented", "sdk"]
