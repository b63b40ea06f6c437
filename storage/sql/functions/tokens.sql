-- Notes the use at most once a minute.
CREATE OR REPLACE FUNCTION find_personal_token(hash text)
RETURNS TABLE (user_id text, email text, name text, timezone text, token_name text, scopes text,
    expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE public.personal_access_tokens t SET last_used_at = now()
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now()
      AND coalesce(t.last_used_at, '-infinity') < now() - interval '1 minute';
    RETURN QUERY SELECT u.id, u.email, u.name, u.timezone, t.name, t.scopes, t.expires_at
    FROM public.personal_access_tokens t JOIN public.users u ON u.id = t.user_id
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now();
END $$;

CREATE OR REPLACE FUNCTION taskdeck_pat_create(user_id text, email text, name text, token_name text,
    token_hash text, token_hint text, scopes text, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
#variable_conflict use_variable
DECLARE created bigint;
BEGIN
    IF 50 <= (SELECT count(*) FROM public.personal_access_tokens t
        WHERE t.user_id = taskdeck_pat_create.user_id AND t.revoked_at IS NULL AND t.expires_at > now())
    THEN
        RAISE EXCEPTION 'a person has 50 personal access tokens at most' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO public.users AS u (id, email, name) VALUES (user_id, email, name) ON CONFLICT DO NOTHING;
    INSERT INTO public.personal_access_tokens AS t
        (user_id, name, token_hash, token_hint, scopes, expires_at)
    VALUES (user_id, token_name, token_hash, token_hint, scopes, expires_at) RETURNING t.id INTO created;
    RETURN created;
END $$;

CREATE OR REPLACE FUNCTION taskdeck_pat_list(owner text)
RETURNS TABLE (id bigint, name text, token_hint text, scopes text, created_at timestamptz,
    expires_at timestamptz, last_used_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT t.id, t.name, t.token_hint, t.scopes, t.created_at, t.expires_at, t.last_used_at
    FROM public.personal_access_tokens t WHERE t.user_id = owner AND t.revoked_at IS NULL ORDER BY t.id DESC;
END;

CREATE OR REPLACE FUNCTION taskdeck_pat_revoke(owner text, token_id bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    WITH revoked AS (
        UPDATE public.personal_access_tokens t SET revoked_at = now()
        WHERE t.user_id = owner AND t.id = token_id AND t.revoked_at IS NULL RETURNING t.id
    ) SELECT EXISTS (SELECT 1 FROM revoked);
END;
