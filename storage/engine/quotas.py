"""Quotas: how many rows of each kind one person may have. They are generous, and end what would fill the disk.

A count of many rows takes milliseconds, so it is not made for every write: this process remembers what it counted, and
counts anew, in the transaction of the write, near the limit, after many writes and after ten minutes (docs/research.md,
"Counting for quotas").
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from cachetools import TTLCache
from sqlalchemy import BigInteger, bindparam, func, select
from sqlmodel import col

from storage.engine.statements import Statement, compiled
from storage.schema.errors import Conflict
from storage.schema.tables import Conversation, Task, TaskShare, TeamMember

if TYPE_CHECKING:
    from storage.engine.database import Transaction

Kind = Literal["tasks", "conversations", "messages", "teams", "members", "shares"]
KINDS: tuple[Kind, ...] = get_args(Kind)

REMEMBERED = 10_000
RECOUNT_SECONDS = 600.0
UNCOUNTED = 0.05
"""The part of a limit that may be added before this process counts again."""
NEAR = 0.9
"""The part of a limit from which every write is counted."""

_ME = func.current_user_id()
_MOST = bindparam("most", type_=BigInteger)


def _bounded(of: Any, *where: Any) -> Any:  # noqa: ANN401
    """How many rows there are, counting no further than `most`."""
    return select(func.count()).select_from(select(of).where(*where).limit(_MOST).subquery()).scalar_subquery()


@dataclass(frozen=True)
class Quota:
    """A limit: its default (0: none), how to count what is used, and what a person can do when it is full."""

    default: int
    count: Statement
    advice: str


_TASKS = _bounded(col(Task.id), col(Task.user_id) == _ME, col(Task.deleted_at).is_(None)) + _bounded(
    col(Task.id), col(Task.user_id) == _ME, col(Task.deleted_at).is_not(None)
)
_OWNED = (col(TeamMember.user_id) == _ME, col(TeamMember.role) == "owner")
_OF_TEAM = col(TeamMember.team_id) == bindparam("team_id", type_=BigInteger)

_OF_OWNER = compiled(select(func.count_tasks_of_owner(bindparam("task_id", type_=BigInteger), _MOST)))

QUOTAS: dict[Kind, Quota] = {
    "tasks": Quota(
        100_000,
        compiled(select(_TASKS.label("used"))),
        "Delete tasks that are no longer needed; they are removed for good after 30 days.",
    ),
    "conversations": Quota(
        50_000,
        compiled(select(_bounded(col(Conversation.id), col(Conversation.user_id) == _ME).label("used"))),
        "Delete conversations that are no longer needed (delete_conversation).",
    ),
    "messages": Quota(
        1_000_000,
        compiled(
            select(func.coalesce(func.sum(col(Conversation.message_count)), 0).label("used")).where(
                col(Conversation.user_id) == _ME
            )
        ),
        "Delete conversations that are no longer needed (delete_conversation).",
    ),
    "teams": Quota(
        1_000,
        compiled(select(_bounded(col(TeamMember.team_id), *_OWNED).label("used"))),
        "Delete teams that are no longer needed (delete_team).",
    ),
    "members": Quota(
        1_000,
        compiled(select(_bounded(col(TeamMember.user_id), _OF_TEAM).label("used"))),
        "Remove members who are no longer in it (remove_team_member), or create another team.",
    ),
    "shares": Quota(
        20_000,
        compiled(select(_bounded(col(TaskShare.task_id), col(TaskShare.owner_id) == _ME).label("used"))),
        "End shares that are no longer needed (unshare_task), or share the tasks with a team.",
    ),
}
OF_A_PERSON: tuple[Kind, ...] = ("tasks", "conversations", "messages", "teams", "shares")
"""Those that whoami shows; `members` is a limit of each team."""


@dataclass
class _Counted:
    used: int
    added: int = 0


class Quotas:
    """The limits of a server (0: none), and what it has counted lately."""

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        given = limits or {}
        self.limits: dict[Kind, int] = {kind: given.get(kind, QUOTAS[kind].default) for kind in KINDS}
        self._counted: TTLCache[tuple[str, Kind], _Counted] = TTLCache(REMEMBERED, RECOUNT_SECONDS, time.monotonic)

    async def check(self, transaction: "Transaction", kind: Kind, adding: int = 1, team_id: int = 0) -> None:
        """Make sure that `adding` more rows of the caller's fit, or more members of a team. 0: those that exist do.

        Raises:
            Conflict: they do not.
        """
        limit = self.limits[kind]
        key: tuple[str, Kind] = (f"{transaction.user_id} {team_id}", kind)
        if not limit or self._has_room(key, limit, adding):
            return
        used = await self._count(transaction, kind, limit, team_id)
        if used + adding > limit:
            whose = f"Team {team_id} has" if kind == "members" else "You have"
            raise Conflict(f"{whose} {used:,} {kind}, and the limit is {limit:,}. {QUOTAS[kind].advice}")
        self._counted[key] = _Counted(used, adding)

    async def check_repetition(self, transaction: "Transaction", task_id: int, owner: str, adding: int) -> None:
        """Make sure that `adding` more tasks fit for the owner of a task that the caller completes.

        Raises:
            Conflict: they do not.
        """
        if owner == transaction.user_id:
            await self.check(transaction, "tasks", adding)
            return
        limit = self.limits["tasks"]
        key: tuple[str, Kind] = (f"{owner} 0", "tasks")
        if not limit or self._has_room(key, limit, adding):
            return
        used = await transaction.fetch_value(_OF_OWNER, task_id=task_id, most=limit + 1)
        if used + adding > limit:
            raise Conflict(
                f"The owner of task {task_id} has no room for its next occurrence. They can delete tasks that are no "
                "longer needed, or its recurrence can be removed (update_task)."
            )
        self._counted[key] = _Counted(used, adding)

    def _has_room(self, key: tuple[str, Kind], limit: int, adding: int) -> bool:
        """Whether what was counted lately leaves enough room; then `adding` counts as added."""
        known = self._counted.get(key)
        if known is None:
            return False
        added = known.added + adding
        if added > UNCOUNTED * limit or known.used + added > NEAR * limit:
            return False
        known.added = added
        return True

    async def usage(self, transaction: "Transaction") -> dict[Kind, tuple[int, int]]:
        """How much of each limit of the caller is used, and the limit; kinds without one are left out."""
        usage: dict[Kind, tuple[int, int]] = {}
        for kind in OF_A_PERSON:
            if limit := self.limits[kind]:
                key = (f"{transaction.user_id} 0", kind)
                known = self._counted.get(key)
                if known is None or known.added:
                    used = await self._count(transaction, kind, limit, 0)
                    self._counted[key] = known = _Counted(used)
                usage[kind] = known.used, limit
        return usage

    async def _count(self, transaction: "Transaction", kind: Kind, limit: int, team_id: int) -> int:
        return await transaction.fetch_value(QUOTAS[kind].count, most=limit + 1, team_id=team_id)
