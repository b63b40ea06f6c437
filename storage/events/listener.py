"""One connection that hears PostgreSQL's announcements, opened again whenever it is lost."""

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
"""Between two proofs that announcements arrive, and the most that one may take."""
MAX_BACKOFF_SECONDS = 5.0

State = Literal["connecting", "listening", "away", "deaf", "resting"]
_ANNOUNCE = compiled(select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))))


class _UnreachableError(Exception):
    """The connection takes LISTEN, and delivers nothing: there is a pooler in between."""


class Listener:
    """Listens at `url`, which must lead to PostgreSQL directly.

    `hear` gets each announcement; `resume` is called whenever listening begins, for what was announced before is lost,
    and `pause` when it ends or cannot begin.
    `wanted` says that somebody waits for news. While nobody does, nothing is sent and a lost connection stays lost: a
    database that is left alone may sleep (Neon suspends after 5 minutes). One that could not be reached is tried on,
    for it may never have been there.
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
        """Listen for ever; try again at once first, then ever more slowly."""
        attempt = 0
        while True:
            try:
                async with self._connection() as connection:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.add_listener(CHANNEL, self._take)
                    async with self._connection() as another:
                        await self._prove(another)
                    self.state, attempt = "listening", 0
                    self._resume()
                    await self._attend(connection, lost)
                self.state = "away" if self._wanted.is_set() else "resting"
                logger.warning("the listening connection was lost")
            except _UnreachableError:
                self.state = "deaf"
                logger.error("announcements do not arrive: DATABASE_URL_UNPOOLED must not lead to a pooler")
            except Exception as error:  # also asyncpg's InternalClientError, when PostgreSQL ends us in mid-sentence
                self.state = "away"
                logger.warning("cannot listen: %s", type(error).__name__)
            self._pause()
            if self.state != "away":
                await self._wanted.wait()
            await asyncio.sleep(random.uniform(0.5, 1) * min(0.1 * 2**attempt, MAX_BACKOFF_SECONDS))  # noqa: S311
            attempt = min(attempt + 1, 10)

    @asynccontextmanager
    async def _connection(self) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(cleaned(self._url), timeout=5, statement_cache_size=0)
        try:
            yield connection
        finally:
            connection.terminate()

    async def _attend(self, connection: "asyncpg.Connection[asyncpg.Record]", lost: asyncio.Event) -> None:
        """Return once the connection is lost. A peer that went silent is found out by the next probe."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), PROBE_SECONDS)
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
        """Announce something and hear it. Behind a pooler only what a connection announces itself is heard."""
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
