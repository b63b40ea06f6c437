"""search and fetch in the shape that ChatGPT connectors and deep research expect, over tasks and conversations."""

from typing import Annotated, Any

from pydantic import Field

from mcp_server.tools.registry import Call, tool
from storage.conversations import conversations
from storage.engine.database import Scope
from storage.schema import token_budget
from storage.schema.errors import NotFound
from storage.schema.request_models import MAX_ID, Line, Query, StrictModel, only
from storage.schema.response_models import ResponseModel
from storage.search import matches
from storage.tasks import history

MOST = 10
"""How many results of each kind."""
TITLE_TOKENS = 130
"""The maximum length of a title in results; fetch returns it in full."""


class Search(StrictModel):
    """Arguments of search."""

    query: Query


class Fetch(StrictModel):
    """Arguments of fetch."""

    id: Annotated[Line, Field(max_length=40), only(40, "must be an id from search, such as task:42")] = Field(
        description="An id from search, such as task:42"
    )


class Found(ResponseModel):
    """One match; `url` is the address of the resource, good for resources/read."""

    id: str
    title: str
    url: str


class Results(ResponseModel):
    """What was found, tasks first."""

    results: list[Found]


class Document(ResponseModel):
    """A task or conversation as text, with its other fields as metadata."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]


@tool("search", "Search", reads=True)
async def search(call: Call, args: Search) -> Results:
    """Find tasks and conversations by their words: those with all of them, else those with any. Read one with fetch."""
    found = await matches.search(call.scope, args.query, MOST)
    return Results(
        results=[
            *(_found("task", task.id, _shorten(task.title)) for task in found.tasks),
            *(_found("conversation", chat.id, _shorten(_title(chat.id, chat.title))) for chat in found.conversations),
        ]
    )


def _shorten(title: str) -> str:
    return token_budget.shorten(title, TITLE_TOKENS)


def _found(kind: str, number: int, title: str) -> Found:
    return Found(id=f"{kind}:{number}", title=title, url=f"{kind}://{number}")


def _title(conversation_id: int, title: str | None) -> str:
    return title or f"Conversation {conversation_id}"


@tool("search", "Fetch", reads=True)
async def fetch(call: Call, args: Fetch) -> Document:
    """Read one thing that search found, in full; of a long conversation the newest messages."""
    kind, _, number = args.id.partition(":")
    # isdigit alone is true for digits of any script and for superscripts, which int refuses.
    known = kind in ("task", "conversation") and number.isascii() and number.isdigit() and len(number) <= 19
    if not known or not 1 <= int(number) <= MAX_ID:
        raise NotFound(f"There is nothing with the id {args.id}. Use search to find ids, such as task:42.")
    return await (_task if kind == "task" else _conversation)(call.scope, int(number))


async def _task(scope: Scope, task_id: int) -> Document:
    found = await history.detail(scope, task_id)
    # Title and description move out of the metadata, so that a model does not read them twice.
    known = found.payload()
    text = known.pop("description", "")
    return Document(
        **_found("task", found.id, known.pop("title")).payload(),
        text=f"{found.title}\n\n{text}".strip(),
        metadata=known,
    )


async def _conversation(scope: Scope, conversation_id: int) -> Document:
    page = await conversations.read(scope, conversation_id)
    texts = [f"{message.role}: {message.content}" for message in page.messages]
    if page.has_more:
        texts.insert(0, "(Older messages are left out: use get_conversation with before_sequence.)")
    known = page.conversation.payload() | {"has_more": page.has_more}
    title = _title(conversation_id, page.conversation.title)
    return Document(**_found("conversation", conversation_id, title).payload(), text="\n\n".join(texts), metadata=known)
