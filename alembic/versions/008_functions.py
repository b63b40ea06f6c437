"""Functions that requests call: they are in storage/sql."""

revision = "008"
down_revision = "007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""


def downgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""
