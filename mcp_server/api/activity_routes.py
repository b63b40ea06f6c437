"""The part of the dashboard API on activity: the feed of changes, and taking them back."""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field

from mcp_server.api.responses import build_router, respond, scope_of, within
from mcp_server.api.team_routes import PathId
from storage.schema.activity_models import ActiveClients, Activity, UndoneSince, UndoPreview
from storage.schema.request_models import MAX_ID, MAX_PAGE_ROWS, USER_ID, Cursor, Moment, StrictModel, Text
from storage.schema.response_models import Undone
from storage.tasks import activity, chosen_undo
from storage.tasks.activity import ActivityFilter

MAX_VERSION = 2**31 - 1

ClientName = Annotated[
    Text, Field(max_length=200, description="As the history names it; empty for changes without one")
]


class ActivityQuery(StrictModel):
    """Which changes, and how many."""

    client: ClientName | None = None
    person: Annotated[str, Field(pattern=f"^{USER_ID}$", description="A user id")] | None = None
    since: Annotated[Moment, Field(description="A moment with an offset, or a day of the caller's")] | None = None
    task_id: Annotated[int | None, within(1, MAX_ID)] = Field(None, ge=1, le=MAX_ID)
    limit: Annotated[int, within(1, MAX_PAGE_ROWS)] = Field(50, ge=1, le=MAX_PAGE_ROWS)
    cursor: Cursor | None = None


class UndoQuery(StrictModel):
    """What the caller has seen of the task."""

    expected_version: Annotated[int | None, within(1, MAX_VERSION)] = Field(
        None, ge=1, le=MAX_VERSION, description="Refuse if the task is at another version"
    )


class SinceQuery(StrictModel):
    """Which client's changes, since when."""

    client: ClientName
    since: Annotated[Moment, Field(description="A moment with an offset")]


class UndoSinceQuery(SinceQuery):
    """As SinceQuery, with what the caller has seen of it."""

    expected_calls: Annotated[int | None, within(0, MAX_VERSION)] = Field(
        None, ge=0, le=MAX_VERSION, description="Refuse if there are other than so many calls by now"
    )


router = build_router()


@router.get("/activity", response_model=Activity, operation_id="getActivity", summary="Who changed what")
async def get_activity(request: Request, query: Annotated[ActivityQuery, Query()]) -> Response:
    """The changes of the tasks that the caller sees, newest first: of each as much as its history shows the caller."""
    wanted = ActivityFilter(client=query.client, person=query.person, since=query.since, task_id=query.task_id)
    return respond(await activity.find(await scope_of(request), wanted, query.limit, query.cursor))


@router.get(
    "/activity/clients", response_model=ActiveClients, operation_id="getActiveClients", summary="The caller's clients"
)
async def get_active_clients(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """The clients with which the caller changed something in the last 30 days, the latest first, 20 at most."""
    return respond(await activity.find_clients(await scope_of(request)))


@router.post(
    "/activity/{change_id}/undo", response_model=Undone, operation_id="undoChange", summary="Take a change back"
)
async def undo_change(request: Request, change_id: PathId, query: Annotated[UndoQuery, Query()]) -> Response:
    """Take back a change of the caller's, whatever client made it, with everything that the same call changed."""
    scope = await scope_of(request, reading=False)
    return respond(await chosen_undo.undo_change(scope, change_id, query.expected_version))


@router.get("/activity/undo", response_model=UndoPreview, operation_id="previewUndo", summary="What undo would concern")
async def preview_undo(request: Request, query: Annotated[SinceQuery, Query()]) -> Response:
    """How many calls, changes and tasks of one client would be taken back; 500 changes at most."""
    return respond(await chosen_undo.preview(await scope_of(request), query.client, query.since))


@router.post(
    "/activity/undo", response_model=UndoneSince, operation_id="undoSince", summary="Take back what one client did"
)
async def undo_since(request: Request, query: Annotated[UndoSinceQuery, Query()]) -> Response:
    """Take back all that the caller did with one client since a moment. Calls that cannot be taken back stay."""
    scope = await scope_of(request, reading=False)
    return respond(await chosen_undo.undo_since(scope, query.client, query.since, query.expected_calls))
