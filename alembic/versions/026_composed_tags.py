"""Tags in Unicode's composed form (NFC), as requests store them from now on."""

from alembic import op

revision = "026"
down_revision = "025"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The spelling of a tag is no change that a history, a version or a subscriber should show.
    "ALTER TABLE tasks DISABLE TRIGGER USER",
    # A forced policy binds the owner of the table too, who would see no row.
    "ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE tasks SET tags = ARRAY(
        SELECT normalize(t.tag) FROM unnest(tags) WITH ORDINALITY AS t (tag, position)
        GROUP BY normalize(t.tag) ORDER BY min(t.position)
    )
    WHERE EXISTS (SELECT 1 FROM unnest(tags) AS t (tag) WHERE t.tag IS NOT NORMALIZED)
    """,
    "ALTER TABLE tasks FORCE ROW LEVEL SECURITY",
    "ALTER TABLE tasks ENABLE TRIGGER USER",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Nothing to take back: earlier releases read both forms."""
