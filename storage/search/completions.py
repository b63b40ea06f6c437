"""Completion of arguments: tags, teams, conversations and tasks that the caller sees."""

import unicodedata
from dataclasses import dataclass

from storage.conversations import conversations
from storage.engine.database import Scope
from storage.people import teams
from storage.schema.errors import InvalidInput
from storage.schema.request_models import TaskFilter
from storage.search import chats
from storage.tasks import listing

MOST_FOUND = 100
"""How many a search finds: as many as a completion may contain."""
MAX_QUERY = 500
"""How long a query may be, in characters."""
MAX_ROWS = 500
"""How many tasks or conversations are searched, the most recently updated ones, or teams, the oldest ones."""


@dataclass(frozen=True)
class Completions:
    """Matching values, the most useful first. `complete` is false if rows beyond `MAX_ROWS` were not searched."""

    values: list[str]
    complete: bool = True


async def complete(scope: Scope, argument: str, typed: str) -> Completions:
    """Values for the argument of this name that start with `typed`; none for arguments that name nothing stored.

    Ids are also found by a part of the title or name. If none has it, tasks and conversations are searched for words.
    """
    typed = unicodedata.normalize("NFC", typed.strip()).casefold()
    match argument:
        case "tag":
            # By prefix: a tag is typed from its beginning. The most used ones come first.
            tags = await listing.tags(scope)
            matching = [tag for tag in tags if tag.casefold().startswith(typed)]
            return Completions(matching, len(tags) < listing.MOST_TAGS)
        case "team_id":
            found, count = await teams.find_brief(scope, MAX_ROWS)
            return Completions(_matching(typed, [(team.id, team.name) for team in found]), count <= MAX_ROWS)
        case "conversation_id":
            recent = await conversations.find(scope, limit=MAX_ROWS)
            titles = [(one.id, one.title or "") for one in recent.conversations]
            values = _matching(typed, titles) or await _find_conversations(scope, typed)
            return Completions(values, recent.next_cursor is None)
        case "task_id":
            latest = await listing.find(scope, TaskFilter(sort="updated"), MAX_ROWS)
            titles = [(task.id, task.title) for task in latest.tasks]
            values = _matching(typed, titles) or await _find_tasks(scope, typed)
            return Completions(values, latest.next_cursor is None)
        case _:
            return Completions([])


async def _find_conversations(scope: Scope, typed: str) -> list[str]:
    try:
        found = await chats.search(scope, typed, MOST_FOUND) if _is_searchable(typed) else None
    except InvalidInput:
        return []  # a filter that is not typed to its end, such as in:
    return [str(one.id) for one in found.conversations] if found else []


async def _find_tasks(scope: Scope, typed: str) -> list[str]:
    if not _is_searchable(typed):
        return []
    found = await listing.find(scope, TaskFilter.model_construct(status="pending", search=typed), MOST_FOUND)
    return [str(task.id) for task in found.tasks]


def _is_searchable(typed: str) -> bool:
    return len(typed) <= MAX_QUERY and any(letter.isalnum() for letter in typed)


# In Python and not in SQL: a part of a word has no index, and at most MAX_ROWS rows are compared.
def _matching(typed: str, named: list[tuple[int, str]]) -> list[str]:
    return [str(number) for number, name in named if str(number).startswith(typed) or typed in name.casefold()]
