"""Behind a proxy, the history of credentials tells who asked: only where that proxy is trusted."""

import pytest
from tests.server.harness import Servers

pytestmark = pytest.mark.anyio

ASKER = "203.0.113.7"


@pytest.mark.parametrize(("trusted", "expected"), [("127.0.0.0/8", ASKER), ("10.0.0.0/8", "127.0.0.1")])
async def test_the_address_of_who_asked(servers: Servers, trusted: str, expected: str) -> None:
    async with servers.start(trusted_proxies=trusted) as server:
        new = {"name": "A", "company_name": "C", "primary_contact_email": "a@example.com"}
        app_id = (await server.client.post("/v1/platform/apps", json=new)).json()["app"]["id"]
        path = f"/v1/platform/apps/{app_id}/credentials"
        rotated = await server.client.post(
            f"{path}/api-key/rotate", json={"confirmation_token": "x"}, headers={"X-Forwarded-For": ASKER}
        )
        assert rotated.status_code == 200
        (event,) = (await server.client.get(f"{path}/history")).json()["events"]
        assert event["ip_address"] == expected
