"""The history of tasks, and undo."""

import json
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.types import (
    CallToolResult,
    Implementation,
)

from mcp_server.identity.callers import Callers
from mcp_server.protocol.server import build_mcp_server
from tests.conftest import Person
from tests.support.consent import agreed


async def add(person: Person, *titles: str) -> list[int]:
    added = await person.call("add_tasks", tasks=[{"title": title} for title in titles])
    return [result["task"]["id"] for result in added["results"]]


async def titles(person: Person) -> set[str]:
    return {task["title"] for task in (await person.call("list_tasks", limit=100))["tasks"]}


def text(result: CallToolResult) -> str:
    return getattr(result.content[0], "text", "")


async def test_history_names_the_change_the_user_and_the_client(alice: Person, bob: Person):
    (task_id,) = await add(alice, "Write the report")
    await agreed(alice, "share_task", bob, task_id=task_id, permission="edit")
    await bob.call("update_task", task_id=task_id, title="Write the long report")
    changed, shared, created = (await alice.call("get_task", task_id=task_id))["history"]
    assert (changed["event_type"], changed["user_id"], changed["client"]) == ("task_updated", bob.user_id, "pytest")
    assert changed["changes"] == {"title": ["Write the report", "Write the long report"]}
    assert (shared["event_type"], created["event_type"]) == ("task_shared", "task_created")


async def test_share_shows_no_history_from_before_it(alice: Person, bob: Person):
    (task_id,) = await add(alice, "Plan")
    await alice.call("update_task", task_id=task_id, description="the secret")
    await alice.call("update_task", task_id=task_id, description="all is public")
    await agreed(alice, "share_task", bob, task_id=task_id)
    await alice.call("update_task", task_id=task_id, description="and more")
    seen = (await bob.call("get_task", task_id=task_id))["history"]
    assert [event["event_type"] for event in seen] == ["task_updated", "task_shared"]
    assert "secret" not in json.dumps(seen)
    assert len((await alice.call("get_task", task_id=task_id))["history"]) == 5
    await alice.call("unshare_task", task_id=task_id, user=bob.email)
    await agreed(alice, "share_task", bob, task_id=task_id)
    (again,) = (await bob.call("get_task", task_id=task_id))["history"]
    assert again["event_type"] == "task_shared"


async def test_team_sees_history_from_its_time_only(alice: Person, bob: Person):
    team = (await alice.call("create_team", name="Crew"))["id"]
    other = (await alice.call("create_team", name="Other"))["id"]
    (task_id,) = await add(alice, "Plan")
    await alice.call("update_task", task_id=task_id, description="the secret")
    await alice.call("update_task", task_id=task_id, description="public", team_id=team)
    await alice.call("update_task", task_id=task_id, title="Our plan")
    await agreed(alice, "add_team_member", bob, team_id=team, role="admin")
    (seen,) = (await bob.call("get_task", task_id=task_id))["history"]
    assert seen["changes"] == {"title": ["Plan", "Our plan"]}
    await alice.call("update_task", task_id=task_id, team_id=other, title="Their plan")
    await alice.call("update_task", task_id=task_id, team_id=team, title="Ours again")
    assert (await bob.call("get_task", task_id=task_id))["history"] == [seen]


async def test_invisible_parent_is_never_named(alice: Person, bob: Person):
    hidden, shown, task_id = await add(alice, "Hidden", "Shown", "Plan")
    for below in (shown, task_id):
        await agreed(alice, "share_task", bob, task_id=below, permission="edit")
    await alice.call("update_task", task_id=task_id, parent_id=shown)
    await alice.call("update_task", task_id=task_id, parent_id=hidden, title="The plan")
    seen = await bob.call("get_task", task_id=task_id)
    assert "parent_id" not in seen
    assert [event["changes"] for event in seen["history"][:2]] == [
        {"title": ["Plan", "The plan"]},
        {"parent_id": [None, shown]},
    ]
    for changed in (
        await bob.call("update_task", task_id=task_id, title="A plan"),
        await bob.call("update_task", task_id=task_id, clear=["parent_id"]),
        await bob.call("complete_task", task_id=task_id),
        (await bob.call("list_tasks", status="completed", detail="full"))["tasks"][0],
    ):
        assert "parent_id" not in changed
    mine = await alice.call("get_task", task_id=task_id)
    assert mine["parent_id"] == hidden
    assert {"parent_id": [shown, hidden], "title": ["Plan", "The plan"]} in [e["changes"] for e in mine["history"]]


