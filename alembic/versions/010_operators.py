"""A login that serves and has made nothing here may read how far the schema is."""

from alembic import op

revision = "010"
down_revision = "009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT SELECT ON alembic_version TO taskdeck_app")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON alembic_version FROM taskdeck_app")
