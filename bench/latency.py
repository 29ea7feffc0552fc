"""From the 202 to the arrival, at a steady rate."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from bench.paced import Request, publish_paced
from bench.processes import wait_until
from bench.receivers import Endpoint
from bench.server import Server

__all__ = ["Latency", "check_numbers", "measure_latency", "percentile"]

_ARRIVE_WITHIN = 60  # seconds


class Latency(msgspec.Struct, frozen=True):
    p50_ms: float
    p99_ms: float


def measure_latency(
    server: Server,
    receiver: Endpoint,
    request: Request,
    *,
    per_request: float,
    per_s: float,
    seconds: float,
) -> Latency:
    """A request's title is its number; it makes `per_request` deliveries to that receiver, on average.

    Raises RuntimeError and NotReady.
    """
    answered = publish_paced([server.url], request, per_s=per_s, seconds=seconds)
    wanted = round(len(answered) * per_request)
    wait_until(lambda: receiver.count() >= wanted, what="the last arrivals", within=_ARRIVE_WITHIN)
    arrivals = receiver.arrivals()
    check_numbers([number for number, _ in arrivals], per_request)
    took = sorted(max(at - answered[number], 0) / 1e6 for number, at in arrivals)
    return Latency(p50_ms=percentile(took, 50), p99_ms=percentile(took, 99))


def check_numbers(numbers: Sequence[int], per_request: float) -> None:
    """Each request arrives as often as the others. Raises RuntimeError: else a latency is that of another."""
    most = max(Counter(numbers).values(), default=0)
    if most > max(per_request, 1):
        raise RuntimeError(f"{most} arrivals of one request, which makes at most {max(per_request, 1):g}")


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent do not exceed."""
    return ascending[max(-(-len(ascending) * percent // 100) - 1, 0)]
