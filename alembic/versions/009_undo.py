"""Functions for undo: they are in storage/sql."""

revision = "009"
down_revision = "008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""


def downgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""
