"""Search in conversations as their page shows it: messages with marked words, and titles."""

from sqlalchemy import Text, bindparam, func, select
from sqlmodel import col

from storage.conversations import conversations
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import users
from storage.schema.conversation_models import ConversationView
from storage.schema.dashboard_models import ConversationMatches
from storage.schema.tables import Conversation
from storage.search import messages
from storage.search.messages import Order

MOST_TITLES = 5
"""How many conversations are found by their title."""

_TITLED = compiled(
    select(*(getattr(Conversation, name) for name in ConversationView.model_fields))
    .where(
        col(Conversation.user_id) == func.current_user_id(),
        col(Conversation.search).bool_op("@@")(func.search_query(bindparam("words", type_=Text))),
    )
    .order_by(col(Conversation.updated_at).desc(), col(Conversation.id).desc())
    .limit(MOST_TITLES)
)


@retry_transient
async def search(
    scope: Scope, query: str, limit: int, cursor: str | None = None, order: Order = "best"
) -> ConversationMatches:
    """A page of the caller's messages as `messages.search` finds them, and conversations found by their title.

    A query with a filter concerns messages only, so it finds no titles.

    Raises:
        InvalidInput: as `messages.search`.
    """
    async with scope.transaction() as transaction:
        joined = scope.within(transaction)
        found = await messages.search_marked(joined, query, limit, cursor, order)
        titled = list[ConversationView]()
        question = await messages.read_question(transaction, query)
        if cursor is None and not question.is_filtered:
            titled = [conversations.view(row) for row in await transaction.fetch_all(_TITLED, words=query)]
        timezone = await users.timezone_of(transaction, transaction.user_id)
    return ConversationMatches(messages=found.messages, next_cursor=found.next_cursor, titled=titled, timezone=timezone)
