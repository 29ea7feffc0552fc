"""flask --app examples.flask_app run --port 8000"""

import os

from flask import Flask

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.flask import webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

app = Flask(__name__)
app.post("/webhooks/contio")(webhook(receiver, inbox))


@inbox.on(contio.ActionItemCreated)
def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)
