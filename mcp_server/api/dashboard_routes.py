"""The HTTP bridge for dashboards: numbers and lists to read, and the person's settings.

docs/contracts/dashboard-api.yaml describes it. A route is one line over a storage verb. The caller is in
`asgi_scope["caller"]`, where Authentication put it.
"""

import re
from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from mcp_server.identity.callers import Callers
from storage.engine.database import Scope
from storage.people import teams, users
from storage.schema.errors import InvalidInput, NotAllowed, NotFound, StorageError, Unavailable
from storage.schema.request_models import MAX_DAYS, MAX_ID, MAX_PAGE_ROWS, Line, StrictModel, TaskFilter
from storage.schema.response_models import DashboardSnapshot, DayCount, TaskBrief, TeamBrief, Totals
from storage.tasks import dashboard, listing, statistics

HEADERS = {"Cache-Control": "no-store", "Vary": "Authorization"}


def within(low: int, high: int) -> BeforeValidator:
    """Accept only digits within these bounds; the error names both."""
    # Pydantic would also take " 7", "+7" and "7.0", which the contract does not document.

    def check(query: object) -> object:
        if isinstance(query, str) and not (re.fullmatch("[0-9]{1,19}", query) and low <= int(query) <= high):
            raise ValueError(f"write a whole number between {low} and {high}")
        return query

    return BeforeValidator(check)


class TeamQuery(StrictModel):
    """Whose tasks: the caller's own, or those of a team."""

    team_id: Annotated[int | None, within(1, MAX_ID)] = Field(
        None, ge=1, le=MAX_ID, description="A team that the caller is in, instead of the caller's own tasks"
    )


class DaysQuery(TeamQuery):
    """Whose tasks, and how many days back."""

    days: Annotated[int, within(1, MAX_DAYS)] = Field(
        14, ge=1, le=MAX_DAYS, description="How many days, today included"
    )


class LimitQuery(TeamQuery):
    """Whose tasks, and how many of them."""

    limit: Annotated[int, within(1, MAX_PAGE_ROWS)] = Field(
        8, ge=1, le=MAX_PAGE_ROWS, description="How many tasks at most"
    )


class SnapshotQuery(DaysQuery, LimitQuery):
    """What a dashboard shows: whose tasks, how many days back, how many tasks."""


class Trend(BaseModel):
    """One entry for each day in the caller's time zone, the oldest first, empty days included."""

    days: list[DayCount]


class Tasks(BaseModel):
    """The newest tasks, whatever their status. `total_count` counts all, not only those given."""

    tasks: list[TaskBrief]
    total_count: int


class Teams(BaseModel):
    """The caller's teams, the oldest first. `team_count` counts all, not only those given."""

    teams: list[TeamBrief]
    team_count: int


class Settings(BaseModel):
    """What the caller has set for all their clients. Without a time zone their days are in UTC."""

    timezone: str | None = Field(None, description="IANA name such as Europe/Berlin")


class NewSettings(StrictModel):
    """The settings to change."""

    timezone: Annotated[Line, Field(max_length=64, description="IANA name such as Europe/Berlin")]


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
_REASONS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or one that is not accepted here", "headers": _CHALLENGE},
    403: {"description": "The token lacks mcp:read (for a change mcp:write), or a page of an unknown origin asks"},
    404: {"description": "No such team, or the caller is not in it: the two look the same"},
    421: {"description": "The request names a host that is not this server"},
    422: {"description": "A parameter is unknown, or out of its range"},
    429: {"description": "Too many requests: see Retry-After", "headers": _RETRY_AFTER},
    500: {"description": "A fault of the server"},
    503: {
        "description": "The database, or the keys of the token issuer, are away: see Retry-After",
        "headers": _RETRY_AFTER,
    },
}
PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": Problem} | reason for status, reason in _REASONS.items()}
"""The error responses of every route, for the OpenAPI document."""
_STATUS: dict[type[StorageError], tuple[int, str]] = {
    NotFound: (404, "not_found"),
    NotAllowed: (403, "not_allowed"),
    InvalidInput: (422, "invalid_input"),
    Unavailable: (503, "unavailable"),
}


def check_given_once(request: Request) -> None:
    """Refuse a repeated parameter, of which FastAPI would silently use the last."""
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidInput(f"{name}: say it once")


router = APIRouter(
    prefix="/api/dashboard",
    dependencies=[Depends(check_given_once)],
    tags=["dashboard"],
    responses=PROBLEMS,
)


@router.get(
    "/snapshot", response_model=DashboardSnapshot, operation_id="getSnapshot", summary="All that a dashboard shows"
)
async def get_snapshot(request: Request, query: Annotated[SnapshotQuery, Query()]) -> Response:
    """The answers of the other addresses in one, all of the same moment.

    At most 100 teams are given, the one of `team_id` always; `team_count` counts them all.
    """
    return respond(await dashboard.snapshot(await scope_of(request), query.team_id, query.days, query.limit))


@router.get("/statistics", response_model=Totals, operation_id="getStatistics", summary="Four numbers")
async def get_statistics(request: Request, query: Annotated[TeamQuery, Query()]) -> Response:
    """Total, pending and completed tasks of the caller's own, and tasks that others shared with the caller.

    With `team_id`: of the team's tasks, `shared_tasks` being those of them that are shared with somebody.
    The numbers include every change that was committed before the request.
    """
    return respond(await statistics.totals(await scope_of(request), query.team_id))


