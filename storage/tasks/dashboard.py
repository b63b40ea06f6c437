"""Everything that a dashboard page shows, in one transaction."""

from typing import cast

from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.people import teams, users
from storage.schema.dashboard_models import DashboardSnapshot
from storage.schema.request_models import TaskFilter
from storage.schema.response_models import TaskBrief
from storage.tasks import listing, statistics


@retry_transient
async def snapshot(scope: Scope, team_id: int | None = None, days: int = 14, limit: int = 8) -> DashboardSnapshot:
    """The four numbers, the trend and the newest tasks of the caller or of a team, and the caller's teams.

    All parts are read in the same snapshot, so they agree with each other.

    Raises:
        InvalidInput: days out of range; NotFound: no such team, or the caller is not in it.
    """
    # First the tasks: they check that the caller is in the team, which statistics.read leaves to its caller.
    async with scope.transaction(snapshot=True) as transaction:
        page = await listing.read(transaction, TaskFilter(status="all", team_id=team_id), limit)
        totals, trend = await statistics.read(transaction, team_id, days)
        shown, team_count = await teams.read_brief(transaction, teams.MOST_LISTED, team_id)
        timezone = await users.timezone_of(transaction, scope.user_id)
    return DashboardSnapshot.model_construct(
        statistics=totals,
        trend=trend,
        tasks=cast("list[TaskBrief]", page.tasks),
        task_count=page.total_count,
        teams=shown,
        team_count=team_count,
        timezone=timezone,
    )
