"""Callers: who a token belongs to, and the rows that this person may reach."""

import hashlib
from dataclasses import dataclass

from cachetools import FIFOCache

from mcp_server.identity.local_issuer import Audience
from storage.engine.database import Database, Scope
from storage.people import audit, users

REMEMBERED = 10_000

UNNAMED_CLIENTS = frozenset({"stdio", "taskdeck"})
"""Client names that stand for no program in particular: the local user of stdio, and holders of a `taskdeck token`."""


@dataclass(frozen=True)
class Caller:
    """The bearer of a verified token.

    `timezone` is an IANA name. `client` is the program that the token was issued to. `expires_at` is in Unix seconds
    (infinite: never). A person is identified by (`issuer`, `user_id`), a client of that person by `client_key`.
    """

    user_id: str
    email: str | None
    name: str | None
    timezone: str | None
    oauth_scopes: frozenset[str]
    client: str | None
    expires_at: float
    audience: Audience
    issuer: str
    client_key: str


def client_key(name: str) -> str:
    """A key of fixed length for a client's name, whatever the name contains. It is unique within one person only."""
    # A claim may contain half of a surrogate pair, which UTF-8 cannot encode.
    return hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:32]


class Callers:
    """Turns callers into scopes; nothing else in the server creates one.

    `default_timezone` is used for people who have set none.
    """

    def __init__(self, database: Database, default_timezone: str | None = None) -> None:
        self._database = database
        self._default_timezone = default_timezone
        self._mirrored: FIFOCache[tuple[str | None, ...], None] = FIFOCache(REMEMBERED)

    async def scope(self, caller: Caller) -> Scope:
        """The rows of this caller."""
        scope = self._database.scope(caller.user_id, caller.client)
        # E-mail, name and time zone live at the issuer. The database needs a copy to show people to each other, and
        # only a token with new values is worth a write.
        profile = (caller.user_id, caller.email, caller.name, caller.timezone)
        if profile not in self._mirrored:
            await users.remember(scope, caller.email, caller.name, caller.timezone, self._default_timezone)
            self._mirrored[profile] = None
        return scope

    async def note_refusal(self, caller: Caller, attempted: str) -> None:
        """Record in the caller's audit log what their token did not allow."""
        await audit.note_refusal(self._database.scope(caller.user_id, caller.client), attempted)
