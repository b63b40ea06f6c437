"""The part of the dashboard API on single tasks: add, read, change, delete and restore.

The verbs are those of the tools, so the same rules apply.
"""

from typing import Annotated, Self

from fastapi import Query, Request, Response
from pydantic import Field, model_validator

from mcp_server.api.responses import TOO_LARGE, build_router, respond, scope_of
from mcp_server.api.team_routes import PathId
from storage.schema.dashboard_models import TaskPageView
from storage.schema.request_models import Key, NewTask, Ordinal, Status, StrictModel, TaskFields
from storage.schema.response_models import TaskCompleted, TaskDeleted, TaskRestored, TaskView
from storage.tasks import deletion, task_page, tasks

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


router = build_router()


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
