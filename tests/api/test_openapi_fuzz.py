"""schemathesis over the OpenAPI document, against a real server: no server error, no answer outside it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
import uvicorn
from schemathesis.config import SchemathesisConfig
from tests.api.harness import PLATFORM_KEY, sample

from adjourn.api.app import build_app
from adjourn.api.openapi import document
from adjourn.api.straight import StraightProtocol
from adjourn.config import Secret, Settings
from adjourn.providers import PROVIDERS
from adjourn.testing import local_endpoint
from adjourn.wiring import open_engine

Case = schemathesis.Case[Any]

_PLATFORM = "/v1/platform"
_PARTNER = "/v1/partner"
_PLATFORM_KEY = {"Authorization": f"Bearer {PLATFORM_KEY}"}


class Stage:
    """A server in a thread of its own, and an endpoint that takes whatever it sends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._http: uvicorn.Server
        # by its number, or asyncio would not know it for TCP, and each answer would wait 40 ms for Nagle
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.endpoint = ""

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._http.should_exit = True
        self._thread.join(20)
        self._listener.close()
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        settings = Settings(
            database_url=f"sqlite:///{self._folder}/adjourn.db",
            platform_key=Secret(PLATFORM_KEY),
            allow_networks=(ip_network("127.0.0.0/8"),),
            retry_delays=(timedelta(hours=1),) * 3,
            partner_rate_limit=0,
        )
        async with local_endpoint() as endpoint:
            engine = await open_engine(settings)
            await engine.start()
            self.endpoint = endpoint.url
            config = uvicorn.Config(build_app(engine), lifespan="off", log_config=None, http=StraightProtocol)
            self._http = uvicorn.Server(config)
            self._ready.set()
            await self._http.serve(sockets=[self._listener])
            await engine.stop()


_OPTIONS = {name: {*msgspec.structs.asdict(each.options())} for name, each in PROVIDERS.items()}


def of_one_provider(value: Any, provider: str = "contio") -> Any:
    """With types and options of one provider's: the document has those of all in one.

    An app of another provider than Contio gets credentials made for it: not every secret can sign for it.
    """
    if isinstance(value, dict):
        provider = value.get("provider", provider)
        others = {name for names in _OPTIONS.values() for name in names} - _OPTIONS[provider]
        others |= set() if provider == "contio" else {"credentials"}
        return {key: of_one_provider(each, provider) for key, each in value.items() if key not in others}
    if isinstance(value, list):
        return [of_one_provider(each, provider) for each in value]
    of_any = isinstance(value, str) and any(each.resolve(value) for each in PROVIDERS.values())
    return (
        value
        if not of_any or PROVIDERS[provider].resolve(value)
        else next(iter(PROVIDERS[provider].event_types))
    )


