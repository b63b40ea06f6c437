"""Days in the caller's time zone as SQL expressions: which day it is, and on which day a task is due.

A due date is the same calendar day for everyone. A due time belongs to the day that the caller has at that moment.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, bindparam, case, cast, func, select
from sqlmodel import col

from storage.people.users import TIMEZONE
from storage.schema.tables import Task

_MOMENT = DateTime(timezone=True)
_A_DAY = timedelta(days=1)
"""No time zone is further from UTC.

Indexes contain instants, not local times. A range of instants that is a day wider on each side uses the index, and only
the rows near the bound are compared exactly.
"""

# Common table expressions, so that a statement reads the zone once, however often it uses it. It comes from the user's
# row: a cache in each process would have to be invalidated (docs/research.md, "A time zone belongs to the person").
_zone = select(TIMEZONE.label("zone")).cte("caller_zone")
_today = select(cast(func.timezone(_zone.c.zone, func.now()), Date).label("today")).cte("caller_today")
ZONE = select(_zone.c.zone).scalar_subquery()
TODAY = select(_today.c.today).scalar_subquery()

# A date has ten characters; every datetime is longer.
IS_DATE = func.length(col(Task.due)) == 10
_ON_CLOCK = func.timezone(case((IS_DATE, "UTC"), else_=ZONE), col(Task.due_at), type_=DateTime())
"""The local time at which a task is due: midnight for a date, whose `due_at` is midnight in UTC.

Days are compared with this and not with an instant: that is right also in the hour that daylight saving repeats, and
for days that do not begin at midnight.
"""
DUE_DAY = cast(_ON_CLOCK, Date)
DUE_FROM = case((IS_DATE, func.timezone(ZONE, _ON_CLOCK, type_=_MOMENT)), else_=col(Task.due_at))
"""The instant by which tasks are sorted: for a date, when its day begins for the caller."""


def day_of(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """The date in the caller's time zone at a moment."""
    return cast(func.timezone(ZONE, moment), Date)


def due_before(bound: str, *, day: bool) -> ColumnElement[bool]:
    """Whether a task is due before the parameter `bound`: a moment, or a day of the caller's as its midnight in UTC."""
    at, moment = col(Task.due_at), bindparam(bound, type_=_MOMENT)
    return (at < moment + _A_DAY) & ((at < moment - _A_DAY) | _is_due_before(moment, day))


def due_after(bound: str, *, day: bool) -> ColumnElement[bool]:
    """Whether a task is not due before the parameter `bound`."""
    at, moment = col(Task.due_at), bindparam(bound, type_=_MOMENT)
    return (at >= moment - _A_DAY) & ((at >= moment + _A_DAY) | ~_is_due_before(moment, day))


def begins_after(at: Any, bound: str) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a moment is on the day of the caller's that the parameter `bound` names, or later."""
    moment = bindparam(bound, type_=_MOMENT)
    return (at >= moment - _A_DAY) & (func.timezone(ZONE, at) >= func.timezone("UTC", moment))


def begins_before(at: Any, bound: str) -> ColumnElement[bool]:  # noqa: ANN401
    """Whether a moment is on a day of the caller's before the one that the parameter `bound` names."""
    moment = bindparam(bound, type_=_MOMENT)
    return (at < moment + _A_DAY) & (func.timezone(ZONE, at) < func.timezone("UTC", moment))


def _is_due_before(moment: ColumnElement[datetime], day: bool) -> ColumnElement[bool]:
    if day:
        return func.timezone("UTC", moment) > _ON_CLOCK
    return case((IS_DATE, func.timezone(ZONE, moment) > _ON_CLOCK), else_=moment > col(Task.due_at))


_NEAR = col(Task.due_at) > func.now() - 2 * _A_DAY
OVERDUE = ~_NEAR | (DUE_DAY < TODAY) | (~IS_DATE & (col(Task.due_at) < func.now()))
"""A date is overdue when its day has ended, a time when it has passed.

The day is computed only for tasks that are due about now. Everything earlier is overdue in every time zone.
"""
DUE_TODAY = _NEAR & (DUE_DAY == TODAY)
BEFORE_TOMORROW = col(Task.due_at) < func.now() + 2 * _A_DAY
"""A range of instants that contains all that is overdue or due today, for the index."""
IN_A_WEEK = _NEAR & (col(Task.due_at) < func.now() + 9 * _A_DAY) & DUE_DAY.between(TODAY, TODAY + 6)
"""Due today or on one of the six days that follow."""
