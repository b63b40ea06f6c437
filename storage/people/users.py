"""Users known from the identity provider, and how they refer to each other as members, recipients and assignees."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlmodel import col

from storage.engine.database import Database, Row, Scope, Transaction
from storage.engine.quotas import Kind
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people.timezones import find_timezone, spellings
from storage.schema.errors import InvalidInput, NotAllowed, NotFound
from storage.schema.plain_text import without_hidden
from storage.schema.request_models import TeamRole
from storage.schema.tables import TaskShare, TeamMember, User

_found = func.find_users(bindparam("person")).table_valued("id", "email", "name")
# A SECURITY DEFINER function: people may be named by id or e-mail before the caller shares a team or task with them.
_FIND = compiled(select(_found))
_timezone = func.coalesce(col(User.chosen_timezone), col(User.timezone), col(User.default_timezone))
TIMEZONE = func.coalesce(select(_timezone).where(col(User.id) == func.current_user_id()).scalar_subquery(), "UTC")
"""The caller's time zone in SQL."""
_TIMEZONE = compiled(select(_timezone).where(col(User.id) == bindparam("user_id", type_=Text)))
_KNOWN = compiled(select(func.known_timezone(bindparam("names", type_=ARRAY(Text)))))
_CHOOSE = compiled(
    update(User)
    .where(col(User.id) == func.current_user_id())
    .values(chosen_timezone=bindparam("chosen", type_=Text), updated_at=func.now())
)
_ROLE = compiled(
    select(col(TeamMember.role)).where(
        col(TeamMember.team_id) == bindparam("team_id", type_=BigInteger),
        col(TeamMember.user_id) == bindparam("user_id", type_=Text),
    )
)
_PERMISSION = compiled(
    select(col(TaskShare.permission)).where(
        col(TaskShare.task_id) == bindparam("task_id", type_=BigInteger),
        col(TaskShare.shared_with_user_id) == bindparam("user_id", type_=Text),
    )
)
_told = insert(User).values(
    id=func.current_user_id(),
    email=bindparam("email", type_=Text),
    name=bindparam("name", type_=Text),
    timezone=func.known_timezone(bindparam("timezones", type_=ARRAY(Text))),
    default_timezone=func.known_timezone(bindparam("default_timezones", type_=ARRAY(Text))),
)
# A token without a claim does not erase the value of an earlier one.
_news = {
    name: (column, func.coalesce(_told.excluded[name], column))
    for name, column in (
        ("email", col(User.email)),
        ("name", col(User.name)),
        ("timezone", col(User.timezone)),
        ("default_timezone", col(User.default_timezone)),
    )
}
# Most tokens say nothing new. The condition then leaves the row as it is, without a write or a trigger.
_REMEMBER = compiled(
    _told.on_conflict_do_update(
        index_elements=["id"],
        set_={**{name: new for name, (_, new) in _news.items()}, "updated_at": func.now()},
        where=or_(*(old.is_distinct_from(new) for old, new in _news.values())),
    )
)
_token = func.find_personal_token(bindparam("hash", type_=Text)).table_valued(
    "user_id", "email", "name", "token_name", "scopes", "expires_at"
)
_FIND_TOKEN = compiled(select(_token))


@dataclass(frozen=True)
class TokenHolder:
    """The user and the scopes of a personal access token."""

    user_id: str
    email: str | None
    name: str | None
    token_name: str
    scopes: frozenset[str]
    expires_at: datetime


@retry_transient
async def remember(
    scope: Scope, email: str | None, name: str | None, timezone: str | None, default_timezone: str | None = None
) -> None:
    """Store the claims of a token about its user, and the default time zone of the server; None changes nothing.

    A time zone that the database does not know is left out.

    Raises:
        NotAllowed: the user was deleted within the last day.
    """
    try:
        async with scope.transaction() as transaction:
            await transaction.run(
                _REMEMBER,
                email=email,
                name=(without_hidden(name).strip() or None) if name else None,
                timezones=spellings(timezone) if timezone else [],
                default_timezones=spellings(default_timezone) if default_timezone else [],
            )
    except NotAllowed:
        # Only the trigger users_refuse_ended refuses this statement.
        raise NotAllowed("This account was deleted. What was issued for it before works no longer.") from None


@retry_transient
async def choose_timezone(scope: Scope, name: str) -> str:
    """Set the caller's time zone, which takes precedence over tokens; returns its IANA name.

    Raises:
        InvalidInput: there is no such zone, or the database does not know it.
    """
    # Python and PostgreSQL have separate tz databases, and days are computed by both: the zone must be known to both.
    timezone = find_timezone(name)
    async with scope.transaction() as transaction:
        known: str | None = await transaction.fetch_value(_KNOWN, names=spellings(timezone))
        if known is None:
            raise InvalidInput(f"timezone: the database does not know {timezone}. Take a zone that has the same time.")
        await transaction.run(_CHOOSE, chosen=known)
        return known


