"""Attacks with arbitrary SQL as the role of requests.

The rows: alice owns a team with gina (admin), carol (member) and dave (viewer), and shares her private task with erin
(edit) and frank (view). bob has rows of his own and nothing in common with the others.
"""

from dataclasses import dataclass

import asyncpg

from tests.support.postgres import Connection

ROWS = """
INSERT INTO users (id, email) SELECT n, n || '@example.com'
FROM unnest(ARRAY['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'gina']) AS n;
INSERT INTO teams (owner_id, name) VALUES ('alice', 'Home'), ('bob', 'Den'), ('erin', 'Attic'), ('gina', 'Shed'),
    ('gina', 'Barn');
INSERT INTO team_members VALUES (1, 'alice', 'owner'), (1, 'gina', 'admin'), (1, 'carol', 'member'),
    (1, 'dave', 'viewer'), (2, 'bob', 'owner'), (3, 'erin', 'owner'), (4, 'gina', 'owner'),
    (5, 'gina', 'owner'), (5, 'alice', 'viewer');
INSERT INTO tasks (user_id, team_id, title, deleted_at) VALUES ('alice', NULL, 'secret', NULL),
    ('alice', 1, 'secret of the team', NULL), ('alice', 1, 'secret and deleted', now()), ('bob', NULL, 'own', NULL);
INSERT INTO task_shares VALUES (1, 'erin', 'alice', 'edit'), (1, 'frank', 'alice', 'view');
UPDATE tasks SET description = 'changed' WHERE id = 1;
INSERT INTO conversations (user_id, title, message_count) VALUES ('alice', 'secret', 1), ('bob', 'own', 0);
INSERT INTO messages VALUES (1, 1, 'alice', 'user', 'secret');
INSERT INTO idempotency_keys VALUES ('alice', 'key', 'print');
INSERT INTO cached_statistics VALUES ('alice', 0, 1, 0, 0, '1:1:');
INSERT INTO personal_access_tokens (user_id, name, token_hash, token_hint, scopes, expires_at)
VALUES ('alice', 'laptop', repeat('0', 64), 'tdp_', 'mcp:read', now() + interval '1 day');
INSERT INTO rate_limits VALUES ('alice', now(), 1);
"""
INVITATIONS = """
INSERT INTO invitations (user_id, address, invitee_id, offered, status)
VALUES ('bob', 'alice', 'alice', 'view', 'blocked');
INSERT INTO invitations (user_id, address, task_id, offered) VALUES ('alice', 'carol@example.com', 1, 'view'),
    ('gina', 'frank', 2, 'view');
INSERT INTO import_keys (user_id, key, task_id) VALUES ('alice', 'todoist:1', 1);
INSERT INTO ended_users (digest) VALUES ('a digest of alice');
INSERT INTO task_messages VALUES (1, 'alice', 1, 1), (1, 'alice', 1, 2);
"""
"""What is in tables that the first releases do not have; triggers have filled the audit log."""

TABLES = (
    *("users", "teams", "team_members", "tasks", "task_shares", "conversations", "messages", "task_events"),
    *("idempotency_keys", "cached_statistics", "personal_access_tokens", "rate_limits"),
    *("invitations", "import_keys", "audit_events", "ended_users", "task_messages"),
)


@dataclass(frozen=True)
class Attack:
    """A statement that must fail, or change and return nothing."""

    by: str
    sql: str


