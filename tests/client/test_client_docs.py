"""The examples of docs/client.md, run one after the other against a real server."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.cli.harness import KEY, Endpoint, free_listener, in_thread, serve

from adjourn.client import Platform
from adjourn.config import Secret, Settings

_PAGE = Path(__file__).parents[2] / "docs" / "client.md"
_EXAMPLES = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def url(tmp_path: Path, endpoint: Endpoint) -> Iterator[str]:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/adjourn.db",
        platform_key=Secret(KEY),
        allow_networks=(ip_network("127.0.0.0/8"),),
    )
    with free_listener() as listener, in_thread(lambda stop: serve(settings, listener, endpoint, stop)):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_examples_run(url: str, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    with Platform(key=KEY, base_url=url) as platform:
        made = platform.create_app(name="A", company_name="A", primary_contact_email="dev@acme.example")
    mine = {
        "http://127.0.0.1:8080": url,
        "https://acme.example/webhooks": endpoint.url,
        "pk_...": KEY,
        "ak_...": made.credentials.api_key,
        "client_...": made.credentials.client_id,
    }
    for example in _EXAMPLES:
        for shown, real in mine.items():
            example = example.replace(shown, real)
        exec(compile(example, str(_PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["A True None", "0 wait"]
    assert any(line.startswith("Acme CRM ") for line in lines)
    assert lines[-1].startswith("404 not_found ")
