"""Triggers, which are in storage/sql. Downgrading beyond this revision removes everything that storage/sql created."""

from alembic import op

from storage.engine.sql_objects import function_names

revision = "006"
down_revision = "005"
branch_labels = None
depends_on = None

# Policies first, because they use the functions. Triggers are dropped with their functions (CASCADE).
REMOVE = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass) AS statement FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'public'::regnamespace
        AND (p.polroles && ARRAY['taskdeck_app'::regrole::oid, 'taskdeck_rls'::regrole::oid])
    LOOP EXECUTE found.statement; END LOOP;
    FOR found IN SELECT format('DROP FUNCTION %s CASCADE', string_agg(p.oid::regprocedure::text, ', ')) AS statement
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (ARRAY[{names}])
        HAVING count(*) > 0
    LOOP EXECUTE found.statement; END LOOP;
END $$
"""


def upgrade() -> None:
    """Nothing to do: `taskdeck migrate` applies storage/sql."""


def downgrade() -> None:
    names = ", ".join(f"'{name}'" for name in function_names())
    op.execute(REMOVE.format(names=names))
