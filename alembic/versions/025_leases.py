"""Requests are counted several at a time: `take_request` takes how many."""

from alembic import op

revision = "025"
down_revision = "024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Another signature is another function: CREATE OR REPLACE in storage/sql would leave these in place.
    op.execute("DROP FUNCTION IF EXISTS take_request(text, text, bigint, bigint)")
    op.execute("DROP FUNCTION IF EXISTS count_request(text, text, bigint)")


def downgrade() -> None:
    op.execute("DROP FUNCTION IF EXISTS take_request(text, text, bigint, bigint, bigint)")