@router.get("/trend", response_model=Trend, operation_id="getTrend", summary="Created and completed per day")
async def get_trend(request: Request, query: Annotated[DaysQuery, Query()]) -> Response:
    """How many tasks were created and completed on each of the last days."""
    return respond(Trend(days=await statistics.trend(await scope_of(request), query.team_id, query.days)))


@router.get("/tasks", response_model=Tasks, operation_id="getTasks", summary="The newest tasks")
async def get_tasks(request: Request, query: Annotated[LimitQuery, Query()]) -> Response:
    """The newest tasks that the caller may see, completed ones as well."""
    wanted = TaskFilter(status="all", team_id=query.team_id)
    page = await listing.find(await scope_of(request), wanted, query.limit)
    return respond(Tasks.model_construct(tasks=cast("list[TaskBrief]", page.tasks), total_count=page.total_count))


@router.get("/teams", response_model=Teams, operation_id="getTeams", summary="The caller's teams")
async def get_teams(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """The teams whose numbers and tasks the caller may ask for, the 100 oldest at most."""
    found, count = await teams.find_brief(await scope_of(request))
    return respond(Teams(teams=found, team_count=count))


@router.get("/settings", response_model=Settings, operation_id="getSettings", summary="The caller's settings")
async def get_settings(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """What the caller has set, or their clients have named."""
    return respond(Settings(timezone=await users.current_timezone(await scope_of(request))))


@router.put("/settings", response_model=Settings, operation_id="putSettings", summary="Change the caller's settings")
async def put_settings(request: Request, query: Annotated[NewSettings, Query()]) -> Response:
    """Set the time zone that the caller's days are in, for all their clients. There is no body."""
    timezone = await users.choose_timezone(await scope_of(request, reading=False), query.timezone)
    return respond(Settings(timezone=timezone))


def build_bridge(callers: Callers, *routers: APIRouter) -> FastAPI:
    """The application for the paths /api/dashboard/... (more of them in `routers`) and /api/openapi.json.

    Expects a caller in the ASGI scope, except for /api/openapi.json.
    """
    bridge = FastAPI(
        title="Taskdeck dashboard API",
        version="1.0.0",
        description="Numbers and lists for dashboards. Live changes: websocket-events.yaml.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    bridge.state.routers = (router, *routers)
    for each in bridge.state.routers:
        bridge.include_router(each)
    bridge.state.callers = callers
    for error in (StorageError, RequestValidationError, HTTPException, Exception):
        bridge.add_exception_handler(error, explain)
    generate = bridge.openapi

    def describe() -> dict[str, Any]:
        document = generate()
        bearer = {"type": "http", "scheme": "bearer", "description": "A token for the audience .../api with mcp:read"}
        document.setdefault("components", {})["securitySchemes"] = {"bearer": bearer}
        document["security"] = [{"bearer": []}]
        # FastAPI documents its own form of errors, which `explain` replaces.
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        return document

    bridge.openapi = describe
    return bridge


class HeadAsGet:
    """Answers HEAD like GET; the server leaves the body out (RFC 9110 section 9.3.2)."""

    # FastAPI's routes, unlike Starlette's, do not answer HEAD where they answer GET. Uvicorn looks at its own scope to
    # leave the body out, so the routes get a copy.
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, asgi_scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self._app(
            {**asgi_scope, "method": "GET"} if asgi_scope.get("method") == "HEAD" else asgi_scope, receive, send
        )


async def scope_of(request: Request, *, reading: bool = True) -> Scope:
    """The caller as a scope. `reading` saves the wait for a commit: a lost one matters to nobody."""
    callers: Callers = request.app.state.callers
    return replace(await callers.scope(request.scope["caller"]), reading=reading)


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
            status, word, detail = 422, "invalid_input", f"{found['loc'][-1]}: {reason}"
        case HTTPException():
            status, word, detail = error.status_code, "not_found", "No such address: see /api/openapi.json"
            if status == 405:
                word, detail = "method_not_allowed", "This address takes other methods: see the header Allow"
            headers |= error.headers or {}
            if methods := _methods_at(request):
                headers["Allow"] = methods
        case NotFound() | NotAllowed() | InvalidInput() | Unavailable():
            status, word = next(known for kind, known in _STATUS.items() if isinstance(error, kind))
            detail = str(error)
        case _:
            status, word, detail = 500, "internal", "The server failed. Try again; if it stays so, tell its operator"
    if isinstance(error, NotAllowed):
        callers: Callers = request.app.state.callers
        await callers.note_refusal(request.scope["caller"], f"{request.method} {request.url.path}")
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse({"error": word, "detail": detail}, status, headers)


def _methods_at(request: Request) -> str:
    """The value of Allow: every method of the path (RFC 9110 section 10.2.1)."""
    # Starlette's 405 names only the methods of the first matching route.
    routes = [route for each in request.app.state.routers for route in each.routes if isinstance(route, APIRoute)]
    return ", ".join(
        m for route in routes if route.matches(request.scope)[0] is Match.PARTIAL for m in route.methods or ()
    )
