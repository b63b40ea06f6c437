"""The audit log: what concerns the security of a person's account and data. sql/functions/audit.sql writes it."""

import json
import logging
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.schema.errors import StorageError
from storage.schema.request_models import MAX_ID
from storage.schema.response_models import AuditEntryView, AuditLog
from storage.schema.system_tables import AuditEvent
from storage.schema.tables import Task, Team, User

logger = logging.getLogger(__name__)

_PAGE = compiled(
    select(AuditEvent)
    .where(
        col(AuditEvent.user_id) == func.current_user_id(), col(AuditEvent.id) < bindparam("before", type_=BigInteger)
    )
    .order_by(col(AuditEvent.id).desc())
    .limit(bindparam("most", type_=BigInteger))
)
_name: ColumnElement[str] = func.coalesce(col(User.name), col(User.email), col(User.id))
_PEOPLE = compiled(select(col(User.id), _name).where(col(User.id) == func.any(bindparam("ids", type_=ARRAY(Text)))))
_IDS = func.any(bindparam("ids", type_=ARRAY(BigInteger)))
_TASKS = compiled(select(col(Task.id), col(Task.title)).where(col(Task.id) == _IDS, col(Task.deleted_at).is_(None)))
_TEAMS = compiled(select(col(Team.id), col(Team.name)).where(col(Team.id) == _IDS))
_REFUSAL = compiled(select(func.audit_refusal(bindparam("attempted", type_=Text))))


@retry_transient
async def find(scope: Scope, limit: int = 50, before: int = MAX_ID) -> AuditLog:
    """What concerns the caller, newest first: entries with an id less than `before`."""
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(_PAGE, before=before, most=limit + 1)
        entries = [_view(row, scope.user_id) for row in rows[:limit]]
        others = {entry.by for entry in entries} | {entry.details.get("user_id") for entry in entries}
        people = await _names(transaction, _PEOPLE, others - {None, scope.user_id})
        tasks = await _names(transaction, _TASKS, {entry.details.get("task_id") for entry in entries} - {None})
        teams = await _names(transaction, _TEAMS, {entry.details.get("team_id") for entry in entries} - {None})
    following = entries[-1].id if len(rows) > limit else None
    return AuditLog(entries=entries, next_before=following, people=people, tasks=tasks, teams=teams)


async def _names(transaction: Transaction, statement: Statement, ids: set[Any]) -> dict[str, str]:
    """The names of those that the caller sees, by id."""
    if not ids:
        return {}
    return {str(row[0]): row[1] for row in await transaction.fetch_all(statement, ids=list(ids))}


async def note_refusal(scope: Scope, attempted: str) -> None:
    """Record that the caller was not allowed to do something; once an hour for the same thing."""
    try:
        await _record_refusal(scope, attempted)
    except StorageError as error:
        # The caller must get the refusal, whatever becomes of this entry.
        logger.warning("a refusal was not recorded: %s", error)


@retry_transient
async def _record_refusal(scope: Scope, attempted: str) -> None:
    async with scope.transaction() as transaction:
        await transaction.run(_REFUSAL, attempted=attempted)


def _view(row: Row, reader: str) -> AuditEntryView:
    return AuditEntryView(
        id=row["id"],
        at=row["created_at"].isoformat(timespec="seconds"),
        action=row["action"],
        by=None if row["actor_id"] == reader else row["actor_id"] or "server",
        client=row["client"],
        details=json.loads(row["details"]),
    )
