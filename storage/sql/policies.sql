-- Who sees and changes which row: row-level security, forced on every table.
--
-- Policies are CASE, not OR: the planner turns OR into a scan of every index, also for the caller's own rows.
-- Functions are called in a sub-select so that they run once per statement, not once per row.
-- The functions belong to taskdeck_rls: a forced policy binds a table's owner as well.
-- A policy cannot be replaced, so all are dropped first, also those that somebody added by hand.

DO $$
DECLARE
    name text;
    old name;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'users', 'teams', 'team_members', 'tasks', 'task_shares',
        'conversations', 'messages', 'task_events', 'idempotency_keys', 'cached_statistics',
        'personal_access_tokens', 'rate_limits', 'invitations', 'import_keys', 'audit_events', 'ended_users',
        'task_messages'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, taskdeck_app, taskdeck_rls', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO taskdeck_rls', name);
        FOR old IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = name::regclass LOOP
            EXECUTE format('DROP POLICY %I ON %I', old, name);
        END LOOP;
        EXECUTE format(
            'CREATE POLICY %I ON %I TO taskdeck_rls USING (true) WITH CHECK (true)', name || '_functions', name);
    END LOOP;
END $$;

-- People.

CREATE POLICY users_select ON users FOR SELECT TO taskdeck_app
    USING (CASE WHEN id = (SELECT current_user_id()) THEN true ELSE id = ANY ((SELECT my_contact_ids())::text[]) END);

CREATE POLICY users_insert ON users FOR INSERT TO taskdeck_app
    WITH CHECK (id = (SELECT current_user_id()));

CREATE POLICY users_update ON users FOR UPDATE TO taskdeck_app
    USING (id = (SELECT current_user_id()))
    WITH CHECK (id = (SELECT current_user_id()));

-- Teams and their members.

CREATE POLICY teams_select ON teams FOR SELECT TO taskdeck_app
    USING (id = ANY ((SELECT my_team_ids())::bigint[]));

CREATE POLICY team_members_select ON team_members FOR SELECT TO taskdeck_app
    USING (team_id = ANY ((SELECT my_team_ids())::bigint[]));

CREATE POLICY team_members_insert ON team_members FOR INSERT TO taskdeck_app
    WITH CHECK (takes_directly(user_id, team_id, NULL) AND (role <> 'owner' OR team_id = ANY ((SELECT my_owned_team_ids())::bigint[])));

CREATE POLICY team_members_update ON team_members FOR UPDATE TO taskdeck_app
    USING (CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true
         ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END)
    WITH CHECK (CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true
         ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END);

CREATE POLICY team_members_delete ON team_members FOR DELETE TO taskdeck_app
    USING (CASE WHEN user_id = (SELECT current_user_id()) THEN true
         WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true
         ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END);

-- Tasks, by functions/visibility.sql. To read takes no sets of what may be written, and the reverse.

CREATE POLICY tasks_select ON tasks FOR SELECT TO taskdeck_app
    USING (task_access(user_id, team_id, id, deleted_at, (SELECT current_user_id()), (SELECT my_managed_team_ids()),
        '{}', (SELECT my_team_ids()), '{}', (SELECT my_shared_task_ids())) IS NOT NULL);

CREATE POLICY tasks_insert ON tasks FOR INSERT TO taskdeck_app
    WITH CHECK (user_id = (SELECT current_user_id())
        AND (team_id IS NULL OR team_id = ANY ((SELECT my_writable_team_ids())::bigint[])));

CREATE POLICY tasks_update ON tasks FOR UPDATE TO taskdeck_app
    USING (task_access(user_id, team_id, id, deleted_at, (SELECT current_user_id()), (SELECT my_managed_team_ids()),
        (SELECT my_writable_team_ids()), '{}', (SELECT my_editable_task_ids()), '{}') IS NOT NULL)
    WITH CHECK (task_access(user_id, team_id, id, deleted_at, (SELECT current_user_id()), (SELECT my_managed_team_ids()),
        (SELECT my_writable_team_ids()), '{}', (SELECT my_editable_task_ids()), '{}') IS NOT NULL);

