"""`adjourn verify`: what was captured is genuine or not, and why."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.harness import Cli, Ran

from adjourn import contio, meetingbaas, quil
from adjourn.testing import encode, sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
AT = "2026-01-15T10:30:00Z"
BODY = encode(contio.PROVIDER.event_types["meeting.completed"].sample)
HEADERS = sign(contio, BODY, SECRET, at=NOW)
LINES = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADJOURN_WEBHOOK_SECRET", raising=False)
    Path("headers").write_text(LINES, newline="")
    Path("body").write_bytes(BODY)


def verify(cli: Cli, *argv: str, provider: str = "contio", stdin: str | None = None) -> Ran:
    return cli(
        *("verify", "--provider", provider, "--headers", "headers", "--body", "body", "--now", AT, *argv),
        stdin=stdin,
    )


def test_what_is_genuine_is_shown(cli: Cli) -> None:
    assert verify(cli, "--secret", SECRET) == (
        0,
        "verified\n"
        "  provider     contio\n"
        "  event_type   meeting.completed\n"
        "  known        yes\n"
        "  id           evt-550e8400-e29b-41d4-a716-446655440000\n"
        "  scheme       contio\n"
        "  profile      documented\n"
        "  signed_at    2026-01-15T10:30:00.000Z\n"
        "  received_at  2026-01-15T10:30:00.000Z\n",
        "",
    )


def test_as_json(cli: Cli) -> None:
    assert verify(cli, "--secret", SECRET, "--json").json == {
        "verified": True,
        "provider": "contio",
        "event_type": "meeting.completed",
        "known": True,
        "id": "evt-550e8400-e29b-41d4-a716-446655440000",
        "scheme": "contio",
        "profile": "documented",
        "signed_id": None,
        "signed_at": "2026-01-15T10:30:00Z",
        "received_at": "2026-01-15T10:30:00Z",
    }


CURL = (
    "* Connected to localhost\n> POST /hook HTTP/1.1\n"
    + "".join(f"> {name}: {value}\n" for name, value in HEADERS.items())
    + "> \n* upload completely sent off\n< HTTP/1.1 401 Unauthorized\n< X-Contio-Signature: 00\n"
)


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "POST /hook HTTP/1.1\r\n" + LINES + "\r\n",
        LINES.replace("\r\n", "\n").lower(),
        CURL,
        json.dumps(HEADERS),
        json.dumps(HEADERS, indent=2),
        json.dumps([*HEADERS.items()]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_headers_are_taken_in_every_form_people_have_them_in(cli: Cli, text: str, encoding: str) -> None:
    Path("headers").write_bytes(text.encode(encoding))
    assert verify(cli, "--secret", SECRET).code == 0


def test_standard_input_may_be_either_file_or_both(cli: Cli) -> None:
    assert verify(cli, "--secret", SECRET, "--headers", "-", stdin=LINES).code == 0
    assert verify(cli, "--secret", SECRET, "--body", "-", stdin=BODY.decode()).code == 0
    whole = f"POST / HTTP/1.1\r\n{LINES}\r\n{BODY.decode()}"
    assert verify(cli, "--secret", SECRET, "--headers", "-", "--body", "-", stdin=whole).code == 0
    ran = verify(cli, "--secret", SECRET, "--headers", "-", "--body", "-", stdin=LINES)
    assert ran == (2, "", "error: standard input has no empty line between the headers and the body\n")


def test_the_secret_may_come_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADJOURN_WEBHOOK_SECRET", SECRET)
    assert verify(cli).code == 0
    assert verify(cli, "--secret", "whsec_another").code == 1, "the option goes before it"
    assert verify(cli, "--secret", "whsec_another", "--secret", SECRET).code == 0


def test_what_does_not_verify_says_the_cause(cli: Cli) -> None:
    Path("body").write_text(json.dumps(json.loads(BODY), indent=2))
    ran = verify(cli, "--secret", SECRET)
    assert (ran.code, ran.err) == (1, "")
    first, second = ran.out.splitlines()
    assert first == "not verified: x-contio-signature fits neither the body nor any known secret"
    assert second.startswith("  cause: the body was parsed and written again")
    shown = verify(cli, "--secret", SECRET, "--json")
    assert (shown.code, shown.json["verified"], shown.json["code"]) == (1, False, "signature_mismatch")
    assert (shown.json["cause"], shown.json["certain"]) == ("body_rewritten", True)
    assert shown.json["hint"] in second


def test_a_guess_is_told_as_one(cli: Cli) -> None:
    ran = verify(cli, "--secret", "whsec_another")
    assert "\n  likely cause: no usual mistake explains it" in ran.out
    assert "another" not in ran.out


def test_a_long_body_is_tried_all_the_same(cli: Cli) -> None:
    body = sample(contio, "meeting.completed", title="long " * 40_000)
    lines = sign(contio, body, SECRET, at=NOW)
    Path("headers").write_text(json.dumps(lines))
    Path("body").write_bytes(body + b"\n")
    assert verify(cli, "--secret", SECRET, "--json").json["cause"] == "body_rewritten"


@pytest.mark.parametrize(
    ("now", "code"), [("1768473300", 0), ("1768473301", 1), ("2026-01-15T11:35:00+01:00", 0)]
)
def test_now_is_when_it_came(cli: Cli, now: str, code: int) -> None:
    ran = verify(cli, "--secret", SECRET, "--now", now)
    assert ran.code == code
    assert ("301 s before now" in ran.out) == bool(code)


def test_without_now_an_old_request_is_stale(cli: Cli) -> None:
    ran = cli(
        *(
            "verify",
            "--provider",
            "contio",
            "--secret",
            SECRET,
            "--headers",
            "headers",
            "--body",
            "body",
            "--json",
        )
    )
    assert (ran.code, ran.json["cause"], ran.json["certain"]) == (1, "clock", True)


def test_another_vendors_event_under_a_good_signature(cli: Cli) -> None:
    ran = verify(cli, "--secret", SECRET, provider="quil")
    assert (ran.code, ran.err) == (1, "")
    assert "the signature fits, but the body is no event of this provider" in ran.out
    assert ran.out.endswith("  likely cause: it is one of Contio\n")
    shown = verify(cli, "--secret", SECRET, "--json", provider="quil").json
    assert (shown["code"], shown["cause"]) == ("malformed_event", "other_sender")
    assert shown["faults"] == [{"path": "$.eventType", "reason": "is required"}]


def test_an_unknown_type_is_shown_as_such(cli: Cli) -> None:
    body = b'{"event_type":"meeting.dreamt","event_id":"evt-1"}'
    Path("headers").write_text(json.dumps(sign(contio, body, SECRET, at=NOW)))
    Path("body").write_bytes(body)
    shown = verify(cli, "--secret", SECRET, "--json").json
    assert (shown["event_type"], shown["known"], shown["id"]) == ("meeting.dreamt", False, "evt-1")


def test_options_and_callbacks(cli: Cli) -> None:
    Path("headers").write_text(json.dumps(sign(contio, BODY, SECRET, at=NOW, signature_profile="sdk")))
    assert verify(cli, "--secret", SECRET).code == 0
    assert verify(cli, "--secret", SECRET, "--option", "strict=true").code == 1
    body = sample(meetingbaas, "bot.completed")
    Path("body").write_bytes(body)
    Path("headers").write_text(json.dumps(sign(meetingbaas, body, "s3cret", callback=True)))
    ran = verify(cli, "--secret", "s3cret", "--callback", provider="meetingbaas")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "verified")
    Path("headers").write_text("{}")
    unsigned = verify(cli, "--callback", "--option", "unsigned=true", provider="meetingbaas")
    assert (unsigned.code, unsigned.out.splitlines()[0]) == (0, "passed, unsigned")
    Path("body").write_bytes(sample(quil, "meeting.completed"))
    assert verify(cli, "--option", "unsigned=true", provider="quil").code == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "no webhook secret: set ADJOURN_WEBHOOK_SECRET, or give --secret"),
        (("--secret", "s", "--provider", "contoi"), "there is no provider 'contoi', did you mean `contio`?"),
        (("--secret", "s", "--body", "missing"), "cannot read missing: No such file or directory"),
        (("--secret", "s", "--headers", "missing"), "cannot read missing: No such file or directory"),
        (("--secret", "s", "--headers", "bad"), "line 2 of the headers is no header like Name: value"),
        (("--secret", "s", "--headers", "bad.json"), "the headers are no JSON object of names and values"),
        (("--secret", "s", "--headers", "pairs.json"), "the headers are no JSON object of names and values"),
        (("--secret", "s", "--now", "soon"), "'soon' is no time"),
        (("--secret", "s", "--option", "strict"), "--option strict: give NAME=VALUE"),
        (("--secret", "s", "--option", "x=1"), "Contio has no option 'x'; there are: strict"),
        (("--secret", "s", "--callback"), "Contio sends no callbacks"),
        (("--secret", "s", "--callback", "--option", "strict=true"), "callbacks have no option 'strict'"),
        (("--secret", "s", "--provider", "quil"), "24 to 64 bytes"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...], says: str) -> None:
    Path("bad").write_text("A: 1\nnonsense\n")
    Path("bad.json").write_text('{"a": ')
    Path("pairs.json").write_text("[1]")
    ran = verify(cli, *argv)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert says in ran.err


def test_what_is_missing_is_exit_code_2(cli: Cli) -> None:
    assert cli("verify", "--provider", "contio").code == 2
