"""Verbs on tasks. Each is one transaction; what a caller may not see is answered like what does not exist."""

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, case, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage import idempotency, schedule, users
from storage.database import Row, Scope, Statement, Transaction, compiled, verb
from storage.errors import Conflict, InvalidInput, NotAllowed, NotFound, StorageError
from storage.models import Task
from storage.views import NewTask, TaskBrief, TaskCompleted, TaskFields, TaskView

ME = func.current_user_id()
TYPES: dict[str, Any] = {
    "team_id": BigInteger,
    "parent_id": BigInteger,
    "tags": ARRAY(Text),
    "due_at": DateTime(timezone=True),
}
CLEARABLE = ("description", "due", "tags", "team_id", "parent_id", "assignee", "recurrence")

ACCESS = case(
    (col(Task.user_id) == ME, "owner"),
    (col(Task.team_id) == func.any(func.my_managed_team_ids()), "owner"),
    (col(Task.team_id) == func.any(func.my_writable_team_ids()), "edit"),
    (col(Task.id) == func.any(func.my_editable_task_ids()), "edit"),
    else_="view",
).label("access")
BRIEF = (
    col(Task.id),
    col(Task.title),
    col(Task.status),
    col(Task.priority),
    col(Task.due),
    col(Task.tags),
    ACCESS,
)
WHOLE = (
    *BRIEF,
    col(Task.description),
    col(Task.team_id),
    col(Task.parent_id),
    col(Task.assignee_id),
    col(Task.recurrence),
    case((col(Task.user_id) != ME, col(Task.user_id))).label("owner"),
    col(Task.version),
    col(Task.created_at),
    col(Task.updated_at),
    col(Task.completed_at),
)
_ID = bindparam("task_id", type_=BigInteger)
_LIVE = (col(Task.id) == _ID, col(Task.deleted_at).is_(None))

_GET = compiled(select(*WHOLE).where(*_LIVE))
_GET_DELETED = compiled(select(*WHOLE).where(col(Task.id) == _ID, col(Task.deleted_at).is_not(None)))
_COMPLETE = compiled(
    update(Task)
    .where(*_LIVE, col(Task.status) != "completed")
    .values(status="completed", completed_at=func.now())
    .returning(*WHOLE)
)
_REMOVE = compiled(
    update(Task).where(*_LIVE, ACCESS.element == "owner").values(deleted_at=func.now()).returning(*WHOLE)
)
_RESTORE = compiled(
    update(Task).where(col(Task.id) == _ID, col(Task.deleted_at).is_not(None)).values(deleted_at=None).returning(*WHOLE)
)
_REPEAT = compiled(
    select(
        func.repeat_task(
            _ID,
            bindparam("due", type_=Text),
            bindparam("due_at", type_=DateTime(timezone=True)),
            bindparam("recurrence", type_=Text),
        )
    )
)


def view(row: Row) -> TaskView:
    """A row as its caller sees it."""
    return TaskView.model_construct(**facts(row))


def facts(row: Row) -> dict[str, Any]:
    """The fields of a TaskView."""
    found = dict(row)
    found["assignee"] = found.pop("assignee_id")
    for moment in ("created_at", "updated_at", "completed_at"):
        found[moment] = found[moment].isoformat() if found[moment] else None
    return found


def missing(task_id: int) -> NotFound:
    """What is said of a task that does not exist, or that the caller may not see."""
    return NotFound(f"No task {task_id}. Use list_tasks to find its id.")


@verb
async def add(scope: Scope, new: NewTask, key: str | None = None) -> TaskView:
    """Add a task. With a key, adding again gives the same task.

    Raises:
        InvalidInput: a date, rule, team, parent or assignee that cannot be.
        Conflict: the key was used with other arguments.
    """
    async with scope.transaction() as transaction:
        kept = await idempotency.recall(transaction, key, "add", new.model_dump(exclude_unset=True))
        if kept is not None:
            return TaskView.model_validate(kept)
        added = view(await insert_task(transaction, new))
        await idempotency.keep(transaction, key, added.facts())
        return added


async def insert_task(transaction: Transaction, new: NewTask) -> Row:
    """Insert one task within a transaction."""
    values = await _columns(transaction, new, None)
    row = await transaction.fetch_one(_insert(frozenset(values)), **values)
    if row is None:
        raise StorageError("The task was not added.")
    return row


