"""Tables of people, teams, tasks and conversations (docs/data-model.md). Other packages see response models only.

A response model never inherits from a table: the SDK serializes whole instances, including the fields of a subclass.
"""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Text,
    UnaryExpression,
    UniqueConstraint,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import declared_attr
from sqlmodel import Field as Stored
from sqlmodel import SQLModel

# The names that the migrations give to constraints: a test compares the two.
NAMING = {"pk": "%(table_name)s_pkey", "fk": "%(table_name)s_%(column_0_name)s_fkey"}
SQLModel.metadata.naming_convention = NAMING


def newest(column: str) -> UnaryExpression[Any]:
    """The column in descending order, for an index."""
    return desc(column)  # pyright: ignore[reportUnknownVariableType]: the stubs leave a name's type open


def moment() -> "Column[datetime]":
    """A moment, by default the start of the transaction."""
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


def user(column: str = "user_id", *, nullable: bool = False) -> "Column[str]":
    """A reference to a user. When the user is deleted, the row is deleted as well or, if nullable, the reference is."""
    on_delete = "SET NULL" if nullable else "CASCADE"
    return Column(column, Text, ForeignKey("users.id", ondelete=on_delete), nullable=nullable)


def identity() -> "Column[int]":
    """The id of a row, which only the database assigns."""
    return Column(BigInteger, Identity(always=True), primary_key=True)


class TableModel(SQLModel):
    """A table row; its table is named after it: TeamMember is stored in team_members."""

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]: the documented way
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower() + "s"


class User(TableModel, table=True):
    """A person known to the identity provider; id is the token's `sub`. Filled from tokens.

    Three IANA time zones, the first that is there counts: `chosen_timezone` by the person, `timezone` by the token,
    `default_timezone` by TASKDECK_TIMEZONE of a server.
    """

    __table_args__ = (Index("users_email", text("lower(email)")),)

    id: str = Stored(sa_type=Text, primary_key=True)
    email: str | None = Stored(sa_type=Text)
    name: str | None = Stored(sa_type=Text)
    timezone: str | None = Stored(sa_type=Text)
    chosen_timezone: str | None = Stored(sa_type=Text)
    default_timezone: str | None = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())
    updated_at: datetime = Stored(sa_column=moment())


class Team(TableModel, table=True):
    """People who see each other's team tasks. `owner_id` made it; roles are in TeamMember."""

    id: int = Stored(sa_column=identity())
    owner_id: str = Stored(sa_column=user("owner_id"))
    name: str = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())


class TeamMember(TableModel, table=True):
    """One person's role in one team."""

    __table_args__ = (Index("team_members_user", "user_id", "team_id"),)

    team_id: int = Stored(sa_column=Column(BigInteger, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True))
    user_id: str = Stored(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    role: str = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())


_LIVE = text("deleted_at IS NULL")
# With the other keys of an index, all columns that counts and the policy on tasks read, which index-only scans require:
# deleted_at too, although the index has no deleted tasks.
_COVERED = ["status", "team_id", "user_id", "due_at", "deleted_at"]


