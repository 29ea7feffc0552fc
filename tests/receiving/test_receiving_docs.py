"""docs/receiving.md: its code runs, and does what it says."""

import asyncio
import re
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

import adjourn.cli.verify
from adjourn import contio
from adjourn.receiving import Cause
from adjourn.testing import sample, sign

PAGE = (Path(__file__).parents[2] / "docs" / "receiving.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = sample(contio, "meeting.completed")


def block(part: str) -> str:
    (found,) = [text for text in BLOCKS if part in text]
    return found


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "webhooks"}
    exec(text, names)
    return names


@pytest.mark.parametrize("text", BLOCKS)
def test_python_runs(text: str) -> None:
    assert run(text)


def test_the_handler_answers_as_it_says(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handle = run(block("def handle"))["handle"]
    headers = sign(contio, BODY, SECRET)
    assert handle(headers, BODY) == 200
    assert capsys.readouterr().out == (
        "evt-550e8400-e29b-41d4-a716-446655440000 mtg-550e8400-e29b-41d4-a716-446655440000 Weekly Team Sync\n"
    )
    assert handle({}, BODY) == 401
    assert "missing x-contio-signature" in caplog.text
    assert "the request's headers are: none" in caplog.text
    assert handle(sign(contio, b"[]", SECRET), b"[]") == 400


def test_what_is_shown_of_a_refusal_is_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    handle = run(block("def handle"))["handle"]
    spaced = BODY.replace(b'":', b'": ')
    assert handle(sign(contio, BODY, SECRET), spaced) == 401
    shown = re.findall(r"^```text\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [" ".join(text.split()) for text in shown] == [caplog.messages[-1]]


def test_the_table_has_every_cause() -> None:
    table = PAGE.partition("| `exc.diagnosis.cause`")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sorted(re.findall(r"`(\w+)`", " ".join(first))) == sorted(get_args(Cause))


def test_the_options_of_the_command_are_its_own() -> None:
    command = re.findall(r"^adjourn verify (.*)$", PAGE, re.MULTILINE)
    options = {name.replace("-", "_") for line in command for name in re.findall(r"--([a-z-]+)", line)}
    assert options
    assert options <= set(adjourn.cli.verify.verify.__annotations__)


def test_flask() -> None:
    client = run(block("from flask"))["app"].test_client()
    answers = [
        client.post("/webhooks/contio", data=body, headers=sign(contio, BODY, SECRET)).status_code
        for body in (BODY, BODY + b" ")
    ]
    assert answers == [200, 401]


def test_fastapi() -> None:
    app = run(block("from fastapi"))["app"]

    async def ask(body: bytes) -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            headers = sign(contio, BODY, SECRET)
            return (await client.post("/webhooks/contio", content=body, headers=headers)).status_code

    assert [asyncio.run(ask(body)) for body in (BODY, BODY + b" ")] == [200, 401]


def test_django() -> None:
    from django.conf import settings
    from django.test import RequestFactory

    settings.configure(DEBUG=True)
    webhook = run(block("from django"))["webhook"]
    answers = [
        webhook(
            RequestFactory().post(
                "/", body, content_type="application/json", headers=sign(contio, BODY, SECRET)
            )
        ).status_code
        for body in (BODY, BODY + b" ")
    ]
    assert answers == [200, 401]
