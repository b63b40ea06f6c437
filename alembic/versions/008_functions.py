"""Functions that requests call: they are in storage/sql."""

revision = "008"
down_revision = "007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: see storage/sql."""


def downgrade() -> None:
    """Nothing: see storage/sql."""
