"""Teams and their members."""

from alembic import op

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS teams (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT teams_pkey PRIMARY KEY,
        owner_id text NOT NULL CONSTRAINT teams_owner_id_fkey REFERENCES users ON DELETE CASCADE,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS team_members (
        team_id bigint NOT NULL CONSTRAINT team_members_team_id_fkey REFERENCES teams ON DELETE CASCADE,
        user_id text NOT NULL CONSTRAINT team_members_user_id_fkey REFERENCES users ON DELETE CASCADE,
        role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id)
    )
    """,
    # The primary key begins with the team; policies start from the user.
    "CREATE INDEX IF NOT EXISTS team_members_user ON team_members (user_id, team_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS team_members")
    op.execute("DROP TABLE IF EXISTS teams")
