"""What you need to test against Adjourn: events of the vendors, signed as theirs are, for a receiver; and a
real HTTP endpoint on loopback that records what a sender sends it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

import msgspec

from adjourn import wirejson
from adjourn.check import OpenStruct
from adjourn.config import Secret
from adjourn.documents.example import example_app
from adjourn.errors import CatalogError, ConfigError, Fault
from adjourn.providers import EventType, Provider
from adjourn.receiving.receiver import Vendor
from adjourn.signing import SecretHeaderSigner, Signer

__all__ = ["LocalEndpoint", "RecordedRequest", "encode", "local_endpoint", "sample", "sign"]

_OWN_IDS = ("event_id", "id")
_LONGEST_NAME = 255  # characters, of a name that is looked for among those there are
_LONGEST_HEAD = 64 << 10  # bytes
_END_OF_HEAD = b"\r\n\r\n"


def sample(vendor: Provider | Vendor, event_type: str, /, **changes: Any) -> bytes:
    """The body of one event of that type, as the vendor sends it. The same bytes each time.

    `changes` take the place of what the sample's `data` has: `sample(contio, "meeting.completed",
    title="Retro")`. Their names are checked, their values are not. An event that says something else has
    another id, where the vendor's have one. Raises CatalogError for a type that the vendor has not, and for a
    change that the type's data has not.
    """
    provider = _provider(vendor)
    found = provider.resolve(event_type)
    if found is None:
        reason = f"unknown event type{_meant(event_type, [*provider.event_types, *provider.aliases])}"
        raise CatalogError(event_type, faults=[Fault("event_type", reason)], provider=provider.name)
    if faults := _unknown(found, changes):
        raise CatalogError(event_type, faults=faults, provider=provider.name)
    return encode(_with_its_own_id(found.sample | {"data": found.sample_data | changes}))


def encode(event: Mapping[str, Any]) -> bytes:
    """A whole event as its body: compact JSON, as the vendors write it."""
    return wirejson.dumps(dict(event))


def sign(
    vendor: Provider | Vendor,
    event: bytes | Mapping[str, Any],
    secret: Secret | str = "",
    *,
    at: datetime | None = None,
    event_id: str | None = None,
    callback: bool = False,
    **options: Any,
) -> dict[str, str]:
    """The headers of a request with that body, as the vendor signs it `at` that time, or now.

    `event` is the body, or the event that `encode` makes it of. `event_id` goes into the headers that have
    one; by default it is the event's own, or made of the body. `callback`: as its callbacks are. `options`
    are an app's: signature_profile="sdk" for Contio, signature="hmac-hex" for Quil. Raises ConfigError for a
    secret or an option that the vendor's signature cannot use.
    """
    provider = _provider(vendor)
    body = event if isinstance(event, bytes) else encode(event)
    signer = _callback_signer(provider, secret) if callback else _signer(provider, secret, options)
    timestamp = int((datetime.now(UTC) if at is None else at).timestamp())
    headers = signer.sign(body, event_id=event_id or _event_id(body), timestamp=timestamp)
    return {"Content-Type": "application/json", **headers}


def _unknown(event_type: EventType, changes: Iterable[str]) -> list[Fault]:
    """Those that the type's data has not, unless it may have any."""
    if issubclass(event_type.data, OpenStruct):
        return []
    known = [each.encode_name for each in msgspec.structs.fields(event_type.data)]
    return [
        Fault(f"data.{name}", f"unknown field{_meant(name, known)}") for name in changes if name not in known
    ]


def _meant(name: str, known: Sequence[str]) -> str:
    """The near one, or all."""
    close = get_close_matches(name[:_LONGEST_NAME], known, n=1)
    return f", did you mean `{close[0]}`?" if close else f"; there are {', '.join(known)}"


def _with_its_own_id(event: dict[str, Any]) -> dict[str, Any]:
    """In the form of the vendor's samples, which share one, but with digits made of what the event says."""
    digits = (str(each % 10) for each in sha256(encode(event)).digest() * 2)
    own = {
        name: re.sub("[0-9]", lambda _: next(digits), event[name])
        for name in _OWN_IDS
        if isinstance(event.get(name), str)
    }
    return event | own


def _provider(vendor: Provider | Vendor) -> Provider:
    return vendor if isinstance(vendor, Provider) else vendor.PROVIDER


def _signer(provider: Provider, secret: Secret | str, options: Mapping[str, Any]) -> Signer:
    if unknown := sorted(options.keys() - set(provider.options.__struct_fields__)):
        raise ConfigError(f"an app of {provider.title} has no option {unknown[0]!r}")
    try:
        chosen = msgspec.convert(options, provider.options)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"an option of {provider.title}: {exc}") from exc
    return provider.signer(example_app(provider, chosen), [_secret(secret)])


def _callback_signer(provider: Provider, secret: Secret | str) -> Signer:
    if provider.callbacks is None:
        raise ConfigError(f"{provider.title} sends no callbacks")
    return SecretHeaderSigner(secret, header=provider.callbacks.secret_header)


def _secret(secret: Secret | str) -> Secret:
    return secret if isinstance(secret, Secret) else Secret(secret)


def _event_id(body: bytes) -> str:
    """The event's own, where its body has one that a header can carry."""
    try:
        event = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = None
    given = [event.get(name) for name in _OWN_IDS] if isinstance(event, dict) else []
    own = next((each for each in given if isinstance(each, str) and each), "")
    if own.isascii() and own.isprintable() and own and " " not in own:
        return own
    return f"evt-{sha256(body).hexdigest()[:32]}"


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in. `at` is `time.monotonic()`; headers are as sent, in order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float

    def header(self, name: str) -> str | None:
        """The first header of that name; case does not matter."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Answer = Callable[[RecordedRequest], int]
"""The status to answer a request with."""


class LocalEndpoint:
    """Records each request, and answers with the status that `answer` gives; `paused` answers wait."""

    def __init__(self, answer: Answer = lambda received: 200) -> None:
        self.received: list[RecordedRequest] = []
        self.url = ""
        self._answer = answer
        self._more = asyncio.Condition()
        self._going = asyncio.Event()
        self._going.set()

    def pause(self) -> None:
        """Take requests in, and let their senders wait for the answer."""
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    async def wait_for(self, count: int, *, within: float = 10.0) -> list[RecordedRequest]:
        """Until so many requests came in all. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within), self._more:
            await self._more.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open for as many requests as come."""
        try:
            while (received := await _read_request(reader)) is not None:
                async with self._more:
                    self.received.append(received)
                    self._more.notify_all()
                status = self._answer(received)
                await self._going.wait()
                writer.write(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the sender went away
        finally:
            writer.close()


@asynccontextmanager
async def local_endpoint(answer: Answer = lambda received: 200) -> AsyncIterator[LocalEndpoint]:
    """An endpoint on a free port of 127.0.0.1, for as long as the block runs; `url` is its own."""
    endpoint = LocalEndpoint(answer)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, limit=_LONGEST_HEAD)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        endpoint.resume()
        server.close()


async def _read_request(reader: asyncio.StreamReader) -> RecordedRequest | None:
    """The next request, or None at the end of the connection."""
    try:
        head = await reader.readuntil(_END_OF_HEAD)
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    method, path, _ = first.split(" ", 2)
    body = await reader.readexactly(length)
    return RecordedRequest(method=method, path=path, headers=headers, body=body, at=time.monotonic())
