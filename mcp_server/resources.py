"""Resources: conversation://, task:// and statistics://me, listed for each caller alone."""

import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from mcp.server.apps import APP_MIME_TYPE
from mcp.types import ListResourcesResult, Resource, ResourceTemplate, TextResourceContents

from mcp_server.tools.registry import as_text
from mcp_server.tools.statistics import VIEW
from storage import conversations, history, statistics
from storage.database import Scope
from storage.errors import NotFound
from storage.views import View

MIME = "application/json"
STATISTICS = "statistics://me"
PAGE = 50

TEMPLATES = [
    ResourceTemplate(
        name="conversation",
        title="Conversation",
        uri_template="conversation://{conversation_id}",
        description="A conversation with its newest messages, oldest first.",
        mime_type=MIME,
    ),
    ResourceTemplate(
        name="task",
        title="Task",
        uri_template="task://{task_id}",
        description="A task with its shares and history.",
        mime_type=MIME,
    ),
]


async def _read_conversation(scope: Scope, conversation_id: int) -> View:
    return await conversations.read(scope, conversation_id)


async def _read_task(scope: Scope, task_id: int) -> View:
    return await history.detail(scope, task_id)


_KINDS: dict[str, Callable[[Scope, int], Awaitable[View]]] = {
    "conversation": _read_conversation,
    "task": _read_task,
}
_URI = re.compile(r"(conversation|task)://([1-9][0-9]{0,18})")


def read_view(uri: str) -> TextResourceContents | None:
    """A view to show inside a chat (MCP Apps): it holds nobody's data and loads nothing. None: it is no view."""
    if uri != VIEW:
        return None
    text = files("mcp_server.ui").joinpath("statistics.html").read_text("utf-8")
    ui: dict[str, Any] = {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}
    return TextResourceContents(uri=uri, text=text, mime_type=APP_MIME_TYPE, _meta={"ui": ui})


async def read(scope: Scope, uri: str) -> str:
    """The JSON text of a resource.

    Raises:
        NotFound: no such resource, or not the caller's: the same words for both.
    """
    if uri == STATISTICS:
        return as_text((await statistics.overview(scope)).facts())
    found = _URI.fullmatch(uri)
    if found is None or int(found[2]) >= 2**63:
        raise NotFound(f"No resource {uri}. Use resources/list to find what there is.")
    return as_text((await _KINDS[found[1]](scope, int(found[2]))).facts())


async def list_own(scope: Scope, cursor: str | None) -> ListResourcesResult:
    """The caller's statistics and conversations, the ones updated last first.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    page = await conversations.find(scope, limit=PAGE, cursor=cursor)
    own = [
        Resource(
            name=f"conversation-{found.id}",
            title=found.title or f"Conversation {found.id}",
            uri=f"conversation://{found.id}",
            description=f"{found.message_count} messages",
            mime_type=MIME,
        )
        for found in page.conversations
    ]
    if cursor is None:
        own.insert(0, Resource(name="statistics", title="My statistics", uri=STATISTICS, mime_type=MIME))
    return ListResourcesResult(resources=own, next_cursor=page.next_cursor)
