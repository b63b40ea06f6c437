-- Who is asking: set for one transaction by storage/engine/database.py. An empty string is nobody.
CREATE OR REPLACE FUNCTION current_user_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.user_id', true), '');

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

-- Whose profile the caller may read: members of the same teams, owners of the teams' tasks, both ends of a share.
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
END;
