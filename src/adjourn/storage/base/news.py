"""News: what other nodes change, for whoever keeps apps in memory."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

__all__ = ["News"]


class News(Protocol):
    """Tells of apps that change on any node. A store that serves one process has nothing to tell."""

    async def follow(self, take: Callable[[Collection[str]], Awaitable[None]]) -> None:
        """Call `take` with the ids of apps that change from now on, wherever that happens.

        A change is answered to whoever made it only after `take` has returned on every live node, or after
        `is_current` of that node has become false.
        """

    def is_current(self) -> bool:
        """Whether all that has been answered is known here: no attempt may start otherwise."""
