"""Undo reverts the effective calls of this client only."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from mcp import Client
from mcp.types import Implementation

from mcp_server.identity.callers import Caller, Callers
from mcp_server.protocol.server import build_mcp_server
from storage.schema.errors import NotFound
from storage.schema.request_models import NewTask
from storage.tasks import tasks
from storage.tasks.undo import undo
from tests.conftest import Person
from tests.support.consent import agreed
from tests.tools.test_surface import tokens


@dataclass(frozen=True)
class WithClient(Person):
    """A person with another client name."""

    client_name: str = ""

    @property
    def caller(self) -> Caller:
        return replace(super().caller, client=self.client_name)


def using(person: Person, client_name: str) -> WithClient:
    return WithClient(
        person.user_id, person.email, person.database, person.settings, person.scopes, client_name=client_name
    )


async def add(person: Person, title: str) -> int:
    return (await person.call("add_task", title=title))["id"]


async def titles(person: Person) -> list[str]:
    page = await person.call("list_tasks", status="all", limit=100)
    return sorted(task["title"] for task in page["tasks"])


async def undone(person: Person, count: int = 1) -> list[tuple[int, str, str]]:
    """Call number, event type and restored title of each reverted change."""
    reverted = (await person.call("undo", count=count))["reverted"]
    return [(change["call"], change["event_type"], change["title"]) for change in reverted]


async def undone_by(client: Client, count: int) -> list[str]:
    """Call undo with an open client and return the titles of reverted changes."""
    facts: dict[str, Any] = (await client.call_tool("undo", {"count": count})).structured_content or {}
    return [change["title"] for change in facts["reverted"]]


async def test_undo_leaves_changes_made_by_hand_or_with_another_client(alice: Person) -> None:
    agent, editor = using(alice, "agent"), using(alice, "editor")
    await add(agent, "By the agent")
    await add(editor, "By the editor")
    await add(alice, "By hand")
    assert await undone(agent, 3) == [(1, "task_created", "By the agent")]
    assert await titles(alice) == ["By hand", "By the editor"]
    refusal = await agent.refusal("undo")
    assert refusal.startswith("This client has changed nothing that is left to undo; what was done by hand")
    assert await undone(editor) == [(1, "task_created", "By the editor")]
    assert await titles(alice) == ["By hand"]


async def test_undo_separates_clients_and_ignores_calls_without_effect(alice: Person) -> None:
    agent, editor = using(alice, "agent"), using(alice, "editor")
    batch = await agent.call("add_tasks", tasks=[{"title": "One"}, {"title": "Two"}])
    one, two = (result["task"]["id"] for result in batch["results"])
    await add(editor, "Three")
    await agent.call("update_task", task_id=one, title="First", tags=["x"])
    await agent.call("update_task", task_id=one, title="First", tags=["x"])  # changes nothing
    await editor.call("update_task", task_id=two, priority="high")
    await agent.call("get_task", task_id=one)
    await agent.call("create_team", name="Crew")
    await agent.call("start_conversation")
    await agent.refusal("update_task", task_id=one, due="soon")
    await agent.call("delete_task", task_ids=[one, two])
    await agent.call("delete_task", task_id=one)  # is deleted
    await editor.call("update_task", task_id=await add(editor, "Four"), title="Fourth")
    await agent.call("restore_task", task_id=two)
    await agent.call("restore_task", task_id=two)  # is back
    await agent.call("complete_task", task_id=two)
    await agent.call("complete_task", task_id=two)  # is completed
    assert await undone(agent, 2) == [(1, "task_completed", "Two"), (2, "task_restored", "Two")]
    assert sorted(await undone(agent)) == [(1, "task_deleted", "First"), (1, "task_deleted", "Two")]
    (change,) = (await agent.call("undo"))["reverted"]
    assert change == {
        "call": 1,
        "event_type": "task_updated",
        "task_id": one,
        "title": "One",
        "changes": {"title": ["One", "First"], "tags": [[], ["x"]]},
    }
    assert "somebody has worked on it since" in await agent.refusal("undo")
    assert await titles(alice) == ["Fourth", "One", "Three", "Two"]
    assert (await alice.call("get_task", task_id=two))["priority"] == "high"
    assert await undone(editor, 9) == [
        (1, "task_updated", "Four"),
        (2, "task_created", "Four"),
        (3, "task_updated", "Two"),
        (4, "task_created", "Three"),
    ]


async def test_unnamed_client_counts_as_a_client(alice: Person) -> None:
    unnamed = alice.database.scope(alice.user_id)
    await tasks.add(unnamed, NewTask.model_validate({"title": "Unnamed"}))
    await add(alice, "Named")
    assert [change.title for change in (await undo(unnamed, 2)).reverted] == ["Unnamed"]
    with pytest.raises(NotFound):
        await undo(unnamed)
    await tasks.add(unnamed, NewTask.model_validate({"title": "Unnamed"}))
    assert await undone(alice, 2) == [(1, "task_created", "Named")]
    assert await titles(alice) == ["Unnamed"]


@pytest.mark.parametrize("token_client", [None, "stdio", "taskdeck"])
async def test_clients_without_a_token_identity_are_told_apart_by_client_info(
    alice: Person, token_client: str | None
) -> None:
    server = build_mcp_server(alice.settings, Callers(alice.database), replace(alice.caller, client=token_client))
    for mode in ("auto", "legacy"):
        for name in (f"one-{mode}", f"two-{mode}"):
            async with Client(server, client_info=Implementation(name=name, version="1"), mode=mode) as client:
                await client.call_tool("add_task", {"title": name})
        async with Client(server, client_info=Implementation(name=f"one-{mode}", version="2"), mode=mode) as client:
            assert await undone_by(client, 5) == [f"one-{mode}"]


async def test_token_client_overrides_client_info(alice: Person) -> None:
    server = build_mcp_server(alice.settings, Callers(alice.database), alice.caller)
    async with Client(server, client_info=Implementation(name="one", version="1")) as client:
        await client.call_tool("add_task", {"title": "Added"})
    async with Client(server, client_info=Implementation(name="two", version="1")) as client:
        assert await undone_by(client, 1) == ["Added"]


async def test_stuck_change_is_skipped_by_its_own_client_only(alice: Person) -> None:
    agent, editor = using(alice, "agent"), using(alice, "editor")
    older = await add(agent, "Older")
    task = await add(editor, "Task")
    await agent.call("update_task", task_id=task, title="Agent's")
    await editor.call("update_task", task_id=task, title="Editor's")
    assert 'title is "Editor\'s" now' in await agent.refusal("undo")
    assert [change["task_id"] for change in (await agent.call("undo"))["reverted"]] == [older]
    assert await undone(editor) == [(1, "task_updated", "Agent's")]


async def test_long_undo_names_every_call_within_the_token_budget(alice: Person) -> None:
    long = {"title": "\U0001f600" * 400, "tags": ["\u00e4" * 49, "\u00f6" * 49]}
    for _ in range(9):
        batch = await alice.call("add_tasks", tasks=[long] * 50)
        await alice.call("update_task", task_id=batch["results"][0]["task"]["id"], description="\u00fc" * 300)
    result = await alice.ask("undo", count=18)
    assert tokens(result.content[0].model_dump()["text"]) <= 4000
    facts: dict[str, Any] = result.structured_content or {}
    assert {change["call"] for change in facts["reverted"]} == set(range(1, 19))
    assert [change["call"] for change in facts["reverted"]] == sorted(change["call"] for change in facts["reverted"])
    assert len(facts["reverted"]) + facts["more_reverted"] == 9 * 51
    assert await titles(alice) == []


async def test_undo_names_no_invisible_parent(alice: Person, bob: Person) -> None:
    weekly = {"due": "2026-03-02", "recurrence": "FREQ=WEEKLY"}
    top = (await alice.call("add_task", title="Top", **weekly))["id"]
    hidden = (await alice.call("add_task", title="Hidden", parent_id=top))["id"]
    shown = (await alice.call("add_task", title="Shown", parent_id=hidden, **weekly))["id"]
    for task in (top, shown):
        await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    following = (await bob.call("complete_task", task_id=top))["next_occurrence"]["id"]
    assert (await alice.call("get_task", task_id=shown))["parent_id"] not in (hidden, following)
    moved, *others = (await bob.call("undo"))["reverted"]
    assert moved == {"call": 1, "event_type": "task_updated", "task_id": shown, "title": "Shown"}
    assert [change["task_id"] for change in others] == [following, top]
    assert (await alice.call("get_task", task_id=shown))["parent_id"] == hidden
