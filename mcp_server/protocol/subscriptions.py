"""Subscriptions: notify a client when one of its resources changes, on whichever replica.

In revision 2026-07-28 the response to `subscriptions/listen` is the stream. A notification only says "read this again",
so each resource waits at most once for a slow reader, and the queue is bounded. Older revisions have
`resources/subscribe`, which is offered over stdio only: stateless HTTP has no channel for notifications.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    event_to_notification,
)
from mcp.types import (
    INVALID_PARAMS,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenResult,
)

from mcp_server.http.authentication import find_bearer
from mcp_server.http.connection_limit import ConnectionLimit, LimitReached
from mcp_server.identity.access_tokens import InvalidToken
from mcp_server.identity.callers import Caller
from mcp_server.identity.tokens import RECHECK_SECONDS, Verifier
from mcp_server.protocol.resources import STATISTICS
from storage.events.changes import (
    Change,
    ConversationChange,
    PeopleChange,
    Resync,
    SessionEnded,
    SubtaskChange,
    TaskChange,
)
from storage.events.feed import Feed

# Each stream is an HTTP response that does not end by itself: it holds a connection and a file descriptor.
MAX_STREAMS = 1000
MAX_STREAMS_A_USER = 20
MAX_OPENING = 2
"""How many streams are opened at the same time, each with one query for a resource."""
# Opening a stream reads each of its resources once, to check access.
MAX_URIS = 100

Context = ServerRequestContext[Any, Any]


class _Stream:
    """The resources that one client listens to, and the notifications that wait to be sent."""

    def __init__(self, user_id: str, uris: Iterable[str], lists: bool = False) -> None:
        self.uris = set(uris)
        self.closed = False
        self._user_id = user_id
        self._lists = lists
        # A dict keeps the order, and each notification once: at most one for each URI, and one for the list.
        self._waiting: dict[ServerEvent, None] = {}
        self._changed = asyncio.Event()

    def take(self, change: Change, users: frozenset[str] | None) -> None:
        """Queue a change from the feed if this user may see it at that moment. `users` None means everybody."""
        # The feed determines the audience of each change anew, so a stream hears nothing more once access is revoked.
        if users is not None and self._user_id not in users:
            return
        match change:
            # A client outlives the session in which it was allowed.
            case SessionEnded():
                return
            case TaskChange(task_id=task_id):
                touched = self.uris & {f"task://{task_id}", STATISTICS}
            case SubtaskChange(task_id=task_id):
                touched = self.uris & {f"task://{task_id}"}
            case ConversationChange(conversation_id=conversation_id):
                touched = self.uris & {f"conversation://{conversation_id}"}
            # NOTIFY is not stored: after a lost connection any resource may have changed.
            case Resync():
                touched = self.uris
            case PeopleChange():
                touched = frozenset[str]()
        self._waiting |= dict.fromkeys(map(ResourceUpdated, sorted(touched)))
        if self._lists and not isinstance(change, TaskChange | PeopleChange):
            self._waiting[ResourcesListChanged()] = None
        if self._waiting:
            self._changed.set()

    async def wait(self, seconds: float) -> list[ServerEvent]:
        """The waiting notifications, oldest first; an empty list after `seconds`, or when the stream is closed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(seconds, 0))
        # No await between these lines, or a change that comes in between would wait for the next one.
        self._changed.clear()
        waiting, self._waiting = self._waiting, {}
        return list(waiting)

    def close(self) -> None:
        """End the stream after the waiting notifications are sent."""
        self.closed = True
        self._changed.set()


def _distinct(wanted: SubscriptionFilter) -> frozenset[str]:
    """The URIs to listen to.

    Raises:
        MCPError: too many. This is checked first, because each needs a query to check access.
    """
    uris = frozenset(wanted.resource_subscriptions or ())
    if len(uris) > MAX_URIS:
        raise MCPError(INVALID_PARAMS, f"A stream takes at most {MAX_URIS} resources: open several.")
    return uris


