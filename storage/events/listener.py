"""One connection that receives PostgreSQL's announcements, opened again whenever it is lost."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal
from uuid import uuid4

import asyncpg
from sqlalchemy import Text, bindparam, func, select

from storage.engine.dsn import cleaned
from storage.engine.statements import compiled

logger = logging.getLogger(__name__)

CHANNEL = "taskdeck"
PROBE_SECONDS = 2.0
"""Time between two probes of the connection, and the time limit of one probe."""
MAX_BACKOFF_SECONDS = 5.0

State = Literal["connecting", "listening", "away", "deaf", "resting"]
_ANNOUNCE = compiled(select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))))


class _UnreachableError(Exception):
    """LISTEN succeeded but no announcement arrives: there is a pooler in between."""


class Listener:
    """Listens at `url`, which must lead to PostgreSQL directly.

    `hear` gets each announcement. `resume` is called whenever listening begins, because earlier announcements are
    lost, and `pause` when it ends or cannot begin.
    `wanted` is set while somebody waits for changes. Otherwise nothing is sent and a lost connection is not opened
    again, so that an idle database can suspend (Neon does after 5 minutes). A connection that could not be opened is
    still retried, because listening has not begun yet.
    """

    def __init__(
        self,
        url: str,
        hear: Callable[[str], None],
        resume: Callable[[], None],
        pause: Callable[[], None],
        wanted: asyncio.Event,
    ) -> None:
        self.state: State = "connecting"
        self._url = url
        self._hear = hear
        self._resume = resume
        self._pause = pause
        self._wanted = wanted
        self._probe: tuple[str, asyncio.Event] = ("", asyncio.Event())

    async def run(self) -> None:
        """Listen forever. After a failure try again almost at once, then with growing delays."""
        attempt = 0
        while True:
            try:
                async with self._connection() as connection:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.add_listener(CHANNEL, self._take)
                    # Announced from a second connection: behind a pooler, a connection still hears itself.
                    async with self._connection() as another:
                        await self._prove(another)
                    # After the proof, so that the Resync of `resume` covers everything before it.
                    self.state, attempt = "listening", 0
                    self._resume()
                    await self._attend(connection, lost)
                self.state = "away" if self._wanted.is_set() else "resting"
                logger.warning("the listening connection was lost")
            except _UnreachableError:
                self.state = "deaf"
                logger.error("announcements do not arrive: DATABASE_URL_UNPOOLED must not lead to a pooler")
            # asyncpg also raises InternalClientError, if PostgreSQL closes the connection in the middle of a message.
            except Exception as error:
                self.state = "away"
                logger.warning("cannot listen: %s", type(error).__name__)
            self._pause()
            if self.state != "away":
                await self._wanted.wait()
            # Random, so that replicas do not all reconnect at the moment at which the database is back.
            await asyncio.sleep(random.uniform(0.5, 1) * min(0.1 * 2**attempt, MAX_BACKOFF_SECONDS))  # noqa: S311
            attempt = min(attempt + 1, 10)

    @asynccontextmanager
    async def _connection(self) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(cleaned(self._url), timeout=5, statement_cache_size=0)
        try:
            yield connection
        finally:
            # close() would wait for a peer that may have stopped answering.
            connection.terminate()

    async def _attend(self, connection: "asyncpg.Connection[asyncpg.Record]", lost: asyncio.Event) -> None:
        """Return once the connection is lost. The next probe detects a peer that has stopped answering."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), PROBE_SECONDS)
            # While nobody waits for changes no probe is sent, which would keep the database from suspending.
            waits = [asyncio.create_task(event.wait()) for event in (lost, self._wanted)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if lost.is_set():
                return
            await self._prove(connection)

    async def _prove(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Announce a probe on this connection and wait until the listening one has received it."""
        token, heard = uuid4().hex, asyncio.Event()
        self._probe = (token, heard)
        payload = json.dumps({"type": "probe", "id": token})
        arguments = _ANNOUNCE.arguments({"channel": CHANNEL, "payload": payload})
        await connection.fetchval(_ANNOUNCE.sql, *arguments, timeout=PROBE_SECONDS)
        try:
            await asyncio.wait_for(heard.wait(), PROBE_SECONDS)
        except TimeoutError as error:
            raise _UnreachableError from error

    def _take(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        text, (token, heard) = str(payload), self._probe
        if text.startswith('{"type": "probe"'):
            if token in text:
                heard.set()
        else:
            self._hear(text)
