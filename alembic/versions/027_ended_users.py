"""Digests of deleted users, so that a token that has not expired yet does not create such a user again."""

from alembic import op

revision = "027"
down_revision = "026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE IF NOT EXISTS ended_users (
            digest text CONSTRAINT ended_users_pkey PRIMARY KEY,
            ended_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS users_refuse_ended ON users")
    op.execute("DROP TABLE IF EXISTS ended_users")
