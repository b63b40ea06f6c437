"""Verbs on teams and their members. docs/data-model.md, "Permissions", says what each role may do."""

from collections.abc import Generator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import BigInteger, Text, and_, bindparam, cast, false, func, select, true
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import aliased
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import invitations, users
from storage.schema import token_budget
from storage.schema.errors import Conflict, NeedsConsent, NotAllowed, NotFound
from storage.schema.request_models import TeamRole
from storage.schema.response_models import (
    ListedTeam,
    Member,
    TeamAfterAdding,
    TeamBrief,
    TeamDeleted,
    TeamList,
    TeamView,
)
from storage.schema.tables import Team, TeamMember, User

_TEAM = bindparam("team_id", type_=BigInteger)
_USER = bindparam("user_id", type_=Text)

# A SECURITY DEFINER function, which adds the creator as owner: a policy lets only owners and admins add members, and a
# new team has none.
_CREATE = compiled(select(func.create_team(bindparam("name", type_=Text))))
_members = (
    select(
        col(TeamMember.team_id),
        # A label, because only the first of two columns called name could be read (storage/engine/statements.py).
        cast(col(Team.name), Text).label("team_name"),
        col(TeamMember.user_id),
        col(TeamMember.role),
        col(User.name),
        col(User.email),
    )
    .join(Team, col(Team.id) == col(TeamMember.team_id))
    .join(User, col(User.id) == col(TeamMember.user_id))
    .order_by(col(Team.id), col(TeamMember.created_at), col(TeamMember.user_id))
)
_ONE = compiled(_members.where(col(Team.id) == _TEAM))
# The team that is always included comes first, so that the limit does not cut it off.
_BRIEF = compiled(
    select(col(Team.id), col(Team.name), col(TeamMember.role), func.count().over().label("total"))
    .join(TeamMember, col(TeamMember.team_id) == col(Team.id))
    .where(col(TeamMember.user_id) == func.current_user_id())
    .order_by(func.coalesce(col(Team.id) == _TEAM, false()).desc(), col(Team.id))
    .limit(bindparam("most", type_=BigInteger))
)
MOST_LISTED = 100
"""How many teams are listed at most."""
_MOST_MEMBERS = 300
"""How many members of all listed teams are read at most. More have no room in a reply."""
_mine = aliased(TeamMember)
_page = (
    select(col(Team.id), col(Team.name), col(_mine.role), func.count().over().label("total"))
    .join(_mine, and_(col(_mine.team_id) == col(Team.id), col(_mine.user_id) == func.current_user_id()))
    .order_by(col(Team.id))
    .limit(MOST_LISTED)
    .subquery()
)
# Members are counted for the teams of the page only: beside the window function, they would be for every team.
_counted = select(func.count().label("count")).where(col(TeamMember.team_id) == _page.c.id).scalar_subquery()
_LISTED = compiled(select(_page, _counted.label("members")).order_by(_page.c.id))
_listed = func.unnest(bindparam("team_ids", type_=ARRAY(BigInteger))).table_valued("id").render_derived("listed")
_first = (
    select(col(TeamMember.team_id), col(TeamMember.user_id), col(TeamMember.role), col(TeamMember.created_at))
    .where(col(TeamMember.team_id) == _listed.c.id)
    .order_by(col(TeamMember.created_at), col(TeamMember.user_id))
    .limit(bindparam("each", type_=BigInteger))
    .lateral("first")
)
_FIRST_MEMBERS = compiled(
    select(_first.c.team_id, _first.c.user_id, _first.c.role, col(User.name), col(User.email))
    .select_from(_listed.join(_first, true()))
    .join(User, col(User.id) == _first.c.user_id)
    .order_by(_first.c.team_id, _first.c.created_at, _first.c.user_id)
)
_adding = insert(TeamMember).values(team_id=_TEAM, user_id=_USER, role=bindparam("role", type_=Text))
_ADD = compiled(
    _adding.on_conflict_do_update(index_elements=["team_id", "user_id"], set_={"role": _adding.excluded.role})
)
_DELETE = compiled(select(func.delete_team(_TEAM)))
_REMOVE = compiled(delete_from(TeamMember).where(col(TeamMember.team_id) == _TEAM, col(TeamMember.user_id) == _USER))


