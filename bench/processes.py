"""Processes that a measurement starts, and always ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NotReady", "running", "wait_until"]

_END_WITHIN = 20  # seconds, once asked to


class NotReady(RuntimeError):
    """Something that a measurement needs did not come up in time."""


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a session of its own, so that Ctrl-C reaches it through us only; what it says is in `log`.

    At the end it is asked to stop, and killed if it does not.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(
    is_so: Callable[[], bool],
    *,
    what: str,
    within: float,
    process: "subprocess.Popen[bytes] | None" = None,
    log: Path | None = None,
) -> None:
    """Look again and again. Raises NotReady, with the end of the log, when it takes too long."""
    deadline = time.monotonic() + within
    while not is_so():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = "" if log is None else f"\n{log.read_text('utf-8', 'replace')[-2000:]}"
            raise NotReady(f"{what}: {'it ended' if ended else f'not within {within:.0f} s'}{said}")
        time.sleep(0.02)
