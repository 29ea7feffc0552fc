"""The program as a whole: where it finds the server, how it ends, what it says without one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from cryptography.fernet import Fernet
from tests.cli.harness import KEY, WITHIN, Cli, free_listener

from adjourn import __version__
from adjourn.client import Platform

_PROGRAM = (sys.executable, "-c", "import sys; from adjourn.cli import main; sys.exit(main())")


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one connection this answer, whatever it asks."""
    with free_listener() as listener:

        def work() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=work, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(WITHIN)


def http(status: int, body: str) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


class TestConnection:
    def test_options_stand_before_or_after_the_command(self, cli: Cli, server: str) -> None:
        given = ("--url", server, "--platform-key", KEY, "--json")
        for argv in (
            (*given, "apps", "list"),
            ("apps", *given, "list"),
            ("apps", "list", *given),
            ("--url", "http://127.0.0.1:1", "apps", "--json", "list", "--url", server + "/"),
        ):
            assert cli(*argv).json["total"] == 0

    def test_options_win_over_the_environment(
        self, cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ADJOURN_URL", "http://127.0.0.1:1")
        assert cli("apps", "list").code == 3
        assert cli("apps", "list", "--url", server).code == 0

    def test_json_is_the_apis_own(self, cli: Cli, server: str) -> None:
        bodies: list[bytes] = []
        with Platform(key=KEY, base_url=server, on_answer=bodies.append) as platform:
            platform.get_event_type("meeting.completed")
        assert cli("types", "show", "meeting.completed", "--json").out.encode() == bodies[0] + b"\n"

    def test_a_proxy_of_the_environment_is_not_used(
        self, cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert cli("apps", "list").code == 0

    def test_a_wrong_key_is_refused(self, cli: Cli, server: str) -> None:
        ran = cli("apps", "list", "--platform-key", "pk_other")
        assert ran.code == 1
        assert "ADJOURN_PLATFORM_KEY" in ran.err
        assert "pk_other" not in ran.err

    def test_no_key_is_wrong_settings(self, cli: Cli) -> None:
        ran = cli("apps", "list")
        assert (ran.code, ran.out) == (2, "")
        assert "ADJOURN_PLATFORM_KEY" in ran.err
        assert json.loads(cli("apps", "list", "--json").err)["code"] == "usage"

    @pytest.mark.parametrize(
        "url", ["nowhere", "ftp://host", "http://", "http://[", "http://host:99999", "http://host:0"]
    )
    def test_a_url_that_is_none_is_wrong_settings(self, cli: Cli, url: str) -> None:
        ran = cli("apps", "list", "--url", url, "--platform-key", "pk")
        assert ran.code == 2
        assert ran.err.startswith("error: ")

    def test_a_key_that_no_header_holds_is_wrong_settings(self, cli: Cli) -> None:
        assert cli("apps", "list", "--platform-key", "pk\r\né").code == 2

    def test_without_a_server_the_exit_code_is_3(self, cli: Cli) -> None:
        argv = ("apps", "list", "--url", "http://127.0.0.1:1", "--platform-key", "pk")
        ran = cli(*argv)
        assert (ran.code, ran.out) == (3, "")
        assert "http://127.0.0.1:1" in ran.err
        assert json.loads(cli(*argv, "--json").err)["code"] == "unreachable"

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (http(503, '{"code":"unavailable","error":"e","message":"not now","request_id":"r"}'), 3),
            (http(429, '{"code":"rate_limit_exceeded","error":"e","message":"slowly"}'), 3),
            (http(502, "<html>"), 3),
            (http(404, "<html>"), 1),
            (http(302, ""), 1),
            (http(200, "<html>"), 1),
            (http(400, "[]"), 1),
            (b"", 3),
            (b"not HTTP\r\n\r\n", 3),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 3),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", 3),
        ],
    )
    def test_whatever_answers_ends_in_an_exit_code(self, cli: Cli, answer: bytes, code: int) -> None:
        with answering(answer) as url:
            ran = cli("apps", "list", "--url", url, "--platform-key", "pk")
        assert (ran.code, ran.out) == (code, "")
        assert ran.err.startswith("error: ")

    def test_a_refusal_keeps_what_the_api_said(self, cli: Cli) -> None:
        body = '{"code":"conflict","error":"e","message":"taken","request_id":"r1"}'
        argv = ("apps", "list", "--platform-key", "pk")
        with answering(http(409, body)) as url:
            assert cli(*argv, "--url", url) == (1, "", "error: taken\n  request_id r1\n")
        with answering(http(409, body)) as url:
            assert cli(*argv, "--url", url, "--json") == (1, "", body + "\n")


