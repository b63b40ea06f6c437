"""The few questions that cannot be asked from behind the policies, one function each.

All belong to taskdeck_rls, take the caller from current_user_id() where there is one, and have an empty search path.
"""

from alembic import op

revision = "008"
down_revision = "007"
branch_labels = None
depends_on = None

DEFINER = "SECURITY DEFINER SET search_path = ''"

# Text search operators are not leakproof, so behind the policies the index would not be used.
MATCHING_TASKS = f"""
CREATE OR REPLACE FUNCTION matching_task_ids(query text) RETURNS bigint[] LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT coalesce(array_agg(found.id), '{{}}') FROM (
        SELECT t.id FROM public.tasks t
        WHERE t.user_id = public.current_user_id() AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.team_id = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.id = ANY (public.my_shared_task_ids()) AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
    ) found;
END
"""
MATCHING_MESSAGES = f"""
CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS SETOF messages LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT m.* FROM public.messages m
    WHERE m.user_id = public.current_user_id()
      AND m.search @@ websearch_to_tsquery('simple'::regconfig, query);
END
"""

FIND_USERS = f"""
CREATE OR REPLACE FUNCTION find_users(id_or_email text)
RETURNS TABLE (id text, email text, name text) LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT u.id, u.email, u.name FROM public.users u WHERE u.id = id_or_email
    UNION
    SELECT u.id, u.email, u.name FROM public.users u WHERE lower(u.email) = lower(id_or_email);
END
"""

CREATE_TEAM = f"""
CREATE OR REPLACE FUNCTION create_team(team_name text) RETURNS bigint LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    me text := public.current_user_id();
    created bigint;
BEGIN
    INSERT INTO public.teams (owner_id, name) VALUES (me, team_name) RETURNING id INTO created;
    INSERT INTO public.team_members (team_id, user_id, role) VALUES (created, me, 'owner');
    RETURN created;
END $$
"""

# The next occurrence stays the owner's, also when somebody else completed this one; its shares come along.
REPEAT_TASK = f"""
CREATE OR REPLACE FUNCTION repeat_task(task bigint, next_due text, next_due_at timestamptz, next_rule text)
RETURNS bigint LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    me text := public.current_user_id();
    next_id bigint;
BEGIN
    INSERT INTO public.tasks (user_id, team_id, parent_id, assignee_id, title, description, priority, due, due_at,
        tags, recurrence)
    SELECT t.user_id, t.team_id, t.parent_id, t.assignee_id, t.title, t.description, t.priority, next_due,
        next_due_at, t.tags, next_rule
    FROM public.tasks t WHERE t.id = task AND t.deleted_at IS NULL AND (
        t.user_id = me OR t.team_id = ANY (public.my_writable_team_ids())
        OR t.id = ANY (public.my_editable_task_ids()))
    RETURNING id INTO next_id;
    INSERT INTO public.task_shares (task_id, shared_with_user_id, owner_id, permission)
    SELECT next_id, s.shared_with_user_id, s.owner_id, s.permission
    FROM public.task_shares s WHERE s.task_id = task AND next_id IS NOT NULL;
    RETURN next_id;
END $$
"""

# Deleted tasks count: whoever saw the task is told that it is gone.
TASK_AUDIENCE = f"""
CREATE OR REPLACE FUNCTION task_audience(ids bigint[])
RETURNS TABLE (task_id bigint, user_id text) LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT t.id, t.user_id FROM public.tasks t WHERE t.id = ANY (ids)
    UNION
    SELECT t.id, m.user_id FROM public.tasks t JOIN public.team_members m ON m.team_id = t.team_id
    WHERE t.id = ANY (ids)
    UNION
    SELECT s.task_id, s.shared_with_user_id FROM public.task_shares s WHERE s.task_id = ANY (ids);
END
"""

