"""The subtasks of a task, as far as the caller sees them."""

from typing import NamedTuple

from sqlalchemy import CTE, BigInteger, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Transaction
from storage.engine.statements import compiled
from storage.schema import token_budget
from storage.schema.response_models import Subtask
from storage.schema.tables import Task
from storage.tasks.access import OWNED
from storage.tasks.columns import LIVE, TASK_ID

MAX_SHOWN = 20
"""How many subtasks are shown with a task; list_tasks returns them all."""
MAX_TOKENS = 1000
"""How many tokens of a reply they may take."""

_IS_LIVE = col(Task.deleted_at).is_(None)
TASK_IDS = bindparam("task_ids", type_=ARRAY(BigInteger))

_CHILDREN = compiled(
    select(col(Task.id), col(Task.title), col(Task.status), func.count().over().label("total"))
    .where(col(Task.parent_id) == TASK_ID, _IS_LIVE)
    .order_by(col(Task.status) == "completed", col(Task.id))
    .limit(bindparam("most", type_=BigInteger))
)

# Every walk uses UNION, which drops repeated rows and so ends in a cycle. People who cannot see each other's tasks can
# create a cycle of parents that none of them sees in full (docs/data-model.md, "Relationships").


def _below() -> CTE:
    """The visible live tasks below one, at any depth, and the task itself."""
    walk = select(col(Task.id), col(Task.status)).where(*LIVE).cte("below", recursive=True)
    return walk.union(select(col(Task.id), col(Task.status)).where(col(Task.parent_id) == walk.c.id, _IS_LIVE))


def _deletable() -> CTE:
    """Live tasks and what goes with them when the caller deletes them: subtasks that the caller may delete as well.

    Below a task that stays, everything stays.
    """
    # OWNED is in both parts: policies let a caller update more tasks than delete, and deleting is an update.
    walk = select(col(Task.id)).where(col(Task.id) == func.any(TASK_IDS), _IS_LIVE, OWNED).cte("going", recursive=True)
    return walk.union(select(col(Task.id)).where(col(Task.parent_id) == walk.c.id, _IS_LIVE, OWNED))


def _deleted_together() -> CTE:
    """Deleted tasks and the subtasks deleted with them, which have the same `deleted_at`."""
    found = (col(Task.id), col(Task.deleted_at))
    walk = select(*found).where(col(Task.id) == func.any(TASK_IDS), ~_IS_LIVE).cte("together", recursive=True)
    return walk.union(select(*found).where(col(Task.parent_id) == walk.c.id, col(Task.deleted_at) == walk.c.deleted_at))


DELETABLE = _deletable()
DELETED_TOGETHER = _deleted_together()
_BELOW = _below()
_OPEN = func.count().filter(_BELOW.c.status != "completed")
_COUNTS = compiled(select(func.count().label("total"), _OPEN.label("open")).where(_BELOW.c.id != TASK_ID))
OPEN_BELOW = select(_OPEN).where(_BELOW.c.id != TASK_ID).scalar_subquery().label("open_below")
"""How many tasks below one are not completed, for the statement that completes it."""


class Counts(NamedTuple):
    """How many tasks are below one, at any depth, and how many of them are not completed."""

    total: int
    open: int


async def find_children(
    transaction: Transaction, task_id: int, most: int = MAX_SHOWN, max_tokens: int | None = MAX_TOKENS
) -> tuple[list[Subtask], int]:
    """The first subtasks right below a task, open ones first, and how many there are."""
    rows = await transaction.fetch_all(_CHILDREN, task_id=task_id, most=most)
    shown = [Subtask.model_construct(id=row["id"], title=row["title"], status=row["status"]) for row in rows]
    return token_budget.fill(shown, max_tokens), rows[0]["total"] if rows else 0


async def count_below(transaction: Transaction, task_id: int) -> Counts:
    """Count the tasks below one."""
    row = await transaction.fetch_one(_COUNTS, task_id=task_id)
    return Counts(row["total"], row["open"]) if row is not None else Counts(0, 0)
