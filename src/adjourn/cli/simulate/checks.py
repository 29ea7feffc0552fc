"""What is asked of a receiver, one function a check; each tells what it found as it goes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from adjourn.cli.simulate import content
from adjourn.cli.simulate.author import Author, Event
from adjourn.cli.simulate.findings import (
    GENUINE,
    PASSED,
    Check,
    Finding,
    Judgement,
    Limits,
    Verdict,
    failed,
    find,
    judge_forged,
    judge_genuine,
    warning,
)
from adjourn.cli.simulate.forgeries import Forgery, forgeries, giveaways
from adjourn.cli.simulate.target import Answer, Target
from adjourn.providers import EventType

__all__ = ["CHECKS", "Round"]

_AGAIN = 3  # times that an event is sent, one after the other
_TOGETHER = 5  # times that it is sent at once
_MOST_NAMED = 3  # events that a finding names
_OF_THE_TYPE = (400, 404, 409, 410, 422, 501)  # statuses that may refuse what it tells of

_BY_HEADER = "have it send the header Adjourn-Receipt: new or duplicate, and this is checked"


class Round(Struct, frozen=True, kw_only=True):
    """One run against one receiver. `types`: those that are sent; `now` reads the clock (UTC)."""

    author: Author
    target: Target
    types: Sequence[EventType]
    limits: Limits
    count: int
    seed: int
    now: Callable[[], datetime]

    @property
    def first(self) -> EventType:
        return self.types[0]

    def send(self, event: Event) -> Answer:
        return self.target.send(self.author.sign(event, at=self.now()))

    def judge(self, answer: Answer) -> Judgement:
        return judge_genuine(answer, self.limits)

    def judge_new(self, answer: Answer) -> Judgement:
        """Of an event that nobody had before."""
        if answer.is_success and answer.receipt == "duplicate":
            return self.mistaken
        return self.judge(answer)

    @property
    def mistaken(self) -> Judgement:
        known_by = "its bot, its type and its body" if self.author.callback else "its id"
        return failed(f"it takes a new event for a duplicate: know it by {known_by} alone")


def check_events(on: Round) -> Iterator[Finding]:
    """Every type is taken."""
    made = content.usual(on.author, on.types, count=on.count, seed=on.seed)
    yield from _send_all(on, Check.EVENTS, made)


def check_hard(on: Round) -> Iterator[Finding]:
    """What is allowed and seldom."""
    yield from _send_all(on, Check.HARD, content.hard(on.author, on.types, seed=on.seed))
    event = content.new_fields(on.author, on.first)
    answer = on.send(event)
    yield find(Check.HARD, event.about, [answer], on.judge_new(answer))
    event = content.large(on.author, on.first)
    answer = on.send(event)
    judgement = on.judge_new(answer)
    if answer.status == 413:  # no vendor promises such
        judgement = warning(judgement.advice)
    yield find(Check.HARD, f"an event of {event.about}", [answer], judgement)


def _send_all(on: Round, check: Check, events: Sequence[Event]) -> Iterator[Finding]:
    """One finding for all that end alike."""
    sent = [(event, on.send(event)) for event in events]
    judged = [(on.judge_new(answer), event, answer) for event, answer in sent]
    judged.sort(key=lambda each: (_WEIGHTS[each[0].verdict], each[0].advice))
    for judgement, alike in groupby(judged, key=lambda each: each[0]):
        these = [*alike]
        names = [event.about for _, event, _ in these]
        what = f"{len(names)} events" if len(these) == len(sent) else _listed(names)
        yield find(check, what, [answer for *_, answer in these], judgement)


def _listed(names: Sequence[str]) -> str:
    distinct = [*dict.fromkeys(names)]
    more = len(distinct) - _MOST_NAMED
    return ", ".join(distinct[:_MOST_NAMED]) + (f" and {more} more types" if more > 0 else "")


def check_unknown(on: Round) -> Iterator[Finding]:
    """A type that comes with a later version of the vendor's."""
    what = f"a type that no catalog has, {content.UNKNOWN_TYPE}"
    if on.author.callback:
        told = ", ".join(each.name for each in on.author.event_types)
        yield _not_checked(Check.UNKNOWN, what, f"callbacks tell of {told} alone")
        return
    answer = on.send(content.unknown(on.author, on.first))
    judgement = on.judge_new(answer)
    if judgement.verdict is Verdict.FAILED and answer.status in _OF_THE_TYPE:
        judgement = failed("answer 2xx to types that you do not know: they come with time")
    yield find(Check.UNKNOWN, what, [answer], judgement)


def check_duplicates(on: Round) -> Iterator[Finding]:
    """The same event again: at once, and several at the same moment."""
    event = _usual(on)
    request = on.author.sign(event, at=on.now())
    answers = [on.target.send(request) for _ in range(_AGAIN)]
    yield from _once(on, Check.DUPLICATES, f"an event {_AGAIN} times", answers)
    event = _usual(on)
    together = on.target.send_together(on.author.sign(event, at=on.now()), count=_TOGETHER)
    yield from _once(on, Check.DUPLICATES, f"an event {_TOGETHER} times at once", together, in_order=False)


def check_retries(on: Round) -> Iterator[Finding]:
    """The same event as the vendor sends it again: later, and signed anew."""
    event, now, before = _usual(on), on.now(), on.author.first_retry
    attempts = [on.author.sign(event, at=now - before), on.author.sign(event, at=now)]
    answers = [on.target.send(attempt) for attempt in attempts]
    what = f"a retry, signed {before.total_seconds():g} s later"
    yield from _once(on, Check.RETRIES, what, answers)


def _usual(on: Round) -> Event:
    (event,) = content.usual(on.author, [on.first], count=1, seed=on.seed)
    return event


