"""The part of the dashboard API on conversations: list, search, read, rename and delete.

Its export as a file is in archive_routes.
"""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field

from mcp_server.api.responses import TOO_LARGE, build_router, respond, scope_of, within
from mcp_server.api.team_routes import PathId
from storage.conversations import conversation_page, conversations
from storage.schema.conversation_models import ConversationDeleted, ConversationView
from storage.schema.dashboard_models import ConversationMatches, ConversationPageView, ConversationRows
from storage.schema.request_models import MAX_PAGE_ROWS, ConversationTitle, Cursor, StrictModel
from storage.schema.request_models import Query as Searched
from storage.search import conversation_search
from storage.search.messages import Order

MAX_SEQUENCE = 2**31 - 1

_Place = Annotated[int | None, within(1, MAX_SEQUENCE)]


class PageQuery(StrictModel):
    """How many, and where the list goes on."""

    limit: Annotated[int, within(1, MAX_PAGE_ROWS)] = Field(50, ge=1, le=MAX_PAGE_ROWS)
    cursor: Cursor | None = None


class SearchQuery(PageQuery):
    """What to look for, and in which order."""

    search: Searched = Field(description='Words; "a phrase", or, -not, from:user, in:ID, before:DATE, after:DATE')
    sort: Order = Field("best", description="newest = has all words")


class PartQuery(StrictModel):
    """Which part of a conversation: one place at most, else its end."""

    before: _Place = Field(None, ge=1, le=MAX_SEQUENCE, description="Messages before this sequence number")
    after: _Place = Field(None, ge=1, le=MAX_SEQUENCE, description="Messages after this sequence number")
    around: _Place = Field(None, ge=1, le=MAX_SEQUENCE, description="Messages nearest to this sequence number")
    limit: Annotated[int, within(1, MAX_PAGE_ROWS)] = Field(50, ge=1, le=MAX_PAGE_ROWS)


class ConversationChange(StrictModel):
    """What changes."""

    title: ConversationTitle


router = build_router()


@router.get(
    "/conversations",
    response_model=ConversationRows,
    operation_id="getConversations",
    summary="A list of conversations",
)
async def get_conversations(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """The caller's conversations, the one updated last first."""
    return respond(await conversation_page.find_rows(await scope_of(request), query.limit, query.cursor))


@router.get(
    "/conversations/search",
    response_model=ConversationMatches,
    operation_id="searchConversations",
    summary="Search in conversations",
)
async def search_conversations(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """Messages with words of the search, which are marked in them, and conversations found by their title."""
    scope = await scope_of(request)
    return respond(await conversation_search.search(scope, query.search, query.limit, query.cursor, query.sort))


@router.get(
    "/conversations/{conversation_id}",
    response_model=ConversationPageView,
    operation_id="getConversation",
    summary="A part of a conversation",
)
async def get_conversation(request: Request, conversation_id: PathId, query: Annotated[PartQuery, Query()]) -> Response:
    """Messages of a conversation with the tasks that they added or changed. Long messages make a part shorter."""
    places = query.model_dump(exclude={"limit"})
    return respond(await conversation_page.read(await scope_of(request), conversation_id, query.limit, **places))


@router.patch(
    "/conversations/{conversation_id}",
    response_model=ConversationView,
    responses=TOO_LARGE,
    operation_id="renameConversation",
    summary="Rename a conversation",
)
async def rename_conversation(
    request: Request, conversation_id: PathId, query: Annotated[StrictModel, Query()], change: ConversationChange
) -> Response:
    """Give a conversation another title."""
    scope = await scope_of(request, reading=False)
    return respond(await conversations.rename(scope, conversation_id, change.title))


@router.delete(
    "/conversations/{conversation_id}",
    response_model=ConversationDeleted,
    operation_id="deleteConversation",
    summary="Delete a conversation",
)
async def delete_conversation(
    request: Request, conversation_id: PathId, query: Annotated[StrictModel, Query()]
) -> Response:
    """Delete a conversation with its messages, for good."""
    return respond(await conversations.remove(await scope_of(request, reading=False), conversation_id))
