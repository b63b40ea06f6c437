"""The audit log: what concerns the security of a person's account and data, kept when the person is gone."""

from alembic import op

revision = "022"
down_revision = "021"
branch_labels = None
depends_on = None

# No foreign keys: an entry outlives the people, teams and tasks that it names.
STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS audit_events (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pkey PRIMARY KEY,
        user_id text NOT NULL,
        actor_id text,
        action text NOT NULL CHECK (action ~ '^[a-z_]{1,40}$'),
        client text,
        details jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(details) <= 2000),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX IF NOT EXISTS audit_events_user ON audit_events (user_id, id)",
    "CREATE INDEX IF NOT EXISTS audit_events_actor ON audit_events (actor_id) WHERE actor_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS audit_events_named ON audit_events ((details ->> 'user_id'))",
    "CREATE INDEX IF NOT EXISTS audit_events_age ON audit_events (created_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


AUDITED = ("task_shares", "team_members", "teams", "invitations", "personal_access_tokens", "conversations", "tasks")


def downgrade() -> None:
    for table in AUDITED:
        op.execute(f"DROP TRIGGER IF EXISTS {table}_audit ON {table}")
    # They name the table.
    op.execute("""
        DROP FUNCTION IF EXISTS audit(text, text, jsonb), audit_refusal(text),
            taskdeck_audit_record(text, text, jsonb)
    """)
    op.execute("DROP TABLE IF EXISTS audit_events")
