"""Requests may read the version of the schema: the grant is in storage/sql."""

revision = "010"
down_revision = "009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""


def downgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""
