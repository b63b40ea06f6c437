"""Everything that the page of one task shows, in one transaction."""

from sqlalchemy import BigInteger, Text, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.dashboard_models import NamedPerson, TaskPageView
from storage.schema.response_models import Share
from storage.schema.tables import Team, TeamMember, User
from storage.tasks import activity, columns, origins, sharing, subtasks
from storage.tasks.activity import ActivityFilter

MOST_SUBTASKS = 100
MOST_MEMBERS = 200
"""How many members of a team are offered as assignees."""

_TEAM_ID = bindparam("team_id", type_=BigInteger)
_TEAM_NAME = compiled(select(col(Team.name)).where(col(Team.id) == _TEAM_ID))
_MEMBERS = compiled(
    select(col(TeamMember.user_id))
    .where(col(TeamMember.team_id) == _TEAM_ID)
    .order_by(col(TeamMember.created_at), col(TeamMember.user_id))
    .limit(MOST_MEMBERS)
)
# The policy of users leaves out those with whom the caller shares nothing any more.
_PEOPLE = compiled(
    select(col(User.id), col(User.name), col(User.email))
    .where(col(User.id) == bindparam("ids", type_=ARRAY(Text)).any_())
    .order_by(col(User.name), col(User.id))
)


@retry_transient
async def read(scope: Scope, task_id: int) -> TaskPageView:
    """A task with its subtasks, shares, conversations and history, and the people to whom it may be assigned.

    Raises:
        NotFound.
    """
    async with scope.transaction(snapshot=True) as transaction:
        row = await columns.find_one(transaction, task_id)
        shares = await sharing.shares_of(transaction, row)
        children, count = await subtasks.find_children(transaction, task_id, MOST_SUBTASKS, None)
        team_name, people = await _find_people(transaction, row, shares)
        parent = await columns.find_one(transaction, row["parent_id"]) if row["parent_id"] else None
        conversations = await origins.find_conversations(transaction, task_id)
        latest = await activity.read(transaction, ActivityFilter(task_id=task_id))
    return TaskPageView.model_construct(
        **columns.payload(row),
        parent_title=parent["title"] if parent else None,
        team_name=team_name,
        subtasks=children,
        subtask_count=count,
        shares=shares,
        people=people,
        conversations=conversations,
        history=latest.changes,
        history_cursor=latest.next_cursor,
        timezone=latest.timezone,
    )


async def _find_people(transaction: Transaction, row: Row, shares: list[Share]) -> tuple[str | None, list[NamedPerson]]:
    """The name of the task's team, and who sees the task as far as the caller may know it."""
    ids = {transaction.user_id, row["owner"], row["assignee_id"], *(share.user_id for share in shares)} - {None}
    team_name: str | None = None
    if row["team_id"] is not None:
        team_name = await transaction.fetch_value(_TEAM_NAME, team_id=row["team_id"])
        ids |= {member["user_id"] for member in await transaction.fetch_all(_MEMBERS, team_id=row["team_id"])}
    rows = await transaction.fetch_all(_PEOPLE, ids=sorted(ids))
    people = [NamedPerson.model_construct(user_id=r["id"], name=r["name"], email=r["email"]) for r in rows]
    return team_name, people
