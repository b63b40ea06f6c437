"""History, idempotency keys, cached numbers, personal access tokens, rate limits."""

from alembic import op

revision = "005"
down_revision = "004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS task_events (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_events_pkey PRIMARY KEY,
        transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
        task_id bigint NOT NULL,
        owner_id text NOT NULL,
        user_id text NOT NULL,
        team_id bigint,
        from_team_id bigint,
        target_user_id text,
        event_type text NOT NULL CHECK (event_type IN (
            'task_created', 'task_updated', 'task_completed', 'task_deleted', 'task_restored',
            'task_shared', 'task_unshared'
        )),
        client text,
        changes jsonb NOT NULL DEFAULT '{}',
        undoes bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_events_task_fkey FOREIGN KEY (task_id, owner_id)
            REFERENCES tasks (id, user_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX IF NOT EXISTS task_events_task ON task_events (task_id, transaction_id)",
    "CREATE INDEX IF NOT EXISTS task_events_owner ON task_events (owner_id, transaction_id)",
    "CREATE INDEX IF NOT EXISTS task_events_actor ON task_events (user_id, created_at, transaction_id)",
    """
    CREATE INDEX IF NOT EXISTS task_events_undoes ON task_events (user_id, undoes) WHERE undoes IS NOT NULL
    """,
    # Partial: an event without a team, a former team or a recipient needs no entry in these three.
    """
    CREATE INDEX IF NOT EXISTS task_events_team ON task_events (team_id, transaction_id)
        WHERE team_id IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS task_events_from ON task_events (from_team_id, transaction_id)
        WHERE from_team_id IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS task_events_target ON task_events (target_user_id, transaction_id)
        WHERE target_user_id IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS idempotency_keys (
        user_id text NOT NULL CONSTRAINT idempotency_keys_user_id_fkey REFERENCES users ON DELETE CASCADE,
        key text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
        fingerprint text NOT NULL,
        answer jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
    )
    """,
    # Unlogged: losing the rows in a crash costs one more count, and writing them costs no WAL.
    """
    CREATE UNLOGGED TABLE IF NOT EXISTS cached_statistics (
        user_id text NOT NULL CONSTRAINT cached_statistics_user_id_fkey REFERENCES users ON DELETE CASCADE,
        team_id bigint NOT NULL,
        total bigint NOT NULL,
        completed bigint NOT NULL,
        shared bigint NOT NULL,
        snapshot text NOT NULL,
        counted_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT cached_statistics_pkey PRIMARY KEY (user_id, team_id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS personal_access_tokens (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT personal_access_tokens_pkey PRIMARY KEY,
        user_id text NOT NULL
            CONSTRAINT personal_access_tokens_user_id_fkey REFERENCES users ON DELETE CASCADE,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
        token_hash text NOT NULL CHECK (token_hash ~ '^[0-9a-f]{64}$'),
        token_hint text NOT NULL CHECK (length(token_hint) <= 16),
        scopes text NOT NULL CHECK (scopes IN ('mcp:read', 'mcp:read mcp:write')),
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '366 days'),
        last_used_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT personal_access_tokens_hash UNIQUE (token_hash)
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS personal_access_tokens_owner ON personal_access_tokens (user_id, id)
    """,
    """
    CREATE UNLOGGED TABLE IF NOT EXISTS rate_limits (
        user_id text NOT NULL CONSTRAINT rate_limits_pkey PRIMARY KEY,
        arrival timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "rate_limits",
        "personal_access_tokens",
        "cached_statistics",
        "idempotency_keys",
        "task_events",
    ):
        op.execute(f"DROP TABLE IF EXISTS {table}")