class TestHelp:
    def test_help_explains_the_exit_codes(self, cli: Cli) -> None:
        ran = cli("--help")
        assert ran.code == 0
        assert "Exit codes" in ran.out
        for name in ("serve", "demo", "secret-key", "apps", "publish", "connect", "deliveries", "types"):
            assert f" {name} " in ran.out

    def test_version(self, cli: Cli) -> None:
        assert cli("--version") == (0, f"adjourn {__version__}\n", "")

    def test_every_command_has_help(self, cli: Cli) -> None:
        for argv in (
            ("serve",),
            ("demo",),
            ("publish",),
            ("connect",),
            ("apps", "set"),
            ("apps", "import"),
            ("deliveries", "retry"),
        ):
            assert cli(*argv, "--help").code == 0

    def test_defaults_of_the_server_are_in_its_help(self, cli: Cli) -> None:
        out = cli("serve", "--help").out
        for text in (
            "127.0.0.1",
            "8080",
            "ADJOURN_RETRY_DELAYS",
            "ADJOURN_ALLOW_NETWORKS",
            "ADJOURN_WORKERS",
        ):
            assert text in out

    def test_a_worker_says_what_it_does(self, cli: Cli) -> None:
        out = cli("worker", "--help").out
        for text in ("only delivers", "PostgreSQL", "ADJOURN_DATABASE_URL", "ADJOURN_WORKERS"):
            assert text in out

    @pytest.mark.parametrize("argv", [(), ("nothing",), ("apps", "--nothing")])
    def test_wrong_usage_is_exit_code_2(self, cli: Cli, argv: tuple[str, ...]) -> None:
        assert cli(*argv).code == 2

    def test_a_secret_key_is_one_for_fernet(self, cli: Cli) -> None:
        first, second = (cli("secret-key").out.strip() for _ in range(2))
        assert first != second
        Fernet(first)


