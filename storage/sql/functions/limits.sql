-- Counts requests of a client in its own window and in that of all clients of its person, or in neither: one, or as many as
-- are wanted if that is at most a sixteenth of what is left in both. `seconds` is the time until the earlier window ends.
-- Every call locks the client's row before the person's, so that no two wait for each other; a refused request changes
-- neither. A window that begins in the future comes from a clock that was set back. The login calls it without an identity;
-- within somebody's request it counts for that person only.
CREATE OR REPLACE FUNCTION take_request(
    person text, client text, client_rate bigint, person_rate bigint, wanted bigint DEFAULT 1,
    OUT client_wait integer, OUT person_wait integer, OUT granted bigint, OUT seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '2s' AS $$
DECLARE
    moment timestamptz;
    mine public.rate_limits;
    everybody public.rate_limits;
BEGIN
    IF person <> coalesce(public.current_user_id(), person) OR take_request.client = '' THEN
        RAISE insufficient_privilege;
    END IF;
    LOOP
        SELECT r.* INTO mine FROM public.rate_limits r
        WHERE r.user_id = person AND r.client = take_request.client FOR UPDATE;
        IF FOUND THEN
            SELECT r.* INTO everybody FROM public.rate_limits r
            WHERE r.user_id = person AND r.client = '' FOR UPDATE;
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO public.rate_limits (user_id, client, started, used)
        VALUES (person, take_request.client, clock_timestamp(), 0) ON CONFLICT DO NOTHING;
        INSERT INTO public.rate_limits (user_id, client, started, used)
        VALUES (person, '', clock_timestamp(), 0) ON CONFLICT DO NOTHING;
    END LOOP;
    -- After the locks, which may have taken a while.
    moment := clock_timestamp();
    IF mine.started <= moment - interval '1 minute' OR mine.started >= moment + interval '1 minute' THEN
        mine.started := moment;
        mine.used := 0;
    END IF;
    IF everybody.started <= moment - interval '1 minute' OR everybody.started >= moment + interval '1 minute' THEN
        everybody.started := moment;
        everybody.used := 0;
    END IF;
    client_wait := 0;
    person_wait := 0;
    granted := 0;
    seconds := extract(epoch FROM least(mine.started, everybody.started) + interval '1 minute' - moment);
    IF mine.used >= client_rate THEN
        client_wait := greatest(1, least(60, ceil(extract(epoch FROM mine.started + interval '1 minute' - moment))));
    ELSIF everybody.used >= person_rate THEN
        person_wait := greatest(1, least(60, ceil(extract(epoch FROM everybody.started + interval '1 minute' - moment))));
    ELSE
        granted := least(wanted, greatest(1, least(client_rate - mine.used, person_rate - everybody.used) / 16));
        UPDATE public.rate_limits r SET
            started = CASE r.client WHEN '' THEN everybody.started ELSE mine.started END,
            used = granted + CASE r.client WHEN '' THEN everybody.used ELSE mine.used END
        WHERE r.user_id = person AND r.client IN ('', take_request.client);
    END IF;
END $$;

-- Idempotency keys are kept for a day, deleted tasks and invitations for thirty, and so are tokens that have expired or were
-- revoked; blocks until they are lifted. Small batches, so that no lock is held for long.
CREATE OR REPLACE FUNCTION purge_expired() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    purged integer;
    total integer := 0;
BEGIN
    DELETE FROM public.idempotency_keys k WHERE (k.user_id, k.key) IN (
        SELECT o.user_id, o.key FROM public.idempotency_keys o
        WHERE o.created_at < now() - interval '24 hours' LIMIT 1000);
    GET DIAGNOSTICS purged = ROW_COUNT; total := total + purged;
    DELETE FROM public.tasks t WHERE t.id IN (
        SELECT o.id FROM public.tasks o WHERE o.deleted_at < now() - interval '30 days' LIMIT 1000);
    GET DIAGNOSTICS purged = ROW_COUNT; total := total + purged;
    DELETE FROM public.invitations i WHERE i.id IN (
        SELECT o.id FROM public.invitations o
        WHERE o.status <> 'blocked' AND o.created_at < now() - interval '30 days' LIMIT 1000);
    GET DIAGNOSTICS purged = ROW_COUNT; total := total + purged;
    DELETE FROM public.personal_access_tokens p WHERE p.id IN (
        SELECT o.id FROM public.personal_access_tokens o
        WHERE least(o.expires_at, o.revoked_at) < now() - interval '30 days' LIMIT 1000);
    GET DIAGNOSTICS purged = ROW_COUNT; total := total + purged;
    -- No token is valid for longer than a day.
    DELETE FROM public.ended_users e WHERE e.ended_at < now() - interval '25 hours';
    DELETE FROM public.cached_statistics c WHERE c.counted_at < now() - interval '1 hour';
    DELETE FROM public.rate_limits r WHERE r.started < now() - interval '1 hour';
    RETURN total;
END $$;
