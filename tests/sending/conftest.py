"""Fixtures for the senders' tests: which sender, on which event loop, and certificates for TLS."""

import pytest
import uvloop
from tests.sending.certificates import Authority
from tests.sending.peers import Main, MakeLoop, Run, run_watched

_LOOPS: dict[str, MakeLoop] = {
    "asyncio": None,
    "uvloop": uvloop.new_event_loop,
}


def _runner(kind: str, loop: str) -> Run:
    def run(main: Main) -> None:
        run_watched(main, kind=kind, loop_factory=_LOOPS[loop])

    return run


@pytest.fixture(params=["own-asyncio", "own-uvloop", "aiohttp-uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine over our own sender on either loop, and over the reference."""
    return _runner(*request.param.split("-"))


@pytest.fixture(params=["asyncio", "uvloop"])
def run_own(request: pytest.FixtureRequest) -> Run:
    """Over our own sender alone: it promises more than the reference keeps."""
    return _runner("own", request.param)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))
