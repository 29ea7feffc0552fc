"""What a delivery policy promises, in words, for the reference and the AsyncAPI documents. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from adjourn.models import Policy

__all__ = ["in_words", "promises"]

_UNITS = (("h", 3600), ("min", 60), ("s", 1))


def in_words(span: timedelta) -> str:
    """`90 s`, `5 min`, `2 h`: in the largest unit that needs no fraction."""
    seconds = span.total_seconds()
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds and not seconds % size), ("s", 1))
    return f"{seconds / size:g} {unit}"


def promises(policy: Policy) -> list[str]:
    """A sentence for each thing that a receiver can count on."""
    return [*_sentences(policy)]


def _sentences(policy: Policy) -> Iterator[str]:
    yield f"Any 2xx within {in_words(policy.timeout)} is success; a redirect is a failure, and not followed."
    yield _schedule(policy)
    if policy.after_pressure:
        yield f"After a 429 or a timeout the next attempt waits {in_words(policy.after_pressure)} at least."
    if policy.only_broken:
        yield "Only network errors and 5xx are tried again: any other answer is final."
    else:
        yield "A Retry-After with 429 or 503 is heeded where it is later than that, up to 6 h."
    if policy.gone_switches_off:
        yield "410 ends it at once and switches off what has that URL."
    if policy.old_secret_again:
        yield (
            "While a rotated webhook secret is in its grace period, an attempt answered 401 or 403 is "
            "repeated at once, signed with the old one."
        )
    yield "Delivery is at least once, with the same bytes on every attempt: expect duplicates."


def _schedule(policy: Policy) -> str:
    delays = [in_words(each) for each in policy.retry_delays]
    if not delays:
        return "There is one attempt, and no retry."
    listed = " and ".join(filter(None, [", ".join(delays[:-1]), delays[-1]]))
    return (
        f"The first attempt comes at once, retries {listed} after the failure before{_spread(policy)}: "
        f"{len(delays) + 1} attempts in all."
    )


def _spread(policy: Policy) -> str:
    later, earlier = f"{policy.later:.0%}", f"{policy.earlier:.0%}"
    if not policy.earlier:
        return f", each up to {later} later" if policy.later else ""
    return f", each up to {earlier} earlier or {later} later"