@retry_transient
async def current_timezone(scope: Scope) -> str | None:
    """The caller's time zone; None if there is none, so that days are in UTC."""
    async with scope.transaction() as transaction:
        return await timezone_of(transaction, scope.user_id)


@retry_transient
async def find_personal_token(database: Database, token_hash: str) -> TokenHolder | None:
    """The holder of a valid personal access token by its SHA-256 (hex), or None. Records the use once a minute."""
    # Without an identity, because the token is what proves it; the function runs as taskdeck_rls.
    async with database.nobody().transaction() as transaction:
        row = await transaction.fetch_one(_FIND_TOKEN, hash=token_hash)
    if row is None:
        return None
    found: dict[str, Any] = {**row, "scopes": frozenset(row["scopes"].split())}
    return TokenHolder(**found)


@retry_transient
async def look_up(database: Database, person: str) -> str:
    """The user id of anybody, by id or e-mail: for administrators.

    Raises:
        NotFound: there is no such user, or several.
    """
    async with database.nobody().transaction() as transaction:
        found = await find(transaction, person)
    if found is None:
        raise NotFound(f"No user {person}: nobody has signed in with that id or e-mail.")
    return found["id"]


@retry_transient
async def read_profile(scope: Scope) -> tuple[str | None, dict[Kind, tuple[int, int]]]:
    """The caller's time zone, and how much of each limit they use: `{kind: (used, limit)}`."""
    async with scope.transaction() as transaction:
        return await timezone_of(transaction, scope.user_id), await transaction.quotas.usage(transaction)


async def find(transaction: Transaction, person: str) -> Row | None:
    """The one user with this id or e-mail with whom the caller shares something; None: nobody, or somebody new.

    Raises:
        NotFound: several have that e-mail.
    """
    rows = await transaction.fetch_all(_FIND, person=person)
    # An id comes before an e-mail: nobody can take another user's place with an e-mail that equals an id.
    exact = [row for row in rows if row["id"] == person] or rows
    if len(exact) > 1:
        raise NotFound(f"Several users have the e-mail {person}. Name the person by user id (whoami tells one's own).")
    return exact[0] if exact else None


async def timezone_of(transaction: Transaction, user_id: str) -> str | None:
    """The IANA time zone of a user whose profile the caller may read."""
    return await transaction.fetch_value(_TIMEZONE, user_id=user_id)


async def role_in(transaction: Transaction, team_id: int, user_id: str) -> TeamRole | None:
    """The role of a user in a team that the caller belongs to."""
    return await transaction.fetch_value(_ROLE, team_id=team_id, user_id=user_id)


async def permission_of(transaction: Transaction, task_id: int, user_id: str) -> str | None:
    """The permission, `view` or `edit`, with which a task is shared with a user, if the caller may see the share."""
    return await transaction.fetch_value(_PERMISSION, task_id=task_id, user_id=user_id)


async def check_may_put_into(transaction: Transaction, team_id: int, task: Row | None) -> None:
    """Refuse a team that the caller is not in, or only views, or that the owner of the task is not in.

    Raises:
        NotFound, NotAllowed.
    """
    role = await role_in(transaction, team_id, transaction.user_id)
    if role is None:
        raise no_team(team_id)
    if role == "viewer":
        raise NotAllowed(f"You are a viewer of team {team_id}: only owners, admins and members may put tasks into it.")
    if task is not None and task["owner"] is not None and await role_in(transaction, team_id, task["owner"]) is None:
        raise NotAllowed(f"Task {task['id']} belongs to {task['owner']}, who is not in team {team_id}: add them first.")


def no_team(team_id: int) -> NotFound:
    """The error for a team that does not exist, and for one that the caller is not in."""
    return NotFound(f"No team {team_id}. Use list_teams to find its id.")


async def assignable(transaction: Transaction, person: str, team_id: int | None, task: Row | None) -> str:
    """The user id of an assignee, who must be able to see the task.

    Raises:
        InvalidInput: the person cannot see the task, or nobody is known by that name.
    """
    found = await find(transaction, person)
    if found is not None:
        user_id: str = found["id"]
        # The owner always sees the task, and so does the caller. Team members and recipients of a share are looked up.
        owner = (task["owner"] if task else None) or transaction.user_id
        if user_id in (owner, transaction.user_id):
            return user_id
        if team_id is not None and await role_in(transaction, team_id, user_id) is not None:
            return user_id
        if task is not None and await permission_of(transaction, task["id"], user_id) is not None:
            return user_id
    if task is None:
        raise InvalidInput(
            f"{person} cannot see this task: give a team_id of a team that they are in, or leave assignee out, and "
            "assign it (update_task) when it is shared with them (share_task)."
        )
    raise InvalidInput(
        f"{person} cannot see this task: share it with them (share_task), or add them to its team first."
    )
