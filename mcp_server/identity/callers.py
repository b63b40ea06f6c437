"""From a proven caller to a Scope: the only place that makes one."""

from cachetools import FIFOCache

from mcp_server.identity.tokens import Caller
from storage.engine.database import Database, Scope
from storage.people import users

REMEMBERED = 10_000


class Callers:
    """Makes scopes, and mirrors each new caller's e-mail, name and time zone into the database once.

    `default_timezone` is for people who have none.
    """

    def __init__(self, database: Database, default_timezone: str | None = None) -> None:
        self._database = database
        self._default_timezone = default_timezone
        self._mirrored: FIFOCache[tuple[str | None, ...], None] = FIFOCache(REMEMBERED)

    async def scope(self, caller: Caller) -> Scope:
        """The rows of this caller."""
        scope = self._database.scope(caller.user_id, caller.client)
        profile = (caller.user_id, caller.email, caller.name, caller.timezone)
        if profile not in self._mirrored:
            await users.remember(scope, caller.email, caller.name, caller.timezone, self._default_timezone)
            self._mirrored[profile] = None
        return scope
