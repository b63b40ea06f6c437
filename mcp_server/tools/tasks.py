"""Tools on tasks."""

from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema, model_validator

from mcp_server.tools.refusals import MOST, explain, no_nulls
from mcp_server.tools.registry import TOOLS, Call, tool
from storage.schema import token_budget
from storage.schema.errors import InvalidInput, NeedsConsent, StorageError
from storage.schema.plain_text import quoted
from storage.schema.request_models import (
    Count,
    Cursor,
    Id,
    Key,
    NewTask,
    Ordinal,
    PageSize,
    Status,
    StrictModel,
    TaskFields,
    TaskFilter,
)
from storage.schema.response_models import (
    ResponseModel,
    TaskCompleted,
    TaskDeleted,
    TaskDetail,
    TaskPage,
    TaskRestored,
    TasksDeleted,
    TaskView,
    Undone,
)
from storage.tasks import deletion, history, listing, tasks
from storage.tasks import undo as undoing

MAX_UNCONFIRMED = 5
"""How many tasks are deleted at once without the person's consent."""

_NEW_TASK: TypeAdapter[NewTask] = TypeAdapter(Annotated[NewTask, no_nulls(NewTask)])

Clearable = Literal["description", "due", "tags", "team_id", "parent_id", "assignee", "recurrence"]


class AddTask(NewTask):
    """Arguments of add_task."""

    idempotency_key: Key | None = Field(None, description="Same key, same task: safe to retry for 24 h")


class AddTasks(StrictModel):
    """Arguments of add_tasks."""

    # Each is validated by itself in add_tasks, because with atomic=false the others may be fine.
    tasks: Annotated[
        list[Annotated[object, WithJsonSchema(NewTask.model_json_schema())]], Field(min_length=1, max_length=50)
    ]
    atomic: bool = Field(True, description="All or none")
    idempotency_key: Key | None = None


class Added(ResponseModel):
    """The outcome for one task of a batch."""

    index: int
    ok: bool
    task: TaskView | None = None
    error: str | None = None


class AddedTasks(ResponseModel):
    """The outcomes of a batch."""

    results: list[Added]


class ListTasks(TaskFilter):
    """Arguments of list_tasks."""

    detail: Literal["brief", "full"] = "brief"
    limit: PageSize = 20
    cursor: Cursor | None = None


class OneTask(StrictModel):
    """Arguments of the tools on one task."""

    task_id: Id


class DeleteTask(StrictModel):
    """Arguments of delete_task."""

    task_id: Id | None = None
    task_ids: Annotated[list[Id], Field(min_length=1, max_length=50)] | None = Field(
        None, description="Instead of task_id, to delete several in one go"
    )
    confirm: bool = Field(False, description="The user agreed to delete that many")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.task_id is None) == (self.task_ids is None):
            raise ValueError("Give either task_id, or task_ids for several")
        return self


class UpdateTask(TaskFields):
    """Arguments of update_task."""

    task_id: Id
    status: Status | None = None
    clear: list[Clearable] = Field(default_factory=list[Clearable], description="Fields to empty")
    expected_version: Ordinal | None = Field(None, description="Refuse if the task is at another version")


class Undo(StrictModel):
    """Arguments of undo."""

    count: Annotated[Count, Field(ge=1, le=20)] = 1


@tool("tasks", "Add a task")
async def add_task(call: Call, args: AddTask) -> TaskView:
    """Add a task. A date in due is that day in the user's time zone; a time needs its offset.

    If that is the zone's offset, a recurring task keeps its local time when the clocks change.
    """
    return await tasks.add(call.scope, args, args.idempotency_key)


@tool("tasks", "Add several tasks", bulk=True)
async def add_tasks(call: Call, args: AddTasks) -> AddedTasks:
    """Add up to 50 tasks, 1 MiB at most, in one call. With atomic=false each result tells what became of that task."""
    # With atomic=false, each error is in the result of its own task, so its path needs no index.
    items = [_validate(task, f"tasks.{index}." if args.atomic else "") for index, task in enumerate(args.tasks)]
    wrong = [item for item in items if isinstance(item, InvalidInput)]
    if wrong and args.atomic:
        raise InvalidInput(" ".join([*map(str, wrong[:MOST]), "Nothing was added."]))
    outcomes = await tasks.add_many(call.scope, items, atomic=args.atomic, key=args.idempotency_key)
    return AddedTasks(
        results=[
            Added(index=index, ok=False, error=str(outcome))
            if isinstance(outcome, StorageError)
            else Added(index=index, ok=True, task=outcome)
            for index, outcome in enumerate(outcomes)
        ]
    )


