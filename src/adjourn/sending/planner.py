"""Plan a batch of submissions: read whom they concern, then fan each out.

Read after the requests came in: so no change that was answered before them is missed.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from adjourn import wirejson
from adjourn.errors import Fault, InputError
from adjourn.ids import Uuid7
from adjourn.models import App, AppStatus, Audience, Connection, ConnectionStatus
from adjourn.sending.apps import AppCache
from adjourn.sending.fanout import FanOut, fan_out
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
        connections = (
            [each for user_id in submission.audience.user_ids or () for each in known.connections[user_id]]
            if submission.revokes is None
            else [submission.revokes]
        )
        apps = self._known_apps(submission, connections)
        owner = known.owners.get(_automation_of(submission) or "")
        made = fan_out(submission, apps=apps, connections=connections, at=at, new_id=self._ids, owner=owner)
        if not submission.match_automations or submission.event_type.name != _MATCHED:
            return made
        assigned = [
            fan_out(each, apps={app.id: app}, connections=connections, at=at, new_id=self._ids, owner=app.id)
            for app in apps.values()
            for each in self._assignments(submission, app, connections, at)
        ]
        return msgspec.structs.replace(made, assignments=assigned)

    def _known_apps(self, submission: Submission, connections: Iterable[Connection]) -> dict[str, App]:
        found = {each.app_id: self._apps.find(each.app_id) for each in connections}
        for index, app_id in enumerate(submission.audience.partner_app_ids or ()):
            found[app_id] = self._apps.find(app_id)
            if found[app_id] is None:
                fault = Fault(f"{submission.path}.audience.partner_app_ids[{index}]", "is no app's id")
                raise InputError("the audience names an app that does not exist", faults=[fault])
        return {app_id: app for app_id, app in found.items() if app is not None}

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
