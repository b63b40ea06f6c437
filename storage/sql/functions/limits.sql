-- Counts one request, or returns the seconds until the window ends. A refused request only locks the row. A window that
-- begins in the future comes from a clock that was set back.
CREATE OR REPLACE FUNCTION take_request(rate bigint) RETURNS integer LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    moment timestamptz := clock_timestamp();
    earliest timestamptz := moment - interval '1 minute';
    latest timestamptz := moment + interval '1 minute';
    ending timestamptz;
BEGIN
    INSERT INTO public.rate_limits AS r (user_id, started, used) VALUES (me, moment, 1)
    ON CONFLICT (user_id) DO UPDATE SET
        started = CASE WHEN r.started > earliest AND r.started < latest THEN r.started ELSE moment END,
        used = CASE WHEN r.started > earliest AND r.started < latest THEN r.used + 1 ELSE 1 END
    WHERE r.used < rate OR r.started <= earliest OR r.started >= latest;
    IF FOUND THEN RETURN 0; END IF;
    SELECT r.started + interval '1 minute' INTO ending FROM public.rate_limits r WHERE r.user_id = me;
    RETURN greatest(1, least(60, ceil(extract(epoch FROM ending - moment))));
END $$;

-- Idempotency keys are kept for a day, deleted tasks for thirty; small batches, so that no lock is held for long.
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
    DELETE FROM public.cached_statistics c WHERE c.counted_at < now() - interval '1 hour';
    DELETE FROM public.rate_limits r WHERE r.started < now() - interval '1 hour';
    RETURN total;
END $$;
