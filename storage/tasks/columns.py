"""The fields of a task: columns to read, values to write, and what a caller may set."""

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, case, func, insert, literal, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from sqlmodel import col

from storage.engine.database import Row, Transaction
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.schema.dashboard_models import ListedTask
from storage.schema.errors import InvalidInput, NotFound
from storage.schema.request_models import TaskFields
from storage.schema.response_models import TaskBrief, TaskView
from storage.schema.tables import Task
from storage.tasks import due_dates
from storage.tasks.access import ACCESS, ME

TYPES: dict[str, Any] = {
    "team_id": BigInteger,
    "parent_id": BigInteger,
    "tags": ARRAY(Text),
    "due_at": DateTime(timezone=True),
    "completed_at": DateTime(timezone=True),
}
# A second reference to the table, so that its policies decide whether the caller sees the parent.
_Parent = aliased(Task)
PARENT = (
    select(col(_Parent.id))
    .where(col(_Parent.id) == col(Task.parent_id), col(_Parent.deleted_at).is_(None))
    .correlate(Task)
    .scalar_subquery()
).label("parent_id")
"""The parent, if the caller sees it and it is not deleted."""
BRIEF = (
    col(Task.id),
    col(Task.title),
    col(Task.status),
    col(Task.priority),
    col(Task.due),
    col(Task.tags),
    col(Task.team_id),
    PARENT,
    ACCESS,
    case((col(Task.user_id) != ME, col(Task.user_id))).label("owner"),
)
LISTED = (
    *BRIEF,
    col(Task.assignee_id),
    col(Task.version),
    col(Task.created_at),
    col(Task.updated_at),
)
WHOLE = (
    *LISTED,
    col(Task.description),
    col(Task.recurrence),
    col(Task.completed_at),
)
TASK_ID = bindparam("task_id", type_=BigInteger)
LIVE = (col(Task.id) == TASK_ID, col(Task.deleted_at).is_(None))
GET = compiled(select(*WHOLE).where(*LIVE))

MAX_LEVELS = 10
"""How many tasks may be above a task. Every walk along parents takes as long as there are levels."""


def _placing() -> Statement:
    """How many tasks would be above a task below `parent_id`, how many levels are below it, and if that is a cycle.

    Both walks end one level after the limit, also in a cycle of parents, which people who cannot see each other's tasks
    can create (docs/data-model.md, "Relationships").
    """
    moved = bindparam("moved_id", type_=BigInteger)
    keys = (col(Task.id), col(Task.parent_id))
    up = select(*keys, literal(1).label("level")).where(col(Task.id) == bindparam("parent_id", type_=BigInteger))
    up = up.cte("up", recursive=True)
    up = up.union_all(select(*keys, up.c.level + 1).where(col(Task.id) == up.c.parent_id, up.c.level <= MAX_LEVELS))
    down = select(col(Task.id), literal(0).label("level")).where(col(Task.id) == moved).cte("down", recursive=True)
    below = (col(Task.parent_id) == down.c.id, col(Task.deleted_at).is_(None), down.c.level <= MAX_LEVELS)
    down = down.union_all(select(col(Task.id), down.c.level + 1).where(*below))
    return compiled(
        select(
            select(func.count(up.c.id.distinct())).scalar_subquery().label("above"),
            func.coalesce(select(func.max(down.c.level)).scalar_subquery(), 0).label("below"),
            select(func.bool_or(up.c.id == moved)).scalar_subquery().label("circular"),
        )
    )


_PLACING = _placing()


def view(row: Row) -> TaskView:
    """A row as its caller sees it."""
    return TaskView.model_construct(**payload(row))


def brief(row: Row) -> TaskBrief:
    """A row as a list shows it."""
    return TaskBrief.model_construct(**brief_facts(row))


def brief_facts(row: Row) -> dict[str, Any]:
    """The fields of a TaskBrief: the team only beside another owner, for it says where the task comes from."""
    facts = {name: row[name] for name in TaskBrief.model_fields}
    return facts if row["owner"] is not None else facts | {"team_id": None}


def listed(row: Row) -> ListedTask:
    """A row as a list on a page shows it."""
    return ListedTask.model_construct(**payload(row))


def payload(row: Row) -> dict[str, Any]:
    """The fields of a TaskView."""
    found = dict(row)
    found["assignee"] = found.pop("assignee_id")
    for moment in ("created_at", "updated_at", "completed_at"):
        if moment in found:
            found[moment] = found[moment].isoformat() if found[moment] else None
    return found


def missing(task_id: int) -> NotFound:
    """The error for a task that does not exist or that the caller may not see: the same, so that ids reveal nothing."""
    return NotFound(f"No task {task_id}. Use list_tasks to find its id.")


async def find_one(transaction: Transaction, task_id: int) -> Row:
    """The row of a visible task.

    Raises:
        NotFound: no such task, or not visible.
    """
    row = await transaction.fetch_one(GET, task_id=task_id)
    if row is None:
        raise missing(task_id)
    return row


