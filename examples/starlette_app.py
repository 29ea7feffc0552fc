"""uvicorn examples.starlette_app:app"""

import os

from starlette.applications import Starlette
from starlette.routing import Route

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.starlette import webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

app = Starlette(
    routes=[Route("/webhooks/contio", webhook(receiver, inbox), methods=["POST"])],
    lifespan=inbox.lifespan,
)


@inbox.on(contio.ActionItemCreated)
async def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
async def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)
