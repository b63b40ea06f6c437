"""Checks of PostgreSQL's catalogue that isolation between users depends on."""

import asyncpg

from tests.support.postgres import Connection

FOR_POLICIES = {
    "current_user_id()",
    "my_team_ids()",
    "my_writable_team_ids()",
    "my_managed_team_ids()",
    "my_owned_team_ids()",
    "my_shared_task_ids()",
    "my_editable_task_ids()",
    "my_task_access(bigint)",
    "my_contact_ids()",
    "takes_directly(text,bigint,bigint)",
}
FOR_VERBS = {
    "matching_task_ids(text)",
    "matching_messages(text)",
    "rank_tasks(text,text,bigint[])",
    "survey_messages(text)",
    "find_messages(jsonb,tsquery,text,bigint,timestamp with time zone,timestamp with time zone,bigint,integer)",
    "find_users(text)",
    "create_team(text)",
    "repeat_task(bigint,text,timestamp with time zone,text)",
    "task_audience(bigint[])",
    "parent_audience(bigint[])",
    "move_audience(bigint[],bigint,bigint)",
    "statistics_current(bigint,text)",
    "count_shared_tasks(bigint)",
    "my_last_changes(integer)",
    "my_call(bigint)",
    "my_changes_since(text,timestamp with time zone,integer)",
    "withdraw_task(bigint,bigint)",
    "pass_over_change(bigint)",
    "find_personal_token(text)",
    "purge_expired()",
    "take_request(text,text,bigint,bigint,bigint)",
    "invite(text,bigint,bigint,text)",
    "withdraw_invitation(text,bigint,bigint)",
    "my_invitations(bigint)",
    "my_offers(bigint,bigint)",
    "answer_invitation(bigint,text)",
    "restore_share(bigint,text,text)",
    "delete_team(bigint)",
    "audit_refusal(text)",
    "purge_audit_log(integer)",
    "count_tasks_of_owner(bigint,bigint)",
}
FOR_DASHBOARD = {
    "taskdeck_pat_create(text,text,text,text,text,text,text,timestamp with time zone)",
    "taskdeck_pat_list(text)",
    "taskdeck_pat_revoke(text,bigint)",
    "taskdeck_delete_person(text)",
    "taskdeck_audit_record(text,text,jsonb)",
    "taskdeck_audit_forget(text)",
}
FOR_TRIGGERS = {
    "record_created_tasks()",
    "record_changed_tasks()",
    "record_share()",
    "keep_team_owner()",
    "hold_membership()",
    "hand_over_tasks()",
    "audit_share()",
    "audit_member()",
    "audit_team()",
    "audit_invitation()",
    "audit_token()",
    "audit_conversation()",
    "audit_deleted_task()",
    "refuse_ended_user()",
    "announce_team()",
    "announce_invitation()",
}
DEFINERS = (FOR_POLICIES - {"current_user_id()"}) | FOR_VERBS | FOR_DASHBOARD | FOR_TRIGGERS

TRIGGERS = {
    "tasks_touch",
    "tasks_place",
    "tasks_record_created",
    "tasks_record_changed",
    "tasks_announce_moves",
    "tasks_announce_loss",
    "task_shares_record",
    "users_announce_timezone",
    "team_members_announce",
    "team_members_announce_team",
    "invitations_announce",
    "team_members_keep_owner",
    "team_members_hand_over",
    "tasks_hold_membership",
    "conversations_announce",
    "task_shares_audit",
    "team_members_audit",
    "teams_audit",
    "invitations_audit",
    "personal_access_tokens_audit",
    "conversations_audit",
    "tasks_audit",
    "users_refuse_ended",
}

# A unique index across users reveals rows of other users by its violations. Allowed ones, with the reason:
SPANNING = {
    "users_pkey": "the id is the person",
    "users_email": "not unique",
    "teams_pkey": "given out by the database, never chosen",
    "tasks_pkey": "given out by the database, never chosen",
    "conversations_pkey": "given out by the database, never chosen",
    "task_events_pkey": "given out by the database, never chosen",
    "ended_users_pkey": "a digest, which requests neither read nor write",
    "audit_events_pkey": "given out by the database, never chosen",
    "invitations_pkey": "given out by the database, never chosen",
    "personal_access_tokens_pkey": "given out by the database, never chosen",
    "personal_access_tokens_hash": "a hash of 256 random bits",
    "messages_pkey": "the conversation belongs to its user by messages_conversation_fkey",
}
# Foreign keys are checked without policies, so they must carry the owner. Exceptions, with the reason:
OWNERLESS = {
    "team_members_team_id_fkey": "who may add to a team is a policy",
    "tasks_team_id_fkey": "which teams are writable is a policy, moves are checked by tasks_place",
    "task_events_task_fkey": "only triggers write history, which stays with the owner of its time",
    "invitations_team_id_fkey": "only invite() writes it, which asks who may offer the role",
    "invitations_task_id_fkey": "only invite() writes it, which asks who may offer the share",
    "task_messages_message_fkey": "the conversation belongs to its user by task_messages_conversation_fkey",
    "task_messages_task_fkey": "the policy asks whether the caller sees the task",
    "tasks_parent_id_fkey": "tasks_place looks the parent up under the caller's policies",
}

