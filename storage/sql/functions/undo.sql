-- The last changes of one client of the caller's that were not undone: whole transactions, newest first. Tasks that the
-- caller can no longer see are included, otherwise undo would skip one half of a change.
CREATE OR REPLACE FUNCTION my_last_changes(number integer) RETURNS SETOF task_events
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    my_client text := coalesce(current_setting('app.client', true), '');
    change public.task_events;
    started timestamptz := 'infinity';
    xid bigint := 0;
BEGIN
    WHILE number > 0 LOOP
        SELECT e.* INTO change FROM public.task_events e
        WHERE e.user_id = me AND coalesce(e.client, '') = my_client
          AND (e.created_at, e.transaction_id) < (started, xid)
          AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
        ORDER BY e.created_at DESC, e.transaction_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        started := change.created_at;
        xid := change.transaction_id;
        CONTINUE WHEN change.undoes IS NOT NULL OR EXISTS (
            SELECT 1 FROM public.task_events u
            WHERE u.user_id = me AND u.undoes = xid AND u.created_at > started);
        RETURN QUERY SELECT e.* FROM public.task_events e
            WHERE e.user_id = me AND coalesce(e.client, '') = my_client AND e.created_at = started
              AND e.transaction_id = xid AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
            ORDER BY e.id DESC;
        number := number - 1;
    END LOOP;
END $$;

-- The call that made a change of the caller's with whatever client, if it can be undone: whole, newest change first.
CREATE OR REPLACE FUNCTION my_call(change bigint) RETURNS SETOF task_events
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT e.* FROM public.task_events c JOIN public.task_events e ON e.user_id = c.user_id
        AND coalesce(e.client, '') = coalesce(c.client, '') AND e.created_at = c.created_at
        AND e.transaction_id = c.transaction_id
    WHERE c.id = change AND c.user_id = public.current_user_id() AND c.undoes IS NULL
        AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
        AND NOT EXISTS (SELECT 1 FROM public.task_events u
            WHERE u.user_id = c.user_id AND u.undoes = c.transaction_id AND u.created_at > c.created_at
                AND NOT (u.event_type = 'task_updated' AND u.changes = '{}'))
    ORDER BY e.id DESC;
END;

-- What the caller changed with one client since a moment and what was not undone, newest change first.
CREATE OR REPLACE FUNCTION my_changes_since(my_client text, since timestamptz, most integer) RETURNS SETOF task_events
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT e.* FROM public.task_events e
    WHERE e.user_id = public.current_user_id() AND coalesce(e.client, '') = my_client AND e.created_at >= since
        AND e.undoes IS NULL AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
        AND NOT EXISTS (SELECT 1 FROM public.task_events u
            WHERE u.user_id = e.user_id AND u.undoes = e.transaction_id AND u.created_at > e.created_at
                AND NOT (u.event_type = 'task_updated' AND u.changes = '{}'))
    ORDER BY e.created_at DESC, e.transaction_id DESC, e.id DESC LIMIT most;
END;

-- Deletes a task that the caller added, restored, or made by completing the one before it, if nothing of it differs since
-- (a change that was changed back does not count). True: done. False: it differs. NULL: not the caller's to take back.
--
-- A next occurrence takes the subtasks with it that came along, whether the caller sees them or not, and those that were
-- moved below it go back. A copy that somebody has worked on unseen stays. A subtask that the caller sees and that came
-- later counts as a difference.
CREATE OR REPLACE FUNCTION withdraw_task(task bigint, event bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    made public.task_events;
    touched bigint[];
    copies bigint[] := '{}';
    changed bigint[];
BEGIN
    SELECT e.* INTO made FROM public.task_events e WHERE e.id = event AND e.task_id = task AND e.user_id = me
        AND e.event_type IN ('task_created', 'task_restored');
    -- Locked first: access is then that of the row as whoever changed it last has left it.
    PERFORM 1 FROM public.tasks t WHERE t.id = made.task_id AND t.deleted_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF public.my_task_access(task) IN ('owner', CASE WHEN made.event_type = 'task_created' THEN 'edit' END) IS NOT TRUE
    THEN RETURN NULL; END IF;
    SELECT array_agg(e.task_id), CASE WHEN bool_or(e.event_type = 'task_completed') THEN
        coalesce(array_agg(e.task_id) FILTER (WHERE e.event_type = 'task_created' AND e.task_id <> task), '{}')
        ELSE '{}' END
    INTO touched, copies FROM public.task_events e
    WHERE e.user_id = me AND coalesce(e.client, '') = coalesce(made.client, '') AND e.created_at = made.created_at
        AND e.transaction_id = made.transaction_id;
    SELECT coalesce(array_agg(DISTINCT f.task_id), '{}') INTO changed FROM (
        SELECT e.task_id FROM public.task_events e CROSS JOIN LATERAL jsonb_each(e.changes) AS c (name, change)
        WHERE e.task_id = ANY (task || copies) AND e.id > event AND c.name NOT IN ('user', 'completed_at')
            AND (e.created_at, e.transaction_id) <> (made.created_at, made.transaction_id)
        GROUP BY e.task_id, e.target_user_id, c.name
        HAVING (array_agg(c.change -> 0 ORDER BY e.id))[1] <> (array_agg(c.change -> 1 ORDER BY e.id DESC))[1]
    ) f;
    IF task = ANY (changed) OR EXISTS (
        SELECT 1 FROM public.tasks t
        WHERE (t.id = ANY (changed) OR t.parent_id = ANY (task || copies) AND t.id <> ALL (touched))
            AND t.deleted_at IS NULL AND public.my_task_access(t.id) IS NOT NULL
    ) THEN RETURN false; END IF;
    UPDATE public.tasks t SET parent_id = (e.changes -> 'parent_id' ->> 0)::bigint FROM public.task_events e
    WHERE e.user_id = me AND coalesce(e.client, '') = coalesce(made.client, '') AND e.created_at = made.created_at
        AND e.transaction_id = made.transaction_id AND e.event_type = 'task_updated' AND t.id = e.task_id
        AND t.parent_id = (e.changes -> 'parent_id' ->> 1)::bigint;
    UPDATE public.tasks t SET deleted_at = now()
    WHERE t.id = ANY (task || copies) AND t.id <> ALL (changed) AND t.deleted_at IS NULL;
    RETURN true;
END $$;

-- Marks a change of the caller's that cannot be undone, so that the next undo continues before it.
CREATE OR REPLACE FUNCTION pass_over_change(event bigint) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.task_events (task_id, owner_id, user_id, event_type, undoes)
    SELECT e.task_id, e.owner_id, e.user_id, 'task_updated', e.transaction_id FROM public.task_events e
    WHERE e.id = event AND e.user_id = public.current_user_id();
END;
