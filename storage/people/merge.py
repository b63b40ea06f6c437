"""Merging two users who are one person: every row of one becomes the other's, in every table.

For the administrator of a database only. Policies and triggers do not apply: no request may change the owner of a row,
and the history has to keep its events and times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import Column, Table, Text, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.sql.expression import UpdateBase
from sqlmodel import SQLModel, col

from storage.engine.statements import compiled
from storage.schema.system_tables import AuditEvent, CachedStatistic, TaskEvent
from storage.schema.tables import Conversation, Task, TaskShare, User

USER_COLUMNS = frozenset(
    {"user_id", "owner_id", "assignee_id", "shared_with_user_id", "target_user_id", "invitee_id", "address", "actor_id"}
)
"""Every column, of any table, that holds the id of a user, or may hold it."""

SOURCE, TARGET = bindparam("source", type_=Text), bindparam("target", type_=Text)

# A person has one role in a team and one share of a task: the greater right of the two users.
_RIGHTS = (
    ("team_members", "user_id", "role", ("owner", "admin", "member", "viewer")),
    ("task_shares", "shared_with_user_id", "permission", ("edit", "view")),
)
# Where JSON names users: the changes of a task event, and the details of an entry of the audit log.
_NAMED_IN_JSON = (
    (TaskEvent, "changes", (("user",), ("assignee", "0"), ("assignee", "1"), ("owner", "0"), ("owner", "1"))),
    (AuditEvent, "details", (("user_id",),)),
)


@dataclass(frozen=True)
class Moved:
    """How many rows now belong to the other user."""

    tasks: int
    conversations: int


_FORGET_NUMBERS = delete(CachedStatistic).where(col(CachedStatistic.user_id).in_([SOURCE, TARGET]))


def _statements() -> Iterator[UpdateBase]:
    yield _FORGET_NUMBERS
    # Parents first: a request that adds to a conversation or task waits for its row, and is refused once it has moved.
    # Foreign keys are not checked, because they are triggers too: together, the statements must break no reference.
    yield _know_target()
    both = (SOURCE, TARGET)
    # A share between the two would become a share of a task with its owner.
    yield delete(TaskShare).where(col(TaskShare.owner_id).in_(both), col(TaskShare.shared_with_user_id).in_(both))
    for name, column, right, greatest_first in _RIGHTS:
        yield _keep_greater_right(SQLModel.metadata.tables[name], column, right, greatest_first)
    for table in SQLModel.metadata.sorted_tables:
        for column in table.columns:
            if column.name in USER_COLUMNS:
                yield from _moves(table, column)
    for model, column, paths in _NAMED_IN_JSON:
        for path in paths:
            yield _rename_in_json(SQLModel.metadata.tables[str(model.__tablename__)], column, path)
    yield update(User).where(col(User.id) == SOURCE).values(email=None, name=None)


def _know_target() -> UpdateBase:
    """Create the target user, or add the chosen time zone of the source user if the target has chosen none."""
    zones = ["timezone", "chosen_timezone", "default_timezone"]
    former = select(TARGET, col(User.timezone), col(User.chosen_timezone), col(User.default_timezone)).where(
        col(User.id) == SOURCE
    )
    given = insert(User).from_select(["id", *zones], former)
    chosen = func.coalesce(col(User.chosen_timezone), given.excluded.chosen_timezone)
    return given.on_conflict_do_update(index_elements=["id"], set_={"chosen_timezone": chosen})


def _keep_greater_right(table: Table, column: str, right: str, greatest_first: tuple[str, ...]) -> UpdateBase:
    given, others = array(greatest_first, type_=Text), table.alias()
    (key,) = (key for key in table.primary_key if key.name != column)
    return (
        update(table)
        .where(table.c[column] == TARGET, others.c[column] == SOURCE, key == others.c[key.name])
        .where(func.array_position(given, others.c[right]) < func.array_position(given, table.c[right]))
        .values({right: others.c[right]})
    )


def _moves(table: Table, column: Column[Any]) -> Iterator[UpdateBase]:
    if column.primary_key:
        others = table.alias()
        # The target's row with the same key stays; _keep_greater_right has copied a greater right to it.
        same = [key == others.c[key.name] for key in table.primary_key if key is not column]
        taken = exists(select(1).where(others.c[column.name] == TARGET, and_(*same)).select_from(others))
        yield delete(table).where(column == SOURCE, taken)
    yield update(table).where(column == SOURCE).values({column.name: TARGET})


def _rename_in_json(table: Table, column: str, path: tuple[str, ...]) -> UpdateBase:
    content, place = table.c[column], array(path, type_=Text)
    renamed = func.jsonb_set(content, place, func.to_jsonb(TARGET))
    named = func.jsonb_extract_path_text(content, *path)
    return update(table).where(named == SOURCE).values({column: renamed})


_MERGE = tuple(compiled(statement) for statement in _statements())
# Only a superuser may set it. Row-level security does not apply to a superuser either.
_WITHOUT_TRIGGERS = compiled(select(func.set_config("session_replication_role", "replica", True)))
_COUNTS = tuple(
    compiled(select(func.count()).select_from(row).where(col(row.user_id) == SOURCE)) for row in (Task, Conversation)
)
_FORGET_NUMBERS_AGAIN = compiled(_FORGET_NUMBERS)


async def merge_users(administrator_url: str, source: str, target: str) -> Moved:
    """Move every row of the user `source` to the user `target`. Repeating it moves what was added since.

    The row of `source` stays, without e-mail and name: programs that still act for it keep working, and their rows can
    be moved later. The login has to be a superuser.
    """
    names = {"source": source, "target": target}
    connection = await asyncpg.connect(administrator_url)
    try:
        async with connection.transaction():
            await connection.execute(_WITHOUT_TRIGGERS.sql, *_WITHOUT_TRIGGERS.arguments({}))
            moved = Moved(*[await connection.fetchval(count.sql, source) for count in _COUNTS])
            for statement in _MERGE:
                await connection.execute(statement.sql, *statement.arguments(names))
        # A request may have stored numbers that it counted before the commit; without events, nothing outdates them.
        await connection.execute(_FORGET_NUMBERS_AGAIN.sql, *_FORGET_NUMBERS_AGAIN.arguments(names))
    finally:
        await connection.close()
    return moved
