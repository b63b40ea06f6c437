"""The audit log: what each person finds in it over the dashboard API, and that it stays."""

import secrets
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from mcp_server.settings import Settings
from storage.engine import retention
from storage.engine.database import Database
from tests.conftest import Cluster, Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer, running_server

ADD_TASK: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "add_task", "arguments": {"title": "Sand"}},
}


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    known = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server"), "rate_limit": 0})
    async with running_server(known, database_url, direct_url) as built:
        yield built


@pytest.fixture
async def administrator(cluster: Cluster) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(cluster.address("tests"))
    yield connection
    await connection.close()


async def read(server: RunningServer, person: Person, **query: Any) -> dict[str, Any]:
    async with server.client(person.user_id) as client:
        answer = await client.get("/api/dashboard/audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def entries(server: RunningServer, person: Person) -> list[tuple[str, str, dict[str, Any]]]:
    """Action, who did it, and details; the oldest first."""
    found = (await read(server, person))["entries"]
    return [(entry["action"], entry.get("by", "me"), entry["details"]) for entry in reversed(found)]


async def test_both_sides_of_a_share_find_it(server: RunningServer, alice: Person, bob: Person, carol: Person) -> None:
    task = (await alice.call("add_task", title="Paint"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    await alice.call("unshare_task", task_id=task, user=bob.user_id)
    share = {"task_id": task, "user_id": bob.user_id, "permission": "view"}
    mine = await entries(server, alice)
    invitation_id = mine[0][2]["invitation_id"]
    offered = {"invitation_id": invitation_id, "task_id": task, "offered": "view"}
    assert mine == [
        ("invitation_sent", "me", offered),
        ("task_shared", "me", share),
        ("task_unshared", "me", share),
    ]
    assert await entries(server, bob) == [
        ("invitation_accepted", "me", offered),
        ("task_shared", alice.user_id, share),
        ("task_unshared", alice.user_id, share),
    ]
    assert await entries(server, carol) == []
    assert (await read(server, alice))["entries"][0]["client"] == "pytest"


async def test_teams_deletions_and_tokens_are_in_the_log(
    server: RunningServer, administrator: "asyncpg.Connection[Any]", alice: Person, bob: Person
) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="viewer")
    await alice.call("add_team_member", team_id=team, user=bob.user_id, role="member")
    await alice.call("remove_team_member", team_id=team, user=bob.user_id)
    chat = (await alice.call("start_conversation", title="Weeds", messages=[{"role": "user", "content": "Which?"}]))[
        "id"
    ]
    await alice.call("delete_conversation", conversation_id=chat)
    task = (await alice.call("add_task", title="Mow"))["id"]
    await alice.call("delete_task", task_id=task)
    await alice.call("restore_task", task_id=task)
    token = await administrator.fetchval(
        "SELECT taskdeck_pat_create($1, NULL, NULL, 'CI', $2, 'abcd', 'mcp:read', now() + interval '1 day')",
        alice.user_id,
        secrets.token_hex(32),
    )
    await administrator.execute("SELECT taskdeck_pat_revoke($1, $2)", alice.user_id, token)

    membership = {"team_id": team, "user_id": bob.user_id}
    made = {"name": "CI", "hint": "abcd", "scopes": "mcp:read"}
    assert [entry for entry in await entries(server, alice) if not entry[0].startswith("invitation")] == [
        ("team_created", "me", {"team_id": team, "name": "Garden"}),
        ("team_joined", "me", {"team_id": team, "user_id": alice.user_id, "role": "owner"}),
        ("team_role_changed", "me", membership | {"role": "member"}),
        ("team_left", "me", membership | {"role": "member"}),
        ("conversation_deleted", "me", {"conversation_id": chat, "messages": 1}),
        ("task_deleted", "me", {"task_id": task}),
        ("task_restored", "me", {"task_id": task}),
        ("token_created", "me", made),
        ("token_revoked", "me", made),
    ]
    assert [(action, by) for action, by, _ in await entries(server, bob)] == [
        ("invitation_accepted", "me"),
        ("team_joined", "me"),
        ("team_role_changed", alice.user_id),
        ("team_left", alice.user_id),
    ]


async def test_refusals_are_noted_once_an_hour(server: RunningServer, alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Paint"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    for _ in range(3):
        await bob.refusal("update_task", task_id=task, title="Mine now")
    await bob.refusal("delete_task", task_id=task)
    token = server.token(bob.user_id, "mcp", ["mcp:read"])
    async with server.client(authorization=f"Bearer {token}", accept="application/json, text/event-stream") as client:
        answer = await client.post("/mcp", json=ADD_TASK)
    assert answer.status_code == 403
    refused = [details for action, _, details in await entries(server, bob) if action == "refused"]
    assert refused == [{"attempted": "update_task"}, {"attempted": "delete_task"}, {"attempted": "add_task"}]


async def test_refusal_by_the_dashboard_api_is_noted(server: RunningServer, alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    async with server.client(bob.user_id) as client:
        assert (await client.delete(f"/api/dashboard/teams/{team}")).status_code == 403
    refused = [details for action, _, details in await entries(server, bob) if action == "refused"]
    assert refused == [{"attempted": f"DELETE /api/dashboard/teams/{team}"}]


async def test_question_to_the_user_is_no_refusal(server: RunningServer, alice: Person) -> None:
    tasks = [(await alice.call("add_task", title=f"Task {number}"))["id"] for number in range(6)]
    await alice.refusal("delete_task", task_ids=tasks)
    assert await entries(server, alice) == []


async def test_log_is_read_page_by_page(server: RunningServer, alice: Person) -> None:
    ids = [(await alice.call("create_team", name=f"Team {number}"))["id"] for number in range(3)]
    seen: list[tuple[str, int]] = []
    page: dict[str, Any] = {"next_before": 2**63 - 1}
    while "next_before" in page:
        page = await read(server, alice, limit=2, before=page["next_before"])
        assert 1 <= len(page["entries"]) <= 2
        seen += [(entry["action"], entry["details"]["team_id"]) for entry in page["entries"]]
    assert seen == [(action, team) for team in reversed(ids) for action in ("team_joined", "team_created")]


async def test_entries_end_after_the_set_time_and_not_before_a_month(
    server: RunningServer, administrator: "asyncpg.Connection[Any]", database: Database, alice: Person
) -> None:
    teams = [(await alice.call("create_team", name="Garden"))["id"] for _ in range(3)]
    for team, age in zip(teams, (29, 31, 401), strict=True):
        await administrator.execute(
            "UPDATE audit_events SET created_at = now() - make_interval(days => $2)"
            " WHERE user_id = $3 AND (details ->> 'team_id')::bigint = $1",
            *(team, age, alice.user_id),
        )

    async def left() -> set[int]:
        return {details["team_id"] for _, _, details in await entries(server, alice)}

    await retention.purge_audit_log(database, 400)
    assert await left() == {teams[0], teams[1]}
    await retention.purge_audit_log(database, 1)
    assert await left() == {teams[0]}


async def test_deleted_account_leaves_entries_that_lead_to_nobody(
    administrator: "asyncpg.Connection[Any]", server: RunningServer, alice: Person, bob: Person
) -> None:
    task = (await alice.call("add_task", title="Paint"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    signed_in = '{"address": "203.0.113.7", "way": "password"}'
    await administrator.execute("SELECT taskdeck_audit_record($1, 'signed_in', $2::jsonb)", bob.user_id, signed_in)
    count = "SELECT count(*) FROM audit_events"
    before = await administrator.fetchval(count)
    await administrator.execute("SELECT taskdeck_audit_forget($1)", bob.user_id)
    assert await administrator.fetchval(count) == before
    assert await administrator.fetchval(f"{count} e WHERE e::text ~ $1 OR e::text ~ '203.0.113.7'", bob.user_id) == 0
    (share,) = [details for action, _, details in await entries(server, alice) if action == "task_shared"]
    assert share["user_id"].startswith("deleted-")
    kept = await administrator.fetch("SELECT action FROM audit_events WHERE user_id = $1", share["user_id"])
    assert {row["action"] for row in kept} == {"task_shared", "invitation_accepted", "signed_in"}
