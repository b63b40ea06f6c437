"""The caller's days in SQL: which one it is, and on which one a task is due.

A due date is the same day for everybody. A due time is on the day that the caller's calendar shows at that moment.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, bindparam, case, cast, func, select
from sqlmodel import col

from storage.people.users import TIMEZONE
from storage.schema.tables import Task

_MOMENT = DateTime(timezone=True)
_A_DAY = timedelta(days=1)
"""No clock is further from UTC. Indexes have only UTC: they find what is near, and only that is looked at closely."""

# Common table expressions, so that a statement looks them up once, however often it uses them.
_zone = select(TIMEZONE.label("zone")).cte("caller_zone")
_today = select(cast(func.timezone(_zone.c.zone, func.now()), Date).label("today")).cte("caller_today")
ZONE = select(_zone.c.zone).scalar_subquery()
TODAY = select(_today.c.today).scalar_subquery()

IS_DATE = func.length(col(Task.due)) == 10
_ON_CLOCK = func.timezone(case((IS_DATE, "UTC"), else_=ZONE), col(Task.due_at), type_=DateTime())
"""What the caller's clock shows when a task is due: midnight for a date, whose `due_at` is midnight in UTC."""
DUE_DAY = cast(_ON_CLOCK, Date)
DUE_FROM = case((IS_DATE, func.timezone(ZONE, _ON_CLOCK, type_=_MOMENT)), else_=col(Task.due_at))
"""The moment that orders tasks: of a date, when its day begins."""


def day_of(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """The caller's day at a moment."""
    return cast(func.timezone(ZONE, moment), Date)


def due_before(bound: str, *, day: bool) -> ColumnElement[bool]:
    """Whether a task is due before the parameter `bound`: a moment, or a day of the caller's as its midnight in UTC."""
    at, moment = col(Task.due_at), bindparam(bound, type_=_MOMENT)
    return (at < moment + _A_DAY) & ((at < moment - _A_DAY) | _is_due_before(moment, day))


def due_after(bound: str, *, day: bool) -> ColumnElement[bool]:
    """Whether a task is not due before the parameter `bound`."""
    at, moment = col(Task.due_at), bindparam(bound, type_=_MOMENT)
    return (at >= moment - _A_DAY) & ((at >= moment + _A_DAY) | ~_is_due_before(moment, day))


def completed_after(bound: str, *, day: bool) -> ColumnElement[bool]:
    """Whether a task was completed at the parameter `bound` or later."""
    at, moment = col(Task.completed_at), bindparam(bound, type_=_MOMENT)
    if day:
        return (at >= moment - _A_DAY) & (func.timezone(ZONE, at) >= func.timezone("UTC", moment))
    return at >= moment


def _is_due_before(moment: ColumnElement[datetime], day: bool) -> ColumnElement[bool]:
    if day:
        return func.timezone("UTC", moment) > _ON_CLOCK
    return case((IS_DATE, func.timezone(ZONE, moment) > _ON_CLOCK), else_=moment > col(Task.due_at))
