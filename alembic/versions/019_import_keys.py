"""What the rows of imported files became."""

from alembic import op

revision = "019"
down_revision = "018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE IF NOT EXISTS import_keys (
        user_id text CONSTRAINT import_keys_user_id_fkey REFERENCES users ON DELETE CASCADE,
        key text CHECK (length(key) BETWEEN 1 AND 200),
        task_id bigint,
        conversation_id bigint,
        team_id bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT import_keys_pkey PRIMARY KEY (user_id, key)
    )
    """)
    for column in ("task", "conversation"):
        op.execute(
            f"CREATE INDEX IF NOT EXISTS import_keys_{column} ON import_keys (user_id, {column}_id) "
            f"WHERE {column}_id IS NOT NULL"
        )


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS import_keys")
