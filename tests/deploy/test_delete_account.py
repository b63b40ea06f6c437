"""`taskdeck delete-account` leaves nothing of a person in any table, and everything of others."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import asyncpg

from mcp_server.protocol.recording import KEY
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.support.consent import agreed
from tests.support.processes import CommandResult, run, run_in_process
from tests.support.running_server import running_server

COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema IN ('public', 'auth') AND t.table_type = 'BASE TABLE'
    AND c.data_type IN ('text', 'character varying', 'json', 'jsonb', 'ARRAY', 'tsvector')
"""
"""Every column that can hold the id or the address of a person."""


async def mentions(url: str, *texts: str) -> set[str]:
    """The columns in which any row contains one of these texts."""
    connection = await asyncpg.connect(url)
    try:
        found = set[str]()
        for schema, table, column in await connection.fetch(COLUMNS):
            query = f'SELECT 1 FROM {schema}."{table}" WHERE strpos("{column}"::text, $1) > 0 LIMIT 1'
            for text in texts:
                if await connection.fetchval(query, text):
                    found.add(f"{table}.{column}")
        return found
    finally:
        await connection.close()


async def delete_account(url: str, folder: Path, *arguments: str) -> CommandResult:
    variables = {"DATABASE_URL": url, "TASKDECK_PORT": "8000"}
    return await asyncio.to_thread(run_in_process, "delete-account", *arguments, data_dir=folder, **variables)


async def make_work(one: Person, other: Person, url: str) -> dict[str, int]:
    """Use every feature, so that every table names the first person."""
    shared_team = (await one.call("create_team", name="Shared"))["id"]
    await agreed(one, "add_team_member", other, team_id=shared_team, role="member")
    alone = (await one.call("create_team", name="Alone"))["id"]
    await one.call("add_task", title="In the team that ends", team_id=alone)
    guest = (await other.call("create_team", name="Of the other"))["id"]
    await agreed(other, "add_team_member", one, team_id=guest, role="admin")
    ids = {"team": shared_team, "guest": guest}
    ids["handed"] = (await one.call("add_task", title="Handed over", team_id=shared_team, assignee=one.user_id))["id"]
    ids["assigned"] = (await other.call("add_task", title="Assigned", team_id=guest, assignee=one.user_id))["id"]
    key = secrets.token_hex(4)
    await other.call("update_task", task_id=ids["assigned"], title="Assigned still")
    await other.call("add_task", title="Twice", team_id=guest, assignee=one.user_id, idempotency_key=key)
    ids["kept"] = (await other.call("add_task", title="Kept"))["id"]
    await agreed(other, "share_task", one, task_id=ids["kept"], permission="edit")
    await one.call("update_task", task_id=ids["kept"], priority="urgent")
    mine = (await one.call("add_task", title="Gone", idempotency_key=secrets.token_hex(4)))["id"]
    await agreed(one, "share_task", other, task_id=mine)
    chat = await one.call("start_conversation", title="Gone", messages=[{"role": "user", "content": "Gone"}])
    await one.ask("update_task", {KEY: chat["id"]}, task_id=ids["assigned"], description="From a chat")
    await one.call("get_statistics")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO rate_limits (user_id, client, started, used) VALUES ($1, '', now(), 1)", one.user_id
    )
    await connection.execute("INSERT INTO import_keys (user_id, key, task_id) VALUES ($1, 'todoist:1', 1)", one.user_id)
    await connection.execute(
        "SELECT taskdeck_pat_create($1, NULL, NULL, 'CI', $2, 'abcd', 'mcp:read', now() + interval '1 day')",
        one.user_id,
        secrets.token_hex(32),
    )
    await connection.execute(
        "INSERT INTO invitations (user_id, address, invitee_id, offered, status)"
        " VALUES ($1, $2, $3, 'view', 'blocked'), ($1, $4, NULL, 'view', 'pending'),"
        " ($3, 'nobody@example.com', NULL, 'view', 'pending')",
        other.user_id,
        one.user_id,
        one.user_id,
        one.email.upper(),
    )
    await connection.close()
    return ids


async def everything(person: Person) -> dict[str, Any]:
    """What a person has that has nothing to do with the one who goes."""
    return {
        "tasks": await person.call("list_tasks", status="all", scope="mine", detail="full", tag="own"),
        "conversations": await person.call("list_conversations"),
        "statistics": await person.call("get_statistics"),
    }


