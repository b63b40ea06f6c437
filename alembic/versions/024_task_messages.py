"""Which messages added or changed which tasks."""

from alembic import op

revision = "024"
down_revision = "023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE IF NOT EXISTS task_messages (
        conversation_id bigint,
        user_id text,
        sequence integer,
        task_id bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_messages_pkey PRIMARY KEY (conversation_id, user_id, sequence, task_id),
        CONSTRAINT task_messages_conversation_fkey FOREIGN KEY (conversation_id, user_id)
            REFERENCES conversations (id, user_id) ON DELETE CASCADE,
        CONSTRAINT task_messages_message_fkey FOREIGN KEY (conversation_id, sequence)
            REFERENCES messages (conversation_id, sequence) ON DELETE CASCADE,
        CONSTRAINT task_messages_task_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
    )
    """)
    op.execute("CREATE INDEX IF NOT EXISTS task_messages_task ON task_messages (task_id, user_id, created_at DESC)")


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS task_messages")