def _validate(task: object, path: str) -> NewTask | InvalidInput:
    try:
        return _NEW_TASK.validate_python(task)
    except ValidationError as error:
        schema = TOOLS["add_tasks"].wire.input_schema["properties"]["tasks"]["items"]
        return InvalidInput(explain(error, "add_tasks", schema, path))


@tool("tasks", "List tasks", reads=True)
async def list_tasks(call: Call, args: ListTasks) -> TaskPage:
    """Find tasks; by default what is not completed, newest first. total_count counts the whole list.

    A page may end early to stay short: while there is next_cursor, repeat the call with cursor for more.
    """
    return await listing.find(
        call.scope,
        args,
        args.limit,
        args.cursor,
        whole=args.detail == "full",
        max_tokens=token_budget.allowed(args.limit),
    )


@tool("tasks", "Read a task", reads=True)
async def get_task(call: Call, args: OneTask) -> TaskDetail:
    """Read one task with its description, subtasks, shares and latest history (who changed what, with which client)."""
    return await history.detail(call.scope, args.task_id)


@tool("tasks", "Change a task", repeatable=True)
async def update_task(call: Call, args: UpdateTask) -> TaskCompleted:
    """Change the given fields of a task; others stay. tags replaces all tags. Empty fields with clear.

    Give expected_version (from the last read) so as not to overwrite somebody else's change.
    """
    return await tasks.change(call.scope, args.task_id, args, args.status, tuple(args.clear), args.expected_version)


@tool("tasks", "Complete a task", repeatable=True)
async def complete_task(call: Call, args: OneTask) -> TaskCompleted:
    """Mark a task as completed. Subtasks stay as they are; open_subtasks counts the open ones.

    A recurring task gets its next occurrence, with its subtasks, which is in the result.
    """
    return await tasks.complete(call.scope, args.task_id)


@tool("tasks", "Delete a task", destroys=True, repeatable=True)
async def delete_task(call: Call, args: DeleteTask) -> TaskDeleted | TasksDeleted:
    """Delete a task, or several with task_ids: all or none, each with its subtasks.

    restore_task brings one back within 30 days, undo all. More than 5 at once, subtasks included, take the user's
    consent: the client asks them, or you do and then pass confirm.
    """
    try:
        confirmed = args.confirm and not call.can_ask
        return await _delete(call, args, None if confirmed else MAX_UNCONFIRMED)
    except NeedsConsent as many:
        # Nothing was deleted yet: only the transaction that deletes can count the subtasks, so it runs and rolls back.
        call.confirm(f"Delete {many.count} tasks: {_enumerate(many)}?", f"Delete {many.count} tasks")
        return await _delete(call, args, None)


async def _delete(call: Call, args: DeleteTask, most: int | None) -> TaskDeleted | TasksDeleted:
    if args.task_id is not None:
        return await deletion.remove(call.scope, args.task_id, most)
    return await deletion.remove_many(call.scope, args.task_ids or (), most)


def _enumerate(many: NeedsConsent) -> str:
    named = [quoted(title) for title in many.titles]
    more = many.count - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


@tool("tasks", "Restore a task", repeatable=True)
async def restore_task(call: Call, args: OneTask) -> TaskRestored:
    """Bring a deleted task back, with its shares and the subtasks that were deleted with it."""
    return await deletion.restore(call.scope, args.task_id)


@tool("tasks", "Undo", destroys=True)
async def undo(call: Call, args: Undo) -> Undone:
    """Take back this client's last calls that changed a task or share, newest first, all or nothing.

    count skips reads, calls that changed nothing, and what other clients or the user did. reverted names each change,
    by call. Undoing again goes on before what was undone, or could not be.
    """
    return await undoing.undo(call.scope, args.count)