class Subscriptions:
    """The open streams of this process."""

    def __init__(self, feed: Feed, verifier: Verifier) -> None:
        self._feed = feed
        self._verifier = verifier
        self._streams: set[_Stream] = set()
        self._limit = ConnectionLimit(MAX_STREAMS_A_USER, MAX_STREAMS)
        self._opening = asyncio.Semaphore(MAX_OPENING)
        self._standing: tuple[_Stream, asyncio.Task[None]] | None = None
        self._closing = False

    async def listen(
        self, ctx: Context, wanted: SubscriptionFilter, caller: Caller, check: Callable[[str], Awaitable[None]]
    ) -> SubscriptionsListenResult:
        """Send notifications until the client leaves, the token ends, or the server stops.

        `check` raises an MCPError for a resource that the caller may not read.

        Raises:
            MCPError: too many streams or resources, or one that is not the caller's.
        """
        uris = _distinct(wanted)
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        honored = wanted.model_copy(update={"resource_subscriptions": sorted(uris) or None})
        acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=honored, _meta=meta)
        with self._opened(_Stream(caller.user_id, uris, bool(wanted.resources_list_changed)), caller) as stream:
            # A stream takes its place before anything is read for it: what would be refused costs no query. A few are
            # checked at a time, so that a thousand clients that connect at once leave connections to others.
            async with self._opening:
                for uri in sorted(uris):
                    await check(uri)
            # The stream is open already, so no change after this message is missed.
            await ctx.session.send_notification(
                SubscriptionsAcknowledgedNotification(params=acknowledged), related_request_id=ctx.request_id
            )
            # Authentication checks the token of a request once, but this one lasts. A busy stream never waits out its
            # time, so the next check is due by the clock and not after a quiet period.
            while not stream.closed and await self._is_valid(ctx):
                checked = time.monotonic()
                while (left := checked + RECHECK_SECONDS - time.monotonic()) > 0 and not stream.closed:
                    events = await stream.wait(min(left, caller.expires_at - time.time()))
                    # Checked after the wait and before sending: nothing is sent for an expired token, not even what
                    # was already waiting. The verifier's leeway does not apply to a stream.
                    if caller.expires_at <= time.time():
                        return SubscriptionsListenResult(_meta=meta)
                    for event in events:
                        await ctx.session.send_notification(
                            event_to_notification(event, meta), related_request_id=ctx.request_id
                        )
        return SubscriptionsListenResult(_meta=meta)

    def subscribe(self, ctx: Context, uri: str, caller: Caller) -> None:
        """Notify the one client of this process (stdio) of a resource, in revisions before 2026-07-28.

        Raises:
            MCPError: too many resources.
        """
        # resources/subscribe has no response to stream on, so one task sends for all subscriptions of the connection.
        if self._standing is None:
            stream = _Stream(caller.user_id, ())
            self._standing = stream, asyncio.create_task(self._notify(ctx, stream, caller))
        if len(self._standing[0].uris) >= MAX_URIS:
            raise MCPError(INVALID_PARAMS, f"At most {MAX_URIS} resources can be subscribed to: leave one first.")
        self._standing[0].uris.add(uri)

    def unsubscribe(self, uri: str) -> None:
        """Stop notifying of a resource."""
        if self._standing is not None:
            self._standing[0].uris.discard(uri)

    async def _notify(self, ctx: Context, stream: _Stream, caller: Caller) -> None:
        with self._opened(stream, caller):
            while not stream.closed and (left := caller.expires_at - time.time()) > 0:
                for event in await stream.wait(min(left, RECHECK_SECONDS)):
                    await ctx.session.send_notification(event_to_notification(event, {}))

    async def close(self) -> None:
        """End all streams after their last notification, and refuse new ones."""
        self._closing = True
        for stream in self._streams:
            stream.close()
        if self._standing is not None:
            await asyncio.gather(self._standing[1], return_exceptions=True)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @contextmanager
    def _opened(self, stream: _Stream, caller: Caller) -> Generator[_Stream]:
        if self._closing:
            raise MCPError(INVALID_PARAMS, "The server is stopping: connect again in a few seconds.")
        try:
            with self._limit.hold(caller.user_id):
                self._streams.add(stream)
                unsubscribe = self._feed.subscribe(stream.take)
                try:
                    yield stream
                finally:
                    unsubscribe()
                    self._streams.discard(stream)
        except LimitReached as error:
            reason = "You have too many subscriptions open: end one first."
            if not error.most:
                reason = "The server has too many subscriptions open: try again in a minute."
            raise MCPError(INVALID_PARAMS, reason) from error

    async def _is_valid(self, ctx: Context) -> bool:
        """Whether the token of the request still lets its bearer in. Over stdio there is none."""
        if ctx.request is None:
            return True
        try:
            await self._verifier.recheck(find_bearer(ctx.request.scope) or "", "mcp")
        except InvalidToken:
            return False
        return True
