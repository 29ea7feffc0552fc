"""Audience -> apps -> filter: which envelopes a publication makes, and why each (app, user) got one or not.

Pure: apps and connections are given.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from adjourn import wirejson
from adjourn.models import (
    App,
    AppStatus,
    Connection,
    ConnectionStatus,
    Event,
    Outcome,
    Publication,
    Verdict,
)
from adjourn.providers.provider import Facts
from adjourn.sending.submission import Submission

__all__ = ["Envelope", "FanOut", "fan_out"]

_User = tuple[str, str]  # id, email


class Envelope(msgspec.Struct, frozen=True):
    """One event on its way to one app."""

    event: Event
    app: App
    delivery_id: str
    body: bytes


class FanOut(msgspec.Struct, frozen=True):
    """What one submission becomes. `versions` are those of every app it depends on."""

    publication: Publication
    envelopes: Sequence[Envelope]
    versions: Mapping[str, int]


def fan_out(
    submission: Submission,
    *,
    apps: Mapping[str, App],
    connections: Sequence[Connection],
    at: datetime,
    new_id: Callable[[], str],
) -> FanOut:
    """Decide for each (app, user) of the audience. `connections` are all those of its users.

    Apps of another provider are outside the audience: they are not even considered.
    """
    publication_id = new_id()
    timestamp = submission.timestamp or f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    verdicts: list[Verdict] = []
    envelopes: list[Envelope] = []
    versions: dict[str, int] = {}
    for app_id, user_id, candidate in _candidates(submission, apps, connections):
        if candidate is None:
            verdicts.append(Verdict(app_id, user_id, Outcome.NOT_CONNECTED))
            continue
        app, user = candidate
        versions[app.id] = app.version
        outcome = _outcome(submission, app)
        if outcome is not Outcome.SENT:
            verdicts.append(Verdict(app.id, user_id, outcome))
            continue
        event = _event(submission, app, user, (new_id(), publication_id, timestamp))
        data = submission.data_json if event.own_data is None else event.own_data
        envelope = Envelope(event, app, new_id(), event.head + data + b"}")
        envelopes.append(envelope)
        verdicts.append(Verdict(app.id, user_id, outcome, event.id, (envelope.delivery_id,)))
    publication = Publication(
        id=publication_id,
        at=at,
        provider=submission.provider.name,
        event_type=submission.event_type.name,
        timestamp=timestamp,
        actor_user_id=submission.actor_user_id,
        audience=submission.audience,
        data=submission.data_json,
        verdicts=tuple(verdicts),
    )
    return FanOut(publication, envelopes, versions)


def _candidates(
    submission: Submission, apps: Mapping[str, App], connections: Sequence[Connection]
) -> Iterator[tuple[str | None, str | None, tuple[App, _User | None] | None]]:
    """Each (app, user) to decide about; the last is None where the user is not connected."""
    if submission.audience.user_ids is None:
        for app_id in submission.audience.partner_app_ids or ():
            app = apps.get(app_id)
            if app is not None and app.provider == submission.provider.name:
                yield app.id, None, (app, None)
        return
    of_user: dict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        app = apps.get(connection.app_id)
        if app is not None and app.provider == submission.provider.name:
            of_user[connection.user_id].append(connection)
    for user_id in submission.audience.user_ids:
        if user_id not in of_user:
            yield None, user_id, None
        for connection in of_user[user_id]:
            # One that ends hears of it, expired or not.
            connected = connection.status is ConnectionStatus.ACTIVE or connection is submission.revokes
            candidate = (apps[connection.app_id], (user_id, connection.user_email))
            yield connection.app_id, user_id, candidate if connected else None


def _outcome(submission: Submission, app: App) -> Outcome:
    name = submission.event_type.name
    always = name in submission.provider.always_delivered
    if app.status is not AppStatus.ACTIVE:
        return Outcome.INACTIVE
    if app.webhook_filter is not None and not always and not app.webhook_filter.passes(name):
        return Outcome.FILTERED
    if app.webhook_url is None:
        return Outcome.NO_URL
    return Outcome.SENT


def _event(submission: Submission, app: App, user: _User | None, ids: tuple[str, str, str]) -> Event:
    event_id, publication_id, timestamp = ids
    name = submission.event_type.name
    own_data = None
    if app.options.legacy_event_names:
        legacy = submission.provider.legacy_form(name, submission.data)
        if legacy is not None:
            name, own_data = legacy[0], wirejson.dumps(legacy[1])
    head = submission.provider.head(Facts(name, event_id, timestamp, app.id, user, submission.actor_user_id))
    return Event(
        id=event_id,
        publication_id=publication_id,
        app_id=app.id,
        user_id=None if user is None else user[0],
        head=head,
        own_data=own_data,
    )
