"""Delivers changes to the readers of this process, through one LISTEN connection.

PostgreSQL keeps no announcements for a listener that is disconnected, so every reader gets a Resync after any gap. A
change is delivered only to users who may see the task at that moment.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from storage.engine.database import Database
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.events.announcements import Addressed, Announcement, EndedSession, Move, Tasks, parse
from storage.events.changes import Change, Paused, Resync, SubtaskChange, Watch
from storage.events.listener import Listener

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.015
"""How long announcements are collected, so that one query finds the audience of all of them."""
MAX_HEARD = 1000
"""Announcements in one batch; with more, every reader gets a Resync."""
MAX_TOGETHER = 100
"""Changes for one reader in one batch; with more, it gets a Resync instead."""

_audience = func.task_audience(bindparam("ids", type_=ARRAY(BigInteger))).table_valued("task_id", "user_id")
_AUDIENCE = compiled(select(_audience))
_moved = func.move_audience(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("before", type_=BigInteger),
    bindparam("after", type_=BigInteger),
)
_parents = func.parent_audience(bindparam("ids", type_=ARRAY(BigInteger))).table_valued("task_id", "user_id")
_PARENTS = compiled(select(_parents))
_MOVED = compiled(select(_moved.table_valued("user_id")))


Subscriber = Callable[[Change, frozenset[str] | None], None]
"""Receives a change and the users who may know of it; None means all users."""


class Feed:
    """Receives PostgreSQL's announcements and delivers them. Open with `listen`."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._subscribers: set[Subscriber] = set()
        self.session_ended: Callable[[str], None] = lambda _: None
        """Called with the id of each session that ends, whether anybody reads changes or not."""
        self._wanted = asyncio.Event()
        self._heard: list[str] = []
        self._news = asyncio.Event()
        self._paused = False
        self.listener = Listener(url, self._hear, self._resume, self._pause, self._wanted)

    @contextmanager
    def watch(self, user_id: str) -> Generator[Watch]:
        """The changes that this user may see, from now on."""
        watch = Watch()
        # A reader that joins while the listener is disconnected has missed the announcement of the pause.
        if self._paused:
            watch.put(Paused())
        self._watches[user_id].add(watch)
        self._wanted.set()
        try:
            yield watch
        finally:
            self._watches[user_id].discard(watch)
            # The keys are the users with readers: _queue looks only for them, and the dict must not grow forever.
            if not self._watches[user_id]:
                del self._watches[user_id]
            self._stop_if_unused()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every change and its audience. Returns a function that ends the subscription."""
        self._subscribers.add(subscriber)
        self._wanted.set()

        def unsubscribe() -> None:
            self._subscribers.discard(subscriber)
            self._stop_if_unused()

        return unsubscribe

    def _stop_if_unused(self) -> None:
        if not self._watches and not self._subscribers:
            self._wanted.clear()

    def _hear(self, text: str) -> None:
        # Not in a batch: tokens of a session that has ended must not count until somebody reads changes.
        if text.startswith('{"type" : "session_ended"') and isinstance(ended := parse(text), EndedSession):
            self.session_ended(ended.session)
        # One more than MAX_HEARD is kept: that shows `deliver` that announcements were dropped.
        if self._wanted.is_set() and len(self._heard) <= MAX_HEARD:
            self._heard.append(text)
            self._news.set()

    async def deliver(self) -> None:
        """Deliver announcements forever, in batches of BATCH_SECONDS."""
        while True:
            await self._news.wait()
            await asyncio.sleep(BATCH_SECONDS)
            # Cleared before the queries below: what arrives during them starts the next batch.
            self._news.clear()
            heard, self._heard = self._heard, []
            if len(heard) > MAX_HEARD:
                self._resync()
                continue
            try:
                await self._deliver([announcement for text in heard if (announcement := parse(text))])
            except Exception:
                # Without the audience nobody may get these changes. A Resync makes readers read again with their own
                # identity, and the loop goes on: an exception here would end delivery for the whole process.
                logger.warning("changes could not be delivered")
                self._resync()

    async def _deliver(self, announcements: list[Announcement]) -> None:
        ids = {task_id for one in announcements if isinstance(one, Tasks) for task_id in one.ids}
        audience = await _find_audience(self._database, _AUDIENCE, ids)
        changes = [addressed for one in announcements for addressed in one.changes(audience)]
        if moves := [one for one in announcements if isinstance(one, Move)]:
            changes.append((Resync(), await _find_moved(self._database, moves)))
        # Only subscribers want to know of subtasks, so readers alone do not cost this query.
        if self._subscribers:
            above = await _find_audience(self._database, _PARENTS, ids)
            for subscriber in tuple(self._subscribers):
                for change, users in [*changes, *((SubtaskChange(task_id), users) for task_id, users in above.items())]:
                    subscriber(change, users)
        self._queue(changes)

    def _queue(self, changes: list[Addressed]) -> None:
        # One list per user, which all of that user's readers share.
        mine: defaultdict[str, list[Change]] = defaultdict(list)
        for change, users in changes:
            for user_id in users & self._watches.keys():
                mine[user_id].append(change)
        for user_id, news in mine.items():
            for watch in self._watches[user_id]:
                for change in news if len(news) <= MAX_TOGETHER else [Resync()]:
                    watch.put(change)

    def _resume(self) -> None:
        self._paused = False
        self._resync()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            for watches in self._watches.values():
                for watch in watches:
                    watch.put(Paused())

    def _resync(self) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber(Resync(), None)
        for watches in self._watches.values():
            for watch in watches:
                watch.put(Resync())


@asynccontextmanager
async def listen(database: Database, url: str) -> AsyncGenerator[Feed]:
    """A feed that listens at `url`, which must lead to PostgreSQL directly.

    It also starts while the database is down: `feed.listener.state` shows that, and every reader gets a Resync once
    it listens.
    """
    feed = Feed(database, url)
    tasks = [asyncio.create_task(feed.listener.run()), asyncio.create_task(feed.deliver())]
    try:
        yield feed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@retry_transient
async def _find_audience(database: Database, statement: Statement, ids: set[int]) -> dict[int, frozenset[str]]:
    if not ids:
        return {}
    # Without an identity: the function answers for all users and runs as taskdeck_rls.
    async with database.nobody().transaction() as transaction:
        rows = await transaction.fetch_all(statement, ids=sorted(ids))
    audience: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        audience[row["task_id"]].add(row["user_id"])
    return {task_id: frozenset(users) for task_id, users in audience.items()}


@retry_transient
async def _find_moved(database: Database, moves: list[Move]) -> frozenset[str]:
    """Users who lost sight of a task when it moved, or gained it."""
    ids: defaultdict[tuple[int | None, int | None], set[int]] = defaultdict(set)
    for move in moves:
        ids[move.before, move.after] |= set(move.ids)
    users: set[str] = set()
    async with database.nobody().transaction() as transaction:
        for (before, after), moved in ids.items():
            rows = await transaction.fetch_all(_MOVED, ids=sorted(moved), before=before, after=after)
            users |= {row["user_id"] for row in rows}
    return frozenset(users)
