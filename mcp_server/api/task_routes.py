"""The part of the dashboard API on tasks: list, add, read, change, delete and restore.

The verbs are those of the tools, so the same rules apply.
"""

from typing import Annotated, Self

from fastapi import Query, Request, Response
from pydantic import Field, model_validator

from mcp_server.api.activity_routes import ClientName
from mcp_server.api.responses import CLIENT, TOO_LARGE, build_router, respond, scope_of, within
from mcp_server.api.team_routes import PathId
from storage.schema.dashboard_models import TaskPageView, TaskRows, TodayView
from storage.schema.request_models import (
    MAX_ID,
    USER_ID,
    DueGroup,
    Key,
    ListedScope,
    ListedStatus,
    Moment,
    NewTask,
    Ordinal,
    Priority,
    Sort,
    Status,
    StrictModel,
    Tag,
    TaskFields,
)
from storage.schema.request_models import Query as Searched
from storage.schema.response_models import TaskCompleted, TaskDeleted, TaskRestored, TaskView
from storage.tasks import deletion, page_lists, task_page, tasks, today
from storage.tasks.filters import PageFilter

MAX_ROWS = 500
_ID = "[1-9][0-9]{0,17}"
REQUIRED = ("title", "priority", "status", "expected_version")


class AddedTask(NewTask):
    """The task to add."""

    idempotency_key: Key | None = Field(None, description="Same key, same task: safe to retry for 24 h")


class TaskChange(TaskFields):
    """What changes (RFC 7396): absent fields stay, and null empties a field."""

    status: Status | None = None
    expected_version: Ordinal | None = Field(None, description="Refuse if the task is at another version")

    @model_validator(mode="after")
    def _check_required(self) -> Self:
        if null := [name for name in REQUIRED if name in self.cleared]:
            raise ValueError(f"{null[0]} cannot be null: leave it out")
        return self

    @property
    def cleared(self) -> tuple[str, ...]:
        """The fields that become empty."""
        return tuple(name for name in self.model_fields_set if getattr(self, name) is None)


class ListQuery(StrictModel):
    """Which tasks, in which order, and how many of them."""

    team_id: Annotated[int | None, within(1, MAX_ID)] = Field(None, ge=1, le=MAX_ID, description="Of this team only")
    parent_id: Annotated[int | None, within(1, MAX_ID)] = Field(None, ge=1, le=MAX_ID, description="Subtasks of this")
    status: ListedStatus = Field("all", description="pending = not completed")
    scope: ListedScope = Field("all", description="mine = what the caller owns")
    due: DueGroup | None = Field(None, description="week = today and the six days after it, none = without a date")
    priority: Priority | None = None
    tag: Tag | None = None
    assignee: Annotated[str, Field(pattern=f"^{USER_ID}$", description="A user id")] | None = None
    completed_before: Annotated[Moment, Field(description="Exclusive, as completed_after")] | None = None
    completed_after: (
        Annotated[Moment, Field(description="A moment with an offset, or a day of the caller's")] | None
    ) = None
    completed_by: Annotated[str, Field(pattern=f"^{USER_ID}$", description="Completed last by this user id")] | None = (
        None
    )
    completed_with: ClientName | None = None
    search: Searched | None = Field(None, description='All words; "a phrase", or, -not')
    sort: Sort = "created"
    ids: Annotated[str, Field(pattern=f"^{_ID}(,{_ID}){{0,99}}$")] | None = Field(
        None, description="Which of these are in the list, such as 7,12; total_count still counts all of it"
    )
    after: Annotated[int | None, within(1, MAX_ID)] = Field(
        None, ge=1, le=MAX_ID, description="The last task of the page before"
    )
    limit: Annotated[int, within(1, MAX_ROWS)] = Field(8, ge=1, le=MAX_ROWS, description="How many tasks at most")

    def wanted(self) -> PageFilter:
        """The filter of storage."""
        given = self.model_dump(exclude={"ids", "after", "limit"}, exclude_none=True)
        return PageFilter(**given, ids=[int(each) for each in self.ids.split(",")] if self.ids else None)


router = build_router()


@router.get("/tasks", response_model=TaskRows, operation_id="getTasks", summary="A list of tasks")
async def get_tasks(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
    """Tasks that the caller may see: without a filter all, the newest first, completed ones as well."""
    return respond(await page_lists.find_rows(await scope_of(request), query.wanted(), query.limit, query.after))


@router.get("/today", response_model=TodayView, operation_id="getToday", summary="What to look at first")
async def get_today(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """What is late, due today or in progress, and what agents changed since the caller's yesterday.

    A task that was due earlier today is in both `overdue` and `due_today`.
    """
    return respond(await today.read(await scope_of(request), CLIENT))


@router.post("/tasks", response_model=TaskView, responses=TOO_LARGE, operation_id="addTask", summary="Add a task")
async def add_task(request: Request, query: Annotated[StrictModel, Query()], new: AddedTask) -> Response:
    """Add a task of the caller's. A date in due is that day in the caller's time zone; a time needs its offset."""
    return respond(await tasks.add(await scope_of(request, reading=False), new, new.idempotency_key))


@router.get("/tasks/{task_id}", response_model=TaskPageView, operation_id="getTask", summary="All of one task")
async def get_task(request: Request, task_id: PathId, query: Annotated[StrictModel, Query()]) -> Response:
    """A task with its subtasks, shares, history, and the people to whom it may be assigned."""
    return respond(await task_page.read(await scope_of(request), task_id))


@router.patch(
    "/tasks/{task_id}",
    response_model=TaskCompleted,
    responses=TOO_LARGE,
    operation_id="changeTask",
    summary="Change a task",
)
async def change_task(
    request: Request, task_id: PathId, query: Annotated[StrictModel, Query()], change: TaskChange
) -> Response:
    """Change fields of a task; `tags` replaces all tags. The status `completed` also adds the next occurrence."""
    scope = await scope_of(request, reading=False)
    changed = await tasks.change(
        scope, task_id, change, change.status, change.cleared, expected_version=change.expected_version
    )
    return respond(changed)


@router.delete("/tasks/{task_id}", response_model=TaskDeleted, operation_id="deleteTask", summary="Delete a task")
async def delete_task(request: Request, task_id: PathId, query: Annotated[StrictModel, Query()]) -> Response:
    """Delete a task with its subtasks. It can be restored for 30 days."""
    return respond(await deletion.remove(await scope_of(request, reading=False), task_id))


@router.post(
    "/tasks/{task_id}/restore", response_model=TaskRestored, operation_id="restoreTask", summary="Restore a task"
)
async def restore_task(request: Request, task_id: PathId, query: Annotated[StrictModel, Query()]) -> Response:
    """Bring a deleted task back, with its shares and the subtasks that were deleted with it."""
    return respond(await deletion.restore(await scope_of(request, reading=False), task_id))
