"""uvicorn examples.litestar_app:app"""

import os

from litestar import Litestar, post

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.litestar import webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

app = Litestar(
    [post("/webhooks/contio", status_code=200)(webhook(receiver, inbox))],
    lifespan=[inbox.lifespan],
)


@inbox.on(contio.ActionItemCreated)
async def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
async def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)
