"""What changed, and for whom: one LISTEN connection a process, and everybody here who waits for news.

PostgreSQL keeps no announcement for a listener that is away. After any gap everybody is therefore told to look again,
and a change is handed out only to who may see it at that moment.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from storage.engine.database import Database, Statement, compiled
from storage.engine.retry import retry_transient
from storage.events.listener import Listener

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.015
MAX_HEARD = 1000
MAX_WAITING = 256
MAX_TOGETHER = 100
"""More changes at once than this are no news for one reader, but a reason to look again."""

EventType = Literal["task_created", "task_updated", "task_deleted", "task_completed"]
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


@dataclass(frozen=True)
class TaskChange:
    """A task changed; `user_id` made the change, `timestamp` is ISO 8601 with an offset."""

    event_type: EventType
    task_id: int
    user_id: str
    timestamp: str


@dataclass(frozen=True)
class SubtaskChange:
    """A task below this one changed, came or went. For subscribers only."""

    task_id: int


@dataclass(frozen=True)
class ConversationChange:
    """A conversation of the reader's changed."""

    conversation_id: int


@dataclass(frozen=True)
class Resync:
    """Anything may have changed: read again what is shown."""


@dataclass(frozen=True)
class Paused:
    """Changes are not heard for now. A Resync follows once they are again."""


_Id = Annotated[int, Field(ge=1, lt=2**63)]


class _Tasks(BaseModel):
    type: Literal["task_created", "task_updated", "task_deleted", "task_completed", "task_restored"]
    by: str
    at: str
    ids: list[_Id]

    def changes(self, audience: dict[int, frozenset[str]]) -> "list[_Addressed]":
        event_type: EventType = "task_updated" if self.type == "task_restored" else self.type
        return [
            (TaskChange(event_type, task_id, self.by, self.at), audience.get(task_id, frozenset()))
            for task_id in self.ids
        ]


class _Access(BaseModel):
    type: Literal["access"]
    users: list[str]

    def changes(self, _: object) -> "list[_Addressed]":
        return [(Resync(), frozenset(self.users))]


class _Move(BaseModel):
    """Tasks that left a team, entered one, or both; or that are gone with their owner."""

    type: Literal["move"]
    ids: list[_Id]
    before: _Id | None
    after: _Id | None

    def changes(self, _: object) -> "list[_Addressed]":
        return []


class _Conversation(BaseModel):
    type: Literal["conversation"]
    id: int
    users: list[str]

    def changes(self, _: object) -> "list[_Addressed]":
        return [(ConversationChange(self.id), frozenset(self.users))]


Change = TaskChange | SubtaskChange | ConversationChange | Resync
_Addressed = tuple[Change, frozenset[str]]
_Announcement = _Tasks | _Access | _Move | _Conversation
_ANNOUNCEMENT: TypeAdapter[_Announcement] = TypeAdapter(Annotated[_Announcement, Field(discriminator="type")])
Subscriber = Callable[[Change, frozenset[str] | None], None]
"""Takes a change and the users who may know of it; None means everybody."""


class TooSlow(Exception):
    """A reader takes its changes more slowly than they come."""


class Watch:
    """The changes for one user, oldest first: `async for change in watch`. Raises TooSlow."""

    def __init__(self) -> None:
        self._waiting: deque[Change | Paused] = deque()
        self._news = asyncio.Event()
        self._overrun = asyncio.Event()

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> Change | Paused:
        while not self._waiting and not self._overrun.is_set():
            self._news.clear()
            await self._news.wait()
        if self._overrun.is_set():
            raise TooSlow
        return self._waiting.popleft()

    async def overrun(self) -> None:
        """Wait until the reader is too slow, whatever it is busy with, and raise TooSlow."""
        await self._overrun.wait()
        raise TooSlow

    def put(self, change: Change | Paused) -> None:
        """Add a change; called by the feed."""
        if isinstance(change, Resync) and self._waiting and self._waiting[-1] == change:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._overrun.set()
        else:
            self._waiting.append(change)
        self._news.set()


