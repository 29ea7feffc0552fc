"""What pytest finds when Adjourn is installed: the fixture `webhooks`, to test handlers with.

pytest loads this in every run of everybody: what it needs is loaded when a test asks for it.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adjourn.rehearsal import Webhooks

__all__ = ["webhooks", "webhooks_secret"]


@pytest.fixture
def webhooks_secret() -> str:
    """The secret that `webhooks` signs with. Define your own where your receiver's is fixed."""
    return "whsec_YWRqb3VybiBzaWducyB3aGF0IHRlc3RzIHNlbmQ="  # any vendor's signature can use it


@pytest.fixture
def webhooks(webhooks_secret: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Webhooks]":
    """Delivers a vendor's events to the handlers of an inbox: adjourn.rehearsal.Webhooks.

    `webhooks.deliver(inbox, contio, "meeting.completed", title="Retro")`
    """
    rehearsal = import_module("adjourn.rehearsal")
    with rehearsal.Webhooks(webhooks_secret, folder=tmp_path_factory.mktemp("adjourn")) as mine:
        yield mine