READING = {
    f"another user reads {table}": Attack("bob", f"SELECT 1 FROM {table} t WHERE t::text ~ 'alice'") for table in TABLES
}
NOBODY = {f"an anonymous request reads {table}": Attack("", f"SELECT 1 FROM {table}") for table in TABLES} | {
    "an anonymous request has a user": Attack("", "SELECT 1 WHERE current_user_id() IS NOT NULL"),
    "an anonymous request writes": Attack("", "INSERT INTO rate_limits VALUES ('', now(), 1, 'c')"),
    "an anonymous request creates a team": Attack("", "SELECT create_team('ghosts')"),
}
FORGING = {
    "a task is forged": Attack("bob", "INSERT INTO tasks (user_id, title) VALUES ('alice', 'forged')"),
    "a task is forged by a member": Attack(
        "carol", "INSERT INTO tasks (user_id, team_id, title) VALUES ('alice', 1, 'forged')"
    ),
    "a user is forged": Attack("bob", "INSERT INTO users (id) VALUES ('mallory')"),
    "a conversation is forged": Attack("bob", "INSERT INTO conversations (user_id) VALUES ('alice')"),
    "a message is forged": Attack("bob", "INSERT INTO messages VALUES (1, 2, 'alice', 'user', 'forged')"),
    "a message is added to a foreign conversation": Attack(
        "bob", "INSERT INTO messages VALUES (1, 2, 'bob', 'user', 'forged')"
    ),
    "history is forged": Attack(
        "alice",
        "INSERT INTO task_events (task_id, owner_id, user_id, event_type) VALUES (1, 'alice', 'bob', 'task_deleted')",
    ),
    "the audit log is forged": Attack(
        "bob", "INSERT INTO audit_events (user_id, action) VALUES ('alice', 'signed_in')"
    ),
    "one's own audit log is forged": Attack("bob", "INSERT INTO audit_events (user_id, action) VALUES ('bob', 'x')"),
    "an idempotency key is forged": Attack("bob", "INSERT INTO idempotency_keys VALUES ('alice', 'k', 'p')"),
    "numbers are forged": Attack("bob", "INSERT INTO cached_statistics VALUES ('alice', 1, 9, 9, 9, '1:1:')"),
    "a rate limit is forged": Attack("bob", "INSERT INTO rate_limits VALUES ('carol', now(), 1000000)"),
    "a request is counted for another user": Attack("bob", "SELECT client_wait FROM take_request('carol', 'c', 1, 1)"),
    "the shared count of all clients is used": Attack("bob", "SELECT client_wait FROM take_request('bob', '', 1, 1)"),
    "a token is forged": Attack(
        "bob",
        "INSERT INTO personal_access_tokens (user_id, name, token_hash, token_hint, scopes, expires_at) "
        "VALUES ('alice', 'x', repeat('1', 64), 'tdp_', 'mcp:read', now())",
    ),
    "a task is linked to a foreign message": Attack("bob", "INSERT INTO task_messages VALUES (1, 'bob', 1, 4)"),
    "a link is forged": Attack("bob", "INSERT INTO task_messages VALUES (1, 'alice', 1, 4)"),
    "a foreign task is linked": Attack("alice", "INSERT INTO task_messages VALUES (1, 'alice', 1, 4)"),
    "a member reads who discussed a team task": Attack("carol", "SELECT 1 FROM task_messages WHERE task_id = 2"),
    "a link is removed": Attack("alice", "DELETE FROM task_messages"),
    "a task is put below a foreign one": Attack(
        "bob", "INSERT INTO tasks (user_id, title, parent_id) VALUES ('bob', 'below', 1)"
    ),
}
TEAMS = {
    "another user joins": Attack("bob", "INSERT INTO team_members VALUES (1, 'bob', 'viewer')"),
    "a member invites": Attack("carol", "INSERT INTO team_members VALUES (1, 'bob', 'member')"),
    "a member promotes themselves": Attack("carol", "UPDATE team_members SET role = 'owner' WHERE user_id = 'carol'"),
    "an admin promotes themselves": Attack(
        "gina", "UPDATE team_members SET role = 'owner' WHERE user_id = 'gina' AND team_id = 1"
    ),
    "an admin demotes the owner": Attack(
        "gina", "UPDATE team_members SET role = 'viewer' WHERE user_id = 'alice' AND team_id = 1"
    ),
    "an admin removes the owner": Attack("gina", "DELETE FROM team_members WHERE user_id = 'alice' AND team_id = 1"),
    "a member removes another": Attack("carol", "DELETE FROM team_members WHERE user_id = 'dave'"),
    "the last owner leaves": Attack("alice", "DELETE FROM team_members WHERE user_id = 'alice'"),
    "a task is moved into a foreign team": Attack("bob", "UPDATE tasks SET team_id = 1 WHERE user_id = 'bob'"),
    "a task is created in a foreign team": Attack(
        "bob", "INSERT INTO tasks (user_id, team_id, title) VALUES ('bob', 1, 'intruder')"
    ),
    "a viewer creates a team task": Attack(
        "dave", "INSERT INTO tasks (user_id, team_id, title) VALUES ('dave', 1, 'mine')"
    ),
    "a team gets another owner": Attack("gina", "UPDATE teams SET owner_id = 'gina' WHERE id = 1"),
    "an owner puts a stranger into a team": Attack("alice", "INSERT INTO team_members VALUES (1, 'bob', 'owner')"),
    "a member offers a role": Attack("carol", "SELECT invite('bob', 1, NULL, 'member')"),
    "an admin offers ownership": Attack("gina", "SELECT invite('bob', 1, NULL, 'owner')"),
    "an admin ends a team": Attack("gina", "SELECT 1 WHERE delete_team(1)"),
    "a stranger ends a team": Attack("bob", "SELECT 1 WHERE delete_team(1)"),
}
TAKING = {
    "another user changes a task": Attack("bob", "UPDATE tasks SET title = 'x' WHERE user_id = 'alice'"),
    "a viewer changes a team task": Attack("dave", "UPDATE tasks SET title = 'x' WHERE id = 2"),
    "a reader changes a shared task": Attack("frank", "UPDATE tasks SET title = 'x' WHERE id = 1"),
    "a member steals a task": Attack("carol", "UPDATE tasks SET user_id = 'carol' WHERE id = 2"),
    "an editor steals a task": Attack("erin", "UPDATE tasks SET user_id = 'erin' WHERE id = 1"),
    "an admin moves a member's task to where the member is not": Attack(
        "gina", "UPDATE tasks SET team_id = 4 WHERE id = 2"
    ),
    "an editor moves a task away": Attack("erin", "UPDATE tasks SET team_id = 5 WHERE id = 1"),
    "a member takes a task out of the team": Attack("carol", "UPDATE tasks SET team_id = NULL WHERE id = 2"),
    "an editor deletes a task": Attack("erin", "UPDATE tasks SET deleted_at = now() WHERE id = 1"),
    "a member deletes a task": Attack("carol", "UPDATE tasks SET deleted_at = now() WHERE id = 2"),
    "a member restores a task": Attack("carol", "UPDATE tasks SET deleted_at = NULL WHERE id = 3"),
    "another user restores a task": Attack("bob", "UPDATE tasks SET deleted_at = NULL WHERE id = 3"),
    "a task is deleted for good": Attack("alice", "DELETE FROM tasks WHERE id = 1"),
    "another user repeats a task": Attack("bob", "SELECT repeat_task(1, NULL, NULL, NULL)"),
    "another user deletes conversations": Attack("bob", "DELETE FROM conversations WHERE user_id = 'alice'"),
    "a conversation gets another owner": Attack(
        "bob", "UPDATE conversations SET user_id = 'alice' WHERE user_id = 'bob'"
    ),
    "a message is rewritten": Attack("alice", "UPDATE messages SET content = 'x'"),
    "history is rewritten": Attack("alice", "UPDATE task_events SET user_id = 'bob'"),
    "history is erased": Attack("alice", "DELETE FROM task_events"),
    "the audit log is rewritten": Attack("alice", "UPDATE audit_events SET action = 'x'"),
    "the audit log is erased": Attack("alice", "DELETE FROM audit_events"),
    "the audit log is truncated": Attack("alice", "TRUNCATE audit_events"),
    "another's e-mail is changed": Attack("carol", "UPDATE users SET email = 'x@y.z' WHERE id = 'alice'"),
    "every table is truncated": Attack("alice", "TRUNCATE tasks CASCADE"),
}
SHARING = {
    "another user shares a task": Attack("bob", "INSERT INTO task_shares VALUES (1, 'bob', 'alice', 'edit')"),
    "a share is forged": Attack("bob", "INSERT INTO task_shares VALUES (1, 'carol', 'bob', 'edit')"),
    "an editor shares a shared task": Attack("erin", "INSERT INTO task_shares VALUES (1, 'bob', 'alice', 'view')"),
    "a member shares a team task": Attack("carol", "INSERT INTO task_shares VALUES (2, 'bob', 'alice', 'view')"),
    "an owner shares with a stranger": Attack("alice", "INSERT INTO task_shares VALUES (1, 'bob', 'alice', 'view')"),
    "a stranger offers a share": Attack("bob", "SELECT invite('carol', NULL, 1, 'view')"),
    "an editor offers a share": Attack("erin", "SELECT invite('bob', NULL, 1, 'view')"),
    "an invitation is forged": Attack(
        "bob", "INSERT INTO invitations (user_id, address, task_id, offered) VALUES ('alice', 'bob', 1, 'edit')"
    ),
    "another's invitation is accepted": Attack(
        "bob", "SELECT i.id, a FROM generate_series(1, 9) i (id), answer_invitation(i.id, 'accept') a"
    ),
    "an offer is taken back by a stranger": Attack(
        "bob", "SELECT 1 WHERE withdraw_invitation('carol@example.com', NULL, 1)"
    ),
    "an inviter looks up whom an address belongs to": Attack("alice", "SELECT invitee_id FROM invitations"),
    "a share is made as if it were restored": Attack("alice", "SELECT 1 WHERE restore_share(1, 'bob', 'edit')"),
    "a stranger asks with whom a task is shared": Attack("bob", "SELECT 1 WHERE takes_directly('erin', NULL, 1)"),
    "a reader becomes an editor": Attack("frank", "UPDATE task_shares SET permission = 'edit'"),
    "a reader removes another's share": Attack("frank", "DELETE FROM task_shares WHERE shared_with_user_id = 'erin'"),
}
FIND = """find_messages('[{{"any": ["{}"], "most": 9}}]', NULL, NULL, NULL, NULL, NULL, -1, -1)"""

