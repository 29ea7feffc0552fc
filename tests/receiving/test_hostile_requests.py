"""Forged, stale, replayed and mangled requests by the thousand, at the ASGI adapter of an inbox on disk.

Of all of them the genuine ones are kept, each once; no other is, none raises, and no answer says why.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adjourn import Inbox, Receiver, contio, meetingbaas, quil
from adjourn.receiving.asgi import webhook
from adjourn.storage.base import ReceiptFilter
from adjourn.testing import encode, sample, sign

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ROUNDS = 400

Pairs = list[tuple[bytes, bytes]]
Mangle = Callable[[random.Random, Pairs, bytes], tuple[Pairs, bytes]]


def pairs(headers: dict[str, str]) -> Pairs:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def is_proof(name: bytes) -> bool:
    return name.endswith(b"-signature") and b"profile" not in name


def in_proof(change: Callable[[random.Random, bytes], bytes]) -> Mangle:
    def mangle(rng: random.Random, headers: Pairs, body: bytes) -> tuple[Pairs, bytes]:
        return [(name, change(rng, value) if is_proof(name) else value) for name, value in headers], body

    return mangle


def flip(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << rng.randrange(8))]) + text[at + 1 :]


def flip_digit(rng: random.Random, value: bytes) -> bytes:
    """One character of the digest itself, for another of its alphabet: what stands before it may be free."""
    at = rng.randrange(len(value) - 20, len(value) - 3)
    return value[:at] + (b"0" if value[at : at + 1] != b"0" else b"1") + value[at + 1 :]


MANGLES: dict[str, Mangle] = {
    "a bit of the body": lambda rng, headers, body: (headers, flip(rng, body)),
    "a byte more": lambda rng, headers, body: (headers, body + bytes([rng.randrange(256)])),
    "cut": lambda rng, headers, body: (headers, body[: rng.randrange(len(body))]),
    "another body": lambda rng, headers, body: (headers, b'{"event_id":"x"}'),
    "a digit of the signature": in_proof(flip_digit),
    "a signature cut": in_proof(lambda rng, value: value[: -rng.randrange(1, len(value))]),
    "an empty signature": in_proof(lambda rng, value: b""),
    "noise for a signature": in_proof(lambda rng, value: rng.randbytes(rng.randrange(1, 200))),
    "no signature": lambda rng, headers, body: ([each for each in headers if not is_proof(each[0])], body),
    "no headers": lambda rng, headers, body: ([], body),
}


def sign_at(vendor: Any, body: bytes, secret: str, at: datetime, event_id: str) -> Pairs:
    options: dict[str, Any] = {"signature_profile": "documented"} if vendor is contio else {}
    return pairs(sign(vendor, body, secret, at=at, event_id=event_id, **options))


def attacks(vendor: Any, seed: int) -> Iterator[tuple[str, Pairs, bytes]]:
    rng = random.Random(seed)
    names = [*vendor.PROVIDER.event_types]
    now = datetime.now(UTC)
    for number in range(ROUNDS):
        body = sample(vendor, rng.choice(names))
        event_id = f"e{number}"
        what = rng.choice([*MANGLES, "another secret", "stale", "early"])
        if what in MANGLES:
            headers, mangled = MANGLES[what](rng, sign_at(vendor, body, SECRET, now, event_id), body)
            yield what, headers, mangled
        elif what == "another secret":
            yield what, sign_at(vendor, body, OTHER, now, event_id), body
        else:
            away = timedelta(seconds=rng.randrange(360, 10**7)) * (1 if what == "early" else -1)
            yield what, sign_at(vendor, body, SECRET, now + away, event_id), body


class Client:
    """Asks an ASGI application, and notes what it answers."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def post(self, headers: Pairs, body: bytes) -> tuple[int, list[Any], bytes]:
        sent: list[Any] = []
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        start, end = sent
        return start["status"], start["headers"], end["body"]


@pytest.mark.parametrize("vendor", [contio, meetingbaas, quil], ids=lambda each: each.PROVIDER.name)
def test_of_thousands_only_the_genuine_are_kept_each_once(vendor: Any, tmp_path: Path) -> None:
    inbox = Inbox(f"sqlite:///{tmp_path}/inbox.db")
    handled: Counter[str] = Counter()

    for kind in {each.event for each in vendor.PROVIDER.event_types.values()}:
        inbox.on(kind, name=kind.__name__)(lambda event, receipt: handled.update([receipt.id]))

    strict: dict[str, Any] = {"strict": True} if vendor is contio else {}
    own_id = {"contio": "event_id", "quil": "id"}.get(vendor.PROVIDER.name)

    async def main() -> None:
        client = Client(webhook(Receiver(vendor, SECRET, **strict), inbox))
        genuine = [
            encode(each.sample if own_id is None else {**each.sample, own_id: f"own-{number}"})
            for number, each in enumerate(vendor.PROVIDER.event_types.values())
        ]
        answers: dict[str, Counter[int]] = {}
        async with inbox:
            for number, (what, headers, body) in enumerate(attacks(vendor, seed=7)):
                status, told, said = await client.post(headers, body)
                answers.setdefault(what, Counter())[status] += 1
                assert (told, said) == ([(b"content-length", b"0")], b"")
                body = genuine[number % len(genuine)]
                headers = sign_at(vendor, body, SECRET, datetime.now(UTC), f"own-{number % len(genuine)}")
                status, told, _ = await client.post(headers, body)
                is_new = number < len(genuine)
                expected = (b"adjourn-receipt", b"new" if is_new else b"duplicate")
                assert (status, expected in told) == (200, True)
            await inbox.settle()
            kept = await inbox.receipts.list_receipts(ReceiptFilter(), limit=1000)
        assert {what: {*found} for what, found in answers.items()} == {what: {401} for what in answers}
        assert len(kept) == len(genuine)
        assert set(handled.values()) == {1}
        assert len(handled) == len(genuine)

    asyncio.run(main())
