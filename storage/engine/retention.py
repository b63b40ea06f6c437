"""Purging: idempotency keys stay a day; deleted tasks, invitations and ended tokens 30; the audit log as set."""

import asyncio
import logging

from sqlalchemy import Integer, bindparam, func, select

from storage.engine.database import Database
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.errors import StorageError

logger = logging.getLogger(__name__)

BATCH = 1000
"""How many rows of a kind one call of purge_expired() deletes at most, so that no lock is held for long.

The same number is in storage/sql/functions/limits.sql.
"""

PERIOD = 3600.0  # seconds

_PURGE = compiled(select(func.purge_expired()))
_PURGE_AUDIT_LOG = compiled(select(func.purge_audit_log(bindparam("days", type_=Integer))))


@retry_transient
async def purge(database: Database) -> int:
    """Delete a batch of expired rows; returns how many."""
    async with database.nobody().transaction() as transaction:
        return await transaction.fetch_value(_PURGE)


@retry_transient
async def purge_audit_log(database: Database, days: int) -> int:
    """Delete a batch of entries that are older than `days`; returns how many."""
    async with database.nobody().transaction() as transaction:
        return await transaction.fetch_value(_PURGE_AUDIT_LOG, days=days)


async def purge_for_ever(database: Database, audit_days: int) -> None:
    """Purge every hour. Several replicas may do so at the same time. The audit log is kept for ever with 0 days."""
    while True:
        try:
            # Each batch is a transaction of its own; fewer rows than a batch mean that nothing is left.
            while await purge(database) >= BATCH:
                pass
            while audit_days and await purge_audit_log(database, audit_days) >= BATCH:
                pass
        except StorageError as error:
            logger.info("nothing was purged: %s", error)
        await asyncio.sleep(PERIOD)
