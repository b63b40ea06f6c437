BEGIN;

SELECT pg_advisory_xact_lock(7205759403792794);

DO $$ BEGIN
    IF to_regclass('alembic_version') IS NULL THEN RETURN; END IF;
    IF EXISTS (SELECT FROM alembic_version WHERE version_num > '011') THEN
        RAISE EXCEPTION 'this database is newer than 011: use the SQL of a newer Taskdeck';
    END IF;
    DROP TABLE alembic_version;
END $$;

DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' OR to_regrole('taskdeck_rls') IS NULL THEN RETURN; END IF;
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT taskdeck_rls TO CURRENT_USER WITH SET TRUE, INHERIT TRUE';
    ELSE
        GRANT taskdeck_rls TO CURRENT_USER;
    END IF;
END $$;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 001

DO $$ BEGIN
    CREATE ROLE taskdeck_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' THEN RETURN; END IF;
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT taskdeck_app TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
    ELSE
        EXECUTE 'GRANT taskdeck_app TO CURRENT_USER';
    END IF;
END $$;

DO $$ BEGIN
    CREATE ROLE taskdeck_rls NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' THEN RETURN; END IF;
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT taskdeck_rls TO CURRENT_USER WITH SET TRUE, INHERIT TRUE';
    ELSE
        EXECUTE 'GRANT taskdeck_rls TO CURRENT_USER';
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION current_user_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.user_id', true), '');

CREATE TABLE IF NOT EXISTS users (
    id text CONSTRAINT users_pkey PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_.:@|-]{1,128}$'),
    email text CHECK (length(email) BETWEEN 3 AND 320),
    name text CHECK (length(name) BETWEEN 1 AND 200),
    timezone text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS users_email ON users (lower(email));

INSERT INTO alembic_version (version_num) VALUES ('001') RETURNING alembic_version.version_num;

-- Running upgrade 001 -> 002

CREATE TABLE IF NOT EXISTS teams (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT teams_pkey PRIMARY KEY,
        owner_id text NOT NULL CONSTRAINT teams_owner_id_fkey REFERENCES users ON DELETE CASCADE,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
        created_at timestamptz NOT NULL DEFAULT now()
    );

CREATE TABLE IF NOT EXISTS team_members (
        team_id bigint NOT NULL CONSTRAINT team_members_team_id_fkey REFERENCES teams ON DELETE CASCADE,
        user_id text NOT NULL CONSTRAINT team_members_user_id_fkey REFERENCES users ON DELETE CASCADE,
        role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id)
    );

CREATE INDEX IF NOT EXISTS team_members_user ON team_members (user_id, team_id);

UPDATE alembic_version SET version_num='002' WHERE alembic_version.version_num = '001';

-- Running upgrade 002 -> 003

CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE IF NOT EXISTS tasks (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT tasks_pkey PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT tasks_user_id_fkey REFERENCES users ON DELETE CASCADE,
        team_id bigint CONSTRAINT tasks_team_id_fkey REFERENCES teams ON DELETE SET NULL,
        parent_id bigint CONSTRAINT tasks_parent_id_fkey REFERENCES tasks ON DELETE SET NULL,
        assignee_id text CONSTRAINT tasks_assignee_id_fkey REFERENCES users ON DELETE SET NULL,
        title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
        description text CHECK (octet_length(description) <= 16384),
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'completed')),
        priority text NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
        due text,
        due_at timestamptz,
        tags text[] NOT NULL DEFAULT '{}',
        recurrence text,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        completed_at timestamptz,
        deleted_at timestamptz,
        search tsvector GENERATED ALWAYS AS (
            to_tsvector('simple'::regconfig, title || ' '::text || coalesce(description, ''::text))
        ) STORED,
        CONSTRAINT tasks_id_user UNIQUE (id, user_id),
        CHECK ((due IS NULL) = (due_at IS NULL)),
        CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
        CHECK (parent_id <> id)
    );

CREATE INDEX IF NOT EXISTS tasks_owner ON tasks (user_id, created_at DESC, id DESC)
        INCLUDE (status, team_id, due_at, deleted_at) WHERE deleted_at IS NULL;

CREATE INDEX IF NOT EXISTS tasks_team ON tasks (team_id, created_at DESC, id DESC)
        INCLUDE (status, user_id, due_at, deleted_at) WHERE deleted_at IS NULL AND team_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS tasks_due ON tasks (user_id, due_at)
        INCLUDE (id, status, team_id, due, deleted_at) WHERE deleted_at IS NULL AND due_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS tasks_completed ON tasks (user_id, completed_at)
        INCLUDE (id, team_id, deleted_at) WHERE deleted_at IS NULL AND completed_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS tasks_search ON tasks USING gin (user_id, search);

ALTER TABLE tasks SET (
        autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_analyze_scale_factor = 0.02
    );

CREATE TABLE IF NOT EXISTS task_shares (
        task_id bigint NOT NULL,
        shared_with_user_id text NOT NULL
            CONSTRAINT task_shares_shared_with_user_id_fkey REFERENCES users ON DELETE CASCADE,
        owner_id text NOT NULL,
        permission text NOT NULL CHECK (permission IN ('view', 'edit')),
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_shares_pkey PRIMARY KEY (task_id, shared_with_user_id),
        CONSTRAINT task_shares_task_fkey FOREIGN KEY (task_id, owner_id)
            REFERENCES tasks (id, user_id) ON DELETE CASCADE,
        CHECK (shared_with_user_id <> owner_id)
    );

