"""Audience -> apps -> filter -> targets: which envelopes a publication makes, where they go, and why each
(app, user) got one or not.

Pure: apps and connections are given.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from adjourn import wirejson
from adjourn.models import (
    App,
    AppStatus,
    AutomationStatus,
    Connection,
    ConnectionStatus,
    Event,
    Outcome,
    Publication,
    Verdict,
)
from adjourn.providers.provider import Facts
from adjourn.sending.submission import Submission

__all__ = ["Addressed", "Envelope", "FanOut", "fan_out"]

_MOST_URLS = 10  # of one event for one app: what a partner sets up multiplies no more than that
_User = tuple[str, str]  # id, email


class Addressed(NamedTuple):
    """A delivery to be: to which target (an automation's id, None for the app), at which URL now."""

    delivery_id: str
    target: str | None
    url: str


class Envelope(msgspec.Struct, frozen=True):
    """One event on its way to one app, at one or more URLs."""

    event: Event
    app: App
    deliveries: Sequence[Addressed]
    body: bytes


class FanOut(msgspec.Struct, frozen=True):
    """What one submission becomes. `versions` are those of every app it depends on.

    `assignments`: what its matching with automations became, where that was asked for.
    """

    submission: Submission
    publication: Publication
    envelopes: Sequence[Envelope]
    versions: Mapping[str, int]
    assignments: "Sequence[FanOut]" = ()


def fan_out(
    submission: Submission,
    *,
    apps: Mapping[str, App],
    connections: Sequence[Connection],
    at: datetime,
    new_id: Callable[[], str],
    owner: str | None = None,
) -> FanOut:
    """Decide for each (app, user) of the audience. `connections` are all those of its users.

    Apps of another provider are outside the audience: they are not even considered. `owner`: the app whose
    automation this is for; nobody else gets it.
    """
    publication_id = new_id()
    timestamp = submission.timestamp or wirejson.utc(at)
    verdicts: list[Verdict] = []
    envelopes: list[Envelope] = []
    versions: dict[str, int] = {}
    for app_id, user_id, candidate in _candidates(submission, apps, connections):
        if candidate is None:
            verdicts.append(Verdict(app_id, user_id, Outcome.NOT_CONNECTED))
            continue
        app, user = candidate
        versions[app.id] = app.version
        outcome, urls = _decide(submission, app, owner)
        if outcome is not Outcome.SENT:
            verdicts.append(Verdict(app.id, user_id, outcome))
            continue
        event = _event(submission, app, user, (new_id(), publication_id, timestamp))
        data = submission.data_json if event.own_data is None else event.own_data
        deliveries = [Addressed(new_id(), target, url) for url, target in urls.items()]
        envelopes.append(Envelope(event, app, deliveries, event.head + data + b"}"))
        delivery_ids = tuple(each.delivery_id for each in deliveries)
        verdicts.append(Verdict(app.id, user_id, outcome, event.id, delivery_ids))
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
    return FanOut(submission, publication, envelopes, versions)


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


_Urls = dict[str, str | None]
"""Where an event goes: each URL once, with its target."""


def _decide(submission: Submission, app: App, owner: str | None) -> tuple[Outcome, _Urls]:
    name = submission.event_type.name
    always = name in submission.provider.always_delivered
    if owner is not None and owner != app.id:
        return Outcome.OTHER_APP, {}
    urls = _app_urls(app) if owner is None else _automation_urls(submission, app)
    if app.status is not AppStatus.ACTIVE or urls is None:
        return Outcome.INACTIVE, {}
    if app.webhook_filter is not None and not always and not app.webhook_filter.passes(name):
        return Outcome.FILTERED, {}
    return (Outcome.SENT, urls) if urls else (Outcome.NO_URL, {})


def _app_urls(app: App) -> _Urls:
    """The app's URL; without one, those of its active automations, the oldest first: CONTRACTS 1.3."""
    if app.webhook_url is not None:
        return {app.webhook_url: None}
    urls: _Urls = {}
    for each in app.automations:
        if each.status is AutomationStatus.ACTIVE and each.webhook_url is not None:
            urls.setdefault(each.webhook_url, each.id)
        if len(urls) == _MOST_URLS:
            break
    return urls


def _automation_urls(submission: Submission, app: App) -> _Urls | None:
    """The URL of the automation that this is for, or else the app's; None where it is inactive or gone."""
    automation_id = submission.provider.automation_of(submission.event_type.name, submission.data)
    automation = app.find_automation(automation_id or "")
    if automation is None or automation.status is not AutomationStatus.ACTIVE:
        return None
    if automation.webhook_url is not None:
        return {automation.webhook_url: automation.id}
    return {} if app.webhook_url is None else {app.webhook_url: None}


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