# Whether numbers counted in a snapshot still hold: no event that concerns them was invisible to it.
# The planner cannot know that events after a snapshot are few, and would read the whole table for somebody busy.
STATISTICS_CURRENT = f"""
CREATE OR REPLACE FUNCTION statistics_current(team bigint, counted_in text)
RETURNS boolean LANGUAGE plpgsql STABLE {DEFINER} SET enable_seqscan = off AS $$
DECLARE
    me text := public.current_user_id();
    seen pg_snapshot := counted_in::pg_snapshot;
    since bigint := pg_snapshot_xmin(seen)::text::bigint;
BEGIN
    IF team <> 0 THEN
        RETURN NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.team_id = team
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.from_team_id = team
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen));
    END IF;
    RETURN NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.owner_id = me
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM public.task_events e WHERE e.target_user_id = me
            AND e.transaction_id >= since AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen))
        AND NOT EXISTS (SELECT 1 FROM unnest(public.my_shared_task_ids()) AS s (id) CROSS JOIN LATERAL (
            SELECT 1 FROM public.task_events e WHERE e.task_id = s.id AND e.transaction_id >= since
            AND NOT pg_visible_in_snapshot(e.transaction_id::text::xid8, seen) LIMIT 1) f);
END $$
"""

# Somebody's shares of a team's tasks are hidden from its plain members; how many tasks have any is not.
COUNT_SHARED = f"""
CREATE OR REPLACE FUNCTION count_shared_tasks(team bigint) RETURNS bigint LANGUAGE plpgsql STABLE {DEFINER} AS $$
BEGIN
    IF team <> 0 THEN
        RETURN (SELECT count(*) FROM public.tasks t
            WHERE t.team_id = team AND team = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
              AND EXISTS (SELECT 1 FROM public.task_shares s WHERE s.task_id = t.id));
    END IF;
    RETURN (SELECT count(*) FROM public.task_shares s JOIN public.tasks t ON t.id = s.task_id
        WHERE s.shared_with_user_id = public.current_user_id() AND t.deleted_at IS NULL);
END $$
"""

# What the caller did last and did not undo: whole transactions, newest first. Tasks that the caller lost sight of
# are among them, or undo would pass over one half of a change.
MY_CHANGES = f"""
CREATE OR REPLACE FUNCTION my_last_changes(number integer) RETURNS SETOF task_events
LANGUAGE plpgsql STABLE {DEFINER} AS $$
DECLARE
    me text := public.current_user_id();
    change public.task_events;
    started timestamptz := 'infinity';
    xid bigint := 0;
BEGIN
    WHILE number > 0 LOOP
        SELECT e.* INTO change FROM public.task_events e
        WHERE e.user_id = me AND (e.created_at, e.transaction_id) < (started, xid)
          AND NOT (e.event_type = 'task_updated' AND e.changes = '{{}}')
        ORDER BY e.created_at DESC, e.transaction_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        started := change.created_at;
        xid := change.transaction_id;
        CONTINUE WHEN change.undoes IS NOT NULL OR EXISTS (
            SELECT 1 FROM public.task_events u
            WHERE u.user_id = me AND u.undoes = xid AND u.created_at > started);
        RETURN QUERY SELECT e.* FROM public.task_events e
            WHERE e.user_id = me AND e.created_at = started AND e.transaction_id = xid
              AND NOT (e.event_type = 'task_updated' AND e.changes = '{{}}')
            ORDER BY e.id DESC;
        number := number - 1;
    END LOOP;
END $$
"""

FIND_TOKEN = f"""
CREATE OR REPLACE FUNCTION find_personal_token(hash text)
RETURNS TABLE (user_id text, email text, name text, timezone text, token_name text, scopes text,
    expires_at timestamptz)
LANGUAGE plpgsql {DEFINER} AS $$
BEGIN
    UPDATE public.personal_access_tokens t SET last_used_at = now()
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now()
      AND coalesce(t.last_used_at, '-infinity') < now() - interval '1 minute';
    RETURN QUERY SELECT u.id, u.email, u.name, u.timezone, t.name, t.scopes, t.expires_at
    FROM public.personal_access_tokens t JOIN public.users u ON u.id = t.user_id
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now();
END $$
"""

