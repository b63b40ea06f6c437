-- Whether numbers counted in a snapshot still hold: no event that concerns them was invisible to that snapshot.
-- The planner cannot know that few events follow a snapshot, and would scan the whole table for a busy person.
CREATE OR REPLACE FUNCTION statistics_current(team bigint, counted_in text)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET enable_seqscan = off AS $$
DECLARE
    me text := public.current_user_id();
    seen pg_snapshot := counted_in::pg_snapshot;
    since bigint := pg_snapshot_xmin(seen)::text::bigint;
BEGIN
    IF team <> 0 THEN
        RETURN NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.team_id = team
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.from_team_id = team
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen));
    END IF;
    RETURN NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.owner_id = me
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.target_user_id = me
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM unnest(public.my_shared_task_ids()) AS s (id) CROSS JOIN LATERAL (
            SELECT 1 FROM public.task_events e WHERE e.task_id = s.id AND e.transaction_id >= since
            AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen) LIMIT 1) f);
END $$;

-- Plain members do not see who a team's task is shared with, but may know how many tasks are shared.
CREATE OR REPLACE FUNCTION count_shared_tasks(team bigint) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF team <> 0 THEN
        RETURN (SELECT count(*) FROM public.tasks t
            WHERE t.team_id = team AND team = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
              AND EXISTS (SELECT 1 FROM public.task_shares s WHERE s.task_id = t.id));
    END IF;
    RETURN (SELECT count(*) FROM public.tasks t
        WHERE t.id = ANY (public.my_shared_task_ids()) AND t.deleted_at IS NULL);
END $$;
