-- What the role of requests may call and change.
--
-- First the owner, then the rights: those that were granted to the old owner go to the new one.

DO $$
DECLARE
    signature regprocedure;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        -- called by policies
        'my_team_ids()', 'my_writable_team_ids()', 'my_managed_team_ids()', 'my_owned_team_ids()',
        'my_shared_task_ids()', 'my_editable_task_ids()', 'my_task_access(bigint)', 'my_contact_ids()',
        'takes_directly(text, bigint, bigint)',
        -- called by requests
        'matching_task_ids(text)', 'matching_messages(text)', 'survey_messages(text)',
        'rank_tasks(text, text, bigint[])',
        'find_messages(jsonb, tsquery, text, bigint, timestamptz, timestamptz, bigint, integer)',
        'find_users(text)', 'create_team(text)',
        'repeat_task(bigint, text, timestamptz, text)', 'count_tasks_of_owner(bigint, bigint)', 'task_audience(bigint[])',
        'parent_audience(bigint[])', 'move_audience(bigint[], bigint, bigint)', 'statistics_current(bigint, text)',
        'count_shared_tasks(bigint)', 'my_last_changes(integer)', 'my_call(bigint)',
        'my_changes_since(text, timestamptz, integer)', 'withdraw_task(bigint, bigint)',
        'pass_over_change(bigint)', 'find_personal_token(text)', 'purge_expired()',
        'take_request(text, text, bigint, bigint, bigint)', 'invite(text, bigint, bigint, text)',
        'withdraw_invitation(text, bigint, bigint)', 'my_invitations(bigint)', 'my_offers(bigint, bigint)', 'answer_invitation(bigint, text)',
        'restore_share(bigint, text, text)', 'delete_team(bigint)', 'audit_refusal(text)', 'purge_audit_log(integer)'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO taskdeck_rls', signature);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO taskdeck_app, taskdeck_rls', signature);
    END LOOP;
    -- Called by triggers and by the functions above: nobody calls them directly.
    FOREACH signature IN ARRAY ARRAY[
        'record_created_tasks()', 'record_changed_tasks()', 'record_share()', 'keep_team_owner()',
        'hold_membership()', 'hand_over_tasks()', 'audit_share()', 'audit_member()', 'audit_team()',
        'audit_invitation()', 'audit_token()', 'audit_conversation()', 'audit_deleted_task()',
        'announce_team()', 'announce_invitation()', 'refuse_ended_user()'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO taskdeck_rls', signature);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
    -- Called by triggers, as the caller. PostgreSQL asks for the right when it creates the trigger, not when it fires.
    FOREACH signature IN ARRAY ARRAY[
        'touch_task()', 'place_task()', 'announce_moves()', 'announce_loss()', 'announce_member()', 'announce_user()',
        'announce_conversation()'
    ]::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
    -- Called by functions of taskdeck_rls.
    FOREACH signature IN ARRAY ARRAY[
        'shift_due(text, integer, text)', 'repeat_subtasks(bigint, bigint, integer)', 'direct_audience(bigint[])',
        'invitations_for(text)', 'may_offer(text, bigint, bigint, text)', 'audit(text, text, jsonb)'
    ]::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO taskdeck_rls', signature);
    END LOOP;
    -- Called by the schema's owner: the dashboard, whose session check stands in front of them, and the administrator.
    FOREACH signature IN ARRAY ARRAY[
        'taskdeck_pat_create(text, text, text, text, text, text, text, timestamptz)',
        'taskdeck_pat_list(text)', 'taskdeck_pat_revoke(text, bigint)',
        'taskdeck_delete_person(text)', 'taskdeck_audit_record(text, text, jsonb)', 'taskdeck_audit_forget(text)'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO taskdeck_rls', signature);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', signature, CURRENT_USER);
    END LOOP;
    -- Run as the caller.
    FOREACH signature IN ARRAY ARRAY[
        'known_timezone(text[])', 'fold_text(text)', 'pair_characters(text, boolean)', 'space_words(text, boolean)',
        'split_words(text, boolean)', 'guess_language(text[])', 'stem_word(text, text)', 'search_vector(text)', 'search_terms(text)',
        'search_query(text)', 'message_keys(text, bigint, integer, tsvector)', 'count_lexeme(tsvector, tsquery)',
        'message_passage(text, text[])',
        'rank_messages(jsonb, jsonb, bigint, double precision, text, text, bigint, timestamptz, timestamptz)',
        'rank_conversations(jsonb, jsonb, bigint, double precision, text, text, bigint, timestamptz, timestamptz)',
        'task_access(text, bigint, bigint, timestamptz, text, bigint[], bigint[], bigint[], bigint[], bigint[])'
    ]::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO taskdeck_app, taskdeck_rls', signature);
    END LOOP;
END $$;

-- Everybody may make temporary tables by default, which fill the disk. The owner of the database still may.
DO $$ BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, taskdeck_app, taskdeck_rls', current_database());
END $$;

-- Requests are counted by the login, before it acts for anybody. The schema's owner may be one, and does not inherit the
-- rights of taskdeck_app; other logins do.
GRANT EXECUTE ON FUNCTION take_request(text, text, bigint, bigint, bigint) TO CURRENT_USER;

-- What a request may do to columns: a task never changes hands, history is never rewritten.

GRANT SELECT, INSERT, UPDATE (email, name, timezone, chosen_timezone, default_timezone, updated_at) ON users TO taskdeck_app;

GRANT SELECT ON teams TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (role) ON team_members TO taskdeck_app;

GRANT SELECT, INSERT, UPDATE (team_id, parent_id, assignee_id, title, description, status, priority, due, due_at,
    tags, recurrence, version, updated_at, completed_at, deleted_at) ON tasks TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (permission) ON task_shares TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (title, message_count, updated_at) ON conversations TO taskdeck_app;

GRANT SELECT, INSERT ON messages TO taskdeck_app;

GRANT SELECT ON task_events TO taskdeck_app;

GRANT SELECT, INSERT, DELETE, UPDATE (fingerprint, answer, created_at) ON idempotency_keys TO taskdeck_app;

GRANT SELECT, INSERT, UPDATE ON cached_statistics TO taskdeck_app;

GRANT SELECT, INSERT, UPDATE (task_id, conversation_id, team_id) ON import_keys TO taskdeck_app;

GRANT SELECT, INSERT ON task_messages TO taskdeck_app;

GRANT SELECT ON audit_events TO taskdeck_app;

GRANT SELECT ON alembic_version TO taskdeck_app;
