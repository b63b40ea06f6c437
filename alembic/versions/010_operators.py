"""The version may be read by requests: the grant is in storage/sql."""

revision = "010"
down_revision = "009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: see storage/sql."""


def downgrade() -> None:
    """Nothing: see storage/sql."""
