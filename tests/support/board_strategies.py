"""Hypothesis strategies for the arguments of task tools."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.support import board_views

CLIENTS = ("desk", "phone")
SORTS = ("priority", "created", "due", "updated")
WORDS = ("apple", "pear", "plum")


class Day(NamedTuple):
    """A date, in days from today."""

    days: int

    def text(self) -> str:
        return (datetime.now(UTC).date() + timedelta(days=self.days)).isoformat()


class Moment(NamedTuple):
    """A moment, in hours from now, written with an offset from UTC in hours."""

    hours: int
    offset: int

    def text(self) -> str:
        moment = datetime.now(UTC) + timedelta(hours=self.hours)
        return moment.astimezone(timezone(timedelta(hours=self.offset))).isoformat()


TITLES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join)
DUES = st.builds(Day, st.integers(-2, 2)) | st.builds(
    Moment, st.sampled_from((-26, -2, 2, 26)), st.sampled_from((-8, 0, 9))
)
PRIORITIES = st.sampled_from(board_views.PRIORITIES)
PERMISSIONS = st.sampled_from(("view", "edit"))
ROLES = st.sampled_from(("owner", "admin", "member", "viewer"))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "priority": PRIORITIES,
        "due": DUES,
        "tags": st.lists(st.sampled_from(("home", "work")), unique=True, max_size=2),
    },
)
NARROWING: dict[str, st.SearchStrategy[Any]] = {
    "scope": st.sampled_from(("all", "mine", "team", "shared")),
    "search": st.sampled_from(WORDS),
    "tag": st.sampled_from(("home", "work")),
    "priority": PRIORITIES,
    "due_before": DUES,
    "due_after": DUES,
    "due": st.sampled_from(("overdue", "today", "week", "none")),
    "completed_before": DUES,
    "completed_after": DUES,
}
LAYOUT = st.fixed_dictionaries(
    {
        "status": st.sampled_from(("all", "all", "pending", "in_progress", "completed")),
        "limit": st.sampled_from((2, 1, 3, 100)),
    },
    optional={"detail": st.sampled_from(("brief", "full")), "sort": st.sampled_from(SORTS)},
)


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    """The arguments of a listing. More than two narrowing filters at once leave too few tasks to get an order wrong."""
    chosen = draw(st.lists(st.sampled_from(sorted(NARROWING)), unique=True, max_size=2))
    return draw(LAYOUT) | {name: draw(NARROWING[name]) for name in chosen}


def spelled(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with dates and moments as text."""
    return {name: value.text() if isinstance(value, Day | Moment) else value for name, value in values.items()}
