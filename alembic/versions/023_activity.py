"""Indexes for the feed of changes, which is read from the newest backwards."""

from alembic import op

revision = "023"
down_revision = "022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX IF NOT EXISTS task_events_owner_feed ON task_events (owner_id, created_at, id)")
    op.execute(
        "CREATE INDEX IF NOT EXISTS task_events_team_feed ON task_events (team_id, created_at, id) "
        "WHERE team_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS task_events_team_feed")
    op.execute("DROP INDEX IF EXISTS task_events_owner_feed")
