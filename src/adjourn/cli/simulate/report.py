"""What a simulation shows: a table of what was found, what to do about it, and JSON for programs."""

from collections import Counter
from collections.abc import Sequence

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
_SHOWN = ("check", "what", "verdict", "came", "slowest_ms", "advice")  # of a finding, as JSON


class Report(Struct, frozen=True, kw_only=True):
    """`seconds` that it took. `passed`: nothing failed; there may be warnings.

    `cause`: why nothing genuine is taken; "" where something is.
    """

    target: str
    provider: str
    seed: int
    requests: int
    seconds: float
    findings: Sequence[Finding]
    cause: str

    @property
    def passed(self) -> bool:
        return not self._failed

    @property
    def _failed(self) -> list[Finding]:
        return [each for each in self.findings if each.verdict is Verdict.FAILED]

    def show(self, screen: Screen) -> None:
        columns = [
            Column("Check", whole=True),
            Column("What"),
            Column("Result", whole=True),
            Column("Came"),
            Column("Slowest"),
        ]
        screen.table(columns, [_row(each) for each in self.findings])
        if self.cause:
            screen.line()
            screen.line("failed: all that is genuine", style=_STYLES[Verdict.FAILED])
            screen.paragraph(_sentence(self.cause))
        for (verdict, check, advice), whats in self._advised().items():
            screen.line()
            screen.line(f"{verdict}: {check}, {'; '.join(whats)}", style=_STYLES[verdict])
            screen.paragraph(_sentence(advice))
        screen.line()
        summary, style = self._summary()
        screen.line(summary, style=style)

    def _advised(self) -> dict[tuple[Verdict, Check, str], list[str]]:
        """What each advice is about; the common cause has been told."""
        told: dict[tuple[Verdict, Check, str], list[str]] = {}
        for each in self.findings:
            if each.advice not in ("", self.cause):
                told.setdefault((each.verdict, each.check, each.advice), []).append(each.what)
        return told

    def _summary(self) -> tuple[str, str]:
        """And its style."""
        counted = Counter(each.verdict for each in self.findings)
        names = {Verdict.WARNING: "warning" if counted[Verdict.WARNING] == 1 else "warnings"}
        counts = ", ".join(f"{counted[each]} {names.get(each, each)}" for each in Verdict if counted[each])
        sent = f"{self.requests} requests in {self.seconds:.1f} s, seed {self.seed}"
        if not self.passed:
            worst = self._worst()
            begin, style = f"Not all is well{', ' if worst else ''}{' and '.join(worst)}", "red"
        elif counted[Verdict.WARNING]:
            begin, style = "Nothing failed", "yellow"
        else:
            begin, style = "All is well", "green"
        return f"{begin}: {counts}; {sent}", style

    def _worst(self) -> list[str]:
        """What nobody should miss who reads the last line alone."""
        forged = [each for each in self._failed if each.check is Check.FORGERIES and not each.is_genuine]
        taken = sum(each.is_taken for each in forged)
        broken = sum(each.has_broken for each in forged)
        return [
            *(["it takes nothing genuine"] if self.cause else []),
            *([f"IT TAKES {_forgeries(taken).upper()}"] if taken else []),
            *([f"it breaks on {_forgeries(broken)}"] if broken else []),
        ]

    @property
    def json(self) -> bytes:
        counted = Counter(each.verdict for each in self.findings)
        own = msgspec.structs.asdict(self) | {"seconds": round(self.seconds, 3)}
        own["findings"] = [{name: getattr(each, name) for name in _SHOWN} for each in self.findings]
        counts = {each: counted[each] for each in Verdict}
        return msgspec.json.encode({"passed": self.passed, **own, "counts": counts})


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('?') else '.'}"


def _forgeries(count: int) -> str:
    return f"{count} {'forgery' if count == 1 else 'forgeries'}"


def _row(found: Finding) -> Sequence[str]:
    verdict = found.verdict.upper() if found.verdict is Verdict.FAILED else found.verdict
    slowest = "" if found.slowest_ms is None else f"{found.slowest_ms:,} ms"
    return (found.check, found.what, verdict, found.came, slowest)
