"""Every wrong input ends in the documented error, on every route."""

from typing import NamedTuple

import httpx
import pytest
from tests.api.harness import Api, check_problem, sample

pytestmark = pytest.mark.anyio

PLATFORM = [
    ("GET", "/v1/platform/apps"),
    ("POST", "/v1/platform/apps"),
    ("GET", "/v1/platform/apps/x"),
    ("PATCH", "/v1/platform/apps/x"),
    ("DELETE", "/v1/platform/apps/x"),
    ("GET", "/v1/platform/apps/x/webhook-status"),
    ("PUT", "/v1/platform/apps/x/webhook-status"),
    ("PUT", "/v1/platform/apps/x/webhook-filter"),
    ("DELETE", "/v1/platform/apps/x/webhook-filter"),
    ("GET", "/v1/platform/apps/x/credentials"),
    ("GET", "/v1/platform/apps/x/credentials/history"),
    ("POST", "/v1/platform/apps/x/credentials/api-key/rotate"),
    ("POST", "/v1/platform/apps/x/credentials/client-secret/rollback"),
    ("GET", "/v1/platform/apps/x/automations"),
    ("POST", "/v1/platform/apps/x/automations"),
    ("GET", "/v1/platform/apps/x/automations/y"),
    ("DELETE", "/v1/platform/apps/x/automations/y"),
    ("GET", "/v1/platform/apps/x/deliveries/retry"),
    ("POST", "/v1/platform/apps/x/deliveries/retry"),
    ("GET", "/v1/platform/apps/x/deliveries/retry/y"),
    ("POST", "/v1/platform/apps/x/deliveries/retry/y/cancel"),
    ("GET", "/v1/platform/apps/x/connections"),
    ("PUT", "/v1/platform/apps/x/connections"),
    ("PUT", "/v1/platform/apps/x/connections/ana"),
    ("DELETE", "/v1/platform/apps/x/connections/ana"),
    ("POST", "/v1/platform/events"),
    ("POST", "/v1/platform/events/batch"),
    ("GET", "/v1/platform/events"),
    ("GET", "/v1/platform/events/x"),
    ("GET", "/v1/platform/deliveries"),
    ("GET", "/v1/platform/deliveries/x"),
    ("POST", "/v1/platform/deliveries/x/retry"),
    ("GET", "/v1/platform/event-types"),
    ("GET", "/v1/platform/event-types/meeting.completed"),
]
PARTNER = [
    ("GET", "/v1/partner/admin/app"),
    ("PUT", "/v1/partner/admin/app"),
    ("PATCH", "/v1/partner/admin/app"),
    ("PUT", "/v1/partner/admin/app/status"),
    ("GET", "/v1/partner/admin/webhook-status"),
    ("GET", "/v1/partner/admin/app/webhook-status"),
    ("PUT", "/v1/partner/admin/webhook-status"),
    ("PUT", "/v1/partner/admin/app/webhook-status"),
    ("PUT", "/v1/partner/admin/webhook-filter"),
    ("PUT", "/v1/partner/admin/app/webhook-filter"),
    ("DELETE", "/v1/partner/admin/webhook-filter"),
    ("DELETE", "/v1/partner/admin/app/webhook-filter"),
    ("GET", "/v1/partner/admin/webhook-deliveries"),
    ("GET", "/v1/partner/admin/webhook-deliveries/x"),
    ("POST", "/v1/partner/admin/webhook-deliveries/x/retry"),
    ("POST", "/v1/partner/admin/webhook-deliveries/retry"),
    ("GET", "/v1/partner/admin/webhook-deliveries/retry"),
    ("GET", "/v1/partner/admin/webhook-deliveries/retry/x"),
    ("POST", "/v1/partner/admin/webhook-deliveries/retry/x/cancel"),
    *[
        (method, f"/v1/partner/admin/{path}")
        for path in ("automations", "automation", "workflows")
        for method in ("GET", "POST")
    ],
    *[
        (method, f"/v1/partner/admin/{path}/x")
        for path in ("automations", "automation", "workflows")
        for method in ("GET", "PUT", "PATCH", "DELETE")
    ],
    ("GET", "/v1/partner/admin/connections"),
    ("GET", "/v1/partner/admin/connections/x"),
    ("DELETE", "/v1/partner/admin/connections/x"),
    ("GET", "/v1/partner/admin/credentials"),
    ("GET", "/v1/partner/admin/credentials/history"),
    ("POST", "/v1/partner/admin/credentials/api-key/rotate"),
    ("POST", "/v1/partner/admin/credentials/webhook-secret/rotate"),
    ("POST", "/v1/partner/admin/credentials/client-secret/rotate"),
    ("POST", "/v1/partner/admin/credentials/api-key/rollback"),
    ("POST", "/v1/partner/admin/credentials/client-secret/rollback"),
]
_NO_BODY = ("/x/retry", "/cancel")
_JSON = {"Content-Type": "application/json"}
WITH_BODY = [
    each
    for each in PLATFORM + PARTNER
    if each[0] in {"POST", "PUT", "PATCH"} and not each[1].endswith(_NO_BODY)
]


