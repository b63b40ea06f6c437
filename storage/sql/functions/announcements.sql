-- At most 200 ids in one notification: NOTIFY refuses payloads of 8,000 bytes.
CREATE OR REPLACE FUNCTION announce_tasks(kind text, actor text, ids bigint[]) RETURNS void
LANGUAGE sql SET search_path = ''
BEGIN ATOMIC
    SELECT pg_notify('taskdeck', json_build_object(
        'type', kind, 'by', actor, 'at', now(), 'ids', json_agg(n.id ORDER BY n.id))::text)
    FROM (SELECT u.id, (u.position - 1) / 200 AS chunk
          FROM unnest(ids) WITH ORDINALITY AS u (id, position)) n
    GROUP BY n.chunk;
END;

-- Who loses or gains a moved task is looked up when the move is heard: a team has any number of members, and somebody may
-- join it before the move commits.
CREATE OR REPLACE FUNCTION announce_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', m.after)::text)
    FROM (SELECT n.id, o.team_id AS before, n.team_id AS after,
                 (row_number() OVER (PARTITION BY o.team_id, n.team_id) - 1) / 200 AS chunk
          FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE o.team_id IS DISTINCT FROM n.team_id) m
    GROUP BY m.before, m.after, m.chunk;
    RETURN NULL;
END $$;

-- An owner's tasks are deleted with the owner, also those in teams.
CREATE OR REPLACE FUNCTION announce_loss() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', NULL)::text)
    FROM (SELECT o.id, o.team_id AS before, (row_number() OVER (PARTITION BY o.team_id) - 1) / 200 AS chunk
          FROM old_rows o WHERE o.deleted_at IS NULL AND o.team_id IS NOT NULL) m
    GROUP BY m.before, m.chunk;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION announce_member() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'access', 'users', json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$;

-- Pages show who is in a team and what waits for an answer: those who see that read it again. At most 50 ids, which fit
-- into a notification; others see it when they look the next time.
CREATE OR REPLACE FUNCTION announce_team() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object('type', 'people', 'users', array_agg(m.user_id))::text)
    FROM (SELECT o.user_id FROM public.team_members o WHERE o.team_id = (coalesce(NEW, OLD)).team_id LIMIT 50) m
    HAVING count(*) > 0;
    RETURN NULL;
END $$;

-- Whom an address belongs to is not for the inviter to know, but for this function. Nobody hears from whom they block.
CREATE OR REPLACE FUNCTION announce_invitation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object('type', 'people', 'users', array_agg(i.id))::text)
    FROM (SELECT u.id FROM public.users u
          WHERE (u.id = NEW.address OR lower(u.email) = lower(NEW.address)) AND NOT EXISTS (
              SELECT 1 FROM public.invitations b WHERE b.user_id = NEW.user_id AND b.invitee_id = u.id
                  AND b.status = 'blocked' AND b.id <> NEW.id) LIMIT 50) i
    HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION announce_user() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object('type', 'access', 'users', json_build_array(NEW.id))::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION announce_conversation() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'conversation', 'id', (coalesce(NEW, OLD)).id, 'users',
        json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$;

-- Who sees a task as well as one below it that changed, or that was below it until a minute ago.
CREATE OR REPLACE FUNCTION parent_audience(ids bigint[])
RETURNS TABLE (task_id bigint, user_id text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT above.parent_id, a.user_id FROM (
        SELECT t.id, t.parent_id FROM public.tasks t WHERE t.id = ANY (ids) AND t.parent_id IS NOT NULL
        UNION
        SELECT e.task_id, (e.changes -> 'parent_id' ->> 0)::bigint FROM public.task_events e
        WHERE e.task_id = ANY (ids) AND e.created_at > now() - interval '1 minute'
            AND e.changes -> 'parent_id' ->> 0 IS NOT NULL
    ) above
    CROSS JOIN LATERAL public.task_audience(ARRAY[above.parent_id]) a
    JOIN LATERAL public.task_audience(ARRAY[above.id]) b ON b.user_id = a.user_id;
END;

-- Members of only one of the two teams, except those who see the tasks whatever the team.
CREATE OR REPLACE FUNCTION move_audience(ids bigint[], team_before bigint, team_after bigint)
RETURNS TABLE (user_id text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT m.user_id FROM public.team_members m
    WHERE m.team_id IN (team_before, team_after)
        AND NOT EXISTS (SELECT 1 FROM public.team_members o
            WHERE o.user_id = m.user_id AND o.team_id IN (team_before, team_after) AND o.team_id <> m.team_id)
        AND EXISTS (SELECT 1 FROM unnest(ids) AS moved (id)
            WHERE NOT EXISTS (SELECT 1 FROM public.direct_audience(ARRAY[moved.id]) d WHERE d.user_id = m.user_id));
END;
