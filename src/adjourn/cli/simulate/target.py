"""The receiver under test, as its sender sees it: requests out, answers and how long they took in."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import httpx
from msgspec import Struct

from adjourn import __version__
from adjourn.cli.answers import read_start
from adjourn.cli.failure import Exit, Failure
from adjourn.cli.simulate.author import Request

__all__ = ["Answer", "Target"]

RECEIPT_HEADER = "adjourn-receipt"
_AGENT = f"Adjourn/{__version__} (simulate)"
_LONGEST_READ = 64 << 10  # bytes of an answer's body


class Answer(Struct, frozen=True, kw_only=True):
    """`status` is 0 where none came, and `fault` says why. `body` is its start. `receipt`: new, duplicate."""

    status: int
    seconds: float
    body: bytes = b""
    fault: str = ""
    receipt: str | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Target:
    """Sends to one URL over connections that are kept. `timeout`: seconds for each of connecting and waiting.

    `clock` gives seconds; `on_sent` is told of each request. Safe to share between threads. What cannot be
    connected to raises Failure; whatever else goes wrong is an Answer.
    """

    def __init__(
        self, url: str, *, timeout: float, clock: Callable[[], float], on_sent: Callable[[], object]
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._clock = clock
        self._on_sent = on_sent
        self._count = Lock()
        self.sent = 0
        self._client = httpx.Client(
            timeout=timeout, follow_redirects=False, trust_env=False, headers={"User-Agent": _AGENT}
        )

    def __enter__(self) -> "Target":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, request: Request) -> Answer:
        return self._ask("POST", request)

    def send_together(self, request: Request, *, count: int) -> Sequence[Answer]:
        """The same request so many times at once."""
        ready = Barrier(count)

        def send(_: int) -> Answer:
            ready.wait()
            return self.send(request)

        with ThreadPoolExecutor(count) as pool:
            return [*pool.map(send, range(count))]

    def get(self) -> Answer:
        """What anybody gets who opens the URL."""
        return self._ask("GET", Request(headers=(), body=b""))

    def _ask(self, method: str, request: Request) -> Answer:
        start = self._clock()
        content = request.body if method == "POST" else None
        try:
            with self._client.stream(
                method, self.url, content=content, headers=[*request.headers]
            ) as response:
                until = start + self._timeout
                body = read_start(response, longest=_LONGEST_READ, until=until, clock=self._clock)
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            reason = f"cannot connect to {self.url}: {exc}"
            raise Failure(Exit.UNREACHABLE, reason, hint="is the receiver running there?") from exc
        except (httpx.HTTPError, httpx.StreamError) as exc:
            return Answer(status=0, seconds=self._clock() - start, fault=self._name(exc))
        finally:
            with self._count:
                self.sent += 1
            self._on_sent()
        return Answer(
            status=response.status_code,
            seconds=self._clock() - start,
            body=body,
            receipt=response.headers.get(RECEIPT_HEADER),
        )

    def _name(self, exc: Exception) -> str:
        if isinstance(exc, httpx.TimeoutException):
            return f"no answer within {self._timeout:g} s"
        return f"no answer: {exc}" if str(exc) else "no answer: the connection was closed"
