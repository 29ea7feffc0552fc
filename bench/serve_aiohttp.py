"""`adjourn` as it is, but for its sender, which is aiohttp's: what our own one gains shows side by side."""

import adjourn.wiring
from adjourn.cli import main
from bench.aiohttp_sender import AiohttpSender

if __name__ == "__main__":
    adjourn.wiring.Http1Sender = AiohttpSender  # type: ignore[attr-defined, assignment]
    main()
