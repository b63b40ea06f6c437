-- A due date so many days later. A time of day stays what a clock in the zone shows, if the offset is the zone's at
-- that moment. NULL where no such date can be written.
CREATE OR REPLACE FUNCTION shift_due(due text, days integer, zone text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    wall timestamp;
    moment timestamptz;
    earlier timestamptz;
    seconds integer;
    tail text := right(due, 6);
BEGIN
    IF length(due) = 10 THEN
        wall := due::timestamp + make_interval(days => days);
        RETURN CASE WHEN extract(year FROM wall) <= 9999 THEN to_char(wall, 'YYYY-MM-DD') END;
    END IF;
    wall := left(due, -6)::timestamp + make_interval(days => days);
    IF (due::timestamptz AT TIME ZONE zone) = left(due, -6)::timestamp THEN
        moment := wall AT TIME ZONE zone;
        -- Of two moments at which a clock shows the same, the first is meant (RFC 5545 section 3.3.5). PostgreSQL
        -- takes the second: try the offset of some hours before.
        earlier := moment - interval '3 hours';
        earlier := (wall - ((earlier AT TIME ZONE zone) - (earlier AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC';
        IF (earlier AT TIME ZONE zone) = wall THEN moment := earlier; END IF;
        wall := moment AT TIME ZONE zone;
        seconds := extract(epoch FROM wall - (moment AT TIME ZONE 'UTC'));
        tail := CASE WHEN seconds < 0 THEN '-' ELSE '+' END
            || to_char(make_interval(secs => abs(seconds)), 'HH24:MI');
    END IF;
    IF extract(year FROM wall) > 9999 THEN RETURN NULL; END IF;
    RETURN to_char(wall, CASE WHEN wall = date_trunc('second', wall) THEN 'YYYY-MM-DD"T"HH24:MI:SS'
        ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US' END) || tail;
END $$;

-- Copies what is below a completed task below its next occurrence: open, and due as much later. A subtask that recurs is
-- moved there, because it makes its next occurrences itself. Tasks of somebody who does not see the one above them stay
-- where they are. Copies belong to whom the originals do, as the next occurrence does.
CREATE OR REPLACE FUNCTION repeat_subtasks(task bigint, next_task bigint, days integer) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    originals bigint[] := ARRAY[task];
    copies bigint[] := ARRAY[next_task];
    place integer := 1;
    below public.tasks;
    copy bigint;
    next_due text;
BEGIN
    WHILE place <= cardinality(originals) LOOP
        FOR below IN
            SELECT s.* FROM public.tasks s
            WHERE s.parent_id = originals[place] AND s.deleted_at IS NULL AND s.id <> ALL (originals || copies)
                AND (s.recurrence IS NULL OR s.status <> 'completed')
                AND s.user_id IN (SELECT a.user_id FROM public.task_audience(ARRAY[originals[place]]) a)
            ORDER BY s.id
        LOOP
            IF below.recurrence IS NOT NULL THEN
                UPDATE public.tasks t SET parent_id = copies[place] WHERE t.id = below.id;
                CONTINUE;
            END IF;
            EXIT WHEN cardinality(copies) > 100;
            next_due := public.shift_due(below.due, days, (
                SELECT coalesce(u.chosen_timezone, u.timezone, u.default_timezone)
                FROM public.users u WHERE u.id = below.user_id));
            INSERT INTO public.tasks (user_id, team_id, parent_id, assignee_id, title, description, priority, due,
                due_at, tags)
            VALUES (below.user_id, below.team_id, copies[place], below.assignee_id, below.title, below.description,
                below.priority, next_due,
                CASE WHEN length(next_due) = 10 THEN next_due || 'T00:00:00Z' ELSE next_due END::timestamptz,
                below.tags)
            RETURNING id INTO copy;
            INSERT INTO public.task_shares (task_id, shared_with_user_id, owner_id, permission)
            SELECT copy, h.shared_with_user_id, h.owner_id, h.permission
            FROM public.task_shares h WHERE h.task_id = below.id;
            originals := originals || below.id;
            copies := copies || copy;
        END LOOP;
        place := place + 1;
    END LOOP;
END $$;
