"""Tasks and their shares."""

from alembic import op

revision = "003"
down_revision = "002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # For tasks_search: a GIN index that begins with a text column.
    "CREATE EXTENSION IF NOT EXISTS btree_gin",
    """
    CREATE TABLE IF NOT EXISTS tasks (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT tasks_pkey PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT tasks_user_id_fkey REFERENCES users ON DELETE CASCADE,
        team_id bigint CONSTRAINT tasks_team_id_fkey REFERENCES teams ON DELETE SET NULL,
        parent_id bigint CONSTRAINT tasks_parent_id_fkey REFERENCES tasks ON DELETE SET NULL,
        assignee_id text CONSTRAINT tasks_assignee_id_fkey REFERENCES users ON DELETE SET NULL,
        title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
        description text CHECK (octet_length(description) <= 16384),
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed')),
        priority text NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
        due text,
        due_at timestamptz,
        tags text[] NOT NULL DEFAULT '{}',
        recurrence text,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz,
        deleted_at timestamptz,
        search tsvector GENERATED ALWAYS AS (
            to_tsvector('simple'::regconfig, title || ' '::text || coalesce(description, ''::text))
        ) STORED,
        CONSTRAINT tasks_id_user UNIQUE (id, user_id),
        CHECK ((due IS NULL) = (due_at IS NULL)),
        CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
        CHECK (parent_id <> id)
    )
    """,
    # Covering, so that counting a person's tasks never reads the table once it has been vacuumed.
    """
    CREATE INDEX IF NOT EXISTS tasks_owner ON tasks (user_id, created_at DESC, id DESC)
        INCLUDE (status, team_id, due_at, deleted_at) WHERE deleted_at IS NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS tasks_team ON tasks (team_id, created_at DESC, id DESC)
        INCLUDE (status, user_id, due_at, deleted_at) WHERE deleted_at IS NULL AND team_id IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS tasks_due ON tasks (user_id, due_at)
        INCLUDE (id, status, team_id, due, deleted_at) WHERE deleted_at IS NULL AND due_at IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS tasks_completed ON tasks (user_id, completed_at)
        INCLUDE (id, team_id, deleted_at) WHERE deleted_at IS NULL AND completed_at IS NOT NULL
    """,
    # For walks over subtasks, and for the foreign key when a parent is purged.
    "CREATE INDEX IF NOT EXISTS tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS tasks_search ON tasks USING gin (user_id, search)",
    # Index-only scans need pages that VACUUM has marked as visible. By default it runs after a fifth of the table has
    # changed, so counts would stay slow for long after a bulk insert.
    """
    ALTER TABLE tasks SET (
        autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_analyze_scale_factor = 0.02
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS task_shares (
        task_id bigint NOT NULL,
        shared_with_user_id text NOT NULL
            CONSTRAINT task_shares_shared_with_user_id_fkey REFERENCES users ON DELETE CASCADE,
        owner_id text NOT NULL,
        permission text NOT NULL CHECK (permission IN ('view', 'edit')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_shares_pkey PRIMARY KEY (task_id, shared_with_user_id),
        CONSTRAINT task_shares_task_fkey FOREIGN KEY (task_id, owner_id)
            REFERENCES tasks (id, user_id) ON DELETE CASCADE,
        CHECK (shared_with_user_id <> owner_id)
    )
    """,
    # The primary key begins with the task; the recipient's list starts from the user.
    "CREATE INDEX IF NOT EXISTS task_shares_recipient ON task_shares (shared_with_user_id, task_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS task_shares")
    op.execute("DROP TABLE IF EXISTS tasks")
