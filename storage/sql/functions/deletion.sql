-- Removes a person with everything in it, for the administrator. Teams go on with another owner, or end with their last
-- member; tasks in teams go to an owner of the team; in the history of others the person becomes "(deleted)", which is no
-- possible user id. False: nobody has used a token with this id.
CREATE OR REPLACE FUNCTION taskdeck_delete_person(person text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone CONSTANT text := '(deleted)';
    known boolean;
    known_email text;
    team bigint;
    heir text;
    path text[];
BEGIN
    SELECT u.email INTO known_email FROM public.users u WHERE u.id = person FOR UPDATE;
    known := FOUND;
    IF known THEN
        -- Nobody acts, and undo passes over all of it.
        PERFORM set_config('app.user_id', '', true), set_config('app.client', '', true), set_config('app.undoes', '0', true);
        FOR team IN SELECT t.id FROM public.teams t
            WHERE t.owner_id = person OR t.id IN (SELECT m.team_id FROM public.team_members m WHERE m.user_id = person)
            ORDER BY t.id FOR UPDATE
        LOOP
            SELECT m.user_id INTO heir FROM public.team_members m WHERE m.team_id = team AND m.user_id <> person
            ORDER BY array_position(ARRAY['owner', 'admin', 'member', 'viewer'], m.role), m.created_at, m.user_id LIMIT 1;
            IF NOT FOUND THEN
                DELETE FROM public.teams t WHERE t.id = team;
                CONTINUE;
            END IF;
            UPDATE public.teams t SET owner_id = heir WHERE t.id = team AND t.owner_id = person;
            UPDATE public.team_members m SET role = 'owner' WHERE m.team_id = team AND m.user_id = heir AND NOT EXISTS (
                SELECT 1 FROM public.team_members o WHERE o.team_id = team AND o.role = 'owner' AND o.user_id <> person);
            DELETE FROM public.team_members m WHERE m.team_id = team AND m.user_id = person;
        END LOOP;
        DELETE FROM public.task_shares s WHERE s.shared_with_user_id = person;
        UPDATE public.tasks t SET assignee_id = NULL WHERE t.assignee_id = person;
        DELETE FROM public.tasks t WHERE t.user_id = person;
        DELETE FROM public.conversations c WHERE c.user_id = person;
        -- After everything above, which writes history too.
        UPDATE public.task_events e SET owner_id = gone WHERE e.owner_id = person;
        UPDATE public.task_events e SET user_id = gone, client = NULL WHERE e.user_id = person;
        UPDATE public.task_events e SET target_user_id = gone WHERE e.target_user_id = person;
        FOREACH path SLICE 1 IN ARRAY ARRAY[['user', NULL], ['assignee', '0'], ['assignee', '1'], ['owner', '0'], ['owner', '1']]
        LOOP
            path := array_remove(path, NULL);
            UPDATE public.task_events e SET changes = jsonb_set(e.changes, path, to_jsonb(gone))
            WHERE e.changes #>> path = person;
        END LOOP;
        DELETE FROM public.invitations i WHERE lower(i.address) IN (lower(person), lower(known_email));
        -- Answers to the calls of others, which are kept for a day, name people in JSON.
        DELETE FROM public.idempotency_keys k WHERE strpos(k.answer::text, to_json(person)::text) > 0
            OR strpos(k.answer::text, to_json(known_email)::text) > 0;
        DELETE FROM public.rate_limits r WHERE r.user_id = person;
        DELETE FROM public.users u WHERE u.id = person;
    END IF;
    -- The audit log keeps what happened, under a pseudonym.
    PERFORM public.taskdeck_audit_record(person, 'account_deleted', '{}'), public.taskdeck_audit_forget(person);
    INSERT INTO public.ended_users (digest) VALUES (encode(sha256(convert_to(person, 'UTF8')), 'hex')) ON CONFLICT DO NOTHING;
    PERFORM set_config('app.undoes', '', true);
    RETURN known;
END $$;

-- A token of a deleted person that has not expired yet must not create the person again.
CREATE OR REPLACE FUNCTION refuse_ended_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM public.ended_users e WHERE e.digest = encode(sha256(convert_to(NEW.id, 'UTF8')), 'hex')) THEN
        RAISE EXCEPTION 'this account is deleted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
