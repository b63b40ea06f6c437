"""What a person looks at first: what is late, due today or begun, and what agents changed since yesterday."""

from datetime import date, timedelta

from sqlalchemy import select

from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.dashboard_models import TodayView
from storage.tasks import activity, page_lists
from storage.tasks.activity import ActivityFilter
from storage.tasks.days import TODAY
from storage.tasks.filters import PageFilter

MOST = 100
"""How many tasks of a kind, and how many changes, are given."""

_TODAY = compiled(select(TODAY.label("today")))


@retry_transient
async def read(scope: Scope, by_hand: str) -> TodayView:
    """The open tasks of today and before, and the changes since yesterday except those by the client `by_hand`."""
    async with scope.transaction(snapshot=True) as transaction:
        late = await page_lists.read_rows(transaction, PageFilter(due="overdue", sort="due"), MOST)
        today = await page_lists.read_rows(transaction, PageFilter(due="today", sort="due"), MOST)
        begun = await page_lists.read_rows(transaction, PageFilter(status="in_progress", sort="updated"), MOST)
        day: date = await transaction.fetch_value(_TODAY)
        since = (day - timedelta(days=1)).isoformat()
        found = await activity.read(transaction, ActivityFilter(since=since, except_client=by_hand), MOST)
    return TodayView.model_construct(
        overdue=late.tasks,
        overdue_count=late.total_count,
        due_today=today.tasks,
        due_today_count=today.total_count,
        in_progress=begun.tasks,
        in_progress_count=begun.total_count,
        changes=found.changes,
        has_more_changes=found.next_cursor is not None,
        timezone=late.timezone,
    )
