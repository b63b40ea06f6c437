"""A task in a team belongs to one of its members: it can go from one to another."""

from alembic import op

revision = "018"
down_revision = "017"
branch_labels = None
depends_on = None

# History stays with whoever owned the task when it was written, so its key cannot carry the owner.
STATEMENTS = (
    "ALTER TABLE task_events DROP CONSTRAINT IF EXISTS task_events_task_fkey",
    """
    ALTER TABLE task_events ADD CONSTRAINT task_events_task_fkey
        FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
    """,
    "ALTER TABLE task_shares DROP CONSTRAINT IF EXISTS task_shares_task_fkey",
    """
    ALTER TABLE task_shares ADD CONSTRAINT task_shares_task_fkey
        FOREIGN KEY (task_id, owner_id) REFERENCES tasks (id, user_id) ON DELETE CASCADE ON UPDATE CASCADE
    """,
    # Tasks of people who left before this revision go to the team's first owner.
    """
    CREATE TEMPORARY TABLE left_behind ON COMMIT DROP AS
    SELECT t.id, (SELECT m.user_id FROM team_members m WHERE m.team_id = t.team_id AND m.role = 'owner'
        ORDER BY m.created_at, m.user_id LIMIT 1) AS heir
    FROM tasks t WHERE t.team_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM team_members m WHERE m.team_id = t.team_id AND m.user_id = t.user_id)
    """,
    "DELETE FROM task_shares s USING left_behind l WHERE s.task_id = l.id AND s.shared_with_user_id = l.heir",
    """
    DELETE FROM cached_statistics c USING left_behind l, tasks t WHERE t.id = l.id AND c.user_id = t.user_id
    """,
    "UPDATE tasks t SET user_id = l.heir FROM left_behind l WHERE t.id = l.id AND l.heir IS NOT NULL",
    "DROP TABLE left_behind",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS tasks_hold_membership ON tasks")
    op.execute("DROP TRIGGER IF EXISTS team_members_hand_over ON team_members")
    # What was handed over since keeps the history of its present owner only.
    op.execute("DELETE FROM task_events e USING tasks t WHERE t.id = e.task_id AND t.user_id <> e.owner_id")
    op.execute("ALTER TABLE task_events DROP CONSTRAINT IF EXISTS task_events_task_fkey")
    op.execute("""
        ALTER TABLE task_events ADD CONSTRAINT task_events_task_fkey
            FOREIGN KEY (task_id, owner_id) REFERENCES tasks (id, user_id) ON DELETE CASCADE
    """)
    op.execute("ALTER TABLE task_shares DROP CONSTRAINT IF EXISTS task_shares_task_fkey")
    op.execute("""
        ALTER TABLE task_shares ADD CONSTRAINT task_shares_task_fkey
            FOREIGN KEY (task_id, owner_id) REFERENCES tasks (id, user_id) ON DELETE CASCADE
    """)
