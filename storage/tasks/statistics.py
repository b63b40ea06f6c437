"""Statistics of tasks. The same verbs serve the tool, the dashboard API and statistics inside a chat (MCP Apps).

The four numbers are cached for five seconds in a table that all replicas share, with the snapshot in which they were
counted. They are used again only while no change has been committed that this snapshot does not include.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.schema.errors import InvalidInput
from storage.schema.response_models import DayCount, Overview, Totals
from storage.schema.system_tables import CachedStatistic
from storage.schema.tables import Task
from storage.tasks.days import BEFORE_TOMORROW, DUE_TODAY, OVERDUE, TODAY, day_of

# The snapshot decides whether the numbers are right. The age limits how many events have to be compared with it.
KEPT = timedelta(seconds=5)
MOST_DAYS = 366

ME = func.current_user_id()
_TEAM = bindparam("team_id", type_=BigInteger)
_LIVE = col(Task.deleted_at).is_(None)
_OPEN = col(Task.status) != "completed"
_DAYS = bindparam("days", type_=Integer)


def _of(team: bool) -> ColumnElement[bool]:
    return col(Task.team_id) == _TEAM if team else col(Task.user_id) == ME


def _numbers(team: bool) -> tuple[CompoundSelect[Any], CTE]:
    """The cached numbers if they are still right, else new ones, with the statement that stores them."""
    # One statement sees one snapshot, so the stored pg_current_snapshot() is that of the count. In a second statement,
    # under READ COMMITTED, it could include a commit that was not counted.
    key = (col(CachedStatistic.user_id) == ME, col(CachedStatistic.team_id) == _TEAM)
    numbers = (col(CachedStatistic.total), col(CachedStatistic.completed), col(CachedStatistic.shared))
    kept = (
        select(*numbers)
        .where(
            *key,
            col(CachedStatistic.counted_at) > func.now() - KEPT,
            func.statistics_current(_TEAM, col(CachedStatistic.snapshot)),
        )
        .cte("kept")
    )
    # HAVING, so that nothing is counted or stored if the cached numbers are still right.
    counted = (
        select(
            func.count().label("total"),
            func.count().filter(col(Task.status) == "completed").label("completed"),
            func.count_shared_tasks(_TEAM).label("shared"),
        )
        .where(_of(team), _LIVE)
        .having(~select(kept).exists())
        .cte("counted")
    )
    new = insert(CachedStatistic).from_select(
        ["user_id", "team_id", "total", "completed", "shared", "snapshot"],
        select(ME, _TEAM, counted, cast(func.pg_current_snapshot(), Text)),
    )
    names = ("total", "completed", "shared", "snapshot")
    keep = new.on_conflict_do_update(
        index_elements=["user_id", "team_id"],
        set_={**{name: new.excluded[name] for name in names}, "counted_at": func.now()},
    )
    # PostgreSQL runs a CTE that modifies data exactly once, even if nothing refers to it.
    return union_all(select(kept), select(counted)), keep.cte("keep")


def _due(team: bool) -> Select[int, int]:
    """Open tasks that are overdue or due today."""
    return select(
        func.count().filter(OVERDUE).label("overdue"),
        func.count().filter(DUE_TODAY).label("due_today"),
    ).where(_of(team), _LIVE, _OPEN, BEFORE_TOMORROW)


def _days(team: bool) -> Select[date, int, int]:
    """Tasks created and completed on each day in the caller's time zone, oldest first."""
    # In no time zone does a day begin more than 24 hours before it does in UTC.
    early = func.timezone("UTC", cast(TODAY - _DAYS, DateTime))

    def per_day(moment: Any) -> Select[date, int]:  # noqa: ANN401
        day = day_of(moment)
        return (
            select(day.label("day"), func.count().label("number"))
            .where(_of(team), _LIVE, moment >= early)
            .group_by(day)
        )

    created, completed = per_day(col(Task.created_at)).subquery(), per_day(col(Task.completed_at)).subquery()
    ago = func.generate_series(0, _DAYS - 1).table_valued("ago").render_derived()
    day = TODAY - cast(ago.c.ago, Integer)
    return (
        select(
            day.label("date"),
            func.coalesce(created.c.number, literal(0)).label("created_on_date"),
            func.coalesce(completed.c.number, literal(0)).label("completed_on_date"),
        )
        .select_from(ago.outerjoin(created, created.c.day == day).outerjoin(completed, completed.c.day == day))
        .order_by(day)
    )


