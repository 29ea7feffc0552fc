"""What processes cost: CPU and memory of a whole tree, from /proc (Linux)."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

__all__ = ["Memory", "cpu_of", "drop_cached", "machine", "memory_of"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PPID, _UTIME, _CSTIME = 1, 11, 14  # fields of /proc/<pid>/stat behind the name


class Memory(msgspec.Struct, frozen=True):
    """Megabytes. `pss` shares what several processes map among them; `rss` counts it for each."""

    pss: float
    rss: float


def cpu_of(pid: int) -> float:
    """Seconds, user and system, of a process and all below it, those that ended included."""
    return sum(sum(map(int, fields[_UTIME : _CSTIME + 1])) for _, fields in _tree(pid)) / _TICKS


def memory_of(pid: int) -> Memory:
    """Of a process and all below it."""
    kb = {"Pss:": 0, "Rss:": 0}
    for each, _ in _tree(pid):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:  # it ended
            continue
        for name, value, *_ in (line.split() for line in lines[1:]):
            if name in kb:
                kb[name] += int(value)
    return Memory(pss=kb["Pss:"] / 1e3, rss=kb["Rss:"] / 1e3)


def machine() -> dict[str, str | int]:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def drop_cached(folder: Path) -> None:
    """Of the files in there, keep nothing in the system's cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def _tree(pid: int) -> Iterator[tuple[int, list[str]]]:
    """A process and all below it, each with its fields of `stat` behind the name."""
    stats: dict[int, list[str]] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended
                continue
            stats[int(entry)] = fields
            children[int(fields[_PPID])].append(int(entry))
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        if each in stats:
            yield each, stats[each]
        waiting += children[each]
