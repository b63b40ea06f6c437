"""Reverting the last calls of a client. One call is one transaction, and every event has the transaction's id."""

import json
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, Integer, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import invitations, users
from storage.schema import token_budget
from storage.schema.errors import Conflict, NotAllowed, NotFound, StorageError
from storage.schema.response_models import Reverted, Undone
from storage.schema.tables import Task
from storage.tasks import columns, deletion, due_dates, sharing
from storage.tasks.history import CLIPPED, clip, forget_hidden_parents, without_completion

TITLE_TOKENS = 40
CHANGE_CHARACTERS = 60
"""How much is shown of each value of a change; TITLE_TOKENS limits titles."""

_changes = func.my_last_changes(bindparam("number", type_=Integer)).table_valued(
    "id", "transaction_id", "task_id", "event_type", "target_user_id", "changes"
)
_LAST_CHANGES = compiled(select(_changes))
_event = bindparam("event", type_=BigInteger)
_WITHDRAW = compiled(select(func.withdraw_task(bindparam("task_id", type_=BigInteger), _event)))
# The role of requests may neither write events nor delete tasks that belong to others, so these are functions.
_PASS_OVER = compiled(select(func.pass_over_change(_event)))
# Triggers copy this setting into the events of the undo, so that the next undo skips both the call and its reversal.
_UNDOING = compiled(select(func.set_config("app.undoes", bindparam("undone", type_=Text), True)))
_STATES = compiled(
    select(col(Task.id), col(Task.title), col(Task.deleted_at).is_not(None).label("deleted")).where(
        col(Task.id) == func.any(bindparam("ids", type_=ARRAY(BigInteger)))
    )
)
_RESTORE_SHARE = compiled(
    select(
        func.restore_share(
            bindparam("task_id", type_=BigInteger),
            bindparam("user_id", type_=Text),
            bindparam("permission", type_=Text),
        )
    )
)


class Stuck(Exception):
    """A change that cannot be undone, with the reason as a storage error."""

    def __init__(self, event: Row, refusal: StorageError) -> None:
        super().__init__(str(refusal))
        self.event_id: int = event["id"]
        self.task_id: int = event["task_id"]
        self.refusal = refusal


@retry_transient
async def undo(scope: Scope, count: int = 1) -> Undone:
    """Revert the last calls that this client made for the caller, newest first, all or nothing.

    Only calls that changed a task or a share count. What the same person did with another client or by hand stays.
    Reverted calls are not reverted again: the next undo continues before them. A change that cannot be reverted is
    reported once, and the next undo continues before it as well.

    Raises:
        NotFound: nothing is left to undo; Conflict: a task has changed since; NotAllowed: the caller has lost access.
    """
    try:
        async with scope.transaction() as transaction:
            return fitted(await _undo(transaction, count))
    except Stuck as stuck:
        # In a transaction of its own: the mark has to stay although the undo itself, which may be part of a longer
        # transaction, is rolled back.
        async with replace(scope, joined=None).transaction() as aside:
            await aside.run(_PASS_OVER, event=stuck.event_id)
        raise type(stuck.refusal)(f"{stuck} Nothing was undone. Undo again to go on before this change.") from stuck


async def _undo(transaction: Transaction, count: int) -> list[Reverted]:
    events = await transaction.fetch_all(_LAST_CHANGES, number=count)
    if not events:
        raise NotFound(
            "This client has changed nothing that is left to undo; what was done by hand or with other clients is not "
            "its to take back. Use get_task to see a task's history."
        )
    return await revert(transaction, events)


async def revert(transaction: Transaction, events: list[Row]) -> list[Reverted]:
    """Take back whole calls of the caller's, newest first, and describe what the caller sees of it.

    Raises:
        Stuck: a change cannot be taken back; the transaction is then to be rolled back.
    """
    ids = sorted({event["task_id"] for event in events})
    # Read before reverting, which may remove a task. Tasks that the caller no longer sees have no title here, and so no
    # place in the answer.
    titles = {row["id"]: row["title"] for row in await transaction.fetch_all(_STATES, ids=ids)}
    described: list[tuple[int, Row, dict[str, Any]]] = []
    for number, (call, group) in enumerate(groupby(events, lambda event: event["transaction_id"]), start=1):
        made = list(group)
        await transaction.run(_UNDOING, undone=str(call))
        await _revert_call(transaction, made)
        visible = [event for event in _own(made) if event["task_id"] in titles]
        described += [(number, event, without_completion(json.loads(event["changes"]))) for event in visible]
    await forget_hidden_parents(transaction, (changes for _, _, changes in described))
    return [_describe(number, event, changes, titles) for number, event, changes in described]


def _own(call: list[Row]) -> list[Row]:
    """The changes of a call, without those of tasks that it added: removing the task reverts them."""
    added = {event["task_id"] for event in call if event["event_type"] == "task_created"}
    return [event for event in call if event["event_type"] == "task_created" or event["task_id"] not in added]


