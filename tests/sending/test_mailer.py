"""The mailer, in real SMTP conversations on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from typing import Any

import aiosmtpd.smtp
import msgspec
import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adjourn.config import Secret, Smtp
from adjourn.errors import StorageError
from adjourn.models import App, AppOptions, AppStatus, Notice, NoticeKind, NoticeState
from adjourn.sending.apps import AppCache
from adjourn.sending.mailer import Mailer, MailPace, compose, default_sender, retry_in

MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SENDER = "Webhooks <webhooks@mail.example>"
QUICK = MailPace(look=1000, after_error=0, connect=20, whole=20)
PASSWORD = Secret("hidden-password")

Settled = tuple[int, NoticeState, str, timedelta | None]


def app(**given: Any) -> App:
    fields: dict[str, Any] = {
        "id": "app-1",
        "version": 1,
        "provider": "contio",
        "name": "CRM Sync",
        "description": None,
        "company_name": "Example",
        "client_id": "client-1",
        "primary_contact_email": "dev@partner.example",
        "webhook_url": None,
        "webhook_enabled": False,
        "webhook_filter": None,
        "status": AppStatus.ACTIVE,
        "slug": None,
        "options": AppOptions(),
        "webhook_secret": Secret("hidden-secret"),
        "created_at": MADE,
        "updated_at": MADE,
    }
    return App(**fields | given)


def notice(number: int = 1, **given: Any) -> Notice:
    fields: dict[str, Any] = {
        "id": number,
        "app_id": "app-1",
        "kind": NoticeKind.AUTO_DISABLED,
        "facts": {"reason": "50 deliveries were abandoned."},
        "created_at": MADE,
        "tries": 1,
    }
    return Notice(**fields | given)


class Post:
    """Of an Infirmary what the mailer needs. `failing`: how many of the next settlings fail."""

    def __init__(self, notices: Iterable[Notice]) -> None:
        self.due = list(notices)
        self.settled: asyncio.Queue[Settled] = asyncio.Queue()
        self.failing_claims = 0
        self.failing_settlings = 0

    async def claim_notices(self, *, limit: int, lease: timedelta) -> list[Notice]:
        if self.failing_claims:
            self.failing_claims -= 1
            raise StorageError("disk full")
        assert lease >= MINUTE
        claimed, self.due = self.due[:limit], self.due[limit:]
        return claimed

    async def settle_notice(
        self, notice_id: int, *, state: NoticeState, error: str = "", retry_in: timedelta | None = None
    ) -> None:
        if self.failing_settlings:
            self.failing_settlings -= 1
            raise StorageError("disk full")
        self.settled.put_nowait((notice_id, state, error, retry_in))

    async def next(self) -> Settled:
        async with asyncio.timeout(20):
            return await self.settled.get()


class OneApp:
    """Of a Directory what reads apps."""

    def __init__(self, found: App | None) -> None:
        self.app = found

    async def load_apps(self, app_ids: Sequence[str]) -> list[App]:
        return [self.app] if self.app is not None and self.app.id in app_ids else []


class Inbox:
    """A mail server's handler: keeps what comes, or answers as it is told."""

    def __init__(self, *, to_mail: str = "", to_recipient: str = "") -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.encrypted: list[bool] = []
        self.users: list[object] = []
        self.to_mail = to_mail
        self.to_recipient = to_recipient

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.to_recipient:
            return self.to_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.to_mail:
            return self.to_mail
        self.raw.append(envelope.content)
        mail: Any = message_from_bytes(envelope.content, policy=SMTP)
        self.mails.append(mail)
        self.encrypted.append(session.ssl is not None)
        self.users.append(session.auth_data)
        assert envelope.rcpt_tos == ["dev@partner.example"]
        assert envelope.mail_from == "webhooks@mail.example"
        return "250 OK"


