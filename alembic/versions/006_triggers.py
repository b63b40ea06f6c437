"""What PostgreSQL itself sees to: versions, history, announcements, and that a team keeps an owner.

History and announcements are triggers, so that no verb can forget them; both commit with the change.
"""

from alembic import op

revision = "006"
down_revision = "005"
branch_labels = None
depends_on = None

TOUCH = """
CREATE OR REPLACE FUNCTION touch_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END $$
"""

# Runs as the caller: the parent is looked up under the caller's own policies.
PLACE = """
CREATE OR REPLACE FUNCTION place_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    ancestor bigint := NEW.parent_id;
    above bigint;
    me text := public.current_user_id();
BEGIN
    IF me IS NULL THEN RETURN NEW; END IF;
    IF TG_OP = 'UPDATE' AND NEW.team_id IS DISTINCT FROM OLD.team_id AND NOT (
        (OLD.user_id = me OR coalesce(OLD.team_id = ANY (public.my_managed_team_ids()), false))
        AND (NEW.team_id IS NULL OR NEW.team_id = ANY (public.my_writable_team_ids()))
    ) THEN
        RAISE EXCEPTION 'not allowed to move this task' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WHILE ancestor IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.parent_id IS DISTINCT FROM OLD.parent_id) LOOP
        IF ancestor = NEW.id THEN
            RAISE EXCEPTION 'a task cannot be below itself' USING ERRCODE = 'check_violation';
        END IF;
        SELECT t.parent_id INTO above FROM public.tasks t WHERE t.id = ancestor;
        IF NOT FOUND AND ancestor = NEW.parent_id THEN
            RAISE EXCEPTION 'no such parent task' USING ERRCODE = 'foreign_key_violation';
        END IF;
        ancestor := above;
    END LOOP;
    RETURN NEW;
END $$
"""

ANNOUNCE = """
CREATE OR REPLACE FUNCTION announce_tasks(kind text, actor text, ids bigint[]) RETURNS void
LANGUAGE sql SET search_path = ''
BEGIN ATOMIC
    SELECT pg_notify('taskdeck', json_build_object(
        'type', kind, 'by', actor, 'at', now(), 'ids', json_agg(n.id ORDER BY n.id))::text)
    FROM (SELECT u.id, (u.position - 1) / 200 AS chunk
          FROM unnest(ids) WITH ORDINALITY AS u (id, position)) n
    GROUP BY n.chunk;
END
"""

RECORD_CREATED = """
CREATE OR REPLACE FUNCTION record_created_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := public.current_user_id();
    created bigint[];
BEGIN
    INSERT INTO public.task_events (task_id, owner_id, user_id, team_id, event_type, client, undoes)
    SELECT n.id, n.user_id, coalesce(actor, n.user_id), n.team_id, 'task_created',
           nullif(current_setting('app.client', true), ''), nullif(current_setting('app.undoes', true), '')::bigint
    FROM new_rows n ORDER BY n.id;
    SELECT array_agg(n.id ORDER BY n.id), coalesce(actor, min(n.user_id)) INTO created, actor FROM new_rows n;
    IF created IS NOT NULL THEN PERFORM public.announce_tasks('task_created', actor, created); END IF;
    RETURN NULL;
END $$
"""

