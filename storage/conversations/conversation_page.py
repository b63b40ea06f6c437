"""Conversations as pages show them: the list, and a part of one with its tasks."""

from storage.conversations import conversations, links, reading
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.people import users
from storage.schema.dashboard_models import ConversationPageView, ConversationRows
from storage.schema.errors import InvalidInput

_BUDGET = 65_536
"""Of a page with more than ten times as many bytes, only the nearest messages are given, at least one."""


@retry_transient
async def find_rows(scope: Scope, limit: int, cursor: str | None = None) -> ConversationRows:
    """A page of the caller's conversations, the one updated last first.

    Raises:
        InvalidInput: the cursor belongs to another listing.
    """
    async with scope.transaction() as transaction:
        found = await conversations.find(scope.within(transaction), None, limit, cursor)
        timezone = await users.timezone_of(transaction, transaction.user_id)
    return ConversationRows(
        conversations=found.conversations,
        total_count=found.total_count,
        next_cursor=found.next_cursor,
        timezone=timezone,
    )


@retry_transient
async def read(
    scope: Scope,
    conversation_id: int,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
) -> ConversationPageView:
    """Messages of a conversation, oldest first: before or after a sequence number, around one, or else the newest.

    A number after the last message means the last.

    Raises:
        NotFound; InvalidInput: more than one place is given.
    """
    if sum(place is not None for place in (before, after, around)) > 1:
        raise InvalidInput("before, after and around exclude each other: give one of them.")
    async with scope.transaction(snapshot=True) as transaction:
        row = await reading.find_one(transaction, conversation_id)
        count: int = row["message_count"]
        statement, place = reading.BEFORE, count + 1 if before is None else before
        if after is not None:
            statement, place = reading.AFTER, after
        if around is not None:
            statement, place = reading.AROUND, min(around, count)
        found = await transaction.fetch_all(
            statement, conversation_id=conversation_id, place=place, page_size=limit, budget=_BUDGET
        )
        messages = sorted(map(reading.message_view, found), key=lambda message: message.sequence)
        first, last = (messages[0].sequence, messages[-1].sequence) if messages else (0, 0)
        return ConversationPageView(
            conversation=conversations.view(row),
            messages=messages,
            has_earlier=first > 1,
            has_later=bool(messages) and last < count,
            tasks=await links.find_tasks(transaction, conversation_id),
            links=await links.find_links(transaction, conversation_id, first, last),
            timezone=await users.timezone_of(transaction, transaction.user_id),
        )