@retry_transient
async def create(scope: Scope, name: str) -> TeamView:
    """Create a team that the caller owns."""
    async with scope.transaction() as transaction:
        await transaction.quotas.check(transaction, "teams")
        team_id = await transaction.fetch_value(_CREATE, name=name)
        return await _read(transaction, team_id)


@retry_transient
async def find_brief(scope: Scope, most: int = MOST_LISTED) -> tuple[list[TeamBrief], int]:
    """The caller's teams without their members, oldest first, `most` at most, and how many there are."""
    async with scope.transaction() as transaction:
        return await read_brief(transaction, most, None)


async def read_brief(transaction: Transaction, most: int, always: int | None) -> tuple[list[TeamBrief], int]:
    """The caller's teams without their members, oldest first, and how many there are.

    At most `most` of them; the team `always` is included in any case.
    """
    rows = await transaction.fetch_all(_BRIEF, team_id=always, most=most)
    teams = [TeamBrief.model_construct(id=row["id"], name=row["name"], role=row["role"]) for row in rows]
    return sorted(teams, key=lambda team: team.id), rows[0]["total"] if rows else 0


@retry_transient
async def find_fitting(scope: Scope, max_tokens: int) -> TeamList:
    """The caller's teams, oldest first: with all members if they fit, else fewer members of each, else fewer teams."""
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(_LISTED)
        each = _equal_share([row["members"] for row in rows])
        first = await transaction.fetch_all(_FIRST_MEMBERS, team_ids=[row["id"] for row in rows], each=each)
    members: dict[int, list[Member]] = {}
    for row in first:
        members.setdefault(row["team_id"], []).append(member_of(row))
    teams = [
        ListedTeam(
            id=row["id"],
            name=row["name"],
            role=row["role"],
            members=members[row["id"]],
            more_members=row["members"] - len(members[row["id"]]) or None,
        )
        for row in rows
    ]
    shown = _fit(teams, max_tokens)
    total = rows[0]["total"] if rows else 0
    return TeamList(teams=shown, more_teams=total - len(shown) or None)