RECORD_CHANGED = """
CREATE OR REPLACE FUNCTION record_changed_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := public.current_user_id();
    event record;
BEGIN
    FOR event IN
        WITH recorded AS (
            INSERT INTO public.task_events
                (task_id, owner_id, user_id, team_id, from_team_id, event_type, client, changes, undoes)
            SELECT n.id, n.user_id, coalesce(actor, n.user_id), n.team_id,
                CASE WHEN o.team_id IS DISTINCT FROM n.team_id THEN o.team_id END,
                CASE WHEN o.deleted_at IS NULL AND n.deleted_at IS NOT NULL THEN 'task_deleted'
                     WHEN o.deleted_at IS NOT NULL AND n.deleted_at IS NULL THEN 'task_restored'
                     WHEN o.status <> 'completed' AND n.status = 'completed' THEN 'task_completed'
                     ELSE 'task_updated' END,
                nullif(current_setting('app.client', true), ''),
                coalesce((
                    SELECT jsonb_object_agg(f.name, jsonb_build_array(f.before, f.after))
                    FROM (VALUES
                        ('title', to_jsonb(o.title), to_jsonb(n.title)),
                        ('description', to_jsonb(o.description), to_jsonb(n.description)),
                        ('status', to_jsonb(o.status), to_jsonb(n.status)),
                        ('priority', to_jsonb(o.priority), to_jsonb(n.priority)),
                        ('due', to_jsonb(o.due), to_jsonb(n.due)),
                        ('tags', to_jsonb(o.tags), to_jsonb(n.tags)),
                        ('team_id', to_jsonb(o.team_id), to_jsonb(n.team_id)),
                        ('parent_id', to_jsonb(o.parent_id), to_jsonb(n.parent_id)),
                        ('assignee', to_jsonb(o.assignee_id), to_jsonb(n.assignee_id)),
                        ('recurrence', to_jsonb(o.recurrence), to_jsonb(n.recurrence))
                    ) AS f (name, before, after) WHERE f.before IS DISTINCT FROM f.after
                ), '{}'),
                nullif(current_setting('app.undoes', true), '')::bigint
            FROM new_rows n JOIN old_rows o ON o.id = n.id ORDER BY n.id
            RETURNING task_id, event_type, user_id
        )
        SELECT r.event_type, r.user_id, array_agg(r.task_id ORDER BY r.task_id) AS ids
        FROM recorded r GROUP BY r.event_type, r.user_id
    LOOP
        PERFORM public.announce_tasks(event.event_type, event.user_id, event.ids);
    END LOOP;
    RETURN NULL;
END $$
"""

# A task that was shared is announced to everybody who sees it; whoever lost it is told to look again.
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
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'access', 'users', json_build_array(share.shared_with_user_id))::text);
    RETURN NULL;
END $$
"""

ANNOUNCE_MEMBER = """
CREATE OR REPLACE FUNCTION announce_member() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'access', 'users', json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$
"""

ANNOUNCE_CONVERSATION = """
CREATE OR REPLACE FUNCTION announce_conversation() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'conversation', 'id', (coalesce(NEW, OLD)).id, 'users',
        json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$
"""

# Locks the team first, so that two owners who leave at once cannot both see the other still there.
KEEP_OWNER = """
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
END $$
"""

FUNCTIONS = (
    TOUCH,
    PLACE,
    ANNOUNCE,
    RECORD_CREATED,
    RECORD_CHANGED,
    RECORD_SHARE,
    ANNOUNCE_MEMBER,
    ANNOUNCE_CONVERSATION,
    KEEP_OWNER,
)

TRIGGERS = (
    ("tasks_touch", "tasks", "BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch_task()"),
    (
        "tasks_place",
        "tasks",
        "BEFORE INSERT OR UPDATE OF team_id, parent_id ON tasks FOR EACH ROW EXECUTE FUNCTION place_task()",
    ),
    (
        "tasks_record_created",
        "tasks",
        "AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION record_created_tasks()",
    ),
    (
        "tasks_record_changed",
        "tasks",
        "AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION record_changed_tasks()",
    ),
    (
        "task_shares_record",
        "task_shares",
        "AFTER INSERT OR UPDATE OR DELETE ON task_shares FOR EACH ROW EXECUTE FUNCTION record_share()",
    ),
    (
        "team_members_announce",
        "team_members",
        "AFTER INSERT OR UPDATE OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION announce_member()",
    ),
    (
        "team_members_keep_owner",
        "team_members",
        "BEFORE UPDATE OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION keep_team_owner()",
    ),
    (
        "conversations_announce",
        "conversations",
        "AFTER INSERT OR UPDATE OR DELETE ON conversations FOR EACH ROW EXECUTE FUNCTION announce_conversation()",
    ),
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    for name, table, definition in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        op.execute(f"CREATE TRIGGER {name} {definition}")


def downgrade() -> None:
    for name, table, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
    for signature in (
        "touch_task()",
        "place_task()",
        "record_created_tasks()",
        "record_changed_tasks()",
        "record_share()",
        "announce_member()",
        "announce_conversation()",
        "keep_team_owner()",
        "announce_tasks(text, text, bigint[])",
    ):
        op.execute(f"DROP FUNCTION IF EXISTS {signature}")
