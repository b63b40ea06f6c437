"""Routes of the bridge that send files: everything that a person has, or one conversation."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from mcp_server.api.responses import HEADERS, build_router, scope_of
from mcp_server.api.team_routes import PathId
from mcp_server.http.connection_limit import ConnectionLimit, LimitReached
from storage.archive.conversation_export import ConversationFormat, export_conversation
from storage.archive.export import export
from storage.engine import database
from storage.schema.request_models import StrictModel

MOST_ARCHIVES = 4
"""Exports at the same time in one process: each compresses as fast as its reader takes it."""
RETRY_SECONDS = 10

_BINARY = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_ZIP = {"description": "A ZIP archive (docs/export.md)", "content": _BINARY}
_FORMATS = {"markdown": ("md", "text/markdown; charset=utf-8"), "json": ("json", "application/json")}
_CONVERSATION: dict[str, Any] = {
    "description": "The conversation",
    "content": {"text/markdown": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}},
}


class FormatQuery(StrictModel):
    """The format of the file. JSON has the records of docs/export.md."""

    format: ConversationFormat = "markdown"


class _FileResponse(StreamingResponse):
    """A file that is sent while it is read, one at a time for each person."""

    def __init__(
        self, chunks: AsyncIterator[bytes], name: str, media_type: str, user_id: str, limit: ConnectionLimit
    ) -> None:
        headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(chunks, 200, headers, media_type)
        self._user_id, self._limit = user_id, limit

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]: another name
        try:
            with self._limit.hold(self._user_id):
                await super().__call__(asgi_scope, receive, send)
        except LimitReached:
            detail = f"Another export of yours, or too many of others, are running. Wait {RETRY_SECONDS} s"
            headers = HEADERS | {"Retry-After": str(RETRY_SECONDS)}
            await JSONResponse({"error": "rate_limited", "detail": detail}, 429, headers)(asgi_scope, receive, send)


async def _chunks(scope: database.Scope) -> AsyncGenerator[bytes]:
    archive = await export(scope)
    async with aclosing(archive.chunks) as chunks:
        async for chunk in chunks:
            yield chunk


def build_archive_router() -> APIRouter:
    """The routes, with a limit of their own for each application."""
    limit = ConnectionLimit(1, MOST_ARCHIVES)
    router = build_router("archive")

    @router.get(
        "/export",
        response_class=StreamingResponse,
        responses={200: _ZIP},
        operation_id="getExport",
        summary="Everything of the caller",
    )
    async def get_export(request: Request, query: Annotated[StrictModel, Query()]) -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]: a route
        """Tasks, conversations, teams, shares and history of the caller as one ZIP archive, one at a time.

        It is sent while it is read. One that ends early cannot be opened: ask again.
        """
        scope = await scope_of(request)
        name = f"taskdeck-{datetime.now(UTC):%Y-%m-%d}.zip"
        return _FileResponse(_chunks(scope), name, "application/zip", scope.user_id, limit)

    @router.get(
        "/conversations/{conversation_id}/export",
        response_class=StreamingResponse,
        responses={200: _CONVERSATION},
        operation_id="getConversationExport",
        summary="A conversation as a file",
    )
    async def get_conversation_export(  # pyright: ignore[reportUnusedFunction]: a route
        request: Request, conversation_id: PathId, query: Annotated[FormatQuery, Query()]
    ) -> StreamingResponse:
        """A conversation with all its messages, as Markdown or JSON. One file at a time."""
        scope = await scope_of(request)
        chunks = await export_conversation(scope, conversation_id, query.format)
        suffix, media_type = _FORMATS[query.format]
        return _FileResponse(chunks, f"conversation-{conversation_id}.{suffix}", media_type, scope.user_id, limit)

    return router
