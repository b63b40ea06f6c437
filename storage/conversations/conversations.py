"""Verbs on conversations and their messages, which belong to one user each."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import col

from storage.conversations import links
from storage.engine import idempotency, pagination
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.schema import token_budget
from storage.schema.conversation_models import (
    ConversationDeleted,
    ConversationList,
    ConversationView,
    MessagesAppended,
)
from storage.schema.errors import InvalidInput, NeedsConsent, NotFound, StorageError
from storage.schema.request_models import NewMessage
from storage.schema.tables import Conversation, Message

R = TypeVar("R")
ME = func.current_user_id()

_VIEW = tuple(getattr(Conversation, name) for name in ConversationView.model_fields)
_MINE = (col(Conversation.id) == bindparam("conversation_id", type_=BigInteger), col(Conversation.user_id) == ME)
_SIZE = bindparam("size", type_=Integer)
_GIVEN = ("role", "content", "tool_calls", "tool_call_id", "model")

_GET = compiled(select(*_VIEW).where(*_MINE))
_retitled: Any = update(Conversation).where(*_MINE).values(title=bindparam("title_", type_=Text))
_RENAME = compiled(_retitled.returning(*_VIEW))
_REMOVE = compiled(delete(Conversation).where(*_MINE).returning(col(Conversation.id), col(Conversation.title)))


def _storing(counted: Any) -> Statement:  # noqa: ANN401
    """Assign sequence numbers and store the messages in one statement.

    Messages without a time of their own get times in the order of their numbers.
    """
    numbered = counted.returning(*_VIEW).cte("counted")
    times = bindparam("created_at_list", type_=ARRAY(DateTime(timezone=True)))
    given = (
        func.unnest(*(bindparam(f"{name}_list", type_=ARRAY(Text)) for name in _GIVEN), times)
        .table_valued(*_GIVEN, "created_at", with_ordinality="position")
        .render_derived("given")
    )
    created_at = func.coalesce(given.c.created_at, numbered.c.updated_at)
    sequence = numbered.c.message_count - _SIZE + cast(given.c.position, Integer)
    columns = (cast(given.c[name], JSONB) if name == "tool_calls" else given.c[name] for name in _GIVEN)
    stored = insert(Message).from_select(
        ["conversation_id", "sequence", "user_id", "created_at", *_GIVEN],
        select(numbered.c.id, sequence, ME, created_at, *columns).select_from(numbered.join(given, true())),
    )
    return compiled(select(numbered).add_cte(stored.cte("stored")))


_START = _storing(insert(Conversation).values(user_id=ME, title=bindparam("title_", type_=Text), message_count=_SIZE))
# The update locks the conversation until COMMIT, so concurrent appends get numbers one after the other, without gaps.
# clock_timestamp() and not now(), the start of the transaction, so that times follow the order of the numbers.
_APPEND = _storing(
    update(Conversation)
    .where(*_MINE)
    .values(message_count=col(Conversation.message_count) + _SIZE, updated_at=func.clock_timestamp())
)
_QUERY = bindparam("search", type_=Text)


@lru_cache
def _find(searching: bool, continued: bool) -> Statement:
    wanted = [col(Conversation.user_id) == ME]
    if searching:
        wanted.append(
            col(Conversation.search).bool_op("@@")(func.search_query(_QUERY))
            | col(Conversation.id).in_(select(func.matching_messages(_QUERY).table_valued("conversation_id").c[0]))
        )
    page = select(*_VIEW).where(*wanted)
    position = (col(Conversation.updated_at), col(Conversation.id))
    if continued:
        after = (bindparam("after_time", type_=DateTime(timezone=True)), bindparam("after_id", type_=BigInteger))
        page = page.where(tuple_(*position) < tuple_(*after))
    page = page.order_by(*(key.desc() for key in position)).limit(bindparam("page_size", type_=BigInteger)).subquery()
    total = select(func.count().label("total")).select_from(Conversation).where(*wanted).subquery()
    return compiled(
        select(total.c.total, page)
        .select_from(total.outerjoin(page, true()))
        .order_by(page.c.updated_at.desc(), page.c.id.desc())
    )


@retry_transient
async def start(
    scope: Scope, title: str | None = None, messages: Sequence[NewMessage] = (), key: str | None = None
) -> ConversationView:
    """Start a conversation, with its first messages. With a key, starting again returns the same conversation.

    Raises:
        Conflict: the key was used with other arguments; NotFound: that conversation was deleted.
    """
    async with scope.transaction() as transaction:
        kept = await idempotency.recall(transaction, key, "start", [title, _fingerprint(messages)])
        if kept is not None:
            await _check_there(transaction, kept["id"])
            return ConversationView.model_validate(kept)
        await transaction.quotas.check(transaction, "conversations")
        await transaction.quotas.check(transaction, "messages", len(messages))
        row = await transaction.fetch_one(_START, title_=title, **_columns(messages))
        if row is None:
            raise StorageError("The conversation was not started.")
        await idempotency.keep(transaction, key, view(row).payload())
        return view(row)


@retry_transient
async def append(
    scope: Scope,
    conversation_id: int,
    messages: Sequence[NewMessage],
    key: str | None = None,
    *,
    title: str | None = None,
) -> MessagesAppended:
    """Append messages and, with a `title`, rename the conversation. With a key, doing it again changes nothing.

    Without messages, the numbers are those of no message: the first is one more than the last.

    Raises:
        InvalidInput: there are neither messages nor a title; NotFound; Conflict: the key was used with other arguments.
    """
    if not messages and title is None:
        raise InvalidInput("Nothing to keep: give messages, a title, or both.")
    renaming = [] if title is None else [title]
    async with scope.transaction() as transaction:
        # A refusal below rolls the key back as well, so the call can be repeated with it.
        given = [conversation_id, _fingerprint(messages), *renaming]
        kept = await idempotency.recall(transaction, key, "append", given)
        if kept is not None:
            await _check_there(transaction, conversation_id)
            return MessagesAppended.model_validate(kept)
        count = None if title is None else (await _rename(transaction, conversation_id, title)).message_count
        appended = (
            MessagesAppended(conversation_id=conversation_id, first_sequence=count + 1, last_sequence=count)
            if count is not None and not messages
            else await record(transaction, conversation_id, messages)
        )
        await idempotency.keep(transaction, key, appended.payload())
        return appended


@retry_transient
async def rename(scope: Scope, conversation_id: int, title: str) -> ConversationView:
    """Give a conversation another title. Its place in lists, by its last message, stays.

    Raises:
        NotFound.
    """
    async with scope.transaction() as transaction:
        return await _rename(transaction, conversation_id, title)


async def _rename(transaction: Transaction, conversation_id: int, title: str) -> ConversationView:
    row = await transaction.fetch_one(_RENAME, conversation_id=conversation_id, title_=title)
    if row is None:
        raise missing(conversation_id)
    return view(row)


async def record(transaction: Transaction, conversation_id: int, messages: Sequence[NewMessage]) -> MessagesAppended:
    """Append messages within a transaction; raises NotFound, or Conflict: there are too many."""
    await transaction.quotas.check(transaction, "messages", len(messages))
    row = await transaction.fetch_one(_APPEND, conversation_id=conversation_id, **_columns(messages))
    if row is None:
        raise missing(conversation_id)
    last: int = row["message_count"]
    return MessagesAppended(
        conversation_id=conversation_id, first_sequence=last - len(messages) + 1, last_sequence=last
    )


@retry_transient
async def find(
    scope: Scope,
    search: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
    *,
    max_tokens: int | None = None,
) -> ConversationList:
    """A page of the caller's conversations, most recently updated first.

    `search` matches words of the title, or of a message, in any form. A page that would be longer than
    `max_tokens` ends early, with a cursor.

    Raises:
        InvalidInput: the cursor belongs to another listing.
    """
    listing = f"conversations {search}"
    position = pagination.read(cursor, listing, datetime, int) if cursor else [None, None]
    async with scope.transaction() as transaction:
        given = {"search": search, "page_size": limit + 1, "after_time": position[0], "after_id": position[1]}
        rows = await transaction.fetch_all(_find(search is not None, cursor is not None), **given)
    found = [row for row in rows if row["id"] is not None]
    shown = token_budget.fill([view(row) for row in found[:limit]], max_tokens)
    following = pagination.following(listing, found, len(shown), "updated_at", "id")
    return ConversationList(conversations=shown, total_count=rows[0]["total"], next_cursor=following)


@retry_transient
async def remove(scope: Scope, conversation_id: int, *, ask: bool = False) -> ConversationDeleted:
    """Delete a conversation with its messages, for good.

    Raises:
        NotFound; NeedsConsent: the caller is to `ask`.
    """
    async with scope.transaction() as transaction:
        removed = await transaction.fetch_one(_REMOVE, conversation_id=conversation_id)
        if removed is None:
            raise missing(conversation_id)
        if ask:
            raise NeedsConsent(1, [removed["title"] or "without a title"])
    return ConversationDeleted(conversation_id=conversation_id, deleted=True)


@retry_transient
async def recorded(
    scope: Scope, conversation_id: int, call: Callable[[Scope], Awaitable[R]], describe: Callable[[R], NewMessage]
) -> R:
    """Make a call and record the message that `describe` returns for its result: both commit together, or neither.

    The message is linked to the tasks that the call added or changed.
    Every verb that `call` runs with the scope that it gets joins the same transaction.

    Raises:
        NotFound: no such conversation; whatever `call` raises.
    """
    async with scope.transaction() as transaction:
        result = await call(scope.within(transaction))
        kept = await record(transaction, conversation_id, [describe(result)])
        await links.link(transaction, conversation_id, kept.last_sequence)
    return result


def view(row: Row) -> ConversationView:
    """A row as its owner sees it."""
    found = {name: row[name] for name in ConversationView.model_fields}
    moments = {name: found[name].isoformat() for name in ("created_at", "updated_at")}
    return ConversationView.model_construct(**(found | moments))


def missing(conversation_id: int) -> NotFound:
    """The error for a conversation that does not exist, and for one of another user."""
    return NotFound(f"No conversation {conversation_id}. Use list_conversations to find its id.")


async def _check_there(transaction: Transaction, conversation_id: int) -> None:
    if await transaction.fetch_one(_GET, conversation_id=conversation_id) is None:
        raise NotFound(
            f"Conversation {conversation_id} of this idempotency_key was deleted. Use a new key for another."
        )


def _fingerprint(messages: Sequence[NewMessage]) -> list[dict[str, Any]]:
    return [message.model_dump(exclude_none=True) for message in messages]


def _columns(messages: Sequence[NewMessage]) -> dict[str, Any]:
    return {
        "size": len(messages),
        **{f"{name}_list": [getattr(message, name) for message in messages] for name in _GIVEN},
        "tool_calls_list": [None if m.tool_calls is None else json.dumps(m.tool_calls) for m in messages],
        "created_at_list": [None if m.created_at is None else datetime.fromisoformat(m.created_at) for m in messages],
    }
