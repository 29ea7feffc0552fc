"""`adjourn inbox`: handle what a receiver keeps, look at it, have it handled anew."""

from adjourn.cli.inbox import looking, moving, work
from adjourn.cli.inbox.session import inbox

__all__ = ["inbox", "looking", "moving", "work"]
