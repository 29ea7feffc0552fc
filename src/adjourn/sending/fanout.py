"""Audience -> apps -> filter -> targets: which envelopes a publication makes, where they go, and why each
(app, user) got one or not.

Pure: apps and connections are given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from adjourn import wirejson
from adjourn.endpoint import lane_id, parse_endpoint
from adjourn.models import (
    App,
    AppStatus,
    AutomationStatus,
    Callback,
    Connection,
    ConnectionStatus,
    Event,
    Outcome,
    Publication,
    Subject,
    Verdict,
    callback_target,
    lane_target,
)
from adjourn.providers.provider import Facts
from adjourn.sending.submission import Submission

__all__ = ["Address", "Addressed", "Decisions", "Envelope", "FanOut", "fan_out"]

_MOST_URLS = 10  # of one event for one app: what a partner sets up multiplies no more than that
_MOST_DECISIONS = 20_000  # in memory
# A callback needs no URL of the app, and no filter stops it.
_CALLED_BACK = {Outcome.SENT, Outcome.FILTERED, Outcome.NO_URL}
_User = tuple[str, str]  # id, email


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where an app's events go: to which target (an automation's id, None for the app), at which URL now.

    `is_open`: an attempt may start there.
    """

    target: str | None
    url: str
    origin: str
    lane_id: int
    is_open: bool
    callback: Callback | None = None


class Addressed(msgspec.Struct, frozen=True, gc=False):
    """A delivery to be."""

    delivery_id: str
    to: Address


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One event on its way to one app, at one or more URLs."""

    event: Event
    app: App
    deliveries: Sequence[Addressed]
    body: bytes


class FanOut(msgspec.Struct, frozen=True, gc=False):
    """What one submission becomes. `versions` are those of every app it depends on.

    `assignments`: what its matching with automations became, where that was asked for. `subjects` are what
    it makes known.
    """

    submission: Submission
    publication: Publication
    envelopes: Sequence[Envelope]
    versions: Mapping[str, int]
    assignments: "Sequence[FanOut]" = ()
    subjects: Sequence[Subject] = ()


class _Decision(msgspec.Struct, frozen=True, gc=False):
    """What an app's settings make of an event type."""

    app: App
    outcome: Outcome
    addresses: Sequence[Address]


