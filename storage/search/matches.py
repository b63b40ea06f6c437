"""Search by words in tasks, conversations and messages."""

import re
from dataclasses import dataclass

from storage.conversations import conversations
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.schema.conversation_models import ConversationView, MessageMatch
from storage.schema.errors import InvalidInput
from storage.schema.request_models import TaskFilter
from storage.schema.response_models import TaskBrief, TaskView
from storage.search import messages
from storage.tasks import listing

_TERM = re.compile(r'-?"[^"]*\w[^"]*"|[^\s"]*\w[^\s"]*')


@dataclass(frozen=True)
class Matches:
    """What a search found: of tasks and conversations the newest first, of messages the best."""

    tasks: list[TaskBrief | TaskView]
    conversations: list[ConversationView]
    messages: list[MessageMatch]


@retry_transient
async def search(scope: Scope, query: str, limit: int) -> Matches:
    """Find visible tasks, own conversations and their messages, `limit` of each at most.

    Tasks and conversations contain all words of `query`, or any of them if nothing contains all.
    """
    async with scope.transaction() as transaction:
        # All attempts and all kinds are one transaction: verbs called with this scope join it.
        joined = scope.within(transaction)
        tasks, chats = await _find(joined, query, limit)
        if not (tasks or chats) and (wider := _widen(query)):
            tasks, chats = await _find(joined, wider, limit)
        return Matches(tasks, chats, await _find_messages(joined, query, limit))


async def _find(scope: Scope, query: str, limit: int) -> tuple[list[TaskBrief | TaskView], list[ConversationView]]:
    # Without validation, because a widened query may be longer than the limit for callers.
    wanted = TaskFilter.model_construct(status="all", search=query)
    tasks = await listing.find(scope, wanted, limit)
    chats = await conversations.find(scope, query, limit)
    return tasks.tasks, chats.conversations


async def _find_messages(scope: Scope, query: str, limit: int) -> list[MessageMatch]:
    try:
        return (await messages.search(scope, query, limit)).matches
    except InvalidInput:
        # Only search_messages has filters. Here a word such as before:noon is nothing that a caller could correct.
        return []


def _widen(query: str) -> str:
    """A query for any of the words and phrases, each without what is excluded; empty if it would be the same query."""
    terms = [term for term in _TERM.findall(query) if term.lower() != "or"]
    excluded = [term for term in terms if term.startswith("-")]
    wanted = [term for term in terms if not term.startswith("-")]
    # search_query in SQL binds "and" tighter than "or", so each alternative repeats what is excluded.
    return " or ".join(" ".join([term, *excluded]) for term in wanted) if len(wanted) > 1 else ""
