"""Verbs on tasks, each in one transaction. A task that the caller may not see is reported as not found."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, update
from sqlmodel import col

from storage.engine import idempotency
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import users
from storage.schema.errors import Conflict, InvalidInput, NotAllowed, StorageError
from storage.schema.request_models import NewTask, TaskFields
from storage.schema.response_models import TaskCompleted, TaskView
from storage.schema.tables import Task
from storage.tasks import columns, occurrences, subtasks
from storage.tasks.columns import LIVE, WHOLE, find_one, view

# The condition on the status is checked again after waiting for a concurrent update: of two calls that complete a task,
# one changes it and creates the next occurrence, and the other gets no row.
_COMPLETE = compiled(
    update(Task)
    .where(*LIVE, col(Task.status) != "completed")
    .values(status="completed", completed_at=func.now())
    # With the open subtasks, because asking for them afterwards is another round trip.
    .returning(*WHOLE, subtasks.OPEN_BELOW)
)


@retry_transient
async def add(scope: Scope, new: NewTask, key: str | None = None) -> TaskView:
    """Add a task. With a key, adding again returns the same task.

    Raises:
        InvalidInput: a date, rule, team, parent or assignee that is not possible.
        Conflict: the key was used with other arguments.
    """
    async with scope.transaction() as transaction:
        # Without unset fields, so that the same call still matches its key when a release adds a field.
        kept = await idempotency.recall(transaction, key, "add", new.model_dump(exclude_unset=True))
        if kept is not None:
            return TaskView.model_validate(kept)
        await transaction.quotas.check(transaction, "tasks")
        added = view(await insert_task(transaction, new))
        await idempotency.keep(transaction, key, added.payload())
        return added


async def insert_task(transaction: Transaction, new: NewTask) -> Row:
    """Insert one task within a transaction."""
    values = await columns.columns(transaction, new, None)
    row = await transaction.fetch_one(columns.insertion(frozenset(values)), **values)
    if row is None:
        raise StorageError("The task was not added.")
    return row


@retry_transient
async def add_many(
    scope: Scope, new: Sequence[NewTask | InvalidInput], *, atomic: bool = True, key: str | None = None
) -> list[TaskView | StorageError]:
    """Add tasks in one transaction. If not `atomic`, the valid ones are added and errors take the place of the others.

    An InvalidInput in `new` stands for arguments that were refused before they became a task.

    Raises:
        StorageError: atomic, and one was refused; the text says which. Conflict: as in `add`.
    """
    async with scope.transaction() as transaction:
        sent = [str(task) if isinstance(task, InvalidInput) else task.model_dump(exclude_unset=True) for task in new]
        kept = await idempotency.recall(transaction, key, "add_many", [sent, atomic])
        if kept is not None:
            return [_recalled(outcome) for outcome in kept["outcomes"]]
        await transaction.quotas.check(transaction, "tasks", len(new))
        outcomes: list[TaskView | StorageError] = []
        for index, task in enumerate(new):
            try:
                if isinstance(task, InvalidInput):
                    raise task
                outcomes.append(view(await insert_task(transaction, task)))
            # No savepoint is needed: tasks are refused before their INSERT, so the transaction is not aborted.
            except StorageError as error:
                if atomic:
                    raise type(error)(f"tasks.{index}: {error} Nothing was added.") from error
                outcomes.append(error)
        results = [str(o) if isinstance(o, StorageError) else o.payload() for o in outcomes]
        await idempotency.keep(transaction, key, {"outcomes": results})
        return outcomes


def _recalled(outcome: str | dict[str, object]) -> TaskView | StorageError:
    return StorageError(outcome) if isinstance(outcome, str) else TaskView.model_validate(outcome)


@retry_transient
async def get(scope: Scope, task_id: int) -> TaskView:
    """One task.

    Raises:
        NotFound: no such task, or not visible.
    """
    async with scope.transaction() as transaction:
        return view(await find_one(transaction, task_id))


@retry_transient
async def change(
    scope: Scope,
    task_id: int,
    changes: TaskFields,
    status: str | None = None,
    clear: tuple[str, ...] = (),
    expected_version: int | None = None,
) -> TaskCompleted:
    """Set the given fields and clear the named ones. With `expected_version`, only if the task still has that version.

    A status of completed does what `complete` does, also if the task is completed already.

    Raises:
        NotFound, NotAllowed, InvalidInput; Conflict: another version than expected.
    """
    async with scope.transaction() as transaction:
        row = await find_one(transaction, task_id)
        # Checked twice: here for a refusal before anything else, and in the update itself for changes in between.
        _check_version(row, expected_version)
        await _check_may_change(transaction, row, changes, clear)
        values = await columns.columns(transaction, changes, row)
        values |= columns.cleared(changes, clear, row) | ({} if status is None else {"status": status})
        values = columns.different(values, row)
        if values:
            row = await _change(transaction, row, values, expected_version)
        if status != "completed":
            return TaskCompleted.model_construct(**columns.payload(row))
        return await _completed(transaction, row, anew="status" in values)


async def _change(transaction: Transaction, row: Row, values: dict[str, Any], expected_version: int | None) -> Row:
    statement = columns.change(frozenset(values), expected_version is not None)
    given = {f"{name}_": value for name, value in values.items()}
    changed = await transaction.fetch_one(statement, task_id_=row["id"], expected=expected_version, **given)
    if changed is None:
        raise await _explain_miss(transaction, row["id"])
    return changed


@retry_transient
async def complete(scope: Scope, task_id: int) -> TaskCompleted:
    """Complete a task; completing it again changes nothing. A recurring one gets its next occurrence.

    Raises:
        NotFound, NotAllowed.
    """
    async with scope.transaction() as transaction:
        # The update comes first, which saves reading the task when it succeeds; reading explains why it did not.
        row = await transaction.fetch_one(_COMPLETE, task_id=task_id)
        anew = row is not None
        if row is None:
            row = await find_one(transaction, task_id)
            await _check_may_edit(transaction, row)
        return await _completed(transaction, row, anew=anew)


async def _completed(transaction: Transaction, row: Row, *, anew: bool) -> TaskCompleted:
    """A completed task, its next occurrence and its open subtasks; `anew`: it was not completed before."""
    following = await (occurrences.make_next if anew else occurrences.find_next)(transaction, row)
    facts = columns.payload(row)
    still_open: int | None = facts.pop(subtasks.OPEN_BELOW.name, None)
    # Recurring subtasks move to the next occurrence, so what was counted before it was made may be too many.
    if still_open is None or following is not None:
        still_open = (await subtasks.count_below(transaction, row["id"])).open
    return TaskCompleted.model_construct(**facts, open_subtasks=still_open or None, next_occurrence=following)


def _check_version(row: Row, expected: int | None) -> None:
    if expected is not None and row["version"] != expected:
        raise Conflict(
            f"Task {row['id']} is at version {row['version']}, not {expected}: it changed meanwhile. "
            "Read it with get_task and decide again."
        )


async def _check_may_edit(transaction: Transaction, row: Row) -> None:
    if row["access"] != "view":
        return
    if row["team_id"] and await users.role_in(transaction, row["team_id"], transaction.user_id):
        raise NotAllowed(
            f"You are a viewer of team {row['team_id']}, so you may read task {row['id']} but not change it. "
            "Ask an owner or admin of the team to make you a member."
        )
    raise NotAllowed(f"Task {row['id']} is shared with you for viewing only. Ask its owner for edit access.")


async def _check_may_change(transaction: Transaction, row: Row, changes: TaskFields, clear: tuple[str, ...]) -> None:
    await _check_may_edit(transaction, row)
    # The trigger place_task refuses the same moves without saying why.
    moves = "team_id" in clear or (changes.team_id is not None and changes.team_id != row["team_id"])
    if moves and row["access"] != "owner":
        raise NotAllowed(f"Only the owner of task {row['id']} or an admin of its team may move it between teams.")
    if "team_id" in clear and row["owner"] is not None:
        raise NotAllowed(f"Only {row['owner']}, who made task {row['id']}, may take it out of its team.")


async def _explain_miss(transaction: Transaction, task_id: int) -> StorageError:
    # Under READ COMMITTED this statement sees what has been committed since: a new version, or no task any more.
    row = await find_one(transaction, task_id)
    return Conflict(
        f"Task {task_id} is at version {row['version']} now: it changed meanwhile. "
        "Read it with get_task and decide again."
    )
