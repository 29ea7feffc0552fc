"""`adjourn publish`: one event or a batch, from a file, standard input or the catalog's samples."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from adjourn import wirejson
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.reading import read_file
from adjourn.cli.screen import Column, Screen
from adjourn.cli.session import Session, command
from adjourn.client import Platform
from adjourn.errors import JsonError
from adjourn.resources import Accepted, AcceptedBatch, Envelope

__all__ = ["register"]

Json = dict[str, Any]


def register(root: typer.Typer) -> None:
    command(root, "publish")(publish)


def publish(
    session: Session,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="JSON; - is standard input.", show_default=False)
    ] = None,
    *,
    sample: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Publish the catalog's sample of this type.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="FILE is the data of an event of this type.")
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(metavar="USER_ID", help="For this user; repeat for more.")
    ] = None,
    app: Annotated[
        list[str] | None, typer.Option(metavar="APP_ID", help="For this app; repeat for more.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="USER_ID", help="The user who did it.")] = None,
    timestamp: Annotated[str | None, typer.Option(help="When it happened, RFC 3339; else now.")] = None,
    match_automations: Annotated[
        bool,
        typer.Option(
            "--match-automations",
            help="Assign an action item to the automations that it matches.",
            show_default=False,
        ),
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="Whose event it is; else that of the apps, or contio.")
    ] = None,
    extra: Annotated[
        str | None, typer.Option(metavar="JSON", help="An object that a bot's events carry beside the data.")
    ] = None,
    callback_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the bot's end is told, beside the app's URL.")
    ] = None,
    callback_secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="What the callback proves itself by.")
    ] = None,
    callback_method: Annotated[
        str | None, typer.Option(metavar="METHOD", help="POST, or PUT.", show_default="POST")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeating the command with this key publishes nothing twice.")
    ] = None,
) -> None:
    """Publish one event or a batch.

    FILE holds a whole request ({"event_type": ..., "data": ..., "audience": ...}), a batch (an array of them
    or {"events": ...}), or with --type only the data. --user, --app, --actor, --timestamp,
    --provider, --extra, --callback-... and --match-automations replace what it says.
    """
    named: Json = {}
    if user or app:
        named["audience"] = {
            **({"user_ids": user} if user else {}),
            **({"partner_app_ids": app} if app else {}),
        }
    if actor is not None:
        named["actor_user_id"] = actor
    if timestamp is not None:
        named["timestamp"] = timestamp
    if match_automations:
        named["match_automations"] = True
    if provider is not None:
        named["provider"] = provider
    if extra is not None:
        named["extra"] = _extra(extra)
    callback = {"url": callback_url, "secret": callback_secret, "method": callback_method}
    if given := {name: value for name, value in callback.items() if value is not None}:
        named["callback"] = given
    if sample is None:
        request = _with(_request(file, type_=type_), named)
    elif file is None and type_ is None:
        request = _with(_sample(session, sample, provider, app), named)
    else:
        raise Failure(Exit.WRONG, "--sample takes neither FILE nor --type")
    if (sample or type_) and "audience" not in named:
        raise Failure(Exit.WRONG, "say whom it is for: --user USER_ID or --app APP_ID")
    accepted = _published(session.api, request, idempotency_key)
    session.show(accepted, lambda accepted: _show(session.screen, accepted))


def _extra(text: str) -> object:
    try:
        return wirejson.loads(text.encode())
    except JsonError as exc:
        raise Failure(Exit.WRONG, f"--extra: {exc}") from exc


def _published(api: Platform, request: Any, idempotency_key: str | None) -> Accepted | AcceptedBatch:
    if _is_batch(request):
        if more := sorted(request.keys() - {"events"}):
            raise Failure(Exit.WRONG, f"a batch has only `events`, not {', '.join(more)}")
        return api.publish_batch(request["events"], idempotency_key=idempotency_key)
    return api.publish_request(request, idempotency_key=idempotency_key)


def _sample(session: Session, name: str, provider: str | None, apps: Sequence[str] | None) -> Json:
    """The catalog's sample of that type: of the provider given, or else of that of the apps."""
    found = session.api.get_event_type(name, provider=provider)
    if apps and provider is None and found.other_providers:
        of_app = session.api.get_app(apps[0]).provider
        if of_app in found.other_providers:
            found = session.api.get_event_type(name, provider=of_app)
    request: Json = {"event_type": name, "provider": found.provider, "data": found.sample["data"]}
    return request | {key: found.sample[key] for key in ("extra",) if key in found.sample}


def _request(file: str | None, *, type_: str | None) -> Any:
    """The request before the flags: an event, or `{"events": [...]}`."""
    if file is None:
        raise Failure(Exit.WRONG, "what is to be published? Give FILE, - (standard input) or --sample TYPE")
    try:
        value = wirejson.loads(read_file(file))
    except JsonError as exc:
        raise Failure(Exit.WRONG, f"{'standard input' if file == '-' else file}: {exc}") from exc
    if type_ is not None:
        return {"event_type": type_, "data": value}
    return {"events": value} if isinstance(value, list) else value


def _is_batch(request: Any) -> bool:
    return isinstance(request, dict) and "events" in request and "event_type" not in request


def _with(request: Any, named: Json) -> Any:
    """What the flags say, in each event of the request. What is no event is left to the server to refuse."""
    if _is_batch(request):
        events = request["events"]
        each = [_with(event, named) for event in events] if isinstance(events, list) else events
        return {**request, "events": each}
    return {**request, **named} if isinstance(request, dict) else request


def _show(screen: Screen, accepted: Accepted | AcceptedBatch) -> None:
    for each in accepted.events if isinstance(accepted, AcceptedBatch) else [accepted]:
        _show_publication(screen, each)


def _show_publication(screen: Screen, accepted: Accepted) -> None:
    screen.line(f"published {accepted.id}")
    _show_envelopes(screen, accepted.id, accepted.events)
    for assigned in accepted.assignments or ():
        score = f"score {assigned.confidence_score:g}"
        screen.line(f"assigned to the automation {assigned.automation_id}, {score}: published {assigned.id}")
        _show_envelopes(screen, assigned.id, assigned.events)


def _show_envelopes(screen: Screen, publication_id: str, envelopes: Sequence[Envelope]) -> None:
    if not envelopes:
        screen.line(f"nobody was reached; `adjourn events show {publication_id}` says why")
        return
    columns = [
        Column("Delivery", whole=True),
        Column("App", whole=True),
        Column("User", spare=True),
        Column("Event", whole=True, spare=True),
    ]
    rows = [
        (delivery_id, each.partner_app_id, each.user_id, each.event_id)
        for each in envelopes
        for delivery_id in each.delivery_ids
    ]
    screen.table(columns, rows)
