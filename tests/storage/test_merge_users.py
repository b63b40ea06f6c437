"""Merging two users who are one person, in every table."""

import secrets

import asyncpg
import pytest

from mcp_server.identity.callers import Callers
from mcp_server.protocol.recording import KEY
from storage.people.merge import USER_COLUMNS, Moved, merge_users
from tests.conftest import Cluster, Person
from tests.support.consent import agreed

USER_NAMES = """
SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = 'text'
  AND c.column_name ~ '(^|_)(user|owner|assignee|author|actor|member|inviter|invitee|by)(_id)?$'
UNION
SELECT k.conrelid::regclass || '.' || a.attname FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'f' AND k.confrelid = 'public.users'::regclass
"""


@pytest.fixture
def administrator(cluster: Cluster) -> str:
    """The superuser's URL of the shared database."""
    return cluster.address("tests")


async def mentions(url: str, user_id: str) -> set[str]:
    """Every column of every table that contains this user id."""
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch("""
            SELECT c.table_name, c.column_name FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
              AND c.data_type IN ('text', 'jsonb', 'ARRAY')
        """)
        found = set[str]()
        for table, column in columns:
            query = f'SELECT count(*) FROM {table} WHERE strpos("{column}"::text, $1) > 0'
            if await connection.fetchval(query, user_id):
                found.add(f"{table}.{column}")
        return found
    finally:
        await connection.close()


async def make_work(one: Person, other: Person) -> None:
    """Use every feature, so that every table names the first user."""
    team = await one.call("create_team", name="Garden")
    await agreed(one, "add_team_member", other, team_id=team["id"], role="viewer")
    for assignee in (one, other):
        task = await one.call("add_task", title="Water", team_id=team["id"], idempotency_key=secrets.token_hex(4))
        await one.call("update_task", task_id=task["id"], assignee=assignee.user_id)
    shared = await one.call("add_task", title="Prune")
    await agreed(one, "share_task", other, task_id=shared["id"])
    given = await other.call("add_task", title="Mow")
    await agreed(other, "share_task", one, task_id=given["id"], permission="edit")
    await other.call("update_task", task_id=given["id"], assignee=one.user_id)
    chat = await one.call("start_conversation", title="Weeds", messages=[{"role": "user", "content": "Which ones?"}])
    await one.ask("update_task", {KEY: chat["id"]}, task_id=shared["id"], priority="high")
    await one.call("get_statistics")


async def test_merge_leaves_no_row_of_the_former_user(alice: Person, bob: Person, administrator: str) -> None:
    await make_work(alice, bob)
    connection = await asyncpg.connect(administrator)
    await connection.execute(
        "INSERT INTO import_keys (user_id, key, task_id) VALUES ($1, 'todoist:1', 1)", alice.user_id
    )
    await connection.execute(
        "INSERT INTO rate_limits (user_id, client, started, used) VALUES ($1, '', now(), 1)", alice.user_id
    )
    await connection.execute(
        "SELECT taskdeck_pat_create($1, NULL, NULL, 'CI', $2, 'abcd', 'mcp:read', now() + interval '1 day')",
        alice.user_id,
        secrets.token_hex(32),
    )
    await connection.execute(
        "INSERT INTO invitations (user_id, address, invitee_id, offered, status)"
        " VALUES ($1, $2, $3, 'view', 'blocked'), ($3, 'nobody@example.com', NULL, 'view', 'pending')",
        bob.user_id,
        alice.user_id,
        alice.user_id,
    )
    before = await mentions(administrator, alice.user_id)
    named = {row[0] for row in await connection.fetch(USER_NAMES)}
    assert named <= before, "the work above leaves no such column out"
    await connection.close()
    assert {name.partition(".")[2] for name in named} | {"address"} == USER_COLUMNS

    assert await merge_users(administrator, alice.user_id, bob.user_id) == Moved(tasks=3, conversations=1)
    assert await mentions(administrator, alice.user_id) <= {"users.id", "idempotency_keys.answer"}
    mine = await bob.call("list_tasks", scope="mine")
    assert {task["title"] for task in mine["tasks"]} == {"Water", "Prune", "Mow"}
    assert mine["total_count"] == 4
    assert (await bob.call("get_statistics"))["total_tasks"] == 4
    (conversation,) = (await bob.call("list_conversations"))["conversations"]
    read = await bob.call("get_conversation", conversation_id=conversation["id"])
    assert read["messages"][0]["content"] == "Which ones?"
    assert [task["title"] for task in read["tasks"]] == ["Prune"]


async def test_merge_keeps_the_greater_right(alice: Person, bob: Person, carol: Person, administrator: str) -> None:
    team = await carol.call("create_team", name="House")
    task = await carol.call("add_task", title="Paint")
    for person, role, permission in ((alice, "admin", "edit"), (bob, "viewer", "view")):
        await agreed(carol, "add_team_member", person, team_id=team["id"], role=role)
        await agreed(carol, "share_task", person, task_id=task["id"], permission=permission)
    await merge_users(administrator, alice.user_id, bob.user_id)
    await merge_users(administrator, alice.user_id, bob.user_id)
    (found,) = (await bob.call("list_teams"))["teams"]
    assert found["role"] == "admin"
    assert {member["user_id"] for member in found["members"]} == {carol.user_id, bob.user_id}
    shares = (await carol.call("get_task", task_id=task["id"]))["shares"]
    assert [(share["user_id"], share["permission"]) for share in shares] == [(bob.user_id, "edit")]


async def test_task_shared_between_merged_users_becomes_their_own(
    alice: Person, bob: Person, administrator: str
) -> None:
    task = await alice.call("add_task", title="Prune")
    await agreed(alice, "share_task", bob, task_id=task["id"])
    await merge_users(administrator, alice.user_id, bob.user_id)
    assert (await bob.call("list_tasks", scope="shared"))["total_count"] == 0
    assert (await bob.call("get_task", task_id=task["id"]))["access"] == "owner"


async def test_merge_keeps_times_versions_history_and_undo(
    alice: Person, bob: Person, carol: Person, administrator: str
) -> None:
    task = await alice.call("add_task", title="Prune")
    await agreed(alice, "share_task", carol, task_id=task["id"])
    await alice.call("update_task", task_id=task["id"], assignee=alice.user_id)
    await alice.call("update_task", task_id=task["id"], assignee=carol.user_id)
    before = await alice.call("get_task", task_id=task["id"])
    await merge_users(administrator, alice.user_id, bob.user_id)
    after = await bob.call("get_task", task_id=task["id"])
    same = ("title", "assignee", "version", "created_at", "updated_at")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert [event["at"] for event in after["history"]] == [event["at"] for event in before["history"]]
    assert {event["user_id"] for event in after["history"]} == {bob.user_id}
    await bob.call("undo")
    assert (await bob.call("get_task", task_id=task["id"]))["assignee"] == bob.user_id


async def test_former_user_id_still_works_and_can_be_merged_again(
    alice: Person, bob: Person, administrator: str
) -> None:
    await alice.call("add_task", title="Before")
    callers = Callers(alice.database)
    await callers.scope(alice.caller)
    await merge_users(administrator, alice.user_id, bob.user_id)
    await alice.call("add_task", title="After")
    assert await merge_users(administrator, alice.user_id, bob.user_id) == Moved(tasks=1, conversations=0)
    assert (await bob.call("list_tasks"))["total_count"] == 2
