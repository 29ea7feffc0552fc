"""Resolve an endpoint's name, and check what it resolves to."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from adjourn.sending.addresses import AddressRule
from adjourn.sending.sender import MOST_ADDRESSES, NAME_KEPT, RESOLVERS, LookUp

__all__ = ["Address", "Names"]

_MOST_NAMES = 4096
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_CLOSED = "the sender is closed"

Address = tuple[socket.AddressFamily, str]
_Addresses = Sequence[Address]


class Names:
    """Resolves in threads of its own, each name once at a time, and remembers it for a short while.

    Every address is checked, those too that are not tried: a name with any that the rule refuses is refused
    whole.
    """

    def __init__(self, rule: AddressRule, look_up: LookUp) -> None:
        self._rule = rule
        self._look_up = look_up
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolve")
        self._known: OrderedDict[str, tuple[float, _Addresses]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[_Addresses]] = {}
        self._is_closed = False

    async def addresses(self, host: str) -> _Addresses:
        """Raises OSError or UnicodeError."""
        try:
            return [(_FAMILIES[ip_address(host).version], host)]
        except ValueError:
            pass
        until, found = self._known.get(host, (0.0, ()))
        if self._loop.time() < until:
            return found
        asked = self._asked.get(host) or self._ask(host)
        await asyncio.wait([asked])  # who is cancelled here leaves the others their answer
        if asked.cancelled():
            raise OSError(_CLOSED)
        return asked.result()

    def close(self) -> None:
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for task in self._asked.values():
            task.cancel()

    def _ask(self, host: str) -> asyncio.Task[_Addresses]:
        if self._is_closed:
            raise OSError(_CLOSED)
        self._asked[host] = task = self._loop.create_task(self._resolve(host))
        task.add_done_callback(lambda done: self._heard(host, done))
        return task

    def _heard(self, host: str, done: asyncio.Task[_Addresses]) -> None:
        del self._asked[host]
        if done.cancelled() or done.exception() is not None:
            return
        self._known[host] = (self._loop.time() + NAME_KEPT, done.result())
        self._known.move_to_end(host)
        if len(self._known) > _MOST_NAMES:
            self._known.popitem(last=False)

    async def _resolve(self, host: str) -> _Addresses:
        return await self._loop.run_in_executor(self._threads, self._look_up_and_check, host)

    def _look_up_and_check(self, host: str) -> _Addresses:
        """In a thread: an owner of thousands of addresses holds up nobody else."""
        found = self._look_up(host)
        for _, address in found:
            self._rule.check_found(host, address)
        return found[:MOST_ADDRESSES]
