"""Search in the caller's conversations: those with the best messages and titles first."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, bindparam, func, select, true, tuple_
from sqlmodel import col

from storage.conversations import conversations
from storage.engine import pagination
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.schema import search_query, token_budget
from storage.schema.conversation_models import ConversationList, ConversationView
from storage.schema.errors import InvalidInput
from storage.schema.request_models import NO_CURSOR
from storage.schema.tables import Conversation
from storage.search import messages, ranking

_POSITION = ("score", "newest", "conversation_id")
_KINDS = (BigInteger, DateTime(timezone=True), BigInteger)


@lru_cache
def _page(continued: bool) -> Statement:
    ranked = (
        select(
            func.rank_conversations(*messages.RANKED_BY).table_valued(
                "conversation_id", "newest", "score", "frequencies"
            )
        )
    ).cte("ranked")
    columns = [ranked.c[name] for name in _POSITION]
    fields = [getattr(Conversation, name) for name in ConversationView.model_fields]
    page = select(*fields, *columns, ranked.c.frequencies).join_from(
        ranked, Conversation, col(Conversation.id) == ranked.c.conversation_id
    )
    if continued:
        after = (bindparam(f"after_{name}", type_=kind) for name, kind in zip(_POSITION, _KINDS, strict=True))
        page = page.where(tuple_(*columns) < tuple_(*after))
    page = page.order_by(*(column.desc() for column in columns)).limit(bindparam("page_size", type_=BigInteger))
    chosen = page.subquery()
    total = select(func.count().label("total")).select_from(ranked).subquery()
    rows = select(total.c.total, chosen).select_from(total.outerjoin(chosen, true()))
    return compiled(rows.order_by(*(chosen.c[name].desc() for name in _POSITION)))


@retry_transient
async def search(
    scope: Scope, query: str, limit: int = 20, cursor: str | None = None, *, max_tokens: int | None = None
) -> ConversationList:
    """A page of the caller's conversations with words of the query in their messages or title, the best first.

    The syntax of the query and what counts is as in `messages.search`. A query that only excludes words lists the
    other conversations, the one updated last first.

    Raises:
        InvalidInput: the query has a filter that cannot be read, or nothing but filters; the cursor belongs to another
            listing.
    """
    async with scope.transaction() as transaction:
        question = await messages.read_question(transaction, query)
        rows = await transaction.fetch_all(messages.SURVEY, words=question.words)
        if not rows:
            if question.is_filtered:
                raise InvalidInput(search_query.NOTHING)
            return await conversations.find(scope.within(transaction), query, limit, cursor, max_tokens=max_tokens)
        found, moment, listing = ranking.survey(rows), rows[0]["moment"], f"conversations best {query}"
        values, after = messages.filters_of(question), dict[str, Any]()
        if cursor:
            moment, written, *position = pagination.read(cursor, listing, datetime, str, int, datetime, int)
            try:
                found = found.pinned(written)
            except ValueError as error:
                raise InvalidInput(f"cursor {NO_CURSOR}.") from error
            after = {f"after_{name}": value for name, value in zip(_POSITION, position, strict=True)}
            values["before"] = min(moment, values["before"] or moment)
        rows = await transaction.fetch_all(
            _page(cursor is not None),
            searches=ranking.searches(found, question),
            terms=ranking.described(found),
            messages=found.messages,
            size=float(found.size),
            page_size=limit + 1,
            **values,
            **after,
        )
    there = [row for row in rows if row["id"] is not None]
    shown = token_budget.fill([conversations.view(row) for row in there[:limit]], max_tokens)
    following = None
    if len(there) > len(shown):
        last = there[len(shown) - 1]
        position = (last[name] for name in _POSITION)
        following = pagination.write(listing, moment, found.written(last["frequencies"]), *position)
    estimated = None if ranking.is_complete(found, question) else True
    return ConversationList(
        conversations=shown, total_count=rows[0]["total"], total_is_estimate=estimated, next_cursor=following
    )
