"""Who sees which row: row-level security, forced on every table.

Policies are CASE, not OR: the planner would turn OR into a scan of every index, also for one's own rows.
The functions belong to taskdeck_rls, because a forced policy binds a table's owner as well.
"""

from alembic import op

revision = "007"
down_revision = "006"
branch_labels = None
depends_on = None

TABLES = (
    "users",
    "teams",
    "team_members",
    "tasks",
    "task_shares",
    "conversations",
    "messages",
    "task_events",
    "idempotency_keys",
    "cached_statistics",
    "personal_access_tokens",
    "rate_limits",
)

_TEAMS = """
CREATE OR REPLACE FUNCTION {name}() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{{}}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY[{roles}]);
END
"""
_SHARED = """
CREATE OR REPLACE FUNCTION {name}() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.task_id), '{{}}') FROM public.task_shares s
    WHERE s.shared_with_user_id = public.current_user_id() AND s.permission = ANY (ARRAY[{permissions}]);
END
"""
_CONTACTS = """
CREATE OR REPLACE FUNCTION my_contact_ids() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(c.user_id), '{}') FROM (
        SELECT m.user_id FROM public.team_members m WHERE m.team_id = ANY (public.my_team_ids())
        UNION SELECT t.user_id FROM public.tasks t WHERE t.team_id = ANY (public.my_team_ids())
        UNION SELECT s.owner_id FROM public.task_shares s
            WHERE s.shared_with_user_id = public.current_user_id()
        UNION SELECT s.shared_with_user_id FROM public.task_shares s
            WHERE s.owner_id = public.current_user_id()
    ) c;
END
"""

FUNCTIONS = {
    "my_team_ids()": _TEAMS.format(name="my_team_ids", roles="'owner', 'admin', 'member', 'viewer'"),
    "my_writable_team_ids()": _TEAMS.format(name="my_writable_team_ids", roles="'owner', 'admin', 'member'"),
    "my_managed_team_ids()": _TEAMS.format(name="my_managed_team_ids", roles="'owner', 'admin'"),
    "my_owned_team_ids()": _TEAMS.format(name="my_owned_team_ids", roles="'owner'"),
    "my_shared_task_ids()": _SHARED.format(name="my_shared_task_ids", permissions="'view', 'edit'"),
    "my_editable_task_ids()": _SHARED.format(name="my_editable_task_ids", permissions="'edit'"),
    "my_contact_ids()": _CONTACTS,
}

ME = "(SELECT current_user_id())"
MY_TEAMS = "ANY ((SELECT my_team_ids())::bigint[])"
WRITABLE = "ANY ((SELECT my_writable_team_ids())::bigint[])"
MANAGED = "ANY ((SELECT my_managed_team_ids())::bigint[])"
OWNED = "ANY ((SELECT my_owned_team_ids())::bigint[])"

SEES_TASK = f"""
CASE WHEN user_id = {ME} THEN true
     WHEN team_id = {MANAGED} THEN true
     WHEN deleted_at IS NOT NULL THEN false
     WHEN team_id = {MY_TEAMS} THEN true
     ELSE id = ANY ((SELECT my_shared_task_ids())::bigint[]) END
"""
CHANGES_TASK = f"""
CASE WHEN user_id = {ME} THEN true
     WHEN team_id = {WRITABLE} THEN true
     ELSE id = ANY ((SELECT my_editable_task_ids())::bigint[]) END
"""
MANAGES_SHARED_TASK = f"""
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = {ME} OR t.team_id = {MANAGED}))
"""
MANAGES_MEMBER = f"""
CASE WHEN team_id = {OWNED} THEN true ELSE role <> 'owner' AND team_id = {MANAGED} END
"""

