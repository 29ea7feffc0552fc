"""The three ways to publish that are measured, and the requests they make."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

__all__ = ["KEY", "USERS", "WAYS", "Way"]

KEY = "pk_bench"
_TITLE = "TITLE"
USERS = 20  # each of an app of its own: no lane's room is the limit


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """`batch` events a request, each for `users` users.

    `connections` keep asking, for each process that serves: enough to keep it busy. With more, batches are
    only accepted faster than they can be sent, and what is measured is a backlog.
    """

    name: str
    batch: int = 1
    users: int = 1
    connections: int = 64

    @property
    def deliveries(self) -> int:
        """Of one request."""
        return self.batch * self.users

    @property
    def path(self) -> str:
        return "/v1/platform/events" if self.batch == 1 else "/v1/platform/events/batch"

    def bodies(self, users: Sequence[str], *, title: str = "Weekly Team Sync") -> list[bytes]:
        """Requests that address all the users evenly; each holds the title."""
        events = self.events(users, title=title)
        if self.batch == 1:
            return [json.dumps(event).encode() for event in events]
        whole = {"events": [events[n % len(events)] for n in range(self.batch)]}
        return [json.dumps(whole).encode()]

    def events(self, users: Sequence[str], *, title: str = "Weekly Team Sync") -> list[dict[str, Any]]:
        """As many as address each user once."""
        return [
            _event([users[(first + n) % len(users)] for n in range(self.users)], title)
            for first in range(0, len(users), self.users)
        ]

    def numbered(self, users: Sequence[str]) -> Callable[[int], tuple[str, bytes]]:
        """The path and body of the request with a number, which is its title."""
        bodies = self.bodies(users, title=_TITLE)

        def request(number: int) -> tuple[str, bytes]:
            body = bodies[number % len(bodies)]
            return self.path, body.replace(_TITLE.encode(), b"%d" % number)

        return request


WAYS = (
    Way(name="single"),
    Way(name="batches of 100", batch=100, connections=4),
    Way(name="fan-out 5", users=5),
)


def _event(users: Sequence[str], title: str) -> dict[str, Any]:
    return {
        "event_type": "meeting.completed",
        "data": {
            "meeting_id": "mtg-550e8400-e29b-41d4-a716-446655440000",
            "workspace_id": "ws-550e8400-e29b-41d4-a716-446655440001",
            "title": title,
            "completed_at": "2026-01-15T10:30:00Z",
        },
        "audience": {"user_ids": list(users)},
    }
