"""How long an attempt may take, and when a delivery that failed is tried again: what a vendor promises."""

import random
from datetime import timedelta

import msgspec

__all__ = ["Policy"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What `sending.policy.decide` goes by.

    `retry_delays` run from one failure to the next attempt; each becomes shorter by up to `earlier` of itself
    or longer by up to `later`. After a 429 or a timeout it is `after_pressure` at least. `only_broken`: a
    status below 500 is final, and only network errors and 5xx are tried again. `gone_switches_off`: a 410
    is final, and switches off what has that URL. `old_secret_again`: what is refused with 401 or 403 is
    sent once more, signed by the secret before, while that one counts.
    """

    retry_delays: tuple[timedelta, ...]
    timeout: timedelta = timedelta(seconds=30)  # of one attempt, in all
    earlier: float = 0.0
    later: float = 0.1
    after_pressure: timedelta = timedelta(0)
    only_broken: bool = False
    gone_switches_off: bool = True
    old_secret_again: bool = False

    def delay(self, retry_count: int, rng: random.Random) -> timedelta | None:
        """How long to wait after a failure that `retry_count` retries led up to; None: no retry is left.

        What the schedule says, and chance: so that those that failed together do not all come back at once.
        """
        if retry_count >= len(self.retry_delays):
            return None
        return self.retry_delays[retry_count] * rng.uniform(1 - self.earlier, 1 + self.later)
