"""`adjourn listen`: a receiver on this machine that verifies, tells what came, and can pass it on to an app.

server.py takes requests in, arrivals.py does with each what is to be done, forwarding.py and saving.py have
a part of it, screen.py shows it.
"""

import time
from contextlib import closing, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from adjourn.cli.failure import Exit, Failure
from adjourn.cli.listen.arrivals import Arrivals, Reply
from adjourn.cli.listen.forwarding import Forwarder
from adjourn.cli.listen.saving import Saver
from adjourn.cli.listen.screen import Teller
from adjourn.cli.listen.server import Server
from adjourn.cli.loopback import is_loopback
from adjourn.cli.screen import Screen
from adjourn.cli.session import wants_json
from adjourn.cli.vendors import SECRET_VARIABLE, find_secrets, make_receiver, name_provider, read_options
from adjourn.endpoint import parse_endpoint
from adjourn.providers import PROVIDERS
from adjourn.signing import new_secret

__all__ = ["listen"]


def listen(
    ctx: typer.Context,
    *,
    provider: Annotated[
        str, typer.Option(metavar="PROVIDER", help=f"Whose webhooks: {', '.join(PROVIDERS)}.")
    ] = next(iter(PROVIDERS)),
    secret: Annotated[
        list[str] | None,
        typer.Option(
            help=f"The webhook secret; several may be given. Else {SECRET_VARIABLE}, else one is made.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Of the receiver: strict=true for contio; signature=hmac-hex, header=X-Sig or unsigned=true "
            "for quil.",
            show_default=False,
        ),
    ] = None,
    callback: Annotated[
        bool, typer.Option("--callback", help="Take callbacks, with their secret.", show_default=False)
    ] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = 8765,
    path: Annotated[str, typer.Option(help="The path that webhooks come to.")] = "/",
    forward: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Pass them to your app, and back its answer.", show_default=False),
    ] = None,
    forward_refused: Annotated[
        bool,
        typer.Option("--forward-refused", help="Those that do not verify, too.", show_default=False),
    ] = False,
    answer: Annotated[
        int, typer.Option(min=200, max=599, help="The status for what verifies, where it is not forwarded.")
    ] = 200,
    delay: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait before each answer.")] = 0.0,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Keep each request in a file, for `adjourn verify`.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines and nothing else.", show_default=False)
    ] = False,
) -> None:
    """Receive webhooks on this machine, verify them, and show what came, until Ctrl-C.

    What does not verify is answered 401, and the line says why. `--forward http://localhost:3000/webhooks`
    passes on what does, byte for byte, and gives the sender what the app answers: 502 where it does not.
    """
    screen, as_json = Screen(), wants_json(ctx, as_json)
    vendor, options = name_provider(provider), read_options(option)
    unsigned = bool(options.get("unsigned"))
    secrets = find_secrets(secret, unsigned=unsigned)
    made = None if secrets or unsigned else new_secret().reveal()
    secrets += [made] if made else []
    receiver = make_receiver(vendor, secrets, callback=callback, options=options)
    forwarder = _forwarder(forward, port)
    teller = Teller(screen, as_json=as_json)
    arrivals = Arrivals(
        receiver,
        reply=Reply(answer, delay),
        forwarder=forwarder,
        forward_refused=forward_refused,
        saver=None if save is None else Saver(save),
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
        tell=teller.tell,
    )
    ends = nullcontext() if forwarder is None else closing(forwarder)
    server = Server(host, port, path=_read_path(path), take=arrivals.take, skip=teller.skip)
    with ends, server, suppress(KeyboardInterrupt):
        if as_json:
            screen.raw(msgspec.json.encode({"listening": server.url, "provider": provider, "secret": made}))
        else:
            _tell_ready(screen, server.url, provider, made, callback=callback)
        server.serve_forever()
    teller.end()


def _read_path(path: str) -> str:
    """Raises Failure."""
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or set(path) & set(" ?#"):
        raise Failure(Exit.WRONG, f"--path {path!r} must be like /webhooks")
    return path


def _forwarder(url: str | None, port: int) -> Forwarder | None:
    """Raises Failure."""
    if url is None:
        return None
    try:
        endpoint = parse_endpoint(url)
    except ValueError as exc:
        raise Failure(Exit.WRONG, f"--forward {exc}") from exc
    parts = urlsplit(endpoint.origin)
    if parts.port == port and is_loopback(parts.hostname or ""):
        raise Failure(Exit.WRONG, f"--forward {url} is where this listens: give your app's port")
    return Forwarder(endpoint.url)


def _tell_ready(screen: Screen, url: str, provider: str, made: str | None, *, callback: bool) -> None:
    screen.note(f"listening for webhooks of {provider} at {url} (Ctrl-C stops it)")
    if made is None:
        return
    kind = " --callback" if callback else ""
    screen.note(f"a webhook secret was made; give it to what sends, or start this with --secret: {made}")
    screen.note(f"    export {SECRET_VARIABLE}={made}", style="bold")
    screen.note(f"    adjourn simulate --provider {provider} --to {url}{kind}", style="bold")
    screen.note(f"your app verifies the same with Receiver({provider}, secrets=[that])", style="dim")
