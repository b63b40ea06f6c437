"""Shares and memberships that wait for the other person to accept them."""

from alembic import op

revision = "017"
down_revision = "016"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS invitations (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT invitations_pkey PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT invitations_user_id_fkey REFERENCES users ON DELETE CASCADE,
        address text NOT NULL CHECK (length(address) BETWEEN 1 AND 320),
        invitee_id text CONSTRAINT invitations_invitee_id_fkey REFERENCES users ON DELETE CASCADE,
        team_id bigint CONSTRAINT invitations_team_id_fkey REFERENCES teams ON DELETE SET NULL,
        task_id bigint CONSTRAINT invitations_task_id_fkey REFERENCES tasks ON DELETE SET NULL,
        offered text NOT NULL CHECK (offered IN ('owner', 'admin', 'member', 'viewer', 'view', 'edit')),
        status text NOT NULL DEFAULT 'pending'
            CHECK (status IN ('pending', 'accepted', 'declined', 'withdrawn', 'blocked')),
        client text,
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK (num_nonnulls(team_id, task_id) <= 1)
    )
    """,
    "CREATE INDEX IF NOT EXISTS invitations_inviter ON invitations (user_id, created_at)",
    "CREATE INDEX IF NOT EXISTS invitations_address ON invitations (lower(address), status)",
    "CREATE INDEX IF NOT EXISTS invitations_invitee ON invitations (invitee_id) WHERE invitee_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS invitations_team ON invitations (team_id) WHERE team_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS invitations_task ON invitations (task_id) WHERE task_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    # They return whole invitations.
    op.execute("DROP FUNCTION IF EXISTS answer_invitation(bigint, text), my_invitations(bigint), invitations_for(text)")
    op.execute("DROP FUNCTION IF EXISTS my_offers(bigint, bigint)")
    op.execute("DROP TABLE IF EXISTS invitations")
