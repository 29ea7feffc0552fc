"""What every part of the run shares: where it works, what it may start, how large it is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import msgspec

from bench.machine import drop_cached
from bench.postgres import Postgres, postgres
from bench.receivers import Nginx, nginx

__all__ = ["FULL", "QUICK", "Bench", "Scale"]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how large. Times in seconds."""

    warm_up: float
    load: float
    half_load: float
    requests: int  # that the sender alone makes
    rows: tuple[int, ...]  # pending, while claims and publishing are measured
    rounds: int  # of claims, each on a cold cache
    dead: int  # deliveries that wait for dead endpoints
    hanging: int  # endpoints that hang
    hung: float  # until their first attempts timed out
    moved: int  # deliveries, when an app is enabled again
    stuck: int  # requests in flight; 0: their memory is not measured
    apps: int
    connections: int
    nodes: int
    stores: tuple[str, ...]  # on which growth is measured


FULL = Scale(
    warm_up=2,
    load=8,
    half_load=6,
    requests=200_000,
    rows=(10_000, 1_000_000, 5_000_000),
    rounds=5,
    dead=1_000_000,
    hanging=1000,
    hung=40,
    moved=100_000,
    stuck=5000,
    apps=10_000,
    connections=1_000_000,
    nodes=10,
    stores=("postgres", "sqlite"),
)
QUICK = Scale(
    warm_up=1,
    load=1,
    half_load=1,
    requests=20_000,
    rows=(10_000, 50_000),
    rounds=1,
    dead=20_000,
    hanging=100,
    hung=0,
    moved=1_000,
    stuck=0,
    apps=500,
    connections=10_000,
    nodes=3,
    stores=("postgres",),
)


class Bench:
    """The shared servers start when the first part asks for them, and end with the `with` block."""

    def __init__(self, folder: Path, scale: Scale, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.scale = scale
        self.say = say  # what is being done
        self._stack = ExitStack()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @cached_property
    def nginx(self) -> Nginx:
        return self._stack.enter_context(nginx(self.folder / "nginx"))

    @cached_property
    def postgres(self) -> Postgres:
        return self._stack.enter_context(postgres(self.folder / "postgres"))

    def cool(self, store: str, *, disk: bool) -> None:
        """Nothing of the database stays in its own memory; with `disk`, nor in the system's cache."""
        if store == "postgres":
            self.postgres.restart(cold=disk)
        elif disk:
            drop_cached(self.folder / "sqlite")

    @contextmanager
    def database(self, store: str) -> Iterator[str]:
        """The URL of a fresh database."""
        if store == "postgres":
            with self.postgres.database() as url:
                yield url
            return
        path = self.folder / "sqlite"
        path.mkdir()
        try:
            yield f"sqlite:///{path}/bench.db"
        finally:
            for each in path.iterdir():
                each.unlink()
            path.rmdir()
