"""The HTTP bridge for dashboards: numbers and lists to read, and the person's settings.

docs/contracts/dashboard-api.yaml describes it. A route is one line over a storage verb. The caller is in
`asgi_scope["caller"]`, where Authentication put it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from mcp_server.api import activity_routes, conversation_routes, task_routes, team_routes
from mcp_server.api.responses import build_router, explain, explain_refusal, respond, scope_of, within
from mcp_server.identity.callers import Callers
from storage.engine.quotas import OF_A_PERSON, Kind
from storage.people import teams, users
from storage.schema.dashboard_models import DashboardSnapshot
from storage.schema.errors import NotAllowed, StorageError
from storage.schema.request_models import MAX_DAYS, MAX_ID, MAX_PAGE_ROWS, Line, StrictModel
from storage.schema.response_models import DayCount, TeamBrief, Totals
from storage.tasks import dashboard, statistics


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


class Teams(BaseModel):
    """The caller's teams, the oldest first. `team_count` counts all, not only those given."""

    teams: list[TeamBrief]
    team_count: int


class Settings(BaseModel):
    """What the caller has set for all their clients. Without a time zone their days are in UTC."""

    timezone: str | None = Field(None, description="IANA name such as Europe/Berlin")


class Limit(BaseModel):
    """How many rows of a kind the caller has, and may have. Without a limit they are not counted."""

    kind: str
    used: int | None = None
    limit: int | None = None


class Usage(BaseModel):
    """The limits of a person."""

    limits: list[Limit]


class NewSettings(StrictModel):
    """The settings to change."""

    timezone: Annotated[Line, Field(max_length=64, description="IANA name such as Europe/Berlin")]


router = build_router()


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


@router.get("/usage", response_model=Usage, operation_id="getUsage", summary="What the caller uses of each limit")
async def get_usage(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """How many tasks, conversations, messages, teams and shares the caller has, and how many they may have."""
    _, usage = await users.read_profile(await scope_of(request))
    return respond(Usage(limits=[_limit(kind, *usage.get(kind, (None, None))) for kind in OF_A_PERSON]))


def _limit(kind: Kind, used: int | None, limit: int | None) -> Limit:
    return Limit(kind=kind, used=used, limit=limit)


def build_bridge(callers: Callers, *routers: APIRouter) -> FastAPI:
    """The application for the paths /api/dashboard/... (more of them in `routers`) and /api/openapi.json.

    Expects a caller in the ASGI scope, except for /api/openapi.json.
    """
    bridge = FastAPI(
        title="Taskdeck dashboard API",
        version="1.0.0",
        description="Numbers, lists and writes for dashboards. Live changes: websocket-events.yaml.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    topics = (team_routes, activity_routes, task_routes, conversation_routes)
    bridge.state.routers = (router, *(topic.router for topic in topics), *routers)
    for each in bridge.state.routers:
        bridge.include_router(each)
    bridge.state.callers = callers
    for error in (StorageError, RequestValidationError, HTTPException, Exception):
        bridge.add_exception_handler(error, explain)
    bridge.add_exception_handler(NotAllowed, explain_refusal)
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
