-- Whom the caller may name: by id or e-mail, and only people they share something with, for the answer tells who has an
-- account. The server itself, which acts for nobody, may name everybody.
CREATE OR REPLACE FUNCTION find_users(id_or_email text)
RETURNS TABLE (id text, email text, name text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT u.id, u.email, u.name FROM (
        SELECT a.id FROM public.users a WHERE a.id = id_or_email
        UNION SELECT a.id FROM public.users a WHERE lower(a.email) = lower(id_or_email)
    ) named JOIN public.users u ON u.id = named.id
    WHERE coalesce(u.id = public.current_user_id(), true)
        OR EXISTS (SELECT 1 FROM public.team_members m WHERE m.user_id = u.id AND m.team_id = ANY (public.my_team_ids()))
        OR EXISTS (SELECT 1 FROM public.tasks t WHERE t.user_id = u.id AND t.team_id = ANY (public.my_team_ids()))
        OR EXISTS (SELECT 1 FROM public.task_shares s WHERE s.shared_with_user_id = u.id
            AND s.owner_id = public.current_user_id())
        OR EXISTS (SELECT 1 FROM public.task_shares s WHERE s.owner_id = u.id
            AND s.shared_with_user_id = public.current_user_id())
        OR EXISTS (SELECT 1 FROM public.task_shares s JOIN public.tasks t ON t.id = s.task_id
            WHERE s.shared_with_user_id = u.id AND t.team_id = ANY (public.my_managed_team_ids()));
END;

-- The first of these time zones that this PostgreSQL knows. It may know fewer than Python (an older tz database, or one
-- without the old names), and every query with an unknown one would fail.
CREATE OR REPLACE FUNCTION known_timezone(names text[]) RETURNS text LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    candidate text;
BEGIN
    FOREACH candidate IN ARRAY names LOOP
        BEGIN
            PERFORM timezone(candidate, now());
            RETURN candidate;
        EXCEPTION WHEN invalid_parameter_value THEN NULL;
        END;
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION create_team(team_name text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    created bigint;
BEGIN
    INSERT INTO public.teams (owner_id, name) VALUES (me, team_name) RETURNING id INTO created;
    INSERT INTO public.team_members (team_id, user_id, role) VALUES (created, me, 'owner');
    RETURN created;
END $$;

-- Locks the team first, so that two owners who leave at the same time cannot each see the other still there.
CREATE OR REPLACE FUNCTION keep_team_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF OLD.role = 'owner' AND (TG_OP = 'DELETE' OR NEW.role <> 'owner') THEN
        PERFORM 1 FROM public.teams t WHERE t.id = OLD.team_id FOR UPDATE;
        IF FOUND AND NOT EXISTS (
            SELECT 1 FROM public.team_members m
            WHERE m.team_id = OLD.team_id AND m.role = 'owner' AND m.user_id <> OLD.user_id
        ) THEN
            RAISE EXCEPTION 'a team keeps an owner' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
