"""Read the answer to a request: bytes in, a Reply out. No more is read, and no more kept, than its limits."""

import httptools

from adjourn.sending.policy import Reply
from adjourn.sending.replies import (
    KEPT,
    KEPT_HEADERS,
    MOST_INTERIM,
    READ,
    RETRY_AFTER,
    answered,
)

__all__ = ["Answer", "KnownAnswers", "NotHttp"]

_MOST_HEAD = 65536  # bytes, of interim answers and the answer together
_MOST = _MOST_HEAD + READ  # bytes in all: the framing of chunks, and trailers, count too
_FIRST, _SWITCHING, _FINAL = 100, 101, 200  # statuses: the lowest there is; the 1xx that is final; the others
_LAST_OF_CRLF = 13  # a byte after the answer that begins no other one is CR (13) or LF (10)
_RETRY_AFTER = RETRY_AFTER.encode()
_MOST_KNOWN = 512  # answers that are remembered
_LONGEST_KNOWN = 1024  # bytes


class NotHttp(Exception):
    """What came is no answer, and says why."""


class _Enough(Exception):
    """Stops the parser from within."""


class KnownAnswers:
    """Whole answers as they came, byte for byte, and what the parser made of them.

    A busy endpoint says the same again and again. Only what came at once, and left no doubt, is remembered.
    """

    def __init__(self) -> None:
        self._replies: dict[bytes, Reply] = {}
        self.find = self._replies.get

    def add(self, data: bytes, reply: Reply) -> None:
        if len(data) <= _LONGEST_KNOWN:
            if len(self._replies) >= _MOST_KNOWN:
                self._replies.clear()
            self._replies[data] = reply


class Answer:
    """Reads one answer after another off a connection: `begin`, then `feed` until `is_over`.

    `status` is known once the head is whole; what follows may be cut off, for the status decides.
    """

    def __init__(self, known: KnownAnswers) -> None:
        self._known = known
        self._parser = httptools.HttpResponseParser(self)  # goes on from one answer to the next
        self._is_lenient = False
        self.begin()

    def begin(self, *, has_body: bool = True) -> None:
        """Before each request. `has_body`: whether the method lets the answer have one; HEAD does not."""
        self.status: int | None = None
        self.heard = False  # any byte of it
        self.is_over = False
        self._has_body = has_body
        self._again: Reply | None = None  # it is one that is known

    def _begin_to_parse(self) -> None:
        self._is_whole = False
        self._may_go_on = False  # by its head
        self._surplus = False
        self._fault = ""
        self._interim = 0
        self._seen = 0  # bytes
        self._unparsed = b""  # all that came, until there is a status
        self._read = 0  # bytes of the body
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._start = b""

    @property
    def is_clean(self) -> bool:
        """It came to its end, nothing came after it, and the endpoint will take another request."""
        if self._again is not None:
            return True
        return self._is_whole and self._may_go_on and not self._surplus and self._read <= READ

    def feed(self, data: bytes) -> None:
        """Raises NotHttp."""
        if not self.heard:
            self.heard = True
            # The parser stands where each answer begins: the same bytes would end in the same.
            self._again = self._known.find(data) if self._has_body else None
            if self._again is not None:
                self.is_over = True
                return
            self._begin_to_parse()
            self._first = data
        while data and not self.is_over:
            piece = data[: (_MOST_HEAD if self.status is None else _MOST) - self._seen]
            if not piece:
                self._overflow()
                return
            self._seen += len(piece)
            data = data[len(piece) :]
            if self.status is None:
                self._unparsed += piece
            self._parse(piece)
        if data:
            self._surplus = True

    def reply(self) -> Reply:
        """Once there is a status."""
        if self._again is not None:
            return self._again
        assert self.status is not None
        headers = [(_text(name), _text(value)) for name, value in self._headers]
        reply = answered(self.status, _text(self._reason), headers, self._start)
        if self.is_clean and len(self._first) == self._seen:
            self._known.add(self._first, reply)
        return reply

    def forget(self) -> None:
        """Let go of the parser, which refers back to this. Nothing is fed any more."""
        del self._parser

    def _overflow(self) -> None:
        if self.status is None:
            raise NotHttp(f"more than {_MOST_HEAD >> 10} KiB before the body")
        self.is_over = True

    def _parse(self, data: bytes) -> None:
        try:
            if data[-1] <= _LAST_OF_CRLF and len(data) > 1:
                # The parser passes over line ends after an answer: its last byte must be what ends it.
                self._parser.feed_data(data[:-1])
                self._surplus = self._surplus or self._is_whole
                data = data[-1:]
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._surplus = True
        except httptools.HttpParserError as exc:
            if self.status is not None:
                self._surplus = self.is_over = True
            elif self._fault or self._is_lenient:
                raise NotHttp(self._fault or " ".join(str(exc).split())) from exc
            else:
                self._parse_leniently()
        self.is_over = self.is_over or self._is_whole or self._read > READ

    def _parse_leniently(self) -> None:
        """Once more: some servers end lines without CR. Their connections are not kept."""
        self._is_lenient = True
        self._interim = 0
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._parse(self._unparsed)

    # what the parser calls

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._surplus = True
            raise _Enough
        self._reason = b""
        self._headers = []

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status is None and (len(self._headers) < KEPT_HEADERS or name.lower() == _RETRY_AFTER):
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FIRST:
            self._stop("the status is no status")
        if status < _FINAL and status != _SWITCHING:
            self._interim += 1
            if self._interim > MOST_INTERIM:
                self._stop(f"more than {MOST_INTERIM} interim (1xx) answers")
            return
        self.status = status
        self._unparsed = b""
        self._may_go_on = (
            self._has_body
            and not self._is_lenient
            and status != _SWITCHING
            and self._parser.should_keep_alive()
            and self._parser.get_http_version() == "1.1"
        )
        if not self._has_body:
            self._is_whole = True
            raise _Enough

    def on_body(self, data: bytes) -> None:
        self._read += len(data)
        if len(self._start) < KEPT:
            self._start += data[: KEPT - len(self._start)]

    def on_message_complete(self) -> None:
        self._is_whole = self.status is not None  # else: an interim answer

    def _stop(self, fault: str) -> None:
        self._fault = fault
        raise _Enough


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