class Clients(NamedTuple):
    """One for each API; there is an app `x`."""

    platform: httpx.AsyncClient
    partner: httpx.AsyncClient

    def of(self, path: str) -> httpx.AsyncClient:
        return self.platform if "/platform/" in path else self.partner


@pytest.fixture
async def clients(api: Api) -> Clients:
    return Clients(api.platform, api.partner(await api.create_app(id="x")))


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic pk_test", "pk_test"])
async def test_the_platform_api_needs_the_platform_key(api: Api, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in PLATFORM:
        answer = await api.client(headers).request(method, path)
        check_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    [
        "//v1/platform/apps",
        "/v1//platform/apps",
        "///v1///platform//apps//",
        "/v1/platform//apps",
        "/V1/platform/apps",
        "/v1/%70latform/apps",
        "/v1/platform%2Fapps",
        "/v1/./platform/apps",
        "/v1/x/../platform/apps",
        "/v1/platform/apps/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_spelling_of_a_path_gets_round_the_platform_key(api: Api, method: str, path: str) -> None:
    body = {"name": "a", "company_name": "c", "primary_contact_email": "a@example.com"}
    answer = await api.client({}).request(method, path, json=body)
    assert answer.status_code in (401, 404)
    assert (await api.platform.get("/v1/platform/apps")).json()["total"] == 0


async def test_the_partner_api_needs_a_valid_key(api: Api) -> None:
    keys = (await api.create_app())["credentials"]
    other = (await api.create_app())["credentials"]
    for headers in (
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": keys["client_secret"]},
        {"X-API-Key": keys["api_key"], "X-Client-ID": other["client_id"]},
        {"X-API-Key": keys["api_key"], "X-Client-ID": ""},
        {"Authorization": "Bearer pk_test"},
    ):
        for method, path in PARTNER:
            check_problem(await api.client(headers).request(method, path), 401, "unauthorized")


async def test_the_client_id_may_be_left_out(api: Api) -> None:
    keys = (await api.create_app())["credentials"]
    answer = await api.client({"X-API-Key": keys["api_key"]}).get("/v1/partner/admin/app")
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1,"a":2}', b"[NaN]", b"[1e999]", b'"\\ud800"'])
async def test_a_body_that_is_no_json_is_refused(clients: Clients, body: bytes) -> None:
    for method, path in WITH_BODY:
        answer = await clients.of(path).request(method, path, content=body, headers=_JSON)
        check_problem(answer, 400, "invalid_request_body")


@pytest.mark.parametrize("body", ["[]", "null", '"text"', "1", "true", '{"surplus": 1}'])
async def test_a_body_of_the_wrong_form_names_its_faults(clients: Clients, body: str) -> None:
    for method, path in WITH_BODY:
        answer = await clients.of(path).request(method, path, content=body, headers=_JSON)
        problem = check_problem(answer, 400, "validation_error")
        assert problem["faults"]
        assert all(fault["path"].startswith("$") and fault["reason"] for fault in problem["faults"])


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_another_content_type_is_refused(clients: Clients, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    for method, path in WITH_BODY:
        answer = await clients.of(path).request(method, path, content=b"{}", headers=headers)
        check_problem(answer, 415, "unsupported_media_type")


async def test_a_compressed_body_is_refused(api: Api) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await api.platform.post("/v1/platform/events", content=b"{}", headers=headers)
    check_problem(answer, 415, "unsupported_media_type")


async def test_a_body_that_is_too_large_is_refused(clients: Clients) -> None:
    for method, path in WITH_BODY:
        many = path.endswith(("/batch", "/connections"))
        most = (8 << 20) if many else (256 << 10)
        answer = await clients.of(path).request(method, path, content=b" " * (most + 1))
        check_problem(answer, 413, "payload_too_large")
        answer = await clients.of(path).request(method, path, content=b" " * most)
        check_problem(answer, 400, "invalid_request_body")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/platform/nothing", "/v1/platform/apps/a/b/c", "/v3/x"])
async def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    check_problem(await api.platform.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/platform/events", {"GET", "POST", "OPTIONS"}),
        ("PUT", "/v1/platform/apps", {"GET", "POST", "OPTIONS"}),
        ("POST", "/v1/platform/apps/x", {"GET", "PATCH", "DELETE", "OPTIONS"}),
        ("DELETE", "/v1/platform/apps/x/webhook-status", {"GET", "PUT", "OPTIONS"}),
        ("POST", "/v1/partner/admin/app", {"GET", "PUT", "PATCH", "OPTIONS"}),
        ("GET", "/v1/partner/admin/app/status", {"PUT", "OPTIONS"}),
        ("POST", "/v1/partner/admin/app/webhook-filter", {"PUT", "DELETE", "OPTIONS"}),
        ("PUT", "/v1/partner/admin/webhook-deliveries/retry", {"GET", "POST", "OPTIONS"}),
        ("POST", "/v1/partner/admin/workflows/x", {"GET", "PUT", "PATCH", "DELETE", "OPTIONS"}),
        ("PUT", "/v1/partner/admin/connections/x", {"GET", "DELETE", "OPTIONS"}),
        ("GET", "/v1/partner/admin/credentials/api-key/rotate", {"POST", "OPTIONS"}),
    ],
)
async def test_another_method_is_told_which_are_allowed(
    clients: Clients, method: str, path: str, allowed: set[str]
) -> None:
    if "GET" in allowed:
        allowed = {*allowed, "HEAD"}
    answer = await clients.of(path).request(method, path)
    check_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed
    options = await clients.of(path).options(path)
    assert (options.status_code, options.content) == (204, b"")
    assert sorted(options.headers["allow"].split(", ")) == sorted(allowed)
    assert options.headers["x-request-id"]


async def test_options_needs_a_key_and_a_path(api: Api) -> None:
    for path in ("/v1/platform/apps", "/v1/partner/admin/app"):
        check_problem(await api.client({}).options(path), 401, "unauthorized")
    check_problem(await api.platform.options("/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/v1/platform/apps",
        "/v1/platform/events",
        "/v1/platform/apps/none",
        "/v1/platform/apps?limit=0",
        "/v1/partner/admin/app",
    ],
)
async def test_head_answers_as_get_without_the_body(clients: Clients, path: str) -> None:
    get, head = await clients.of(path).get(path), await clients.of(path).head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    own = {"x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    assert {name: value for name, value in head.headers.items() if name not in own} == {
        name: value for name, value in get.headers.items() if name not in own
    }


async def test_head_needs_a_key_and_a_method_get(clients: Clients, api: Api) -> None:
    assert (await api.client({}).head("/v1/platform/apps")).status_code == 401
    assert (await api.client({}).head("/v1/partner/admin/app")).status_code == 401
    answer = await clients.partner.head("/v1/partner/admin/app/status")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"PUT", "OPTIONS"})


