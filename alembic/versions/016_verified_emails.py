"""Forget e-mail addresses that may never have been verified; verified ones return with each person's next token."""

from alembic import op

revision = "016"
down_revision = "015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Row-level security binds the owner of the table too, who is nobody in particular here.
    op.execute("ALTER TABLE users NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE users SET email = NULL WHERE email IS NOT NULL")
    op.execute("ALTER TABLE users FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Nothing to restore: tokens bring the addresses back."""
