"""Search by words in the caller's messages, across conversations."""

from datetime import datetime
from functools import lru_cache

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, func, select, tuple_

from storage.engine import pagination
from storage.engine.database import Row, Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.schema import token_budget
from storage.schema.conversation_models import MessageMatch, MessageMatches
from storage.schema.tables import Message

SNIPPET = 200
"""The most characters of a snippet."""

# A control character, which no text is likely to contain; it marks the first match and is removed from the snippet.
_MARK = "\x02"
_QUERY = bindparam("search", type_=Text)
# A function, because behind a policy the index on words is not used: 96 ms instead of 0.8 (docs/research.md, "Text
# search"). It filters by the caller itself.
_MATCHING = func.matching_messages(_QUERY).table_valued(*Message.model_fields)


@retry_transient
async def search(
    scope: Scope, query: str, limit: int = 20, cursor: str | None = None, *, max_tokens: int | None = None
) -> MessageMatches:
    """A page of the caller's messages that contain these words (websearch syntax), newest first.

    A page that would be longer than `max_tokens` ends early, with a cursor.

    Raises:
        InvalidInput: the cursor belongs to another listing.
    """
    listing = f"messages {query}"
    position = pagination.read(cursor, listing, datetime, int, int) if cursor else [None, None, None]
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(
            _search(cursor is not None),
            search=query,
            page_size=limit + 1,
            after_time=position[0],
            after_conversation=position[1],
            after_sequence=position[2],
        )
    matches = token_budget.fill([_match(row) for row in rows[:limit]], max_tokens)
    following = pagination.following(listing, rows, len(matches), "created_at", "conversation_id", "sequence")
    return MessageMatches(matches=matches, next_cursor=following)


def _match(row: Row) -> MessageMatch:
    words = " ".join(row["marked"].split())
    start = max(0, words.find(_MARK) - SNIPPET // 3)
    return MessageMatch.model_construct(
        conversation_id=row["conversation_id"],
        sequence=row["sequence"],
        role=row["role"],
        snippet=words[start:].replace(_MARK, "")[:SNIPPET],
    )


@lru_cache
def _search(continued: bool) -> Statement:
    position = (_MATCHING.c.created_at, _MATCHING.c.conversation_id, _MATCHING.c.sequence)
    page = select(*position, _MATCHING.c.role, _MATCHING.c.content)
    if continued:
        after = (
            bindparam("after_time", type_=DateTime(timezone=True)),
            bindparam("after_conversation", type_=BigInteger),
            bindparam("after_sequence", type_=Integer),
        )
        page = page.where(tuple_(*position) < tuple_(*after))
    page = page.order_by(*(key.desc() for key in position)).limit(bindparam("page_size", type_=BigInteger)).subquery()
    # Only for the rows of the page: ts_headline parses the whole text of a message again.
    options = f'MaxFragments=1, MaxWords=35, MinWords=10, StartSel="{_MARK}", StopSel=""'
    marked = func.ts_headline("simple", page.c.content, func.websearch_to_tsquery("simple", _QUERY), options)
    found = select(page.c.conversation_id, page.c.sequence, page.c.role, page.c.created_at, marked.label("marked"))
    return compiled(found.order_by(*(page.c[name].desc() for name in ("created_at", "conversation_id", "sequence"))))
