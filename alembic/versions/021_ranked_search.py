"""Words in every form in which they may be asked for, and an index of each person's messages."""

from alembic import op

from storage.engine.sql_objects import sql_files

revision = "021"
down_revision = "020"
branch_labels = None
depends_on = None

# The generated column and the index call functions of these files, which are otherwise applied after the migrations.
_FILES = ("functions/search_text.sql", "functions/search_keys.sql")
# They depend on the columns that are replaced.
_DROP_READERS = """
    DROP FUNCTION IF EXISTS matching_task_ids(text), matching_messages(text), rank_tasks(text, text, bigint[]),
        rank_messages(jsonb, jsonb, bigint, double precision, text, text, bigint, timestamptz, timestamptz),
        rank_conversations(jsonb, jsonb, bigint, double precision, text, text, bigint, timestamptz, timestamptz)
"""
STATEMENTS = (
    _DROP_READERS,
    "DROP INDEX IF EXISTS messages_search",
    "ALTER TABLE messages DROP COLUMN IF EXISTS search",
    "ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (search_vector(content)) STORED",
    """
    CREATE INDEX IF NOT EXISTS messages_search ON messages
        USING gin (message_keys(user_id, conversation_id, sequence, search))
    """,
    """
    CREATE INDEX IF NOT EXISTS messages_newest
        ON messages (user_id, created_at DESC, conversation_id DESC, sequence DESC)
    """,
    "DROP INDEX IF EXISTS tasks_search",
    "ALTER TABLE tasks DROP COLUMN IF EXISTS search",
    """
    ALTER TABLE tasks ADD COLUMN search tsvector
        GENERATED ALWAYS AS (search_vector((title || ' '::text) || COALESCE(description, ''::text))) STORED
    """,
    "CREATE INDEX IF NOT EXISTS tasks_search ON tasks USING gin (user_id, search)",
    "ALTER TABLE conversations DROP COLUMN IF EXISTS search",
    """
    ALTER TABLE conversations ADD COLUMN search tsvector
        GENERATED ALWAYS AS (search_vector(COALESCE(title, ''::text))) STORED
    """,
)


def upgrade() -> None:
    for file in sql_files():
        if file.name in _FILES:
            for statement in file.statements:
                op.execute(statement)
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute(_DROP_READERS)
    op.execute("DROP INDEX IF EXISTS messages_newest")
    op.execute("DROP INDEX IF EXISTS messages_search")
    op.execute("ALTER TABLE messages DROP COLUMN IF EXISTS search")
    op.execute("""
        ALTER TABLE messages
            ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, content)) STORED
    """)
    op.execute("CREATE INDEX IF NOT EXISTS messages_search ON messages USING gin (user_id, search)")
    op.execute("DROP INDEX IF EXISTS tasks_search")
    op.execute("ALTER TABLE tasks DROP COLUMN IF EXISTS search")
    op.execute("""
        ALTER TABLE tasks ADD COLUMN search tsvector GENERATED ALWAYS AS (
            to_tsvector('simple'::regconfig, title || ' ' || coalesce(description, ''))) STORED
    """)
    op.execute("CREATE INDEX IF NOT EXISTS tasks_search ON tasks USING gin (user_id, search)")
    op.execute("ALTER TABLE conversations DROP COLUMN IF EXISTS search")