@verb
async def get(scope: Scope, task_id: int) -> TaskView:
    """One task.

    Raises:
        NotFound: no such task, or not visible.
    """
    async with scope.transaction() as transaction:
        return view(await find_one(transaction, task_id))


async def find_one(transaction: Transaction, task_id: int) -> Row:
    """The row of a visible task; NotFound otherwise."""
    row = await transaction.fetch_one(_GET, task_id=task_id)
    if row is None:
        raise missing(task_id)
    return row


@verb
async def change(
    scope: Scope,
    task_id: int,
    fields: TaskFields,
    status: str | None = None,
    clear: tuple[str, ...] = (),
    expected_version: int | None = None,
) -> TaskView:
    """Set the given fields, clear the named ones. With `expected_version`, only if nobody was faster.

    Raises:
        NotFound, NotAllowed, InvalidInput; Conflict: another version than expected.
    """
    async with scope.transaction() as transaction:
        row = await find_one(transaction, task_id)
        _check_version(row, expected_version)
        _check_may_change(row, fields, clear)
        values = await _columns(transaction, fields, row)
        values |= _cleared(fields, clear, row)
        if status == "completed" and row["status"] != "completed":
            values |= {"status": "completed"}
        elif status is not None and status != row["status"]:
            values |= {"status": status}
        if not values:
            return view(row)
        statement = _change(frozenset(values), expected_version is not None)
        changed = await transaction.fetch_one(
            statement, task_id_=task_id, expected=expected_version, **{f"{name}_": v for name, v in values.items()}
        )
        if changed is None:
            raise await _explain_miss(transaction, task_id)
        if values.get("status") == "completed":
            await _repeat(transaction, changed, scope)
        return view(changed)


@verb
async def complete(scope: Scope, task_id: int) -> TaskCompleted:
    """Complete a task; completing it again changes nothing. A recurring one gets its next occurrence.

    Raises:
        NotFound, NotAllowed.
    """
    async with scope.transaction() as transaction:
        row = await transaction.fetch_one(_COMPLETE, task_id=task_id)
        if row is None:
            row = await find_one(transaction, task_id)
            if row["access"] == "view":
                raise NotAllowed(f"Task {task_id} is shared with you for viewing only. Ask its owner for edit access.")
            return TaskCompleted.model_construct(**facts(row))
        following = await _repeat(transaction, row, scope)
        return TaskCompleted.model_construct(**facts(row), next_occurrence=following)


async def _repeat(transaction: Transaction, row: Row, scope: Scope) -> TaskBrief | None:
    """Add the next occurrence of a task that was just completed."""
    if not row["recurrence"] or not row["due"]:
        return None
    timezone = await users.timezone_of(transaction, row["owner"] or scope.user_id)
    following = schedule.next_occurrence(schedule.parse_due(row["due"]), row["recurrence"], timezone)
    if following is None:
        return None
    due, rule = following
    task_id = await transaction.fetch_value(_REPEAT, task_id=row["id"], due=due.text, due_at=due.at, recurrence=rule)
    added = await find_one(transaction, task_id)
    return TaskBrief.model_construct(**{name: added[name] for name in TaskBrief.model_fields})


@verb
async def remove(scope: Scope, task_id: int) -> TaskView:
    """Delete a task; it can be restored for 30 days. Deleting it again gives the same answer.

    Raises:
        NotFound; NotAllowed: visible, but not the caller's to delete.
    """
    async with scope.transaction() as transaction:
        return view(await remove_task(transaction, task_id))


async def remove_task(transaction: Transaction, task_id: int) -> Row:
    """Soft-delete within a transaction."""
    row = await transaction.fetch_one(_REMOVE, task_id=task_id)
    if row is None:
        row = await transaction.fetch_one(_GET_DELETED, task_id=task_id)
    if row is None:
        await find_one(transaction, task_id)
        raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may delete it.")
    return row


@verb
async def restore(scope: Scope, task_id: int) -> TaskView:
    """Bring a deleted task back, with its shares. A task that is not deleted stays as it is.

    Raises:
        NotFound; NotAllowed: visible, but not the caller's to restore.
    """
    async with scope.transaction() as transaction:
        return view(await restore_task(transaction, task_id))