RANK_CONVERSATIONS = """
SELECT 1 FROM rank_conversations('[{"any": ["secret"], "most": 9}]',
    '[{"term": 0, "exact": "secret", "lexemes": ["secret"], "factor": 1}]', 1, 100, '', NULL, NULL, NULL, NULL)
"""
ASKING = {
    "another user searches tasks": Attack("bob", "SELECT 1 FROM unnest(matching_task_ids('secret'))"),
    "another user ranks tasks": Attack("bob", "SELECT 1 FROM rank_tasks('secret', '', NULL)"),
    "another user ranks conversations": Attack("bob", RANK_CONVERSATIONS),
    "another user searches messages": Attack("bob", "SELECT 1 FROM matching_messages('secret')"),
    "another user finds messages": Attack("bob", "SELECT 1 FROM " + FIND.format("secret")),
    "another user walks through messages": Attack(
        "bob", "SELECT 1 FROM " + FIND.format("secret").replace('"most"', '"walk": true, "most"')
    ),
    "another user counts words": Attack("bob", "SELECT 1 FROM survey_messages('secret') WHERE messages > 0"),
    "another user counts a team's shares": Attack("bob", "SELECT 1 WHERE count_shared_tasks(1) > 0"),
    "another user counts shares": Attack("bob", "SELECT 1 WHERE count_shared_tasks(0) > 0"),
    "another user is in a foreign team": Attack("bob", "SELECT 1 WHERE my_team_ids() && ARRAY[1::bigint]"),
    "a viewer has a writable team": Attack("dave", "SELECT 1 FROM unnest(my_writable_team_ids())"),
    "a member has a managed team": Attack("carol", "SELECT 1 FROM unnest(my_managed_team_ids())"),
    "an admin owns another's team": Attack("gina", "SELECT 1 WHERE my_owned_team_ids() && ARRAY[1::bigint]"),
    "another user has shares": Attack("bob", "SELECT 1 FROM unnest(my_shared_task_ids())"),
    "a reader has an editable task": Attack("frank", "SELECT 1 FROM unnest(my_editable_task_ids())"),
    "another user has access to a task": Attack("bob", "SELECT my_task_access(1)"),
    "another user learns who sees a task": Attack("bob", "SELECT direct_audience(ARRAY[1::bigint])"),
    "another user has contacts": Attack("bob", "SELECT 1 WHERE my_contact_ids() && ARRAY['alice']"),
    "another user sees the last changes": Attack("bob", "SELECT 1 FROM my_last_changes(9) c WHERE c.user_id <> 'bob'"),
    "a stranger finds a person": Attack("bob", "SELECT 1 FROM find_users('alice@example.com')"),
    "a stranger sees another's invitations": Attack("bob", "SELECT 1 FROM my_invitations(9)"),
    "a request reads what waits for another": Attack("bob", "SELECT 1 FROM invitations_for('carol')"),
    "a request lists tokens": Attack("bob", "SELECT taskdeck_pat_list('alice')"),
    "a request creates a token": Attack(
        "bob", "SELECT taskdeck_pat_create('alice', NULL, NULL, 'x', repeat('1', 64), 't', 'mcp:read', now())"
    ),
    "a request revokes a token": Attack("bob", "SELECT taskdeck_pat_revoke('alice', 1)"),
    "a request records a sign-in": Attack("bob", "SELECT 1 FROM taskdeck_audit_record('alice', 'signed_in', '{}')"),
    "a request records an audited change": Attack("bob", "SELECT 1 FROM audit('alice', 'task_shared', '{}')"),
    "a request makes the audit log anonymous": Attack("alice", "SELECT 1 FROM taskdeck_audit_forget('alice')"),
    "a request creates a function": Attack("bob", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1"),
}

ATTACKS = READING | NOBODY | FORGING | TEAMS | TAKING | SHARING | ASKING

# The same statements by users who may: they prove that an attack fails because of who sends it.
RIGHTS = {
    "the owner reads": Attack("alice", "SELECT 1 FROM tasks WHERE id IN (1, 2, 3) HAVING count(*) = 3"),
    "a member changes a team task": Attack("carol", "UPDATE tasks SET title = 'x' WHERE id = 2"),
    "an editor changes a shared task": Attack("erin", "UPDATE tasks SET title = 'x' WHERE id = 1"),
    "an admin deletes a team task": Attack("gina", "UPDATE tasks SET deleted_at = now() WHERE id = 2"),
    "an admin restores a team task": Attack("gina", "UPDATE tasks SET deleted_at = NULL WHERE id = 3"),
    "an admin moves a team task": Attack("gina", "UPDATE tasks SET team_id = 5 WHERE id = 2"),
    "an admin invites": Attack("gina", "SELECT invite('bob', 1, NULL, 'member')"),
    "an owner adds somebody they share with": Attack("alice", "INSERT INTO team_members VALUES (1, 'erin', 'viewer')"),
    "an invited person accepts": Attack("carol", "SELECT answer_invitation(2, 'accept')"),
    "an admin shares a team task": Attack("gina", "INSERT INTO task_shares VALUES (2, 'carol', 'alice', 'view')"),
    "a member leaves": Attack("carol", "DELETE FROM team_members WHERE user_id = 'carol'"),
    "a reader gives a share back": Attack("frank", "DELETE FROM task_shares WHERE shared_with_user_id = 'frank'"),
    "the owner adds a message": Attack("alice", "INSERT INTO messages VALUES (1, 2, 'alice', 'user', 'own')"),
    "an editor has access to a task": Attack("erin", "SELECT my_task_access(1)"),
    "a member searches": Attack("carol", "SELECT 1 FROM unnest(matching_task_ids('secret'))"),
    "a member ranks tasks": Attack("carol", "SELECT 1 FROM rank_tasks('secret', '', NULL)"),
    "the owner ranks conversations": Attack("alice", RANK_CONVERSATIONS),
    "a user's own request is counted": Attack("bob", "SELECT client_wait FROM take_request('bob', 'c', 1, 1)"),
    "an editor repeats a task": Attack("erin", "SELECT repeat_task(1, NULL, NULL, NULL)"),
}


async def succeeds(connection: Connection, attack: Attack) -> bool:
    """Whether a statement changes or returns anything. Takes a superuser's connection and rolls back."""
    undo = connection.transaction()
    await undo.start()
    try:
        await connection.execute("SELECT set_config('role', 'taskdeck_app', true)")
        await connection.execute("SELECT set_config('app.user_id', $1, true)", attack.by)
        if attack.sql.startswith("SELECT"):
            rows = await connection.fetch(attack.sql)
            return any(row[0] is not None for row in rows)
        done = await connection.execute(attack.sql)
        return not done.endswith(" 0")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError):
        return False
    finally:
        await undo.rollback()


async def breaches(connection: Connection) -> list[str]:
    """Names of the attacks that succeed."""
    return [name for name, attack in ATTACKS.items() if await succeeds(connection, attack)]
