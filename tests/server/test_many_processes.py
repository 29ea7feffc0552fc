"""One node of several processes: each does its part, one that dies is replaced, and all end together."""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.server.harness import Running, Servers
from tests.server.node import ask
from tests.server.test_survives_kills import create_app, event, publish, wait_until_all_delivered

from adjourn.errors import AdjournError, ConfigError, StorageError
from adjourn.supervisor import Node
from adjourn.testing import LocalEndpoint, local_endpoint

pytestmark = pytest.mark.anyio

_HELD = """
    SELECT (SELECT count(*) FROM delivery WHERE owner IS NOT NULL AND state <> 'delivered')
         + (SELECT count(*) FROM job WHERE owner IS NOT NULL)
"""


def tries(endpoint: LocalEndpoint) -> Counter[str]:
    return Counter(json.loads(each.body)["event_id"] for each in endpoint.received)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(30):
        while any(map(_lives, pids)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def log_has(running: Running, text: bytes) -> None:
    async with asyncio.timeout(30):
        while text not in running.log:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_a_killed_process_held_goes_out_before_its_lease_is_over(postgres_url: str) -> None:
    """The lease is an hour: nobody could wait for its end."""
    async with local_endpoint() as endpoint:
        endpoint.pause()
        async with Servers.on_postgres(postgres_url, lease="3600").start() as server:
            await create_app(server.client, endpoint.url)
            accepted = await publish(server.client, 1000)
            await endpoint.wait_for(8)
            first, second = server.children
            for child in (first, second):
                os.kill(child, signal.SIGKILL)
                await log_has(server, b"(pid %d) ended with SIGKILL; starting it again" % child)
            endpoint.resume()
            await wait_until_all_delivered(server.client, 1000)
        assert tries(endpoint).keys() == accepted.keys()
        assert max(tries(endpoint).values()) <= 3  # once more for each kill
        assert len(re.findall(rb"took up \d+ deliveries", server.log)) >= 2


async def test_a_process_that_is_stopped_for_a_while_sends_nothing_twice(nodes: Servers) -> None:
    async with local_endpoint() as endpoint, nodes.start() as server:
        endpoint.pause()
        await create_app(server.client, endpoint.url)
        accepted = await publish(server.client, 500)
        await endpoint.wait_for(8)
        stopped = server.children[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            endpoint.resume()
            await endpoint.wait_for(100)
        finally:
            os.kill(stopped, signal.SIGCONT)
        await wait_until_all_delivered(server.client, 500)
        assert tries(endpoint) == dict.fromkeys(accepted, 1)


async def test_asked_to_stop_they_leave_nothing_in_their_hands(nodes: Servers, postgres_url: str) -> None:
    async with local_endpoint() as endpoint, nodes.start() as server:
        await create_app(server.client, endpoint.url)
        await publish(server.client, 1000)
        await endpoint.wait_for(100)
        children = server.children
        assert await server.end(signal.SIGTERM) == 0
        await until_gone(children)
        assert await ask(postgres_url, _HELD) == [(0,)]
        delivered = "SELECT count(*) FROM delivery WHERE state = 'delivered'"
        assert await ask(postgres_url, delivered) == [(len(endpoint.received),)]


async def test_they_end_when_the_first_process_is_killed(nodes: Servers, postgres_url: str) -> None:
    async with local_endpoint() as endpoint, nodes.start() as server:
        await create_app(server.client, endpoint.url)
        await publish(server.client, 500)
        await endpoint.wait_for(50)
        children = server.children
        server.process.kill()
        await until_gone(children)
        assert await ask(postgres_url, _HELD) == [(0,)]


async def test_a_rate_limit_counts_what_all_of_them_are_asked(nodes: Servers) -> None:
    async with nodes.start(platform_rate_limit="30") as server:
        answers = []
        for _ in range(40):
            async with server.new_client() as client:  # a connection of its own: to either process
                answers.append((await client.get("/v1/platform/apps")).status_code)
        assert answers == [200] * 30 + [429] * 10


async def test_a_node_that_only_delivers_takes_up_what_others_left(nodes: Servers, postgres_url: str) -> None:
    refusing, patient = True, {"retry_delays": ",".join("2" * 30)}
    async with local_endpoint(lambda received: 500 if refusing else 200) as endpoint:
        async with nodes.start(**patient) as server:
            await create_app(server.client, endpoint.url)
            await publish(server.client, 500)
            await endpoint.wait_for(500)
            assert await server.end(signal.SIGTERM) == 0
        refusing = False
        async with nodes.start("worker", **patient) as worker:
            assert len(worker.children) == 2
            left = "SELECT count(*) FROM delivery WHERE state <> 'delivered'"
            async with asyncio.timeout(30):
                while await ask(postgres_url, left) != [(0,)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await worker.end(signal.SIGTERM) == 0


class TestStarting:
    """Children that are none of ours, to see what becomes of them."""

    @staticmethod
    def node(program: str) -> Node:
        return Node(dict(os.environ), 2, child=["-c", f"import json, socket, sys, time\n{program}"])

    SAY = "talk = socket.socket(fileno=json.loads(sys.argv[1])['parent']); talk.sendall"

    async def test_those_that_die_again_and_again_end_the_node(self) -> None:
        with pytest.raises(AdjournError, match=r"worker \d .*ended with exit code 7, 3 times before"):
            await self.node("sys.exit(7)").run(on_ready=pytest.fail)

    @pytest.mark.parametrize(("is_storage", "kind"), [("false", ConfigError), ("true", StorageError)])
    async def test_what_they_refuse_is_told_once(self, is_storage: str, kind: type[AdjournError]) -> None:
        told = f"""{self.SAY}(b'{{"failed":"no such thing","is_storage":{is_storage}}}\\n'); sys.exit(1)"""
        with pytest.raises(kind, match=r"^no such thing$"):
            await self.node(told).run(on_ready=pytest.fail)

    async def test_one_that_was_ready_may_die_as_often_as_it_likes(self, tmp_path: Path) -> None:
        """Each leaves a line when it starts; at the tenth of them the node is asked to stop."""
        program = (
            f"""{self.SAY}(b'{{"ready":"w"}}\\n'); file = open({str(tmp_path / "starts")!r}, "a")\n"""
            f"""file.write("x"); file.close()\n"""
            f"""if json.loads(sys.argv[1])['number'] == 1: time.sleep(60)"""
        )
        ready = []
        node = self.node(program)
        running = asyncio.create_task(node.run(on_ready=lambda: ready.append(1)))
        async with asyncio.timeout(30):
            while not ready or (tmp_path / "starts").stat().st_size < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        assert ready == [1]


async def test_without_postgresql_there_is_one_process(servers: Servers) -> None:
    for command, setting in (("serve", {"workers": "2"}), ("worker", {})):
        with pytest.raises(AssertionError, match="PostgreSQL"):
            async with servers.start(command, **setting):
                pass


async def test_events_go_out_from_each_of_them(nodes: Servers, postgres_url: str) -> None:
    """Connections are shared out; who takes an event in sends it."""
    async with local_endpoint() as endpoint, nodes.start() as server:
        await create_app(server.client, endpoint.url)
        for number in range(20):
            async with server.new_client() as client:
                assert (await client.post("/v1/platform/events", json=event(number))).status_code == 202
        await wait_until_all_delivered(server.client, 20)
        assert await ask(postgres_url, "SELECT count(DISTINCT owner) FROM attempt") == [(2,)]


assert sys.platform == "linux", "children are found in /proc"
