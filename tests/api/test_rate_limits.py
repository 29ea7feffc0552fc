"""How often a key may ask: CONTRACTS 1.7, "Rate limits"."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from tests.api.harness import Api, open_api, sample

from adjourn.api.limits import RateLimit
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
    limit = RateLimit(1, clock=(clock := Clock()))
    for number in range(100):
        limit.count(str(number))
        clock.now += 1
    assert len(limit) == 60


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
