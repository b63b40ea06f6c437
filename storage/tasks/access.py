"""What the caller may do with a task, and which tasks the caller sees, as SQL expressions.

The rule itself is in storage/sql/functions/visibility.sql, and the policies enforce it whatever a statement asks for.
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, Text, cast, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.schema.tables import Task

ME = func.current_user_id()


def _once(function: Any) -> ScalarSelect[Any]:  # noqa: ANN401
    """One of the caller's sets. As a subquery it is computed once per statement, not once per row."""
    return select(function).scalar_subquery()


def _access(*sets: Any) -> ColumnElement[str]:  # noqa: ANN401
    row = (col(Task.user_id), col(Task.team_id), col(Task.id), col(Task.deleted_at))
    return func.task_access(*row, *sets, type_=Text)


_MANAGERS = (_once(ME), _once(func.my_managed_team_ids()))
_TEAMS = (_once(func.my_writable_team_ids()), _once(func.my_team_ids()))
_SHARES = (_once(func.my_editable_task_ids()), _once(func.my_shared_task_ids()))

# Each set is named once: PostgreSQL inlines task_access only then (docs/research.md, "Who sees a task").
ACCESS = _access(*_MANAGERS, *_TEAMS, *_SHARES).label("access")
OWNED = _access(*_MANAGERS, *[literal_column("'{}'")] * 4).is_not(None)
"""Tasks that the caller may delete, restore, move and share: those with the access `owner`.

Empty sets in place of those that cannot make anyone an owner, because each set is another query.
"""

# The cast makes the subquery an array to compare with: without it, ANY would compare with the rows of the subquery.
MY_TEAM_IDS = cast(_once(func.my_team_ids()), ARRAY(BigInteger))
MY_SHARED_TASK_IDS = cast(_once(func.my_shared_task_ids()), ARRAY(BigInteger))

MINE = col(Task.user_id) == ME
IN_MY_TEAMS = col(Task.team_id) == func.any(MY_TEAM_IDS)
_OF_OTHERS = col(Task.user_id) != ME
SHARED = (col(Task.id) == func.any(MY_SHARED_TASK_IDS)) & _OF_OTHERS
# Without a team the comparison is NULL, and the task is outside of all teams.
_OUTSIDE_MY_TEAMS = func.coalesce(col(Task.team_id) != func.all(MY_TEAM_IDS), true())

VISIBLE = (MINE, IN_MY_TEAMS & _OF_OTHERS, SHARED & _OUTSIDE_MY_TEAMS)
"""Every visible task, as disjoint sets. Each is found by its own index, and limited before they are joined.

Only the first is read in the order of its index: an index that begins with the team is ordered within one team only, so
all tasks of the caller's teams are read and sorted.

For one condition with OR the planner uses no index, and into a set-returning function it cannot push the limit
(docs/research.md, "Who sees a task").
"""
