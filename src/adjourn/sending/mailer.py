"""Sends the notices that wait in the store to each app's primary contact, at least once.

A mail that fails changes nothing else: it is logged, recorded, and tried again for a day. Every try reads
the app anew, so an address that was mended serves what waits.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

import aiosmtplib
import msgspec
from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from adjourn.config import Smtp
from adjourn.models import App, Notice, NoticeState
from adjourn.repeating import Repeating
from adjourn.sending.apps import AppCache
from adjourn.sending.notices import render
from adjourn.storage.base import Infirmary

__all__ = ["MailPace", "Mailer", "compose", "default_sender", "retry_in"]

_log = logging.getLogger(__name__)

_RETRY_DELAYS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
)  # as webhooks: CONTRACTS 1.5
_RETRY_THEN = timedelta(hours=1)
_GIVE_UP = timedelta(hours=24)  # after the notice was made
_AT_ONCE = 5  # mails sent side by side
_LEASE = timedelta(minutes=2)  # longer than any try takes
_GRACE = timedelta(seconds=5)  # for mails under way, when the mailer is to stop
_LONGEST_ERROR = 300  # characters
_LONGEST_ADDRESS = 100  # characters that an error repeats
_LIBRARY = (SMTPException, OSError, TimeoutError, ValueError)  # UnicodeError is a ValueError


class MailPace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the mailer looks, and how long a mail server may take; all in seconds."""

    look: float = 1.0
    after_error: float = 5.0
    connect: float = 10.0  # and for each answer
    whole: float = 30.0  # mail


