"""Stores the rows of an import, within its transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, cast, func, insert, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import col

from storage.archive.incoming import ConversationRow, TaskRow
from storage.engine.database import Transaction
from storage.engine.statements import Statement, compiled
from storage.schema.errors import StorageError
from storage.schema.request_models import NewMessage
from storage.schema.system_tables import ImportKey, TaskMessage
from storage.schema.tables import Conversation, Message, Task, Team

ME = func.current_user_id()
MOST_LEVELS = 100
MESSAGES = 200
"""Messages of one statement."""
_MOMENT = DateTime(timezone=True)
# Tags contain no control characters, so this one can stand between them: unnest() would flatten arrays of arrays.
_SEPARATOR = "\x1f"


@dataclass
class Placed:
    """A task with its parent, and the id that it has got."""

    row: TaskRow
    parent: "Placed | None" = None
    id: int | None = None


_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("title", "description", "status", "priority", "due", "tags", "recurrence", "assignee_id"), Text),
    **dict.fromkeys(("due_at", "created_at", "updated_at", "completed_at", "deleted_at"), _MOMENT),
    **dict.fromkeys(("team_id", "parent_id"), BigInteger),
    "version": Integer,
}


def _given(types: dict[str, Any]) -> Any:  # noqa: ANN401
    arrays = (bindparam(f"{name}_list", type_=ARRAY(kind)) for name, kind in types.items())
    return func.unnest(*arrays).table_valued(*types, with_ordinality="position").render_derived("given")


_rows = _given(_COLUMNS)
_values = {name: _rows.c[name] for name in _COLUMNS} | {"tags": func.string_to_array(_rows.c.tags, _SEPARATOR)}
# PostgreSQL assigns ids in the order of the query, so sorted ids belong to the rows in their order.
_TASKS = compiled(
    insert(Task)
    .from_select(["user_id", *_values], select(ME, *_values.values()).order_by(_rows.c.position))
    .returning(col(Task.id))
)
_CONVERSATION = compiled(
    insert(Conversation)
    .values(
        user_id=ME,
        title=bindparam("title_", type_=Text),
        message_count=bindparam("size", type_=Integer),
        created_at=bindparam("created", type_=_MOMENT),
        updated_at=bindparam("updated", type_=_MOMENT),
    )
    .returning(col(Conversation.id))
)
_MESSAGE = {**dict.fromkeys(("role", "content", "tool_calls", "tool_call_id", "model"), Text), "created_at": _MOMENT}
_told = _given(_MESSAGE)
_parts = {name: _told.c[name] for name in _MESSAGE} | {"tool_calls": cast(_told.c.tool_calls, JSONB)}
_MESSAGES = compiled(
    insert(Message).from_select(
        ["conversation_id", "sequence", "user_id", *_parts],
        select(
            bindparam("conversation_id", type_=BigInteger),
            bindparam("before", type_=Integer) + cast(_told.c.position, Integer),
            ME,
            *_parts.values(),
        ).select_from(_told),
    )
)
_links = _given({"sequence": Integer, "task_id": BigInteger})
_LINK = compiled(
    insert(TaskMessage).from_select(
        ["conversation_id", "sequence", "task_id", "user_id", "created_at"],
        select(col(Message.conversation_id), col(Message.sequence), _links.c.task_id, ME, col(Message.created_at)).join(
            _links,
            (col(Message.conversation_id) == bindparam("conversation_id", type_=BigInteger))
            & (col(Message.sequence) == _links.c.sequence),
        ),
    )
)
_keys = bindparam("keys", type_=ARRAY(Text))
_FOUND = compiled(
    select(col(ImportKey.key), col(ImportKey.task_id), col(ImportKey.team_id)).where(
        col(ImportKey.user_id) == ME,
        col(ImportKey.key) == func.any(_keys),
        # What an import made may be gone: then the row is imported again.
        or_(
            select(1).where(col(Task.id) == col(ImportKey.task_id)).exists(),
            select(1).where(col(Conversation.id) == col(ImportKey.conversation_id)).exists(),
            col(ImportKey.team_id) == func.any(func.my_writable_team_ids()),
        ),
    )
)
_kept = {"key": Text, **dict.fromkeys(("task_id", "conversation_id", "team_id"), BigInteger)}
_new = _given(_kept)
_keeping = upsert(ImportKey).from_select(
    ["user_id", *_kept], select(ME, *(_new.c[name] for name in _kept)).select_from(_new)
)
_KEEP = compiled(
    _keeping.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={name: _keeping.excluded[name] for name in ("task_id", "conversation_id", "team_id")},
    )
)
_ids = bindparam("ids", type_=ARRAY(BigInteger))


def _native(table: type[Task] | type[Conversation], imported: Any) -> Statement:  # noqa: ANN401
    """Those of the caller's with these ids that no import has made: their times may equal those of other rows."""
    kept = select(1).where(col(ImportKey.user_id) == ME, imported == col(table.id)).exists()
    mine = (col(table.user_id) == ME, col(table.id) == func.any(_ids))
    return compiled(select(col(table.id), col(table.created_at)).where(*mine, ~kept))


