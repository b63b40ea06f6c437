"""Undo searches for the last changes of one client."""

from alembic import op

revision = "015"
down_revision = "014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_index("coalesce(client, ''), ")


def downgrade() -> None:
    _create_index("")


def _create_index(client: str) -> None:
    # Not CONCURRENTLY, which cannot run inside the transaction of the migrations.
    op.execute("DROP INDEX IF EXISTS task_events_actor")
    op.execute(f"CREATE INDEX task_events_actor ON task_events (user_id, {client}created_at, transaction_id)")
