"""How often a key may ask: CONTRACTS 1.7, "Rate limits"."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from tests.api.harness import Api, open_api, sample

from adjourn.api.limits import OwnWindows, RateLimit, SharedWindows
from adjourn.api.problems import Problem


class Clock:
    """Seconds, as a test turns them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(limit: RateLimit, key: str = "a") -> Mapping[str, str]:
    with pytest.raises(Problem) as raised:
        limit.count(key)
    assert (raised.value.status, raised.value.code) == (429, "rate_limit_exceeded")
    return raised.value.headers


def rate(remaining: int, reset: int, limit: int = 2) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


def test_the_request_after_the_last_is_refused_until_its_minute_ends() -> None:
    limit = RateLimit(2, clock=(clock := Clock()))
    assert limit.count("a") == rate(1, 60)
    clock.now += 20.5
    assert limit.count("a") == rate(0, 40)
    assert refused(limit) == {**rate(0, 40), "Retry-After": "40"}
    clock.now += 39.4
    assert refused(limit) == {**rate(0, 1), "Retry-After": "1"}
    clock.now = 1060.0
    assert limit.count("a") == rate(1, 60)


def test_a_key_is_not_held_back_by_another() -> None:
    limit = RateLimit(1, clock=Clock())
    limit.count("a")
    refused(limit, "a")
    assert limit.count("b") == rate(0, 60, limit=1)


def test_only_the_keys_of_the_last_minute_are_remembered() -> None:
    windows = OwnWindows()
    limit = RateLimit(1, clock=(clock := Clock()), windows=windows)
    for number in range(100):
        limit.count(str(number))
        clock.now += 1
    assert len(windows) == 60


class TestProcessesOfOneNode:
    """Each has windows of its own over the file that all were given."""

    @pytest.fixture
    def file(self) -> Iterator[int]:
        file = SharedWindows.make_file()
        yield file
        os.close(file)

    def test_they_count_together(self, file: int) -> None:
        clock = Clock()
        first, second = (RateLimit(3, clock=clock, windows=SharedWindows(file)) for _ in range(2))
        assert first.count("a") == rate(2, 60, limit=3)
        clock.now += 20
        assert second.count("a") == rate(1, 40, limit=3)
        assert first.count("a") == rate(0, 40, limit=3)
        refused(second)
        clock.now += 40
        assert second.count("a") == rate(2, 60, limit=3)

    def test_limits_of_different_nouns_share_it(self, file: int) -> None:
        apps, keys = (
            RateLimit(1, clock=Clock(), windows=SharedWindows(file), noun=noun) for noun in ("app", "key")
        )
        apps.count("a")
        keys.count("a")
        refused(apps)

    def test_many_keys_are_counted_each(self, file: int) -> None:
        limit = RateLimit(1, clock=Clock(), windows=SharedWindows(file))
        names = [f"app-{number}" for number in range(5000)]
        for name in names:
            limit.count(name)
        for name in names:
            refused(limit, name)

    def test_one_that_is_stopped_while_it_counts_holds_nobody_up(self, file: int) -> None:
        windows = SharedWindows(file)
        program = (
            "import fcntl, sys; fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX); print('', flush=True); input()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", program, str(file)],
            pass_fds=[file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            assert [windows.count("a", 1.0)[1] for _ in range(3)] == [0, 1, 2]
            holder.kill()

    def test_processes_that_count_at_once_miss_none(self, file: int) -> None:
        program = (
            "import sys; from adjourn.api.limits import SharedWindows as S; windows = S(int(sys.argv[1]))\n"
            "for _ in range(2000): windows.count('a', 1.0)"
        )
        command = [sys.executable, "-c", program, str(file)]
        for process in [subprocess.Popen(command, pass_fds=[file]) for _ in range(2)]:
            assert process.wait() == 0
        assert SharedWindows(file).count("a", 1.0) == (61.0, 4000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(tmp_path: Path, anyio_backend: str, clock: Clock) -> AsyncIterator[Api]:
    limits = {"platform_rate_limit": 5, "partner_rate_limit": 2}
    async with open_api(tmp_path, lambda received: 200, clock=clock, **limits) as opened:
        yield opened


def told(answer: httpx.Response) -> tuple[int, str, str, str | None]:
    """The status, how many are left, when there are more, and how long to wait."""
    headers = answer.headers
    return (
        answer.status_code,
        headers["ratelimit-remaining"],
        headers["ratelimit-reset"],
        headers.get("retry-after"),
    )


@pytest.mark.anyio
async def test_each_app_has_a_limit_of_its_own(api: Api, clock: Clock) -> None:
    first, second = [api.partner(await api.create_app(name=name)) for name in ("First", "Second")]
    assert told(await first.get("/v1/partner/admin/app")) == (200, "1", "60", None)
    assert told(await first.get("/v1/partner/admin/webhook-deliveries/none")) == (404, "0", "60", None)
    refusal = await first.get("/v1/partner/admin/app")
    assert told(refusal) == (429, "0", "60", "60")
    assert refusal.json()["message"] == "more than 2 requests a minute for this app; ask again in 60 s"
    assert told(await second.get("/v1/partner/admin/app")) == (200, "1", "60", None)
    clock.now += 60
    assert told(await first.get("/v1/partner/admin/app")) == (200, "1", "60", None)


@pytest.mark.anyio
async def test_the_platforms_limit_counts_publishing_too(api: Api) -> None:
    created = await api.platform.post("/v1/platform/events", json=sample("meeting.created"))
    assert told(created) == (202, "4", "60", None)
    assert told(await api.platform.post("/v1/platform/events", json={})) == (400, "3", "60", None)
    assert told(await api.platform.get("/v1/platform/apps")) == (200, "2", "60", None)
    assert told(await api.platform.get("/v1/platform/none")) == (404, "1", "60", None)
    assert told(await api.platform.get("/v1/platform/apps?limit=0")) == (400, "0", "60", None)
    for path in ("/v1/platform/apps", "/v1/platform/events"):
        answer = await api.platform.post(path, json={})
        assert told(answer) == (429, "0", "60", "60")
        assert answer.json()["code"] == "rate_limit_exceeded"
        assert answer.json()["message"] == "more than 5 requests a minute for this key; ask again in 60 s"


@pytest.mark.anyio
async def test_a_wrong_key_uses_up_nobodys_limit(api: Api) -> None:
    for _ in range(6):
        answer = await api.client({"Authorization": "Bearer wrong"}).get("/v1/platform/apps")
        assert (answer.status_code, "ratelimit-limit" in answer.headers) == (401, False)
    assert told(await api.platform.get("/v1/platform/apps")) == (200, "4", "60", None)


@pytest.mark.anyio
async def test_the_platform_has_no_limit_unless_one_is_set(tmp_path: Path) -> None:
    async with open_api(tmp_path, lambda received: 200) as api:
        assert "ratelimit-limit" not in (await api.platform.get("/v1/platform/apps")).headers
