"""Which envelopes a publication makes, and why each (app, user) got one or not: CONTRACTS 1.1 to 1.3."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import pytest

from adjourn.config import Secret
from adjourn.models import (
    App,
    AppStatus,
    Connection,
    ConnectionStatus,
    Filter,
    Outcome,
    Verdict,
)
from adjourn.providers.contio import ContioOptions
from adjourn.sending.fanout import Decisions, FanOut, fan_out
from adjourn.sending.submission import parse_submission
from adjourn.wirejson import utc

AT = datetime(2025, 1, 15, 10, 30, 0, 7_999, tzinfo=UTC)
DATA = {"session_id": "s", "meeting_id": None, "expired_at": "2025-01-15T10:30:00Z"}
CREATED = {
    "agenda_item_id": "ai",
    "meeting_id": "mtg",
    "title": 'Zoë & "Co"\u2028',
    "item_type": "DISCUSSION",
    "created_at": "2025-01-15T10:30:00.000Z",
}
CREATED_JSON = (
    '{"agenda_item_id":"ai","meeting_id":"mtg","title":"Zoë & \\"Co\\"\u2028",'
    '"item_type":"DISCUSSION","created_at":"2025-01-15T10:30:00.000Z"}'
)
ASSIGNED = {
    "assignment_id": "asgn",
    "action_item_id": "ai",
    "meeting_id": "mtg",
    "automation_id": "wf",
    "automation_name": "CRM",
    "confidence_score": 1.0,
    "automation_data_payload": {"automation_id": "untouched", "10": 1, "2": 2.50},
    "status": "pending",
    "created_at": "2025-01-15T10:30:00Z",
    "workspace_id": "ws",
}


def app(app_id: str, **fields: Any) -> App:
    made = App(
        id=app_id,
        version=3,
        provider="contio",
        name=app_id,
        description=None,
        company_name="Company",
        client_id=f"client-{app_id}",
        primary_contact_email="ops@example.com",
        webhook_url=f"https://{app_id}.example/",
        webhook_enabled=True,
        webhook_filter=None,
        status=AppStatus.ACTIVE,
        slug=None,
        options=ContioOptions(),
        webhook_secret=Secret("whsec_AAAA"),
        created_at=AT,
        updated_at=AT,
    )
    return msgspec.structs.replace(made, **fields)


def connected(
    app_id: str, user: str = "ana", status: ConnectionStatus = ConnectionStatus.ACTIVE
) -> Connection:
    return Connection(
        id=f"{app_id}-{user}",
        app_id=app_id,
        user_id=user,
        user_email=f"{user}@example.com",
        status=status,
        created_at=AT,
        updated_at=AT,
    )


def by_user(connections: Sequence[Connection]) -> dict[str, list[Connection]]:
    users = dict.fromkeys(each.user_id for each in connections)
    return {user: [each for each in connections if each.user_id == user] for user in users}


def fan(
    apps: Sequence[App],
    connections: Sequence[Connection] = (),
    *,
    event_type: str = "agenda_item.created",
    data: dict[str, Any] = CREATED,
    audience: dict[str, list[str]] | None = None,
    **fields: str,
) -> FanOut:
    raw = {"event_type": event_type, "data": data, "audience": audience or {"user_ids": ["ana"]}, **fields}
    ids = count(1)
    return fan_out(
        parse_submission(raw),
        find_app={each.id: each for each in apps}.get,
        connections=by_user(connections),
        decisions=Decisions(),
        at=AT,
        timestamp=utc(AT),
        new_id=lambda: f"id{next(ids)}",
    )


def outcomes(result: FanOut) -> list[tuple[str | None, str | None, str]]:
    return [(each.app_id, each.user_id, each.outcome) for each in result.publication.verdicts]


def test_the_body_is_canonical_json_of_the_documented_envelope() -> None:
    result = fan([app("app-1")], [connected("app-1")], actor_user_id="bob")
    (envelope,) = result.envelopes
    assert envelope.body.decode() == (
        '{"event_type":"agenda_item.created","event_id":"id2","timestamp":"2025-01-15T10:30:00.007Z",'
        '"partner_app_id":"app-1","for_user":{"id":"ana","email":"ana@example.com"},"actor_user_id":"bob",'
        f'"data":{CREATED_JSON}}}'
    )
    assert envelope.body == envelope.event.head + result.publication.data + b"}"
    assert envelope.event.own_data is None


def test_what_is_absent_is_left_out_and_never_null() -> None:
    result = fan([app("app-1")], audience={"partner_app_ids": ["app-1"]})
    (envelope,) = result.envelopes
    assert envelope.body.decode() == (
        '{"event_type":"agenda_item.created","event_id":"id2","timestamp":"2025-01-15T10:30:00.007Z",'
        f'"partner_app_id":"app-1","data":{CREATED_JSON}}}'
    )
    assert outcomes(result) == [("app-1", None, "sent")]
    assert envelope.event.user_id is None


@pytest.mark.parametrize(
    ("published", "sent"),
    [
        ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.1230Z", "2025-01-15T10:30:00.1230Z"),
        ("2025-01-15T12:30:00+02:00", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.5-05:30", "2025-01-15T16:00:00.5Z"),
    ],
)
def test_the_timestamp_is_the_publishers(published: str, sent: str) -> None:
    result = fan([app("a")], [connected("a")], timestamp=published)
    assert result.publication.timestamp == sent
    assert msgspec.json.decode(result.envelopes[0].body)["timestamp"] == sent


def test_a_user_in_two_apps_gives_two_envelopes_with_ids_of_their_own() -> None:
    result = fan([app("a"), app("b")], [connected("a"), connected("b")])
    assert outcomes(result) == [("a", "ana", "sent"), ("b", "ana", "sent")]
    assert (
        len(
            {each.event.id for each in result.envelopes}
            | {each.deliveries[0].delivery_id for each in result.envelopes}
        )
        == 4
    )
    assert [each.event.id for each in result.envelopes] == [
        each.event_id for each in result.publication.verdicts
    ]
    assert [(each.deliveries[0].delivery_id,) for each in result.envelopes] == [
        each.delivery_ids for each in result.publication.verdicts
    ]
    assert result.versions == {"a": 3, "b": 3}


def test_two_users_of_an_app_give_an_envelope_each() -> None:
    result = fan(
        [app("a")],
        [connected("a"), connected("a", "bob")],
        audience={"user_ids": ["bob", "ana", "bob", "ana"]},
    )
    assert outcomes(result) == [("a", "bob", "sent"), ("a", "ana", "sent")]
    users = [msgspec.json.decode(each.body)["for_user"]["id"] for each in result.envelopes]
    assert users == ["bob", "ana"]
    assert len({each.event.id for each in result.envelopes}) == 2


def test_an_app_named_twice_is_one() -> None:
    assert len(fan([app("a")], audience={"partner_app_ids": ["a", "a"]}).envelopes) == 1


INCLUDES = Filter(type="include", events=("agenda_item.created",))
EXCLUDES = Filter(type="exclude", events=("agenda_item.created",))


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.SENT),
        ({"webhook_enabled": False}, Outcome.SENT),  # held
        ({"webhook_filter": INCLUDES}, Outcome.SENT),
        ({"webhook_filter": EXCLUDES}, Outcome.FILTERED),
        ({"webhook_filter": Filter(type="include", events=())}, Outcome.FILTERED),
        ({"webhook_filter": Filter(type="include", events=("meeting.created",))}, Outcome.FILTERED),
        ({"webhook_filter": Filter(type="exclude", events=())}, Outcome.SENT),
        ({"webhook_filter": Filter(type="exclude", events=("meeting.created",))}, Outcome.SENT),
        ({"status": AppStatus.SUSPENDED}, Outcome.INACTIVE),
        ({"status": AppStatus.INACTIVE}, Outcome.INACTIVE),
        ({"webhook_url": None}, Outcome.NO_URL),
        ({"webhook_enabled": False, "webhook_filter": EXCLUDES}, Outcome.FILTERED),
        ({"webhook_enabled": False, "webhook_url": None}, Outcome.NO_URL),
        ({"status": AppStatus.SUSPENDED, "webhook_filter": EXCLUDES}, Outcome.INACTIVE),
    ],
)
@pytest.mark.parametrize("audience", [{"user_ids": ["ana"]}, {"partner_app_ids": ["a"]}])
def test_each_app_considered_has_its_outcome(
    fields: dict[str, Any], outcome: Outcome, audience: dict[str, list[str]]
) -> None:
    result = fan([app("a", **fields)], [connected("a")], audience=audience)
    user = "ana" if "user_ids" in audience else None
    assert outcomes(result) == [("a", user, outcome)]
    assert len(result.envelopes) == (outcome is Outcome.SENT)
    assert result.versions == {"a": 3}, "whatever was decided, it was by this version"


@pytest.mark.parametrize("status", [ConnectionStatus.REVOKED, ConnectionStatus.EXPIRED])
def test_a_connection_that_ended_reaches_nobody(status: ConnectionStatus) -> None:
    result = fan([app("a")], [connected("a", status=status)])
    assert outcomes(result) == [("a", "ana", "not_connected")]
    assert result.envelopes == []


def test_a_user_without_connections_is_not_connected() -> None:
    result = fan([app("a")], [])
    assert result.publication.verdicts == (Verdict(None, "ana", Outcome.NOT_CONNECTED),)


def test_apps_of_another_provider_are_not_even_considered() -> None:
    other = app("b", provider="meetingbaas")
    result = fan([app("a"), other], [connected("a"), connected("b")])
    assert outcomes(result) == [("a", "ana", "sent")]
    assert outcomes(fan([other], audience={"partner_app_ids": ["b"]})) == []
    assert outcomes(fan([other], [connected("b")])) == [(None, "ana", "not_connected")]


def test_no_filter_stops_what_is_always_delivered() -> None:
    nothing = Filter(type="include", events=())
    result = fan(
        [app("a", webhook_filter=nothing), app("b", webhook_filter=nothing, webhook_url=None)],
        [connected("a"), connected("b")],
        event_type="user.connection.revoked",
        data={"connection_id": "c", "revoked_at": "2025-01-15T10:30:00Z"},
    )
    assert outcomes(result) == [("a", "ana", "sent"), ("b", "ana", "no_url")]


def test_the_connection_that_a_publication_ends_hears_of_it_expired_or_not() -> None:
    expired = connected("a", status=ConnectionStatus.EXPIRED)
    raw = {
        "event_type": "user.connection.revoked",
        "data": {"connection_id": "c", "revoked_at": "2025-01-15T10:30:00Z"},
        "audience": {"user_ids": ["ana"]},
    }
    revoked = msgspec.structs.replace(parse_submission(raw), revokes=expired)
    result = fan_out(
        revoked,
        find_app={"a": app("a")}.get,
        connections={"ana": [expired]},
        at=AT,
        timestamp=utc(AT),
        new_id=lambda: "id",
        decisions=Decisions(),
    )
    assert outcomes(result) == [("a", "ana", "sent")]


def test_an_app_that_asks_for_old_names_gets_them_in_type_and_data_alone() -> None:
    old = app("old", options=ContioOptions(legacy_event_names=True))
    result = fan(
        [old, app("new")],
        [connected("old"), connected("new")],
        event_type="automation.assignment.created",
        data=ASSIGNED,
        timestamp="2025-01-15T10:30:00Z",
    )
    payload = '"automation_data_payload":{"2":2.5,"10":1,"automation_id":"untouched"},'
    end = '"status":"pending","created_at":"2025-01-15T10:30:00Z","workspace_id":"ws"}'
    rest = f'"confidence_score":1,{payload}{end}'
    first, second = result.envelopes
    assert first.body.decode() == (
        '{"event_type":"workflow.assignment.created","event_id":"id2","timestamp":"2025-01-15T10:30:00Z",'
        '"partner_app_id":"old","for_user":{"id":"ana","email":"ana@example.com"},"data":{"assignment_id":"asgn",'
        '"action_item_id":"ai","meeting_id":"mtg","workflow_id":"wf","workflow_name":"CRM",' + rest + "}"
    )
    assert b'"event_type":"automation.assignment.created"' in second.body
    assert second.body.decode().endswith('"automation_id":"wf","automation_name":"CRM",' + rest + "}")
    assert first.event.own_data is not None
    assert second.event.own_data is None
    assert result.publication.event_type == "automation.assignment.created"


def test_old_names_change_no_other_type_and_no_filter() -> None:
    old = ContioOptions(legacy_event_names=True)
    (envelope,) = fan([app("a", options=old)], [connected("a")]).envelopes
    assert b'"event_type":"agenda_item.created"' in envelope.body
    only = Filter(type="include", events=("automation.assignment.created",))
    result = fan(
        [app("a", options=old, webhook_filter=only)],
        [connected("a")],
        event_type="workflow.assignment.created",
        data={
            {"automation_id": "workflow_id", "automation_name": "workflow_name"}.get(key, key): value
            for key, value in ASSIGNED.items()
        },
    )
    assert outcomes(result) == [("a", "ana", "sent")]


def test_the_publication_keeps_what_was_asked() -> None:
    result = fan([app("a")], [connected("a")], actor_user_id="bob")
    publication = result.publication
    assert (publication.id, publication.at, publication.provider) == ("id1", AT, "contio")
    assert (publication.actor_user_id, publication.audience.user_ids) == ("bob", ("ana",))
    assert publication.data == CREATED_JSON.encode()
    assert {each.event.publication_id for each in result.envelopes} == {"id1"}
