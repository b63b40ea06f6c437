"""Search by words in tasks and conversations."""

import re
from dataclasses import dataclass

from storage.conversations import conversations
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.schema.conversation_models import ConversationView
from storage.schema.request_models import TaskFilter
from storage.schema.response_models import TaskBrief, TaskView
from storage.tasks import listing

_TERM = re.compile(r'-?"[^"]*\w[^"]*"|[^\s"]*\w[^\s"]*')


@dataclass(frozen=True)
class Matches:
    """What a search found, the newest of each kind first."""

    tasks: list[TaskBrief | TaskView]
    conversations: list[ConversationView]


@retry_transient
async def search(scope: Scope, query: str, limit: int) -> Matches:
    """Find visible tasks and own conversations, `limit` of each at most.

    They contain all words of `query`, or any of them if nothing contains all.
    """
    async with scope.transaction() as transaction:
        # Both attempts and both kinds are one transaction: verbs called with this scope join it.
        joined = scope.within(transaction)
        found = await _find(joined, query, limit)
        if not (found.tasks or found.conversations) and (wider := _widen(query)):
            found = await _find(joined, wider, limit)
        return found


async def _find(scope: Scope, query: str, limit: int) -> Matches:
    # Without validation, because a widened query may be longer than the limit for callers.
    wanted = TaskFilter.model_construct(status="all", search=query)
    tasks = await listing.find(scope, wanted, limit)
    chats = await conversations.find(scope, query, limit)
    return Matches(tasks.tasks, chats.conversations)


def _widen(query: str) -> str:
    """A query for any of the words and phrases, each without what is excluded; empty if it would be the same query."""
    terms = [term for term in _TERM.findall(query) if term.lower() != "or"]
    excluded = [term for term in terms if term.startswith("-")]
    wanted = [term for term in terms if not term.startswith("-")]
    # search_query in SQL binds "and" tighter than "or", so each alternative repeats what is excluded.
    return " or ".join(" ".join([term, *excluded]) for term in wanted) if len(wanted) > 1 else ""