class Decisions:
    """Each app's decision on each event type, as long as the app is the same."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], _Decision] = {}

    def of(self, submission: Submission, app: App, owner: str | None) -> _Decision:
        """`owner`: the app whose automation this is for."""
        if owner is not None:  # which automation the data names decides: never the same twice
            return _decide(submission, app, owner)
        place = (app.id, submission.event_type.name)
        made = self._made.get(place)
        if made is None or made.app is not app:
            if len(self._made) >= _MOST_DECISIONS:
                self._made.clear()
            made = self._made[place] = _decide(submission, app, None)
        return made


def fan_out(
    submission: Submission,
    *,
    find_app: Callable[[str], App | None],
    connections: Mapping[str, Sequence[Connection]],
    at: datetime,
    timestamp: str,
    new_id: Callable[[], str],
    decisions: Decisions,
    owner: str | None = None,
) -> FanOut:
    """Decide for each (app, user) of the audience. `connections` are all those of its users, by user.

    Apps of another provider are outside the audience: they are not even considered. `timestamp` is that of
    a submission without its own. `owner`: the app whose automation this is for; nobody else gets it.
    """
    publication_id = new_id()
    told = submission.timestamp or timestamp
    verdicts: list[Verdict] = []
    envelopes: list[Envelope] = []
    subjects: list[Subject] = []
    versions: dict[str, int] = {}
    for app, user_id, email in _candidates(submission, find_app, connections):
        if app is None or (user_id is not None and email is None):
            app_id = None if app is None else app.id
            verdicts.append(Verdict(app_id, user_id, Outcome.NOT_CONNECTED))
            continue
        versions[app.id] = app.version
        decision = decisions.of(submission, app, owner)
        addresses = decision.addresses
        if decision.outcome is not Outcome.SENT:
            verdicts.append(Verdict(app.id, user_id, decision.outcome))
        if submission.callback is not None and decision.outcome in _CALLED_BACK:
            addresses = [*addresses, _callback_address(submission, submission.callback, app)]
        if not addresses:
            if submission.subject is not None:
                subjects.append(Subject(app_id=app.id, id=submission.subject))
            continue
        user = None if user_id is None or email is None else (user_id, email)
        event = _event(submission, app, user, (new_id(), publication_id, told))
        data = submission.data_json if event.own_data is None else event.own_data
        deliveries = [Addressed(new_id(), address) for address in addresses]
        envelopes.append(Envelope(event, app, deliveries, event.head + data + b"}"))
        delivery_ids = tuple([each.delivery_id for each in deliveries])
        verdicts.append(Verdict(app.id, user_id, Outcome.SENT, event.id, delivery_ids))
        if submission.subject is not None:
            subjects.append(_subject(submission, submission.subject, event, deliveries))
    publication = Publication(
        id=publication_id,
        at=at,
        provider=submission.provider.name,
        event_type=submission.event_type.name,
        timestamp=told,
        actor_user_id=submission.actor_user_id,
        audience=submission.audience,
        data=submission.data_json,
        verdicts=tuple(verdicts),
    )
    return FanOut(submission, publication, envelopes, versions, subjects=subjects)


def _candidates(
    submission: Submission,
    find_app: Callable[[str], App | None],
    connections: Mapping[str, Sequence[Connection]],
) -> Iterator[tuple[App | None, str | None, str | None]]:
    """Each (app, user, the user's e-mail address) to decide about.

    Without an app the user is connected to none; with an app and no address, the user is not to this one.
    """
    provider = submission.provider.name
    user_ids = submission.audience.user_ids
    if user_ids is None:
        for app in map(find_app, submission.audience.partner_app_ids or ()):
            if app is not None and app.provider == provider:
                yield app, None, None
        return
    for user_id in user_ids:
        considered = False
        for connection in connections.get(user_id, ()):
            app = find_app(connection.app_id)
            if app is None or app.provider != provider:
                continue
            considered = True
            # One that ends hears of it, expired or not.
            connected = connection.status is ConnectionStatus.ACTIVE or connection is submission.revokes
            yield app, user_id, connection.user_email if connected else None
        if not considered:
            yield None, user_id, None


_Urls = dict[str, str | None]
"""Where an event goes: each URL once, with its target."""


def _decide(submission: Submission, app: App, owner: str | None) -> _Decision:
    outcome, urls = _outcome(submission, app, owner)
    return _Decision(app, outcome, [_address(app, url, target) for url, target in urls.items()])


def _address(app: App, url: str, target: str | None) -> Address:
    origin = parse_endpoint(url).origin
    return Address(target, url, origin, lane_id(app.id, origin, target), app.takes_attempts(target))


def _callback_address(submission: Submission, callback: Callback, app: App) -> Address:
    origin = parse_endpoint(callback.url).origin
    target = callback_target(submission.subject or "")
    lane = lane_id(app.id, origin, lane_target(target))
    return Address(target, callback.url, origin, lane, app.takes_attempts(target), callback)


def _subject(
    submission: Submission, subject_id: str, event: Event, deliveries: Sequence[Addressed]
) -> Subject:
    """What is known of it by this event, of all the bot's the last where it is final."""
    if not submission.is_final:
        return Subject(app_id=event.app_id, id=subject_id)
    to_app = (each.delivery_id for each in deliveries if each.to.callback is None)
    called_back = (each.delivery_id for each in deliveries if each.to.callback is not None)
    return Subject(
        app_id=event.app_id,
        id=subject_id,
        event_id=event.id,
        delivery_id=next(to_app, None),
        callback_delivery_id=next(called_back, None),
        callback=submission.callback,
    )


def _outcome(submission: Submission, app: App, owner: str | None) -> tuple[Outcome, _Urls]:
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
    own = submission.provider.own_form(app.options, name, submission.data)
    if own is not None:
        name, own_data = own.event_type, wirejson.dumps(own.data)
    facts = Facts(name, event_id, timestamp, app.id, user, submission.actor_user_id, submission.extra)
    return Event(
        id=event_id,
        publication_id=publication_id,
        app_id=app.id,
        user_id=None if user is None else user[0],
        head=submission.provider.head(facts),
        own_data=own_data,
    )
