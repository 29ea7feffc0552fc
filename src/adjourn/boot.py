"""This machine's boot clock: what leases and deadlines are measured by."""

import time

__all__ = ["boot_seconds"]


def boot_seconds() -> float:
    """It goes on while the machine sleeps, as a lease in a store does, and nobody sets it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
