"""What a partner's side does with webhooks: verify, read, keep once, handle.

The standard library and msgspec suffice. Adapters for frameworks are modules of their own (asgi, starlette,
litestar, flask, django, aiohttp), which need their framework.
"""

from adjourn.receiving.diagnosis import Cause, Diagnosis
from adjourn.receiving.doctor import diagnose
from adjourn.receiving.inbox import RETRY_DELAYS, Inbox
from adjourn.receiving.receiver import Received, Receiver, Refused

__all__ = [
    "RETRY_DELAYS",
    "Cause",
    "Diagnosis",
    "Inbox",
    "Received",
    "Receiver",
    "Refused",
    "diagnose",
]
