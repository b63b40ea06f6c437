"""The audit log: what concerns the security of a person's account and data. sql/functions/audit.sql writes it."""

import json
import logging

from sqlalchemy import BigInteger, Text, bindparam, func, select
from sqlmodel import col

from storage.engine.database import Row, Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.errors import StorageError
from storage.schema.request_models import MAX_ID
from storage.schema.response_models import AuditEntryView, AuditLog
from storage.schema.system_tables import AuditEvent

logger = logging.getLogger(__name__)

_PAGE = compiled(
    select(AuditEvent)
    .where(
        col(AuditEvent.user_id) == func.current_user_id(), col(AuditEvent.id) < bindparam("before", type_=BigInteger)
    )
    .order_by(col(AuditEvent.id).desc())
    .limit(bindparam("most", type_=BigInteger))
)
_REFUSAL = compiled(select(func.audit_refusal(bindparam("attempted", type_=Text))))


@retry_transient
async def find(scope: Scope, limit: int = 50, before: int = MAX_ID) -> AuditLog:
    """What concerns the caller, newest first: entries with an id less than `before`."""
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(_PAGE, before=before, most=limit + 1)
    entries = [_view(row, scope.user_id) for row in rows[:limit]]
    return AuditLog(entries=entries, next_before=entries[-1].id if len(rows) > limit else None)


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
