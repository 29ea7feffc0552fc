"""Idempotency-Key: the first answer to a key is kept with the work it tells of, and replayed for 24 h."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from adjourn.api.problems import Answer, Problem, problem_answer
from adjourn.errors import Fault, InputError
from adjourn.storage.base import AnswerExists, Directory, KeptAnswer
from adjourn.vault import Vault

__all__ = ["Call", "Idempotency", "Keep"]

_LONGEST_KEY = 255  # characters
_BUSY = {"Retry-After": "1"}  # seconds

Keep = Callable[[Answer], KeptAnswer | None]
"""Makes of an answer what is to be stored with the work; None where there is no key."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as far as repeating it goes. `caller` is whoever its credentials say."""

    caller: str
    method: str
    path: str
    key: str | None
    body: bytes
    request_id: str
    secret: bool = False  # whether the answer shows credentials

    @property
    def scope(self) -> str:
        return f"{self.caller} {self.method} {self.path}"


class Idempotency:
    def __init__(self, directory: Directory, vault: Vault) -> None:
        self._directory = directory
        self._vault = vault
        self._running: dict[tuple[str, str], bytes] = {}

    async def run(self, call: Call, work: Callable[[Keep], Awaitable[Answer]]) -> Answer:
        """Do the work once for each key. `work` passes what `Keep` makes to the store, for its commit.

        Raises Problem: 409 while the first is still running, 422 where the key came with another body.
        """
        if call.key is None:
            return await work(lambda answer: None)
        if not (0 < len(call.key) <= _LONGEST_KEY and call.key.isascii() and call.key.isprintable()):
            fault = Fault("Idempotency-Key", f"must be 1 to {_LONGEST_KEY} printable ASCII characters")
            raise InputError("the Idempotency-Key cannot be used", faults=[fault])
        body_hash = hashlib.sha256(call.body).digest()
        place = (call.scope, call.key)
        if place in self._running:
            _check_body(self._running[place], body_hash)
            raise Problem(409, "a request with this Idempotency-Key is still running", headers=_BUSY)
        self._running[place] = body_hash
        try:
            replayed = await self._replay(call, call.key, body_hash)
            return replayed or await self._first(call, call.key, body_hash, work)
        finally:
            del self._running[place]

    async def _first(
        self, call: Call, key: str, body_hash: bytes, work: Callable[[Keep], Awaitable[Answer]]
    ) -> Answer:
        def keep(answer: Answer) -> KeptAnswer:
            return KeptAnswer(
                scope=call.scope,
                key=key,
                body_hash=body_hash,
                status=answer.status,
                body=self._vault.seal(answer.body) if call.secret else answer.body,
                sealed=call.secret,
                at=datetime.now(UTC),
            )

        try:
            return await work(keep)
        except AnswerExists:  # another node was quicker
            replayed = await self._replay(call, key, body_hash)
            if replayed is None:
                raise Problem(
                    409, "a request with this Idempotency-Key is still running", headers=_BUSY
                ) from None
            return replayed
        except Exception as exc:
            answer = problem_answer(exc, call.request_id)
            if answer.status >= 500:
                return answer
            await self._directory.keep_answer(keep(answer))
            return await self._unless_another(call, key, body_hash, answer)

    async def _unless_another(self, call: Call, key: str, body_hash: bytes, answer: Answer) -> Answer:
        """This answer, or the one that another node gave first: it may be why this work could not be done."""
        kept = await self._directory.find_answer(call.scope, key)
        if kept is None or self._body(kept) == answer.body:
            return answer
        return self._again(call, body_hash, kept)

    async def _replay(self, call: Call, key: str, body_hash: bytes) -> Answer | None:
        kept = await self._directory.find_answer(call.scope, key)
        return None if kept is None else self._again(call, body_hash, kept)

    def _again(self, call: Call, body_hash: bytes, kept: KeptAnswer) -> Answer:
        _check_body(kept.body_hash, body_hash)
        body = self._body(kept)
        if kept.status >= 400:
            body = _of_request(body, call.request_id)
        return Answer(kept.status, body, {"Idempotent-Replayed": "true"})

    def _body(self, kept: KeptAnswer) -> bytes:
        return self._vault.open(kept.body) if kept.sealed else kept.body


def _of_request(problem: bytes, request_id: str) -> bytes:
    """The problem as that request's: its id is also the X-Request-ID of the answer."""
    return msgspec.json.encode({**msgspec.json.decode(problem), "request_id": request_id})


def _check_body(first: bytes, now: bytes) -> None:
    if first != now:
        raise Problem(422, "this Idempotency-Key was used with another body")
