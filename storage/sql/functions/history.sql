-- History and announcements are written by triggers, so that no verb can forget them; both commit with the change.
CREATE OR REPLACE FUNCTION record_created_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := public.current_user_id();
    created bigint[];
BEGIN
    INSERT INTO public.task_events (task_id, owner_id, user_id, team_id, event_type, client, undoes)
    SELECT n.id, n.user_id, coalesce(actor, n.user_id), n.team_id, 'task_created',
           nullif(current_setting('app.client', true), ''), nullif(current_setting('app.undoes', true), '')::bigint
    FROM new_rows n ORDER BY n.id;
    SELECT array_agg(n.id ORDER BY n.id), coalesce(actor, min(n.user_id)) INTO created, actor FROM new_rows n;
    IF created IS NOT NULL THEN PERFORM public.announce_tasks('task_created', actor, created); END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION record_changed_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := public.current_user_id();
    event record;
BEGIN
    FOR event IN
        WITH recorded AS (
            INSERT INTO public.task_events
                (task_id, owner_id, user_id, team_id, from_team_id, target_user_id, event_type, client, changes, undoes)
            SELECT n.id, n.user_id, coalesce(actor, n.user_id), n.team_id,
                CASE WHEN o.team_id IS DISTINCT FROM n.team_id THEN o.team_id END,
                CASE WHEN o.user_id <> n.user_id THEN o.user_id END,
                CASE WHEN o.deleted_at IS NULL AND n.deleted_at IS NOT NULL THEN 'task_deleted'
                     WHEN o.deleted_at IS NOT NULL AND n.deleted_at IS NULL THEN 'task_restored'
                     WHEN o.status <> 'completed' AND n.status = 'completed' THEN 'task_completed'
                     ELSE 'task_updated' END,
                nullif(current_setting('app.client', true), ''),
                coalesce((
                    SELECT jsonb_object_agg(f.name, jsonb_build_array(f.before, f.after))
                    FROM (VALUES
                        ('title', to_jsonb(o.title), to_jsonb(n.title)),
                        ('description', to_jsonb(o.description), to_jsonb(n.description)),
                        ('status', to_jsonb(o.status), to_jsonb(n.status)),
                        ('completed_at', to_jsonb(o.completed_at), to_jsonb(n.completed_at)),
                        ('priority', to_jsonb(o.priority), to_jsonb(n.priority)),
                        ('due', to_jsonb(o.due), to_jsonb(n.due)),
                        ('tags', to_jsonb(o.tags), to_jsonb(n.tags)),
                        ('team_id', to_jsonb(o.team_id), to_jsonb(n.team_id)),
                        ('parent_id', to_jsonb(o.parent_id), to_jsonb(n.parent_id)),
                        ('assignee', to_jsonb(o.assignee_id), to_jsonb(n.assignee_id)),
                        ('recurrence', to_jsonb(o.recurrence), to_jsonb(n.recurrence)),
                        ('owner', to_jsonb(o.user_id), to_jsonb(n.user_id))
                    ) AS f (name, before, after) WHERE f.before IS DISTINCT FROM f.after
                ), '{}'),
                nullif(current_setting('app.undoes', true), '')::bigint
            FROM new_rows n JOIN old_rows o ON o.id = n.id ORDER BY n.id
            RETURNING task_id, event_type, user_id
        )
        SELECT r.event_type, r.user_id, array_agg(r.task_id ORDER BY r.task_id) AS ids
        FROM recorded r GROUP BY r.event_type, r.user_id
    LOOP
        PERFORM public.announce_tasks(event.event_type, event.user_id, event.ids);
    END LOOP;
    RETURN NULL;
END $$;

-- Everybody who sees a shared task hears of the share; the person concerned also looks again at what they may see.
CREATE OR REPLACE FUNCTION record_share() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    share public.task_shares := coalesce(NEW, OLD);
    actor text := coalesce(public.current_user_id(), share.owner_id);
BEGIN
    INSERT INTO public.task_events
        (task_id, owner_id, user_id, team_id, target_user_id, event_type, client, changes, undoes)
    SELECT t.id, t.user_id, actor, t.team_id, share.shared_with_user_id,
           CASE WHEN TG_OP = 'DELETE' THEN 'task_unshared' ELSE 'task_shared' END,
           nullif(current_setting('app.client', true), ''),
           jsonb_build_object('user', share.shared_with_user_id, 'permission', jsonb_build_array(
               CASE WHEN TG_OP <> 'INSERT' THEN OLD.permission END,
               CASE WHEN TG_OP <> 'DELETE' THEN NEW.permission END)),
           nullif(current_setting('app.undoes', true), '')::bigint
    FROM public.tasks t WHERE t.id = share.task_id;
    PERFORM public.announce_tasks('task_updated', actor, ARRAY[share.task_id]);
    IF TG_OP <> 'UPDATE' THEN
        PERFORM pg_notify('taskdeck', json_build_object(
            'type', 'access', 'users', json_build_array(share.shared_with_user_id))::text);
    END IF;
    RETURN NULL;
END $$;
