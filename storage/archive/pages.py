"""Reads what an archive contains, page by page, each in a transaction and under row-level security."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, Text, bindparam, case, func, select, tuple_
from sqlalchemy import cast as to_type
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlmodel import col

from storage.archive.records import (
    AuditRecord,
    ChangeRecord,
    ConversationRecord,
    InvitationRecord,
    MemberRecord,
    MessageRecord,
    PersonRecord,
    ShareRecord,
    TaskRecord,
    TeamRecord,
)
from storage.engine.database import Row, Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people.users import TIMEZONE
from storage.schema.errors import NotFound
from storage.schema.system_tables import AuditEvent, TaskEvent, TaskMessage
from storage.schema.tables import Conversation, Message, Task, TaskShare, Team, TeamMember, User

ROWS = 500
"""Rows of a page."""
MESSAGES = 50
"""Messages of a page, which may have 64 KiB of text and as much of tool calls each."""

RECEIVED = 1000
"""Invitations and blocks of a person; only 100 can wait for an answer."""

ME = func.current_user_id()


def _ids(table: type[Task] | type[Conversation]) -> Statement:
    ids = func.array_agg(aggregate_order_by(col(table.id), col(table.id)))
    return compiled(select(ids).where(col(table.user_id) == ME))


def _of(table: type[Task] | type[Conversation]) -> Any:  # noqa: ANN401
    given = func.any(bindparam("ids", type_=ARRAY(BigInteger)))
    return (col(table.id) == given) & (col(table.user_id) == ME)


# The ids are read first: no index has all tasks of a person in an order that pages could follow, deleted ones included.
_TASK_IDS, _CONVERSATION_IDS = _ids(Task), _ids(Conversation)
_TASKS = compiled(
    select(
        *(getattr(Task, name) for name in TaskRecord.model_fields if name not in ("assignee", "team_name")),
        col(Task.assignee_id).label("assignee"),
        col(Team.name).label("team_name"),
    )
    .outerjoin(Team, col(Team.id) == col(Task.team_id))
    .where(_of(Task))
    .order_by(col(Task.id))
)
_CONVERSATIONS = compiled(
    select(*(getattr(Conversation, name) for name in ConversationRecord.model_fields))
    .where(_of(Conversation))
    .order_by(col(Conversation.id))
)
_linked = (
    select(func.array_agg(aggregate_order_by(col(TaskMessage.task_id), col(TaskMessage.task_id))))
    .join(Task, (col(Task.id) == col(TaskMessage.task_id)) & (col(Task.user_id) == ME))
    .where(
        col(TaskMessage.conversation_id) == col(Message.conversation_id),
        col(TaskMessage.sequence) == col(Message.sequence),
    )
    .scalar_subquery()
)
_MESSAGES = compiled(
    select(
        *(getattr(Message, name) for name in MessageRecord.model_fields if name != "task_ids"),
        _linked.label("task_ids"),
    )
    .where(
        col(Message.conversation_id) == bindparam("conversation_id", type_=BigInteger),
        col(Message.user_id) == ME,
        col(Message.sequence) > bindparam("after", type_=Integer),
    )
    .order_by(col(Message.sequence))
    .limit(MESSAGES)
)
_position = (col(TaskEvent.transaction_id), col(TaskEvent.id))
_CHANGES = compiled(
    select(*_position, *(getattr(TaskEvent, name) for name in ChangeRecord.model_fields))
    .where(
        col(TaskEvent.owner_id) == ME,
        tuple_(*_position) > tuple_(*(bindparam(name, type_=BigInteger) for name in ("after_transaction", "after_id"))),
    )
    .order_by(*_position)
    .limit(ROWS)
)
_TEAMS = compiled(
    select(col(Team.id), col(Team.name), col(TeamMember.role))
    .join(TeamMember, (col(TeamMember.team_id) == col(Team.id)) & (col(TeamMember.user_id) == ME))
    .where(col(Team.id) > bindparam("after", type_=BigInteger))
    .order_by(col(Team.id))
    .limit(ROWS)
)
_member = (col(TeamMember.team_id), col(TeamMember.user_id))
_MEMBERS = compiled(
    select(*_member, col(User.name), col(User.email), col(TeamMember.role))
    .outerjoin(User, col(User.id) == col(TeamMember.user_id))
    .where(
        # Policies show the members of the caller's teams only; this lets the planner use the index.
        col(TeamMember.team_id) == func.any(func.my_team_ids()),
        tuple_(*_member) > tuple_(bindparam("after_team", type_=BigInteger), bindparam("after_user", type_=Text)),
    )
    .order_by(*_member)
    .limit(ROWS)
)
_other = case((col(TaskShare.owner_id) == ME, col(TaskShare.shared_with_user_id)), else_=col(TaskShare.owner_id))
_SHARES = compiled(
    select(
        case((col(TaskShare.owner_id) == ME, "given"), else_="received").label("direction"),
        col(TaskShare.task_id),
        col(Task.title),
        _other.label("user_id"),
        to_type(col(User.name), Text).label("name"),
        col(User.email),
        col(TaskShare.permission),
        col(TaskShare.created_at),
    )
    .outerjoin(Task, col(Task.id) == col(TaskShare.task_id))
    .outerjoin(User, col(User.id) == _other)
    .where((col(TaskShare.owner_id) == ME) | (col(TaskShare.shared_with_user_id) == ME))
    .where(
        tuple_(col(TaskShare.task_id), col(TaskShare.shared_with_user_id))
        > tuple_(bindparam("after_task", type_=BigInteger), bindparam("after_user", type_=Text))
    )
    .order_by(col(TaskShare.task_id), col(TaskShare.shared_with_user_id))
    .limit(ROWS)
)
_AFTER = bindparam("after", type_=BigInteger)
_OFFERS = compiled(select(func.my_offers(_AFTER, ROWS).table_valued("id", "address", "offered", "created_at")))
_invitation = func.my_invitations(RECEIVED).table_valued(
    *("id", "status", "inviter_id", "inviter_name", "inviter_email"),
    *("team_id", "team_name", "task_title", "offered", "created_at", "total"),
)
_RECEIVED = compiled(
    select(
        _invitation.c.inviter_id.label("user_id"),
        _invitation.c.inviter_name.label("name"),
        _invitation.c.inviter_email.label("email"),
        *(_invitation.c[name] for name in ("status", "offered", "team_name", "task_title", "created_at")),
    )
)
_AUDIT_LOG = compiled(
    select(AuditEvent)
    .where(col(AuditEvent.user_id) == ME, col(AuditEvent.id) > _AFTER)
    .order_by(col(AuditEvent.id))
    .limit(ROWS)
)
_PERSON = compiled(
    select(col(User.id), col(User.email), col(User.name), TIMEZONE.label("timezone"), col(User.created_at)).where(
        col(User.id) == ME
    )
)


@retry_transient
async def _fetch(scope: Scope, statement: Statement, **values: Any) -> list[Row]:  # noqa: ANN401
    async with scope.transaction() as transaction:
        return await transaction.fetch_all(statement, **values)


async def task_ids(scope: Scope) -> list[int]:
    """The ids of all tasks that the caller owns, deleted ones included."""
    return (await _fetch(scope, _TASK_IDS))[0][0] or []


async def conversation_ids(scope: Scope) -> list[int]:
    """The ids of all conversations of the caller."""
    return (await _fetch(scope, _CONVERSATION_IDS))[0][0] or []


async def tasks(scope: Scope, ids: Sequence[int]) -> AsyncIterator[list[TaskRecord]]:
    """The tasks with these ids, without those that are gone."""
    for first in range(0, len(ids), ROWS):
        rows = await _fetch(scope, _TASKS, ids=ids[first : first + ROWS])
        yield [TaskRecord.model_construct(**row) for row in rows]


async def conversations(scope: Scope, ids: Sequence[int]) -> AsyncIterator[list[ConversationRecord]]:
    """The conversations with these ids, without those that are gone."""
    for first in range(0, len(ids), ROWS):
        rows = await _fetch(scope, _CONVERSATIONS, ids=ids[first : first + ROWS])
        yield [ConversationRecord.model_construct(**row) for row in rows]


async def messages(scope: Scope, conversation_id: int) -> AsyncIterator[list[MessageRecord]]:
    """All messages of a conversation, by their numbers."""
    after = 0
    while rows := await _fetch(scope, _MESSAGES, conversation_id=conversation_id, after=after):
        yield [MessageRecord.model_construct(**dict(row) | _parsed(row, "tool_calls")) for row in rows]
        after = rows[-1]["sequence"]
        if len(rows) < MESSAGES:
            return


async def changes(scope: Scope) -> AsyncIterator[list[ChangeRecord]]:
    """The history of tasks while the caller owned them, the oldest transaction first."""
    after = {"after_transaction": 0, "after_id": 0}
    while rows := await _fetch(scope, _CHANGES, **after):
        fields = ({name: row[name] for name in ChangeRecord.model_fields} for row in rows)
        yield [
            ChangeRecord.model_construct(**given | _parsed(row, "changes"))
            for given, row in zip(fields, rows, strict=True)
        ]
        after = {"after_transaction": rows[-1]["transaction_id"], "after_id": rows[-1]["id"]}


async def teams(scope: Scope) -> AsyncIterator[list[TeamRecord]]:
    """The teams that the caller is in, the oldest first."""
    after = 0
    while rows := await _fetch(scope, _TEAMS, after=after):
        yield [TeamRecord.model_construct(**row) for row in rows]
        after = rows[-1]["id"]


async def members(scope: Scope) -> AsyncIterator[list[MemberRecord]]:
    """All members of these teams, team by team."""
    after: dict[str, Any] = {"after_team": 0, "after_user": ""}
    while rows := await _fetch(scope, _MEMBERS, **after):
        yield [MemberRecord.model_construct(**row) for row in rows]
        after = {"after_team": rows[-1]["team_id"], "after_user": rows[-1]["user_id"]}


async def shares(scope: Scope) -> AsyncIterator[list[ShareRecord]]:
    """Tasks that the caller shares, and tasks that are shared with the caller."""
    after: dict[str, Any] = {"after_task": 0, "after_user": ""}
    while rows := await _fetch(scope, _SHARES, **after):
        yield [ShareRecord.model_construct(**row) for row in rows]
        given = rows[-1]["direction"] == "given"
        recipient = rows[-1]["user_id"] if given else scope.user_id
        after = {"after_task": rows[-1]["task_id"], "after_user": recipient}


async def invitations(scope: Scope) -> AsyncIterator[list[InvitationRecord]]:
    """What the caller has offered to others, and what others offer to the caller."""
    after = 0
    while rows := await _fetch(scope, _OFFERS, after=after):
        after = rows[-1]["id"]
        kept = [{name: value for name, value in row.items() if name != "id"} for row in rows]
        yield [InvitationRecord.model_construct(direction="sent", **row) for row in kept]
    yield [InvitationRecord.model_construct(direction="received", **row) for row in await _fetch(scope, _RECEIVED)]


async def audit_log(scope: Scope) -> AsyncIterator[list[AuditRecord]]:
    """What concerned the caller's account or data, the oldest first."""
    after = 0
    while rows := await _fetch(scope, _AUDIT_LOG, after=after):
        after = rows[-1]["id"]
        yield [_audit_record(row) for row in rows]


async def person(scope: Scope) -> PersonRecord:
    """The caller's profile.

    Raises:
        NotFound: nobody has ever signed in with this id.
    """
    rows = await _fetch(scope, _PERSON)
    if not rows:
        raise NotFound(f"No user {scope.user_id}: nobody has signed in with that id.")
    return PersonRecord.model_construct(**rows[0])


def _audit_record(row: Row) -> AuditRecord:
    kept = {name: row[name] for name in ("action", "client", "created_at")}
    return AuditRecord.model_construct(by=row["actor_id"], **kept, **_parsed(row, "details"))


def _parsed(row: Row, name: str) -> dict[str, Any]:
    return {name: None if row[name] is None else json.loads(row[name])}
