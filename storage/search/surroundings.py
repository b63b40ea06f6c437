"""The messages before and after those that a search found, as far as a page has room for them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, Integer, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Transaction
from storage.engine.statements import compiled
from storage.schema import token_budget
from storage.schema.conversation_models import MessageMatch, Surrounding
from storage.schema.tables import Message
from storage.search import snippets

_READ_CHARACTERS = 2 * snippets.SNIPPET
"""How much of a message is read: more than a snippet has, because runs of spaces become one."""

_given = (
    func.unnest(
        bindparam("conversations", type_=ARRAY(BigInteger)),
        bindparam("sequences", type_=ARRAY(Integer)),
    )
    .table_valued("conversation_id", "sequence")
    .render_derived("given")
)
_READ = compiled(
    select(
        col(Message.conversation_id),
        col(Message.sequence),
        col(Message.role),
        func.left(col(Message.content), _READ_CHARACTERS).label("beginning"),
    )
    .where(col(Message.user_id) == func.current_user_id())
    .join(
        _given,
        (col(Message.conversation_id) == _given.c.conversation_id) & (col(Message.sequence) == _given.c.sequence),
    )
)


async def add(
    transaction: Transaction, matches: Sequence[MessageMatch], context: int, max_tokens: int | None
) -> list[MessageMatch]:
    """Add up to `context` messages before and after each match, the first match first, while they fit.

    `max_tokens` is for all matches with what is added. A message that the page shows already is not repeated.
    """
    shown = {(match.conversation_id, match.sequence) for match in matches}
    wanted = [place for match in matches for place in _places(match, context)]
    places = sorted(set(wanted) - shown)
    if not places:
        return list(matches)
    rows = await transaction.fetch_all(
        _READ, conversations=[place[0] for place in places], sequences=[place[1] for place in places]
    )
    read = {
        (row["conversation_id"], row["sequence"]): Surrounding.model_construct(
            sequence=row["sequence"], role=row["role"], snippet=snippets.beginning(row["beginning"])
        )
        for row in rows
    }
    room = None if max_tokens is None else max_tokens - sum(map(token_budget.cost, matches))
    return _distribute(matches, context, read, room)


def _distribute(
    matches: Sequence[MessageMatch], context: int, read: Mapping[tuple[int, int], Surrounding], room: int | None
) -> list[MessageMatch]:
    left = dict(read)
    filled: list[MessageMatch] = []
    for match in matches:
        # A message without text, which has tool calls alone, would say nothing.
        near = [place for place in _places(match, context) if place in left and left[place].snippet]
        wider = match.model_copy(update={"context": [left[place] for place in near]}) if near else match
        added = token_budget.cost(wider) - token_budget.cost(match)
        if near and (room is None or added <= room):
            room = None if room is None else room - added
            left = {place: found for place, found in left.items() if place not in near}
            filled.append(wider)
        else:
            filled.append(match)
    return filled


def _places(match: MessageMatch, context: int) -> list[tuple[int, int]]:
    numbers = range(match.sequence - context, match.sequence + context + 1)
    return [(match.conversation_id, number) for number in numbers if number != match.sequence]
