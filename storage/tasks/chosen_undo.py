"""Taking back a change that a person chose, or all that one client did since a moment.

The rules are those of storage/tasks/undo.py; only which calls are taken back differs: those of the caller, whatever
client made them.
"""

from itertools import groupby

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, func, select

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.activity_models import Kept, UndoneSince, UndoPreview
from storage.schema.errors import Conflict, InvalidInput, NotFound
from storage.schema.response_models import Undone
from storage.tasks import due_dates
from storage.tasks.columns import find_one
from storage.tasks.undo import Stuck, fitted, revert

MOST_CHANGES = 500
"""How many changes are taken back at once: each takes several statements, and a transaction has a limit of time."""
MOST_KEPT = 20

_COLUMNS = ("id", "transaction_id", "task_id", "event_type", "target_user_id", "changes")
_call = func.my_call(bindparam("change", type_=BigInteger)).table_valued(*_COLUMNS)
_CALL = compiled(select(_call))
_since = func.my_changes_since(
    bindparam("client", type_=Text), bindparam("since", type_=DateTime(timezone=True)), bindparam("most", type_=Integer)
).table_valued(*_COLUMNS)
_SINCE = compiled(select(_since))


@retry_transient
async def undo_change(scope: Scope, change: int, expected_version: int | None = None) -> Undone:
    """Take back the call that made a change, with everything else that this call changed.

    Raises:
        NotFound: no such change of the caller's, or it is undone; Conflict: a task has changed since, or is not at
        `expected_version`; NotAllowed: the caller has lost access.
    """
    try:
        async with scope.transaction() as transaction:
            events = await transaction.fetch_all(_CALL, change=change)
            if not events:
                raise NotFound(f"No change {change} of yours that is left to undo.")
            if expected_version is not None:
                await _check_version(transaction, events, change, expected_version)
            return fitted(await revert(transaction, events))
    except Stuck as stuck:
        raise type(stuck.refusal)(f"{stuck} Nothing was undone.") from stuck


async def _check_version(transaction: Transaction, events: list[Row], change: int, expected: int) -> None:
    chosen = next(event for event in events if event["id"] == change)
    # A deleted task has no version that anybody else could have changed.
    if chosen["event_type"] == "task_deleted":
        return
    version = (await find_one(transaction, chosen["task_id"]))["version"]
    if version != expected:
        raise Conflict(
            f"Task {chosen['task_id']} changed meanwhile: it is at version {version}, not {expected}. Look at it again."
        )


@retry_transient
async def preview(scope: Scope, client: str, since: str) -> UndoPreview:
    """How much `undo_since` would concern.

    Raises:
        InvalidInput: `since` is no moment, or too many changes came after it.
    """
    async with scope.transaction() as transaction:
        events = await _find(transaction, client, since)
    return UndoPreview(
        calls=len({event["transaction_id"] for event in events}),
        changes=len(events),
        tasks=len({event["task_id"] for event in events}),
    )


@retry_transient
async def undo_since(scope: Scope, client: str, since: str, expected_calls: int | None = None) -> UndoneSince:
    """Take back all that the caller did with one client since a moment, newest first; what cannot be stays.

    `client` is a name as the history has it, empty for none. Calls that cannot be taken back, because somebody has
    worked on their tasks since, are kept whole, and named in the result.

    Raises:
        InvalidInput: as `preview`; Conflict: there are other than `expected_calls` calls by now.
    """
    async with scope.transaction() as transaction:
        events = await _find(transaction, client, since)
        calls = [list(call) for _, call in groupby(events, lambda event: event["transaction_id"])]
        if expected_calls is not None and len(calls) != expected_calls:
            raise Conflict(f"There are {len(calls)} calls to undo by now, not {expected_calls}. Look at them again.")
        kept: list[Kept] = []
        undone = changes = 0
        for call in calls:
            try:
                async with transaction.savepoint():
                    await revert(transaction, call)
            except Stuck as stuck:
                kept.append(Kept(task_id=stuck.task_id, reason=str(stuck)))
            else:
                undone += 1
                changes += len(call)
    return UndoneSince(undone_calls=undone, undone_changes=changes, kept_calls=len(kept), kept=kept[:MOST_KEPT])


async def _find(transaction: Transaction, client: str, since: str) -> list[Row]:
    bound = due_dates.parse_due(since, "since")
    if bound.is_date:
        raise InvalidInput("since must be a moment with an offset, such as 2026-03-01T17:00:00+01:00.")
    rows = await transaction.fetch_all(_SINCE, client=client, since=bound.at, most=MOST_CHANGES + 1)
    if len(rows) > MOST_CHANGES:
        raise InvalidInput(f"since: this client made more than {MOST_CHANGES} changes since then. Take a later moment.")
    return rows
