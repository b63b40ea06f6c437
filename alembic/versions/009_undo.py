"""What may be taken back, which of a task's history is whose to read, and one next occurrence for each completion."""

from alembic import op

revision = "009"
down_revision = "008"
branch_labels = None
depends_on = None

DEFINER = "SECURITY DEFINER SET search_path = ''"

# As in 008, but whoever reopens a task and completes it again gets the next occurrence that is there already.
REPEAT_TASK = f"""
CREATE OR REPLACE FUNCTION repeat_task(task bigint, next_due text, next_due_at timestamptz, next_rule text)
RETURNS bigint LANGUAGE plpgsql {DEFINER} AS $$
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
END $$
"""

# Deletes a task that the caller added or restored, or made by completing the one before it, as long as nothing of it
# is different since: what was changed and changed back does not count. True: done; false: it is different; null: not
# the caller's to take back.
WITHDRAW_TASK = f"""
CREATE OR REPLACE FUNCTION withdraw_task(task bigint, event bigint) RETURNS boolean LANGUAGE plpgsql {DEFINER} AS $$
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
END $$
"""

# Marks a change of the caller's that cannot be undone, so that the next undo goes on before it.
PASS_OVER = f"""
CREATE OR REPLACE FUNCTION pass_over_change(event bigint) RETURNS void LANGUAGE sql {DEFINER}
BEGIN ATOMIC
    INSERT INTO public.task_events (task_id, owner_id, user_id, event_type, undoes)
    SELECT e.task_id, e.owner_id, e.user_id, 'task_updated', e.transaction_id FROM public.task_events e
    WHERE e.id = event AND e.user_id = public.current_user_id();
END
"""

FUNCTIONS = {
    "repeat_task(bigint, text, timestamptz, text)": REPEAT_TASK,
    "withdraw_task(bigint, bigint)": WITHDRAW_TASK,
    "pass_over_change(bigint)": PASS_OVER,
}

SEES_TASK = "EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id)"

# The owner sees all, a team its own time (what moves a task into it tells what was before), others since their share.
SEES_EVENT = f"""
CASE WHEN NOT {SEES_TASK} THEN false
     WHEN owner_id = (SELECT current_user_id()) THEN true
     WHEN team_id = ANY ((SELECT my_team_ids())::bigint[]) AND changes -> 'team_id' IS NULL THEN true
     ELSE EXISTS (SELECT 1 FROM task_shares s WHERE s.task_id = task_events.task_id
         AND s.shared_with_user_id = (SELECT current_user_id()) AND s.created_at <= task_events.created_at) END
"""


def upgrade() -> None:
    op.execute("GRANT CREATE ON SCHEMA public TO taskdeck_rls")
    for signature, definition in FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"ALTER FUNCTION {signature} OWNER TO taskdeck_rls")
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO taskdeck_app")
    op.execute("REVOKE CREATE ON SCHEMA public FROM taskdeck_rls")
    _let_see_events(SEES_EVENT)


def downgrade() -> None:
    """The older programs work with the newer repeat_task, so it stays until 008 drops it."""
    _let_see_events(SEES_TASK)
    for signature in ("withdraw_task(bigint, bigint)", "pass_over_change(bigint)"):
        op.execute(f"DROP FUNCTION IF EXISTS {signature}")


def _let_see_events(condition: str) -> None:
    op.execute("DROP POLICY IF EXISTS task_events_select ON task_events")
    op.execute(f"CREATE POLICY task_events_select ON task_events FOR SELECT TO taskdeck_app USING ({condition})")
