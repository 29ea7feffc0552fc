"""What is tried again, when, and how often."""

from datetime import UTC, datetime
from random import Random

import httpx
import pytest
from tests.client.harness import Server, ok, problem

from adjourn.client import BadRequest, Conflict, ConnectionFailed, RateLimited, Unavailable
from adjourn.client.retries import retry_after, wait_before

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        problem(500),
        problem(503, retry_after="1"),
        httpx.Response(502, html="<html>"),
        problem(429, retry_after="1"),
        problem(409, retry_after="1"),  # the first try is still running
    ],
)
class TestRepeating:
    def test_what_may_pass_is_tried_again(self, failure: httpx.Response | Exception) -> None:
        server = Server(failure, failure, ok())
        assert server.admin().get_app().id == "app-1"
        assert (len(server.asked), len(server.slept)) == (3, 2)

    @pytest.mark.anyio
    async def test_what_may_pass_is_tried_again_async(self, failure: httpx.Response | Exception) -> None:
        server = Server(failure, failure, ok())
        assert (await server.async_admin().get_app()).id == "app-1"
        assert (len(server.asked), len(server.slept)) == (3, 2)

    def test_the_number_of_retries_is_bounded(self, failure: httpx.Response | Exception) -> None:
        for retries in (0, 1, 3):
            server = Server(failure)
            with pytest.raises((ConnectionFailed, Unavailable, RateLimited, Conflict)):
                server.admin(retries=retries).get_app()
            assert (len(server.asked), len(server.slept)) == (retries + 1, retries)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    server = Server(problem(status))
    with pytest.raises(Exception, match="no"):
        server.admin().get_app()
    assert (len(server.asked), server.slept) == (1, [])


def test_an_answer_that_is_none_of_the_api_is_not_tried_again() -> None:
    server = Server(httpx.Response(200, html="<html>"))
    with pytest.raises(Exception, match="answered 200"):
        server.admin().get_app()
    assert len(server.asked) == 1


class TestIdempotencyKey:
    RETRIED = ok({"message": "m", "retry_scheduled": True})

    def keys(self, server: Server) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in server.asked]

    def test_every_try_of_a_post_has_the_same(self) -> None:
        server = Server(problem(503), httpx.ConnectError("refused"), self.RETRIED)
        server.admin().retry_webhook_delivery("d-1")
        first, *others = self.keys(server)
        assert first
        assert others == [first, first]

    def test_every_call_has_its_own(self) -> None:
        server = Server(self.RETRIED)
        admin = server.admin()
        for _ in range(2):
            admin.retry_webhook_delivery("d-1")
        assert len(set(self.keys(server))) == 2

    def test_the_callers_own_is_taken(self) -> None:
        server = Server(self.RETRIED)
        server.admin().retry_webhook_delivery("d-1", idempotency_key="mine")
        assert self.keys(server) == ["mine"]

    def test_only_a_post_has_one(self) -> None:
        server = Server(ok())
        admin = server.admin()
        admin.get_app()
        admin.update_app(name="Acme 2")
        admin.remove_webhook_filter()
        assert self.keys(server) == [None, None, None]


class TestWaits:
    def test_they_double_up_to_eight_seconds_with_half_of_each_by_chance(self) -> None:
        for retry_no, longest in enumerate([0.5, 1, 2, 4, 8, 8], 1):
            waits = [wait_before(retry_no, Unavailable("no"), Random(seed)) for seed in range(50)]
            assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
            assert len(set(waits)) > 40

    def test_retry_after_is_waited_for(self) -> None:
        server = Server(problem(429, retry_after="17"), problem(503, retry_after="60"), ok())
        server.admin().get_app()
        assert server.slept == [17.0, 60.0]

    def test_more_than_a_minute_is_left_to_the_caller(self) -> None:
        server = Server(problem(429, retry_after="61"))
        with pytest.raises(RateLimited) as caught:
            server.admin().get_app()
        assert caught.value.retry_after == 61.0
        assert (len(server.asked), server.slept) == (1, [])

    def test_a_retry_after_of_nothing_waits_as_if_there_were_none(self) -> None:
        assert wait_before(3, Unavailable("no", retry_after=0.0), Random(1)) >= 1.0  # type: ignore[operator]

    def test_what_waiting_does_not_mend_is_not_waited_for(self) -> None:
        assert wait_before(1, BadRequest("no", retry_after=1.0), Random(1)) is None
        assert wait_before(1, Conflict("taken"), Random(1)) is None

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0.0),
            (" 120 ", 120.0),
            ("Thu, 15 Jan 2026 10:30:09 GMT", 9.0),
            ("Thu, 15 Jan 2026 10:30:09 -0000", 9.0),
            ("Thu, 15 Jan 2026 11:30:09 +0100", 9.0),
            ("Thu, 15 Jan 2026 10:29:00 GMT", 0.0),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("٣", None),
            ("Thu, 99 Jan 2026 10:30:09 GMT", None),
        ],
    )
    def test_the_header_is_seconds_or_a_date(self, text: str, seconds: float | None) -> None:
        assert retry_after({"retry-after": text}, NOW) == seconds

    def test_without_the_header(self) -> None:
        assert retry_after({}, NOW) is None
