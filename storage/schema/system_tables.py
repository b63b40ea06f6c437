"""Tables of the product itself: history, idempotency keys, tokens, and numbers that replicas share."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as Stored

from storage.schema.tables import TableModel, identity, moment, newest, user


class TaskEvent(TableModel, table=True):
    """One change of a task: written by triggers in the same transaction, never changed.

    `owner_id` owned the task then. `transaction_id` groups the changes of one call (undo), and shows whether cached
    statistics include the event.
    """

    __table_args__ = (
        ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE", name="task_events_task_fkey"),
        Index("task_events_task", "task_id", "transaction_id"),
        Index("task_events_owner", "owner_id", "transaction_id"),
        # For undo, which searches backwards through the events of one client of a person (docs/research.md).
        Index("task_events_actor", "user_id", text("COALESCE(client, ''::text)"), "created_at", "transaction_id"),
        Index("task_events_undoes", "user_id", "undoes", postgresql_where=text("undoes IS NOT NULL")),
        # For the feed, which is read from the newest backwards.
        Index("task_events_owner_feed", "owner_id", "created_at", "id"),
        Index("task_events_team_feed", "team_id", "created_at", "id", postgresql_where=text("team_id IS NOT NULL")),
        Index("task_events_team", "team_id", "transaction_id", postgresql_where=text("team_id IS NOT NULL")),
        Index("task_events_from", "from_team_id", "transaction_id", postgresql_where=text("from_team_id IS NOT NULL")),
        Index(
            "task_events_target",
            "target_user_id",
            "transaction_id",
            postgresql_where=text("target_user_id IS NOT NULL"),
        ),
    )

    id: int = Stored(sa_column=identity())
    # The 64-bit id (xid8), which does not wrap around. It casts to a number only by way of text.
    transaction_id: int = Stored(
        sa_column=Column(BigInteger, nullable=False, server_default=text("((pg_current_xact_id())::text)::bigint"))
    )
    task_id: int = Stored(sa_type=BigInteger)
    owner_id: str = Stored(sa_type=Text)
    user_id: str = Stored(sa_type=Text)
    team_id: int | None = Stored(sa_type=BigInteger)
    from_team_id: int | None = Stored(sa_type=BigInteger)
    target_user_id: str | None = Stored(sa_type=Text)
    event_type: str = Stored(sa_type=Text)
    client: str | None = Stored(sa_type=Text)
    changes: str = Stored(sa_column=Column(JSONB, nullable=False, server_default="{}"))
    undoes: int | None = Stored(sa_type=BigInteger)
    created_at: datetime = Stored(sa_column=moment())


class IdempotencyKey(TableModel, table=True):
    """The stored answer of a write that may be repeated with the same key for 24 hours."""

    user_id: str = Stored(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    key: str = Stored(sa_type=Text, primary_key=True)
    fingerprint: str = Stored(sa_type=Text)
    answer: str | None = Stored(sa_column=Column(JSONB))
    created_at: datetime = Stored(sa_column=moment())


class CachedStatistic(TableModel, table=True):
    """Numbers with the snapshot in which they were counted; `team_id` 0 means the user's own tasks."""

    # Unlogged tables write no WAL and are empty after a crash: the numbers are then counted again.
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    user_id: str = Stored(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    team_id: int = Stored(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    total: int = Stored(sa_type=BigInteger)
    completed: int = Stored(sa_type=BigInteger)
    shared: int = Stored(sa_type=BigInteger)
    snapshot: str = Stored(sa_type=Text)
    counted_at: datetime = Stored(sa_column=moment())


class PersonalAccessToken(TableModel, table=True):
    """An opaque token for programs without a browser; only its SHA-256 is stored."""

    # A fast hash suffices: unlike a password, the token has 256 random bits (dashboard/src/lib/tokens.ts).

    __table_args__ = (
        UniqueConstraint("token_hash", name="personal_access_tokens_hash"),
        Index("personal_access_tokens_owner", "user_id", "id"),
    )

    id: int = Stored(sa_column=identity())
    user_id: str = Stored(sa_column=user())
    name: str = Stored(sa_type=Text)
    token_hash: str = Stored(sa_type=Text)
    token_hint: str = Stored(sa_type=Text)
    scopes: str = Stored(sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class RateLimit(TableModel, table=True):
    """A window of a minute: when it began, and how many requests all replicas counted in it.

    `client` is a key of one of the person's clients; empty for the window of all of them together.
    """

    # A crash empties the table, which costs nothing but the counts of one minute.
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    user_id: str = Stored(sa_type=Text, primary_key=True)
    started: datetime
    used: int = Stored(sa_type=BigInteger)
    client: str = Stored(sa_column=Column(Text, primary_key=True, server_default=""))


class Invitation(TableModel, table=True):
    """A share or a role that waits for the other person to accept it; `user_id` offers it.

    `address` is the user id or e-mail that was given, whether anybody has it or not; `invitee_id` is who answered.
    Answered ones stay for 30 days, because they count for the limits. A `blocked` one says that its invitee wants none
    from its inviter.
    """

    __table_args__ = (
        Index("invitations_inviter", "user_id", "created_at"),
        Index("invitations_address", text("lower(address)"), "status"),
        Index("invitations_invitee", "invitee_id", postgresql_where=text("invitee_id IS NOT NULL")),
        Index("invitations_team", "team_id", postgresql_where=text("team_id IS NOT NULL")),
        Index("invitations_task", "task_id", postgresql_where=text("task_id IS NOT NULL")),
    )

    id: int = Stored(sa_column=identity())
    user_id: str = Stored(sa_column=user())
    address: str = Stored(sa_type=Text)
    invitee_id: str | None = Stored(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=True))
    team_id: int | None = Stored(sa_column=Column(BigInteger, ForeignKey("teams.id", ondelete="SET NULL")))
    task_id: int | None = Stored(sa_column=Column(BigInteger, ForeignKey("tasks.id", ondelete="SET NULL")))
    offered: str = Stored(sa_type=Text)
    status: str = Stored(sa_column=Column(Text, nullable=False, server_default="pending"))
    client: str | None = Stored(default=None, sa_type=Text)
    created_at: datetime = Stored(sa_column=moment())


class ImportKey(TableModel, table=True):
    """What a row of an imported file became, so that importing the file again adds nothing.

    `key` identifies the row in its source; one of the ids is set. They are not foreign keys, which would show whether
    ids of other people exist; an id of something that is gone counts as none.
    """

    __table_args__ = (
        Index("import_keys_task", "user_id", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        Index(
            "import_keys_conversation",
            "user_id",
            "conversation_id",
            postgresql_where=text("conversation_id IS NOT NULL"),
        ),
    )

    user_id: str = Stored(sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True))
    key: str = Stored(sa_type=Text, primary_key=True)
    task_id: int | None = Stored(sa_type=BigInteger)
    conversation_id: int | None = Stored(sa_type=BigInteger)
    team_id: int | None = Stored(sa_type=BigInteger)
    created_at: datetime = Stored(sa_column=moment())


class TaskMessage(TableModel, table=True):
    """A task that the call recorded in a message added or changed. `user_id` owns the conversation, not the task."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["conversation_id", "user_id"],
            ["conversations.id", "conversations.user_id"],
            ondelete="CASCADE",
            name="task_messages_conversation_fkey",
        ),
        ForeignKeyConstraint(
            ["conversation_id", "sequence"],
            ["messages.conversation_id", "messages.sequence"],
            ondelete="CASCADE",
            name="task_messages_message_fkey",
        ),
        ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE", name="task_messages_task_fkey"),
        Index("task_messages_task", "task_id", "user_id", newest("created_at")),
    )

    conversation_id: int = Stored(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    # In the key, or a violation would show the links of others.
    user_id: str = Stored(sa_type=Text, primary_key=True)
    sequence: int = Stored(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    task_id: int = Stored(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    created_at: datetime = Stored(sa_column=moment())


class EndedUser(TableModel, table=True):
    """A person who was deleted, for as long as a token of theirs may be valid: SHA-256 of the user id, hexadecimal."""

    digest: str = Stored(sa_type=Text, primary_key=True)
    ended_at: datetime = Stored(sa_column=moment())


class AuditEvent(TableModel, table=True):
    """Something that concerns the security of `user_id`, done by `actor_id` (None: by the server).

    Written by triggers and the dashboard, never changed; the ids become a pseudonym when an account is deleted.
    """

    __table_args__ = (
        Index("audit_events_user", "user_id", "id"),
        Index("audit_events_actor", "actor_id", postgresql_where=text("actor_id IS NOT NULL")),
        Index("audit_events_named", text("(details ->> 'user_id'::text)")),
        Index("audit_events_age", "created_at"),
    )

    id: int = Stored(sa_column=identity())
    user_id: str = Stored(sa_type=Text)
    actor_id: str | None = Stored(sa_type=Text)
    action: str = Stored(sa_type=Text)
    client: str | None = Stored(sa_type=Text)
    details: str = Stored(sa_column=Column(JSONB, nullable=False, server_default="{}"))
    created_at: datetime = Stored(sa_column=moment())
