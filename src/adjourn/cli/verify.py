"""`adjourn verify`: whether a request that was kept is genuine, and if not, why. It asks no server."""

import re
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from adjourn.cli.captured import read_headers, split_request
from adjourn.cli.failure import Exit
from adjourn.cli.reading import read_file
from adjourn.cli.screen import Screen
from adjourn.cli.session import wants_json
from adjourn.cli.times import read_time
from adjourn.cli.vendors import SECRET_VARIABLE, make_receiver, name_provider, read_options, read_secrets
from adjourn.errors import EventError
from adjourn.providers import PROVIDERS, UnknownEvent
from adjourn.receiving import Received, Refused

__all__ = ["verify"]

_LONGEST_TRIED = 8 << 20  # bytes: people wait, and nobody attacks them here


def verify(
    ctx: typer.Context,
    *,
    provider: Annotated[
        str, typer.Option(metavar="PROVIDER", help=f"{', '.join(PROVIDERS)}.", show_default=False)
    ],
    headers: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The request's headers: lines of HTTP, JSON, or what `curl -v` shows; `-`: standard input.",
            show_default=False,
        ),
    ],
    body: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Its body, byte for byte. `-` for both: a whole request.",
            show_default=False,
        ),
    ],
    secret: Annotated[
        list[str] | None,
        typer.Option(
            help=f"The webhook secret; several may be given. Else {SECRET_VARIABLE}, which no history keeps.",
            show_default=False,
        ),
    ] = None,
    callback: Annotated[
        bool, typer.Option("--callback", help="It is a callback, with its secret.", show_default=False)
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Of the receiver: strict=true for contio; signature=hmac-hex, header=X-Sig for quil.",
            show_default=False,
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it came: Unix seconds, 2026-01-15T10:30:00Z, or 90m ago. Else it comes now.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON and nothing else.", show_default=False)
    ] = False,
) -> None:
    """Verify a webhook that was received, as `Receiver` does, and say why where it does not verify.

    Exit codes: 0, it is genuine; 1, it is not, or is no event of this provider; 2, wrong usage.
    """
    as_json = wants_json(ctx, as_json)
    vendor, options = name_provider(provider), read_options(option)
    secrets = read_secrets(secret, unsigned=bool(options.get("unsigned")))
    receiver = make_receiver(vendor, secrets, callback=callback, options=options)
    raw_headers, raw_body = _read(headers, body)
    came_at = _read_now(now)
    try:
        received = receiver.receive(read_headers(raw_headers), raw_body, now=came_at)
    except Refused as exc:
        found = _refusal(exc)
    except EventError as exc:
        text = "the signature fits, but the body is no event of this provider"
        found = {"code": exc.code, "error": f"{text}: {exc}", "faults": exc.faults}
        if sender := _sender_of(raw_body):
            found |= {"cause": "other_sender", "certain": False, "hint": f"it is one of {sender}"}
    else:
        _show(received, as_json=as_json)
        return
    _show_refusal(found, as_json=as_json)
    raise typer.Exit(Exit.REFUSED)


def _read(headers: str, body: str) -> tuple[bytes, bytes]:
    """Raises Failure."""
    if headers == body == "-":
        return split_request(sys.stdin.buffer.read())
    return read_file(headers), read_file(body)


def _read_now(text: str | None) -> datetime:
    """Raises Failure."""
    now = datetime.now(UTC)
    if text is None:
        return now
    if re.fullmatch(r"[0-9]{9,11}", text):
        return datetime.fromtimestamp(int(text), UTC)
    return read_time(text, now=now)


def _show(received: Received, *, as_json: bool) -> None:
    event, verified = received.event, received.verified
    found = {
        "provider": received.provider,
        "event_type": received.event_type,
        "known": not isinstance(event, UnknownEvent),
        "id": received.id,
        "scheme": verified.scheme,
        "profile": verified.profile,
        "signed_id": verified.event_id,
        "signed_at": verified.timestamp,
        "received_at": received.received_at,
    }
    screen = Screen()
    if as_json:
        screen.raw(msgspec.json.encode({"verified": True, **found}))
        return
    screen.line("verified" if verified.scheme != "unsigned" else "passed, unsigned", style="green")
    screen.fields(found.items(), indent=2)


def _refusal(refused: Refused) -> dict[str, Any]:
    diagnosis = refused.diagnose(longest=_LONGEST_TRIED)
    return {
        "code": refused.code,
        "error": str(refused),
        "cause": diagnosis.cause,
        "certain": diagnosis.certain,
        "hint": diagnosis.text,
    }


def _sender_of(body: bytes) -> str | None:
    """The provider that has such an event."""
    for each in PROVIDERS.values():
        try:
            if not isinstance(each.read(body), UnknownEvent):
                return each.title
        except EventError:
            continue
    return None


def _show_refusal(found: dict[str, Any], *, as_json: bool) -> None:
    screen = Screen()
    if as_json:
        screen.raw(msgspec.json.encode({"verified": False, **found}))
        return
    screen.line(f"not verified: {found['error']}", style="red")
    if "hint" in found:
        screen.line(f"  {'cause' if found['certain'] else 'likely cause'}: {found['hint']}")
