"""Plan a batch of submissions: read whom they concern, then fan each out.

Read after the requests came in: so no change that was answered before them is missed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from adjourn import wirejson
from adjourn.errors import Fault, InputError
from adjourn.ids import Uuid7
from adjourn.models import App, AppStatus, Audience, Connection, ConnectionStatus
from adjourn.sending.apps import AppCache
from adjourn.sending.fanout import Decisions, FanOut, fan_out
from adjourn.sending.matching import assignments
from adjourn.sending.submission import Submission
from adjourn.storage.base import Directory

__all__ = ["Known", "Planner"]

_MATCHED = "action_item.created"
_ASSIGNED = "automation.assignment.created"


class Known(NamedTuple):
    """What was read for a batch: each user's connections, and whose an automation is."""

    connections: dict[str, list[Connection]]
    owners: dict[str, str | None]


class Planner:
    def __init__(self, *, directory: Directory, apps: AppCache, ids: Uuid7) -> None:
        self._directory = directory
        self._apps = apps
        self._ids = ids
        self._decisions = Decisions()
        self._now: tuple[datetime | None, str] = (None, "")  # and how it is spelled

    async def read(self, submissions: Sequence[Submission]) -> Known:
        """Raises StorageError."""
        user_ids = {user_id for each in submissions for user_id in each.audience.user_ids or ()}
        connections: dict[str, list[Connection]] = {user_id: [] for user_id in user_ids}
        for connection in await self._directory.connections_of(list(user_ids)):
            connections[connection.user_id].append(connection)
        app_ids = {each.app_id for found in connections.values() for each in found}
        owners: dict[str, str | None] = {}
        for submission in submissions:
            app_ids.update(submission.audience.partner_app_ids or ())
            if (automation_id := _automation_of(submission)) is not None:
                owners[automation_id] = await self._directory.find_owner(automation_id)
        await self._apps.load(app_ids)
        return Known(connections, owners)

    def plan(self, submission: Submission, known: Known, at: datetime) -> FanOut:
        """With the assignments that it brings, where it asks for them. Raises InputError."""
        ended = submission.revokes
        connections = known.connections if ended is None else {ended.user_id: [ended]}
        if submission.audience.partner_app_ids:
            self._check_apps(submission)
        made = fan_out(
            submission,
            find_app=self._apps.find,
            connections=connections,
            at=at,
            timestamp=self._spelled(at),
            new_id=self._ids,
            decisions=self._decisions,
            owner=known.owners.get(_automation_of(submission) or "") if known.owners else None,
        )
        if not submission.match_automations or submission.event_type.name != _MATCHED:
            return made
        return msgspec.structs.replace(made, assignments=[*self._assigned(submission, connections, at)])

    def _spelled(self, at: datetime) -> str:
        if self._now[0] is not at:
            self._now = (at, wirejson.utc(at))
        return self._now[1]

    def _check_apps(self, submission: Submission) -> None:
        for index, app_id in enumerate(submission.audience.partner_app_ids or ()):
            if self._apps.find(app_id) is None:
                fault = Fault(f"{submission.path}.audience.partner_app_ids[{index}]", "is no app's id")
                raise InputError("the audience names an app that does not exist", faults=[fault])

    def _assigned(
        self, submission: Submission, connections: Mapping[str, Sequence[Connection]], at: datetime
    ) -> Iterator[FanOut]:
        """What each automation that matches, of each app that the audience reaches, is told."""
        reached = [each for user in submission.audience.user_ids or () for each in connections[user]]
        for app_id in dict.fromkeys(
            [*[each.app_id for each in reached], *(submission.audience.partner_app_ids or ())]
        ):
            app = self._apps.find(app_id)
            if app is None:
                continue
            for each in self._assignments(submission, app, reached, at):
                yield fan_out(
                    each,
                    find_app={app.id: app}.get,
                    connections=connections,
                    at=at,
                    timestamp=self._spelled(at),
                    new_id=self._ids,
                    decisions=self._decisions,
                    owner=app.id,
                )

    def _assignments(
        self, submission: Submission, app: App, connections: Iterable[Connection], at: datetime
    ) -> Iterator[Submission]:
        """One for each automation of the app that matches, for the same users as far as they are its own."""
        users = tuple(
            each.user_id
            for each in connections
            if each.app_id == app.id and each.status is ConnectionStatus.ACTIVE
        )
        to_app = submission.audience.user_ids is None
        if app.status is not AppStatus.ACTIVE or app.provider != submission.provider.name:
            return
        if not (to_app or users):
            return
        audience = Audience(partner_app_ids=(app.id,)) if to_app else Audience(user_ids=users)
        for data in assignments(app.automations, submission.data, at=at, new_id=self._ids):
            yield Submission(
                provider=submission.provider,
                event_type=submission.provider.event_types[_ASSIGNED],
                data=data,
                data_json=wirejson.dumps(data),
                audience=audience,
                actor_user_id=submission.actor_user_id,
                path=submission.path,
            )


def _automation_of(submission: Submission) -> str | None:
    return submission.provider.automation_of(submission.event_type.name, submission.data)
