"""Forget e-mail addresses that may never have been verified; verified ones return with each person's next token."""

from alembic import op

revision = "016"
down_revision = "015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Forced row-level security applies to the owner too, and a migration has no identity (current_user_id() is NULL).
    op.execute("ALTER TABLE users NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE users SET email = NULL WHERE email IS NOT NULL")
    op.execute("ALTER TABLE users FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Nothing to restore: tokens bring the addresses back."""
