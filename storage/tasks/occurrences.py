"""The next occurrence of a recurring task: created when the task is completed, found when it is completed again."""

from sqlalchemy import DateTime, Text, and_, bindparam, func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from storage.engine.database import Row, Transaction
from storage.engine.statements import compiled
from storage.people import users
from storage.schema.response_models import NextOccurrence
from storage.schema.system_tables import TaskEvent
from storage.schema.tables import Task
from storage.tasks import columns, due_dates, subtasks
from storage.tasks.columns import BRIEF, TASK_ID

# A SECURITY DEFINER function: the new task belongs to the owner, whoever completes it, and policies allow callers to
# insert only tasks of their own.
_REPEAT = compiled(
    select(
        func.repeat_task(
            TASK_ID,
            bindparam("due", type_=Text),
            bindparam("due_at", type_=DateTime(timezone=True)),
            bindparam("recurrence", type_=Text),
        )
    )
)
_Completed, _Created = aliased(TaskEvent), aliased(TaskEvent)
_NEXT = compiled(
    select(*BRIEF)
    .join(_Created, col(_Created.task_id) == col(Task.id))
    .join(
        _Completed,
        and_(
            col(_Completed.owner_id) == col(_Created.owner_id),
            # With the time, because ids of transactions start again when a dump is loaded into another cluster.
            col(_Completed.transaction_id) == col(_Created.transaction_id),
            col(_Completed.created_at) == col(_Created.created_at),
        ),
    )
    .where(
        col(_Completed.task_id) == TASK_ID,
        col(_Completed.event_type) == "task_completed",
        col(_Created.event_type) == "task_created",
        col(Task.deleted_at).is_(None),
        col(Task.recurrence).is_not(None),
    )
    .order_by(col(_Completed.id).desc(), col(Task.id))
    .limit(1)
)
"""The first task that was created in the transaction that last completed a task: its copied subtasks come later."""


async def make_next(transaction: Transaction, row: Row) -> NextOccurrence | None:
    """The next occurrence of a task that was just completed: added with its subtasks, unless it already exists.

    Raises:
        Conflict: the owner has no room for them.
    """
    if not row["recurrence"] or not row["due"]:
        return None
    # The owner's time zone: whoever completes the task must not move it to another time of day.
    timezone = await users.timezone_of(transaction, row["owner"] or transaction.user_id)
    following = due_dates.next_occurrence(row["due"], row["recurrence"], timezone)
    if following is None:
        return None
    due, rule = following
    copies = 1 + (await subtasks.count_below(transaction, row["id"])).total
    await transaction.quotas.check_repetition(transaction, row["id"], row["owner"] or transaction.user_id, copies)
    task_id = await transaction.fetch_value(_REPEAT, task_id=row["id"], due=due.text, due_at=due.at, recurrence=rule)
    # It may exist since the task was completed earlier, and the caller may no longer see it.
    found = await transaction.fetch_one(columns.GET, task_id=task_id)
    return await _describe(transaction, found)


async def find_next(transaction: Transaction, row: Row) -> NextOccurrence | None:
    """The next occurrence of a task that was completed earlier, if the caller sees it."""
    found = await transaction.fetch_one(_NEXT, task_id=row["id"]) if row["recurrence"] else None
    return await _describe(transaction, found)


async def _describe(transaction: Transaction, found: Row | None) -> NextOccurrence | None:
    if found is None:
        return None
    below = await subtasks.count_below(transaction, found["id"])
    return NextOccurrence.model_construct(**columns.brief_facts(found), subtasks=below.total or None)
