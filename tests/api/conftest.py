"""An API of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.harness import Api, open_api


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Api]:
    async with open_api(tmp_path, lambda received: 200) as opened:
        yield opened
