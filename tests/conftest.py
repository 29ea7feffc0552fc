"""What every test may use. Async tests run through anyio's pytest plugin: mark them `anyio`."""

import gc

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_finish() -> None:
    """What is there before the first test is not looked at again: it would be, at each collection."""
    gc.collect()
    gc.freeze()