CREATE INDEX IF NOT EXISTS task_shares_recipient ON task_shares (shared_with_user_id, task_id);

UPDATE alembic_version SET version_num='003' WHERE alembic_version.version_num = '002';

-- Running upgrade 003 -> 004

CREATE TABLE IF NOT EXISTS conversations (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT conversations_pkey PRIMARY KEY,
        user_id text NOT NULL CONSTRAINT conversations_user_id_fkey REFERENCES users ON DELETE CASCADE,
        title text CHECK (length(title) BETWEEN 1 AND 200),
        message_count integer NOT NULL DEFAULT 0 CHECK (message_count >= 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT conversations_id_user UNIQUE (id, user_id)
    );

CREATE INDEX IF NOT EXISTS conversations_owner
        ON conversations (user_id, updated_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS messages (
        conversation_id bigint NOT NULL,
        sequence integer NOT NULL CHECK (sequence > 0),
        user_id text NOT NULL,
        role text NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
        content text NOT NULL CHECK (octet_length(content) <= 65536),
        tool_calls jsonb,
        model text CHECK (length(model) <= 200),
        created_at timestamptz NOT NULL DEFAULT now(),
        search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, content)) STORED,
        CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, sequence),
        CONSTRAINT messages_conversation_fkey FOREIGN KEY (conversation_id, user_id)
            REFERENCES conversations (id, user_id) ON DELETE CASCADE
    );

CREATE INDEX IF NOT EXISTS messages_search ON messages USING gin (user_id, search);

UPDATE alembic_version SET version_num='004' WHERE alembic_version.version_num = '003';

-- Running upgrade 004 -> 005

CREATE TABLE IF NOT EXISTS task_events (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_events_pkey PRIMARY KEY,
        transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
        task_id bigint NOT NULL,
        owner_id text NOT NULL,
        user_id text NOT NULL,
        team_id bigint,
        from_team_id bigint,
        target_user_id text,
        event_type text NOT NULL CHECK (event_type IN (
            'task_created', 'task_updated', 'task_completed', 'task_deleted', 'task_restored',
            'task_shared', 'task_unshared'
        )),
        client text,
        changes jsonb NOT NULL DEFAULT '{}',
        undoes bigint,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT task_events_task_fkey FOREIGN KEY (task_id, owner_id)
            REFERENCES tasks (id, user_id) ON DELETE CASCADE
    );

CREATE INDEX IF NOT EXISTS task_events_task ON task_events (task_id, transaction_id);

CREATE INDEX IF NOT EXISTS task_events_owner ON task_events (owner_id, transaction_id);

CREATE INDEX IF NOT EXISTS task_events_actor ON task_events (user_id, created_at, transaction_id);

CREATE INDEX IF NOT EXISTS task_events_undoes ON task_events (user_id, undoes) WHERE undoes IS NOT NULL;

CREATE INDEX IF NOT EXISTS task_events_team ON task_events (team_id, transaction_id)
        WHERE team_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS task_events_from ON task_events (from_team_id, transaction_id)
        WHERE from_team_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS task_events_target ON task_events (target_user_id, transaction_id)
        WHERE target_user_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS idempotency_keys (
        user_id text NOT NULL CONSTRAINT idempotency_keys_user_id_fkey REFERENCES users ON DELETE CASCADE,
        key text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
        fingerprint text NOT NULL,
        answer jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
    );

CREATE UNLOGGED TABLE IF NOT EXISTS cached_statistics (
        user_id text NOT NULL CONSTRAINT cached_statistics_user_id_fkey REFERENCES users ON DELETE CASCADE,
        team_id bigint NOT NULL,
        total bigint NOT NULL,
        completed bigint NOT NULL,
        shared bigint NOT NULL,
        snapshot text NOT NULL,
        counted_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT cached_statistics_pkey PRIMARY KEY (user_id, team_id)
    );

CREATE TABLE IF NOT EXISTS personal_access_tokens (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT personal_access_tokens_pkey PRIMARY KEY,
        user_id text NOT NULL
            CONSTRAINT personal_access_tokens_user_id_fkey REFERENCES users ON DELETE CASCADE,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
        token_hash text NOT NULL CHECK (token_hash ~ '^[0-9a-f]{64}$'),
        token_hint text NOT NULL CHECK (length(token_hint) <= 16),
        scopes text NOT NULL CHECK (scopes IN ('mcp:read', 'mcp:read mcp:write')),
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL CHECK (expires_at <= created_at + interval '366 days'),
        last_used_at timestamptz,
        revoked_at timestamptz,
        CONSTRAINT personal_access_tokens_hash UNIQUE (token_hash)
    );

CREATE INDEX IF NOT EXISTS personal_access_tokens_owner ON personal_access_tokens (user_id, id);

CREATE UNLOGGED TABLE IF NOT EXISTS rate_limits (
        user_id text NOT NULL CONSTRAINT rate_limits_pkey PRIMARY KEY,
        arrival timestamptz NOT NULL
    );

