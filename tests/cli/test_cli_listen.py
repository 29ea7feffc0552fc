"""`adjourn listen`: what comes is verified, told, saved and forwarded, byte for byte."""

import http.client
import json
import re
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.cli.harness import WITHIN, Cli, free_listener
from tests.cli.receivers import SECRET, Answering, Came, Reply, served
from tests.cli.test_cli_program import started, without

from adjourn import Receiver, contio, meetingbaas
from adjourn.cli.listen.arrivals import Arrival, Arrivals
from adjourn.cli.listen.arrivals import Reply as Plain
from adjourn.cli.listen.forwarding import Forwarder
from adjourn.cli.listen.saving import Saver
from adjourn.cli.listen.screen import Teller
from adjourn.cli.listen.server import LONGEST_BODY, Server
from adjourn.cli.screen import Screen
from adjourn.testing import encode, sample, sign

BODY = encode(contio.PROVIDER.event_types["meeting.completed"].sample)
REWRITTEN = json.dumps(json.loads(BODY)).encode()
ID = "evt-550e8400-e29b-41d4-a716-446655440000"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_secret_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADJOURN_WEBHOOK_SECRET", raising=False)


class Listening:
    """One that listens in a thread. `told` is what it said, `slept` how long it waited for answers."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[Arrival] = []
        self.skipped: list[tuple[int, str]] = []
        self.slept: list[float] = []

    def post(self, body: bytes = BODY, headers: Mapping[str, str] | None = None) -> httpx.Response:
        signed = sign(contio, body, SECRET, at=NOW) if headers is None else headers
        return httpx.post(self.url, content=body, headers=signed, trust_env=False)


@contextmanager
def listening(
    receiver: Receiver | None = None,
    *,
    forward: str | None = None,
    forward_refused: bool = False,
    reply: Plain = Plain(200, 0.0),  # noqa: B008 - frozen
    save: Path | None = None,
    timeout: float = WITHIN,
    path: str = "/",
    now: datetime = NOW,
) -> Iterator[Listening]:
    made = Listening()
    forwarder = None if forward is None else Forwarder(forward, timeout=timeout)
    arrivals = Arrivals(
        receiver or Receiver(contio, SECRET),
        reply=reply,
        forwarder=forwarder,
        forward_refused=forward_refused,
        saver=None if save is None else Saver(save),
        now=lambda: now,
        sleep=made.slept.append,
        tell=made.told.append,
    )

    def skip(status: int, why: str) -> None:
        made.skipped.append((status, why))

    with Server("127.0.0.1", 0, path=path, take=arrivals.take, skip=skip) as server:
        made.url = server.url
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(WITHIN)
            if forwarder is not None:
                forwarder.close()


# --- verifying


def test_what_verifies_is_new_once_and_then_a_duplicate() -> None:
    with listening() as on:
        answers = [on.post() for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    assert [each.headers["Adjourn-Receipt"] for each in answers] == ["new", "duplicate", "duplicate"]
    first = on.told[0]
    assert first == Arrival(
        at=NOW,
        verified=True,
        answered=200,
        bytes=len(BODY),
        event_type="meeting.completed",
        id=ID,
        duplicate=False,
    )
    assert [each.duplicate for each in on.told] == [False, True, True]


def test_what_does_not_verify_gets_a_bare_401_and_the_reason_is_told_here() -> None:
    with listening() as on:
        answer = on.post(REWRITTEN, sign(contio, BODY, SECRET, at=NOW))
    assert (answer.status_code, answer.content) == (401, b"")
    assert "Adjourn-Receipt" not in answer.headers
    (told,) = on.told
    assert (told.verified, told.answered, told.cause, told.id) == (False, 401, "body_rewritten", None)
    assert told.error == "x-contio-signature fits neither the body nor any known secret"
    assert told.hint is not None
    assert told.hint.startswith("the body was parsed and written again")


def test_a_refused_event_is_still_new_when_it_comes_genuine() -> None:
    with listening() as on:
        assert on.post(BODY, sign(contio, BODY, "whsec_another", at=NOW)).status_code == 401
        assert on.post().headers["Adjourn-Receipt"] == "new"


def test_what_is_signed_and_no_event_gets_a_400() -> None:
    with listening() as on:
        assert on.post(b"[]").status_code == 400
    assert on.told[0].error == (
        "the signature fits, but it is no event of Contio: the body: $: must be an object"
    )


def test_a_callback_may_be_put() -> None:
    body = sample(meetingbaas, "bot.completed")
    headers = sign(meetingbaas, body, "s3cret", callback=True)
    with listening(Receiver(meetingbaas, callback_secrets="s3cret")) as on:
        answers = [
            httpx.request(method, on.url, content=body, headers=headers, trust_env=False).status_code
            for method in ("POST", "PUT")
        ]
    assert answers == [200, 200]
    assert [each.duplicate for each in on.told] == [False, True]


def test_the_answer_and_its_delay_may_be_chosen() -> None:
    with listening(reply=Plain(503, 2.5)) as on:
        answer = on.post()
    assert (answer.status_code, on.slept) == (503, [2.5])
    assert "Adjourn-Receipt" not in answer.headers


# --- HTTP


def ask(url: str, text: bytes) -> int:
    """The status of the answer to those bytes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=WITHIN)
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(text)
    response = http.client.HTTPResponse(connection.sock, method="POST")
    response.begin()
    status = response.status
    response.close()
    connection.close()
    return status