class World:
    """One app with something of everything; made anew once a call may have spoilt it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._platform = httpx.Client(base_url=f"{stage.url}{_PLATFORM}", headers=_PLATFORM_KEY)
        self.renew()

    def renew(self) -> None:
        body = {"name": "Acme", "company_name": "Acme", "primary_contact_email": "dev@example.com"}
        created = self._ask("POST", "/apps", {**body, "webhook_url": self._stage.endpoint})
        app_id, keys = created["app"]["id"], created["credentials"]
        connection = self._ask("PUT", f"/apps/{app_id}/connections/ana", {"email": "ana@example.com"})
        self._event = sample("meeting.created") | {"audience": {"partner_app_ids": [app_id]}}
        (envelope,) = self._ask("POST", "/events", self._event)["events"]
        workflow = {"name": "Follow up", "webhook_url": self._stage.endpoint}
        automation = self._ask("POST", f"/apps/{app_id}/automations", workflow)
        replay = self._ask("POST", f"/apps/{app_id}/deliveries/retry", {"status": "failed"})
        of_bots = self._ask("POST", "/apps", {**body, "provider": "meetingbaas"})
        ended = PROVIDERS["meetingbaas"].event_types["bot.completed"]
        told = {
            "event_type": ended.name,
            "data": ended.sample_data,
            "callback": {"url": self._stage.endpoint},
        }
        self._ask("POST", "/events", told | {"audience": {"partner_app_ids": [of_bots["app"]["id"]]}})
        self._keys = {
            "X-API-Key": keys["api_key"],
            "X-Client-ID": keys["client_id"],
            "x-meeting-baas-api-key": of_bots["credentials"]["api_key"],
        }
        self._ids = {
            "app_id": app_id,
            "automation_id": automation["id"],
            "bot_id": ended.sample_data["bot_id"],
            "connection_id": connection["id"],
            "delivery_id": envelope["delivery_ids"][0],
            "event_type": "meeting.created",
            "file": "portal.css",
            "key": envelope["event_id"],
            "name": "meeting.created",
            "provider": "contio",
            "replay_id": replay["id"],
            "user_id": "ana",
        }

    def try_right(self, case: Case) -> None:
        """A call about something that is there."""
        case.path_parameters = {name: self._ids[name] for name in case.path_parameters}
        if "/events" in case.path and case.method == "POST":  # no catalog takes data that a schema makes up
            case.body = self._event if case.path.endswith("/events") else {"events": [self._event] * 3}
        elif isinstance(case.body, dict):
            case.body = of_one_provider(case.body)
        if case.path.startswith(_PARTNER) and "event_type" in (case.query or {}):
            case.query["event_type"] = of_one_provider(case.query["event_type"])
        self.call(case)

    def call(self, case: Case) -> None:
        """Send it with the right keys, and check the answer."""
        headers = _PLATFORM_KEY if case.path.startswith(_PLATFORM) else self._keys
        answer = case.call_and_validate(base_url=self._stage.url, headers=headers)
        spoils = case.method == "DELETE" or case.path.endswith(("/rotate", "status"))
        if spoils and answer.status_code < 300:
            self.renew()

    def _ask(self, method: str, path: str, body: object) -> Any:
        answer = self._platform.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def close(self) -> None:
        self._platform.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    stage = Stage(tmp_path_factory.mktemp("fuzz"))
    stage.start()
    try:
        world = World(stage)
        yield world
        world.close()
    finally:
        stage.stop()


# Where a schema cannot say it all: such a body may contradict itself, or the world.
_SAYS_TOO_LITTLE = "(create|update|patch).*Automation|updateAppStatus|^rollback|^retry.*Deliveries"


def schema(mode: str, *, examples: int, coverage: bool) -> Any:
    """Made-up examples, always the same ones, and with `coverage` every bound of every field."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "generation": {
                "mode": mode,
                "max-examples": examples,
                "deterministic": True,
                "database": "none",
                "allow-extra-parameters": False,  # unknown ones of a query are passed over
            },
            "phases": {"examples": {"enabled": False}, "coverage": {"enabled": coverage}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409, 422, 429]},
                "negative_data_rejection": {"expected-statuses": [400, 401, 404, 405, 409, 413, 415, 422]},
                # two requests more for each; test_openapi.py asks each path once without a key
                "ignored_auth": {"enabled": False},
            },
            "operations": [
                {
                    "include-operation-id-regex": _SAYS_TOO_LITTLE,
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                },
                {  # GET is right there: it asks for an event whose id is "batch"
                    "include-operation-id": "publishEvents",
                    "checks": {"allow_header_conformance": {"enabled": False}},
                },
            ],
        }
    )
    return schemathesis.openapi.from_dict(document(closed=True), config=config)


_ALIKE = "[0-9]$"  # ends the names of a call's other paths
_NOTHING_TO_GET_WRONG = "No key needed"

right = schema("positive", examples=3, coverage=True).exclude(operation_id_regex=_ALIKE)
wrong = (
    schema("negative", examples=8, coverage=False)
    .exclude(operation_id_regex=_ALIKE)
    .exclude(tag=_NOTHING_TO_GET_WRONG)
)
everything_right = schema("positive", examples=50, coverage=True)
everything_wrong = schema("negative", examples=50, coverage=True).exclude(tag=_NOTHING_TO_GET_WRONG)


@right.parametrize()  # type: ignore[untyped-decorator]
def test_what_is_right_is_taken(case: Case, world: World) -> None:
    world.try_right(case)


@wrong.parametrize()  # type: ignore[untyped-decorator]
def test_what_is_wrong_is_refused(case: Case, world: World) -> None:
    world.call(case)


@pytest.mark.soak
@everything_right.parametrize()  # type: ignore[untyped-decorator]
def test_much_more_that_is_right_is_taken(case: Case, world: World) -> None:
    world.try_right(case)


@pytest.mark.soak
@everything_wrong.parametrize()  # type: ignore[untyped-decorator]
def test_much_more_that_is_wrong_is_refused(case: Case, world: World) -> None:
    world.call(case)
