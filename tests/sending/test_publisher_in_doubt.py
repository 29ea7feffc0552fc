"""Publishing of which nobody knows whether it was stored is not done again, and what is held goes back."""

import asyncio
from pathlib import Path

from tests.sending.harness import submission, world

from adjourn.errors import InDoubt


def test_requests_in_doubt_are_not_stored_again_one_by_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), world(tmp_path) as w:
            await w.add("one")
            w.queue.error = InDoubt("the answer was lost")
            w.queue.failing["publish"] = 1
            both = [w.publisher.publish([submission("ana", "m", number)]) for number in range(2)]
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            assert [type(each) for each in outcomes] == [InDoubt, InDoubt]
            assert w.queue.calls["publish"] == 1
            await w.publisher.publish([submission("ana", "m", 2)])
            await w.idle()
            assert w.queue.calls["give_back"] == 1

    asyncio.run(main())
