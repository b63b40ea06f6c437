"""Search by words in tasks, conversations and messages."""

from dataclasses import dataclass

from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.schema.conversation_models import ConversationView, MessageMatch
from storage.schema.errors import InvalidInput
from storage.schema.request_models import TaskFilter
from storage.schema.response_models import TaskBrief, TaskView
from storage.search import chats, messages
from storage.tasks import listing


@dataclass(frozen=True)
class Matches:
    """What a search found, the best of each kind first."""

    tasks: list[TaskBrief | TaskView]
    conversations: list[ConversationView]
    messages: list[MessageMatch]


@retry_transient
async def search(scope: Scope, query: str, limit: int) -> Matches:
    """Find visible tasks, own conversations and their messages by any of the words, `limit` of each at most."""
    async with scope.transaction() as transaction:
        # All kinds are one transaction: verbs called with this scope join it.
        joined = scope.within(transaction)
        tasks = await listing.find(joined, TaskFilter.model_construct(status="all", search=query), limit)
        try:
            talks = (await chats.search(joined, query, limit)).conversations
            said = (await messages.search(joined, query, limit)).matches
        except InvalidInput:
            # Only messages have filters. Here a word such as before:noon is nothing that a caller could correct.
            return Matches(tasks.tasks, [], [])
        return Matches(tasks.tasks, talks, said)
