"""The history of a task. Triggers write the events, so no verb can omit or change them."""

import json
from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import BigInteger, Boolean, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.response_models import HistoryEntry, TaskDetail
from storage.schema.system_tables import TaskEvent
from storage.schema.tables import Task
from storage.tasks import columns, origins, sharing, subtasks

EVENTS = 10
"""How many events are shown with a task."""

CLIPPED = 200
"""Characters of a text inside an event that are shown."""

_EVENTS = compiled(
    select(
        col(TaskEvent.event_type),
        col(TaskEvent.user_id),
        col(TaskEvent.client),
        col(TaskEvent.created_at),
        col(TaskEvent.changes),
    )
    .where(
        col(TaskEvent.task_id) == bindparam("task_id", type_=BigInteger),
        # Only those who may share a task see with whom. The policy shows team members events of every kind.
        bindparam("all_shares", type_=Boolean)
        | col(TaskEvent.target_user_id).is_(None)
        | (col(TaskEvent.target_user_id) == func.current_user_id()),
        # An update without changes is the mark that undo leaves at a change that it could not revert.
        or_(col(TaskEvent.event_type) != "task_updated", col(TaskEvent.changes) != literal_column("'{}'::jsonb")),
    )
    .order_by(col(TaskEvent.id).desc())
    .limit(EVENTS)
)
_VISIBLE = compiled(select(col(Task.id)).where(col(Task.id) == func.any(bindparam("ids", type_=ARRAY(BigInteger)))))


@retry_transient
async def detail(scope: Scope, task_id: int) -> TaskDetail:
    """A task with its subtasks, its shares and its last events, newest first.

    The owner sees all events, team members those since the task joined the team, others those since their share. People
    who may not share the task see only their own shares. Long texts in events are clipped.

    Raises:
        NotFound.
    """
    # `access` decides about shares here; which events exist for the caller at all is decided by their policy.
    async with scope.transaction() as transaction:
        row = await columns.find_one(transaction, task_id)
        shares = await sharing.shares_of(transaction, row)
        events = await transaction.fetch_all(_EVENTS, task_id=task_id, all_shares=row["access"] == "owner")
        history = [_entry(event) for event in events]
        await forget_hidden_parents(transaction, (entry.changes for entry in history))
        children, count = await subtasks.find_children(transaction, task_id)
        conversations = await origins.find_conversations(transaction, task_id)
    return TaskDetail.model_construct(
        **columns.payload(row),
        subtasks=children or None,
        subtask_count=count or None,
        conversations=conversations or None,
        shares=shares,
        history=history,
    )


async def forget_hidden_parents(transaction: Transaction, changes: Iterable[dict[str, Any]]) -> None:
    """Remove parents that the caller does not see from changes, in place."""
    # Events are written without policies, and the id of a parent would reveal that it exists.
    moves = [
        (change, {task_id for task_id in change["parent_id"] if task_id}) for change in changes if "parent_id" in change
    ]
    if not moves:
        return
    ids = sorted(set[int]().union(*(parents for _, parents in moves)))
    visible = {row["id"] for row in await transaction.fetch_all(_VISIBLE, ids=ids)}
    for change, parents in moves:
        if not parents <= visible:
            del change["parent_id"]


def _entry(event: Row) -> HistoryEntry:
    return HistoryEntry.model_construct(
        event_type=event["event_type"],
        user_id=event["user_id"],
        client=event["client"],
        at=event["created_at"].isoformat(),
        changes=clip(without_completion(json.loads(event["changes"])), CLIPPED),
    )


def without_completion(changes: dict[str, Any]) -> dict[str, Any]:
    """Changes without `completed_at`, which is recorded for undo only: `status` and `at` show the same."""
    return {name: change for name, change in changes.items() if name != "completed_at"}


def clip(value: Any, length: int) -> Any:  # noqa: ANN401
    """The same JSON value with its texts cut to `length` characters, followed by their full length."""
    if isinstance(value, str) and len(value) > length:
        return f"{value[:length]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: clip(inner, length) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [clip(inner, length) for inner in cast("list[Any]", value)]
    return value