class Feed:
    """Hears PostgreSQL's announcements and hands them out. Open with `listen`."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._subscribers: set[Subscriber] = set()
        self._wanted = asyncio.Event()
        self._heard: list[str] = []
        self._news = asyncio.Event()
        self._paused = False
        self.listener = Listener(url, self._hear, self._resume, self._pause, self._wanted)

    @contextmanager
    def watch(self, user_id: str) -> Generator[Watch]:
        """The changes that this user may see, from now on."""
        watch = Watch()
        if self._paused:
            watch.put(Paused())
        self._watches[user_id].add(watch)
        self._wanted.set()
        try:
            yield watch
        finally:
            self._watches[user_id].discard(watch)
            if not self._watches[user_id]:
                del self._watches[user_id]
            self._rest()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every change and its audience. What comes back ends that."""
        self._subscribers.add(subscriber)
        self._wanted.set()

        def unsubscribe() -> None:
            self._subscribers.discard(subscriber)
            self._rest()

        return unsubscribe

    def _rest(self) -> None:
        if not self._watches and not self._subscribers:
            self._wanted.clear()

    def _hear(self, text: str) -> None:
        if self._wanted.is_set() and len(self._heard) <= MAX_HEARD:
            self._heard.append(text)
            self._news.set()

    async def deliver(self) -> None:
        """Hand out what is heard, for ever, a few milliseconds' worth at a time."""
        while True:
            await self._news.wait()
            await asyncio.sleep(BATCH_SECONDS)
            self._news.clear()
            heard, self._heard = self._heard, []
            if len(heard) > MAX_HEARD:
                self._resync()
                continue
            try:
                await self._tell([said for text in heard if (said := _parse(text))])
            except Exception:
                # Who may see these changes cannot be known now.
                logger.warning("changes could not be handed out")
                self._resync()

    async def _tell(self, announcements: list[_Announcement]) -> None:
        ids = {task_id for said in announcements if isinstance(said, _Tasks) for task_id in said.ids}
        audience = await _find_audience(self._database, _AUDIENCE, ids)
        changes = [addressed for said in announcements for addressed in said.changes(audience)]
        if moves := [said for said in announcements if isinstance(said, _Move)]:
            changes.append((Resync(), await _find_moved(self._database, moves)))
        if self._subscribers:
            above = await _find_audience(self._database, _PARENTS, ids)
            for subscriber in tuple(self._subscribers):
                for change, users in [*changes, *((SubtaskChange(task_id), users) for task_id, users in above.items())]:
                    subscriber(change, users)
        self._queue(changes)

    def _queue(self, changes: list[_Addressed]) -> None:
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

    A database that is away is no reason not to start: `feed.listener.state` tells, and everybody gets a Resync once
    it is back.
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
    async with database.nobody().transaction() as transaction:
        rows = await transaction.fetch_all(statement, ids=sorted(ids))
    audience: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        audience[row["task_id"]].add(row["user_id"])
    return {task_id: frozenset(users) for task_id, users in audience.items()}


@retry_transient
async def _find_moved(database: Database, moves: list[_Move]) -> frozenset[str]:
    """Who sees a task no more since it moved, or sees it only now."""
    ids: defaultdict[tuple[int | None, int | None], set[int]] = defaultdict(set)
    for move in moves:
        ids[move.before, move.after] |= set(move.ids)
    users: set[str] = set()
    async with database.nobody().transaction() as transaction:
        for (before, after), moved in ids.items():
            rows = await transaction.fetch_all(_MOVED, ids=sorted(moved), before=before, after=after)
            users |= {row["user_id"] for row in rows}
    return frozenset(users)


def _parse(text: str) -> _Announcement | None:
    """An announcement of ours; anybody who may connect to the database may announce something else."""
    try:
        return _ANNOUNCEMENT.validate_json(text)
    except ValidationError:
        return None
