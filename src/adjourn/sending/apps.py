"""The apps in memory: what publishing and sending know of them, and by which version."""

from collections.abc import Iterable

from adjourn.errors import NotFound
from adjourn.models import App
from adjourn.storage.base import Directory

__all__ = ["AppCache"]


class AppCache:
    """Apps as last read. Whoever changes one puts it here before the change is answered."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._apps: dict[str, App] = {}

    def find(self, app_id: str) -> App | None:
        """As it is in memory: None where it was never read, or is gone."""
        return self._apps.get(app_id)

    async def load(self, app_ids: Iterable[str]) -> None:
        """See that these are in memory."""
        missing = [app_id for app_id in set(app_ids) if app_id not in self._apps]
        if missing:
            await self.reload(missing)

    async def reload(self, app_ids: Iterable[str]) -> None:
        """Read these anew; those that are gone are forgotten."""
        wanted = list(app_ids)
        found = {app.id: app for app in await self._directory.load_apps(wanted)}
        for app_id in wanted:
            if app_id in found:
                self.put(found[app_id])
            else:
                self._apps.pop(app_id, None)

    async def get(self, app_id: str) -> App:
        """Raises NotFound."""
        await self.load([app_id])
        app = self._apps.get(app_id)
        if app is None:
            raise NotFound("app", app_id)
        return app

    def put(self, app: App) -> None:
        """Take a change in, unless a newer one is known."""
        known = self._apps.get(app.id)
        if known is None or known.version <= app.version:
            self._apps[app.id] = app

    def forget(self, app_id: str) -> None:
        self._apps.pop(app_id, None)
