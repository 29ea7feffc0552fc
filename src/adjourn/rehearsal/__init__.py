"""A receiver's handlers in a test: events are kept and handled as they would be.

The pytest fixture `webhooks` is a Webhooks (pytest_plugin.py).
"""

from adjourn.rehearsal.webhooks import SignedRequest, Webhooks

__all__ = ["SignedRequest", "Webhooks"]
