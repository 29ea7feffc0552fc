"""A process with a Flask or a Django application in it, as test_processes.py starts it.

`python -m tests.receiving.adapters.process FRAMEWORK URL STEP...`; each step is a method of Process.
"""

import logging
import os
import signal
import sys
import tempfile
import threading
from itertools import count
from typing import Any

from django.test import Client, override_settings
from flask import Flask
from msgspec import Struct
from tests.receiving.adapters import harness
from tests.receiving.adapters.harness import Mounted

import adjourn.receiving.flask
from adjourn import Inbox, Receiver, contio
from adjourn.models import Receipt
from adjourn.testing import encode, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVER = Receiver(contio, SECRET)
URL = "/webhooks/contio"


class Process:
    def __init__(self, framework: str, url: str) -> None:
        self.inbox = Inbox(url, concurrency=1)
        self.inbox.on(Struct)(self.handle)
        self.handled = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.numbers = count(1)
        self.ends = threading.Event()
        self.waits_for_the_end = False
        self.app: Any = getattr(self, framework)()

    def flask(self) -> Any:
        app = Flask("receiver")
        app.post(URL)(adjourn.receiving.flask.webhook(RECEIVER, self.inbox))
        return app.test_client()

    def django(self) -> Any:
        override_settings(ROOT_URLCONF=harness.django_urls({URL: Mounted(RECEIVER, self.inbox)})).enable()
        return Client()

    def handle(self, event: Struct, receipt: Receipt) -> None:
        self.began.release()
        if self.waits_for_the_end:
            assert self.ends.wait(30)
        print("handled", receipt.id, flush=True)
        self.handled.release()

    def post(self, event_id: str, *, status: int = 200) -> None:
        found = contio.PROVIDER.event_types["meeting.completed"]
        body = encode(found.sample | {"event_id": event_id})
        headers = sign(contio, body, SECRET)
        how = {"content_type": headers.pop("Content-Type"), "headers": headers}
        assert self.app.post(URL, data=body, **how).status_code == status

    # steps

    def take(self) -> None:
        """An event, and wait until it is handled."""
        self.post(f"evt-{os.getpid()}-{next(self.numbers)}")
        assert self.handled.acquire(timeout=30)

    def fork(self) -> None:
        """What follows happens in a child, which ends as a worker of gunicorn does, and then here."""
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            assert status == 0

    def be_refused(self) -> None:
        """In a child of a process that has the inbox open."""
        child = os.fork()
        if not child:
            with tempfile.TemporaryFile("w+") as log:
                logging.basicConfig(stream=log)
                self.post("evt-refused", status=503)
                log.seek(0)
                assert "was open when this process was forked" in log.read()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    def leave(self) -> None:
        """Two events: the process ends while the first is handled, and the second waits."""
        self.waits_for_the_end = True
        self.post(f"evt-{os.getpid()}-first")
        self.post(f"evt-{os.getpid()}-second")
        assert self.began.acquire(timeout=30)
        threading._register_atexit(self.ends.set)  # type: ignore[attr-defined]

    def sigterm(self) -> None:
        """Ends by a signal that a server turns into SystemExit."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def main(framework: str, url: str, *steps: str) -> None:
    process = Process(framework, url)
    for step in steps:
        getattr(process, step)()


if __name__ == "__main__":
    main(*sys.argv[1:])
