-- A task in a team belongs to one of its members. The lock makes whoever removes that member wait, and whoever was removed
-- meanwhile fail.
CREATE OR REPLACE FUNCTION hold_membership() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF public.current_user_id() IS NULL OR TG_OP = 'UPDATE' AND NEW.team_id IS NOT DISTINCT FROM OLD.team_id THEN
        RETURN NEW;
    END IF;
    PERFORM 1 FROM public.team_members m WHERE m.team_id = NEW.team_id AND m.user_id = NEW.user_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the owner of a team''s task is a member' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- The team's tasks of a member who leaves go to the owner who removed them, else to the first owner; shares that the
-- leaver gave end. Undo passes over all of it (`app.undoes` 0), for it cannot bring the member back.
CREATE OR REPLACE FUNCTION hand_over_tasks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    undoes text := current_setting('app.undoes', true);
    heir text := (
        SELECT m.user_id FROM public.team_members m WHERE m.team_id = OLD.team_id AND m.role = 'owner'
        ORDER BY coalesce(m.user_id = public.current_user_id(), false) DESC, m.created_at, m.user_id LIMIT 1);
BEGIN
    IF heir IS NULL THEN RETURN NULL; END IF;  -- the team goes as well
    PERFORM set_config('app.undoes', '0', true);
    DELETE FROM public.task_shares s USING public.tasks t
    WHERE t.team_id = OLD.team_id AND t.user_id = OLD.user_id AND s.task_id = t.id
        AND (s.shared_with_user_id = heir OR OLD.user_id = (
            SELECT e.user_id FROM public.task_events e
            WHERE e.task_id = s.task_id AND e.target_user_id = s.shared_with_user_id AND e.event_type = 'task_shared'
            ORDER BY e.id DESC LIMIT 1));
    UPDATE public.tasks t SET user_id = heir WHERE t.team_id = OLD.team_id AND t.user_id = OLD.user_id;
    PERFORM set_config('app.undoes', coalesce(undoes, ''), true);
    RETURN NULL;
END $$;

-- Ends a team of the caller's; its tasks stay with their owners. False: it is not the caller's to end.
CREATE OR REPLACE FUNCTION delete_team(team bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM 1 FROM public.teams t WHERE t.id = team AND t.id = ANY (public.my_owned_team_ids()) FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM set_config('app.undoes', '0', true);
    UPDATE public.tasks t SET team_id = NULL WHERE t.team_id = team;
    PERFORM set_config('app.undoes', '', true);
    DELETE FROM public.teams t WHERE t.id = team;
    RETURN true;
END $$;