# (table, command, USING, WITH CHECK)
POLICIES = (
    (
        "users",
        "SELECT",
        f"CASE WHEN id = {ME} THEN true ELSE id = ANY ((SELECT my_contact_ids())::text[]) END",
        None,
    ),
    ("users", "INSERT", None, f"id = {ME}"),
    ("users", "UPDATE", f"id = {ME}", f"id = {ME}"),
    ("teams", "SELECT", f"id = {MY_TEAMS}", None),
    ("team_members", "SELECT", f"team_id = {MY_TEAMS}", None),
    ("team_members", "INSERT", None, MANAGES_MEMBER),
    ("team_members", "UPDATE", MANAGES_MEMBER, MANAGES_MEMBER),
    ("team_members", "DELETE", f"CASE WHEN user_id = {ME} THEN true ELSE ({MANAGES_MEMBER}) END", None),
    ("tasks", "SELECT", SEES_TASK, None),
    ("tasks", "INSERT", None, f"user_id = {ME} AND (team_id IS NULL OR team_id = {WRITABLE})"),
    ("tasks", "UPDATE", CHANGES_TASK, CHANGES_TASK),
    (
        "task_shares",
        "SELECT",
        f"CASE WHEN shared_with_user_id = {ME} OR owner_id = {ME} THEN true ELSE {MANAGES_SHARED_TASK} END",
        None,
    ),
    ("task_shares", "INSERT", None, MANAGES_SHARED_TASK),
    ("task_shares", "UPDATE", MANAGES_SHARED_TASK, MANAGES_SHARED_TASK),
    (
        "task_shares",
        "DELETE",
        f"CASE WHEN shared_with_user_id = {ME} THEN true ELSE {MANAGES_SHARED_TASK} END",
        None,
    ),
    ("conversations", "ALL", f"user_id = {ME}", f"user_id = {ME}"),
    ("messages", "ALL", f"user_id = {ME}", f"user_id = {ME}"),
    ("task_events", "SELECT", "EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id)", None),
    ("idempotency_keys", "ALL", f"user_id = {ME}", f"user_id = {ME}"),
    ("cached_statistics", "ALL", f"user_id = {ME}", f"user_id = {ME}"),
    ("personal_access_tokens", "SELECT", f"user_id = {ME}", None),
    ("rate_limits", "ALL", f"user_id = {ME}", f"user_id = {ME}"),
)

# What a request may do to columns: a task never changes hands, history is never rewritten.
GRANTS = (
    "SELECT, INSERT, UPDATE (email, name, timezone, updated_at) ON users",
    "SELECT ON teams",
    "SELECT, INSERT, DELETE, UPDATE (role) ON team_members",
    """
    SELECT, INSERT, UPDATE (team_id, parent_id, assignee_id, title, description, status, priority, due, due_at,
        tags, recurrence, version, updated_at, completed_at, deleted_at) ON tasks
    """,
    "SELECT, INSERT, DELETE, UPDATE (permission) ON task_shares",
    "SELECT, INSERT, DELETE, UPDATE (title, message_count, updated_at) ON conversations",
    "SELECT, INSERT ON messages",
    "SELECT ON task_events",
    "SELECT, INSERT, DELETE, UPDATE (fingerprint, answer, created_at) ON idempotency_keys",
    "SELECT, INSERT, UPDATE ON cached_statistics",
    "SELECT, INSERT, UPDATE ON rate_limits",
)

DEFINERS = ("record_created_tasks()", "record_changed_tasks()", "record_share()", "keep_team_owner()")


def upgrade() -> None:
    op.execute("GRANT CREATE ON SCHEMA public TO taskdeck_rls")
    for signature, definition in FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"ALTER FUNCTION {signature} OWNER TO taskdeck_rls")
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO taskdeck_app, taskdeck_rls")
    for signature in DEFINERS:
        op.execute(f"ALTER FUNCTION {signature} OWNER TO taskdeck_rls")
    op.execute("REVOKE CREATE ON SCHEMA public FROM taskdeck_rls")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, taskdeck_app, taskdeck_rls")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO taskdeck_rls")
        op.execute(f"DROP POLICY IF EXISTS {table}_functions ON {table}")
        op.execute(f"CREATE POLICY {table}_functions ON {table} TO taskdeck_rls USING (true) WITH CHECK (true)")
    for table, command, using, check in POLICIES:
        name = f"{table}_{command.lower()}"
        clauses = (f" USING ({using})" if using else "") + (f" WITH CHECK ({check})" if check else "")
        op.execute(f"DROP POLICY IF EXISTS {name} ON {table}")
        op.execute(f"CREATE POLICY {name} ON {table} FOR {command} TO taskdeck_app{clauses}")
    for grant in GRANTS:
        op.execute(f"GRANT {grant} TO taskdeck_app")


def downgrade() -> None:
    for table, command, _, _ in POLICIES:
        op.execute(f"DROP POLICY IF EXISTS {table}_{command.lower()} ON {table}")
    for table in TABLES:
        op.execute(f"DROP POLICY IF EXISTS {table}_functions ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION IF EXISTS {signature}")
