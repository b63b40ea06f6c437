-- Counts one request in one window, or returns the seconds until the window ends. A refused request only locks the row. A
-- window that begins in the future comes from a clock that was set back.
CREATE OR REPLACE FUNCTION count_request(person text, counter text, most bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    earliest timestamptz := moment - interval '1 minute';
    latest timestamptz := moment + interval '1 minute';
    ending timestamptz;
BEGIN
    INSERT INTO public.rate_limits AS r (user_id, client, started, used) VALUES (person, counter, moment, 1)
    ON CONFLICT (user_id, client) DO UPDATE SET
        started = CASE WHEN r.started > earliest AND r.started < latest THEN r.started ELSE moment END,
        used = CASE WHEN r.started > earliest AND r.started < latest THEN r.used + 1 ELSE 1 END
    WHERE r.used < most OR r.started <= earliest OR r.started >= latest;
    IF FOUND THEN RETURN 0; END IF;
    SELECT r.started + interval '1 minute' INTO ending
    FROM public.rate_limits r WHERE r.user_id = person AND r.client = counter;
    RETURN greatest(1, least(60, ceil(extract(epoch FROM ending - moment))));
END $$;

-- Counts one request of a client in its own window and in that of all clients of its person, or in neither. Every call
-- locks the client's row before the person's, so that no two wait for each other. The login calls it without an
-- identity; within somebody's request it counts for that person only.
CREATE OR REPLACE FUNCTION take_request(
    person text, client text, client_rate bigint, person_rate bigint, OUT client_wait integer, OUT person_wait integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '2s' AS $$
BEGIN
    IF person <> coalesce(public.current_user_id(), person) OR client = '' THEN
        RAISE insufficient_privilege;
    END IF;
    person_wait := 0;
    client_wait := public.count_request(person, client, client_rate);
    IF client_wait > 0 THEN RETURN; END IF;
    person_wait := public.count_request(person, '', person_rate);
    IF person_wait > 0 THEN
        UPDATE public.rate_limits r SET used = r.used - 1 WHERE r.user_id = person AND r.client = take_request.client;
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
    DELETE FROM public.cached_statistics c WHERE c.counted_at < now() - interval '1 hour';
    DELETE FROM public.rate_limits r WHERE r.started < now() - interval '1 hour';
    RETURN total;
END $$;
