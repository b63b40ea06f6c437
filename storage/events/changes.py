"""Changes as readers receive them, and the queue of one reader."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

MAX_WAITING = 256
"""Changes that may wait for one reader; with more the reader counts as too slow."""

EventType = Literal["task_created", "task_updated", "task_deleted", "task_completed"]


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
class SessionEnded:
    """A session of the reader's ended: its sockets close, and its tokens count no longer."""

    session_id: str


@dataclass(frozen=True)
class PeopleChange:
    """An invitation, or the members of one of the reader's teams, changed. For dashboards only."""


@dataclass(frozen=True)
class Resync:
    """Anything may have changed: read everything again."""


@dataclass(frozen=True)
class Paused:
    """Changes do not arrive for now. A Resync follows once they do."""


Change = TaskChange | SubtaskChange | ConversationChange | PeopleChange | SessionEnded | Resync


class TooSlow(Exception):
    """A reader takes changes more slowly than they arrive."""


class Watch:
    """The changes for one user, oldest first: `async for change in watch`. Raises TooSlow."""

    def __init__(self) -> None:
        self._waiting: deque[Change | Paused] = deque()
        self._news = asyncio.Event()
        # An event of its own: a reader that is blocked in a send would never notice it in the queue.
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
        """Wait until the reader is too slow, even while it is busy sending, and raise TooSlow."""
        await self._overrun.wait()
        raise TooSlow

    def put(self, change: Change | Paused) -> None:
        """Add a change; called by the feed."""
        # Reading everything once is enough. This also keeps a burst of resyncs from filling the queue.
        if isinstance(change, Resync) and self._waiting and self._waiting[-1] == change:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._overrun.set()
        else:
            self._waiting.append(change)
        self._news.set()
