"""Whatever the generator makes is published, and arrives with the same data."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.harness import Api, open_api
from tests.strategies import Published, published

from adjourn import wirejson
from adjourn.documents.samples import data_samples
from adjourn.providers import PROVIDERS
from adjourn.providers.provider import Provider

_MOST_AT_ONCE = 200


async def publish_all(api: Api, provider: Provider, events: list[Published]) -> dict[str, bytes]:
    """Publish them to one app with one user; each body that arrived, by the event's id."""
    app = await api.create_app(provider=provider.name)
    await api.connect(app)
    ids: list[str] = []
    for start in range(0, len(events), _MOST_AT_ONCE):
        batch = [_request(provider, app["app"]["id"], each) for each in events[start : start + _MOST_AT_ONCE]]
        body = json.dumps({"events": batch}).encode()
        answer = await api.platform.post(
            "/v1/platform/events/batch", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 202, answer.text
        ids += [each["event_id"] for accepted in answer.json()["events"] for each in accepted["events"]]
    received = await api.endpoint.wait_for(len(events))
    assert len(ids) == len(received) == len(events)
    bodies = {each.header("webhook-id") or each.header("svix-id") or "": each.body for each in received}
    return {event_id: bodies[event_id] for event_id in ids}


def _request(provider: Provider, app_id: str, event: Published) -> dict[str, Any]:
    """For the user where events have one; ana is who did it, too: a backlog item is hers alone."""
    of_users = "for_user" in event.event_type.sample
    audience: dict[str, Any] = {"user_ids": ["ana"]} if of_users else {"partner_app_ids": [app_id]}
    request = {"provider": provider.name, "event_type": event.event_type.name, "data": event.data}
    return {**request, "audience": audience, **({"actor_user_id": "ana"} if of_users else {})}


def check_bodies(events: list[Published], bodies: dict[str, bytes]) -> None:
    for event, body in zip(events, bodies.values(), strict=True):
        sent = event.provider.prepare(event.event_type.name, event.data, path="$.data").data
        assert wirejson.loads(body)["data"] == sent  # type: ignore[index]
        assert body.endswith(b'"data":' + wirejson.dumps(sent) + b"}")


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.name)
async def test_the_samples_of_every_type_arrive(provider: Provider, api: Api) -> None:
    events = [
        Published(provider, event_type, data)
        for event_type in provider.event_types.values()
        for data in data_samples(provider, event_type, count=20)
    ]
    check_bodies(events, await publish_all(api, provider, events))


@settings(max_examples=5, deadline=None)
@given(st.sampled_from([*PROVIDERS]).flatmap(lambda name: st.lists(published(name), min_size=1, max_size=20)))
def test_samples_of_any_seed_arrive(events: list[Published]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_api(Path(folder), lambda received: 200) as api:
                check_bodies(events, await publish_all(api, events[0].provider, events))

    asyncio.run(run())
