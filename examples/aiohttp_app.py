"""python examples/aiohttp_app.py"""

import os

from aiohttp import web

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.aiohttp import lifespan, webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

app = web.Application()
app.router.add_post("/webhooks/contio", webhook(receiver, inbox))
app.cleanup_ctx.append(lifespan(inbox))


@inbox.on(contio.ActionItemCreated)
async def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
async def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)


if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=8000)
