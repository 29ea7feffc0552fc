"""What every test may use. Async tests run through anyio's pytest plugin: mark them `anyio`."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
