"""Indexes to count deleted tasks, and shares that a person gave."""

from alembic import op

revision = "020"
down_revision = "019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX IF NOT EXISTS tasks_deleted ON tasks (user_id) WHERE deleted_at IS NOT NULL")
    op.execute("CREATE INDEX IF NOT EXISTS task_shares_owner ON task_shares (owner_id)")


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS tasks_deleted")
    op.execute("DROP INDEX IF EXISTS task_shares_owner")
