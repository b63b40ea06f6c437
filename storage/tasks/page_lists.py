"""Lists of tasks as pages show them, read page by page: what follows a task, or which of some tasks are in the list."""

from functools import lru_cache
from typing import get_args

from sqlalchemy import BigInteger, bindparam, select
from sqlmodel import col

from storage.engine.database import Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.schema.dashboard_models import TaskRows
from storage.schema.errors import InvalidInput
from storage.schema.request_models import Sort
from storage.schema.tables import Task
from storage.tasks import listing
from storage.tasks.columns import listed
from storage.tasks.filters import PageFilter, values_of


@retry_transient
async def find_rows(scope: Scope, wanted: PageFilter, limit: int, after: int | None = None) -> TaskRows:
    """Visible tasks as pages list them, those that follow the task `after`. With `ids`, the total is that without.

    Raises:
        InvalidInput: a date, or a task `after` that is gone; NotFound: no such team or parent.
    """
    async with scope.transaction(snapshot=True) as transaction:
        return await read_rows(transaction, wanted, limit, after)


async def read_rows(transaction: Transaction, wanted: PageFilter, limit: int, after: int | None = None) -> TaskRows:
    """As `find_rows`, within a transaction."""
    await listing.check_seen(transaction, wanted)
    values = values_of(wanted)
    if after is not None:
        key = await transaction.fetch_one(_position(wanted.sort), after_id=after)
        if key is None:
            raise InvalidInput(f"after: there is no task {after} any more. Read the list from its start again.")
        values |= {"after_key": key["sort_key"], "after_id": after}
    found, total = await listing.fetch_page(transaction, wanted, values, limit + 1, "listed")
    if wanted.ids is not None:
        everything = wanted.model_copy(update={"ids": None})
        _, total = await listing.fetch_page(transaction, everything, values_of(everything), 1, "listed")
    return TaskRows(
        tasks=[listed(listing.without_extras(row)) for row in found[:limit]],
        total_count=total,
        has_more=len(found) > limit,
        timezone=await users.timezone_of(transaction, transaction.user_id),
    )


@lru_cache(maxsize=len(get_args(Sort)))
def _position(sort: Sort) -> Statement:
    """The statement that reads where a task is in a listing."""
    key = listing.KEYS[sort].column.label("sort_key")
    return compiled(select(key).where(col(Task.id) == bindparam("after_id", type_=BigInteger)))
