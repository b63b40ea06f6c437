"""Which tool call a message answers."""

from alembic import op

revision = "013"
down_revision = "012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE messages ADD COLUMN IF NOT EXISTS tool_call_id text
            CONSTRAINT messages_tool_call_id_check CHECK (length(tool_call_id) BETWEEN 1 AND 200)
    """)


def downgrade() -> None:
    # The function returns whole rows of messages, so it depends on the column.
    op.execute("DROP FUNCTION IF EXISTS matching_messages(text)")
    op.execute("ALTER TABLE messages DROP COLUMN IF EXISTS tool_call_id")