async def test_nothing_of_the_person_is_left_and_others_keep_everything(
    cluster: Cluster, direct_url: str, tmp_path: Path, alice: Person, bob: Person, carol: Person
) -> None:
    administrator = cluster.address("tests")
    ids = await make_work(alice, bob, administrator)
    await carol.call("add_task", title="Of carol", tags=["own"])
    await carol.call("start_conversation", title="Of carol", messages=[{"role": "user", "content": "Hello"}])
    before = await everything(carol)
    named = await mentions(administrator, alice.user_id, alice.email)
    assert {"users.id", "users.email", "tasks.assignee_id", "task_events.changes", "idempotency_keys.answer"} <= named
    assert {"invitations.address", "rate_limits.user_id", "import_keys.user_id", "teams.owner_id"} <= named
    assert "task_messages.user_id" in named

    done = await delete_account(direct_url, tmp_path, alice.user_id, "--yes")
    assert (done.status, done.stdout, done.stderr) == (0, f"{alice.user_id} is deleted.\n", "")
    assert await mentions(administrator, alice.user_id, alice.email, alice.email.upper()) == set()

    assert await everything(carol) == before
    teams = {team["id"]: team for team in (await bob.call("list_teams"))["teams"]}
    assert teams.keys() == {ids["team"], ids["guest"]}
    assert [(team["role"], len(team["members"])) for team in teams.values()] == [("owner", 1), ("owner", 1)]
    handed = await bob.call("get_task", task_id=ids["handed"])
    assert (handed["title"], handed["access"], handed.get("assignee")) == ("Handed over", "owner", None)
    kept = await bob.call("get_task", task_id=ids["kept"])
    assert (kept["title"], kept["priority"], kept["shares"]) == ("Kept", "urgent", [])
    assert "(deleted)" in {entry["user_id"] for entry in kept["history"]}
    assert (await bob.call("get_task", task_id=ids["assigned"])).get("assignee") is None
    again = await delete_account(direct_url, tmp_path, alice.user_id, "--yes")
    assert (again.status, again.stdout) == (2, "")
    assert again.stderr.startswith(f"taskdeck: No user {alice.user_id}")


async def test_a_team_goes_to_its_longest_member_of_the_highest_role(
    direct_url: str, tmp_path: Path, alice: Person, bob: Person, carol: Person
) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="viewer")
    await agreed(alice, "add_team_member", carol, team_id=team, role="member")
    task = (await alice.call("add_task", title="Of the team", team_id=team))["id"]
    assert (await delete_account(direct_url, tmp_path, alice.user_id, "--yes")).status == 0
    assert (await carol.call("list_teams"))["teams"][0]["role"] == "owner"
    assert (await bob.call("list_teams"))["teams"][0]["role"] == "viewer"
    assert (await carol.call("get_task", task_id=task))["access"] == "owner"
    assert (await bob.call("get_task", task_id=task))["owner"] == carol.user_id


async def test_tokens_of_a_deleted_account_create_nobody(
    cluster: Cluster, database_url: str, direct_url: str, tmp_path: Path, alice: Person, bob: Person
) -> None:
    known = Settings.model_validate({"data_dir": tmp_path / "server", "rate_limit": 0})
    async with running_server(known, database_url, direct_url) as server:

        async def call(person: Person, tool: str, **arguments: Any) -> dict[str, Any]:
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
            accept = "application/json, text/event-stream"
            async with server.client(person.user_id, "mcp", accept=accept) as client:
                answer = await client.post("/mcp", json=body | {"params": {"name": tool, "arguments": arguments}})
            assert answer.status_code == 200, answer.text
            return answer.json()["result"]

        # The server has seen bob before, and alice not.
        assert not (await call(bob, "whoami")).get("isError")
        for person in (alice, bob):
            assert (await delete_account(direct_url, tmp_path, person.user_id, "--yes")).status == 0
            refused = await call(person, "add_task", title="Ghost")
            assert refused["isError"]
            assert "account was deleted" in refused["content"][0]["text"]
        async with server.client(alice.user_id) as client:
            answer = await client.get("/api/dashboard/statistics")
        assert (answer.status_code, "account was deleted" in answer.text) == (403, True)
    assert await mentions(cluster.address("tests"), alice.user_id, bob.user_id) == set()


async def test_it_asks_first_unless_yes_is_given(direct_url: str, tmp_path: Path, alice: Person) -> None:
    await alice.call("add_task", title="There")
    # A process without standard input, which answers nothing.
    asked = await run("delete-account", alice.user_id, data_dir=tmp_path, DATABASE_URL=direct_url)
    assert (asked.status, asked.stdout.strip()) == (1, "")
    assert "for good?" in asked.stderr
    assert (await alice.call("list_tasks"))["total_count"] == 1
