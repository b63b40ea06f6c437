"""Lists of tasks: filters, exact totals, and cursors that stay valid while tasks are added."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine import pagination
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.schema import token_budget
from storage.schema.request_models import DueGroup, Id, ListedScope, ListedStatus, Moment, Sort, TaskFilter
from storage.schema.response_models import TaskPage
from storage.schema.tables import Task
from storage.tasks import days, due_dates
from storage.tasks.access import IN_MY_TEAMS, MINE, SHARED, VISIBLE
from storage.tasks.columns import BRIEF, LISTED, WHOLE, brief, find_one, view

NEVER = datetime.max.replace(tzinfo=UTC)
"""The sort value of a task without a due date: after all others.

A value and not NULL, because a cursor compares rows and a comparison with NULL is never true.
"""

MOST_TAGS = 1000


class CompletedFilter(TaskFilter):
    """A filter that also asks when tasks were completed; no tool offers that."""

    completed_after: Moment | None = None


class PageFilter(CompletedFilter):
    """A filter of lists on pages: also by assignee, by how soon tasks are due, and among these ids; no tool has it."""

    assignee: str | None = None
    due: DueGroup | None = None
    ids: list[Id] | None = None


Detail = Literal["brief", "listed", "whole"]
"""Which columns: those of TaskBrief, of ListedTask or of TaskView."""


class _Shape(NamedTuple):
    """What determines the SQL of a listing: listings of the same shape differ only in their parameters."""

    status: ListedStatus
    scope: ListedScope
    sort: Sort
    due: DueGroup | None
    detail: Detail
    given: frozenset[str]
    continued: bool


class _Key(NamedTuple):
    """What a listing is sorted by (then by id), as SQL expression, SQL type and Python type."""

    column: Any
    stored: Any
    python: type
    descending: bool = True


_MOMENT = DateTime(timezone=True)
_COLUMNS: dict[Detail, tuple[Any, ...]] = {"brief": BRIEF, "listed": LISTED, "whole": WHOLE}
_DUE: dict[DueGroup, ColumnElement[bool]] = {
    "overdue": days.OVERDUE & days.BEFORE_TOMORROW,
    "today": days.DUE_TODAY & days.BEFORE_TOMORROW,
    "week": days.IN_A_WEEK,
    "none": col(Task.due_at).is_(None),
}
_RANK = case({"low": 1, "medium": 2, "high": 3, "urgent": 4}, value=col(Task.priority))
KEYS: dict[Sort, _Key] = {
    "created": _Key(col(Task.created_at), _MOMENT, datetime),
    "updated": _Key(col(Task.updated_at), _MOMENT, datetime),
    "priority": _Key(_RANK, Integer, int),
    "due": _Key(func.coalesce(days.DUE_FROM, literal(NEVER, _MOMENT)), _MOMENT, datetime, descending=False),
}


@retry_transient
async def find(
    scope: Scope,
    wanted: TaskFilter,
    limit: int,
    cursor: str | None = None,
    *,
    whole: bool = False,
    max_tokens: int | None = None,
) -> TaskPage:
    """A page of visible tasks.

    A page that would be longer than `max_tokens` ends early, with a cursor.

    Raises:
        InvalidInput: a date, or a cursor that belongs to another listing; NotFound: no such team or parent.
    """
    async with scope.transaction() as transaction:
        return await read(transaction, wanted, limit, cursor, whole=whole, max_tokens=max_tokens)


async def read(
    transaction: Transaction,
    wanted: TaskFilter,
    limit: int,
    cursor: str | None = None,
    *,
    whole: bool = False,
    max_tokens: int | None = None,
) -> TaskPage:
    """As `find`, within a transaction."""
    values = values_of(wanted)
    await check_seen(transaction, wanted)
    # A cursor belongs to one listing. Tools pass a subclass of the filter that also contains the cursor, so only the
    # fields of the filter identify the listing.
    listing = f"tasks {wanted.model_dump_json(include={*CompletedFilter.model_fields})}"
    if cursor is not None:
        values["after_key"], values["after_id"] = pagination.read(cursor, listing, KEYS[wanted.sort].python, int)
    found, total = await fetch_page(transaction, wanted, values, limit + 1, "whole" if whole else "brief")
    shown = [view(without_extras(row)) if whole else brief(row) for row in found[:limit]]
    tasks = token_budget.fill(shown, max_tokens)
    following = pagination.following(listing, found, len(tasks), "sort_key", "id")
    return TaskPage(tasks=tasks, total_count=total, next_cursor=following)


async def check_seen(transaction: Transaction, wanted: TaskFilter) -> None:
    """Refuse a team or a parent that the caller does not see.

    Raises:
        NotFound.
    """
    if wanted.team_id is not None and await users.role_in(transaction, wanted.team_id, transaction.user_id) is None:
        raise users.no_team(wanted.team_id)
    if wanted.parent_id is not None:
        await find_one(transaction, wanted.parent_id)


async def fetch_page(
    transaction: Transaction, wanted: TaskFilter, values: dict[str, Any], page_size: int, detail: Detail
) -> tuple[list[Row], int]:
    """The rows of a page, and how many there are in all. One row more than a page shows whether there is another."""
    given = frozenset(name for name in values if not name.startswith("after_"))
    due = wanted.due if isinstance(wanted, PageFilter) else None
    shape = _Shape(wanted.status, wanted.scope, wanted.sort, due, detail, given, "after_id" in values)
    # An empty page is one row with only the total.
    rows = await transaction.fetch_all(_find(shape), **values, page_size=page_size)
    return [row for row in rows if row["id"] is not None], rows[0]["total"]


_used = union_all(
    *(
        select(func.unnest(col(Task.tags)).label("tag")).where(col(Task.deleted_at).is_(None), branch)
        for branch in VISIBLE
    )
).subquery()
_TAGS = compiled(select(_used.c.tag).group_by(_used.c.tag).order_by(func.count().desc(), _used.c.tag).limit(MOST_TAGS))


@retry_transient
async def tags(scope: Scope) -> list[str]:
    """The tags of visible tasks, most used first; at most MOST_TAGS."""
    async with scope.transaction() as transaction:
        return [row["tag"] for row in await transaction.fetch_all(_TAGS)]


def without_extras(row: Row) -> Any:  # noqa: ANN401
    """A row without the columns that only a page needs."""
    return {name: value for name, value in row.items() if name not in ("total", "sort_key")}


def values_of(wanted: TaskFilter) -> dict[str, Any]:
    """The parameters of the statement for a filter.

    Raises:
        InvalidInput: a date.
    """
    plain = {"team_id", "parent_id", "search", "tag", "priority", "assignee", "ids"}
    values: dict[str, Any] = wanted.model_dump(include=plain, exclude_none=True)
    for name in ("due_before", "due_after", "completed_after"):
        moment = getattr(wanted, name, None)
        if moment is not None:
            bound = due_dates.parse_due(moment, name)
            # A date is a day in the caller's time zone, which only the database knows.
            values[f"{name}_day" if bound.is_date else name] = bound.at
    return values


# Bounded, because callers choose the combination of filters and each one compiled takes memory.
@lru_cache(maxsize=512)
def _find(shape: _Shape) -> Statement:
    key, key_type, _, descending = KEYS[shape.sort]
    position = tuple_(key, col(Task.id))
    columns = (*_COLUMNS[shape.detail], key.label("sort_key"))
    conditions = _conditions(shape)
    branches = _branches(shape)
    direction: Callable[[Any], Any] = (lambda c: c.desc()) if descending else (lambda c: c.asc())

    def page(branch: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
        # Limited before the branches are joined, so that at most a page of each is merged. Sorted by creation, one's
        # own tasks or those of one team are read in the order of their index, and no further than the page.
        chosen = select(*columns).where(branch, *conditions)
        if shape.continued:
            after = tuple_(bindparam("after_key", type_=key_type), bindparam("after_id", type_=BigInteger))
            # A comparison of rows is one range of an index on these columns; two conditions with OR are not.
            chosen = chosen.where(position < after if descending else position > after)
        chosen = chosen.order_by(direction(key), direction(col(Task.id)))
        return chosen.limit(bindparam("page_size", type_=BigInteger))

    pages = [page(branch).subquery() for branch in branches]
    merged = pages[0] if len(pages) == 1 else union_all(*(select(p) for p in pages)).subquery()
    # Counted without the columns and the order of the page, which allows index-only scans. In the same statement, so
    # that the total and the page belong to one snapshot.
    counts = [select(func.count()).select_from(Task).where(b, *conditions) for b in branches]
    total: Any = counts[0].scalar_subquery()
    for count in counts[1:]:
        total = total + count.scalar_subquery()
    counted = select(total.label("total")).subquery()
    ordered = (
        select(counted.c.total, merged)
        .select_from(counted.outerjoin(merged, true()))
        .order_by(direction(merged.c.sort_key), direction(merged.c.id))
        .limit(bindparam("page_size", type_=BigInteger))
    )
    return compiled(ordered)


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(Task.deleted_at).is_(None)]
    if shape.status == "pending":
        conditions.append(col(Task.status) != "completed")
    elif shape.status != "all":
        conditions.append(col(Task.status) == shape.status)
    filters: dict[str, ColumnElement[bool]] = {
        "parent_id": col(Task.parent_id) == bindparam("parent_id", type_=BigInteger),
        "search": col(Task.id) == func.any(func.matching_task_ids(bindparam("search", type_=Text))),
        "tag": bindparam("tag", type_=Text) == func.any(col(Task.tags)),
        "priority": col(Task.priority) == bindparam("priority", type_=Text),
        "due_before": days.due_before("due_before", day=False),
        "due_before_day": days.due_before("due_before_day", day=True),
        "due_after": days.due_after("due_after", day=False),
        "due_after_day": days.due_after("due_after_day", day=True),
        "completed_after": days.completed_after("completed_after", day=False),
        "completed_after_day": days.completed_after("completed_after_day", day=True),
        "assignee": col(Task.assignee_id) == bindparam("assignee", type_=Text),
        "ids": col(Task.id) == func.any(bindparam("ids", type_=ARRAY(BigInteger))),
    }
    if shape.due is not None:
        conditions.append(_DUE[shape.due])
    return conditions + [condition for name, condition in filters.items() if name in shape.given]


def _branches(shape: _Shape) -> Sequence[ColumnElement[bool]]:
    # A member sees all tasks of a team, so one branch is enough for it.
    if "team_id" in shape.given:
        in_team = col(Task.team_id) == bindparam("team_id", type_=BigInteger)
        return [in_team & {"mine": MINE, "shared": SHARED}.get(shape.scope, true())]
    return {"mine": (MINE,), "shared": (SHARED,), "team": (IN_MY_TEAMS,), "all": VISIBLE}[shape.scope]