def _equal_share(counts: list[int]) -> int:
    """How many members of each team to read, so that there are about `_MOST_MEMBERS` of all teams together."""
    left = _MOST_MEMBERS
    for place, count in enumerate(sorted(counts)):
        # What a small team does not need goes to larger ones.
        if (share := left // (len(counts) - place)) <= count:
            return max(share, 1)
        left -= count
    return _MOST_MEMBERS


def _fit(teams: list[ListedTeam], max_tokens: int) -> list[ListedTeam]:
    if sum(map(token_budget.cost, teams)) <= max_tokens:
        return teams
    left, fitted = max_tokens, list[ListedTeam]()
    for place, team in enumerate(teams):
        # Each team gets an equal part of what is left, so tokens that a small team does not need go to later ones.
        count = len(team.members) + (team.more_members or 0)
        bare = team.model_copy(update={"members": [], "more_members": count})
        members = token_budget.fitting(team.members, left // (len(teams) - place) - token_budget.cost(bare))
        fitted.append(bare.model_copy(update={"members": members, "more_members": count - len(members) or None}))
        left -= token_budget.cost(fitted[-1])
    return token_budget.fill(fitted, max_tokens)


@retry_transient
async def add_member(
    scope: Scope, team_id: int, person: str, role: TeamRole = "member", *, ask: bool = False
) -> TeamAfterAdding:
    """Add a person (id or e-mail) to a team; a member who is already in it gets this role.

    Somebody new gets an invitation instead, and the answer is the same whether anybody is known by that name or not.

    Raises:
        NotFound: no such team; NotAllowed: for owners and admins, and owners are made and unmade by owners; Conflict:
        the last owner would no longer be one, or there are too many invitations; NeedsConsent: somebody new would be
        invited, and the caller is to `ask`.
    """
    async with scope.transaction() as transaction:
        mine = await _my_role(transaction, team_id)
        if mine not in ("owner", "admin"):
            raise NotAllowed(f"You are a {mine} of team {team_id}: only its owners and admins may change its members.")
        found = await users.find(transaction, person)
        present = await users.role_in(transaction, team_id, found["id"]) if found else None
        if mine != "owner" and "owner" in (role, present):
            raise NotAllowed(f"Only an owner of team {team_id} may make or unmake its owners.")
        await transaction.quotas.check(transaction, "members", int(present is None), team_id)
        direct = found is not None and await invitations.takes_directly(transaction, found["id"], team_id=team_id)
        if not direct:
            await invitations.invite(transaction, person, role, team_id=team_id)
        elif found is not None and present != role:
            with _explaining_last_owner(team_id):
                await transaction.run(_ADD, team_id=team_id, user_id=found["id"], role=role)
        team = await _read(transaction, team_id)
        if ask and not direct:
            raise NeedsConsent(1, [team.name])
        return TeamAfterAdding(**dict(team), status=None if direct else "pending")


@retry_transient
async def delete(scope: Scope, team_id: int, *, ask: bool = False) -> TeamDeleted:
    """End a team for all its members. Its tasks stay with their owners, outside any team.

    Raises:
        NotFound: no such team; NotAllowed: for owners; NeedsConsent: the caller is to `ask`.
    """
    async with scope.transaction() as transaction:
        mine = await _my_role(transaction, team_id)
        if mine != "owner":
            raise NotAllowed(f"Only an owner of team {team_id} may delete it.")
        team = await _read(transaction, team_id)
        if ask:
            raise NeedsConsent(len(team.members), [team.name])
        if not await transaction.fetch_value(_DELETE, team_id=team_id):
            raise users.no_team(team_id)
        return TeamDeleted(team_id=team_id, deleted=True)


@retry_transient
async def remove_member(scope: Scope, team_id: int, person: str) -> TeamView:
    """Remove a person from a team, or take an invitation back; anyone may remove themselves.

    Their tasks in the team go to the owner who removes them, else to its first owner. Shares that they gave end.

    Returns the team without them, as the caller saw it before leaving.

    Raises:
        NotFound: no such team or member; NotAllowed: for owners and admins, and owners are removed by owners;
        Conflict: the last owner stays.
    """
    async with scope.transaction() as transaction:
        mine = await _my_role(transaction, team_id)
        found = await users.find(transaction, person)
        user_id = found["id"] if found else None
        if user_id != scope.user_id and mine not in ("owner", "admin"):
            raise NotAllowed(f"You are a {mine} of team {team_id}: you may only remove yourself.")
        present = await users.role_in(transaction, team_id, user_id) if user_id is not None else None
        if present is None:
            if await invitations.withdraw(transaction, person, team_id=team_id):
                return await _read(transaction, team_id)
            raise NotFound(f"{person} is not a member of team {team_id}. Use list_teams to see who is.")
        if user_id != scope.user_id and mine != "owner" and present == "owner":
            raise NotAllowed(f"Only an owner of team {team_id} may remove its owners.")
        # Read first: policies show a team only to its members, and the caller may be the one who leaves.
        before = await _read(transaction, team_id)
        with _explaining_last_owner(team_id):
            await transaction.run(_REMOVE, team_id=team_id, user_id=user_id)
        return before.model_copy(update={"members": [m for m in before.members if m.user_id != user_id]})


async def _my_role(transaction: Transaction, team_id: int) -> TeamRole:
    role = await users.role_in(transaction, team_id, transaction.user_id)
    if role is None:
        raise users.no_team(team_id)
    return role


@contextmanager
def _explaining_last_owner(team_id: int) -> Generator[None]:
    """Turn the refusal of the trigger keep_team_owner into a Conflict."""
    # Only the trigger can decide: it locks the team, so two owners who leave at the same time are checked one by one.
    try:
        yield
    except asyncpg.CheckViolationError as error:
        raise Conflict(
            f"Team {team_id} needs an owner: make somebody else one first (add_team_member with role owner)."
        ) from error


async def _read(transaction: Transaction, team_id: int) -> TeamView:
    return _view(await transaction.fetch_all(_ONE, team_id=team_id), transaction.user_id)


def member_of(row: Row) -> Member:
    """A member as callers see them."""
    return Member.model_construct(user_id=row["user_id"], name=row["name"], email=row["email"], role=row["role"])


def _view(rows: list[Row], user_id: str) -> TeamView:
    members = list(map(member_of, rows))
    mine = next(member.role for member in members if member.user_id == user_id)
    return TeamView.model_construct(id=rows[0]["team_id"], name=rows[0]["team_name"], role=mine, members=members)
