"""What is raised, and what it tells and does not tell."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from tests.client.harness import APP, KEY, URL, Server, ok, problem

from adjourn import client
from adjourn.client import ClientError, ConnectionFailed, PartnerAdmin, Platform, TimedOut, UnexpectedAnswer
from adjourn.errors import ConfigError, Fault, InputError
from adjourn.resources import RotatedCredential


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, client.BadRequest),
        (401, client.Unauthorized),
        (403, client.Forbidden),
        (404, client.NotFound),
        (405, client.BadRequest),
        (409, client.Conflict),
        (413, client.BadRequest),
        (415, client.BadRequest),
        (422, client.BadRequest),
        (429, client.RateLimited),
        (500, client.Unavailable),
        (503, client.Unavailable),
    ],
)
def test_each_status_is_one_class_and_keeps_what_the_api_said(status: int, kind: type[ClientError]) -> None:
    answer = problem(status, "its_code", faults=[{"path": "$.name", "reason": "is required"}])
    with pytest.raises(ClientError) as caught:
        Server(answer).admin(retries=0).get_app()
    error = caught.value
    assert type(error) is kind
    assert (str(error), error.code, error.status, error.request_id) == ("no", "its_code", status, "r1")
    assert error.faults == (Fault("$.name", "is required"),)
    assert error.body == answer.content


def test_a_vendors_error_may_have_less() -> None:
    with pytest.raises(client.NotFound) as caught:
        Server(httpx.Response(404, json={"code": "not_found", "error": None})).admin().get_app()
    assert (str(caught.value), caught.value.request_id, caught.value.faults) == ("not_found", None, ())


def leaves(kind: type[Exception]) -> Iterator[type[Exception]]:
    for each in kind.__subclasses__():
        yield each
        yield from leaves(each)


@pytest.mark.parametrize("kind", [*leaves(httpx.RequestError)], ids=lambda kind: kind.__name__)
def test_every_error_of_the_transport_is_one_of_ours(kind: type[httpx.RequestError]) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        Server(kind("broken")).admin(retries=0).get_app()
    assert isinstance(caught.value, TimedOut) == issubclass(kind, httpx.TimeoutException)
    assert URL in str(caught.value)
    assert caught.value.status is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<html>"),
        httpx.Response(200),
        httpx.Response(200, json={"id": "app-1"}),
        httpx.Response(200, content=b'{"id": "\xff"}'),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(404, html="<html>"),
        httpx.Response(400, json=[]),
        httpx.Response(400, content=b"\xff"),
    ],
)
def test_an_answer_of_something_else(answer: httpx.Response) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        Server(answer).admin().get_app()
    assert caught.value.status == answer.status_code
    assert URL in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nowhere",
        "ftp://host",
        "http://",
        "http://[",
        "http://host:99999",
        "http://host:0",
        "http://user:pw@host",
        "http://host?a=b",
    ],
)
def test_a_url_that_is_no_servers_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Platform(key=KEY, base_url=url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("key", ["a\r\nb", "schlüssel"])
def test_a_key_that_no_header_holds_is_refused_at_once(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PartnerAdmin(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("bad", ["", ".", "..", "\ud800"])
def test_what_would_name_another_path_is_no_id(bad: str) -> None:
    server = Server(ok())
    with pytest.raises(InputError):
        server.admin().get_webhook_delivery(bad)
    assert server.asked == []


def test_an_id_may_hold_any_other_character() -> None:
    server = Server(ok({**APP}))
    with pytest.raises(UnexpectedAnswer):
        server.admin().get_webhook_delivery("a/b?c#d é%2F")
    path = b"/v1/partner/admin/webhook-deliveries/a%2Fb%3Fc%23d%20%C3%A9%252F"
    assert [request.url.raw_path for request in server.asked] == [path]


def test_secrets_are_in_no_repr() -> None:
    admin = Server(ok()).admin()
    call = client.Call(method="POST", path=("apps",), result=RotatedCredential, body={"api_key": KEY})
    rotated = RotatedCredential(credential_type="api_key", new_credential=KEY)
    for shown in (repr(admin), str(admin), repr(call), repr(rotated)):
        assert KEY not in shown
    assert repr(admin) == f"PartnerAdmin('{URL}')"


def test_without_httpx_the_extra_is_named() -> None:
    program = "import sys; sys.modules['httpx'] = None; import adjourn.client"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'adjourn[client]' (httpx is missing)" in done.stderr.splitlines()[-1]


def test_it_needs_no_part_of_the_server() -> None:
    program = (
        "import sys; import adjourn.client; "
        "print(*sorted({name.split('.')[0] for name in sys.modules})); "
        "print(*sorted(name for name in sys.modules if name.startswith('adjourn.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded, ours = (set(line.split()) for line in done.stdout.splitlines())
    servers = {"litestar", "uvicorn", "aiohttp", "cryptography", "typer", "uvloop", "sqlite3"}
    assert loaded & servers == set()
    assert {name.split(".")[1] for name in ours} == {"client", "errors", "resources"}
