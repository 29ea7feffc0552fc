"""What a simulation shows: a table of what was found, what to do about it, and JSON for programs."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import msgspec
from msgspec import Struct

from adjourn.cli.screen import Column, Screen
from adjourn.cli.simulate.findings import Check, Finding, Verdict

__all__ = ["Report"]

_STYLES = {
    Verdict.PASSED: "dim",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "red",
    Verdict.NOT_SHOWN: "dim",
    Verdict.NOT_CHECKED: "dim",
}


class Report(Struct, frozen=True, kw_only=True):
    """`seconds` that it took. `passed`: nothing failed; there may be warnings."""

    target: str
    provider: str
    seed: int
    requests: int
    seconds: float
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return all(each.verdict is not Verdict.FAILED for each in self.findings)

    def show(self, screen: Screen) -> None:
        columns = [
            Column("Check", whole=True),
            Column("What"),
            Column("Result", whole=True),
            Column("Came"),
            Column("Slowest"),
        ]
        screen.table(columns, [_row(each) for each in self.findings])
        told = [each for each in self.findings if each.advice]
        for (verdict, check, advice), alike in groupby(told, key=_advice_of):
            screen.line()
            screen.line(
                f"{verdict}: {check}, {'; '.join(each.what for each in alike)}", style=_STYLES[verdict]
            )
            screen.paragraph(f"{advice[0].upper()}{advice[1:]}.")
        screen.line()
        screen.line(self._summary(), style="green" if self.passed else "red")

    def _summary(self) -> str:
        counted = Counter(each.verdict for each in self.findings)
        counts = ", ".join(f"{counted[each]} {each}" for each in Verdict if counted[each])
        sent = f"{self.requests} requests in {self.seconds:.1f} s, seed {self.seed}"
        return f"{'All is well' if self.passed else 'Not all is well'}: {counts}; {sent}"

    @property
    def json(self) -> bytes:
        counted = Counter(each.verdict for each in self.findings)
        own = msgspec.structs.asdict(self) | {"seconds": round(self.seconds, 3)}
        counts = {each: counted[each] for each in Verdict}
        return msgspec.json.encode({"passed": self.passed, **own, "counts": counts})


def _advice_of(found: Finding) -> tuple[Verdict, Check, str]:
    return found.verdict, found.check, found.advice


def _row(found: Finding) -> Sequence[str]:
    verdict = found.verdict.upper() if found.verdict is Verdict.FAILED else found.verdict
    slowest = "" if found.slowest_ms is None else f"{found.slowest_ms:,} ms"
    return (found.check, found.what, verdict, found.came, slowest)