async def restore_task(transaction: Transaction, task_id: int) -> Row:
    """Undelete within a transaction."""
    row = await transaction.fetch_one(_RESTORE, task_id=task_id)
    if row is None:
        row = await find_one(transaction, task_id)
        if row["access"] != "owner":
            raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may restore it.")
    return row


def _check_version(row: Row, expected: int | None) -> None:
    if expected is not None and row["version"] != expected:
        raise Conflict(
            f"Task {row['id']} is at version {row['version']}, not {expected}: it changed meanwhile. "
            "Read it with get_task and decide again."
        )


def _check_may_change(row: Row, fields: TaskFields, clear: tuple[str, ...]) -> None:
    if row["access"] == "view":
        raise NotAllowed(f"Task {row['id']} is shared with you for viewing only. Ask its owner for edit access.")
    moves = "team_id" in clear or (fields.team_id is not None and fields.team_id != row["team_id"])
    if moves and row["access"] != "owner":
        raise NotAllowed(f"Only the owner of task {row['id']} or an admin of its team may move it between teams.")


async def _explain_miss(transaction: Transaction, task_id: int) -> StorageError:
    row = await find_one(transaction, task_id)
    return Conflict(
        f"Task {task_id} is at version {row['version']} now: it changed meanwhile. "
        "Read it with get_task and decide again."
    )


async def _columns(transaction: Transaction, fields: TaskFields, row: Row | None) -> dict[str, Any]:
    """What the given fields mean as column values."""
    given = {
        name: value
        for name, value in fields.model_dump(include={*TaskFields.model_fields}).items()
        if value is not None
    }
    if "due" in given:
        due = schedule.parse_due(given["due"])
        given |= {"due": due.text, "due_at": due.at}
    if "recurrence" in given:
        said = given.get("due") or (row["due"] if row else None)
        if said is None:
            raise InvalidInput("A recurring task needs a due date: give due as well.")
        given["recurrence"] = schedule.parse_recurrence(given["recurrence"], schedule.parse_due(said))
    if "team_id" in given and (row is None or row["team_id"] != given["team_id"]):
        await users.check_may_write_in(transaction, given["team_id"])
    if "parent_id" in given:
        await _check_parent(transaction, given["parent_id"], row)
    if "assignee" in given:
        team_id = given.get("team_id") or (row["team_id"] if row else None)
        given["assignee_id"] = await users.assignable(transaction, given.pop("assignee"), team_id, row)
    return given


async def _check_parent(transaction: Transaction, parent_id: int, row: Row | None) -> None:
    ancestor: int | None = parent_id
    while ancestor is not None:
        if row is not None and ancestor == row["id"]:
            raise InvalidInput(f"Task {row['id']} cannot be below itself: choose another parent_id.")
        above = await transaction.fetch_one(_GET, task_id=ancestor)
        if above is None and ancestor == parent_id:
            raise missing(parent_id)
        ancestor = above["parent_id"] if above is not None and row is not None else None


def _cleared(fields: TaskFields, clear: tuple[str, ...], row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in clear:
        if getattr(fields, name) is not None:
            raise InvalidInput(f"{name} is both given and in clear: leave one of them out.")
        if name == "due" and (row["recurrence"] or fields.recurrence) and "recurrence" not in clear:
            raise InvalidInput("A recurring task needs its due date: clear recurrence as well.")
        column = "assignee_id" if name == "assignee" else name
        values[column] = [] if name == "tags" else None
        if name == "due":
            values["due_at"] = None
    return values


@lru_cache(maxsize=256)
def _insert(names: frozenset[str]) -> Statement:
    values = {name: bindparam(name, type_=TYPES.get(name, Text)) for name in sorted(names)}
    return compiled(insert(Task).values(user_id=ME, **values).returning(*WHOLE))


@lru_cache(maxsize=256)
def _change(names: frozenset[str], guarded: bool) -> Statement:
    values: dict[str, Any] = {n: bindparam(f"{n}_", type_=TYPES.get(n, Text)) for n in sorted(names)}
    if "status" in names:
        values["completed_at"] = case(
            (values["status"] != "completed", None), else_=func.coalesce(col(Task.completed_at), func.now())
        )
    version = col(Task.version) == bindparam("expected", type_=Integer) if guarded else true()
    live = (col(Task.id) == bindparam("task_id_", type_=BigInteger), col(Task.deleted_at).is_(None))
    return compiled(update(Task).where(*live, version).values(values).returning(*WHOLE))
