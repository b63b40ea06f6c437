"""Two roles that cannot log in, and the users known from the identity provider.

taskdeck_app runs every request (no BYPASSRLS); taskdeck_rls owns the functions that policies call.
"""

from alembic import op

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

# Roles belong to the cluster: another database of it may have created them, also at the same moment (unique_violation).
ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

# PostgreSQL 16 separates ADMIN, SET and INHERIT; 15 has one kind of membership. To own and replace functions as
# taskdeck_rls the migrating role has to be a member of it. env.py revokes that membership at the end, because policies
# show every row to its members.
MEMBERSHIP = """
DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' THEN RETURN; END IF;
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT {inherit}';
    ELSE
        EXECUTE 'GRANT {role} TO CURRENT_USER';
    END IF;
END $$
"""

USERS = """
CREATE TABLE IF NOT EXISTS users (
    id text CONSTRAINT users_pkey PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_.:@|-]{1,128}$'),
    email text CHECK (length(email) BETWEEN 3 AND 320),
    name text CHECK (length(name) BETWEEN 1 AND 200),
    timezone text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    for role, inherit in (("taskdeck_app", "FALSE"), ("taskdeck_rls", "TRUE")):
        op.execute(ROLE.format(role=role))
        op.execute(MEMBERSHIP.format(role=role, inherit=inherit))
    op.execute("GRANT USAGE ON SCHEMA public TO taskdeck_app, taskdeck_rls")
    op.execute(USERS)
    op.execute("CREATE INDEX IF NOT EXISTS users_email ON users (lower(email))")


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS users")
