"""GET /v1/platform/events/{id}?partner_app_id: what became of an event for one app."""

from typing import Any

import pytest
from tests.api.harness import Api, check_problem, sample

pytestmark = pytest.mark.anyio


async def outcomes(api: Api, accepted: dict[str, Any], created: dict[str, Any]) -> list[dict[str, Any]]:
    path = f"/v1/platform/events/{accepted['id']}?partner_app_id={created['app']['id']}"
    answer = await api.platform.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["outcomes"]
    return found


async def test_only_that_apps_outcomes_are_told(api: Api) -> None:
    apps = [await api.create_app(name=name) for name in ("one", "two", "three")]
    for created in apps[:2]:
        await api.connect(created, "ana")
    await api.connect(apps[0], "ben")
    body = {**sample("meeting.created"), "audience": {"user_ids": ["ana", "ben", "eve"]}}
    accepted = await api.publish(body)
    assert [each["user_id"] for each in await outcomes(api, accepted, apps[0])] == ["ana", "ben"]
    assert [each["partner_app_name"] for each in await outcomes(api, accepted, apps[1])] == ["two"]
    (never,) = await outcomes(api, accepted, apps[2])
    assert (never["outcome"], never["partner_app_name"]) == ("not_connected", "three")
    assert never["reason"].startswith("none of the event's users")


async def test_why_an_app_was_not_even_considered(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    body = {**sample("meeting.created"), "audience": {"partner_app_ids": [one["app"]["id"]]}}
    accepted = await api.publish(body)
    (never,) = await outcomes(api, accepted, other)
    assert (never["outcome"], never["reason"]) == ("not_connected", "it was published for other apps alone")
    later = await api.create_app()
    (never,) = await outcomes(api, accepted, later)
    assert never["reason"] == "the app was made after this was published"


async def test_an_unknown_app_is_not_found_and_a_deleted_one_is_told_of(api: Api) -> None:
    created, other = await api.create_app(), await api.create_app()
    await api.connect(created)
    accepted = await api.publish(sample("meeting.created"))
    for app in (created, other):
        await api.platform.delete(f"/v1/platform/apps/{app['app']['id']}")
    assert len(await outcomes(api, accepted, created)) == 1
    path = f"/v1/platform/events/{accepted['id']}?partner_app_id="
    check_problem(await api.platform.get(path + other["app"]["id"]), 404, "not_found")
    check_problem(await api.platform.get(f"{path}none"), 404, "not_found")
