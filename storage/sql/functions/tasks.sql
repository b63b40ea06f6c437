CREATE OR REPLACE FUNCTION touch_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

-- Runs as the caller, so the parent is looked up under the caller's own policies. The walk also ends in a circle of
-- parents that the caller does not see as one.
CREATE OR REPLACE FUNCTION place_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    visible boolean;
    circular boolean;
BEGIN
    IF public.current_user_id() IS NULL THEN RETURN NEW; END IF;
    IF TG_OP = 'UPDATE' AND NEW.team_id IS DISTINCT FROM OLD.team_id AND NOT (
        coalesce(public.my_task_access(OLD.id) = 'owner', false)
        AND (NEW.team_id IS NULL OR NEW.team_id = ANY (public.my_writable_team_ids()))
    ) THEN
        RAISE EXCEPTION 'not allowed to move this task' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.parent_id IS NULL OR TG_OP = 'UPDATE' AND NEW.parent_id IS NOT DISTINCT FROM OLD.parent_id THEN
        RETURN NEW;
    END IF;
    -- UNION drops repeated rows, which ends the walk. The verbs limit how far it goes (storage/tasks/columns.py).
    WITH RECURSIVE above AS (
        SELECT t.id, t.parent_id FROM public.tasks t WHERE t.id = NEW.parent_id
        UNION
        SELECT t.id, t.parent_id FROM above a JOIN public.tasks t ON t.id = a.parent_id
    )
    SELECT count(*) > 0, coalesce(bool_or(a.id = NEW.id), false) INTO visible, circular FROM above a;
    IF circular OR NEW.parent_id = NEW.id THEN
        RAISE EXCEPTION 'a task cannot be below itself' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT visible THEN
        RAISE EXCEPTION 'no such parent task' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$;

-- The next occurrence belongs to the task's owner, also when somebody else completed this one; shares are copied, and
-- subtasks come along. A task that is reopened and completed again gets the occurrence that already exists: the first
-- task that the call that completed it made.
CREATE OR REPLACE FUNCTION repeat_task(task bigint, next_due text, next_due_at timestamptz, next_rule text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    next_id bigint;
BEGIN
    SELECT n.id INTO next_id FROM public.task_events d
    CROSS JOIN LATERAL (
        SELECT c.task_id FROM public.task_events c
        WHERE c.owner_id = d.owner_id AND c.transaction_id = d.transaction_id AND c.created_at = d.created_at
            AND c.event_type = 'task_created'
        ORDER BY c.id LIMIT 1
    ) made
    JOIN public.tasks n ON n.id = made.task_id AND n.deleted_at IS NULL
    WHERE d.task_id = task AND d.event_type = 'task_completed'
    ORDER BY d.id DESC LIMIT 1;
    IF FOUND THEN RETURN next_id; END IF;
    INSERT INTO public.tasks (user_id, team_id, parent_id, assignee_id, title, description, priority, due, due_at,
        tags, recurrence)
    SELECT t.user_id, t.team_id, t.parent_id, t.assignee_id, t.title, t.description, t.priority, next_due,
        next_due_at, t.tags, next_rule
    FROM public.tasks t
    WHERE t.id = task AND t.deleted_at IS NULL AND public.my_task_access(task) IN ('owner', 'edit')
    RETURNING id INTO next_id;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO public.task_shares (task_id, shared_with_user_id, owner_id, permission)
    SELECT next_id, s.shared_with_user_id, s.owner_id, s.permission
    FROM public.task_shares s WHERE s.task_id = task;
    PERFORM public.repeat_subtasks(task, next_id, (
        SELECT left(next_due, 10)::date - left(t.due, 10)::date FROM public.tasks t WHERE t.id = task));
    RETURN next_id;
END $$;

-- How many tasks the owner of a task has, up to `most`, for those who may complete it; else NULL.
CREATE OR REPLACE FUNCTION count_tasks_of_owner(task bigint, most bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT (SELECT count(*) FROM (SELECT FROM public.tasks o WHERE o.user_id = t.user_id LIMIT most) counted)
    FROM public.tasks t WHERE t.id = task AND public.my_task_access(task) IN ('owner', 'edit');
END;
