"""A store for each test, of every kind there is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.storage.harness import BACKENDS, Backend, Clock, World


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
async def world(backend: Backend) -> AsyncIterator[World]:
    clock = Clock()
    store = await backend.open(clock)
    yield World(store, clock)
    await store.close()
