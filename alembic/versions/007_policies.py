"""Row-level security: the policies are in storage/sql."""

revision = "007"
down_revision = "006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""


def downgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""