async def test_nothing_of_an_unknown_app_is_found(api: Api) -> None:
    for method, path in PLATFORM:
        if "/x" in path:
            body = {"email": "a@b.example"} if path.endswith("/ana") else {}
            check_problem(await api.platform.request(method, path, json=body), 404, "not_found")


async def test_another_apps_delivery_is_not_found(api: Api) -> None:
    one, other = await api.create_app(), await api.create_app()
    await api.connect(one)
    accepted = await api.publish(sample("meeting.completed"))
    (delivery_id,) = accepted["events"][0]["delivery_ids"]
    path = f"/v1/partner/admin/webhook-deliveries/{delivery_id}"
    assert (await api.partner(one).get(path)).status_code == 200
    check_problem(await api.partner(other).get(path), 404, "not_found")
    check_problem(await api.partner(other).post(f"{path}/retry"), 404, "not_found")


async def test_a_page_out_of_bounds_names_the_parameter(clients: Clients) -> None:
    bounds = "limit=0 limit=101 limit=-1 limit=x limit=1.5 limit= offset=-1 offset=x"
    for path in (
        "/v1/platform/apps",
        "/v1/platform/deliveries",
        "/v1/platform/events",
        "/v1/platform/apps/x/connections",
        "/v1/partner/admin/webhook-deliveries",
        "/v1/partner/admin/webhook-deliveries/retry",
        "/v1/partner/admin/automations",
        "/v1/partner/admin/connections",
        "/v1/partner/admin/credentials/history",
    ):
        for query in bounds.split():
            problem = check_problem(await clients.of(path).get(f"{path}?{query}"), 400, "validation_error")
            assert problem["faults"][0]["path"] == "?" + query.split("=")[0]


async def test_an_unknown_status_names_those_there_are(api: Api) -> None:
    partner = api.partner(await api.create_app())
    answer = await partner.get("/v1/partner/admin/webhook-deliveries?status=lost")
    problem = check_problem(answer, 400, "validation_error")
    assert "pending, failed, delivered, abandoned" in problem["message"]
