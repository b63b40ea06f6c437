"""Lists of tasks: filters, exact totals, and cursors that stay valid while tasks are added."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    func,
    inspect,
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
from storage.schema.errors import InvalidInput
from storage.schema.request_models import (
    MAX_ID,
    NO_CURSOR,
    DueGroup,
    ListedScope,
    ListedStatus,
    Sort,
    TaskFilter,
)
from storage.schema.response_models import TaskPage
from storage.schema.tables import Task
from storage.tasks import days
from storage.tasks.access import IN_MY_TEAMS, MINE, SHARED, VISIBLE
from storage.tasks.columns import BRIEF, LISTED, WHOLE, brief, find_one, view
from storage.tasks.filters import conditions, values_of

NEVER = datetime.max.replace(tzinfo=UTC)
"""The sort value of a task without a due date: after all others.

A value and not NULL, because a cursor compares rows and a comparison with NULL is never true.
"""

MOST_TAGS = 1000


Order = Sort | Literal["best"]
Detail = Literal["brief", "listed", "whole"]
"""Which columns: those of TaskBrief, of ListedTask or of TaskView."""


class _Shape(NamedTuple):
    """What determines the SQL of a listing: listings of the same shape differ only in their parameters."""

    status: ListedStatus
    scope: ListedScope
    sort: Order
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
_RANK = case({"low": 1, "medium": 2, "high": 3, "urgent": 4}, value=col(Task.priority))
_ranked = (
    select(
        func.rank_tasks(
            bindparam("words", type_=Text),
            bindparam("condition", type_=Text),
            bindparam("pinned", type_=ARRAY(BigInteger)),
        ).table_valued("id", "score", "statistics")
    )
).cte("ranked")
KEYS: dict[Order, _Key] = {
    "best": _Key(_ranked.c.score, BigInteger, int),
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

    A search without a sort finds tasks with any of the words, the best first; with one, tasks with all of them. A page
    that would be longer than `max_tokens` ends early, with a cursor.

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
    listing = f"tasks {wanted.model_dump_json(include={*TaskFilter.model_fields})}"
    if cursor is not None:
        values |= _place(cursor, listing, _order(wanted, values))
    found, total = await fetch_page(transaction, wanted, values, limit + 1, "whole" if whole else "brief")
    shown = [view(without_extras(row)) if whole else brief(row) for row in found[:limit]]
    tasks = token_budget.fill(shown, max_tokens)
    following = None
    if len(found) > len(tasks):
        last = found[len(tasks) - 1]
        pinned = [".".join(map(str, last["statistics"]))] if "words" in values else []
        following = pagination.write(listing, *pinned, last["sort_key"], last["id"])
    return TaskPage(tasks=tasks, total_count=total, next_cursor=following)


def _order(wanted: TaskFilter, values: dict[str, Any]) -> Order:
    return "best" if "words" in values else wanted.sort or "created"


def _place(cursor: str, listing: str, order: Order) -> dict[str, Any]:
    """Where a page begins. By score, the statistics of the first page belong to it: with them, all pages rank alike."""
    if order != "best":
        key, number = pagination.read(cursor, listing, KEYS[order].python, int)
        return {"after_key": key, "after_id": number}
    pinned, key, number = pagination.read(cursor, listing, str, int, int)
    try:
        statistics = [min(int(one), MAX_ID) for one in pinned.split(".")]
    except ValueError as error:
        raise InvalidInput(f"cursor {NO_CURSOR}.") from error
    return {"pinned": statistics, "after_key": key, "after_id": number}


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
    order = _order(wanted, values)
    shape = _Shape(wanted.status, wanted.scope, order, wanted.due, detail, given, "after_id" in values)
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
    return {name: value for name, value in row.items() if name not in ("total", "sort_key", "statistics")}


# Bounded, because callers choose the combination of filters and each one compiled takes memory.
@lru_cache(maxsize=512)
def _find(shape: _Shape) -> Statement:
    key, key_type, _, descending = KEYS[shape.sort]
    position = tuple_(key, col(Task.id))
    columns = (*_COLUMNS[shape.detail], key.label("sort_key"))
    source: FromClause = inspect(Task).local_table
    if shape.sort == "best":
        columns = (*columns, _ranked.c.statistics)
        source = source.join(_ranked, _ranked.c.id == col(Task.id))
    required = conditions(shape.status, shape.due, shape.given)
    branches = _branches(shape)
    direction: Callable[[Any], Any] = (lambda c: c.desc()) if descending else (lambda c: c.asc())

    def page(branch: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
        # Limited before the branches are joined, so that at most a page of each is merged. Sorted by creation, one's
        # own tasks or those of one team are read in the order of their index, and no further than the page.
        chosen = select(*columns).select_from(source).where(branch, *required)
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
    counts = [select(func.count()).select_from(source).where(b, *required) for b in branches]
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


def _branches(shape: _Shape) -> Sequence[ColumnElement[bool]]:
    # A member sees all tasks of a team, so one branch is enough for it.
    if "team_id" in shape.given:
        in_team = col(Task.team_id) == bindparam("team_id", type_=BigInteger)
        return [in_team & {"mine": MINE, "shared": SHARED}.get(shape.scope, true())]
    # What a search found is visible, whichever of the sets it is in.
    everything = (true(),) if shape.sort == "best" else VISIBLE
    return {"mine": (MINE,), "shared": (SHARED,), "team": (IN_MY_TEAMS,), "all": everything}[shape.scope]
