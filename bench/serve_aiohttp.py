"""`adjourn serve` as it is, but for its sender, which is aiohttp's: what ours gains shows side by side.

Its settings come from the environment alone. The processes it starts are this module again.
"""

import asyncio
import os
import sys

from adjourn import child, supervisor
from adjourn.config import Settings
from bench.aiohttp_sender import AiohttpSender


def main() -> None:
    if len(sys.argv) > 1:
        child.main(sys.argv, sender=AiohttpSender)
        return
    supervisor.CHILD = "bench.serve_aiohttp"
    folders = [os.getcwd(), os.environ.get("PYTHONPATH", "")]  # the first is where this module lies
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    serving = supervisor.serve_with_many(
        Settings.from_environ(environ), environ, on_ready=lambda url, made_key: print(url, flush=True)
    )
    asyncio.run(serving)


if __name__ == "__main__":
    main()