# The three that the dashboard calls name the user: its own session check stands in front of them.
PAT_CREATE = f"""
CREATE OR REPLACE FUNCTION taskdeck_pat_create(user_id text, email text, name text, token_name text,
    token_hash text, token_hint text, scopes text, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql {DEFINER} AS $$
#variable_conflict use_variable
DECLARE created bigint;
BEGIN
    INSERT INTO public.users AS u (id, email, name) VALUES (user_id, email, name) ON CONFLICT DO NOTHING;
    INSERT INTO public.personal_access_tokens AS t
        (user_id, name, token_hash, token_hint, scopes, expires_at)
    VALUES (user_id, token_name, token_hash, token_hint, scopes, expires_at) RETURNING t.id INTO created;
    RETURN created;
END $$
"""
PAT_LIST = f"""
CREATE OR REPLACE FUNCTION taskdeck_pat_list(owner text)
RETURNS TABLE (id bigint, name text, token_hint text, scopes text, created_at timestamptz,
    expires_at timestamptz, last_used_at timestamptz) LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT t.id, t.name, t.token_hint, t.scopes, t.created_at, t.expires_at, t.last_used_at
    FROM public.personal_access_tokens t WHERE t.user_id = owner AND t.revoked_at IS NULL ORDER BY t.id DESC;
END
"""
PAT_REVOKE = f"""
CREATE OR REPLACE FUNCTION taskdeck_pat_revoke(owner text, token_id bigint) RETURNS boolean
LANGUAGE sql {DEFINER}
BEGIN ATOMIC
    WITH revoked AS (
        UPDATE public.personal_access_tokens t SET revoked_at = now()
        WHERE t.user_id = owner AND t.id = token_id AND t.revoked_at IS NULL RETURNING t.id
    ) SELECT EXISTS (SELECT 1 FROM revoked);
END
"""

# Idempotency keys live a day, deleted tasks thirty; small batches, so that no lock is held for long.
PURGE = f"""
CREATE OR REPLACE FUNCTION purge_expired() RETURNS integer LANGUAGE plpgsql {DEFINER} AS $$
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
    DELETE FROM public.rate_limits r WHERE r.arrival < now() - interval '1 hour';
    RETURN total;
END $$
"""

FOR_REQUESTS = {
    "matching_task_ids(text)": MATCHING_TASKS,
    "matching_messages(text)": MATCHING_MESSAGES,
    "find_users(text)": FIND_USERS,
    "create_team(text)": CREATE_TEAM,
    "repeat_task(bigint, text, timestamptz, text)": REPEAT_TASK,
    "task_audience(bigint[])": TASK_AUDIENCE,
    "statistics_current(bigint, text)": STATISTICS_CURRENT,
    "count_shared_tasks(bigint)": COUNT_SHARED,
    "my_last_changes(integer)": MY_CHANGES,
    "find_personal_token(text)": FIND_TOKEN,
    "purge_expired()": PURGE,
}
FOR_DASHBOARD = {
    "taskdeck_pat_create(text, text, text, text, text, text, text, timestamptz)": PAT_CREATE,
    "taskdeck_pat_list(text)": PAT_LIST,
    "taskdeck_pat_revoke(text, bigint)": PAT_REVOKE,
}


def upgrade() -> None:
    op.execute("GRANT CREATE ON SCHEMA public TO taskdeck_rls")
    for signature, definition in (FOR_REQUESTS | FOR_DASHBOARD).items():
        op.execute(definition)
        # First the owner: the old one's rights go to the new one, those that were granted to it as well.
        op.execute(f"ALTER FUNCTION {signature} OWNER TO taskdeck_rls")
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        grantee = "taskdeck_app" if signature in FOR_REQUESTS else "CURRENT_USER"
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {grantee}")
    op.execute("REVOKE CREATE ON SCHEMA public FROM taskdeck_rls")


def downgrade() -> None:
    for signature in FOR_REQUESTS | FOR_DASHBOARD:
        op.execute(f"DROP FUNCTION IF EXISTS {signature}")
