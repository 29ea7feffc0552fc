"""What the tests of the command line may use; the parts are in harness.py."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.cli.harness import KEY, Cli, Endpoint, free_listener, in_thread, serve

from adjourn.config import Secret, Settings


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Without a server: ADJOURN_URL leads nowhere."""
    for name in ("ADJOURN_URL", "ADJOURN_PLATFORM_KEY", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Cli(capsys, monkeypatch)


@pytest.fixture
def endpoint() -> Endpoint:
    """Listens once `server` is asked for, too."""
    return Endpoint()


@pytest.fixture
def server(tmp_path: Path, cli: Cli, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server of its own, which the environment names. Retries wait for an hour."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/adjourn.db",
        platform_key=Secret(KEY),
        allow_networks=(ip_network("127.0.0.0/8"),),
        retry_delays=(timedelta(hours=1),),
    )
    with free_listener() as listener, in_thread(lambda stop: serve(settings, listener, endpoint, stop)):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("ADJOURN_URL", url)
        monkeypatch.setenv("ADJOURN_PLATFORM_KEY", KEY)
        yield url