class TestServe:
    @pytest.mark.parametrize(
        "argv",
        [
            ("--port", "high"),
            ("--database-url", "mysql://x"),
            ("--database-url", "postgresql://localhost/a"),
            ("--workers", "2"),
            ("--workers", "0"),
            ("--retry-delays", "soon"),
            ("--allow-networks", "everywhere"),
            ("--database-url", "sqlite:////dev/null/adjourn.db"),
        ],
    )
    def test_wrong_settings_are_exit_code_2(self, cli: Cli, argv: tuple[str, ...]) -> None:
        ran = cli("serve", "--port", "0", *argv)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")

    def test_postgresql_that_is_not_there_is_told_without_its_password(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ADJOURN_SECRET_KEY", Fernet.generate_key().decode())
        for command in (("serve", "--port", "0"), ("worker",)):
            ran = cli(*command, "--workers", "2", "--database-url", "postgresql://me:hidden@127.0.0.1:1/a")
            assert (ran.code, ran.out) == (2, "")
            assert ran.err.startswith("error: ")
            assert "hidden" not in ran.err

    def test_a_worker_needs_postgresql(self, cli: Cli, tmp_path: Path) -> None:
        for argv in ((), ("--workers", "2")):
            ran = cli("worker", "--database-url", f"sqlite:///{tmp_path}/adjourn.db", *argv)
            assert (ran.code, ran.out) == (2, "")
            assert "PostgreSQL" in ran.err
        assert not [*tmp_path.iterdir()]

    def test_a_port_that_is_taken_is_exit_code_2(self, tmp_path: Path) -> None:
        database = ("--database-url", f"sqlite:///{tmp_path}/adjourn.db")
        with free_listener() as listener:
            port = str(listener.getsockname()[1])
            with started("serve", "--port", port, *database) as process:
                out, err = process.communicate(timeout=WITHIN)
        assert (process.returncode, out) == (2, "")
        assert port in err

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_serves_shows_the_made_key_once_and_stops(
        self, cli: Cli, tmp_path: Path, number: signal.Signals
    ) -> None:
        argv = ("serve", "--port", "0", "--database-url", f"sqlite:///{tmp_path}/adjourn.db")

        keys: list[str] = []

        def use(lines: list[str]) -> None:
            *_, url = lines[-1].removesuffix(" (Ctrl-C stops it)\n").split()
            keys.extend(line.partition("KEY=")[2].strip() for line in lines if "export" in line)
            assert cli.json("apps", "list", "--url", url, "--platform-key", keys[-1])["total"] == 0

        assert run_until_ready(argv, number, use) == 0
        assert run_until_ready(argv, number, use) == 0
        assert len(keys) == 1


class TestEnding:
    def test_ctrl_c_ends_quietly_with_130(self) -> None:
        with free_listener() as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with started("apps", "list", "--url", url, "--platform-key", "pk") as process:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=WITHIN)
        assert (process.returncode, out, err) == (130, "", "")

    @pytest.mark.parametrize("missing", ["litestar", "httptools", "uvicorn"])
    @pytest.mark.parametrize("command", ["serve", "demo", "worker"])
    def test_without_the_servers_packages_what_needs_them_names_the_extra(
        self, missing: str, command: str
    ) -> None:
        ran = without(missing, command, "--workers", "2")
        assert (ran.returncode, ran.stdout) == (2, "")
        expected = f"error: `adjourn {command}` needs pip install 'adjourn[server]' ("
        assert ran.stderr.startswith(expected)
        assert ran.stderr.count("\n") == 1

    def test_without_the_servers_packages_the_rest_goes_on(self) -> None:
        ran = without("litestar", "samples", "quil")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith('{"id":')

    @pytest.mark.parametrize("missing", ["typer", "rich", "httpx"])
    def test_without_its_own_packages_it_names_the_extra(self, missing: str) -> None:
        ran = without(missing)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("the command needs pip install 'adjourn[cli]'")
        assert ran.stderr.count("\n") == 1

    def test_what_the_output_cannot_encode_is_escaped(self, cli: Cli, server: str) -> None:
        app_id = cli.make_app(name="Zoë ☃")
        environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
        with started("apps", "list", environ=environ) as process:
            out, err = process.communicate(timeout=WITHIN)
        assert (process.returncode, err) == (0, "")
        assert f"{app_id}  Zo\\xeb \\u2603" in out


def without(missing: str, *argv: str) -> "subprocess.CompletedProcess[str]":
    """The command, run where that package is not installed."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; "
        f"from adjourn.cli import main; sys.exit(main({[*argv]!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def _same(left: object, right: object) -> None:
    assert left == right


@contextmanager
def started(*argv: str, environ: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """The program in a process of its own, which ends with the block at the latest."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*_PROGRAM, *argv], stdout=pipe, stderr=pipe, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_until_ready(
    argv: tuple[str, ...], number: signal.Signals, use: Callable[[list[str]], None]
) -> int | None:
    """Start a server, use it with what it printed until it listened, and ask it to stop."""
    with started(*argv) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if "is listening on" in line:
                break
        use(lines)
        process.send_signal(number)
        out, err = process.communicate(timeout=WITHIN)
        _same((out, err), ("", ""))
    return process.returncode