UPDATE alembic_version SET version_num='005' WHERE alembic_version.version_num = '004';

-- Running upgrade 005 -> 006

CREATE OR REPLACE FUNCTION touch_task() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

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
END $$;

CREATE OR REPLACE FUNCTION announce_tasks(kind text, actor text, ids bigint[]) RETURNS void
LANGUAGE sql SET search_path = ''
BEGIN ATOMIC
    SELECT pg_notify('taskdeck', json_build_object(
        'type', kind, 'by', actor, 'at', now(), 'ids', json_agg(n.id ORDER BY n.id))::text)
    FROM (SELECT u.id, (u.position - 1) / 200 AS chunk
          FROM unnest(ids) WITH ORDINALITY AS u (id, position)) n
    GROUP BY n.chunk;
END;

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
END $$;

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
END $$;

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
END $$;

CREATE OR REPLACE FUNCTION announce_member() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'access', 'users', json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION announce_conversation() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'conversation', 'id', (coalesce(NEW, OLD)).id, 'users',
        json_build_array((coalesce(NEW, OLD)).user_id))::text);
    RETURN NULL;
END $$;

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
END $$;

DROP TRIGGER IF EXISTS tasks_touch ON tasks;

CREATE TRIGGER tasks_touch BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch_task();

DROP TRIGGER IF EXISTS tasks_place ON tasks;

CREATE TRIGGER tasks_place BEFORE INSERT OR UPDATE OF team_id, parent_id ON tasks FOR EACH ROW EXECUTE FUNCTION place_task();

DROP TRIGGER IF EXISTS tasks_record_created ON tasks;

CREATE TRIGGER tasks_record_created AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION record_created_tasks();

DROP TRIGGER IF EXISTS tasks_record_changed ON tasks;

CREATE TRIGGER tasks_record_changed AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION record_changed_tasks();

DROP TRIGGER IF EXISTS task_shares_record ON task_shares;

CREATE TRIGGER task_shares_record AFTER INSERT OR UPDATE OR DELETE ON task_shares FOR EACH ROW EXECUTE FUNCTION record_share();

DROP TRIGGER IF EXISTS team_members_announce ON team_members;

CREATE TRIGGER team_members_announce AFTER INSERT OR UPDATE OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION announce_member();

DROP TRIGGER IF EXISTS team_members_keep_owner ON team_members;

CREATE TRIGGER team_members_keep_owner BEFORE UPDATE OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION keep_team_owner();

DROP TRIGGER IF EXISTS conversations_announce ON conversations;

CREATE TRIGGER conversations_announce AFTER INSERT OR UPDATE OR DELETE ON conversations FOR EACH ROW EXECUTE FUNCTION announce_conversation();

UPDATE alembic_version SET version_num='006' WHERE alembic_version.version_num = '005';

-- Running upgrade 006 -> 007

GRANT CREATE ON SCHEMA public TO taskdeck_rls;

CREATE OR REPLACE FUNCTION my_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin', 'member', 'viewer']);
END;

ALTER FUNCTION my_team_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_team_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_team_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_writable_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin', 'member']);
END;

ALTER FUNCTION my_writable_team_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_writable_team_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_writable_team_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_managed_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner', 'admin']);
END;

ALTER FUNCTION my_managed_team_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_managed_team_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_managed_team_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_owned_team_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(m.team_id), '{}') FROM public.team_members m
    WHERE m.user_id = public.current_user_id() AND m.role = ANY (ARRAY['owner']);
END;

ALTER FUNCTION my_owned_team_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_owned_team_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_owned_team_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_shared_task_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.task_id), '{}') FROM public.task_shares s
    WHERE s.shared_with_user_id = public.current_user_id() AND s.permission = ANY (ARRAY['view', 'edit']);
END;

ALTER FUNCTION my_shared_task_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_shared_task_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_shared_task_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_editable_task_ids() RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.task_id), '{}') FROM public.task_shares s
    WHERE s.shared_with_user_id = public.current_user_id() AND s.permission = ANY (ARRAY['edit']);
END;

ALTER FUNCTION my_editable_task_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_editable_task_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_editable_task_ids() TO taskdeck_app, taskdeck_rls;

CREATE OR REPLACE FUNCTION my_contact_ids() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(c.user_id), '{}') FROM (
        SELECT m.user_id FROM public.team_members m WHERE m.team_id = ANY (public.my_team_ids())
        UNION SELECT t.user_id FROM public.tasks t WHERE t.team_id = ANY (public.my_team_ids())
        UNION SELECT s.owner_id FROM public.task_shares s
            WHERE s.shared_with_user_id = public.current_user_id()
        UNION SELECT s.shared_with_user_id FROM public.task_shares s
            WHERE s.owner_id = public.current_user_id()
    ) c;
END;

ALTER FUNCTION my_contact_ids() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_contact_ids() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_contact_ids() TO taskdeck_app, taskdeck_rls;

ALTER FUNCTION record_created_tasks() OWNER TO taskdeck_rls;

ALTER FUNCTION record_changed_tasks() OWNER TO taskdeck_rls;

ALTER FUNCTION record_share() OWNER TO taskdeck_rls;

ALTER FUNCTION keep_team_owner() OWNER TO taskdeck_rls;

