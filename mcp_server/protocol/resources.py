"""Resources: conversation://, task:// and statistics://me. Each caller sees only their own."""

import re
from collections.abc import Awaitable, Callable, Container
from importlib.resources import files
from typing import Any

from mcp.server.apps import APP_MIME_TYPE
from mcp.types import ListResourcesResult, Resource, ResourceTemplate, TextResourceContents

from mcp_server.tools.registry import as_text
from mcp_server.tools.statistics import VIEW
from storage.conversations import conversations, reading
from storage.engine.database import Scope
from storage.schema.errors import NotFound
from storage.schema.request_models import MAX_ID
from storage.schema.response_models import ResponseModel
from storage.tasks import history, statistics

MIME = "application/json"
STATISTICS = "statistics://me"
PAGE = 50

_TEMPLATES = (
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
        description="A task with its subtasks, shares and history.",
        mime_type=MIME,
    ),
)
_READERS = {
    "conversation": {"get_conversation", "fetch"},
    "task": {"get_task", "fetch"},
    "statistics": {"get_statistics"},
}
"""The tools that return the same data: a server without any of them does not offer the resource."""


async def _read_conversation(scope: Scope, conversation_id: int) -> ResponseModel:
    return await reading.read(scope, conversation_id)


async def _read_task(scope: Scope, task_id: int) -> ResponseModel:
    return await history.detail(scope, task_id)


_KINDS: dict[str, Callable[[Scope, int], Awaitable[ResponseModel]]] = {
    "conversation": _read_conversation,
    "task": _read_task,
}
# No leading zeros: subscriptions compare URIs as text, so a resource must have one spelling. MAX_ID has 19 digits.
_URI = re.compile(r"(conversation|task)://([1-9][0-9]{0,18})")


def _has(tools: Container[str], kind: str) -> bool:
    return any(name in tools for name in _READERS[kind])


def templates(tools: Container[str]) -> list[ResourceTemplate]:
    """The kinds of resources that a server with these tools has."""
    return [template for template in _TEMPLATES if _has(tools, template.name)]


def read_view(uri: str) -> TextResourceContents | None:
    """The HTML of a chat view (MCP Apps), which contains no data and loads nothing; None if the URI names no view."""
    if uri != VIEW:
        return None
    text = files("mcp_server.ui").joinpath("statistics.html").read_text("utf-8")
    # No domains: the host's content security policy then allows no other origin, so the view cannot send data away.
    ui: dict[str, Any] = {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}
    return TextResourceContents(uri=uri, text=text, mime_type=APP_MIME_TYPE, _meta={"ui": ui})


async def read(scope: Scope, tools: Container[str], uri: str) -> str:
    """The JSON text of a resource, on a server with these tools.

    Raises:
        NotFound: no such resource, or not the caller's. The text is the same, so that ids cannot be probed.
    """
    if uri == STATISTICS and _has(tools, "statistics"):
        return as_text((await statistics.overview(scope)).payload())
    found = _URI.fullmatch(uri)
    if found is None or int(found[2]) > MAX_ID or not _has(tools, found[1]):
        raise NotFound(f"No resource {uri}. Use resources/list to find what there is.")
    return as_text((await _KINDS[found[1]](scope, int(found[2]))).payload())


async def check(scope: Scope, tools: Container[str], uri: str) -> None:
    """Check that the caller may read a resource, as `read` does, but without counting tasks.

    Raises:
        NotFound: no such resource, or not the caller's.
    """
    # Everybody has statistics, and counting them is the most expensive read of all.
    if uri != STATISTICS or not _has(tools, "statistics"):
        await read(scope, tools, uri)


async def list_own(scope: Scope, tools: Container[str], cursor: str | None) -> ListResourcesResult:
    """The caller's statistics, and conversations by last update, as far as these tools can read them.

    Raises:
        InvalidInput: the cursor belongs to another listing.
    """
    statistics_too = cursor is None and _has(tools, "statistics")
    own = [Resource(name="statistics", title="My statistics", uri=STATISTICS, mime_type=MIME)] if statistics_too else []
    if not _has(tools, "conversation"):
        return ListResourcesResult(resources=own)
    page = await conversations.find(scope, limit=PAGE, cursor=cursor)
    own += [
        Resource(
            name=f"conversation-{found.id}",
            title=found.title or f"Conversation {found.id}",
            uri=f"conversation://{found.id}",
            description=f"{found.message_count} messages",
            mime_type=MIME,
        )
        for found in page.conversations
    ]
    return ListResourcesResult(resources=own, next_cursor=page.next_cursor)