-- Shares: managed by whoever may delete the task. A foreign key makes sure that owner_id is the task's owner.

CREATE POLICY task_shares_select ON task_shares FOR SELECT TO taskdeck_app
    USING (CASE WHEN shared_with_user_id = (SELECT current_user_id()) OR owner_id = (SELECT current_user_id()) THEN true
         ELSE my_task_access(task_id) = 'owner' END);

CREATE POLICY task_shares_insert ON task_shares FOR INSERT TO taskdeck_app
    WITH CHECK (takes_directly(shared_with_user_id, NULL, task_id));

CREATE POLICY task_shares_update ON task_shares FOR UPDATE TO taskdeck_app
    USING (my_task_access(task_id) = 'owner')
    WITH CHECK (my_task_access(task_id) = 'owner');

CREATE POLICY task_shares_delete ON task_shares FOR DELETE TO taskdeck_app
    USING (CASE WHEN shared_with_user_id = (SELECT current_user_id()) THEN true
         ELSE my_task_access(task_id) = 'owner' END);

-- Invitations are read and answered through functions: an inviter must not learn whom an address belongs to.

CREATE POLICY invitations_select ON invitations FOR SELECT TO taskdeck_app
    USING (invitee_id = (SELECT current_user_id()));

-- What belongs to one person.

CREATE POLICY conversations_all ON conversations FOR ALL TO taskdeck_app
    USING (user_id = (SELECT current_user_id()))
    WITH CHECK (user_id = (SELECT current_user_id()));

CREATE POLICY messages_all ON messages FOR ALL TO taskdeck_app
    USING (user_id = (SELECT current_user_id()))
    WITH CHECK (user_id = (SELECT current_user_id()));

-- History: whoever owned the task when it was written sees it, a team its own time (what moves a task into it tells what was before), others
-- since their share.

CREATE POLICY task_events_select ON task_events FOR SELECT TO taskdeck_app
    USING (CASE WHEN NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id) THEN false
         WHEN owner_id = (SELECT current_user_id()) THEN true
         WHEN team_id = ANY ((SELECT my_team_ids())::bigint[]) AND changes -> 'team_id' IS NULL THEN true
         ELSE EXISTS (SELECT 1 FROM task_shares s WHERE s.task_id = task_events.task_id
             AND s.shared_with_user_id = (SELECT current_user_id()) AND s.created_at <= task_events.created_at) END);

CREATE POLICY idempotency_keys_all ON idempotency_keys FOR ALL TO taskdeck_app
    USING (user_id = (SELECT current_user_id()))
    WITH CHECK (user_id = (SELECT current_user_id()));

CREATE POLICY cached_statistics_all ON cached_statistics FOR ALL TO taskdeck_app
    USING (user_id = (SELECT current_user_id()))
    WITH CHECK (user_id = (SELECT current_user_id()));

CREATE POLICY personal_access_tokens_select ON personal_access_tokens FOR SELECT TO taskdeck_app
    USING (user_id = (SELECT current_user_id()));

CREATE POLICY import_keys_all ON import_keys FOR ALL TO taskdeck_app
    USING (user_id = (SELECT current_user_id()))
    WITH CHECK (user_id = (SELECT current_user_id()));

-- What a message did to tasks: only the owner of the conversation sees it, whoever sees the task.

CREATE POLICY task_messages_select ON task_messages FOR SELECT TO taskdeck_app
    USING (user_id = (SELECT current_user_id()));

CREATE POLICY task_messages_insert ON task_messages FOR INSERT TO taskdeck_app
    WITH CHECK (user_id = (SELECT current_user_id()) AND my_task_access(task_id) IS NOT NULL);

-- Appended to by triggers and by requests, read by the person concerned, changed by nobody.

CREATE POLICY audit_events_select ON audit_events FOR SELECT TO taskdeck_app
    USING (user_id = (SELECT current_user_id()));
