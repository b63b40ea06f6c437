"""Row-level security: the policies are in storage/sql."""

revision = "007"
down_revision = "006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: see storage/sql."""


def downgrade() -> None:
    """Nothing: see storage/sql."""
