"""Servers of its own for each test."""

import os
from pathlib import Path

import pytest
from tests.postgres import new_database
from tests.server.harness import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    """On SQLite."""
    return Servers(f"sqlite:///{tmp_path}/adjourn.db")


@pytest.fixture
def postgres_url() -> str:
    """An empty database."""
    return new_database(f"adjourn_server_{os.getpid()}")


@pytest.fixture
def nodes(postgres_url: str) -> Servers:
    """On PostgreSQL, of two processes each."""
    return Servers.on_postgres(postgres_url)


@pytest.fixture
def any_servers(request: pytest.FixtureRequest) -> Servers:
    """Those that the test's parameter names: `sqlite` or `postgres`."""
    found: Servers = request.getfixturevalue("servers" if request.param == "sqlite" else "nodes")
    return found