QUESTIONS = {
    "{} has no forced row-level security": """
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname <> 'alembic_version' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """,
    "{} belongs to the role of requests": """
        SELECT c.relname FROM pg_class c WHERE c.relowner IN ('taskdeck_app'::regrole, 'taskdeck_rls'::regrole)
        UNION ALL SELECT p.proname FROM pg_proc p WHERE p.proowner = 'taskdeck_app'::regrole
    """,
    "{} bypasses policies": """
        SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('taskdeck_app', 'taskdeck_rls')
        AND (r.rolsuper OR r.rolbypassrls OR r.rolcanlogin OR r.rolcreaterole OR r.rolcreatedb)
    """,
    "the role of requests is a member of {}": """
        SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = 'taskdeck_app'::regrole
        UNION ALL SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = 'taskdeck_rls'::regrole
    """,
    "{} may create objects": """
        SELECT r FROM unnest(ARRAY['taskdeck_app', 'taskdeck_rls']) r WHERE has_schema_privilege(r, 'public', 'CREATE')
    """,
    "{} may be called by everybody": """
        SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
        AND p.prorettype = 'trigger'::regtype AND has_function_privilege('public', p.oid, 'EXECUTE')
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    """,
    "requests hold TRUNCATE, TRIGGER or REFERENCES on {}": """
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND has_table_privilege('taskdeck_app', c.oid, 'TRUNCATE, TRIGGER, REFERENCES')
    """,
    "{} is granted without a policy": """
        SELECT c.relname || ' ' || g.command FROM pg_class c
        CROSS JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) g (command, letter)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname, g.command) <> ('alembic_version', 'SELECT')
        AND CASE WHEN g.command = 'DELETE' THEN has_table_privilege('taskdeck_app', c.oid, 'DELETE')
            ELSE has_any_column_privilege('taskdeck_app', c.oid, g.command) END
        AND 1 <> (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
            AND p.polroles = ARRAY['taskdeck_app'::regrole::oid] AND p.polcmd IN ('*', g.letter))
    """,
    "{} is a policy for more than one role": """
        SELECT p.polname FROM pg_policy p WHERE p.polroles NOT IN
            (ARRAY['taskdeck_app'::regrole::oid], ARRAY['taskdeck_rls'::regrole::oid])
    """,
    "{} admits every row": r"""
        SELECT p.polname FROM pg_policy p WHERE p.polroles = ARRAY['taskdeck_app'::regrole::oid]
        AND (concat(' ', pg_get_expr(p.polqual, p.polrelid)) ~* '^ true$|\mOR\s+\(?true'
            OR concat(' ', pg_get_expr(p.polwithcheck, p.polrelid)) ~* '^ true$|\mOR\s+\(?true')
    """,
    "{} has no WITH CHECK": """
        SELECT p.polname FROM pg_policy p WHERE p.polcmd IN ('a', 'w', '*') AND p.polwithcheck IS NULL
    """,
    "requests may update the ownership column {}": """
        SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relname IN ('tasks', 'task_shares', 'conversations', 'messages', 'team_members', 'teams')
        AND c.relnamespace = 'public'::regnamespace
        AND a.attname IN ('user_id', 'owner_id', 'shared_with_user_id', 'id', 'task_id', 'conversation_id')
        AND has_column_privilege('taskdeck_app', c.oid, a.attnum, 'UPDATE')
    """,
    "{} shows rows of other users": """
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND (c.relkind = 'm'
            OR c.relkind = 'v' AND NOT coalesce(c.reloptions::text ~ 'security_invoker=(true|on|1)', false))
    """,
}

FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, p.prosecdef AS definer, p.proowner::regrole::text AS owner,
    coalesce('search_path=""' = ANY (p.proconfig), false) AS closed,
    has_function_privilege('taskdeck_app', p.oid, 'EXECUTE') AS callable, p.prorettype = 'trigger'::regtype AS trigger
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
UNIQUES = """
SELECT i.indexrelid::regclass::text AS name, array_agg(a.attname::text) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version' GROUP BY 1
"""
FOREIGN_KEYS = """
SELECT k.conname AS name, array_agg(a.attname::text) AS columns
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND k.confrelid <> 'users'::regclass GROUP BY 1
"""
OWNERS = {"user_id", "owner_id", "shared_with_user_id"}


async def misconfigurations(connection: Connection) -> list[str]:
    """One sentence for each violation."""
    found = [
        sentence.format(row[0]) for sentence, question in QUESTIONS.items() for row in await connection.fetch(question)
    ]
    for function in await connection.fetch(FUNCTIONS):
        found += _about_function(function)
    for key in await connection.fetch(UNIQUES):
        if key["name"] not in SPANNING and not OWNERS & set(key["columns"]):
            found.append(f"{key['name']} is unique across users")
    for key in await connection.fetch(FOREIGN_KEYS):
        if key["name"] not in OWNERLESS and not OWNERS & set(key["columns"]):
            found.append(f"{key['name']} does not carry the owner")
    there = await connection.fetch("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'")
    found += [f"the trigger {name} is missing or disabled" for name in TRIGGERS - {row["tgname"] for row in there}]
    return found


def _about_function(function: asyncpg.Record) -> list[str]:
    name = function["name"]
    checks = {
        "bypasses policies without review": function["definer"] and name not in DEFINERS,
        "bypasses policies as the wrong role": function["definer"] and function["owner"] != "taskdeck_rls",
        "has no fixed search path": function["definer"] and not function["closed"],
        "may be called by requests": function["definer"]
        and function["callable"]
        and not function["trigger"]
        and name not in FOR_POLICIES | FOR_VERBS,
    }
    return [f"{name} {fault}" for fault, applies in checks.items() if applies]