REVOKE CREATE ON SCHEMA public FROM taskdeck_rls;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;

ALTER TABLE users FORCE ROW LEVEL SECURITY;

REVOKE ALL ON users FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON users TO taskdeck_rls;

DROP POLICY IF EXISTS users_functions ON users;

CREATE POLICY users_functions ON users TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE teams ENABLE ROW LEVEL SECURITY;

ALTER TABLE teams FORCE ROW LEVEL SECURITY;

REVOKE ALL ON teams FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON teams TO taskdeck_rls;

DROP POLICY IF EXISTS teams_functions ON teams;

CREATE POLICY teams_functions ON teams TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE team_members ENABLE ROW LEVEL SECURITY;

ALTER TABLE team_members FORCE ROW LEVEL SECURITY;

REVOKE ALL ON team_members FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON team_members TO taskdeck_rls;

DROP POLICY IF EXISTS team_members_functions ON team_members;

CREATE POLICY team_members_functions ON team_members TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;

ALTER TABLE tasks FORCE ROW LEVEL SECURITY;

REVOKE ALL ON tasks FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO taskdeck_rls;

DROP POLICY IF EXISTS tasks_functions ON tasks;

CREATE POLICY tasks_functions ON tasks TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE task_shares ENABLE ROW LEVEL SECURITY;

ALTER TABLE task_shares FORCE ROW LEVEL SECURITY;

REVOKE ALL ON task_shares FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON task_shares TO taskdeck_rls;

DROP POLICY IF EXISTS task_shares_functions ON task_shares;

CREATE POLICY task_shares_functions ON task_shares TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE conversations FORCE ROW LEVEL SECURITY;

REVOKE ALL ON conversations FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON conversations TO taskdeck_rls;

DROP POLICY IF EXISTS conversations_functions ON conversations;

CREATE POLICY conversations_functions ON conversations TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;

ALTER TABLE messages FORCE ROW LEVEL SECURITY;

REVOKE ALL ON messages FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO taskdeck_rls;

DROP POLICY IF EXISTS messages_functions ON messages;

CREATE POLICY messages_functions ON messages TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE task_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE task_events FORCE ROW LEVEL SECURITY;

REVOKE ALL ON task_events FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON task_events TO taskdeck_rls;

DROP POLICY IF EXISTS task_events_functions ON task_events;

CREATE POLICY task_events_functions ON task_events TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;

REVOKE ALL ON idempotency_keys FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO taskdeck_rls;

DROP POLICY IF EXISTS idempotency_keys_functions ON idempotency_keys;

CREATE POLICY idempotency_keys_functions ON idempotency_keys TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE cached_statistics ENABLE ROW LEVEL SECURITY;

ALTER TABLE cached_statistics FORCE ROW LEVEL SECURITY;

REVOKE ALL ON cached_statistics FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON cached_statistics TO taskdeck_rls;

DROP POLICY IF EXISTS cached_statistics_functions ON cached_statistics;

CREATE POLICY cached_statistics_functions ON cached_statistics TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE personal_access_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE personal_access_tokens FORCE ROW LEVEL SECURITY;

REVOKE ALL ON personal_access_tokens FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON personal_access_tokens TO taskdeck_rls;

DROP POLICY IF EXISTS personal_access_tokens_functions ON personal_access_tokens;

CREATE POLICY personal_access_tokens_functions ON personal_access_tokens TO taskdeck_rls USING (true) WITH CHECK (true);

ALTER TABLE rate_limits ENABLE ROW LEVEL SECURITY;

ALTER TABLE rate_limits FORCE ROW LEVEL SECURITY;

REVOKE ALL ON rate_limits FROM PUBLIC, taskdeck_app, taskdeck_rls;

GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO taskdeck_rls;

DROP POLICY IF EXISTS rate_limits_functions ON rate_limits;

CREATE POLICY rate_limits_functions ON rate_limits TO taskdeck_rls USING (true) WITH CHECK (true);

DROP POLICY IF EXISTS users_select ON users;

CREATE POLICY users_select ON users FOR SELECT TO taskdeck_app USING (CASE WHEN id = (SELECT current_user_id()) THEN true ELSE id = ANY ((SELECT my_contact_ids())::text[]) END);

DROP POLICY IF EXISTS users_insert ON users;

CREATE POLICY users_insert ON users FOR INSERT TO taskdeck_app WITH CHECK (id = (SELECT current_user_id()));

DROP POLICY IF EXISTS users_update ON users;

CREATE POLICY users_update ON users FOR UPDATE TO taskdeck_app USING (id = (SELECT current_user_id())) WITH CHECK (id = (SELECT current_user_id()));

DROP POLICY IF EXISTS teams_select ON teams;

CREATE POLICY teams_select ON teams FOR SELECT TO taskdeck_app USING (id = ANY ((SELECT my_team_ids())::bigint[]));

DROP POLICY IF EXISTS team_members_select ON team_members;

CREATE POLICY team_members_select ON team_members FOR SELECT TO taskdeck_app USING (team_id = ANY ((SELECT my_team_ids())::bigint[]));

DROP POLICY IF EXISTS team_members_insert ON team_members;

CREATE POLICY team_members_insert ON team_members FOR INSERT TO taskdeck_app WITH CHECK (
CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END
);

