"""What a simulation finds out: one Finding for each thing asked, and the judgement of answers. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from adjourn.cli.simulate.author import Request
from adjourn.cli.simulate.target import Answer

__all__ = [
    "GENUINE",
    "PASSED",
    "Check",
    "Finding",
    "Judgement",
    "Limits",
    "Verdict",
    "advise",
    "failed",
    "find",
    "judge_forged",
    "judge_genuine",
    "warning",
]


class Check(StrEnum):
    """What may be chosen to be checked."""

    EVENTS = "events"
    HARD = "hard"
    UNKNOWN = "unknown"
    DUPLICATES = "duplicates"
    RETRIES = "retries"
    ORDER = "order"
    FORGERIES = "forgeries"
    GET = "get"


class Verdict(StrEnum):
    """`not shown`: it cannot be seen from outside.

    `not checked`: this vendor's signature cannot tell it, or the answers to what is genuine leave it open.
    """

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_SHOWN = "not shown"
    NOT_CHECKED = "not checked"


GENUINE = "the genuine event after its forgeries"
"""What the one finding of Check.FORGERIES is about that is no forgery."""


class Finding(Struct, frozen=True, kw_only=True):
    """`came`: the statuses, or why there was none. `slowest_ms`: of all answers that it is about.

    `statuses`: of these answers, 0 for none.
    """

    check: Check
    what: str
    verdict: Verdict
    came: str = ""
    slowest_ms: int | None = None
    advice: str = ""
    statuses: Sequence[int] = ()

    @property
    def is_genuine(self) -> bool:
        """Whether it is about what the vendor would send."""
        return self.check not in (Check.FORGERIES, Check.GET) or self.what == GENUINE

    @property
    def is_taken(self) -> bool:
        return any(200 <= each < 300 for each in self.statuses)

    @property
    def has_broken(self) -> bool:
        return any(each >= 500 for each in self.statuses)


class Judgement(NamedTuple):
    verdict: Verdict
    advice: str = ""


def failed(advice: str) -> Judgement:
    return Judgement(Verdict.FAILED, advice)


def warning(advice: str) -> Judgement:
    return Judgement(Verdict.WARNING, advice)


class Limits(NamedTuple):
    """Seconds: an answer that takes longer than `slow` is flagged, than `timeout` a failure."""

    slow: float
    timeout: float


PASSED = Judgement(Verdict.PASSED)
_TOKEN = re.compile("(?<![0-9A-Za-z+/])([0-9A-Fa-f]{64}|[0-9A-Za-z+/]{43}=)(?![0-9A-Za-z+/=])")  # a SHA-256
_SHORTEST_TOLD = 8  # characters: shorter secrets are in a text by chance
_SHORTEST_ECHO = 32  # characters of a header: shorter ones are no signatures

_REFUSALS = {
    401: "it refuses what is genuine: is it the same secret, and does it verify the bytes as they came?",
    404: "nothing takes webhooks at this URL: is the path right?",
    405: "it takes no POST at this URL: is the path right?",
    408: "it did not wait for the body: its proxy's or its framework's limit is too short",
    409: "answer 2xx to what you have or cannot use, else its sender comes again and again",
    413: "let it take longer bodies: no vendor says how long they may be",
    415: "take application/json and read the bytes yourself",
    429: "webhooks come in bursts: let its limit be higher, or keep them and work later",
}
_REFUSALS[403] = _REFUSALS[401]
_REFUSALS[400] = _REFUSALS[422] = (
    "answer 2xx to all that is signed: fields, nulls and types that you do not know come with time"
)


def judge_genuine(answer: Answer, limits: Limits) -> Judgement:
    """Of a request that the vendor would send."""
    if answer.is_success:
        return _judge_time(answer.seconds, limits)
    return failed(advise(answer.status))


def advise(status: int) -> str:
    """What to do about a genuine request that was answered so; 0: not at all."""
    if status == 0:
        return "it gave no answer: its log says why; answer first, and work afterwards"
    if status >= 500:
        return "it broke: its log says why; the sender comes again, and again gets this"
    if 300 <= status < 400:
        return "senders follow no redirects: give them the URL that it leads to"
    return _REFUSALS.get(status, "answer 2xx to all that is genuine, else its sender comes again")


def _judge_time(seconds: float, limits: Limits) -> Judgement:
    later = "keep the event, answer, and work afterwards"
    if seconds > limits.timeout:
        return failed(f"its sender gives up after {limits.timeout:g} s: {later}")
    if seconds > limits.slow:
        return warning(f"slower than {limits.slow:g} s: {later}")
    return PASSED


def judge_forged(
    answer: Answer, request: Request, *, genuine: Answer, mend: str, secrets: Iterable[str]
) -> Judgement:
    """Of a forgery. `genuine`: what the event got that it was made of. `secrets`: what no answer may tell."""
    if answer.is_success:
        return failed(f"IT TAKES A FORGERY: {mend}")
    leak = told(answer.body, request, secrets)
    if leak and (leak.verdict is Verdict.FAILED or answer.status < 500):
        return leak
    if answer.status == genuine.status:
        return Judgement(Verdict.NOT_CHECKED, "it answers what is genuine the same: this proves nothing")
    if answer.status == 0:
        return warning("answer 401: silence looks like a fault of the network")
    if answer.status >= 500:
        return failed(f"it broke, and should have answered 401: {mend}")
    if answer.status < 400:
        return warning("answer 401, where you are: a redirect leads strangers further")
    if answer.status not in (400, 401, 403):
        return Judgement(Verdict.PASSED, "refused; 401 would say why")
    return PASSED


def told(body: bytes, request: Request, secrets: Iterable[str]) -> Judgement | None:
    """What an answer to a forgery tells that helps the next."""
    given = [value for _, value in request.headers]
    shown = body.decode("latin-1")
    for secret in secrets:
        is_given = any(secret in value for value in given)
        if len(secret) >= _SHORTEST_TOLD and secret in shown and not is_given:
            advice = "ITS ANSWER TELLS THE SIGNATURE THAT WOULD FIT, OR THE SECRET: whoever asks can forge"
            return failed(advice)
    if _TOKEN.search(shown) or any(len(value) >= _SHORTEST_ECHO and value in shown for value in given):
        advice = "its answer repeats a signature: answer a bare 401, and tell the reason to the log"
        return warning(advice)
    return None


def find(check: Check, what: str, answers: Sequence[Answer], judgement: Judgement) -> Finding:
    """That of these answers."""
    slowest = max((answer.seconds for answer in answers), default=None)
    return Finding(
        check=check,
        what=what,
        verdict=judgement.verdict,
        came=_came(answers),
        slowest_ms=None if slowest is None else round(slowest * 1000),
        advice=judgement.advice,
        statuses=[answer.status for answer in answers],
    )


def _came(answers: Sequence[Answer]) -> str:
    """The statuses: 200 (34), 500."""
    counts = Counter(answer.fault or str(answer.status) for answer in answers)
    return ", ".join(each if count == 1 else f"{each} ({count})" for each, count in counts.items())