@asynccontextmanager
async def listening(
    protocol: Callable[[], asyncio.BaseProtocol], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def server_of(inbox: Inbox, **options: Any) -> Callable[[], asyncio.BaseProtocol]:
    return lambda: aiosmtpd.smtp.SMTP(inbox, hostname="mail.example", ident="test", **options)


def loopback(port: int, **given: Any) -> Smtp:
    fields: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none"}
    return Smtp(**fields | given)


@asynccontextmanager
async def mailing(
    post: Post,
    smtp: Smtp | None,
    *,
    to: App | None = app(),  # noqa: B008 - it is frozen
    now: datetime = MADE,
    pace: MailPace = QUICK,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Mailer]:
    async def clock() -> datetime:
        return now

    infirmary: Any = post
    directory: Any = OneApp(to)
    mailer = Mailer(
        infirmary=infirmary,
        apps=AppCache(directory),
        smtp=smtp,
        sender=SENDER,
        now=clock,
        pace=pace,
        tls=tls,
    )
    mailer.start()
    try:
        yield mailer
    finally:
        await mailer.stop()


async def settled_by(
    protocol: Callable[[], asyncio.BaseProtocol], *, tls: ssl.SSLContext | None = None, **more: Any
) -> Settled:
    """What becomes of one notice with that mail server."""
    given: dict[str, Any] = {
        name: more.pop(name) for name in ("security", "user", "password") if name in more
    }
    post = Post([notice()])
    async with listening(protocol, tls=tls) as port, mailing(post, loopback(port, **given), **more):
        return await post.next()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and that of a client who knows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


def accepts(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (b"user", PASSWORD.reveal().encode())
    return AuthResult(success=right, handled=False, auth_data=data.login if right else None)


# --- what is sent


def test_a_mail_is_sent_and_settled() -> None:
    inbox = Inbox()
    assert asyncio.run(settled_by(server_of(inbox))) == (1, NoticeState.SENT, "", None)
    (mail,) = inbox.mails
    assert mail["From"] == SENDER
    assert mail["To"] == "dev@partner.example"
    assert mail["Subject"] == "Webhooks of CRM Sync were disabled"
    assert mail["Date"].datetime == MADE
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<adjourn.1.{int(MADE.timestamp())}000@mail.example>"
    assert mail.get_content_type() == "text/plain"
    assert "50 deliveries were abandoned." in mail.get_content()


def test_text_beyond_ascii_arrives_whole_on_lines_that_every_server_takes() -> None:
    inbox = Inbox()
    name = "Größe 会議 " * 20
    asyncio.run(settled_by(server_of(inbox), to=app(name=name)))
    (mail,) = inbox.mails
    assert "Größe 会議 Größe" in mail["Subject"]
    assert "Größe 会議 Größe" in mail.get_content()
    assert inbox.raw[0].isascii()
    assert max(map(len, inbox.raw[0].splitlines())) <= 78


def test_a_second_copy_has_the_same_message_id() -> None:
    first, again = (
        compose(msgspec.structs.replace(notice(), tries=tries), app(), sender=SENDER, now=MADE + tries * HOUR)
        for tries in (1, 2)
    )
    other = compose(notice(2), app(), sender=SENDER, now=MADE)
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]


@pytest.mark.parametrize("line", ["\r\nBcc: x@evil.example", "\nX", "\rX", "\x00", "\u2028X", "\x85X"])
def test_no_name_can_add_a_header(line: str) -> None:
    facts = {"url": f"https://a.example/{line}", "name": f"Auto{line}"}
    gone = notice(kind=NoticeKind.AUTOMATION_GONE, facts=facts)
    message = compose(gone, app(name=f"CRM{line}"), sender=SENDER, now=MADE)
    head = message.as_bytes().split(b"\r\n\r\n")[0]
    names = [each.split(b":")[0] for each in head.split(b"\r\n") if not each.startswith(b" ")]
    assert {each for each in names if not each.startswith((b"Content-", b"MIME-"))} == {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted")
    }


def test_the_default_sender_is_an_address_of_this_machine() -> None:
    assert default_sender().startswith("adjourn@")
    compose(notice(), app(), sender=default_sender(), now=MADE)


def test_many_notices_are_all_sent() -> None:
    async def run() -> None:
        post = Post(notice(number) for number in range(1, 14))
        async with listening(server_of(Inbox())) as port, mailing(post, loopback(port)):
            assert {(await post.next())[:2] for _ in range(13)} == {
                (number, NoticeState.SENT) for number in range(1, 14)
            }

    asyncio.run(run())


def test_a_poke_makes_it_look_at_once() -> None:
    async def run() -> None:
        post = Post([notice(1)])
        async with listening(server_of(Inbox())) as port, mailing(post, loopback(port)) as mailer:
            await post.next()
            post.due.append(notice(2))
            mailer.poke()
            assert (await post.next())[:2] == (2, NoticeState.SENT)

    asyncio.run(run())


# --- TLS and credentials


def test_a_mail_goes_over_tls(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = certificate

    async def run() -> Settled:
        post = Post([notice()])
        async with (
            listening(server_of(inbox), tls=server) as port,
            mailing(post, loopback(port, security="tls"), tls=client),
        ):
            return await post.next()

    inbox = Inbox()
    assert asyncio.run(run())[1:] == (NoticeState.SENT, "", None)


def test_with_starttls_credentials_and_mail_are_encrypted(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = certificate

    async def run() -> Settled:
        post = Post([notice()])
        protocol = server_of(inbox, tls_context=server, require_starttls=True, authenticator=accepts)
        async with (
            listening(protocol) as port,
            mailing(post, loopback(port, security="starttls", user="user", password=PASSWORD), tls=client),
        ):
            return await post.next()

    inbox = Inbox()
    assert asyncio.run(run())[1:] == (NoticeState.SENT, "", None)
    assert (inbox.encrypted, inbox.users) == ([True], [b"user"])


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    security: str, certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, _ = certificate

    async def run() -> Settled:
        post = Post([notice()])
        protocol = server_of(inbox, tls_context=server if security == "starttls" else None)
        async with (
            listening(protocol, tls=server if security == "tls" else None) as port,
            mailing(post, loopback(port, security=security, user="user", password=PASSWORD)),
        ):
            return await post.next()

    inbox = Inbox()
    _, state, error, _ = asyncio.run(run())
    assert (state, inbox.mails) == (NoticeState.WAITING, [])
    assert "certificate" in error


def test_without_starttls_no_credentials_are_sent_that_need_it() -> None:
    seen: list[object] = []

    def spy(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append(data)
        return AuthResult(success=True)

    _, state, error, _ = asyncio.run(
        settled_by(
            server_of(Inbox(), authenticator=spy, auth_require_tls=False),
            security="starttls",
            user="user",
            password=PASSWORD,
        )
    )
    assert (state, seen) == (NoticeState.WAITING, [])
    assert "STARTTLS" in error


@pytest.mark.parametrize(("password", "state"), [(PASSWORD, "sent"), (Secret("hidden-wrong"), "waiting")])
def test_credentials_are_right_or_the_refusal_names_none(
    password: Secret, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    protocol = server_of(Inbox(), authenticator=accepts, auth_require_tls=False)
    found = asyncio.run(settled_by(protocol, user="user", password=password))
    assert found[1] == state
    if state == "waiting":
        assert found[2] == "the mail server refused the credentials (535)"
        assert "credentials (535)" in caplog.text
    assert "hidden" not in caplog.text
    assert "user" not in caplog.text


def test_a_server_that_knows_no_credentials_is_not_sent_any() -> None:
    _, state, error, _ = asyncio.run(settled_by(server_of(Inbox()), user="user", password=PASSWORD))
    assert state is NoticeState.WAITING
    assert "AUTH" in error


# --- what fails


@pytest.mark.parametrize(
    ("inbox", "error"),
    [
        (
            Inbox(to_recipient="451 4.7.1 Greylisted, come back later"),
            "the mail server refused the recipient: 451 4.7.1 Greylisted, come back later",
        ),
        (
            Inbox(to_recipient="550 5.1.1 No such user"),
            "the mail server refused the recipient: 550 5.1.1 No such user",
        ),
        (Inbox(to_mail="452 4.3.1 Disk full"), "the mail server answered 452 4.3.1 Disk full"),
        (Inbox(to_mail="554 5.7.1 Spam"), "the mail server answered 554 5.7.1 Spam"),
        (Inbox(to_mail="554 " + "long " * 90), ("the mail server answered 554 " + "long " * 90)[:300]),
    ],
)
def test_a_refusal_is_recorded_logged_and_tried_again(
    inbox: Inbox, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(settled_by(server_of(inbox))) == (1, NoticeState.WAITING, error, MINUTE)
    assert [each.levelname for each in caplog.records if each.name.startswith("adjourn")] == ["WARNING"]
    assert (
        f"mail to the contact of app app-1 ('CRM Sync') failed, trying again in 0:01:00: {error}"
        in caplog.text
    )


class Silent(asyncio.Protocol):
    """Takes connections and says what it is told, then nothing more."""

    def __init__(self, greeting: bytes = b"", *, closes: bool = False) -> None:
        self._greeting = greeting
        self._closes = closes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._greeting)
        if self._closes:
            transport.close()


@pytest.mark.parametrize(
    "pace",
    [
        MailPace(look=1000, after_error=0, connect=0.05, whole=20),
        MailPace(look=1000, after_error=0, connect=20, whole=0.05),
    ],
)
@pytest.mark.parametrize("greeting", [b"", b"220 mail.example\r\n", b"220-more"])
def test_a_server_that_hangs_is_given_up_in_time(greeting: bytes, pace: MailPace) -> None:
    found = asyncio.run(settled_by(lambda: Silent(greeting), pace=pace))
    assert found == (1, NoticeState.WAITING, "the mail server did not answer in time", MINUTE)


@pytest.mark.parametrize(
    "greeting", [b"", b"220 mail.example\r\n", b"\x00\xff\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"]
)
def test_a_server_that_makes_no_sense_is_a_failure(greeting: bytes) -> None:
    _, state, error, _ = asyncio.run(settled_by(lambda: Silent(greeting, closes=True)))
    assert state is NoticeState.WAITING
    assert error


def test_no_server_at_all_is_a_failure() -> None:
    async def run() -> Settled:
        post = Post([notice()])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        async with mailing(post, loopback(port)):
            return await post.next()

    _, state, error, wait = asyncio.run(run())
    assert (state, wait) == (NoticeState.WAITING, MINUTE)
    assert "connect" in error.lower()


def test_a_fault_of_ours_is_logged_and_paced_like_any_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> Settled:
        post = Post([notice()])
        async with mailing(post, loopback(70_000)):  # a port that Settings would have refused
            return await post.next()

    found = asyncio.run(run())
    assert found == (1, NoticeState.WAITING, "internal error: the mail could not be made", MINUTE)
    assert "OverflowError" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@",
        "@b",
        "a b@c",
        "a@b, c@d",
        "a<b@c>",
        "a@b>",
        '"@b',
        "a@b\r\nDATA",
        "a\x00@b",
        "x:a@b;",
    ],
)
def test_an_address_that_is_none_fails_cleanly_and_alone(address: str) -> None:
    inbox = Inbox()
    _, state, error, wait = asyncio.run(settled_by(server_of(inbox), to=app(primary_contact_email=address)))
    assert (state, wait, inbox.mails) == (NoticeState.WAITING, MINUTE, [])  # the address may be mended
    assert error == f"{address!r} is no e-mail address"


def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    _, state, error, _ = asyncio.run(
        settled_by(server_of(Inbox()), to=app(primary_contact_email="dév@partner.example"))
    )
    assert state is NoticeState.WAITING
    assert "SMTPUTF8" in error


def test_an_app_deleted_meanwhile_is_a_failure_for_good() -> None:
    found = asyncio.run(settled_by(server_of(Inbox()), to=None))
    assert found == (1, NoticeState.FAILED, "the app was deleted", None)


def test_after_a_day_it_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    found = asyncio.run(settled_by(server_of(Inbox(to_mail="554 no")), now=MADE + 24 * HOUR))
    assert found == (1, NoticeState.FAILED, "the mail server answered 554 no", None)
    assert "failed, given up: " in caplog.text


@pytest.mark.parametrize(
    ("tries", "after", "wait"),
    [
        (1, timedelta(0), MINUTE),
        (2, MINUTE, 5 * MINUTE),
        (3, 6 * MINUTE, 30 * MINUTE),
        (4, 36 * MINUTE, HOUR),
        (20, 17 * HOUR, HOUR),
        (27, 23 * HOUR, HOUR),
        (27, 23 * HOUR + MINUTE, 59 * MINUTE),
        (28, 24 * HOUR - timedelta(seconds=1), timedelta(seconds=1)),
        (28, 24 * HOUR, None),
        (1, 24 * HOUR, None),
    ],
)
def test_the_waits_between_tries(tries: int, after: timedelta, wait: timedelta | None) -> None:
    assert retry_in(notice(tries=tries), MADE + after) == wait


def test_without_a_mail_server_it_is_logged_instead(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> Settled:
        post = Post([notice()])
        async with mailing(post, None):
            return await post.next()

    assert asyncio.run(run()) == (1, NoticeState.NOT_CONFIGURED, "", None)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message == (
        "no mail server is set, so app app-1 ('CRM Sync') is not told: Webhooks of CRM Sync were disabled"
    )


@pytest.mark.parametrize("smtp", [None, Smtp(host="127.0.0.1", port=9, security="none")])
def test_a_name_forges_no_line_of_the_log(smtp: Smtp | None, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> Settled:
        post = Post([notice()])
        async with mailing(post, smtp, to=app(name="CRM\r\nCRITICAL forged\x1b[2J\u2028")):
            return await post.next()

    asyncio.run(run())
    (record,) = caplog.records
    assert record.message.isprintable()
    assert "('CRM\\r\\nCRITICAL forged\\x1b[2J\\u2028')" in record.message


@pytest.mark.parametrize("failing", ["failing_claims", "failing_settlings"])
def test_a_store_that_fails_stops_nothing(failing: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        post = Post([notice(1), notice(2)])
        setattr(post, failing, 1)
        async with mailing(post, None):
            assert (await post.next())[1] is NoticeState.NOT_CONFIGURED

    asyncio.run(run())
    assert "failed, trying again: disk full" in caplog.text


def test_a_stop_ends_a_mail_that_hangs() -> None:
    async def run() -> None:
        connected = asyncio.Event()

        class Hanging(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connected.set()

        post = Post([notice()])
        async with listening(Hanging) as port, mailing(post, loopback(port)) as mailer:
            await connected.wait()
            await mailer.stop(timedelta(0))
        assert post.settled.empty()

    asyncio.run(run())