DROP POLICY IF EXISTS team_members_update ON team_members;

CREATE POLICY team_members_update ON team_members FOR UPDATE TO taskdeck_app USING (
CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END
) WITH CHECK (
CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END
);

DROP POLICY IF EXISTS team_members_delete ON team_members;

CREATE POLICY team_members_delete ON team_members FOR DELETE TO taskdeck_app USING (CASE WHEN user_id = (SELECT current_user_id()) THEN true ELSE (
CASE WHEN team_id = ANY ((SELECT my_owned_team_ids())::bigint[]) THEN true ELSE role <> 'owner' AND team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) END
) END);

DROP POLICY IF EXISTS tasks_select ON tasks;

CREATE POLICY tasks_select ON tasks FOR SELECT TO taskdeck_app USING (
CASE WHEN user_id = (SELECT current_user_id()) THEN true
     WHEN team_id = ANY ((SELECT my_managed_team_ids())::bigint[]) THEN true
     WHEN deleted_at IS NOT NULL THEN false
     WHEN team_id = ANY ((SELECT my_team_ids())::bigint[]) THEN true
     ELSE id = ANY ((SELECT my_shared_task_ids())::bigint[]) END
);

DROP POLICY IF EXISTS tasks_insert ON tasks;

CREATE POLICY tasks_insert ON tasks FOR INSERT TO taskdeck_app WITH CHECK (user_id = (SELECT current_user_id()) AND (team_id IS NULL OR team_id = ANY ((SELECT my_writable_team_ids())::bigint[])));

DROP POLICY IF EXISTS tasks_update ON tasks;

CREATE POLICY tasks_update ON tasks FOR UPDATE TO taskdeck_app USING (
CASE WHEN user_id = (SELECT current_user_id()) THEN true
     WHEN team_id = ANY ((SELECT my_writable_team_ids())::bigint[]) THEN true
     ELSE id = ANY ((SELECT my_editable_task_ids())::bigint[]) END
) WITH CHECK (
CASE WHEN user_id = (SELECT current_user_id()) THEN true
     WHEN team_id = ANY ((SELECT my_writable_team_ids())::bigint[]) THEN true
     ELSE id = ANY ((SELECT my_editable_task_ids())::bigint[]) END
);

DROP POLICY IF EXISTS task_shares_select ON task_shares;

CREATE POLICY task_shares_select ON task_shares FOR SELECT TO taskdeck_app USING (CASE WHEN shared_with_user_id = (SELECT current_user_id()) OR owner_id = (SELECT current_user_id()) THEN true ELSE 
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = (SELECT current_user_id()) OR t.team_id = ANY ((SELECT my_managed_team_ids())::bigint[])))
 END);

DROP POLICY IF EXISTS task_shares_insert ON task_shares;

CREATE POLICY task_shares_insert ON task_shares FOR INSERT TO taskdeck_app WITH CHECK (
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = (SELECT current_user_id()) OR t.team_id = ANY ((SELECT my_managed_team_ids())::bigint[])))
);

DROP POLICY IF EXISTS task_shares_update ON task_shares;

CREATE POLICY task_shares_update ON task_shares FOR UPDATE TO taskdeck_app USING (
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = (SELECT current_user_id()) OR t.team_id = ANY ((SELECT my_managed_team_ids())::bigint[])))
) WITH CHECK (
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = (SELECT current_user_id()) OR t.team_id = ANY ((SELECT my_managed_team_ids())::bigint[])))
);

DROP POLICY IF EXISTS task_shares_delete ON task_shares;

CREATE POLICY task_shares_delete ON task_shares FOR DELETE TO taskdeck_app USING (CASE WHEN shared_with_user_id = (SELECT current_user_id()) THEN true ELSE 
EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id AND t.user_id = task_shares.owner_id
        AND (t.user_id = (SELECT current_user_id()) OR t.team_id = ANY ((SELECT my_managed_team_ids())::bigint[])))
 END);

DROP POLICY IF EXISTS conversations_all ON conversations;

CREATE POLICY conversations_all ON conversations FOR ALL TO taskdeck_app USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));

DROP POLICY IF EXISTS messages_all ON messages;

CREATE POLICY messages_all ON messages FOR ALL TO taskdeck_app USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));

DROP POLICY IF EXISTS task_events_select ON task_events;

CREATE POLICY task_events_select ON task_events FOR SELECT TO taskdeck_app USING (EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id));

DROP POLICY IF EXISTS idempotency_keys_all ON idempotency_keys;

CREATE POLICY idempotency_keys_all ON idempotency_keys FOR ALL TO taskdeck_app USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));

DROP POLICY IF EXISTS cached_statistics_all ON cached_statistics;

CREATE POLICY cached_statistics_all ON cached_statistics FOR ALL TO taskdeck_app USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));

DROP POLICY IF EXISTS personal_access_tokens_select ON personal_access_tokens;

CREATE POLICY personal_access_tokens_select ON personal_access_tokens FOR SELECT TO taskdeck_app USING (user_id = (SELECT current_user_id()));

DROP POLICY IF EXISTS rate_limits_all ON rate_limits;

CREATE POLICY rate_limits_all ON rate_limits FOR ALL TO taskdeck_app USING (user_id = (SELECT current_user_id())) WITH CHECK (user_id = (SELECT current_user_id()));