_MY_TASKS = _native(Task, col(ImportKey.task_id))
_MY_CONVERSATIONS = _native(Conversation, col(ImportKey.conversation_id))
_MY_TEAM = compiled(
    select(col(Team.id)).where(
        col(Team.id) == func.any(func.my_writable_team_ids()),
        col(Team.id) == bindparam("team_id", type_=BigInteger),
        col(Team.name) == bindparam("name_", type_=Text),
    )
)
_CREATE_TEAM = compiled(select(func.create_team(bindparam("name_", type_=Text))))
_LOCK = compiled(select(func.pg_advisory_xact_lock(func.hashtextextended(func.concat("import of ", ME), 0))))


async def wait_for_turn(transaction: Transaction) -> None:
    """Two imports of one person run one after the other, or both would find that a row is new."""
    await transaction.run(_LOCK)


async def store_tasks(transaction: Transaction, rows: Sequence[Placed]) -> int:
    """Store the tasks that are not there yet, whose parents are; returns how many."""
    found = {
        row["key"]: row["task_id"] for row in await transaction.fetch_all(_FOUND, keys=[each.row.key for each in rows])
    }
    known = [each.row.known_id for each in rows if each.row.known_id is not None]
    own = {row["id"]: row["created_at"] for row in await transaction.fetch_all(_MY_TASKS, ids=known)} if known else {}
    for each in rows:
        each.id = found.get(each.row.key)
        # An archive of the person's own, imported where it comes from.
        if each.row.known_id in own and own[each.row.known_id] == each.row.fields["created_at"]:
            each.id = each.row.known_id
    new = [each for each in rows if each.id is None]
    if not new:
        return 0
    await transaction.quotas.check(transaction, "tasks", len(new))
    teams = {team: await _team(transaction, *team) for team in {each.row.team for each in new}}
    now = await transaction.fetch_value(_NOW)
    columns = [_task_columns(each, teams[each.row.team], now) for each in new]
    given = {f"{name}_list": [each[name] for each in columns] for name in _COLUMNS}
    ids = sorted(row["id"] for row in await transaction.fetch_all(_TASKS, **given))
    for each, task_id in zip(new, ids, strict=True):
        each.id = task_id
    await _keep(transaction, [each.row.key for each in new], task_id=ids)
    return len(new)


_NOW = compiled(select(func.now()))


def _task_columns(each: Placed, team_id: int | None, now: datetime) -> dict[str, Any]:
    defaults: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"status": "pending", "version": 1, "created_at": now}
    columns: dict[str, Any] = (
        defaults | each.row.fields | {"team_id": team_id, "parent_id": each.parent.id if each.parent else None}
    )
    columns["updated_at"] = columns["updated_at"] or columns["created_at"]
    return columns | {"tags": _SEPARATOR.join(columns["tags"])}


async def _team(transaction: Transaction, team_id: int | None, name: str | None) -> int | None:
    """The caller's team for tasks that were in this one: the same, if they are in it, or a new one of their own."""
    if team_id is None or name is None:
        return None
    key = f"taskdeck:team:{team_id}:{name}"
    same = await transaction.fetch_value(_MY_TEAM, team_id=team_id, name_=name)
    if same is not None:
        return same
    found = await transaction.fetch_one(_FOUND, keys=[key])
    if found is not None:
        return found["team_id"]
    await transaction.quotas.check(transaction, "teams")
    made: int = await transaction.fetch_value(_CREATE_TEAM, name_=name)
    await _keep(transaction, [key], team_id=[made])
    return made


async def store_conversation(transaction: Transaction, row: ConversationRow, stored: Mapping[int, int]) -> bool:
    """Store a conversation with its messages, and link them to tasks; False if it is there already.

    `stored` has the ids of tasks here by those where the file comes from.
    """
    if await transaction.fetch_one(_FOUND, keys=[row.key]) is not None:
        return False
    if row.known_id is not None:
        own = await transaction.fetch_one(_MY_CONVERSATIONS, ids=[row.known_id])
        if own is not None and own["created_at"] == row.created_at:
            return False
    await transaction.quotas.check(transaction, "conversations")
    await transaction.quotas.check(transaction, "messages", len(row.messages))
    made = await transaction.fetch_value(
        _CONVERSATION, title_=row.title, size=len(row.messages), created=row.created_at, updated=row.updated_at
    )
    if made is None:
        raise StorageError("The conversation was not imported.")
    for first in range(0, len(row.messages), MESSAGES):
        given = _message_columns(row.messages[first : first + MESSAGES], row.created_at)
        await transaction.run(_MESSAGES, conversation_id=made, before=first, **given)
    linked = [(n, stored[known]) for n, known_ids in row.task_ids.items() for known in {*known_ids} if known in stored]
    if linked:
        await transaction.run(
            _LINK,
            conversation_id=made,
            sequence_list=[number for number, _ in linked],
            task_id_list=[task_id for _, task_id in linked],
        )
    await _keep(transaction, [row.key], conversation_id=[made])
    return True


def _message_columns(messages: Sequence[NewMessage], default: datetime) -> dict[str, Any]:
    given = {f"{name}_list": [getattr(message, name) for message in messages] for name in _MESSAGE}
    calls = [None if message.tool_calls is None else json.dumps(message.tool_calls) for message in messages]
    times = [datetime.fromisoformat(message.created_at) if message.created_at else default for message in messages]
    return given | {"tool_calls_list": calls, "created_at_list": times}


async def _keep(transaction: Transaction, keys: Sequence[str], **ids: Sequence[int]) -> None:
    nothing = [None] * len(keys)
    lists = {f"{name}_list": ids.get(name, nothing) for name in _kept if name != "key"}
    await transaction.run(_KEEP, key_list=keys, **lists)
