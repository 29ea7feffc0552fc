"""The apps in memory: what publishing and sending know of them, and by which version."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from adjourn.errors import NotFound
from adjourn.models import App
from adjourn.storage.base import Directory

__all__ = ["AppCache", "Strangers"]

_log = logging.getLogger(__name__)


class Strangers(Exception):
    """Apps that are not in memory."""

    def __init__(self, app_ids: Sequence[str]) -> None:
        super().__init__(f"{len(app_ids)} apps are not in memory")
        self.app_ids = app_ids


class AppCache:
    """Apps as last read. Whoever changes one puts it here before the change is answered.

    Other nodes' changes come by `take`; while they may be missed (`is_current`), what is in memory is not
    relied on. Apps are read in turn, so that what was read last is the newest.
    """

    def __init__(self, directory: Directory, *, is_current: Callable[[], bool] = lambda: True) -> None:
        self._directory = directory
        self._is_current = is_current
        self._apps: dict[str, App] = {}
        self._reading: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    def find(self, app_id: str) -> App | None:
        """As it is in memory: None where it was never read, or is gone."""
        return self._apps.get(app_id)

    def providers_of(self, app_ids: Iterable[str]) -> set[str]:
        """Of those in memory. Raises Strangers where one is not."""
        known = [(app_id, self._apps.get(app_id)) for app_id in app_ids]
        if strangers := [app_id for app_id, app in known if app is None]:
            raise Strangers(strangers)
        return {app.provider for _, app in known if app is not None}

    async def load(self, app_ids: Iterable[str]) -> None:
        """See that these are in memory, as they are now."""
        known: Collection[str] = self._apps if self._is_current() else ()
        missing = [app_id for app_id in set(app_ids) if app_id not in known]
        if missing:
            await self.reload(missing)

    async def reload(self, app_ids: Iterable[str]) -> None:
        """Read these anew; those that are gone are forgotten."""
        wanted = list(app_ids)
        self._reading.update(wanted)
        try:
            async with self._turn:
                await self._read(wanted)
        finally:
            self._reading -= Counter(wanted)

    async def take(self, app_ids: Collection[str]) -> bool:
        """These have changed, on whatever node: read anew those that are in memory, or on their way to it.

        Whether one of them is on: what waits for it may have begun to go.
        """
        known = [each for each in app_ids if each in self._apps or self._reading[each]]
        if known:
            try:
                await self.reload(known)
            except Exception:
                # Who needs one of them reads it then, or fails alone: one that cannot be read stops no other.
                _log.exception("apps that changed cannot be read, and are forgotten: %s", ", ".join(known))
                for each in known:
                    self.forget(each)
        return any(app.is_on for each in known if (app := self._apps.get(each)) is not None)

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

    async def _read(self, app_ids: Collection[str]) -> None:
        before = {each: self._apps.get(each) for each in app_ids}
        found = {app.id: app for app in await self._directory.load_apps(list(before))}
        for app_id, known in before.items():
            if app_id not in found:
                self._apps.pop(app_id, None)
            elif self._apps.get(app_id) is known:
                self._apps[app_id] = found[app_id]  # were it older: deleted, and made anew with the same id
            else:
                self.put(found[app_id])  # it was changed here while this was read
