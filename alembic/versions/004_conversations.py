"""Conversations and their messages."""

from alembic import op

revision = "004"
down_revision = "003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS conversations (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT conversations_pkey PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT conversations_user_id_fkey REFERENCES users ON DELETE CASCADE,
        title text CHECK (length(title) BETWEEN 1 AND 200),
        message_count integer NOT NULL DEFAULT 0 CHECK (message_count >= 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT conversations_id_user UNIQUE (id, user_id)
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS conversations_owner
        ON conversations (user_id, updated_at DESC, id DESC)
    """,
    # The foreign key includes the owner, because its check bypasses row-level security: with the id alone, a user could
    # add messages to another user's conversation.
    """
    CREATE TABLE IF NOT EXISTS messages (
        conversation_id bigint NOT NULL,
        sequence integer NOT NULL CHECK (sequence > 0),
        user_id text NOT NULL,
        role text NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
        content text NOT NULL CHECK (octet_length(content) <= 65536),
        tool_calls jsonb,
        model text CHECK (length(model) <= 200),
        created_at timestamptz NOT NULL DEFAULT now(),
        search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, content)) STORED,
        CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, sequence),
        CONSTRAINT messages_conversation_fkey FOREIGN KEY (conversation_id, user_id)
            REFERENCES conversations (id, user_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX IF NOT EXISTS messages_search ON messages USING gin (user_id, search)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS messages")
    op.execute("DROP TABLE IF EXISTS conversations")
