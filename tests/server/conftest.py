"""Servers of its own for each test."""

from pathlib import Path

import pytest
from tests.server.harness import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return Servers(tmp_path)
