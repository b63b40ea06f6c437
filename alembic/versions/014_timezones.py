"""A person's time zone: the chosen one and the server's default, beside the one that their token names."""

from alembic import op

revision = "014"
down_revision = "013"
branch_labels = None
depends_on = None

COLUMNS = ("chosen_timezone", "default_timezone")

# A query with a time zone that PostgreSQL does not know fails, and earlier releases stored zones without a check.
FORGET_UNKNOWN = """
DO $$
DECLARE
    zone text;
BEGIN
    FOR zone IN SELECT DISTINCT u.timezone FROM users u WHERE u.timezone IS NOT NULL LOOP
        BEGIN
            PERFORM timezone(zone, now());
        EXCEPTION WHEN invalid_parameter_value THEN
            UPDATE users SET timezone = NULL WHERE timezone = zone;
        END;
    END LOOP;
END $$
"""


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE users ADD COLUMN IF NOT EXISTS {column} text")
    op.execute(FORGET_UNKNOWN)


def downgrade() -> None:
    # The trigger names the columns, so PostgreSQL would refuse to drop them.
    op.execute("DROP TRIGGER IF EXISTS users_announce_timezone ON users")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE users DROP COLUMN IF EXISTS {column}")