def test_the_longest_body_is_taken_and_a_byte_more_is_413() -> None:
    with listening() as on:
        statuses = [
            httpx.post(on.url, content=b" " * length, trust_env=False).status_code
            for length in (LONGEST_BODY, LONGEST_BODY + 1)
        ]
    assert statuses == [401, 413]
    assert on.skipped == [(413, "a body of 4,194,305 bytes")]
    assert [each.bytes for each in on.told] == [LONGEST_BODY]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n{}", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 99 + b"\r\n\r\n", 411),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404),
        (b"GET / HTTP/1.1\r\n\r\n", 405),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"POST /?a=b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 401),
        (b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", 401),
    ],
)
def test_what_is_no_webhook_is_answered_and_told(head: bytes, status: int) -> None:
    with listening() as on:
        assert ask(on.url, head) == status
        assert on.post().status_code == 200, "it goes on"
    assert [each for each, _ in on.skipped] == ([status] if status != 401 else [])


def test_a_body_that_is_cut_short_is_nothing() -> None:
    with listening() as on:
        with pytest.raises(http.client.RemoteDisconnected):
            ask_and_leave(on.url, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}")
        assert on.post().status_code == 200
    assert len(on.told) == 1


def ask_and_leave(url: str, text: bytes) -> None:
    """Send it, and say that no more comes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=WITHIN)
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(text)
    connection.sock.shutdown(1)
    response = http.client.HTTPResponse(connection.sock, method="POST")
    try:
        response.begin()
    finally:
        response.close()
        connection.close()


# --- forwarding


def app(came: list[Came], reply: Reply = Reply(200)) -> Answering:  # noqa: B008 - frozen
    def answer(request: Came) -> Reply:
        came.append(request)
        return reply

    return answer


def test_the_app_gets_the_same_bytes_and_headers_and_the_sender_its_answer() -> None:
    came: list[Came] = []
    reply = Reply(202, {"X-App": "yes", "Adjourn-Receipt": "new", "Retry-After": "7"}, b"taken")
    headers = {**sign(contio, BODY, SECRET, at=NOW), "X-Trace": "7", "User-Agent": "Contio", "TE": "trailers"}
    with served(app(came, reply)) as url, listening(forward=url) as on:
        answer = on.post(BODY, headers)
    (got,) = came
    assert got.body == BODY
    host = urlsplit(url).netloc
    own = {"host", "content-length", "accept", "accept-encoding", "connection"}
    assert dict(got.headers)["Host"] == host
    assert {name: value for name, value in got.headers if name.lower() not in own} == {
        name: value for name, value in headers.items() if name != "TE"
    }
    assert (answer.status_code, answer.content) == (202, b"taken")
    assert [answer.headers[name] for name in reply.headers] == ["yes", "new", "7"]
    told = on.told[0].forwarded
    assert told is not None
    assert (told.status, told.fault) == (202, "")
    assert on.told[0].answered == 202


def test_headers_of_the_connection_go_no_further() -> None:
    came: list[Came] = []
    headers = {**sign(contio, BODY, SECRET, at=NOW), "Connection": "close, X-Own", "X-Own": "1"}
    with served(app(came)) as url, listening(forward=url) as on:
        on.post(BODY, headers)
    assert came[0].header("X-Own") == ""
    assert "X-Own" not in came[0].header("Connection")


def test_without_the_apps_word_nothing_says_new_or_duplicate() -> None:
    with served(app([])) as url, listening(forward=url) as on:
        assert "Adjourn-Receipt" not in on.post().headers


@pytest.mark.parametrize(("forward_refused", "count"), [(False, 0), (True, 2)])
def test_what_is_refused_is_forwarded_only_where_it_is_asked_for(forward_refused: bool, count: int) -> None:
    came: list[Came] = []
    with served(app(came)) as url, listening(forward=url, forward_refused=forward_refused) as on:
        answers = [on.post(BODY, {}).status_code, on.post(b"[]").status_code]
    assert len(came) == count
    assert answers == ([200, 200] if forward_refused else [401, 400])
    assert [each.verified for each in on.told] == [False, False]


def test_a_redirect_of_the_app_is_passed_back() -> None:
    came: list[Came] = []
    with (
        served(app(came, Reply(307, {"Location": "/elsewhere"}))) as url,
        listening(forward=url) as on,
    ):
        answer = on.post()
    assert (answer.status_code, answer.headers["Location"], len(came)) == (307, "/elsewhere", 1)


def test_an_app_that_is_not_there_is_a_502_and_told() -> None:
    with free_listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with listening(forward=url) as on:
        answer = on.post()
    assert (answer.status_code, answer.content) == (502, b"")
    told = on.told[0].forwarded
    assert told is not None
    assert told.status == 0
    assert told.fault.startswith(f"nothing answers at {url}: ")


def test_an_app_that_does_not_answer_in_time_is_a_502() -> None:
    done = Flag()

    def hang(came: Came) -> None:
        done.wait(WITHIN)

    with served(hang) as url, listening(forward=url, timeout=0.1) as on:
        answer = on.post()
        done.set()
    assert answer.status_code == 502
    told = on.told[0].forwarded
    assert told is not None
    assert told.fault == "no answer within 0.1 s"


def test_an_answer_that_is_too_long_is_a_502() -> None:
    with (
        served(lambda came: Reply(200, body=b"x" * ((4 << 20) + 1))) as url,
        listening(forward=url) as on,
    ):
        assert on.post().status_code == 502
    told = on.told[0].forwarded
    assert told is not None
    assert told.fault == "its answer is longer than 4 MiB"


# --- saving


def test_a_saved_request_is_what_adjourn_verify_takes(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    text = sample(contio, "meeting.completed", title="Zoë\r\n\r\n")
    with listening(save=folder) as on:
        on.post(text)
        on.post(b"\xff", {})
    first, second = (Path(each.saved or "") for each in on.told)
    assert sorted(folder.iterdir()) == [first, second]
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert first.read_bytes().endswith(b"\r\n\r\n" + text)
    assert second.read_bytes().endswith(b"\r\n\r\n\xff")
    argv = ("verify", "--provider", "contio", "--secret", SECRET, "--headers", "-", "--body", "-")
    ran = cli(*argv, "--now", "2026-01-15T10:30:00Z", stdin=first.read_bytes().decode())
    assert (ran.code, ran.out.splitlines()[0]) == (0, "verified")


def test_a_folder_that_goes_away_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    with listening(save=tmp_path / "folder") as on:
        (tmp_path / "folder").rmdir()
        assert on.post().status_code == 200
    assert on.told[0].saved == "not saved: No such file or directory"


# --- the screen


def shown(capsys: pytest.CaptureFixture[str], *arrivals: Arrival, as_json: bool = False) -> str:
    teller = Teller(Screen(), as_json=as_json)
    for each in arrivals:
        teller.tell(each)
    teller.skip(404, "/\x1b]0;title\x07 is not /")
    teller.end()
    out, err = capsys.readouterr()
    return out + err


def test_control_characters_of_requests_are_shown_and_never_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = b'{"event_type":"\\u001b[2J\\u202emeeting\\n","event_id":"evt\\r1"}'
    with listening() as on:
        on.post(body)
        lines = b"X-Contio-Signature: 00\r\nX-Contio-Timestamp: \x9b31m\r\nContent-Length: 0\r\n"
        ask(on.url, b"POST / HTTP/1.1\r\n" + lines + b"X-\x9b31m-Signature: 1\r\n\r\n")
        ask(on.url, b"POST / HTTP/1.1\r\nX-\x9b31m-Signature: 1\r\nContent-Length: 0\r\n\r\n")
    text = shown(capsys, *on.told)
    assert "\\x1b[2J\\u202emeeting\\n  evt\\r1  verified, new" in text
    assert "404 Not Found: /\\x1b]0;title\\x07 is not /" in text
    assert all(char.isprintable() or char == "\n" for char in text)


def test_one_request_is_one_line_however_long_its_id_is(capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"event_type":"' + b"t" * 5_000 + b'","event_id":"' + b"i" * 5_000 + b'"}'
    with listening() as on:
        on.post(body)
    line, *_ = shown(capsys, *on.told).splitlines()
    assert len(line) < 300


def test_people_see_each_request_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as on:
        on.post()
        on.post()
        on.post(b"[]")
        on.post(REWRITTEN, sign(contio, BODY, SECRET, at=NOW))
    lines = shown(capsys, *on.told).splitlines()
    at = f"{NOW.astimezone():%H:%M:%S}"
    size = f"{len(BODY)} bytes  answered"
    assert lines[0] == f"{at}  meeting.completed  {ID}  verified, new  {size} 200"
    assert lines[1] == f"{at}  meeting.completed  {ID}  verified, duplicate  {size} 200"
    assert lines[2].startswith(f"{at}  the signature fits, but it is no event of Contio")
    assert lines[3].startswith(f"{at}  not verified: x-contio-signature fits neither the body nor any known")
    assert lines[4].startswith("          the body was parsed and written again")
    assert lines[-1] == "2 verified (1 of them duplicates), 2 refused, 1 no webhooks"


def test_people_see_what_the_app_answered_or_why_it_did_not(capsys: pytest.CaptureFixture[str]) -> None:
    with served(app([], Reply(503))) as url, listening(forward=url) as on:
        on.post()
    first = shown(capsys, *on.told).splitlines()[0]
    assert re.search(r"verified, new  \d+ bytes  forwarded, 503 in \d+ ms$", first)
    with listening(forward=url) as on:
        on.post()
    first = shown(capsys, *on.told).splitlines()[0]
    assert f"bytes  not forwarded, answered 502: nothing answers at {url}: " in first


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as on:
        on.post()
    event, skipped, end = map(json.loads, shown(capsys, *on.told, as_json=True).splitlines())
    assert event == {
        "at": "2026-01-15T10:30:00Z",
        "verified": True,
        "answered": 200,
        "bytes": len(BODY),
        "event_type": "meeting.completed",
        "id": ID,
        "duplicate": False,
    }
    assert (skipped["answered"], skipped["verified"]) == (404, False)
    assert end == {"ended": True, "verified": 1, "duplicates": 0, "refused": 0, "skipped": 1}


# --- the command


@contextmanager
def command(*argv: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """What it says first, as JSON, and its process."""
    with started("listen", "--port", "0", "--json", *argv) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process


def test_it_makes_a_secret_listens_until_ctrl_c_and_counts(cli: Cli) -> None:
    with command() as (ready, process):
        assert ready["listening"].startswith("http://127.0.0.1:")
        assert ready["secret"].startswith("whsec_")
        ran = cli(
            *("simulate", "--provider", "contio", "--to", ready["listening"]),
            *("--secret", ready["secret"], "--json"),
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN)
    found = ran.json
    assert (ran.code, found["counts"]["failed"], found["counts"]["warning"]) == (0, 0, 0)
    assert found["counts"]["not shown"] == 0
    *lines, end = map(json.loads, out.splitlines())
    assert (process.returncode, err) == (0, "")
    assert len(lines) == found["requests"]
    assert (end["refused"], end["skipped"]) == (16, 1)


@pytest.mark.parametrize(
    ("provider", "options", "secret"),
    [
        ("meetingbaas", (), SECRET),
        ("meetingbaas", ("--callback",), "s3cret-s3cret"),
        ("quil", ("--option", "signature=hmac-hex", "--option", "header=X-Sig"), "any secret"),
        ("quil", ("--option", "unsigned=true"), ""),
    ],
)
def test_it_passes_the_simulation_with_the_same_options(
    cli: Cli, provider: str, options: tuple[str, ...], secret: str
) -> None:
    given = ("--provider", provider, *options, *(("--secret", secret) if secret else ()))
    with command(*given) as (ready, process):
        assert ready["secret"] is None
        ran = cli("simulate", *given, "--to", ready["listening"], "--json")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WITHIN)
    assert (ran.code, ran.json["counts"]["failed"], ran.json["counts"]["warning"]) == (0, 0, 0)


def test_people_are_told_where_it_listens_and_how_to_send_to_it() -> None:
    with started("listen", "--port", "0", "--path", "/hook") as process:
        assert process.stderr is not None
        first, _, export, simulate, _ = (process.stderr.readline() for _ in range(5))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WITHIN)
    url = first.split()[-4]
    assert urlsplit(url).path == "/hook"
    assert export.startswith("    export ADJOURN_WEBHOOK_SECRET=whsec_")
    assert simulate == f"    adjourn simulate --provider contio --to {url}\n"
    assert err.splitlines()[-1] == "0 verified (0 of them duplicates), 0 refused"


def test_a_secret_that_is_given_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADJOURN_WEBHOOK_SECRET", SECRET)
    with started("listen", "--port", "0") as process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN)
    assert (process.returncode, out) == (0, "")
    assert SECRET not in err


def test_a_port_that_is_taken_is_exit_code_2(cli: Cli) -> None:
    with free_listener() as listener:
        port = str(listener.getsockname()[1])
        ran = cli("listen", "--port", port)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--provider", "contoi"), "there is no provider 'contoi', did you mean `contio`?"),
        (("--host", "nowhere.invalid"), "cannot listen on nowhere.invalid port 8765: "),
        (("--path", "hook"), "--path 'hook' must be like /webhooks"),
        (("--path", "/hook?a=b"), "must be like /webhooks"),
        (("--forward", "localhost:3000"), "--forward must be an absolute http or https URL"),
        (("--forward", "http://localhost:8765/hook"), "is where this listens: give your app's port"),
        (("--option", "strict"), "--option strict: give NAME=VALUE"),
        (("--option", "x=1"), "Contio has no option 'x'; there are: strict"),
        (("--callback",), "Contio sends no callbacks"),
        (("--provider", "quil", "--secret", "x"), "24 to 64 bytes"),
        (("--answer", "100"), "--answer"),
        (("--port", "70000"), "--port"),
        (("--save", "/dev/null/folder"), "cannot make the folder /dev/null/folder: Not a directory"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...], says: str) -> None:
    ran = cli("listen", *argv)
    assert (ran.code, ran.out) == (2, "")
    assert says in " ".join(ran.err.replace("│", " ").split())


def test_it_needs_no_part_of_the_server() -> None:
    ran = without("litestar", "listen", "--path", "hook")
    assert (ran.returncode, ran.stderr) == (2, "error: --path 'hook' must be like /webhooks\n")


def test_a_stale_request_says_by_how_much() -> None:
    with listening(now=NOW + timedelta(hours=1)) as on:
        assert on.post().status_code == 401
    assert on.told[0].cause == "clock"
    assert "3600 s before now" in (on.told[0].hint or "")
