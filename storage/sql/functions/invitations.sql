-- Whether somebody may give this role in a team, or this permission on a task: what an invitation needs when it is made
-- and again when it is accepted.
CREATE OR REPLACE FUNCTION may_offer(inviter text, team bigint, task bigint, right_offered text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ''
BEGIN ATOMIC
    SELECT CASE WHEN team IS NOT NULL THEN EXISTS (
        SELECT 1 FROM public.team_members m WHERE m.team_id = team AND m.user_id = inviter
            AND (m.role = 'owner' OR m.role = 'admin' AND right_offered <> 'owner'))
    ELSE EXISTS (
        SELECT 1 FROM public.tasks t WHERE t.id = task AND t.deleted_at IS NULL AND (t.user_id = inviter OR EXISTS (
            SELECT 1 FROM public.team_members m WHERE m.team_id = t.team_id AND m.user_id = inviter
                AND m.role = ANY (ARRAY['owner', 'admin'])))) END;
END;

-- Whether somebody gets a share of the caller's task, or a role in the caller's team, without an invitation: they have
-- one already, or share something else with the caller whom they have not blocked.
CREATE OR REPLACE FUNCTION takes_directly(other text, team bigint, task bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
BEGIN
    IF NOT public.may_offer(me, team, task, 'view') THEN RETURN false; END IF;
    IF EXISTS (SELECT 1 FROM public.team_members m WHERE m.team_id = team AND m.user_id = other)
        OR EXISTS (SELECT 1 FROM public.task_shares s WHERE s.task_id = task AND s.shared_with_user_id = other)
    THEN RETURN true; END IF;
    IF EXISTS (SELECT 1 FROM public.invitations b
        WHERE b.user_id = me AND b.invitee_id = other AND b.status = 'blocked')
    THEN RETURN false; END IF;
    RETURN EXISTS (SELECT 1 FROM public.team_members mine JOIN public.team_members theirs USING (team_id)
            WHERE mine.user_id = me AND theirs.user_id = other)
        OR EXISTS (SELECT 1 FROM public.task_shares s WHERE s.owner_id = me AND s.shared_with_user_id = other)
        OR EXISTS (SELECT 1 FROM public.task_shares s WHERE s.owner_id = other AND s.shared_with_user_id = me);
END $$;

-- Undoes that a share was taken back: whoever had it need not accept it again, unless they gave it back or have blocked
-- the caller since. False: they must be invited.
CREATE OR REPLACE FUNCTION restore_share(task bigint, other text, permission text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
BEGIN
    IF NOT public.may_offer(me, NULL, task, 'view') OR EXISTS (SELECT 1 FROM public.invitations b
        WHERE b.user_id = me AND b.invitee_id = other AND b.status = 'blocked')
    THEN RETURN false; END IF;
    INSERT INTO public.task_shares (task_id, shared_with_user_id, owner_id, permission)
    SELECT t.id, other, t.user_id, restore_share.permission FROM public.tasks t JOIN LATERAL (
        SELECT e.event_type, e.user_id FROM public.task_events e
        WHERE e.task_id = t.id AND e.target_user_id = other ORDER BY e.id DESC LIMIT 1
    ) last ON last.event_type = 'task_unshared' AND last.user_id <> other
    WHERE t.id = restore_share.task
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;

-- What waits for somebody's answer, and whom they have blocked. Whom an address belongs to is looked up when it is read,
-- so that an invitation reaches an account that is made later.
CREATE OR REPLACE FUNCTION invitations_for(person text) RETURNS SETOF invitations
LANGUAGE sql STABLE SET search_path = ''
BEGIN ATOMIC
    SELECT i.* FROM public.users u JOIN public.invitations i ON lower(i.address) IN (lower(u.id), lower(u.email))
    WHERE u.id = person AND (i.address = u.id OR lower(i.address) = lower(u.email)) AND i.status = 'pending'
        AND i.created_at > now() - interval '30 days' AND i.user_id <> u.id
        AND NOT EXISTS (SELECT 1 FROM public.invitations b
            WHERE b.user_id = i.user_id AND b.invitee_id = u.id AND b.status = 'blocked')
        AND public.may_offer(i.user_id, i.team_id, i.task_id, i.offered)
    UNION ALL
    SELECT b.* FROM public.invitations b WHERE b.invitee_id = person AND b.status = 'blocked';
END;

-- Invites a person, whether anybody is known by that address or not: the answer must not tell. Inviting again changes
-- what is offered. A blocked inviter's invitations are kept like others, but shown to nobody and counted for nobody.
-- Gives `pending`, or whose limit is reached: `inviter` (50 in 24 hours) or `invitee` (100 unanswered).
CREATE OR REPLACE FUNCTION invite(person text, team bigint, task bigint, right_offered text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
BEGIN
    IF NOT public.may_offer(me, team, task, right_offered) THEN RAISE insufficient_privilege; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('invitations of ' || me, 0));
    UPDATE public.invitations i SET offered = right_offered
    WHERE i.user_id = me AND lower(i.address) = lower(person) AND i.status = 'pending'
        AND i.team_id IS NOT DISTINCT FROM team AND i.task_id IS NOT DISTINCT FROM task
        AND i.created_at > now() - interval '30 days';
    IF FOUND THEN RETURN 'pending'; END IF;
    IF (SELECT count(*) FROM public.invitations i
        WHERE i.user_id = me AND i.created_at > now() - interval '24 hours') >= 50
    THEN RETURN 'inviter'; END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('invitations to ' || lower(person), 0));
    IF (SELECT count(*) FROM public.invitations i WHERE lower(i.address) IN (
            SELECT lower(person) UNION SELECT unnest(ARRAY[lower(u.id), lower(u.email)]) FROM public.users u
            WHERE u.id = person OR lower(u.email) = lower(person))
        AND i.status = 'pending' AND i.created_at > now() - interval '30 days'
        AND NOT EXISTS (SELECT 1 FROM public.invitations b JOIN public.users u ON u.id = b.invitee_id
            WHERE b.user_id = i.user_id AND b.status = 'blocked'
                AND (u.id = i.address OR lower(u.email) = lower(i.address)))) >= 100
    THEN RETURN 'invitee'; END IF;
    INSERT INTO public.invitations (user_id, address, team_id, task_id, offered, client)
    VALUES (me, person, team, task, right_offered, nullif(current_setting('app.client', true), ''));
    RETURN 'pending';
END $$;

-- Takes back what waits for an answer, without team and task all that the caller has offered that person. False: nothing
-- waits, or the caller may not.
CREATE OR REPLACE FUNCTION withdraw_invitation(person text, team bigint, task bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE public.invitations i SET status = 'withdrawn'
    WHERE lower(i.address) = lower(person) AND i.status = 'pending' AND CASE WHEN team IS NULL AND task IS NULL
        THEN i.user_id = public.current_user_id()
        ELSE i.team_id IS NOT DISTINCT FROM team AND i.task_id IS NOT DISTINCT FROM task
            AND public.may_offer(public.current_user_id(), team, task, i.offered) END;
    RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION my_invitations(most bigint)
RETURNS TABLE (id bigint, status text, inviter_id text, inviter_name text, inviter_email text, team_id bigint,
    team_name text, task_title text, offered text, created_at timestamptz, total bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT i.id, i.status, i.user_id, u.name, u.email, i.team_id, m.name, t.title, i.offered, i.created_at,
        count(*) OVER ()
    FROM public.invitations_for(public.current_user_id()) i JOIN public.users u ON u.id = i.user_id
    LEFT JOIN public.teams m ON m.id = i.team_id LEFT JOIN public.tasks t ON t.id = i.task_id
    ORDER BY i.status DESC, i.created_at DESC, i.id DESC LIMIT most;
END;

-- What the caller has offered in the last 30 days, a page of it. Neither the answer nor what was offered is in it: a block
-- takes the team or task away, and the inviter must not learn of it.
CREATE OR REPLACE FUNCTION my_offers(after bigint, most bigint)
RETURNS TABLE (id bigint, address text, offered text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT i.id, i.address, i.offered, i.created_at FROM public.invitations i
    WHERE i.user_id = public.current_user_id() AND i.created_at > now() - interval '30 days' AND i.id > after
    ORDER BY i.id LIMIT most;
END;

-- Accepts, declines, blocks or unblocks one of my_invitations(): gives the row as it was, or none if there is no such.
-- What was accepted is recorded as what the inviter did, with the client that invited: so it is theirs to undo.
CREATE OR REPLACE FUNCTION answer_invitation(invitation bigint, answer text) RETURNS SETOF invitations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    my_client text := coalesce(current_setting('app.client', true), '');
    given public.invitations;
    others bigint[];
BEGIN
    SELECT i.* INTO given FROM public.invitations_for(me) i
    WHERE i.id = invitation AND i.status = CASE answer WHEN 'unblock' THEN 'blocked' ELSE 'pending' END;
    IF NOT FOUND THEN RETURN; END IF;
    -- A block ends what else the inviter offers, accepting what others offer of the same.
    others := ARRAY(SELECT o.id FROM public.invitations_for(me) o
        WHERE o.id <> invitation AND o.status = 'pending' AND CASE answer
            WHEN 'accept' THEN coalesce(o.team_id = given.team_id, o.task_id = given.task_id, false)
            WHEN 'block' THEN o.user_id = given.user_id ELSE false END);
    UPDATE public.invitations i SET invitee_id = me,
        status = CASE answer WHEN 'accept' THEN 'accepted' WHEN 'block' THEN 'blocked' ELSE 'declined' END,
        team_id = CASE WHEN answer = 'block' THEN NULL ELSE i.team_id END,
        task_id = CASE WHEN answer = 'block' THEN NULL ELSE i.task_id END
    WHERE i.id = invitation AND i.status = given.status;
    IF NOT FOUND THEN RETURN; END IF;
    IF answer = 'accept' AND given.team_id IS NOT NULL THEN
        INSERT INTO public.team_members (team_id, user_id, role) VALUES (given.team_id, me, given.offered)
        ON CONFLICT DO NOTHING;
    ELSIF answer = 'accept' THEN
        PERFORM set_config('app.user_id', given.user_id, true), set_config('app.client', coalesce(given.client, ''), true);
        INSERT INTO public.task_shares (task_id, shared_with_user_id, owner_id, permission)
        SELECT t.id, me, t.user_id, given.offered FROM public.tasks t WHERE t.id = given.task_id AND t.user_id <> me
        ON CONFLICT DO NOTHING;
        PERFORM set_config('app.user_id', me, true), set_config('app.client', my_client, true);
    END IF;
    UPDATE public.invitations i SET invitee_id = me, status = 'declined' WHERE i.id = ANY (others);
    RETURN NEXT given;
END $$;
