"""Requests are counted for each client of a person, and for all of them together."""

from alembic import op

revision = "012"
down_revision = "011"
branch_labels = None
depends_on = None

# Requests of the last minute are not counted again: it is not recorded which client sent them.
BY_CLIENT = """
ALTER TABLE rate_limits ADD COLUMN IF NOT EXISTS client text NOT NULL DEFAULT '',
    DROP CONSTRAINT IF EXISTS rate_limits_pkey, ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (user_id, client)
"""
BY_PERSON = """
ALTER TABLE rate_limits DROP CONSTRAINT IF EXISTS rate_limits_pkey, DROP COLUMN IF EXISTS client,
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (user_id)
"""


def upgrade() -> None:
    op.execute("TRUNCATE rate_limits")
    op.execute(BY_CLIENT)
    # Another signature is another function: CREATE OR REPLACE in storage/sql would leave this one in place.
    op.execute("DROP FUNCTION IF EXISTS take_request(bigint)")


def downgrade() -> None:
    op.execute("TRUNCATE rate_limits")
    op.execute(BY_PERSON)
    op.execute("DROP FUNCTION IF EXISTS take_request(text, text, bigint, bigint)")
    op.execute("DROP FUNCTION IF EXISTS count_request(text, text, bigint)")
