"""Who is told of a task that moves, and how requests are counted: by windows of a minute."""

from typing import Any

from alembic import context, op

revision = "011"
down_revision = "010"
branch_labels = None
depends_on = None

DEFINER = "SECURITY DEFINER SET search_path = ''"

# Whom a move takes a task from, or gives it to, is looked up when it is told: a team has any number of members, and
# somebody may join it while the move is not yet committed.
ANNOUNCE_MOVES = """
CREATE OR REPLACE FUNCTION announce_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', m.after)::text)
    FROM (SELECT n.id, o.team_id AS before, n.team_id AS after,
                 (row_number() OVER (PARTITION BY o.team_id, n.team_id) - 1) / 200 AS chunk
          FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE o.team_id IS DISTINCT FROM n.team_id) m
    GROUP BY m.before, m.after, m.chunk;
    RETURN NULL;
END $$
"""

# Tasks go for good with their owner, who may have left them in a team.
ANNOUNCE_LOSS = """
CREATE OR REPLACE FUNCTION announce_loss() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', NULL)::text)
    FROM (SELECT o.id, o.team_id AS before, (row_number() OVER (PARTITION BY o.team_id) - 1) / 200 AS chunk
          FROM old_rows o WHERE o.deleted_at IS NULL AND o.team_id IS NOT NULL) m
    GROUP BY m.before, m.chunk;
    RETURN NULL;
END $$
"""

# Members of one of the two teams only, save those who see the tasks whatever their team.
MOVE_AUDIENCE = f"""
CREATE OR REPLACE FUNCTION move_audience(ids bigint[], team_before bigint, team_after bigint)
RETURNS TABLE (user_id text) LANGUAGE sql STABLE {DEFINER}
BEGIN ATOMIC
    SELECT m.user_id FROM public.team_members m
    WHERE m.team_id IN (team_before, team_after)
        AND NOT EXISTS (SELECT 1 FROM public.team_members o
            WHERE o.user_id = m.user_id AND o.team_id IN (team_before, team_after) AND o.team_id <> m.team_id)
        AND EXISTS (SELECT 1 FROM unnest(ids) AS moved (id)
            WHERE NOT EXISTS (SELECT 1 FROM public.tasks t WHERE t.id = moved.id AND t.user_id = m.user_id)
            AND NOT EXISTS (SELECT 1 FROM public.task_shares s
                WHERE s.task_id = moved.id AND s.shared_with_user_id = m.user_id));
END
"""

# As in 006, but another permission or role is nothing given or taken away.
RECORD_SHARE = """
CREATE OR REPLACE FUNCTION record_share() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    share public.task_shares := coalesce(NEW, OLD);
    actor text := coalesce(public.current_user_id(), share.owner_id);
BEGIN
    INSERT INTO public.task_events
        (task_id, owner_id, user_id, team_id, target_user_id, event_type, client, changes, undoes)
    SELECT t.id, t.user_id, actor, t.team_id, share.shared_with_user_id,
           CASE WHEN TG_OP = 'DELETE' THEN 'task_unshared' ELSE 'task_shared' END,
           nullif(current_setting('app.client', true), ''),
           jsonb_build_object('user', share.shared_with_user_id, 'permission', jsonb_build_array(
               CASE WHEN TG_OP <> 'INSERT' THEN OLD.permission END,
               CASE WHEN TG_OP <> 'DELETE' THEN NEW.permission END)),
           nullif(current_setting('app.undoes', true), '')::bigint
    FROM public.tasks t WHERE t.id = share.task_id;
    PERFORM public.announce_tasks('task_updated', actor, ARRAY[share.task_id]);
    IF TG_OP <> 'UPDATE' THEN
        PERFORM pg_notify('taskdeck', json_build_object(
            'type', 'access', 'users', json_build_array(share.shared_with_user_id))::text);
    END IF;
    RETURN NULL;
END $$
"""

# Counts one request of the caller's, or gives the seconds until the window ends. A refused request only locks the
# row, so what is read of it next is what it was refused for. A window that begins in the future is a clock's that
# was set back.
TAKE_REQUEST = """
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
END $$
"""

# As in 008, but for the column of rate_limits.
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
    DELETE FROM public.rate_limits r WHERE r.started < now() - interval '1 hour';
    RETURN total;
END $$
"""

FOR_REQUESTS = {
    "move_audience(bigint[], bigint, bigint)": (MOVE_AUDIENCE, True),
    "take_request(bigint)": (TAKE_REQUEST, False),
}
TRIGGERS = (
    (
        "tasks_announce_moves",
        "tasks",
        "AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION announce_moves()",
    ),
    (
        "tasks_announce_loss",
        "tasks",
        "AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION announce_loss()",
    ),
    (
        "team_members_announce",
        "team_members",
        "AFTER INSERT OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION announce_member()",
    ),
)
# What was counted in the last minute is forgotten: the two ways of counting cannot be told in each other's words.
WINDOWS = """
ALTER TABLE rate_limits DROP COLUMN IF EXISTS arrival, ADD COLUMN IF NOT EXISTS started timestamptz NOT NULL,
    ADD COLUMN IF NOT EXISTS used bigint NOT NULL
"""
ARRIVALS = """
ALTER TABLE rate_limits DROP COLUMN IF EXISTS started, DROP COLUMN IF EXISTS used,
    ADD COLUMN IF NOT EXISTS arrival timestamptz NOT NULL
"""


def upgrade() -> None:
    op.execute("TRUNCATE rate_limits")
    op.execute(WINDOWS)
    op.execute("GRANT CREATE ON SCHEMA public TO taskdeck_rls")
    for definition in (ANNOUNCE_MOVES, ANNOUNCE_LOSS, RECORD_SHARE, PURGE):
        op.execute(definition)
    for signature, (definition, definer) in FOR_REQUESTS.items():
        op.execute(definition)
        if definer:
            op.execute(f"ALTER FUNCTION {signature} OWNER TO taskdeck_rls")
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO taskdeck_app")
    op.execute("REVOKE CREATE ON SCHEMA public FROM taskdeck_rls")
    for name, table, definition in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        op.execute(f"CREATE TRIGGER {name} {definition}")


def downgrade() -> None:
    earlier: dict[str, Any] = {number: context.script.get_revision(number).module for number in ("006", "008")}
    for name, table, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
    for signature in ("announce_moves()", "announce_loss()", *FOR_REQUESTS):
        op.execute(f"DROP FUNCTION IF EXISTS {signature}")
    for name, _, definition in earlier["006"].TRIGGERS:
        if name == "team_members_announce":
            op.execute(f"CREATE TRIGGER {name} {definition}")
    op.execute("TRUNCATE rate_limits")
    op.execute(ARRIVALS)
    op.execute(earlier["006"].RECORD_SHARE)
    op.execute(earlier["008"].PURGE)
