"""What the findings of a simulation say together: where nothing genuine is taken, why, once. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from adjourn.cli.simulate.findings import Check, Finding, Verdict, advise

__all__ = ["Conclusion", "conclude"]


class Conclusion(NamedTuple):
    """`cause`: why nothing genuine is taken; "" where something is."""

    findings: Sequence[Finding]
    cause: str


def conclude(findings: Sequence[Finding]) -> Conclusion:
    """Where nothing genuine is taken, its most frequent answer says why, whatever was asked.

    A type that no catalog has may be refused for that: it alone says nothing.
    """
    genuine = [each for each in findings if each.is_genuine and each.statuses]
    if any(each.is_taken for each in genuine) or not {each.check for each in genuine} - {Check.UNKNOWN}:
        return Conclusion(findings, "")
    [(status, _)] = Counter(each for found in genuine for each in found.statuses).most_common(1)
    cause = advise(status)
    return Conclusion([_in_view_of(each, status, cause) for each in findings], cause)


def _in_view_of(found: Finding, status: int, cause: str) -> Finding:
    if {*found.statuses} != {status}:
        return found
    if found.is_genuine:
        return replace(found, advice=cause)
    if found.check is Check.GET:
        return replace(found, verdict=Verdict.NOT_CHECKED, advice="")
    return found