def _totals(team: bool) -> Statement:
    numbers, keep = _numbers(team)
    return compiled(numbers.add_cte(keep))


def _overview(team: bool) -> Statement:
    """Everything in one round trip and one snapshot: a row for each day, which repeats the other numbers."""
    numbers, keep = _numbers(team)
    every = (numbers.subquery(), _due(team).subquery(), days := _days(team).subquery())
    joined = every[0].join(every[1], true()).join(days, true())
    return compiled(select(*every).select_from(joined).order_by(days.c.date).add_cte(keep))


_TOTALS = {team: _totals(team) for team in (False, True)}
_COUNT = {team: compiled(_numbers(team)[0]) for team in (False, True)}
_TREND = {team: compiled(_days(team)) for team in (False, True)}
_OVERVIEW = {team: _overview(team) for team in (False, True)}


@retry_transient
async def totals(scope: Scope, team_id: int | None = None) -> Totals:
    """The four numbers, of the caller's own tasks or of a team's.

    Raises:
        NotFound: no such team, or the caller is not in it.
    """
    async with scope.transaction() as transaction:
        await _check(transaction, team_id)
        # 0 stands for the caller's own tasks: team_id is part of the primary key, which excludes NULL.
        (row,) = await transaction.fetch_all(_TOTALS[team_id is not None], team_id=team_id or 0)
        return Totals(**_four(row))


@retry_transient
async def trend(scope: Scope, team_id: int | None = None, days: int = 14) -> list[DayCount]:
    """Tasks created and completed on each of the last days in the caller's time zone, today included, oldest first.

    Raises:
        InvalidInput: days out of range; NotFound: no such team, or the caller is not in it.
    """
    async with scope.transaction() as transaction:
        await _check(transaction, team_id, days)
        rows = await transaction.fetch_all(_TREND[team_id is not None], team_id=team_id, days=days)
        return _per_day(rows)


@retry_transient
async def overview(scope: Scope, team_id: int | None = None, days: int = 14) -> Overview:
    """The four numbers, how many tasks are overdue or due today, and the trend.

    Raises:
        InvalidInput: days out of range; NotFound: no such team, or the caller is not in it.
    """
    async with scope.transaction() as transaction:
        await _check(transaction, team_id, days)
        rows = await transaction.fetch_all(_OVERVIEW[team_id is not None], team_id=team_id or 0, days=days)
        return Overview(
            **_four(rows[0]),
            overdue_tasks=rows[0]["overdue"],
            due_today_tasks=rows[0]["due_today"],
            trend=_per_day(rows),
        )


async def read(transaction: Transaction, team_id: int | None, days: int) -> tuple[Totals, list[DayCount]]:
    """The four numbers and the trend, in a read-only transaction: new numbers are not cached.

    The caller must have checked that the user is in the team.

    Raises:
        InvalidInput: days out of range.
    """
    # Storing them would also make dashboards that read at the same moment conflict on the row.
    await _check(transaction, None, days)
    (row,) = await transaction.fetch_all(_COUNT[team_id is not None], team_id=team_id or 0)
    rows = await transaction.fetch_all(_TREND[team_id is not None], team_id=team_id, days=days)
    return Totals(**_four(row)), _per_day(rows)


async def _check(transaction: Transaction, team_id: int | None, days: int = 1) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"days must be from 1 to {MOST_DAYS}.")
    if team_id is not None and await users.role_in(transaction, team_id, transaction.user_id) is None:
        raise users.no_team(team_id)


def _four(row: Row) -> dict[str, int]:
    return {
        "total_tasks": row["total"],
        "pending_tasks": row["total"] - row["completed"],
        "completed_tasks": row["completed"],
        "shared_tasks": row["shared"],
    }


def _per_day(rows: list[Row]) -> list[DayCount]:
    return [
        DayCount.model_construct(
            date=row["date"].isoformat(), created=row["created_on_date"], completed=row["completed_on_date"]
        )
        for row in rows
    ]
