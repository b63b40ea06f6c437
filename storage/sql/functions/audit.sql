-- The audit log is written by triggers, so that no verb can forget it, and by the dashboard for what happens there. An
-- entry is for the person concerned, and another one for the person who did it. Entries contain ids and names of rights,
-- no addresses or names of other people, so that nothing of them is left when their account goes.
CREATE OR REPLACE FUNCTION audit(person text, what text, facts jsonb) RETURNS void
LANGUAGE sql SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.audit_events (user_id, actor_id, action, client, details)
    SELECT DISTINCT reader.id, public.current_user_id(), what, nullif(current_setting('app.client', true), ''), facts
    FROM unnest(ARRAY[person, public.current_user_id()]) AS reader (id) WHERE reader.id IS NOT NULL;
END;

CREATE OR REPLACE FUNCTION audit_share() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    share public.task_shares := coalesce(NEW, OLD);
BEGIN
    -- Without a caller, expired tasks are being purged.
    IF public.current_user_id() IS NULL THEN RETURN NULL; END IF;
    PERFORM public.audit(share.shared_with_user_id, CASE TG_OP WHEN 'DELETE' THEN 'task_unshared' ELSE 'task_shared' END,
        jsonb_build_object('task_id', share.task_id, 'user_id', share.shared_with_user_id,
            'permission', share.permission));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    member public.team_members := coalesce(NEW, OLD);
BEGIN
    PERFORM public.audit(member.user_id,
        CASE TG_OP WHEN 'INSERT' THEN 'team_joined' WHEN 'DELETE' THEN 'team_left' ELSE 'team_role_changed' END,
        jsonb_build_object('team_id', member.team_id, 'user_id', member.user_id, 'role', member.role));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_team() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    team public.teams := coalesce(NEW, OLD);
BEGIN
    PERFORM public.audit(NULL, CASE TG_OP WHEN 'INSERT' THEN 'team_created' ELSE 'team_deleted' END,
        jsonb_build_object('team_id', team.id, 'name', team.name));
    RETURN NULL;
END $$;

-- Only for those who act: an inviter does not learn of a block or a refusal.
CREATE OR REPLACE FUNCTION audit_invitation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM public.audit(NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'invitation_sent' ELSE 'invitation_' || NEW.status END,
        jsonb_strip_nulls(jsonb_build_object('invitation_id', NEW.id, 'team_id', NEW.team_id, 'task_id', NEW.task_id,
            'offered', NEW.offered)));
    RETURN NULL;
END $$;

-- Only the dashboard makes and revokes tokens, for the person who is signed in there.
CREATE OR REPLACE FUNCTION audit_token() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM public.taskdeck_audit_record(NEW.user_id, CASE TG_OP WHEN 'INSERT' THEN 'token_created' ELSE 'token_revoked' END,
        jsonb_build_object('name', NEW.name, 'hint', NEW.token_hint, 'scopes', NEW.scopes));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM public.audit(NULL, 'conversation_deleted',
        jsonb_build_object('conversation_id', OLD.id, 'messages', OLD.message_count));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_deleted_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM public.audit(NEW.user_id, CASE WHEN NEW.deleted_at IS NULL THEN 'task_restored' ELSE 'task_deleted' END,
        jsonb_build_object('task_id', NEW.id));
    RETURN NULL;
END $$;

-- A refusal is noted once an hour for each action, so that repeating it fills nothing, and for nobody who is deleted.
CREATE OR REPLACE FUNCTION audit_refusal(attempted text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.audit_events (user_id, actor_id, action, client, details)
    SELECT public.current_user_id(), public.current_user_id(), 'refused',
        nullif(current_setting('app.client', true), ''), jsonb_build_object('attempted', attempted)
    WHERE EXISTS (SELECT 1 FROM public.users u WHERE u.id = public.current_user_id()) AND NOT EXISTS (
        SELECT 1 FROM public.audit_events a
        WHERE a.user_id = public.current_user_id() AND a.created_at > now() - interval '1 hour'
            AND a.action = 'refused' AND a.details ->> 'attempted' = attempted);
END;

-- At least 30 days stay, because the role of requests may call it.
CREATE OR REPLACE FUNCTION purge_audit_log(days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE purged integer;
BEGIN
    DELETE FROM public.audit_events a WHERE a.id IN (
        SELECT o.id FROM public.audit_events o WHERE o.created_at < now() - make_interval(days => greatest(days, 30)) LIMIT 1000);
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END $$;

-- Called by the dashboard: sign-ins, consents and what else happens there.
CREATE OR REPLACE FUNCTION taskdeck_audit_record(person text, what text, facts jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.audit_events (user_id, actor_id, action, client, details)
    VALUES (person, person, what, 'dashboard', facts);
END;

-- What stays of a person whose account is deleted: that something happened, under a name that leads to nobody.
CREATE OR REPLACE FUNCTION taskdeck_audit_forget(person text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE pseudonym text := 'deleted-' || gen_random_uuid();
BEGIN
    UPDATE public.audit_events a SET
        user_id = CASE a.user_id WHEN person THEN pseudonym ELSE a.user_id END,
        actor_id = CASE a.actor_id WHEN person THEN pseudonym ELSE a.actor_id END,
        client = CASE a.user_id WHEN person THEN NULL ELSE a.client END,
        details = CASE WHEN a.user_id = person THEN a.details - '{address,agent,client_id,name,session}'::text[] ELSE a.details END
            || CASE a.details ->> 'user_id' WHEN person THEN jsonb_build_object('user_id', pseudonym) ELSE '{}' END
    WHERE a.user_id = person OR a.actor_id = person OR a.details ->> 'user_id' = person;
END $$;