def _describe(number: int, event: Row, changes: dict[str, Any], titles: dict[int, str]) -> Reverted:
    """A change that was reverted; `titles` are the titles before that, and are updated."""
    task_id = event["task_id"]
    if "title" in changes:
        titles[task_id] = changes["title"][0]
    return Reverted(
        call=number,
        event_type=event["event_type"],
        task_id=task_id,
        title=token_budget.shorten(titles[task_id], TITLE_TOKENS),
        changes=clip(changes, CHANGE_CHARACTERS) or None,
    )


def fitted(reverted: list[Reverted]) -> Undone:
    """As many changes as fit into a reply, among them at least one of every call."""
    room = token_budget.allowed(token_budget.PAGE_ROWS)
    if len(token_budget.fitting(reverted, room)) == len(reverted):
        return Undone(reverted=reverted)
    bare = [change.model_copy(update={"changes": None}) for change in reverted]
    heads = [next(calls) for _, calls in groupby(bare, lambda change: change.call)]
    others = [change for change in bare if not any(change is head for head in heads)]
    shown = token_budget.fitting([*heads, *others], room)
    return Undone(
        reverted=sorted(shown, key=lambda change: change.call), more_reverted=len(reverted) - len(shown) or None
    )


async def _revert_call(transaction: Transaction, call: list[Row]) -> None:
    changes = _own(call)
    deleted = [event for event in changes if event["event_type"] == "task_deleted"]
    if deleted:
        await _restore(transaction, deleted)
    added = [event for event in changes if event["event_type"] == "task_created"]
    completed = [event for event in changes if event["event_type"] == "task_completed"]
    if added and completed:
        # Completing the task created them. The next occurrence is the oldest; withdrawing it also withdraws the rest.
        changes = [added[-1], *completed]
    for event in changes:
        if event["event_type"] == "task_deleted":
            continue
        try:
            await _revert(transaction, event)
        except StorageError as refusal:
            raise Stuck(event, refusal) from refusal


async def _restore(transaction: Transaction, deleted: list[Row]) -> None:
    """Restore in one statement what one call deleted: a task, its subtasks, or several tasks."""
    ids = sorted(event["task_id"] for event in deleted)
    back = await deletion.restore_chosen(transaction, ids)
    seen = {row["id"] for row in await transaction.fetch_all(_STATES, ids=ids)}
    for event in deleted:
        task_id = event["task_id"]
        if task_id not in back:
            raise Stuck(event, _changed(task_id, "it was restored") if task_id in seen else _lost(task_id))


async def _revert(transaction: Transaction, event: Row) -> None:
    task_id, kind = event["task_id"], event["event_type"]
    row = await transaction.fetch_one(_STATES, ids=[task_id])
    if row is None:
        raise _lost(task_id)
    if row["deleted"]:
        raise _changed(task_id, "it was deleted")
    match kind:
        case "task_created" | "task_restored":
            match await transaction.fetch_value(_WITHDRAW, task_id=task_id, event=event["id"]):
                case None:
                    raise _lost(task_id)
                case False:
                    raise _changed(task_id, "somebody has worked on it since, or on its subtasks")
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
    present = await users.permission_of(transaction, task_id, user_id)
    if present != after:
        raise _changed(task_id, f"the share of {user_id} is {present or 'gone'} now, not {after or 'gone'}")
    if present is None and not await invitations.takes_directly(transaction, user_id, task_id=task_id):
        if not await transaction.fetch_value(_RESTORE_SHARE, task_id=task_id, user_id=user_id, permission=before):
            raise _changed(task_id, f"{user_id} gave the share back: share it anew, so that they can accept it")
    elif before is None:
        await sharing.drop_share(transaction, task_id, user_id)
    else:
        await sharing.put_share(transaction, row, user_id, before)


async def _revert_fields(transaction: Transaction, task_id: int, changes: dict[str, list[Any]]) -> None:
    row = await columns.find_one(transaction, task_id)
    if row["access"] == "view" or ("team_id" in changes and row["access"] != "owner"):
        raise _lost(task_id)
    # Every field must still have the value that the change set, so that undo never overwrites a later change.
    values: dict[str, Any] = {}
    for name, (before, after) in without_completion(changes).items():
        column = "assignee_id" if name == "assignee" else name
        if row[column] != after:
            raise _changed(task_id, f"{name} is {clip(row[column], CLIPPED)!r} now, not {clip(after, CLIPPED)!r}")
        values[column] = before
    if values.get("team_id") is not None:
        await users.check_may_put_into(transaction, values["team_id"], row)
    if "due" in values:
        values["due_at"] = None if values["due"] is None else due_dates.Due.stored(values["due"]).at
    if values.get("status") == "completed" and "completed_at" in changes:
        values["completed_at"] = datetime.fromisoformat(changes["completed_at"][0])
    if values.get("recurrence", row["recurrence"]) and not values.get("due", row["due"]):
        raise _changed(task_id, "it recurs now, and needs its due date")
    # Guarded by the version: the values compared above could change before the update.
    statement = columns.change(frozenset(values), guarded=True)
    given = {f"{name}_": value for name, value in values.items()}
    # A team, parent or assignee of the old value may have been deleted since.
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
