-- Who sees what. Policies, triggers and storage/tasks use the functions of this file instead of asking for owners, roles
-- and shares themselves. docs/data-model.md has the table of roles.
--
-- The rule for tasks has three forms, because the planner cannot turn one into another (measured in docs/research.md,
-- "Who sees a task"):
--   task_access         given a row: the caller's access to it
--   matching_task_ids   given the caller: the rows, each set by its own index; storage/tasks/access.py has it for lists
--   task_audience       given a row: the people who see it
-- History has a rule of its own: the policy task_events_select.

-- The caller's teams by role, and the tasks shared with the caller. As arrays: a policy computes them once per statement.
CREATE OR REPLACE FUNCTION my_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin', 'member', 'viewer']);
END;

CREATE OR REPLACE FUNCTION my_writable_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin', 'member']);
END;

CREATE OR REPLACE FUNCTION my_managed_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin']);
END;

CREATE OR REPLACE FUNCTION my_owned_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner']);
END;

CREATE OR REPLACE FUNCTION my_shared_task_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.task_id), '{}') FROM public.task_shares s
    WHERE s.shared_with_user_id = public.current_user_id() AND s.permission = ANY (ARRAY['view', 'edit']);
END;

CREATE OR REPLACE FUNCTION my_editable_task_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.task_id), '{}') FROM public.task_shares s
    WHERE s.shared_with_user_id = public.current_user_id() AND s.permission = ANY (ARRAY['edit']);
END;

-- Access to a row of tasks by one person and the sets above: owner (also deletes, restores, moves and shares), edit,
-- view; NULL for none. A deleted task is there only for those who may restore it.
--
-- The planner inlines it, which it does only while each set is named once and nothing here is SECURITY DEFINER or SET.
-- A caller that has no use for a set passes '{}': with all of them, rows of others cost 1.3 times as much to refuse.
CREATE OR REPLACE FUNCTION task_access(owner text, team bigint, task bigint, deleted timestamptz,
    me text, managed_teams bigint[], writable_teams bigint[], readable_teams bigint[],
    editable_tasks bigint[], readable_tasks bigint[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN owner = me THEN 'owner'
    WHEN team = ANY (managed_teams) THEN 'owner'
    WHEN deleted IS NOT NULL THEN NULL
    WHEN team = ANY (writable_teams) THEN 'edit'
    WHEN task = ANY (editable_tasks) THEN 'edit'
    WHEN team = ANY (readable_teams) THEN 'view'
    WHEN task = ANY (readable_tasks) THEN 'view'
END;

-- The caller's access to one task, for policies of other tables and functions that run without policies. About 0.05 ms
-- for each row, so not for lists.
CREATE OR REPLACE FUNCTION my_task_access(task bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT public.task_access(t.user_id, t.team_id, t.id, t.deleted_at, public.current_user_id(),
        public.my_managed_team_ids(), public.my_writable_team_ids(), public.my_team_ids(),
        public.my_editable_task_ids(), public.my_shared_task_ids())
    FROM public.tasks t WHERE t.id = task;
END;

-- Text search operators are not leakproof: behind a policy the planner would not use the index. task_access would not use
-- any index either, so the three sets of visible tasks are written out.
CREATE OR REPLACE FUNCTION matching_task_ids(query text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(found.id), '{}') FROM (
        SELECT t.id FROM public.tasks t
        WHERE t.user_id = public.current_user_id() AND t.deleted_at IS NULL
          AND t.search @@ public.search_query(query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.team_id = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
          AND t.search @@ public.search_query(query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.id = ANY (public.my_shared_task_ids()) AND t.deleted_at IS NULL
          AND t.search @@ public.search_query(query)
    ) found;
END;

-- Who sees tasks whatever team they are in. Inlined, so that a condition on user_id finds its index.
CREATE OR REPLACE FUNCTION direct_audience(ids bigint[]) RETURNS TABLE (task_id bigint, user_id text) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.id, t.user_id FROM public.tasks t WHERE t.id = ANY (ids)
    UNION ALL
    SELECT s.task_id, s.shared_with_user_id FROM public.task_shares s WHERE s.task_id = ANY (ids);
END;

-- Everybody who sees tasks. Includes deleted ones: whoever saw a task hears that it is gone.
CREATE OR REPLACE FUNCTION task_audience(ids bigint[])
RETURNS TABLE (task_id bigint, user_id text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT d.task_id, d.user_id FROM public.direct_audience(ids) d
    UNION
    SELECT t.id, m.user_id FROM public.tasks t JOIN public.team_members m ON m.team_id = t.team_id
    WHERE t.id = ANY (ids);
END;

-- Whose profile the caller may read: members of the same teams, owners of the teams' tasks, both ends of a share.
-- Team by team, so that each is an index scan: a filter with my_team_ids() in it would call it for each row of a table.
CREATE OR REPLACE FUNCTION my_contact_ids() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(c.user_id), '{}') FROM (
        SELECT m.user_id FROM unnest(public.my_team_ids()) AS mine (id) JOIN public.team_members m ON m.team_id = mine.id
        UNION SELECT o.user_id FROM unnest(public.my_team_ids()) AS mine (id) CROSS JOIN LATERAL (
            SELECT DISTINCT t.user_id FROM public.tasks t WHERE t.team_id = mine.id AND t.deleted_at IS NULL) o
        UNION SELECT s.owner_id FROM public.task_shares s
            WHERE s.shared_with_user_id = public.current_user_id()
        UNION SELECT s.shared_with_user_id FROM public.task_shares s
            WHERE s.owner_id = public.current_user_id()
    ) c;
END;
