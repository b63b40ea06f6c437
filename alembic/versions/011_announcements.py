"""Requests are counted in windows of a minute."""

from alembic import op

revision = "011"
down_revision = "010"
branch_labels = None
depends_on = None

# Requests of the last minute are not counted again: the two ways of counting cannot be converted into each other, and a
# NOT NULL column without a default can only be added to an empty table.
WINDOWS = """
ALTER TABLE rate_limits DROP COLUMN IF EXISTS arrival, ADD COLUMN IF NOT EXISTS started timestamptz NOT NULL,
    ADD COLUMN IF NOT EXISTS used bigint NOT NULL
"""
ARRIVALS = """
ALTER TABLE rate_limits DROP COLUMN IF EXISTS started, DROP COLUMN IF EXISTS used,
    ADD COLUMN IF NOT EXISTS arrival timestamptz NOT NULL
"""


def upgrade() -> None:
    op.execute("TRUNCATE rate_limits")
    op.execute(WINDOWS)


def downgrade() -> None:
    op.execute("TRUNCATE rate_limits")
    op.execute(ARRIVALS)
