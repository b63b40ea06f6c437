"""What the routes of the dashboard API share: the caller's scope, responses, and the one form of errors."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import Match

from mcp_server.http.request_body import replay
from mcp_server.identity.callers import Callers
from storage.engine.database import Scope
from storage.schema.errors import Conflict, InvalidInput, NotAllowed, NotFound, StorageError, Unavailable

HEADERS = {"Cache-Control": "no-store", "Vary": "Authorization"}
MAX_BODY_BYTES = 65_536
"""What the dashboard passes on at most. A task has up to 16 KiB of description."""
CLIENT = "dashboard"
"""The client that history names for changes by a session of the dashboard, whose tokens name none."""


def within(low: int, high: int) -> BeforeValidator:
    """Accept only digits within these bounds; the error names both."""
    # Pydantic would also take " 7", "+7" and "7.0", which the contract does not document.

    def check(query: object) -> object:
        if isinstance(query, str) and not (re.fullmatch("[0-9]{1,19}", query) and low <= int(query) <= high):
            raise ValueError(f"write a whole number between {low} and {high}")
        return query

    return BeforeValidator(check)


class Problem(BaseModel):
    """Why there is no answer: a word for programs, a sentence for people."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "not_found", "detail": "No team 7. Use list_teams to find its id."}]}
    )

    error: str
    detail: str


_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "How to get a token (RFC 6750, RFC 9728)", "schema": {"type": "string"}}
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or one that is not accepted here", "headers": _CHALLENGE},
    403: {"description": "The token lacks mcp:read (for a change mcp:write), or a page of an unknown origin asks"},
    404: {"description": "There is no such thing, or it is not the caller's: the two look the same"},
    409: {"description": "It has changed meanwhile, or a limit is reached"},
    421: {"description": "The request names a host that is not this server"},
    422: {"description": "A parameter is unknown, or out of its range"},
    429: {"description": "Too many requests: see Retry-After", "headers": _RETRY_AFTER},
    500: {"description": "A fault of the server"},
    503: {
        "description": "The database, or the keys of the token issuer, are away: see Retry-After",
        "headers": _RETRY_AFTER,
    },
}
TOO_LARGE: dict[int | str, dict[str, Any]] = {413: {"description": "The body has more than 64 KiB", "model": Problem}}
"""Beside the others, for routes with a body."""
_STATUS: dict[type[StorageError], tuple[int, str]] = {
    NotFound: (404, "not_found"),
    NotAllowed: (403, "not_allowed"),
    Conflict: (409, "conflict"),
    InvalidInput: (422, "invalid_input"),
    Unavailable: (503, "unavailable"),
}


def _check_given_once(request: Request) -> None:
    # FastAPI would silently use the last one.
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidInput(f"{name}: say it once")


class BoundedRoute(APIRoute):
    """A route whose requests have a body of MAX_BODY_BYTES at most."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, which would read a body of any length."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, headers={"Connection": "close"})
            return await handle(Request(request.scope, replay(bytes(body), request.receive)))

        return bounded


def build_router(tag: str = "dashboard") -> APIRouter:
    """A router for addresses below /api/dashboard. Parameters are in the query and the path; tasks have a JSON body."""
    return APIRouter(
        prefix="/api/dashboard",
        route_class=BoundedRoute,
        dependencies=[Depends(_check_given_once)],
        tags=[tag],
        responses={status: {"model": Problem} | query for status, query in _PROBLEMS.items()},
    )


async def scope_of(request: Request, *, reading: bool = True) -> Scope:
    """The caller's scope; `reading` saves the wait for a commit, because a lost one matters to nobody."""
    callers: Callers = request.app.state.callers
    scope = await callers.scope(request.scope["caller"])
    return replace(scope, reading=reading, client=scope.client or CLIENT)


def respond(content: BaseModel) -> Response:
    """A response with this content and without null fields."""
    # A response object skips FastAPI's second validation of what storage has built already.
    return Response(content.model_dump_json(exclude_none=True), media_type="application/json", headers=HEADERS)


async def explain(request: Request, error: Exception) -> Response:
    """The response to a failed request, in the one form that the contract documents."""
    headers = dict(HEADERS)
    match error:
        case RequestValidationError():
            found: dict[str, Any] = error.errors()[0]
            reason = str(found["msg"]).removeprefix("Value error, ")
            where = ".".join(map(str, found["loc"][1:])) or "body"
            if found["type"] == "json_invalid":
                where, reason = "body", "not JSON"
            status, word, detail = 422, "invalid_input", f"{where}: {reason}"
        case HTTPException(status_code=413):
            status, word, detail = 413, "too_large", "A request may have 64 KiB at most. Shorten the description"
            headers |= error.headers or {}
        case HTTPException():
            status, word, detail = error.status_code, "not_found", "No such address: see /api/openapi.json"
            if status == 405:
                word, detail = "method_not_allowed", "This address takes other methods: see the header Allow"
            headers |= error.headers or {}
            if methods := _methods_at(request):
                headers["Allow"] = methods
        case NotFound() | NotAllowed() | Conflict() | InvalidInput() | Unavailable():
            status, word = next(known for kind, known in _STATUS.items() if isinstance(error, kind))
            detail = str(error)
        case _:
            status, word, detail = 500, "internal", "The server failed. Try again; if it stays so, tell its operator"
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse({"error": word, "detail": detail}, status, headers)


async def explain_refusal(request: Request, error: Exception) -> Response:
    """As `explain`, for NotAllowed: the caller's audit log gets an entry."""
    callers: Callers = request.app.state.callers
    await callers.note_refusal(request.scope["caller"], f"{request.method} {request.url.path}")
    return await explain(request, error)


def _methods_at(request: Request) -> str:
    """The value of Allow: every method of the path (RFC 9110 section 10.2.1)."""
    # Starlette's 405 names only the methods of the first matching route. Applications other than the bridge have no
    # such routers.
    routers: tuple[APIRouter, ...] = getattr(request.app.state, "routers", ())
    routes = [route for each in routers for route in each.routes if isinstance(route, APIRoute)]
    return ", ".join(
        m for route in routes if route.matches(request.scope)[0] is Match.PARTIAL for m in route.methods or ()
    )
