"""search and fetch in the shape that ChatGPT connectors and deep research expect, over tasks and conversations."""

import re
from typing import Annotated, Any

from pydantic import Field

from mcp_server.tools.registry import Call, tool
from storage.conversations import reading
from storage.schema import token_budget
from storage.schema.conversation_models import MessageMatch
from storage.schema.errors import NotFound
from storage.schema.request_models import MAX_ID, Line, Query, StrictModel, only
from storage.schema.response_models import ResponseModel
from storage.search import matches
from storage.tasks import history

MOST = 10
"""How many results of each kind."""
TITLE_TOKENS = 130
"""The maximum length of a title in results; fetch returns it in full."""
AROUND = 21
"""How many messages fetch shows of a conversation if one of them was asked for."""

_ID = re.compile(r"(task|conversation|message):([0-9]{1,19})(?::([0-9]{1,10}))?", re.ASCII)


class Search(StrictModel):
    """Arguments of search."""

    query: Query


class Fetch(StrictModel):
    """Arguments of fetch."""

    id: Annotated[Line, Field(max_length=40), only(40, "must be an id from search, such as task:42")] = Field(
        description="An id from search, such as task:42"
    )


class Found(ResponseModel):
    """One match; `url` is the address of its page, for people, or where no dashboard is known, of the resource."""

    id: str
    title: str
    url: str


class Results(ResponseModel):
    """What was found: tasks, then conversations, then messages."""

    results: list[Found]


class Document(ResponseModel):
    """A task or conversation, or a part of one, as text, with its other fields as metadata."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]


@tool("search", "Search", reads=True)
async def search(call: Call, args: Search) -> Results:
    """Find tasks, conversations and messages by their words. Read one with fetch."""
    found = await matches.search(call.scope, args.query, MOST)
    results = [
        *(_found(call, "task", task.id, _shorten(task.title)) for task in found.tasks),
        *(_found(call, "conversation", chat.id, _shorten(_title(chat.id, chat.title))) for chat in found.conversations),
        *(_message_found(call, match) for match in found.messages),
    ]
    return Results(results=token_budget.fill(results, token_budget.allowed(token_budget.PAGE_ROWS)))


def _shorten(title: str) -> str:
    return token_budget.shorten(title, TITLE_TOKENS)


def _found(call: Call, kind: str, number: int, title: str) -> Found:
    return Found(id=f"{kind}:{number}", title=title, url=_address(call, kind, number))


def _address(call: Call, kind: str, number: int, sequence: int | None = None) -> str:
    """The page of a task or conversation, at a message of it; the resource if no dashboard is known."""
    if call.dashboard is None:
        return f"{kind}://{number}"
    return f"{call.dashboard}/{kind}s/{number}{f'?at={sequence}' if sequence else ''}"


def _message_found(call: Call, match: MessageMatch) -> Found:
    return Found(
        id=f"message:{match.conversation_id}:{match.sequence}",
        title=_shorten(f"{_title(match.conversation_id, match.title)}: {match.snippet}"),
        url=_address(call, "conversation", match.conversation_id, match.sequence),
    )


def _title(conversation_id: int, title: str | None) -> str:
    return title or f"Conversation {conversation_id}"


@tool("search", "Fetch", reads=True)
async def fetch(call: Call, args: Fetch) -> Document:
    """Read what search found; of a conversation the newest messages, of a message those around."""
    found = _ID.fullmatch(args.id)
    if found is None or (found[1] == "message") != (found[3] is not None) or not 1 <= int(found[2]) <= MAX_ID:
        raise _nothing(args.id)
    if found[1] == "task":
        return await _task(call, int(found[2]))
    if found[1] == "conversation":
        return await _conversation(call, int(found[2]))
    return await _message(call, int(found[2]), int(found[3]))


def _nothing(given: str) -> NotFound:
    return NotFound(f"There is nothing with the id {given}. Use search to find ids, such as task:42.")


async def _task(call: Call, task_id: int) -> Document:
    found = await history.detail(call.scope, task_id)
    # Title and description move out of the metadata, so that a model does not read them twice.
    known = found.payload()
    text = known.pop("description", "")
    return Document(
        **_found(call, "task", found.id, known.pop("title")).payload(),
        text=f"{found.title}\n\n{text}".strip(),
        metadata=known,
    )


async def _conversation(call: Call, conversation_id: int) -> Document:
    page = await reading.read(call.scope, conversation_id)
    texts = [f"{message.role}: {message.content}" for message in page.messages]
    if page.has_more:
        texts.insert(0, "(Older messages are left out: use get_conversation with before_sequence.)")
    known = page.conversation.payload() | {"has_more": page.has_more}
    known |= {"tasks": page.payload()["tasks"]} if page.tasks else {}
    title = _title(conversation_id, page.conversation.title)
    return Document(
        **_found(call, "conversation", conversation_id, title).payload(), text="\n\n".join(texts), metadata=known
    )


async def _message(call: Call, conversation_id: int, sequence: int) -> Document:
    page = await reading.read(call.scope, conversation_id, AROUND, around_sequence=sequence)
    message = next((message for message in page.messages if message.sequence == sequence), None)
    if message is None:
        raise _nothing(f"message:{conversation_id}:{sequence}")
    return Document(
        id=f"message:{conversation_id}:{sequence}",
        title=_title(conversation_id, page.conversation.title),
        text="\n\n".join(f"[{shown.sequence}] {shown.role}: {shown.content}" for shown in page.messages),
        url=_address(call, "conversation", conversation_id, sequence),
        metadata={
            "conversation_id": conversation_id,
            "sequence": sequence,
            "role": message.role,
            "created_at": message.created_at,
            "message_count": page.conversation.message_count,
        },
    )
