"""Requests that no receiver may take: one event, forged in each way there is. Pure."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from adjourn.cli.simulate.author import Author, Event, Request
from adjourn.signing import TOLERANCE

__all__ = ["Forgery", "alter", "forgeries", "giveaways", "rewrite"]

_LONG = timedelta(hours=1)  # further off than any tolerance
_SHORT = TOLERANCE / 2
_VERSION = re.compile(r"^(?:v[0-9]+[a-z]*,|sha[0-9]+=)")
_UUID_END = re.compile(rb"(?<=-[0-9a-f]{11})[0-9a-f](?=\")")
_VALUE_END = re.compile(rb"(?<=:\")[A-Za-z0-9](?=[^\"\\]*\")")

Headers = tuple[tuple[str, str], ...]


class Forgery(Struct, frozen=True, kw_only=True):
    """`proves`: what a signature must prove for it to be refused. `mend`: what to do about it."""

    name: str
    request: Request
    proves: str
    mend: str


def forgeries(author: Author, event: Event, *, now: datetime) -> list[Forgery]:
    """Of an event that was never sent. Each is as the vendor would send it, but for one thing."""
    return [*_unproven(author, event, now), *_altered(author, event, now), *_mistimed(author, event, now)]


def giveaways(author: Author, event: Event, forgery: Forgery, *, now: datetime) -> list[str]:
    """What the answer to it must not tell: the secret, and the signatures that would have fitted."""
    asked = msgspec.structs.replace(event, body=forgery.request.body)
    signatures, _ = author.proofs()
    fitting = _only(author.sign(asked, at=now), signatures)
    return [author.secret, *(_without_version(value) for _, value in fitting)]


def _unproven(author: Author, event: Event, now: datetime) -> Iterable[Forgery]:
    genuine = author.sign(event, at=now)
    wrong = author.sign(event, at=now, secret=author.wrong_secret())
    signatures, _ = author.proofs()

    def edited(change: Callable[[str], str]) -> Request:
        return _with(genuine, dict.fromkeys(signatures, change))

    def forged(name: str, request: Request, mend: str) -> Forgery:
        return Forgery(name=name, request=request, proves="who sent it", mend=mend)

    yield forged("no signature", _without(genuine, signatures), "refuse what has no signature")
    yield forged("empty signature", edited(lambda value: ""), "an empty signature is none: refuse it")
    yield forged("wrong secret", wrong, "compare the signature with one made by your secret")
    yield forged(
        "signature cut short",
        edited(lambda value: value[: len(value) * 3 // 4]),
        "compare whole signatures: of different lengths, they differ",
    )
    yield forged(
        "one character of the signature changed", edited(_changed), "compare every character of a signature"
    )
    yield forged("nonsense for a signature", edited(lambda value: "%"), "what is no signature is refused")
    yield forged("signature of another version", edited(_other_version), "take the versions you know alone")
    yield forged(
        "two signatures, neither genuine",
        Request(headers=(*wrong.headers, *_only(edited(_changed), signatures)), body=event.body),
        "a header that comes twice proves nothing by that",
    )


def _altered(author: Author, event: Event, now: datetime) -> Iterable[Forgery]:
    genuine = author.sign(event, at=now)
    other = msgspec.structs.replace(event, body=b"{}")

    def forged(name: str, request: Request, mend: str) -> Forgery:
        return Forgery(name=name, request=request, proves="the body", mend=mend)

    yield forged(
        "one byte of the body changed",
        Request(headers=genuine.headers, body=alter(event.body)),
        "verify the bytes of the body",
    )
    yield forged(
        "the body written again",
        Request(headers=genuine.headers, body=rewrite(event.body)),
        "verify the bytes as they came, before anything parses them",
    )
    yield forged(
        "signature of another body",
        Request(headers=author.sign(other, at=now).headers, body=event.body),
        "verify the bytes of the body",
    )


def _mistimed(author: Author, event: Event, now: datetime) -> Iterable[Forgery]:
    _, timestamps = author.proofs()
    earlier = author.sign(event, at=now - _SHORT)
    seconds = str(int(now.timestamp()))

    def forged(name: str, request: Request, mend: str) -> Forgery:
        return Forgery(name=name, request=request, proves="the time", mend=mend)

    within = "refuse a timestamp more than 5 minutes off, in either direction"
    yield forged("signed an hour ago", author.sign(event, at=now - _LONG), within)
    yield forged("signed an hour ahead", author.sign(event, at=now + _LONG), within)
    yield forged(
        "a new timestamp over an old signature",
        _with(earlier, {name: lambda value: seconds for name in timestamps}),
        "the signature covers the timestamp: make yours of both",
    )
    yield forged("no timestamp", _without(earlier, timestamps), "refuse what has no timestamp")


def alter(body: bytes) -> bytes:
    """With one byte changed, and still JSON of the same form."""
    found = _UUID_END.search(body) or _VALUE_END.search(body)
    assert found is not None
    byte = b"0" if found[0] != b"0" else b"1"
    return body[: found.start()] + byte + body[found.end() :]


def rewrite(body: bytes) -> bytes:
    """The same JSON with a space behind each comma and colon, as Python writes it."""
    return msgspec.json.format(body, indent=0)


def _with(request: Request, changes: dict[str, Callable[[str], str]]) -> Request:
    headers = ((name, changes[name](value) if name in changes else value) for name, value in request.headers)
    return msgspec.structs.replace(request, headers=tuple(headers))


def _without(request: Request, names: Iterable[str]) -> Request:
    headers = tuple(pair for pair in request.headers if pair[0] not in names)
    return msgspec.structs.replace(request, headers=headers)


def _only(request: Request, names: Iterable[str]) -> Headers:
    return tuple(pair for pair in request.headers if pair[0] in names)


def _changed(signature: str) -> str:
    """Another of the same form: in hexadecimal, in base64."""
    middle = len(signature) // 2
    return signature[:middle] + ("0" if signature[middle] != "0" else "1") + signature[middle + 1 :]


def _other_version(signature: str) -> str:
    """The same under a name that stands for nothing, or for what is too weak."""
    found = _VERSION.match(signature)
    version = "v0," if found is not None and found[0].endswith(",") else "sha1="
    return version + _without_version(signature)


def _without_version(signature: str) -> str:
    return _VERSION.sub("", signature, count=1)