class Mailer:
    """One process's part in the mailing. `start` it, then `stop` it.

    `sender` is the From of each mail. Without a mail server (`smtp`) each notice is logged instead. `now`
    is the store's clock; `tls` is for servers whose certificate the machine does not know.
    """

    def __init__(
        self,
        *,
        infirmary: Infirmary,
        apps: AppCache,
        smtp: Smtp | None,
        sender: str,
        now: Callable[[], Awaitable[datetime]],
        pace: MailPace = MailPace(),  # noqa: B008 - it is frozen
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._infirmary = infirmary
        self._apps = apps
        self._smtp = smtp
        self._sender = sender
        self._now = now
        self._pace = pace
        self._tls = tls
        self._sending = Repeating(self._send_due, every=pace.look, after_error=pace.after_error)

    def start(self) -> None:
        self._sending.start()

    async def stop(self, grace: timedelta = _GRACE) -> None:
        """Let the mails under way end; past the grace they are left, and sent again by whoever comes next."""
        await self._sending.stop(grace)

    def poke(self) -> None:
        """A notice was made: look at once."""
        self._sending.wake()

    async def _send_due(self) -> None:
        notices = await self._infirmary.claim_notices(limit=_AT_ONCE, lease=_LEASE)
        results = await asyncio.gather(*map(self._handle, notices), return_exceptions=True)
        if len(notices) == _AT_ONCE:
            self.poke()
        for failure in filter(None, results):  # of the store: the lease runs out, and it is tried again
            raise failure

    async def _handle(self, notice: Notice) -> None:
        await self._apps.reload([notice.app_id])
        app = self._apps.find(notice.app_id)
        if app is None:
            await self._settle(notice, NoticeState.FAILED, error="the app was deleted")
        elif self._smtp is None:
            subject, _ = render(notice, app)
            _log.warning("no mail server is set, so app %s (%r) is not told: %s", app.id, app.name, subject)
            await self._settle(notice, NoticeState.NOT_CONFIGURED)
        elif error := await self._try(notice, app, self._smtp):
            await self._fail(notice, app, error)
        else:
            await self._settle(notice, NoticeState.SENT)

    async def _try(self, notice: Notice, app: App, smtp: Smtp) -> str:
        """What went wrong, in words; "" if the server took the mail."""
        now = await self._now()
        try:
            await self._send(compose(notice, app, sender=self._sender, now=now), smtp)
        except _LIBRARY as exc:
            return _in_words(exc)
        except Exception:  # a fault of ours: on record as a failed try, so that the next is paced
            _log.exception("notice %d could not be mailed", notice.id)
            return "internal error: the mail could not be made"
        return ""

    async def _send(self, message: EmailMessage, smtp: Smtp) -> None:
        client = aiosmtplib.SMTP(
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.user,
            password=None if smtp.password is None else smtp.password.reveal(),
            use_tls=smtp.security == "tls",
            start_tls=smtp.security == "starttls",
            timeout=self._pace.connect,
            local_hostname=_domain(self._sender),
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(self._pace.whole):
                await client.connect()
                await client.send_message(message)
            with contextlib.suppress(*_LIBRARY):  # it has the mail
                await client.quit()
        finally:
            client.close()

    async def _fail(self, notice: Notice, app: App, error: str) -> None:
        wait = retry_in(notice, await self._now())
        then = "given up" if wait is None else f"trying again in {wait}"
        _log.warning("mail to the contact of app %s (%r) failed, %s: %s", app.id, app.name, then, error)
        state = NoticeState.FAILED if wait is None else NoticeState.WAITING
        await self._settle(notice, state, error=error, retry_in=wait)

    async def _settle(
        self, notice: Notice, state: NoticeState, *, error: str = "", retry_in: timedelta | None = None
    ) -> None:
        await self._infirmary.settle_notice(notice.id, state=state, error=error, retry_in=retry_in)


def retry_in(notice: Notice, now: datetime) -> timedelta | None:
    """How long a notice waits whose try number `tries` has just failed; None: no more.

    The last try is a day after it was made.
    """
    left = notice.created_at + _GIVE_UP - now
    if left <= timedelta(0):
        return None
    delay = _RETRY_DELAYS[notice.tries - 1] if notice.tries <= len(_RETRY_DELAYS) else _RETRY_THEN
    return min(delay, left)


def compose(notice: Notice, app: App, *, sender: str, now: datetime) -> EmailMessage:
    """The mail. Its Message-ID is the notice's own: of two copies a reader's program shows one.

    Raises ValueError for an address that no header can carry.
    """
    subject, text = render(notice, app)
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # not every server takes 8 bits
    message["From"] = sender
    message["To"] = _address(app.primary_contact_email)
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    made_ms = int(notice.created_at.timestamp() * 1000)
    message["Message-ID"] = f"<adjourn.{notice.id}.{made_ms}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(text)
    return message


def default_sender() -> str:
    """adjourn@ this machine. It may ask the name service: once, at the start."""
    name = socket.getfqdn()
    return f"adjourn@{name if name.isascii() and name else 'localhost'}"


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].rstrip(">")


def _address(text: str) -> Address:
    """Raises ValueError for what is not one plain address, whatever else the parser makes of it."""
    try:
        header: Any = HeaderRegistry()("to", text)
    except (LookupError, AttributeError, TypeError) as exc:  # the parser's guesses may end in any
        raise ValueError(f"{text[:_LONGEST_ADDRESS]!r} is no e-mail address") from exc
    if [each.addr_spec for each in header.addresses] == [text] and "@" in text and text.isprintable():
        address: Address = header.addresses[0]
        return address
    raise ValueError(f"{text[:_LONGEST_ADDRESS]!r} is no e-mail address")


def _in_words(exc: Exception) -> str:
    """Fit for the log and for whoever asks why. What a server says of credentials is left out."""
    match exc:
        case SMTPAuthenticationError():
            text = f"the mail server refused the credentials ({exc.code})"
        case SMTPRecipientsRefused(recipients=[refused, *_]):
            text = f"the mail server refused the recipient: {refused.code} {refused.message}"
        case SMTPResponseException():
            text = f"the mail server answered {exc.code} {exc.message}"
        case TimeoutError():
            text = "the mail server did not answer in time"
        case _:
            text = str(exc) or type(exc).__name__
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:_LONGEST_ERROR]