def _once(
    on: Round, check: Check, what: str, answers: Sequence[Answer], *, in_order: bool = True
) -> Iterator[Finding]:
    """That the answers are good, and that the event is taken once, where they tell."""
    worst = max((on.judge(answer) for answer in answers), key=lambda each: _WEIGHTS[each.verdict])
    if worst.verdict is Verdict.FAILED and answers[0].is_success:
        worst = failed("answer 2xx to what you have already, else its sender comes again")
    yield find(check, f"{what}: answered", answers, worst)
    if worst.verdict is not Verdict.FAILED:
        once = _taken_once(on, [answer.receipt for answer in answers], in_order=in_order)
        yield find(check, f"{what}: taken once", [], once)


_WEIGHTS = {each: weight for weight, each in enumerate((Verdict.PASSED, Verdict.WARNING, Verdict.FAILED))}


def _taken_once(on: Round, receipts: Sequence[str | None], *, in_order: bool) -> Judgement:
    """As its header says."""
    if not any(receipts):
        return Judgement(Verdict.NOT_SHOWN, f"look whether it was handled once; or {_BY_HEADER}")
    if set(receipts) == {"duplicate"}:
        return on.mistaken
    expected = ["new", *["duplicate"] * (len(receipts) - 1)]
    if (receipts if in_order else sorted(receipts, key=str, reverse=True)) == expected:
        return PASSED
    said = ", ".join(each or "nothing" for each in receipts)
    once = "keep its id in a unique column, in the transaction of the work"
    return failed(f"its headers say {said}, where one is new and the others are duplicates: {once}")


def check_order(on: Round) -> Iterator[Finding]:
    """Events about one subject, the latest first."""
    events = content.about_one_subject(on.author, on.types, now=on.now())
    answers = [on.send(event) for event in reversed(events)]
    judged = [on.judge_new(answer) for answer in answers]
    worst = max(judged, key=lambda each: _WEIGHTS[each.verdict])
    if len({answer.is_success for answer in answers}) == 2:
        worst = failed("no vendor promises an order: take what comes early or late")
    yield find(Check.ORDER, f"{len(events)} events, the latest first", answers, worst)


def check_forgeries(on: Round) -> Iterator[Finding]:
    """Whatever is not proven is refused, and leaves no trace."""
    event, now = _usual(on), on.now()
    if not on.author.secret:
        yield _not_checked(Check.FORGERIES, "forgeries", "nothing is signed: anyone can send to it")
        return
    sent = [(each, _try(on, each, now=now)) for each in forgeries(on.author, event, now=now)]
    genuine = on.send(event)
    found = [_forged(on, event, forgery, answer=answer, genuine=genuine, now=now) for forgery, answer in sent]
    found += _after_forgeries(on, event, genuine)
    asked = [each for each in found if each.verdict is not Verdict.NOT_CHECKED and not each.is_genuine]
    if all(each.is_taken for each in asked):
        nothing = "IT TAKES EVERY FORGERY: it verifies nothing, and anyone can send to it"
        found = [replace(each, advice=nothing) if each in asked else each for each in found]
    yield from found


def _try(on: Round, forgery: Forgery, *, now: datetime) -> Answer | None:
    """None: nobody can refuse it."""
    return on.target.send(forgery.request) if on.author.can_refuse(forgery.request, now=now) else None


def _forged(
    on: Round, event: Event, forgery: Forgery, *, answer: Answer | None, genuine: Answer, now: datetime
) -> Finding:
    if answer is None:
        signature = f"this signature of {on.author.provider.title}"
        return _not_checked(
            Check.FORGERIES,
            forgery.name,
            f"{signature} does not prove {forgery.proves}: nobody can refuse it",
        )
    judgement = judge_forged(
        answer,
        forgery.request,
        genuine=genuine,
        mend=forgery.mend,
        secrets=giveaways(on.author, event, forgery, now=now),
    )
    return find(Check.FORGERIES, forgery.name, [answer], judgement)


def _after_forgeries(on: Round, event: Event, genuine: Answer) -> Iterator[Finding]:
    """The event that was forged, then sent as its vendor does; and a forgery of what it has by then."""
    judgement = on.judge_new(genuine)
    if genuine.is_success and genuine.receipt == "duplicate":
        judgement = failed("IT KEPT A FORGERY: verify first, then drop duplicates")
    yield find(Check.FORGERIES, GENUINE, [genuine], judgement)
    request = on.author.sign(event, at=on.now(), secret=on.author.wrong_secret())
    answer = on.target.send(request)
    mend = "verify before you drop duplicates"
    judgement = judge_forged(answer, request, genuine=genuine, mend=mend, secrets=())
    yield find(Check.FORGERIES, "a forgery of an event that it has", [answer], judgement)


def check_get(on: Round) -> Iterator[Finding]:
    """The URL, opened in a browser."""
    answer = on.target.get()
    judgement = PASSED
    if answer.is_success:
        judgement = warning("answer 405 to all but POST: links and crawlers are no senders")
    elif answer.status == 0 or (answer.status >= 500 and answer.status != 501):
        judgement = warning("it broke; answer 405")
    yield find(Check.GET, "a GET", [answer], judgement)


def _not_checked(check: Check, what: str, why: str) -> Finding:
    return Finding(check=check, what=what, verdict=Verdict.NOT_CHECKED, advice=why)


CHECKS: Mapping[Check, Callable[[Round], Iterable[Finding]]] = {
    Check.EVENTS: check_events,
    Check.HARD: check_hard,
    Check.UNKNOWN: check_unknown,
    Check.DUPLICATES: check_duplicates,
    Check.RETRIES: check_retries,
    Check.ORDER: check_order,
    Check.FORGERIES: check_forgeries,
    Check.GET: check_get,
}
