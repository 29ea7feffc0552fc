"""python examples/django_app.py runserver"""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.management.utils import get_random_secret_key
from django.core.wsgi import get_wsgi_application
from django.urls import path

from adjourn import Inbox, MeetingEnded, Receiver, contio
from adjourn.receiving.django import webhook

receiver = Receiver(contio, secrets=[os.environ["CONTIO_WEBHOOK_SECRET"]])
inbox = Inbox("sqlite:///inbox.db")

settings.configure(
    DEBUG=True,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key(),
    ROOT_URLCONF=__name__,
)
urlpatterns = [path("webhooks/contio", webhook(receiver, inbox))]
application = get_wsgi_application()


@inbox.on(contio.ActionItemCreated)
def note(event: contio.ActionItemCreated) -> None:
    print("to do:", event.data.title)


@inbox.on(MeetingEnded)
def summarise(meeting: MeetingEnded) -> None:
    print("a meeting ended:", meeting.title)


if __name__ == "__main__":
    execute_from_command_line(sys.argv)
