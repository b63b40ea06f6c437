"""Verbs that delete tasks with their subtasks, and restore them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.errors import NeedsConsent, NotAllowed, NotFound
from storage.schema.response_models import TaskDeleted, TaskRestored, TasksDeleted
from storage.schema.tables import Task
from storage.tasks import columns
from storage.tasks.columns import WHOLE, find_one
from storage.tasks.subtasks import DELETABLE, DELETED_TOGETHER, TASK_IDS

MAX_TITLES = 10
"""How many titles a request for consent names."""

_CHOSEN = (col(Task.id) == func.any(TASK_IDS), col(Task.deleted_at).is_not(None))

# Locked in the order of their ids, so that two overlapping deletions cannot deadlock: UPDATE alone locks rows in the
# order in which its plan finds them.
_locked = (
    select(col(Task.id))
    .where(col(Task.id).in_(select(DELETABLE.c.id)))
    .order_by(col(Task.id))
    .with_for_update()
    .cte("locked")
)
# now() is the start of the transaction, so all tasks of one call have one deleted_at, as DELETED_TOGETHER requires.
# The condition on deleted_at is checked again for rows that a concurrent deletion had locked.
_DELETE = compiled(
    update(Task)
    .where(col(Task.id).in_(select(_locked.c.id)), col(Task.deleted_at).is_(None))
    .values(deleted_at=func.now())
    .returning(col(Task.id))
)
_TOGETHER = select(func.count(DELETED_TOGETHER.c.id.distinct())).scalar_subquery().label("together")
_GET_DELETED = compiled(select(*WHOLE, _TOGETHER).where(*_CHOSEN))
_TITLES = compiled(select(col(Task.id), col(Task.title)).where(*_CHOSEN))
_RESTORE = compiled(
    update(Task).where(col(Task.id).in_(select(DELETED_TOGETHER.c.id))).values(deleted_at=None).returning(col(Task.id))
)
_RESTORE_CHOSEN = compiled(update(Task).where(*_CHOSEN).values(deleted_at=None).returning(col(Task.id)))


@retry_transient
async def remove(scope: Scope, task_id: int, max_unasked: int | None = None) -> TaskDeleted:
    """Delete a task with its subtasks; all can be restored for 30 days. Deleting it again gives the same answer.

    Subtasks at any depth go with it if the caller may delete them. Others stay, and have no parent until it is back.

    Raises:
        NotFound; NotAllowed: visible, but not the caller's to delete; NeedsConsent: more than `max_unasked` would go.
    """
    async with scope.transaction() as transaction:
        (row,) = await _remove(transaction, [task_id], max_unasked)
        return TaskDeleted.model_construct(**_facts(row), deleted_subtasks=(row["together"] - 1) or None)


@retry_transient
async def remove_many(scope: Scope, task_ids: Sequence[int], max_unasked: int | None = None) -> TasksDeleted:
    """Delete several tasks with their subtasks, all or none: one change for `undo`.

    Raises:
        NotFound, NotAllowed, NeedsConsent: as in `remove`; the text tells of which task.
    """
    chosen = list(dict.fromkeys(task_ids))
    async with scope.transaction() as transaction:
        try:
            rows = await _remove(transaction, chosen, max_unasked)
        except (NotAllowed, NotFound) as error:
            raise type(error)(f"{error} Nothing was deleted.") from error
        together = rows[0]["together"] - len(rows) if rows else 0
        return TasksDeleted(tasks=[columns.brief(row) for row in rows], deleted_subtasks=together or None)


async def _remove(transaction: Transaction, task_ids: list[int], max_unasked: int | None) -> list[Row]:
    """Delete tasks with their subtasks; the rows of the named tasks, each with the number of all deleted tasks."""
    # Deleted first and counted afterwards: refusals below roll back, and no second statement has to find the same set.
    going = [row["id"] for row in await transaction.fetch_all(_DELETE, task_ids=task_ids)]
    rows = {row["id"]: row for row in await transaction.fetch_all(_GET_DELETED, task_ids=task_ids)}
    for task_id in sorted(task_ids):
        # Deleted tasks are shown only to those who may restore them, so a missing row is not the caller's to delete.
        if task_id not in rows:
            await find_one(transaction, task_id)
            raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may delete it.")
    if max_unasked is not None and len(going) > max_unasked:
        named = [*(task_id for task_id in task_ids if task_id in going), *sorted({*going} - {*task_ids})][:MAX_TITLES]
        titles = {row["id"]: row["title"] for row in await transaction.fetch_all(_TITLES, task_ids=named)}
        raise NeedsConsent(len(going), [titles[task_id] for task_id in named])
    return [rows[task_id] for task_id in task_ids]


@retry_transient
async def restore(scope: Scope, task_id: int) -> TaskRestored:
    """Restore a deleted task with its shares, and with the subtasks that were deleted by the same call.

    A subtask that the caller may not restore any more stays deleted. A task that is not deleted stays as it is.

    Raises:
        NotFound; NotAllowed: visible, but not the caller's to restore.
    """
    async with scope.transaction() as transaction:
        back = await transaction.fetch_all(_RESTORE, task_ids=[task_id])
        row = await find_one(transaction, task_id)
        if row["access"] != "owner":
            raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may restore it.")
        return TaskRestored.model_construct(**columns.payload(row), restored_subtasks=max(len(back) - 1, 0) or None)


async def restore_chosen(transaction: Transaction, task_ids: list[int]) -> set[int]:
    """Restore exactly these within a transaction; returns those that were deleted and that the caller may restore."""
    return {row["id"] for row in await transaction.fetch_all(_RESTORE_CHOSEN, task_ids=task_ids)}


def _facts(row: Row) -> dict[str, Any]:
    return {name: value for name, value in columns.payload(row).items() if name != "together"}
