"""Faults planted in the schema one at a time, each with the finding that must report it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A faulty change, and the finding that must report it."""

    sql: str
    found: str


_MATCHING = """
CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS TABLE (conversation_id bigint) LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = ''
RETURN (SELECT m.conversation_id FROM public.messages m WHERE m.search @@ public.search_query(query) LIMIT 1)
"""

_ACCESS = """
CREATE OR REPLACE FUNCTION task_access(owner text, team bigint, task bigint, deleted timestamptz,
    me text, managed_teams bigint[], writable_teams bigint[], readable_teams bigint[],
    editable_tasks bigint[], readable_tasks bigint[]) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN owner = me OR team = ANY (managed_teams) THEN 'owner'
    WHEN team = ANY (writable_teams) OR task = ANY (editable_tasks) THEN 'edit'
    WHEN team = ANY (readable_teams) OR task = ANY (readable_tasks) THEN 'view' END
"""
_MY_ACCESS = """
CREATE OR REPLACE FUNCTION my_task_access(task bigint) RETURNS text LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = ''
RETURN (SELECT 'owner' FROM public.tasks t WHERE t.id = task)
"""

FAULTS = {
    "a policy is dropped": Fault("DROP POLICY tasks_select ON tasks", "tasks SELECT is granted without a policy"),
    "a policy is USING (true)": Fault(
        "ALTER POLICY conversations_all ON conversations USING (true)", "another user reads conversations"
    ),
    "a policy has OR true": Fault(
        "ALTER POLICY tasks_select ON tasks USING (user_id = current_user_id() OR true)", "another user reads tasks"
    ),
    "a policy has an OR that is always true": Fault(
        "ALTER POLICY messages_all ON messages USING (user_id = current_user_id() OR length(content) > 0)",
        "another user reads messages",
    ),
    "an insert is not checked": Fault("ALTER POLICY tasks_insert ON tasks WITH CHECK (true)", "a task is forged"),
    "an update has no WITH CHECK": Fault(
        "DROP POLICY users_update ON users; CREATE POLICY users_update ON users FOR UPDATE TO taskdeck_app "
        "USING (id = current_user_id())",
        "users_update has no WITH CHECK",
    ),
    "a trigger function may be called by everybody": Fault(
        "GRANT EXECUTE ON FUNCTION touch_task() TO PUBLIC", "touch_task() may be called by everybody"
    ),
    "a second policy is more permissive": Fault(
        "CREATE POLICY extra ON tasks FOR SELECT TO PUBLIC USING (status = 'pending')", "another user reads tasks"
    ),
    "row-level security is not forced and requests own the table": Fault(
        "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY; ALTER TABLE messages OWNER TO taskdeck_app",
        "another user reads messages",
    ),
    "row-level security is not forced": Fault(
        "ALTER TABLE teams NO FORCE ROW LEVEL SECURITY", "teams has no forced row-level security"
    ),
    "row-level security is disabled": Fault("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY", "another user reads tasks"),
    "requests bypass policies": Fault("ALTER ROLE taskdeck_app BYPASSRLS", "another user reads idempotency_keys"),
    "requests are members of the policies' role": Fault(
        "GRANT taskdeck_rls TO taskdeck_app", "the role of requests is a member of taskdeck_rls"
    ),
    "an empty user is a user": Fault(
        "CREATE OR REPLACE FUNCTION current_user_id() RETURNS text LANGUAGE sql STABLE "
        "RETURN current_setting('app.user_id', true)",
        "an anonymous request has a user",
    ),
    "a foreign key omits the owner": Fault(
        "ALTER TABLE messages DROP CONSTRAINT messages_conversation_fkey, ADD CONSTRAINT messages_conversation_fk "
        "FOREIGN KEY (conversation_id) REFERENCES conversations (id)",
        "a message is added to a foreign conversation",
    ),
    "a share's foreign key is missing": Fault(
        "ALTER TABLE task_shares DROP CONSTRAINT task_shares_task_fkey; "
        "ALTER POLICY task_shares_insert ON task_shares WITH CHECK (owner_id = current_user_id())",
        "a share is forged",
    ),
    "a function does not filter by user": Fault(_MATCHING, "another user searches messages"),
    "a function has no fixed search path": Fault(
        "ALTER FUNCTION find_users(text) RESET search_path", "find_users(text) has no fixed search path"
    ),
    "an unreviewed function sees everything": Fault(
        "CREATE FUNCTION everything() RETURNS SETOF tasks LANGUAGE sql SECURITY DEFINER SET search_path = '' "
        "RETURN (SELECT t FROM public.tasks t LIMIT 1)",
        "everything() bypasses policies without review",
    ),
    "requests may call a dashboard function": Fault(
        "GRANT EXECUTE ON FUNCTION taskdeck_pat_list(text) TO taskdeck_app", "a request lists tokens"
    ),
    "the owner of a task may be changed": Fault(
        "GRANT UPDATE (user_id) ON tasks TO taskdeck_app", "requests may update the ownership column tasks.user_id"
    ),
    "history may be rewritten": Fault(
        "GRANT UPDATE ON task_events TO taskdeck_app", "task_events UPDATE is granted without a policy"
    ),
    "a table may be truncated": Fault(
        "GRANT TRUNCATE ON tasks TO taskdeck_app", "requests hold TRUNCATE, TRIGGER or REFERENCES on tasks"
    ),
    "requests may create objects": Fault(
        "GRANT CREATE ON SCHEMA public TO taskdeck_app", "a request creates a function"
    ),
    "moves are not checked": Fault("DROP TRIGGER tasks_place ON tasks", "an editor moves a task away"),
    "changes leave no history": Fault(
        "DROP TRIGGER tasks_record_changed ON tasks", "the trigger tasks_record_changed is missing or disabled"
    ),
    "a team may lose its owner": Fault(
        "ALTER TABLE team_members DISABLE TRIGGER team_members_keep_owner", "the last owner leaves"
    ),
    "members may invite": Fault(
        "ALTER POLICY team_members_insert ON team_members WITH CHECK (team_id = ANY (my_team_ids()))",
        "a member invites",
    ),
    "readers may promote themselves": Fault(
        "ALTER POLICY task_shares_update ON task_shares USING (shared_with_user_id = current_user_id()) "
        "WITH CHECK (shared_with_user_id = current_user_id())",
        "a reader becomes an editor",
    ),
    "viewers may write": Fault(
        "ALTER POLICY tasks_update ON tasks USING (user_id = current_user_id() OR team_id = ANY (my_team_ids())) "
        "WITH CHECK (user_id = current_user_id() OR team_id = ANY (my_team_ids()))",
        "a viewer changes a team task",
    ),
    "deleted tasks stay visible": Fault(_ACCESS, "a member restores a task"),
    "access to one task ignores the user": Fault(_MY_ACCESS, "a reader becomes an editor"),
    "a new table has no policies": Fault(
        "CREATE TABLE notes (user_id text); GRANT SELECT ON notes TO taskdeck_app",
        "notes has no forced row-level security",
    ),
    "a view bypasses policies": Fault(
        "CREATE VIEW all_tasks AS SELECT * FROM tasks; GRANT SELECT ON all_tasks TO taskdeck_app",
        "all_tasks shows rows of other users",
    ),
    "titles are unique across users": Fault(
        "CREATE UNIQUE INDEX one_title ON tasks (title)", "one_title is unique across users"
    ),
}