async def test_client_without_a_name_in_the_token_is_known_by_its_client_info(alice: Person):
    server = build_mcp_server(alice.settings, Callers(alice.database), replace(alice.caller, client=None))
    for mode in ("auto", "legacy"):
        async with Client(server, client_info=Implementation(name=f"editor-{mode}", version="1"), mode=mode) as client:
            added = await client.call_tool("add_task", {"title": "By name"})
        task = await alice.call("get_task", task_id=(added.structured_content or {})["id"])
        assert task["history"][0]["client"] == f"editor-{mode}"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("O'Neill's editor", "O'Neill's editor"),
        ("',true),set_config('app.user_id','bob", "',true),set_config('app.user_id','bob"),
        ("back\\slash\\'", "back/slash/'"),
        ("nul\0", "nul"),
        ("\U0001f600" * 101, "\U0001f600" * 100),
    ],
)
async def test_client_info_is_only_a_name(alice: Person, name: str, kept: str):
    async with Client(
        build_mcp_server(alice.settings, Callers(alice.database), replace(alice.caller, client=name))
    ) as client:
        added = await client.call_tool("add_task", {"title": "By name"})
    assert not added.is_error, text(added)
    task = await alice.call("get_task", task_id=(added.structured_content or {})["id"])
    assert [(event["user_id"], event["client"]) for event in task["history"]] == [(alice.user_id, kept)]


async def test_undo_reverts_the_last_changes_newest_first(alice: Person):
    (task_id,) = await add(alice, "First")
    await alice.call("update_task", task_id=task_id, title="Second")
    await alice.call("complete_task", task_id=task_id)
    assert await alice.call("undo", count=2) == {
        "reverted": [
            {
                "call": 1,
                "event_type": "task_completed",
                "task_id": task_id,
                "title": "Second",
                "changes": {"status": ["pending", "completed"]},
            },
            {
                "call": 2,
                "event_type": "task_updated",
                "task_id": task_id,
                "title": "First",
                "changes": {"title": ["First", "Second"]},
            },
        ]
    }
    task = await alice.call("get_task", task_id=task_id)
    assert (task["title"], task["status"]) == ("First", "pending")
    added = {"call": 1, "event_type": "task_created", "task_id": task_id, "title": "First"}
    assert (await alice.call("undo"))["reverted"] == [added]
    assert "nothing that is left to undo" in await alice.refusal("undo")


async def test_undo_does_not_touch_changes_of_other_users(alice: Person, bob: Person):
    (task_id,) = await add(alice, "Shared")
    await agreed(alice, "share_task", bob, task_id=task_id, permission="edit")
    await bob.call("update_task", task_id=task_id, title="Bob's words")
    (undone,) = (await alice.call("undo"))["reverted"]
    assert (undone["event_type"], undone["task_id"]) == ("task_shared", task_id)
    assert undone["changes"] == {"user": bob.user_id, "permission": [None, "edit"]}
    assert (await alice.call("get_task", task_id=task_id))["title"] == "Bob's words"
    assert "no longer yours" in await bob.refusal("undo")


async def test_undo_does_not_overwrite_later_changes_of_other_users(alice: Person, bob: Person):
    (task_id,) = await add(alice, "First")
    await agreed(alice, "share_task", bob, task_id=task_id, permission="edit")
    await alice.call("update_task", task_id=task_id, title="Second", priority="urgent")
    await bob.call("update_task", task_id=task_id, title="Bob's words")
    assert "title is \"Bob's words\" now, not 'Second'" in await alice.refusal("undo")
    task = await alice.call("get_task", task_id=task_id)
    assert (task["title"], task["priority"]) == ("Bob's words", "urgent")


async def test_undo_requires_the_rights_of_the_change(alice: Person, bob: Person, carol: Person):
    """A right that was lost since the change cannot be used by undoing."""
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="admin")
    task = (await alice.call("add_task", title="Ours", team_id=team))["id"]
    await agreed(bob, "share_task", carol, task_id=task)
    await agreed(alice, "add_team_member", bob, team_id=team, role="member")
    assert "may share it" in await bob.refusal("undo")
    assert len((await alice.call("get_task", task_id=task))["shares"]) == 1
    own = (await bob.call("add_task", title="Mine", team_id=team))["id"]
    await bob.call("update_task", task_id=own, clear=["team_id"])
    await agreed(alice, "add_team_member", bob, team_id=team, role="viewer")
    assert f"You are a viewer of team {team}" in await bob.refusal("undo")


@pytest.mark.parametrize("count", [0, 21, "all"])
async def test_undo_error_names_the_range_of_count(alice: Person, count: object):
    assert "count" in await alice.refusal("undo", count=count)


async def kept(person: Person, conversation_id: int) -> list[dict[str, Any]]:
    page = await person.call("get_conversation", conversation_id=conversation_id, max_tokens=20_000)
    assert {message["role"] for message in page["messages"]} <= {"tool"}
    return [json.loads(message["content"]) for message in page["messages"]]
