"""uvicorn examples.asgi_app:app"""

import os

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.asgi import webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

app = webhook(receiver, inbox)  # opens and closes the inbox, too


@inbox.on(contio.ActionItemCreated)
async def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
async def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)