class Task(TableModel, table=True):
    """A task. `due` is a date or a datetime with an offset as text, `due_at` the instant by which it is sorted."""

    __table_args__ = (
        # The target of foreign keys that include the owner: their checks bypass row-level security.
        UniqueConstraint("id", "user_id", name="tasks_id_user"),
        # One index for lists and counts: with another one on the status, the planner chose that and sorted.
        Index(
            "tasks_owner",
            "user_id",
            newest("created_at"),
            newest("id"),
            postgresql_include=[c for c in _COVERED if c != "user_id"],
            postgresql_where=_LIVE,
        ),
        Index(
            "tasks_team",
            "team_id",
            newest("created_at"),
            newest("id"),
            postgresql_include=[c for c in _COVERED if c != "team_id"],
            postgresql_where=text("deleted_at IS NULL AND team_id IS NOT NULL"),
        ),
        Index(
            "tasks_due",
            "user_id",
            "due_at",
            postgresql_include=["id", "status", "team_id", "due", "deleted_at"],
            postgresql_where=text("deleted_at IS NULL AND due_at IS NOT NULL"),
        ),
        Index(
            "tasks_completed",
            "user_id",
            "completed_at",
            postgresql_include=["id", "team_id", "deleted_at"],
            postgresql_where=text("deleted_at IS NULL AND completed_at IS NOT NULL"),
        ),
        Index("tasks_deleted", "user_id", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("tasks_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("tasks_search", "user_id", "search", postgresql_using="gin"),
    )

    id: int = Stored(sa_column=identity())
    user_id: str = Stored(sa_column=user())
    team_id: int | None = Stored(sa_column=Column(BigInteger, ForeignKey("teams.id", ondelete="SET NULL")))
    # Without the owner in the key, because a parent may belong to another person; a trigger checks that it is visible.
    parent_id: int | None = Stored(sa_column=Column(BigInteger, ForeignKey("tasks.id", ondelete="SET NULL")))
    assignee_id: str | None = Stored(sa_column=user("assignee_id", nullable=True))
    title: str = Stored(sa_type=Text)
    description: str | None = Stored(sa_type=Text)
    # Text with a CHECK in the migration: comparing enums is not leakproof, so behind a policy it would use no index.
    status: str = Stored(sa_column=Column(Text, nullable=False, server_default="pending"))
    priority: str = Stored(sa_column=Column(Text, nullable=False, server_default="medium"))
    # The text keeps what an instant loses: whether it is a date, and the offset that was given.
    due: str | None = Stored(sa_type=Text)
    due_at: datetime | None
    tags: list[str] = Stored(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    recurrence: str | None = Stored(sa_type=Text)
    version: int = Stored(sa_column=Column(Integer, nullable=False, server_default="1"))
    created_at: datetime = Stored(sa_column=moment())
    updated_at: datetime = Stored(sa_column=moment())
    completed_at: datetime | None
    deleted_at: datetime | None
    search: str | None = Stored(
        sa_column=Column(
            TSVECTOR,
            Computed("search_vector((title || ' '::text) || COALESCE(description, ''::text))", persisted=True),
        ),
    )


class TaskShare(TableModel, table=True):
    """One person's permission on one task of another person; `owner_id` is the task's owner."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["task_id", "owner_id"],
            ["tasks.id", "tasks.user_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
            name="task_shares_task_fkey",
        ),
        Index("task_shares_recipient", "shared_with_user_id", "task_id"),
        Index("task_shares_owner", "owner_id"),
    )

    task_id: int = Stored(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    shared_with_user_id: str = Stored(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    owner_id: str = Stored(sa_type=Text)
    permission: str = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())


class Conversation(TableModel, table=True):
    """A chat of one user. `message_count` is also the last sequence number given out."""

    __table_args__ = (
        UniqueConstraint("id", "user_id", name="conversations_id_user"),
        Index("conversations_owner", "user_id", newest("updated_at"), newest("id")),
    )

    id: int = Stored(sa_column=identity())
    user_id: str = Stored(sa_column=user())
    title: str | None = Stored(sa_type=Text)
    message_count: int = Stored(sa_column=Column(Integer, nullable=False, server_default="0"))
    created_at: datetime = Stored(sa_column=moment())
    updated_at: datetime = Stored(sa_column=moment())
    search: str | None = Stored(
        sa_column=Column(TSVECTOR, Computed("search_vector(COALESCE(title, ''::text))", persisted=True))
    )


class Message(TableModel, table=True):
    """One message. `sequence` counts from 1 without gaps in its conversation."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["conversation_id", "user_id"],
            ["conversations.id", "conversations.user_id"],
            ondelete="CASCADE",
            name="messages_conversation_fkey",
        ),
        Index(
            "messages_search", text("message_keys(user_id, conversation_id, sequence, search)"), postgresql_using="gin"
        ),
        Index("messages_newest", "user_id", newest("created_at"), newest("conversation_id"), newest("sequence")),
    )

    conversation_id: int = Stored(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sequence: int = Stored(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    user_id: str = Stored(sa_type=Text)
    role: str = Stored(sa_type=Text)
    content: str = Stored(sa_type=Text)
    tool_calls: str | None = Stored(sa_column=Column(JSONB))
    model: str | None = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())
    search: str | None = Stored(sa_column=Column(TSVECTOR, Computed("search_vector(content)", persisted=True)))
    tool_call_id: str | None = Stored(sa_type=Text)