async def columns(transaction: Transaction, fields: TaskFields, row: Row | None) -> dict[str, Any]:
    """The given fields as column values; `row` is the task that is changed, None for a new one.

    Raises:
        InvalidInput, NotFound, NotAllowed: a date, rule, team, parent or assignee that is not possible.
    """
    given = {
        name: value
        for name, value in fields.model_dump(include={*TaskFields.model_fields}).items()
        if value is not None
    }
    if "due" in given:
        due = due_dates.parse_due(given["due"])
        given |= {"due": due.text, "due_at": due.at}
    if "recurrence" in given:
        due_text = given.get("due") or (row["due"] if row else None)
        if due_text is None:
            raise InvalidInput("A recurring task needs a due date: give due as well.")
        given["recurrence"] = due_dates.parse_recurrence(given["recurrence"], due_dates.Due.stored(due_text))
    # Policies and triggers refuse the same teams and parents, but only these checks can say what to do instead.
    if "team_id" in given and (row is None or row["team_id"] != given["team_id"]):
        await users.check_may_put_into(transaction, given["team_id"], row)
    if "parent_id" in given:
        await _check_parent(transaction, given["parent_id"], row)
    if "assignee" in given:
        team_id = given.get("team_id") or (row["team_id"] if row else None)
        given["assignee_id"] = await users.assignable(transaction, given.pop("assignee"), team_id, row)
    return given


async def _check_parent(transaction: Transaction, parent_id: int, row: Row | None) -> None:
    if row is not None and row["parent_id"] == parent_id:
        return
    await find_one(transaction, parent_id)
    moved_id = row["id"] if row else None
    levels = await transaction.fetch_one(_PLACING, parent_id=parent_id, moved_id=moved_id)
    if levels is None or not levels["above"]:
        raise missing(parent_id)
    if levels["circular"]:
        raise InvalidInput(f"Task {moved_id} cannot be below itself: choose another parent_id.")
    if levels["above"] + levels["below"] > MAX_LEVELS:
        raise InvalidInput(f"Subtasks may be {MAX_LEVELS} levels deep at most: choose a parent_id further up.")


def cleared(fields: TaskFields, clear: tuple[str, ...], row: Row) -> dict[str, Any]:
    """The columns of fields to empty.

    Raises:
        InvalidInput: a field is both given and emptied, or a recurring task would lose its due date.
    """
    values: dict[str, Any] = {}
    for name in clear:
        if getattr(fields, name) is not None:
            raise InvalidInput(f"{name} is both given and in clear: leave one of them out.")
        if name == "due" and "recurrence" not in clear:
            if fields.recurrence is not None:
                raise InvalidInput("A recurring task needs its due date: leave due out of clear.")
            if row["recurrence"]:
                raise InvalidInput("A recurring task needs its due date: clear recurrence as well.")
        column = "assignee_id" if name == "assignee" else name
        values[column] = [] if name == "tags" else None
        if name == "due":
            values["due_at"] = None
    return values


def different(values: dict[str, Any], row: Row) -> dict[str, Any]:
    """The columns that get a new value. If there are none, the task keeps its version and no event is written."""
    # `due_at` follows from `due`, and a changed text means another moment or another time zone.
    changed = {name: value for name, value in values.items() if name != "due_at" and row[name] != value}
    return changed | ({"due_at": values["due_at"]} if "due" in changed else {})


@lru_cache(maxsize=256)
def insertion(names: frozenset[str]) -> Statement:
    """The statement that inserts a task of the caller with these columns."""
    values = {name: bindparam(name, type_=TYPES.get(name, Text)) for name in sorted(names)}
    # SQLAlchemy does not correlate a subquery with the table of an INSERT. It need not: an accepted parent is visible.
    returned = (col(Task.parent_id) if column is PARENT else column for column in WHOLE)
    return compiled(insert(Task).values(user_id=ME, **values).returning(*returned))


@lru_cache(maxsize=256)
def change(names: frozenset[str], guarded: bool) -> Statement:
    """The statement that sets columns (parameters `<name>_`) of one live task.

    With `guarded`, it changes nothing unless the task has the `expected` version. PostgreSQL checks the condition again
    after waiting for a concurrent update, so only one of several updates of a version succeeds.
    """
    values: dict[str, Any] = {n: bindparam(f"{n}_", type_=TYPES.get(n, Text)) for n in sorted(names)}
    if "status" in names and "completed_at" not in names:
        # A CHECK requires completed_at for completed tasks alone. Completing a task twice keeps the first time.
        values["completed_at"] = case(
            (values["status"] != "completed", None), else_=func.coalesce(col(Task.completed_at), func.now())
        )
    version = col(Task.version) == bindparam("expected", type_=Integer) if guarded else true()
    live = (col(Task.id) == bindparam("task_id_", type_=BigInteger), col(Task.deleted_at).is_(None))
    return compiled(update(Task).where(*live, version).values(values).returning(*WHOLE))
