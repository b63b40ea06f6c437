"""Reading the members of one team."""

from sqlalchemy import BigInteger, Text, bindparam, cast, func, select
from sqlmodel import col

from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import users
from storage.people.teams import member_of
from storage.schema.response_models import ListedTeam
from storage.schema.tables import Team, TeamMember, User

MOST_MEMBERS = 200
"""How many members a page shows."""

_MEMBERS = compiled(
    select(
        col(TeamMember.user_id),
        col(TeamMember.role),
        col(User.name),
        col(User.email),
        cast(col(Team.name), Text).label("team_name"),
        func.count().over().label("total"),
    )
    .join(Team, col(Team.id) == col(TeamMember.team_id))
    .join(User, col(User.id) == col(TeamMember.user_id))
    .where(col(TeamMember.team_id) == bindparam("team_id", type_=BigInteger))
    .order_by(col(TeamMember.created_at), col(TeamMember.user_id))
    .limit(bindparam("most", type_=BigInteger))
)


@retry_transient
async def read(scope: Scope, team_id: int) -> ListedTeam:
    """A team of the caller's with its first MOST_MEMBERS members, who joined first; `more_members` counts the others.

    Raises:
        NotFound: no such team, or the caller is not in it.
    """
    async with scope.transaction() as transaction:
        mine = await users.role_in(transaction, team_id, scope.user_id)
        rows = await transaction.fetch_all(_MEMBERS, team_id=team_id, most=MOST_MEMBERS)
    # Without rows, the caller was removed between the two statements.
    if mine is None or not rows:
        raise users.no_team(team_id)
    return ListedTeam(
        id=team_id,
        name=rows[0]["team_name"],
        role=mine,
        members=[member_of(row) for row in rows],
        more_members=rows[0]["total"] - len(rows) or None,
    )
