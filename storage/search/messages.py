"""Search in the caller's messages, across conversations: the best matches first, or the newest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import BigInteger, DateTime, Double, Integer, Text, bindparam, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import col

from storage.engine import pagination
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.people.timezones import rules_of
from storage.schema import search_query as queries
from storage.schema import token_budget
from storage.schema.conversation_models import MessageMatch, MessageMatches
from storage.schema.dashboard_models import FoundMessage, FoundMessages
from storage.schema.errors import InvalidInput
from storage.schema.request_models import NO_CURSOR
from storage.schema.search_query import Question
from storage.schema.tables import Conversation, Message
from storage.search import ranking, snippets, surroundings
from storage.search.ranking import Survey

Order = Literal["best", "newest"]

_MOMENT = DateTime(timezone=True)
_SURVEYED = ("word", "lexemes", "is_common", "sampled", "messages", "size", "moment")
SURVEY = compiled(select(func.survey_messages(bindparam("words", type_=Text)).table_valued(*_SURVEYED)))


def _bound(name: str, kind: Any) -> Any:  # noqa: ANN401
    return bindparam(name, type_=kind)


_FILTERS = (_bound("role", Text), _bound("inside", BigInteger), _bound("since", _MOMENT), _bound("before", _MOMENT))
_SEARCHES = cast(_bound("searches", Text), JSONB)
RANKED_BY = (
    _SEARCHES,
    cast(_bound("terms", Text), JSONB),
    _bound("messages", BigInteger),
    _bound("size", Double),
    _bound("condition", Text),
    *_FILTERS,
)
"""The arguments of rank_messages and rank_conversations."""
_ranked = func.rank_messages(*RANKED_BY).table_valued(
    "conversation_id", "sequence", "created_at", "tier", "score", "frequencies"
)
_newest = func.find_messages(
    _SEARCHES,
    func.search_query(func.nullif(_bound("condition", Text), "")),
    *_FILTERS,
    _bound("before_conversation", BigInteger),
    _bound("before_sequence", Integer),
).table_valued("conversation_id", "sequence", "created_at")
_BY_SCORE = ("tier", "score", "created_at", "conversation_id", "sequence")
_BY_TIME = ("created_at", "conversation_id", "sequence")


@lru_cache
def _page(order: Order, continued: bool) -> Statement:
    ranked, keys = (_ranked, _BY_SCORE) if order == "best" else (_newest, _BY_TIME)
    columns = [ranked.c[name] for name in keys]
    page = select(*columns, *([ranked.c.frequencies] if order == "best" else []))
    if continued and order == "best":
        kinds = (Integer, BigInteger, _MOMENT, BigInteger, Integer)
        after = [_bound(f"after_{name}", kind) for name, kind in zip(keys, kinds, strict=True)]
        page = page.where(tuple_(*columns) < tuple_(*after))
    page = page.order_by(*(column.desc() for column in columns)).limit(_bound("page_size", BigInteger)).subquery()
    passage = func.message_passage(col(Message.content), _bound("shown", ARRAY(Text)))
    same = (col(Message.conversation_id) == page.c.conversation_id) & (col(Message.sequence) == page.c.sequence)
    own = col(Conversation.id) == page.c.conversation_id
    found = select(page, col(Conversation.title), col(Message.role), passage.label("passage")).select_from(
        page.join(Message, same).join(Conversation, own)
    )
    return compiled(found.order_by(*(page.c[name].desc() for name in keys)))


@dataclass(frozen=True)
class _Request:
    """What a page was asked for. `listing` names the whole list, which a cursor belongs to."""

    transaction: Transaction
    question: Question
    listing: str
    cursor: str | None
    limit: int
    max_tokens: int | None


_Words = list[tuple[Sequence[str], float]]
"""The forms of each word that is looked for, and its weight."""


@dataclass(frozen=True)
class _Page:
    """Matches, and the words that they were found by."""

    matches: list[MessageMatch]
    next_cursor: str | None
    words: _Words


@retry_transient
async def search(
    scope: Scope,
    query: str,
    limit: int = 20,
    cursor: str | None = None,
    order: Order = "best",
    *,
    context: int = 0,
    max_tokens: int | None = None,
) -> MessageMatches:
    """A page of the caller's messages that have words of the query, the best matches first.

    With the order `newest`, of those that have all of its words, the newest first. docs/contracts/mcp.md describes the
    syntax of queries. A page that would be longer than `max_tokens` ends early, with a cursor. Where it has room, each
    match gets up to `context` messages before and after it.

    Raises:
        InvalidInput: the query has nothing to search for, or a filter that cannot be read; the cursor belongs to
            another listing.
    """
    async with scope.transaction() as transaction:
        page = await _read(transaction, query, limit, cursor, order, max_tokens)
        matches = await surroundings.add(transaction, page.matches, context, max_tokens)
        return MessageMatches(matches=matches, next_cursor=page.next_cursor)


@retry_transient
async def search_marked(
    scope: Scope, query: str, limit: int, cursor: str | None = None, order: Order = "best"
) -> FoundMessages:
    """As `search`, with the found words marked."""
    async with scope.transaction() as transaction:
        page = await _read(transaction, query, limit, cursor, order, None)
    shown = [
        FoundMessage.model_construct(
            **{name: getattr(match, name) for name in FoundMessage.model_fields if name != "parts"},
            parts=snippets.parts(match.snippet, [forms for forms, _ in page.words]),
        )
        for match in page.matches
    ]
    return FoundMessages(messages=shown, next_cursor=page.next_cursor)


async def _read(
    transaction: Transaction, query: str, limit: int, cursor: str | None, order: Order, max_tokens: int | None
) -> "_Page":
    question = await read_question(transaction, query)
    rows = await transaction.fetch_all(SURVEY, words=question.words)
    if not rows:
        raise InvalidInput(queries.NOTHING)
    if order == "newest":
        question = replace(question, condition=queries.all_words(query))
    asked = _Request(transaction, question, f"messages {order} {query}", cursor, limit, max_tokens)
    found = ranking.survey(rows)
    return await (_read_newest(asked, found) if order == "newest" else _read_best(asked, found, rows[0]["moment"]))


def filters_of(asked: Question) -> dict[str, Any]:
    """The values of _FILTERS and the condition."""
    known = {"role": asked.role, "inside": asked.conversation_id, "since": asked.since, "before": asked.before}
    return known | {"condition": asked.condition}


async def read_question(transaction: Transaction, query: str) -> Question:
    """Parse a query about messages; raises InvalidInput for a filter that cannot be read."""
    # Only a date needs the caller's time zone.
    needed = "before:" in query.lower() or "after:" in query.lower()
    zone = rules_of(await users.timezone_of(transaction, transaction.user_id) if needed else None)
    return queries.parse(query, zone)


async def _read_best(asked: _Request, found: Survey, moment: datetime) -> _Page:
    """A page by score.

    The cursor has the statistics of the first page and its moment: with those, later pages rank alike although
    messages are added meanwhile.
    """
    filters, after = filters_of(asked.question), dict[str, Any]()
    if asked.cursor:
        kinds = (datetime, str, int, int, datetime, int, int)
        moment, written, *position = pagination.read(asked.cursor, asked.listing, *kinds)
        try:
            found = found.pinned(written)
        except ValueError as error:
            raise InvalidInput(f"cursor {NO_CURSOR}.") from error
        after = {f"after_{name}": value for name, value in zip(_BY_SCORE, position, strict=True)}
        filters["before"] = min(moment, filters["before"] or moment)
    rows = await asked.transaction.fetch_all(
        _page("best", asked.cursor is not None),
        searches=ranking.searches(found, asked.question),
        terms=ranking.described(found),
        messages=found.messages,
        size=float(found.size),
        shown=_shown(found),
        page_size=asked.limit + 1,
        **filters,
        **after,
    )
    counted: list[int] = rows[0]["frequencies"] if rows else []
    words = _words(found, counted)
    matches = _matches(rows, asked, words)
    following = None
    if len(rows) > len(matches):
        last = rows[len(matches) - 1]
        position = (last[name] for name in _BY_SCORE)
        following = pagination.write(asked.listing, moment, found.written(counted), *position)
    return _Page(matches, following, words)


async def _read_newest(asked: _Request, found: Survey) -> _Page:
    """A page by time. Its messages have every word, so the rarest one finds them."""
    filters, after = filters_of(asked.question), [asked.question.before, -1, -1]
    if asked.cursor:
        after = pagination.read(asked.cursor, asked.listing, datetime, int, int)
    values = dict(zip(("before", "before_conversation", "before_sequence"), after, strict=True))
    rows = await asked.transaction.fetch_all(
        _page("newest", asked.cursor is not None),
        searches=ranking.newest(found, asked.question, asked.limit + 1),
        shown=_shown(found),
        page_size=asked.limit + 1,
        **(filters | values),
    )
    words = _words(found, None)
    matches = _matches(rows, asked, words)
    return _Page(matches, pagination.following(asked.listing, rows, len(matches), *_BY_TIME), words)


def _shown(found: Survey) -> list[str]:
    """What a long message is cut around: the rarest word that it contains, in whichever form."""
    content = sorted(found.terms, key=lambda term: (term.is_common, term.estimate))
    return [term.word for term in content] + [lexeme for term in content for lexeme in term.lexemes]


def _words(found: Survey, counted: list[int] | None) -> _Words:
    weights = found.weights(counted or [term.estimate for term in found.terms])
    return [(term.lexemes, weight) for term, weight in zip(found.terms, weights, strict=True)]


def _matches(rows: list[Row], asked: _Request, words: _Words) -> list[MessageMatch]:
    matches = [
        MessageMatch.model_construct(
            conversation_id=row["conversation_id"],
            title=row["title"],
            sequence=row["sequence"],
            role=row["role"],
            created_at=row["created_at"].isoformat(),
            snippet=snippets.cut(row["passage"], words),
        )
        for row in rows[: asked.limit]
    ]
    return token_budget.fill(matches, asked.max_tokens)
