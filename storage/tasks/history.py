"""What happened to tasks, and taking it back. Triggers write the events; no verb can forget or rewrite them."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import asyncpg
from sqlalchemy import BigInteger, Boolean, Integer, Text, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction, compiled
from storage.engine.retry import verb
from storage.people import users
from storage.schema.errors import Conflict, NotAllowed, NotFound, StorageError
from storage.schema.response_models import HistoryEntry, Reverted, TaskDetail, Undone
from storage.schema.system_tables import TaskEvent
from storage.schema.tables import Task, TaskShare
from storage.tasks import columns, due_dates, sharing, tasks

EVENTS = 10
"""How many events a task is shown with."""

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
        bindparam("all_shares", type_=Boolean)
        | col(TaskEvent.target_user_id).is_(None)
        | (col(TaskEvent.target_user_id) == func.current_user_id()),
        # What changed nothing is a mark for undo.
        or_(col(TaskEvent.event_type) != "task_updated", col(TaskEvent.changes) != literal_column("'{}'::jsonb")),
    )
    .order_by(col(TaskEvent.id).desc())
    .limit(EVENTS)
)
_VISIBLE = compiled(select(col(Task.id)).where(col(Task.id) == func.any(bindparam("ids", type_=ARRAY(BigInteger)))))
_mine = func.my_last_changes(bindparam("number", type_=Integer)).table_valued(
    "id", "transaction_id", "task_id", "event_type", "target_user_id", "changes"
)
_MINE = compiled(select(_mine))
_event = bindparam("event", type_=BigInteger)
_WITHDRAW = compiled(select(func.withdraw_task(bindparam("task_id", type_=BigInteger), _event)))
_PASS_OVER = compiled(select(func.pass_over_change(_event)))
_UNDOING = compiled(select(func.set_config("app.undoes", bindparam("undone", type_=Text), True)))
_STATE = compiled(select(col(Task.deleted_at).is_not(None).label("deleted")).where(col(Task.id) == columns.TASK_ID))
_PERMISSION = compiled(
    select(col(TaskShare.permission)).where(
        col(TaskShare.task_id) == bindparam("task_id", type_=BigInteger),
        col(TaskShare.shared_with_user_id) == bindparam("user_id", type_=Text),
    )
)


@verb
async def detail(scope: Scope, task_id: int) -> TaskDetail:
    """A task with its shares and its last events, newest first.

    Its owner sees them all, its team those of the team's time, others those since their share began; and whoever may
    not share the task only what was shared with themselves. Long texts in events are clipped.

    Raises:
        NotFound.
    """
    async with scope.transaction() as transaction:
        row = await columns.find_one(transaction, task_id)
        shares = await sharing.shares_of(transaction, row)
        events = await transaction.fetch_all(_EVENTS, task_id=task_id, all_shares=row["access"] == "owner")
        history = [_entry(event) for event in events]
        await _forget_hidden_parents(transaction, (entry.changes for entry in history))
    return TaskDetail.model_construct(**columns.facts(row), shares=shares, history=history)


async def _forget_hidden_parents(transaction: Transaction, changes: Iterable[dict[str, Any]]) -> None:
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


class _Stuck(Exception):
    """A change that cannot be undone: the refusal is its cause."""

    def __init__(self, event: Row, refusal: StorageError) -> None:
        super().__init__(str(refusal))
        self.event_id: int = event["id"]
        self.refusal = refusal


@verb
async def undo(scope: Scope, count: int = 1) -> Undone:
    """Take back the caller's last changes, newest first: all that one call did is one change. All or nothing.

    What was undone is not undone again: the next undo goes on before it. A change that cannot be undone is told once,
    and the next undo goes on before it as well.

    Raises:
        NotFound: nothing is left to undo; Conflict: a task changed meanwhile; NotAllowed: no longer the caller's.
    """
    try:
        async with scope.transaction() as transaction:
            return Undone(reverted=await _undo(transaction, count))
    except _Stuck as stuck:
        # Aside, because all that the call did is undone, also where it is a part of a longer transaction.
        async with replace(scope, joined=None).transaction() as aside:
            await aside.run(_PASS_OVER, event=stuck.event_id)
        raise type(stuck.refusal)(f"{stuck} Nothing was undone. Undo again to go on before this change.") from stuck


async def _undo(transaction: Transaction, count: int) -> list[Reverted]:
    events = await transaction.fetch_all(_MINE, number=count)
    if not events:
        raise NotFound("You have changed nothing that is left to undo. Use get_task to see a task's history.")
    added = {(e["transaction_id"], e["task_id"]) for e in events if e["event_type"] == "task_created"}
    reverted: list[Reverted] = []
    for event in events:
        task_id, kind = event["task_id"], event["event_type"]
        if kind != "task_created" and (event["transaction_id"], task_id) in added:
            continue  # it goes with the task itself
        await transaction.run(_UNDOING, undone=str(event["transaction_id"]))
        try:
            await _revert(transaction, event)
        except StorageError as refusal:
            raise _Stuck(event, refusal) from refusal
        reverted.append(Reverted(event_type=kind, task_id=task_id))
    return reverted


async def _revert(transaction: Transaction, event: Row) -> None:
    task_id, kind = event["task_id"], event["event_type"]
    row = await transaction.fetch_one(_STATE, task_id=task_id)
    if row is None:
        raise _lost(task_id)
    if row["deleted"] != (kind == "task_deleted"):
        raise _changed(task_id, "it was deleted" if row["deleted"] else "it was restored")
    match kind:
        case "task_deleted":
            await tasks.restore_task(transaction, task_id)
        case "task_created" | "task_restored":
            match await transaction.fetch_value(_WITHDRAW, task_id=task_id, event=event["id"]):
                case None:
                    raise _lost(task_id)
                case False:
                    raise _changed(task_id, "somebody has worked on it since")
                case _:
                    pass
        case "task_shared" | "task_unshared":
            await _revert_share(transaction, event)
        case _:
            await _revert_fields(transaction, task_id, json.loads(event["changes"]))


async def _revert_share(transaction: Transaction, event: Row) -> None:
    task_id, user_id = event["task_id"], event["target_user_id"]
    before, after = json.loads(event["changes"])["permission"]
    row = await columns.find_one(transaction, task_id)
    if row["access"] != "owner":
        raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may share it.")
    present = await transaction.fetch_value(_PERMISSION, task_id=task_id, user_id=user_id)
    if present != after:
        raise _changed(task_id, f"the share of {user_id} is {present or 'gone'} now, not {after or 'gone'}")
    if before is None:
        await sharing.drop_share(transaction, task_id, user_id)
    else:
        await sharing.put_share(transaction, row, user_id, before)


async def _revert_fields(transaction: Transaction, task_id: int, changes: dict[str, list[Any]]) -> None:
    row = await columns.find_one(transaction, task_id)
    if row["access"] == "view" or ("team_id" in changes and row["access"] != "owner"):
        raise _lost(task_id)
    values: dict[str, Any] = {}
    for name, (before, after) in changes.items():
        column = "assignee_id" if name == "assignee" else name
        if row[column] != after:
            raise _changed(task_id, f"{name} is {_clip(row[column])!r} now, not {_clip(after)!r}")
        values[column] = before
    if values.get("team_id") is not None:
        await users.check_may_write_in(transaction, values["team_id"])
    if "due" in values:
        values["due_at"] = None if values["due"] is None else due_dates.Due.stored(values["due"]).at
    if values.get("recurrence", row["recurrence"]) and not values.get("due", row["due"]):
        raise _changed(task_id, "it recurs now, and needs its due date")
    statement = columns.change(frozenset(values), guarded=True)
    given = {f"{name}_": value for name, value in values.items()}
    try:
        changed = await transaction.fetch_one(statement, task_id_=task_id, expected=row["version"], **given)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise _changed(task_id, "what it referred to is gone") from error
    if changed is None:
        raise _changed(task_id, "somebody changed it at the same moment")


def _changed(task_id: int, what: str) -> Conflict:
    return Conflict(f"Task {task_id} changed meanwhile ({what}); get_task shows its history.")


def _lost(task_id: int) -> NotAllowed:
    return NotAllowed(f"Task {task_id} is no longer yours to change in this way.")


def _entry(event: Row) -> HistoryEntry:
    return HistoryEntry.model_construct(
        event_type=event["event_type"],
        user_id=event["user_id"],
        client=event["client"],
        at=event["created_at"].isoformat(),
        changes=_clip(json.loads(event["changes"])),
    )


def _clip(value: Any) -> Any:  # noqa: ANN401
    """The same JSON value with its long texts cut, their full length named."""
    if isinstance(value, str) and len(value) > CLIPPED:
        return f"{value[:CLIPPED]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _clip(inner) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_clip(inner) for inner in cast("list[Any]", value)]
    return value
