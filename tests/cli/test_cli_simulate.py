"""`adjourn simulate`: good receivers pass, and each fault that receivers have is found and named."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from threading import Event as Flag
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.cli.harness import Cli, Ran, free_listener
from tests.cli.receivers import SECRET, Answering, Came, Good, Reply, served
from tests.cli.test_cli_program import without

from adjourn import Receiver, contio, meetingbaas, quil
from adjourn.cli.simulate.author import Author, Request
from adjourn.cli.simulate.findings import Limits, judge_genuine
from adjourn.cli.simulate.forgeries import alter, forgeries, rewrite
from adjourn.cli.simulate.target import Answer
from adjourn.documents.samples import samples
from adjourn.ids import Uuid7
from adjourn.providers import PROVIDERS, Provider
from adjourn.receiving import Received

VENDORS: dict[str, Any] = {"contio": contio, "meetingbaas": meetingbaas, "quil": quil}
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)

OF_THE_TIME = {
    "signed an hour ago",
    "signed an hour ahead",
    "a new timestamp over an old signature",
    "no timestamp",
}
OF_THE_BODY = {"one byte of the body changed", "the body written again", "signature of another body"}
OF_THE_SIGNATURE = {
    "no signature",
    "empty signature",
    "wrong secret",
    "signature cut short",
    "one character of the signature changed",
    "nonsense for a signature",
    "signature of another version",
    "two signatures, neither genuine",
}
FORGERIES = OF_THE_TIME | OF_THE_BODY | OF_THE_SIGNATURE


@pytest.fixture(autouse=True)
def no_secret_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADJOURN_WEBHOOK_SECRET", raising=False)


def simulate(
    cli: Cli, answer: Answering, *argv: str, provider: str = "contio", secret: str = SECRET
) -> dict[str, Any]:
    """What is found, as JSON. The secret is nowhere in it."""
    with served(answer) as url:
        given = ("--secret", secret) if secret else ()
        ran = cli("simulate", "--provider", provider, "--to", url, *given, *argv, "--json")
    assert ran.err == ""
    assert SECRET.removeprefix("whsec_") not in ran.out
    found: dict[str, Any] = ran.json
    assert ran.code == (0 if found["passed"] else 1)
    return found


def ended(found: dict[str, Any], verdict: str) -> dict[str, str]:
    """The advice on all that ended so."""
    return {each["what"]: each["advice"] for each in found["findings"] if each["verdict"] == verdict}


def good(provider: str = "contio", **options: Any) -> Good:
    return Good(Receiver(VENDORS[provider], SECRET, **options))


# --- what is right


@pytest.mark.parametrize(
    ("provider", "receiver", "argv", "unchecked"),
    [
        ("contio", Receiver(contio, SECRET), (), set()),
        ("contio", Receiver(contio, SECRET, strict=True), (), set()),
        ("contio", Receiver(contio, SECRET), ("signature_profile=sdk",), OF_THE_TIME),
        ("contio", Receiver(contio, SECRET), ("legacy_event_names=true",), set()),
        ("meetingbaas", Receiver(meetingbaas, SECRET), ("participants=names",), set()),
        ("quil", Receiver(quil, SECRET), (), set()),
        (
            "quil",
            Receiver(quil, SECRET, signature="hmac-hex", header="X-Sig", prefix="sha256="),
            ("signature=hmac-hex", "header=X-Sig", "prefix=sha256="),
            OF_THE_TIME,
        ),
        (
            "quil",
            Receiver(quil, SECRET, signature="hmac-base64"),
            ("signature=hmac-base64", "signature_header=X-Webhook-Signature"),
            OF_THE_TIME,
        ),
    ],
)
def test_a_good_receiver_passes_every_check_that_its_vendors_signature_allows(
    cli: Cli, provider: str, receiver: Receiver, argv: tuple[str, ...], unchecked: set[str]
) -> None:
    options = [part for each in argv for part in ("--option", each)]
    taken = Good(receiver)
    found = simulate(cli, taken, *options, provider=provider)
    assert found["passed"]
    assert ended(found, "failed") == ended(found, "warning") == ended(found, "not shown") == {}
    assert set(ended(found, "not checked")) == unchecked
    passed = {each["what"] for each in found["findings"] if each["verdict"] == "passed"}
    assert passed >= FORGERIES - unchecked
    assert {each.event_type for each in taken.received} >= set(PROVIDERS[provider].event_types)
    assert taken.refused == len(FORGERIES - unchecked) + 1
    assert found["requests"] <= 120


def test_callbacks_are_sent_with_their_secret(cli: Cli) -> None:
    taken = Good(Receiver(meetingbaas, callback_secrets=["s3cret-s3cret"]))
    found = simulate(cli, taken, "--callback", provider="meetingbaas", secret="s3cret-s3cret")
    assert found["passed"]
    unknown = "a type that no catalog has, meeting.simulated"
    assert set(ended(found, "not checked")) == OF_THE_BODY | OF_THE_TIME | {unknown}
    assert {each.event_type for each in taken.received} == {"bot.completed", "bot.failed"}
    unsigned = Good(Receiver(meetingbaas, unsigned_callbacks=True))
    argv = ("--callback", "--option", "unsigned=true")
    assert simulate(cli, unsigned, *argv, provider="meetingbaas", secret="")["passed"]


def test_what_is_unsigned_is_asked_for_by_name_and_no_forgery_is_checked(cli: Cli) -> None:
    taken = Good(Receiver(quil, unsigned=True))
    found = simulate(cli, taken, "--option", "unsigned=true", provider="quil", secret="")
    assert found["passed"]
    assert ended(found, "not checked") == {"forgeries": "nothing is signed: anyone can send to it"}


def test_a_retry_is_signed_anew_at_the_vendors_delay(cli: Cli) -> None:
    taken = good("meetingbaas")
    simulate(cli, taken, "--only", "retries", provider="meetingbaas")
    first, second = taken.received
    assert first.id == second.id
    assert first.body == second.body
    assert first.verified.timestamp is not None
    assert second.verified.timestamp is not None
    later = second.verified.timestamp - first.verified.timestamp
    assert later.total_seconds() == 5  # CONTRACTS 2, "Account webhooks"


def test_events_about_one_subject_come_in_reverse(cli: Cli) -> None:
    taken = good("quil")
    simulate(cli, taken, "--only", "order", provider="quil")
    events = [json.loads(each.body) for each in taken.received]
    times = [each["createdAt"] for each in events]
    assert len(set(times)) == 5
    assert times == sorted(times, reverse=True)
    assert len({each["data"]["meeting"]["id"] for each in events}) == 1


def test_ids_are_new_in_each_run_so_that_a_receiver_can_be_asked_again(cli: Cli) -> None:
    taken = good()
    for _ in range(2):
        assert simulate(cli, taken)["passed"]


def sent(cli: Cli, *argv: str) -> list[Any]:
    """What a receiver got, but for the ids."""
    taken = good()
    simulate(cli, taken, "--only", "events", "--only", "hard", *argv)
    return [json.loads(each.body) | {"event_id": ""} for each in taken.received]


def test_the_seed_gives_samples_and_their_order(cli: Cli) -> None:
    first = sent(cli, "--seed", "7")
    assert first == sent(cli, "--seed", "7")
    other = sent(cli)
    assert [each["event_type"] for each in other] != [each["event_type"] for each in first]


def test_what_is_sent_can_be_chosen(cli: Cli) -> None:
    taken = good()
    types = ("--type", "meeting.completed", "--type", "workflow.assignment.created")
    found = simulate(cli, taken, *types, "--count", "3", "--only", "events")
    names = sorted(each.event_type for each in taken.received)
    assert names == ["automation.assignment.created"] * 3 + ["meeting.completed"] * 3
    assert [each["check"] for each in found["findings"]] == ["events"]


def test_even_the_most_is_bounded(cli: Cli) -> None:
    assert simulate(cli, good(), "--count", "10")["requests"] < 500


def test_without_the_header_that_tells_once_is_not_shown(cli: Cli) -> None:
    found = simulate(cli, Good(Receiver(contio, SECRET), tells=False))
    assert found["passed"]
    shown = ended(found, "not shown")
    assert len(shown) == 3
    assert all("taken once" in what for what in shown)
    assert all("Adjourn-Receipt" in advice for advice in shown.values())


# --- what other implementations do


def with_standardwebhooks(prefix: str) -> Answering:
    webhook = Webhook(SECRET)

    def answer(came: Came) -> Reply:
        if came.method == "GET":
            return Reply(200)
        headers = {name.lower().replace(prefix, "webhook-"): value for name, value in came.headers}
        try:
            webhook.verify(came.body.decode(), headers)
        except WebhookVerificationError:
            return Reply(401)
        except ValueError:
            return Reply(500)  # what no handler expects: standardwebhooks 1.1 unpacks entries without a comma
        return Reply(204)

    return answer


@pytest.mark.parametrize(("provider", "prefix"), [("quil", "webhook-"), ("meetingbaas", "svix-")])
def test_the_package_standardwebhooks_passes_and_breaks_on_nonsense(
    cli: Cli, provider: str, prefix: str
) -> None:
    found = simulate(cli, with_standardwebhooks(prefix), provider=provider)
    assert set(ended(found, "failed")) == {"nonsense for a signature"}
    assert set(ended(found, "warning")) == {"a GET"}
    assert ended(found, "not checked") == {}


def as_contio_documents(came: Came) -> Reply:
    """contio-webhook-events-overview, "Manual Verification": it leaves the time to the reader."""
    message = came.header("X-Contio-Timestamp").encode() + b"." + came.body
    expected = hmac.digest(SECRET.encode(), message, sha256).hex()
    given = came.header("X-Contio-Signature")
    if len(given) != len(expected):
        return Reply(500)  # crypto.timingSafeEqual throws a RangeError
    return Reply(200 if hmac.compare_digest(given, expected) else 401, body=b'{"received":true}')


def test_contios_own_example_takes_old_requests_and_breaks_on_short_signatures(cli: Cli) -> None:
    found = simulate(cli, as_contio_documents)
    failed = ended(found, "failed")
    taken = {what for what, advice in failed.items() if advice.startswith("IT TAKES A FORGERY")}
    broken = {what for what, advice in failed.items() if advice.startswith("it broke")}
    assert taken == {"signed an hour ago", "signed an hour ahead"}
    assert broken == failed.keys() - taken
    assert broken == {
        "no signature",
        "empty signature",
        "nonsense for a signature",
        "signature cut short",
        "signature of another version",
    }
    assert set(ended(found, "warning")) == {"a GET"}


# --- what is wrong


def test_verifying_nothing_is_a_failure_in_capitals(cli: Cli) -> None:
    found = simulate(cli, lambda came: Reply(405 if came.method == "GET" else 200))
    failed = ended(found, "failed")
    assert set(failed) == FORGERIES | {"a forgery of an event that it has"}
    assert set(failed.values()) == {"IT TAKES EVERY FORGERY: it verifies nothing, and anyone can send to it"}


def old_ones_too(came: Came) -> Reply:
    """It minds everything but the time."""
    timestamp, signature = came.header("X-Contio-Timestamp"), came.header("X-Contio-Signature")
    return Reply(200 if hmac.compare_digest(signature, mac(came.body, timestamp)) else 401)


def test_taking_one_forgery_is_a_failure_in_capitals_that_says_what_to_do(cli: Cli) -> None:
    found = simulate(cli, old_ones_too, "--only", "forgeries")
    failed = ended(found, "failed")
    advice = "IT TAKES A FORGERY: refuse a timestamp more than 5 minutes off, in either direction"
    assert failed == {"signed an hour ago": advice, "signed an hour ahead": advice}


def mac(body: bytes, timestamp: str) -> str:
    return hmac.digest(SECRET.encode(), f"{timestamp}.".encode() + body, sha256).hex()


def careless(is_genuine: Callable[[str, str, bytes], bool]) -> Answering:
    """Judges by signature, timestamp and body, and minds the time."""

    def answer(came: Came) -> Reply:
        timestamp, signature = came.header("X-Contio-Timestamp"), came.header("X-Contio-Signature")
        fresh = timestamp.isdigit() and abs(int(timestamp) - datetime.now(UTC).timestamp()) < 300
        return Reply(200 if fresh and is_genuine(signature, timestamp, came.body) else 401)

    return answer


@pytest.mark.parametrize(
    ("is_genuine", "taken"),
    [
        (lambda given, at, body: not given or given == mac(body, at), {"no signature", "empty signature"}),
        (
            lambda given, at, body: bool(given) and mac(body, at).startswith(given),
            {"signature cut short"},
        ),
        (
            lambda given, at, body: given in (mac(body, at), mac(compact(body), at)),
            {"the body written again"},
        ),
        (
            lambda given, at, body: given.rpartition("=")[2] == mac(body, at),
            {"signature of another version"},
        ),
        (
            lambda given, at, body: given[:8] == mac(body, at)[:8],
            {"signature cut short", "one character of the signature changed"},
        ),
    ],
)
def test_a_careless_comparison_is_found(
    cli: Cli, is_genuine: Callable[[str, str, bytes], bool], taken: set[str]
) -> None:
    found = simulate(cli, careless(is_genuine), "--only", "forgeries")
    assert set(ended(found, "failed")) == taken


def compact(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    except ValueError:
        return body


def test_dropping_duplicates_before_verifying_is_found(cli: Cli) -> None:
    right, ids = good(), set()

    def answer(came: Came) -> Reply:
        event_id = json.loads(came.body)["event_id"] if came.body else ""
        if event_id in ids:
            return Reply(200, {"Adjourn-Receipt": "duplicate"})
        ids.add(event_id)
        return right(came)

    failed = ended(simulate(cli, answer, "--only", "forgeries"), "failed")
    after = "the genuine event after its forgeries"
    assert failed[after] == "IT KEPT A FORGERY: verify first, then drop duplicates"
    assert failed["a forgery of an event that it has"].startswith("IT TAKES A FORGERY")


def test_a_500_for_a_duplicate_is_a_failure(cli: Cli) -> None:
    ids: set[str] = set()

    def take(received: Received) -> Reply | None:
        if received.id in ids:
            return Reply(500)  # UNIQUE constraint failed
        ids.add(received.id)
        return None

    found = simulate(cli, Good(Receiver(contio, SECRET), tells=False, take=take))
    failed = ended(found, "failed")
    assert set(failed) == {
        "an event 3 times: answered",
        "an event 5 times at once: answered",
        "a retry, signed 60 s later: answered",
    }
    assert failed["an event 3 times: answered"].startswith("answer 2xx to what you have already")


def test_one_that_says_it_took_an_event_twice_is_found(cli: Cli) -> None:
    again = Good(Receiver(contio, SECRET), take=lambda _: Reply(200, {"Adjourn-Receipt": "new"}))
    failed = ended(simulate(cli, again), "failed")
    assert set(failed) == {
        "an event 3 times: taken once",
        "an event 5 times at once: taken once",
        "a retry, signed 60 s later: taken once",
    }
    assert "new, new, new" in failed["an event 3 times: taken once"]


def test_one_that_knows_events_by_their_body_is_found(cli: Cli) -> None:
    bodies: set[bytes] = set()

    def take(received: Received) -> Reply:
        body = received.body
        known = body in bodies
        bodies.add(body)
        return Reply(200, {"Adjourn-Receipt": "duplicate" if known else "new"})

    found = simulate(cli, Good(Receiver(meetingbaas, SECRET), take=take), provider="meetingbaas")
    assert any("it takes a new event for a duplicate" in each for each in ended(found, "failed").values())


@pytest.mark.parametrize("status", [400, 404, 422])
def test_refusing_types_that_it_does_not_know_is_a_failure(cli: Cli, status: int) -> None:
    def take(received: Received) -> Reply | None:
        return Reply(status) if received.event_type == "meeting.simulated" else None

    failed = ended(simulate(cli, Good(Receiver(contio, SECRET), take=take)), "failed")
    advice = "answer 2xx to types that you do not know: they come with time"
    assert failed == {"a type that no catalog has, meeting.simulated": advice}


def test_refusing_fields_that_it_does_not_know_is_a_failure(cli: Cli) -> None:
    def take(received: Received) -> Reply | None:
        return Reply(422) if "simulated" in json.loads(received.body)["data"] else None

    strict = Good(Receiver(contio, SECRET), take=take)
    assert set(ended(simulate(cli, strict, "--only", "hard"), "failed")) == {"unknown fields"}


def test_a_limit_on_long_bodies_is_a_warning(cli: Cli) -> None:
    limited = Good(Receiver(contio, SECRET), take=lambda got: Reply(413) if len(got.body) > 100_000 else None)
    found = simulate(cli, limited, "--only", "hard")
    assert found["passed"]
    assert set(ended(found, "warning")) == {"an event of 256 KiB"}


def test_refusing_what_comes_late_is_a_failure(cli: Cli) -> None:
    latest = [""]

    def take(received: Received) -> Reply | None:
        at, latest[0] = latest[0], max(latest[0], json.loads(received.body)["timestamp"])
        return Reply(409) if latest[0] == at else None

    strict = Good(Receiver(contio, SECRET), take=take)
    (advice,) = ended(simulate(cli, strict, "--only", "order"), "failed").values()
    assert advice == "no vendor promises an order: take what comes early or late"


def test_those_that_fail_alike_are_told_once(cli: Cli) -> None:
    def take(received: Received) -> Reply | None:
        return Reply(500) if received.event_type.startswith("session.") else None

    found = simulate(cli, Good(Receiver(contio, SECRET), take=take), "--only", "events")
    passed, failed = found["findings"]
    assert (passed["came"], passed["verdict"]) == ("200 (32)", "passed")
    assert failed["came"] == "500 (3)"
    for name in ("session.expired", "session.turn.completed", "session.turn.failed"):
        assert name in failed["what"]


def test_a_slow_answer_is_flagged(cli: Cli) -> None:
    found = simulate(cli, good(), "--slow", "0", "--only", "events")
    assert found["passed"]
    assert ended(found, "warning") == {
        "35 events": "slower than 0 s: keep the event, answer, and work afterwards"
    }


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(5.0, "passed"), (5.1, "warning"), (30.0, "warning"), (30.1, "failed")]
)
def test_slower_than_the_vendor_waits_is_a_failure(seconds: float, verdict: str) -> None:
    answer = Answer(status=200, seconds=seconds)
    assert judge_genuine(answer, Limits(slow=5.0, timeout=30.0)).verdict == verdict


def test_no_answer_in_time_is_a_failure(cli: Cli) -> None:
    done = Flag()

    def hang(came: Came) -> None:
        done.wait(60)

    with served(hang) as url:
        argv = ("--only", "unknown", "--timeout", "0.1", "--json")
        ran = cli("simulate", "--provider", "contio", "--to", url, "--secret", SECRET, *argv)
        done.set()
    (found,) = ran.json["findings"]
    assert (ran.code, found["verdict"], found["came"]) == (1, "failed", "no answer within 0.1 s")


def test_a_connection_that_is_closed_is_a_failure(cli: Cli) -> None:
    (found,) = simulate(cli, lambda came: None, "--only", "unknown")["findings"]
    assert found["verdict"] == "failed"
    assert found["came"].startswith("no answer: ")


def test_silence_to_forgeries_is_a_warning(cli: Cli) -> None:
    right = good()

    def answer(came: Came) -> Reply | None:
        reply = right(came)
        return None if reply.status == 401 else reply

    found = simulate(cli, answer, "--only", "forgeries")
    assert found["passed"]
    assert set(ended(found, "warning")) == FORGERIES | {"a forgery of an event that it has"}


@pytest.mark.parametrize(
    ("status", "verdict", "says"),
    [(500, "failed", "it broke"), (302, "warning", "answer 401, where you are")],
)
def test_breaking_on_forgeries_fails_and_redirecting_them_is_flagged(
    cli: Cli, status: int, verdict: str, says: str
) -> None:
    found = simulate(cli, refusing(status), "--only", "forgeries")
    assert found["passed"] == (verdict == "warning")
    flagged = ended(found, verdict)
    assert set(flagged) == FORGERIES | {"a forgery of an event that it has"}
    assert all(advice.startswith(says) for advice in flagged.values())


def refusing(status: int) -> Answering:
    """With another status than 401."""
    right = good()

    def answer(came: Came) -> Reply:
        reply = right(came)
        return Reply(status, {"Location": "/login"}) if reply.status == 401 else reply

    return answer


def test_another_4xx_than_401_passes_with_a_word(cli: Cli) -> None:
    right = good()

    def answer(came: Came) -> Reply:
        reply = right(came)
        return reply._replace(status=404) if reply.status == 401 else reply

    found = simulate(cli, answer, "--only", "forgeries")
    assert {each["advice"] for each in found["findings"] if each["came"] == "404"} == {
        "refused; 401 would say why"
    }
    assert found["passed"]


# --- where nothing genuine is taken


def alike(status: int) -> Answering:
    return lambda came: Reply(status)


REFUSES = "it refuses what is genuine: is it the same secret, and does it verify the bytes as they came?"
NO_SUCH_PATH = "nothing takes webhooks at this URL: is the path right?"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Good(Receiver(contio, SECRET + "A")), REFUSES),
        (alike(403), REFUSES),
        (alike(404), NO_SUCH_PATH),
        (alike(307), "senders follow no redirects: give them the URL that it leads to"),
        (alike(500), "it broke: its log says why; the sender comes again, and again gets this"),
        (lambda came: None, "it gave no answer: its log says why; answer first, and work afterwards"),
    ],
    ids=["wrong secret", "403", "404", "307", "500", "closed"],
)
def test_why_nothing_genuine_is_taken_is_said_of_all_and_its_refusals_prove_nothing(
    cli: Cli, answer: Answering, cause: str
) -> None:
    found = simulate(cli, answer)
    assert found["cause"] == cause
    failed = ended(found, "failed")
    assert {*failed.values()} == {cause}
    checks = {each["check"] for each in found["findings"] if each["verdict"] == "failed"}
    assert checks == {"events", "hard", "unknown", "duplicates", "retries", "order", "forgeries"}
    assert failed.keys().isdisjoint(FORGERIES)
    unproven = {what for what, advice in ended(found, "not checked").items() if "proves nothing" in advice}
    assert unproven == FORGERIES | {"a forgery of an event that it has"}
    assert ended(found, "passed").keys() <= {"a GET"}


def test_people_read_it_once(cli: Cli) -> None:
    with served(Good(Receiver(contio, SECRET + "A"))) as url:
        ran = ask(cli, url)
    assert (ran.code, ran.out.count("is it the same secret")) == (1, 1)
    assert "\nfailed: all that is genuine\nIt refuses what is genuine: is it" in ran.out
    assert "?." not in ran.out
    assert "\nNot all is well, it takes nothing genuine: 1 passed, 10 failed, 16 not checked; " in ran.out


def test_at_a_wrong_path_nothing_passes(cli: Cli) -> None:
    found = simulate(cli, alike(404))
    assert found["counts"]["passed"] == 0
    assert "a GET" in ended(found, "not checked")


def test_a_receiver_that_breaks_on_all_that_is_genuine_still_refuses_forgeries(cli: Cli) -> None:
    found = simulate(cli, Good(Receiver(contio, SECRET), take=lambda _: Reply(500)))
    assert found["cause"].startswith("it broke")
    passed = {each["what"] for each in found["findings"] if each["verdict"] == "passed"}
    assert passed == FORGERIES | {"a forgery of an event that it has", "a GET"}


def test_where_one_is_taken_each_has_its_own_advice(cli: Cli) -> None:
    def take(received: Received) -> Reply | None:
        return None if received.event_type == "meeting.created" else Reply(404)

    found = simulate(cli, Good(Receiver(contio, SECRET), take=take))
    assert found["cause"] == ""
    unknown = "a type that no catalog has, meeting.simulated"
    assert ended(found, "failed")[unknown] == "answer 2xx to types that you do not know: they come with time"


def test_a_type_that_it_does_not_know_alone_says_nothing_of_the_rest(cli: Cli) -> None:
    found = simulate(cli, alike(404), "--only", "unknown")
    assert found["cause"] == ""
    (advice,) = ended(simulate(cli, alike(401), "--only", "unknown"), "failed").values()
    assert advice == REFUSES


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (refusing(500), "Not all is well, it breaks on 16 forgeries: 1 passed, 16 failed; 17 requests in "),
        (refusing(302), "Nothing failed: 1 passed, 16 warnings; 17 requests in "),
        (good(), "All is well: 17 passed; 17 requests in "),
        (
            lambda came: Reply(200 if old_ones_too(came).status == 200 else 500),
            "Not all is well, IT TAKES 2 FORGERIES and it breaks on 14 forgeries: ",
        ),
    ],
    ids=["500", "302", "401", "both"],
)
def test_the_last_line_says_what_is_worst(cli: Cli, answer: Answering, last: str) -> None:
    with served(answer) as url:
        ran = ask(cli, url, "--only", "forgeries")
    assert ran.out.splitlines()[-1].startswith(last)


def test_a_redirect_is_not_followed(cli: Cli) -> None:
    came: list[Came] = []

    def answer(request: Came) -> Reply:
        came.append(request)
        return Reply(308, {"Location": "/webhooks/"})

    (found,) = simulate(cli, answer, "--only", "unknown")["findings"]
    assert (found["verdict"], found["came"], len(came)) == ("failed", "308", 1)
    assert found["advice"] == "senders follow no redirects: give them the URL that it leads to"


@pytest.mark.parametrize(
    ("status", "says"), [(401, "same secret"), (404, "path"), (429, "bursts"), (503, "log")]
)
def test_refusing_what_is_genuine_is_a_failure_with_a_likely_cause(cli: Cli, status: int, says: str) -> None:
    (found,) = simulate(cli, lambda came: Reply(status), "--only", "events")["findings"]
    assert (found["verdict"], found["came"]) == ("failed", f"{status} (35)")
    assert says in found["advice"]


def telling(tell: Callable[[Came], str]) -> Answering:
    right = good()

    def answer(came: Came) -> Reply:
        reply = right(came)
        return reply._replace(body=tell(came).encode()) if reply.status == 401 else reply

    return answer


def test_an_answer_that_repeats_the_signature_is_a_warning(cli: Cli) -> None:
    found = simulate(
        cli, telling(lambda came: f"bad signature {came.header('X-Contio-Signature')}"), "--only", "forgeries"
    )
    assert found["passed"]
    warned = ended(found, "warning")
    assert {"wrong secret", "signed an hour ago", "one character of the signature changed"} <= set(warned)
    assert "no signature" not in warned


@pytest.mark.parametrize("form", [str, lambda text: b64encode(bytes.fromhex(text)).decode()])
def test_an_answer_with_anything_like_a_signature_is_a_warning(cli: Cli, form: Callable[[str], str]) -> None:
    digest = sha256(b"x").hexdigest()
    found = simulate(cli, telling(lambda came: f"got {form(digest)}."), "--only", "forgeries")
    assert found["passed"]
    assert "no signature" in ended(found, "warning")


def test_an_answer_that_tells_the_signature_that_would_fit_is_a_failure(cli: Cli) -> None:
    def tell(came: Came) -> str:
        return f"expected {mac(came.body, came.header('X-Contio-Timestamp'))}"

    failed = ended(simulate(cli, telling(tell), "--only", "forgeries"), "failed")
    assert {"wrong secret", "no signature", "one byte of the body changed"} <= set(failed)
    assert "whoever asks can forge" in failed["wrong secret"]


def test_an_answer_that_tells_the_secret_is_a_failure(cli: Cli) -> None:
    found = simulate(cli, telling(lambda came: f"no match with {SECRET}"), "--only", "forgeries")
    assert set(ended(found, "failed")) >= FORGERIES


def test_a_reason_in_words_is_no_leak(cli: Cli) -> None:
    found = simulate(cli, telling(lambda came: '{"error": "Invalid signature"}'), "--only", "forgeries")
    assert ended(found, "warning") == ended(found, "failed") == {}


def test_a_get_that_is_taken_is_a_warning(cli: Cli) -> None:
    found = simulate(cli, lambda came: Reply(200), "--only", "get")
    assert found["passed"]
    assert set(ended(found, "warning")) == {"a GET"}


# --- what the command shows


def ask(cli: Cli, url: str, *argv: str, secret: str = SECRET) -> Ran:
    return cli("simulate", "--provider", "contio", "--to", url, "--secret", secret, *argv)


def test_people_get_a_table_and_what_to_do(cli: Cli) -> None:
    with served(lambda came: Reply(405 if came.method == "GET" else 200)) as url:
        ran = ask(cli, url)
    assert (ran.code, ran.err) == (1, f"sending to {url}\n")
    assert ran.out.splitlines()[0].split() == ["Check", "What", "Result", "Came", "Slowest"]
    assert "failed: forgeries, no signature; empty signature; wrong secret; " in ran.out
    assert ran.out.count("\nIT TAKES EVERY FORGERY: it verifies nothing, and anyone can send to it.\n") == 1
    assert "\nNot all is well, IT TAKES 16 FORGERIES: " in ran.out
    assert SECRET not in ran.out


def test_the_secret_may_come_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADJOURN_WEBHOOK_SECRET", SECRET)
    assert simulate(cli, good(), "--only", "unknown", secret="")["passed"]


def test_what_refuses_connections_is_exit_code_3(cli: Cli) -> None:
    with free_listener() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    ran = ask(cli, url)
    assert (ran.code, ran.out) == (3, "")
    assert f"error: cannot connect to {url}: " in ran.err
    ran = ask(cli, url, "--json")
    assert (ran.code, ran.out, json.loads(ran.err)["code"]) == (3, "", "unreachable")


def test_another_machine_is_named(cli: Cli) -> None:
    url = "http://[2001:db8::1]:9/hook"  # RFC 3849: nobody's
    ran = ask(cli, url, "--timeout", "0.1", "--json")
    assert ran.code == 3
    assert ran.err.startswith(f"sending events and forgeries to {url}: 2001:db8::1 is not this machine\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--to", "nowhere"), "--to must be an absolute http or https URL"),
        (("--to", "http://user:pass@localhost/"), "must not carry a user name or password"),
        (("--provider", "contoi"), "there is no provider 'contoi', did you mean `contio`?"),
        (("--type", "meeting.complete"), "did you mean `meeting.completed`?"),
        (("--option", "strict=true"), "an app of Contio has no option 'strict'; there are: auto_disable"),
        (("--option", "unsigned=true"), "has no option 'unsigned'"),
        (("--option", "signature_profile=md5"), "an option of Contio: "),
        (("--option", "sdk"), "--option sdk: give NAME=VALUE"),
        (("--callback",), "Contio sends no callbacks"),
        (("--provider", "quil", "--option", "unsigned=true"), "it must be one of them"),
        (("--provider", "quil", "--secret", "x"), "24 to 64 bytes"),
        (("--secret", ""), "no webhook secret: set ADJOURN_WEBHOOK_SECRET, or give --secret"),
        (
            ("--provider", "meetingbaas", "--callback", "--type", "bot.status_change"),
            "bot.status_change is not sent to callbacks",
        ),
        (("--only", "everything"), "'everything' is not one of"),
        (("--count", "11"), "--count"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, argv: tuple[str, ...], says: str) -> None:
    ran = ask(cli, "http://127.0.0.1:9/", *argv)
    assert (ran.code, ran.out) == (2, "")
    assert says in " ".join(ran.err.replace("│", " ").split())


def test_it_needs_no_part_of_the_server() -> None:
    argv = ("--provider", "contio", "--secret", SECRET, "--to")
    ran = without("litestar", "simulate", *argv, "nowhere")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: --to must be an absolute http or https URL")


# --- forgeries


def author(provider: Provider) -> Author:
    return Author(provider, SECRET, options={}, callback=False, new_id=Uuid7())


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda each: each.name)
def test_one_byte_is_changed_and_it_is_json_all_the_same(provider: Provider) -> None:
    writer = author(provider)
    for event_type in provider.event_types.values():
        for content in samples(provider, event_type, count=3):
            body = writer.write(event_type, content).body
            altered = alter(body)
            assert len(altered) == len(body)
            assert sum(one != other for one, other in zip(altered, body, strict=True)) == 1
            assert json.loads(altered).keys() == json.loads(body).keys()
            assert rewrite(body) != body
            assert json.loads(rewrite(body)) == json.loads(body)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda each: each.name)
def test_each_forgery_is_its_own_and_none_verifies_by_another_implementation(provider: Provider) -> None:
    writer = author(provider)
    event_type = next(iter(provider.event_types.values()))
    event = writer.write(event_type, event_type.sample)
    made = forgeries(writer, event, now=NOW)
    assert {each.name for each in made} == FORGERIES
    assert len({each.request for each in made}) == len(made)
    genuine = writer.sign(event, at=NOW)
    assert is_genuine(genuine)
    assert [each.name for each in made if is_genuine(each.request)] == []


def is_genuine(request: Request) -> bool:
    """Standard Webhooks by hand: all three vendors send it, under two names."""
    headers = {name.lower().replace("svix-", "webhook-"): value for name, value in request.headers}
    sent = headers.get("webhook-timestamp", "")
    if not sent.isdigit() or abs(int(sent) - NOW.timestamp()) > 300:
        return False
    key = b64decode(SECRET.removeprefix("whsec_"))
    message = f"{headers['webhook-id']}.{sent}.".encode() + request.body
    expected = b64encode(hmac.digest(key, message, sha256)).decode()
    return f"v1,{expected}" in headers.get("webhook-signature", "").split()
