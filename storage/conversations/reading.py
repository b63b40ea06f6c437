"""Reading a conversation: its newest messages, or those around one of them."""

import json
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, and_, bindparam, cast, func, literal, or_, select
from sqlmodel import col

from storage.conversations import links
from storage.conversations.conversations import missing, view
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.schema import token_budget
from storage.schema.conversation_models import ConversationPage, ConversationView, MessageView
from storage.schema.errors import InvalidInput
from storage.schema.tables import Conversation, Message

_ID = bindparam("conversation_id", type_=BigInteger)
_VIEW = tuple(getattr(Conversation, name) for name in ConversationView.model_fields)
_GET = compiled(select(*_VIEW).where(col(Conversation.id) == _ID, col(Conversation.user_id) == func.current_user_id()))
_SHOWN = ("sequence", "role", "content", "tool_calls", "tool_call_id", "model", "created_at")

# A lower bound of the tokens: rows that cannot fit are not sent at all. token_budget decides which of the others fit.
_COST = (
    func.octet_length(col(Message.content)) + func.coalesce(func.octet_length(cast(col(Message.tool_calls), Text)), 0)
) / literal(10, Integer)


def _reading(which: Literal["before", "around", "after"]) -> Statement:
    """The messages before or after a sequence number, or those nearest to it on both sides; the nearest first."""
    place, size = bindparam("place", type_=BigInteger), bindparam("page_size", type_=BigInteger)
    sequence = col(Message.sequence)
    near = {
        "before": sequence < place,
        "around": and_(sequence > place - size, sequence < place + size),
        "after": sequence > place,
    }[which]

    def order(number: Any) -> list[ColumnElement[int]]:  # noqa: ANN401
        if which == "before":
            return [number.desc()]
        return [number] if which == "after" else [func.abs(number - place), number]

    nearest = (
        select(Message, _COST.label("cost"))
        .where(col(Message.conversation_id) == _ID, col(Message.user_id) == func.current_user_id(), near)
        .order_by(*order(sequence))
        .limit(size)
        .subquery()
    )
    running = func.sum(nearest.c.cost).over(order_by=order(nearest.c.sequence))
    spent = select(nearest, running.label("spent")).subquery()
    return compiled(
        select(*(spent.c[name] for name in _SHOWN))
        .where(or_(spent.c.spent <= bindparam("budget", type_=BigInteger), spent.c.spent == spent.c.cost))
        .order_by(*order(spent.c.sequence))
    )


_SHARE_OF_TASKS = 4
"""Tasks may take a fourth of the tokens; the rest is for messages."""

BEFORE = _reading("before")
AROUND = _reading("around")
AFTER = _reading("after")
"""Statements that need `conversation_id`, `place`, `page_size` and a `budget` in bytes divided by ten."""


@retry_transient
async def read(
    scope: Scope,
    conversation_id: int,
    limit: int = 50,
    before_sequence: int | None = None,
    max_tokens: int = 4000,
    *,
    around_sequence: int | None = None,
) -> ConversationPage:
    """A part of a conversation, oldest first: as many messages as fit into `max_tokens`, at least one.

    They are the newest ones, those before a sequence number, or those nearest to one, itself included; a number after
    the last message means the last.

    Raises:
        NotFound; InvalidInput: both sequence numbers are given.
    """
    if before_sequence is not None and around_sequence is not None:
        raise InvalidInput("before_sequence and around_sequence exclude each other: leave one out.")
    async with scope.transaction() as transaction:
        found = await find_one(transaction, conversation_id)
        count: int = found["message_count"]
        place = count + 1 if before_sequence is None else before_sequence
        statement = BEFORE
        if around_sequence is not None:
            place, statement = min(around_sequence, count), AROUND
        rows = await transaction.fetch_all(
            statement, conversation_id=conversation_id, place=place, page_size=limit, budget=max_tokens
        )
        tasks = token_budget.fitting(
            await links.find_tasks(transaction, conversation_id), max_tokens // _SHARE_OF_TASKS
        )
    page = ConversationPage(conversation=view(found), tasks=tasks or None, messages=[], has_more=False)
    nearest = token_budget.fill([message_view(row) for row in rows], max_tokens - token_budget.cost(page))
    messages = sorted(nearest, key=lambda message: message.sequence)
    # Numbers begin at 1 and have no gaps, so the oldest message shown says whether there are older ones.
    has_more = bool(messages) and messages[0].sequence > 1
    return page.model_copy(update={"messages": messages, "has_more": has_more})


async def find_one(transaction: Transaction, conversation_id: int) -> Row:
    """The row of a conversation; raises NotFound."""
    found = await transaction.fetch_one(_GET, conversation_id=conversation_id)
    if found is None:
        raise missing(conversation_id)
    return found


def message_view(row: Row) -> MessageView:
    """A row of one of the statements as its owner sees it."""
    calls = None if row["tool_calls"] is None else json.loads(row["tool_calls"])
    read = {"tool_calls": calls, "created_at": row["created_at"].isoformat()}
    return MessageView.model_construct(**(dict(row) | read))