GRANT SELECT, INSERT, UPDATE (email, name, timezone, updated_at) ON users TO taskdeck_app;

GRANT SELECT ON teams TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (role) ON team_members TO taskdeck_app;

GRANT 
    SELECT, INSERT, UPDATE (team_id, parent_id, assignee_id, title, description, status, priority, due, due_at,
        tags, recurrence, version, updated_at, completed_at, deleted_at) ON tasks
     TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (permission) ON task_shares TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (title, message_count, updated_at) ON conversations TO taskdeck_app;

GRANT SELECT, INSERT ON messages TO taskdeck_app;

GRANT SELECT ON task_events TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (fingerprint, answer, created_at) ON idempotency_keys TO taskdeck_app;

GRANT SELECT, INSERT, UPDATE ON cached_statistics TO taskdeck_app;

GRANT SELECT, INSERT, UPDATE ON rate_limits TO taskdeck_app;

UPDATE alembic_version SET version_num='007' WHERE alembic_version.version_num = '006';

-- Running upgrade 007 -> 008

GRANT CREATE ON SCHEMA public TO taskdeck_rls;

CREATE OR REPLACE FUNCTION matching_task_ids(query text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(found.id), '{}') FROM (
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
END;

ALTER FUNCTION matching_task_ids(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION matching_task_ids(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION matching_task_ids(text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS SETOF messages LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT m.* FROM public.messages m
    WHERE m.user_id = public.current_user_id()
      AND m.search @@ websearch_to_tsquery('simple'::regconfig, query);
END;

ALTER FUNCTION matching_messages(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION matching_messages(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION matching_messages(text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION find_users(id_or_email text)
RETURNS TABLE (id text, email text, name text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT u.id, u.email, u.name FROM public.users u WHERE u.id = id_or_email
    UNION
    SELECT u.id, u.email, u.name FROM public.users u WHERE lower(u.email) = lower(id_or_email);
END;

ALTER FUNCTION find_users(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION find_users(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION find_users(text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION create_team(team_name text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    created bigint;
BEGIN
    INSERT INTO public.teams (owner_id, name) VALUES (me, team_name) RETURNING id INTO created;
    INSERT INTO public.team_members (team_id, user_id, role) VALUES (created, me, 'owner');
    RETURN created;
END $$;

ALTER FUNCTION create_team(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION create_team(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION create_team(text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION repeat_task(task bigint, next_due text, next_due_at timestamptz, next_rule text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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
END $$;

ALTER FUNCTION repeat_task(bigint, text, timestamptz, text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION repeat_task(bigint, text, timestamptz, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION repeat_task(bigint, text, timestamptz, text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION task_audience(ids bigint[])
RETURNS TABLE (task_id bigint, user_id text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT t.id, t.user_id FROM public.tasks t WHERE t.id = ANY (ids)
    UNION
    SELECT t.id, m.user_id FROM public.tasks t JOIN public.team_members m ON m.team_id = t.team_id
    WHERE t.id = ANY (ids)
    UNION
    SELECT s.task_id, s.shared_with_user_id FROM public.task_shares s WHERE s.task_id = ANY (ids);
END;

ALTER FUNCTION task_audience(bigint[]) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION task_audience(bigint[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION task_audience(bigint[]) TO taskdeck_app;

CREATE OR REPLACE FUNCTION statistics_current(team bigint, counted_in text)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET enable_seqscan = off AS $$
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
END $$;

ALTER FUNCTION statistics_current(bigint, text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION statistics_current(bigint, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION statistics_current(bigint, text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION count_shared_tasks(team bigint) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF team <> 0 THEN
        RETURN (SELECT count(*) FROM public.tasks t
            WHERE t.team_id = team AND team = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
              AND EXISTS (SELECT 1 FROM public.task_shares s WHERE s.task_id = t.id));
    END IF;
    RETURN (SELECT count(*) FROM public.task_shares s JOIN public.tasks t ON t.id = s.task_id
        WHERE s.shared_with_user_id = public.current_user_id() AND t.deleted_at IS NULL);
END $$;

ALTER FUNCTION count_shared_tasks(bigint) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION count_shared_tasks(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION count_shared_tasks(bigint) TO taskdeck_app;

CREATE OR REPLACE FUNCTION my_last_changes(number integer) RETURNS SETOF task_events
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    change public.task_events;
    started timestamptz := 'infinity';
    xid bigint := 0;
BEGIN
    WHILE number > 0 LOOP
        SELECT e.* INTO change FROM public.task_events e
        WHERE e.user_id = me AND (e.created_at, e.transaction_id) < (started, xid)
          AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
        ORDER BY e.created_at DESC, e.transaction_id DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        started := change.created_at;
        xid := change.transaction_id;
        CONTINUE WHEN change.undoes IS NOT NULL OR EXISTS (
            SELECT 1 FROM public.task_events u
            WHERE u.user_id = me AND u.undoes = xid AND u.created_at > started);
        RETURN QUERY SELECT e.* FROM public.task_events e
            WHERE e.user_id = me AND e.created_at = started AND e.transaction_id = xid
              AND NOT (e.event_type = 'task_updated' AND e.changes = '{}')
            ORDER BY e.id DESC;
        number := number - 1;
    END LOOP;
END $$;

ALTER FUNCTION my_last_changes(integer) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION my_last_changes(integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION my_last_changes(integer) TO taskdeck_app;

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

ALTER FUNCTION find_personal_token(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION find_personal_token(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION find_personal_token(text) TO taskdeck_app;

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
    DELETE FROM public.rate_limits r WHERE r.arrival < now() - interval '1 hour';
    RETURN total;
END $$;

ALTER FUNCTION purge_expired() OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION purge_expired() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION purge_expired() TO taskdeck_app;

CREATE OR REPLACE FUNCTION taskdeck_pat_create(user_id text, email text, name text, token_name text,
    token_hash text, token_hint text, scopes text, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
#variable_conflict use_variable
DECLARE created bigint;
BEGIN
    INSERT INTO public.users AS u (id, email, name) VALUES (user_id, email, name) ON CONFLICT DO NOTHING;
    INSERT INTO public.personal_access_tokens AS t
        (user_id, name, token_hash, token_hint, scopes, expires_at)
    VALUES (user_id, token_name, token_hash, token_hint, scopes, expires_at) RETURNING t.id INTO created;
    RETURN created;
END $$;

ALTER FUNCTION taskdeck_pat_create(text, text, text, text, text, text, text, timestamptz) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION taskdeck_pat_create(text, text, text, text, text, text, text, timestamptz) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION taskdeck_pat_create(text, text, text, text, text, text, text, timestamptz) TO CURRENT_USER;

CREATE OR REPLACE FUNCTION taskdeck_pat_list(owner text)
RETURNS TABLE (id bigint, name text, token_hint text, scopes text, created_at timestamptz,
    expires_at timestamptz, last_used_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT t.id, t.name, t.token_hint, t.scopes, t.created_at, t.expires_at, t.last_used_at
    FROM public.personal_access_tokens t WHERE t.user_id = owner AND t.revoked_at IS NULL ORDER BY t.id DESC;
END;

ALTER FUNCTION taskdeck_pat_list(text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION taskdeck_pat_list(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION taskdeck_pat_list(text) TO CURRENT_USER;

CREATE OR REPLACE FUNCTION taskdeck_pat_revoke(owner text, token_id bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    WITH revoked AS (
        UPDATE public.personal_access_tokens t SET revoked_at = now()
        WHERE t.user_id = owner AND t.id = token_id AND t.revoked_at IS NULL RETURNING t.id
    ) SELECT EXISTS (SELECT 1 FROM revoked);
END;

ALTER FUNCTION taskdeck_pat_revoke(text, bigint) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION taskdeck_pat_revoke(text, bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION taskdeck_pat_revoke(text, bigint) TO CURRENT_USER;

REVOKE CREATE ON SCHEMA public FROM taskdeck_rls;

UPDATE alembic_version SET version_num='008' WHERE alembic_version.version_num = '007';

-- Running upgrade 008 -> 009

GRANT CREATE ON SCHEMA public TO taskdeck_rls;

CREATE OR REPLACE FUNCTION repeat_task(task bigint, next_due text, next_due_at timestamptz, next_rule text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    next_id bigint;
BEGIN
    SELECT n.id INTO next_id FROM public.task_events d
    JOIN public.task_events c ON c.owner_id = d.owner_id AND c.transaction_id = d.transaction_id
        AND c.created_at = d.created_at AND c.event_type = 'task_created'
    JOIN public.tasks n ON n.id = c.task_id AND n.deleted_at IS NULL
    WHERE d.task_id = task AND d.event_type = 'task_completed'
    ORDER BY n.id DESC LIMIT 1;
    IF FOUND THEN RETURN next_id; END IF;
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
END $$;

ALTER FUNCTION repeat_task(bigint, text, timestamptz, text) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION repeat_task(bigint, text, timestamptz, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION repeat_task(bigint, text, timestamptz, text) TO taskdeck_app;

CREATE OR REPLACE FUNCTION withdraw_task(task bigint, event bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me text := public.current_user_id();
    made public.task_events;
BEGIN
    SELECT e.* INTO made FROM public.task_events e WHERE e.id = event AND e.task_id = task AND e.user_id = me
        AND e.event_type IN ('task_created', 'task_restored');
    PERFORM 1 FROM public.tasks t WHERE t.id = made.task_id AND t.deleted_at IS NULL AND (
        t.user_id = me OR t.team_id = ANY (public.my_managed_team_ids())
        OR made.event_type = 'task_created' AND (
            t.team_id = ANY (public.my_writable_team_ids()) OR t.id = ANY (public.my_editable_task_ids())))
    FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF EXISTS (
        SELECT 1 FROM public.task_events e CROSS JOIN LATERAL jsonb_each(e.changes) AS c (name, change)
        WHERE e.task_id = task AND e.id > event AND c.name <> 'user'
          AND (e.created_at, e.transaction_id) <> (made.created_at, made.transaction_id)
        GROUP BY e.target_user_id, c.name
        HAVING (array_agg(c.change -> 0 ORDER BY e.id))[1] <> (array_agg(c.change -> 1 ORDER BY e.id DESC))[1]
    ) THEN RETURN false; END IF;
    UPDATE public.tasks t SET deleted_at = now() WHERE t.id = task;
    RETURN true;
END $$;

ALTER FUNCTION withdraw_task(bigint, bigint) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION withdraw_task(bigint, bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION withdraw_task(bigint, bigint) TO taskdeck_app;

CREATE OR REPLACE FUNCTION pass_over_change(event bigint) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    INSERT INTO public.task_events (task_id, owner_id, user_id, event_type, undoes)
    SELECT e.task_id, e.owner_id, e.user_id, 'task_updated', e.transaction_id FROM public.task_events e
    WHERE e.id = event AND e.user_id = public.current_user_id();
END;

ALTER FUNCTION pass_over_change(bigint) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION pass_over_change(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION pass_over_change(bigint) TO taskdeck_app;

REVOKE CREATE ON SCHEMA public FROM taskdeck_rls;

DROP POLICY IF EXISTS task_events_select ON task_events;

CREATE POLICY task_events_select ON task_events FOR SELECT TO taskdeck_app USING (
CASE WHEN NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id) THEN false
     WHEN owner_id = (SELECT current_user_id()) THEN true
     WHEN team_id = ANY ((SELECT my_team_ids())::bigint[]) AND changes -> 'team_id' IS NULL THEN true
     ELSE EXISTS (SELECT 1 FROM task_shares s WHERE s.task_id = task_events.task_id
         AND s.shared_with_user_id = (SELECT current_user_id()) AND s.created_at <= task_events.created_at) END
);

UPDATE alembic_version SET version_num='009' WHERE alembic_version.version_num = '008';

-- Running upgrade 009 -> 010

GRANT SELECT ON alembic_version TO taskdeck_app;

UPDATE alembic_version SET version_num='010' WHERE alembic_version.version_num = '009';

-- Running upgrade 010 -> 011

TRUNCATE rate_limits;

ALTER TABLE rate_limits DROP COLUMN IF EXISTS arrival, ADD COLUMN IF NOT EXISTS started timestamptz NOT NULL,
    ADD COLUMN IF NOT EXISTS used bigint NOT NULL;

GRANT CREATE ON SCHEMA public TO taskdeck_rls;

CREATE OR REPLACE FUNCTION announce_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', m.after)::text)
    FROM (SELECT n.id, o.team_id AS before, n.team_id AS after,
                 (row_number() OVER (PARTITION BY o.team_id, n.team_id) - 1) / 200 AS chunk
          FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE o.team_id IS DISTINCT FROM n.team_id) m
    GROUP BY m.before, m.after, m.chunk;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION announce_loss() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('taskdeck', json_build_object(
        'type', 'move', 'ids', json_agg(m.id ORDER BY m.id), 'before', m.before, 'after', NULL)::text)
    FROM (SELECT o.id, o.team_id AS before, (row_number() OVER (PARTITION BY o.team_id) - 1) / 200 AS chunk
          FROM old_rows o WHERE o.deleted_at IS NULL AND o.team_id IS NOT NULL) m
    GROUP BY m.before, m.chunk;
    RETURN NULL;
END $$;

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
END $$;

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

CREATE OR REPLACE FUNCTION move_audience(ids bigint[], team_before bigint, team_after bigint)
RETURNS TABLE (user_id text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT m.user_id FROM public.team_members m
    WHERE m.team_id IN (team_before, team_after)
        AND NOT EXISTS (SELECT 1 FROM public.team_members o
            WHERE o.user_id = m.user_id AND o.team_id IN (team_before, team_after) AND o.team_id <> m.team_id)
        AND EXISTS (SELECT 1 FROM unnest(ids) AS moved (id)
            WHERE NOT EXISTS (SELECT 1 FROM public.tasks t WHERE t.id = moved.id AND t.user_id = m.user_id)
            AND NOT EXISTS (SELECT 1 FROM public.task_shares s
                WHERE s.task_id = moved.id AND s.shared_with_user_id = m.user_id));
END;

ALTER FUNCTION move_audience(bigint[], bigint, bigint) OWNER TO taskdeck_rls;

REVOKE ALL ON FUNCTION move_audience(bigint[], bigint, bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION move_audience(bigint[], bigint, bigint) TO taskdeck_app;

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

REVOKE ALL ON FUNCTION take_request(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION take_request(bigint) TO taskdeck_app;

REVOKE CREATE ON SCHEMA public FROM taskdeck_rls;

DROP TRIGGER IF EXISTS tasks_announce_moves ON tasks;

CREATE TRIGGER tasks_announce_moves AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION announce_moves();

DROP TRIGGER IF EXISTS tasks_announce_loss ON tasks;

CREATE TRIGGER tasks_announce_loss AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION announce_loss();

DROP TRIGGER IF EXISTS team_members_announce ON team_members;

CREATE TRIGGER team_members_announce AFTER INSERT OR DELETE ON team_members FOR EACH ROW EXECUTE FUNCTION announce_member();

UPDATE alembic_version SET version_num='011' WHERE alembic_version.version_num = '010';

DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' OR to_regrole('taskdeck_rls') IS NULL THEN RETURN; END IF;
    REVOKE taskdeck_rls FROM CURRENT_USER;
END $$;

COMMIT;

