"""Automations: an app's own rules, made, changed and taken away as part of the app."""

from collections.abc import Callable

import msgspec

from adjourn.errors import Conflict, NotFound
from adjourn.models import App, Automation
from adjourn.sending.partners import Partners
from adjourn.storage.base import KeptAnswer

__all__ = ["Automations"]

_MOST = 100  # of one app: all of them are read with it, and matched with its action items


class Automations:
    def __init__(self, partners: Partners) -> None:
        self._partners = partners

    async def create(
        self, automation: Automation, *, keep: Callable[[], KeptAnswer | None] = lambda: None
    ) -> None:
        """Raises NotFound (no such app), Conflict (too many), AnswerExists."""

        def change(app: App) -> App:
            if len(app.automations) >= _MOST:
                raise Conflict(f"an app has at most {_MOST:,} automations")
            return msgspec.structs.replace(app, automations=(*app.automations, automation))

        await self._partners.change_app(automation.app_id, change, keep=lambda app: keep())

    async def change(
        self, app_id: str, automation_id: str, change: Callable[[Automation], Automation]
    ) -> Automation:
        """Apply `change` to the automation as it is now. Raises NotFound, and whatever `change` raises."""

        def change_one(app: App) -> App:
            get(app, automation_id)
            changed = [change(each) if each.id == automation_id else each for each in app.automations]
            return msgspec.structs.replace(app, automations=tuple(changed))

        return get(await self._partners.change_app(app_id, change_one), automation_id)

    async def delete(self, app_id: str, automation_id: str) -> None:
        """What still waits for it is abandoned. Raises NotFound."""

        def remove(app: App) -> App:
            gone = get(app, automation_id)
            return msgspec.structs.replace(
                app, automations=tuple(each for each in app.automations if each is not gone)
            )

        await self._partners.change_app(app_id, remove)


def get(app: App, automation_id: str) -> Automation:
    """Raises NotFound."""
    automation = app.find_automation(automation_id)
    if automation is None:
        raise NotFound("automation", automation_id)
    return automation
