"""History, undo, consent to deletions of many tasks, and calls recorded in a conversation."""

import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.types import (
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    InputRequiredResult,
    InputResponses,
)

from mcp_server.identity.callers import Callers
from mcp_server.protocol.recording import KEY, MOST_BYTES
from mcp_server.protocol.server import build_mcp_server
from tests.conftest import Cluster, Person


async def add(person: Person, *titles: str) -> list[int]:
    added = await person.call("add_tasks", tasks=[{"title": title} for title in titles])
    return [result["task"]["id"] for result in added["results"]]


async def titles(person: Person) -> set[str]:
    return {task["title"] for task in (await person.call("list_tasks", limit=100))["tasks"]}


def client_of(person: Person, answer: ElicitResult | None, asked: list[str] | None = None, **options: Any) -> Client:
    """A client whose user answers every elicitation with `answer`; without one it supports no elicitation."""

    async def ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        if asked is not None:
            asked.append(params.message)
        assert answer is not None
        return answer

    server = build_mcp_server(person.settings, Callers(person.database), person.caller)
    return Client(server, elicitation_callback=ask if answer else None, **options)


def text(result: CallToolResult) -> str:
    return getattr(result.content[0], "text", "")


async def test_history_names_the_change_the_user_and_the_client(alice: Person, bob: Person):
    (task_id,) = await add(alice, "Write the report")
    await alice.call("share_task", task_id=task_id, user=bob.email, permission="edit")
    await bob.call("update_task", task_id=task_id, title="Write the long report")
    changed, shared, created = (await alice.call("get_task", task_id=task_id))["history"]
    assert (changed["event_type"], changed["user_id"], changed["client"]) == ("task_updated", bob.user_id, "pytest")
    assert changed["changes"] == {"title": ["Write the report", "Write the long report"]}
    assert (shared["event_type"], created["event_type"]) == ("task_shared", "task_created")


async def test_share_shows_no_history_from_before_it(alice: Person, bob: Person):
    (task_id,) = await add(alice, "Plan")
    await alice.call("update_task", task_id=task_id, description="the secret")
    await alice.call("update_task", task_id=task_id, description="all is public")
    await alice.call("share_task", task_id=task_id, user=bob.email)
    await alice.call("update_task", task_id=task_id, description="and more")
    seen = (await bob.call("get_task", task_id=task_id))["history"]
    assert [event["event_type"] for event in seen] == ["task_updated", "task_shared"]
    assert "secret" not in json.dumps(seen)
    assert len((await alice.call("get_task", task_id=task_id))["history"]) == 5
    await alice.call("unshare_task", task_id=task_id, user=bob.email)
    await alice.call("share_task", task_id=task_id, user=bob.email)
    (again,) = (await bob.call("get_task", task_id=task_id))["history"]
    assert again["event_type"] == "task_shared"


async def test_team_sees_history_from_its_time_only(alice: Person, bob: Person):
    team = (await alice.call("create_team", name="Crew"))["id"]
    other = (await alice.call("create_team", name="Other"))["id"]
    (task_id,) = await add(alice, "Plan")
    await alice.call("update_task", task_id=task_id, description="the secret")
    await alice.call("update_task", task_id=task_id, description="public", team_id=team)
    await alice.call("update_task", task_id=task_id, title="Our plan")
    await alice.call("add_team_member", team_id=team, user=bob.email, role="admin")
    (seen,) = (await bob.call("get_task", task_id=task_id))["history"]
    assert seen["changes"] == {"title": ["Plan", "Our plan"]}
    await alice.call("update_task", task_id=task_id, team_id=other, title="Their plan")
    await alice.call("update_task", task_id=task_id, team_id=team, title="Ours again")
    assert (await bob.call("get_task", task_id=task_id))["history"] == [seen]


async def test_invisible_parent_is_never_named(alice: Person, bob: Person):
    hidden, shown, task_id = await add(alice, "Hidden", "Shown", "Plan")
    for below in (shown, task_id):
        await alice.call("share_task", task_id=below, user=bob.email, permission="edit")
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
    await alice.call("share_task", task_id=task_id, user=bob.email, permission="edit")
    await bob.call("update_task", task_id=task_id, title="Bob's words")
    (undone,) = (await alice.call("undo"))["reverted"]
    assert (undone["event_type"], undone["task_id"]) == ("task_shared", task_id)
    assert undone["changes"] == {"user": bob.user_id, "permission": [None, "edit"]}
    assert (await alice.call("get_task", task_id=task_id))["title"] == "Bob's words"
    assert "no longer yours" in await bob.refusal("undo")


async def test_undo_does_not_overwrite_later_changes_of_other_users(alice: Person, bob: Person):
    (task_id,) = await add(alice, "First")
    await alice.call("share_task", task_id=task_id, user=bob.email, permission="edit")
    await alice.call("update_task", task_id=task_id, title="Second", priority="urgent")
    await bob.call("update_task", task_id=task_id, title="Bob's words")
    assert "title is \"Bob's words\" now, not 'Second'" in await alice.refusal("undo")
    task = await alice.call("get_task", task_id=task_id)
    assert (task["title"], task["priority"]) == ("Bob's words", "urgent")


async def test_undo_requires_the_rights_of_the_change(alice: Person, bob: Person, carol: Person):
    """A right that was lost since the change cannot be used by undoing."""
    team = (await alice.call("create_team", name="Crew"))["id"]
    await alice.call("add_team_member", team_id=team, user=bob.email, role="admin")
    task = (await alice.call("add_task", title="Ours", team_id=team))["id"]
    await bob.call("share_task", task_id=task, user=carol.email)
    await alice.call("add_team_member", team_id=team, user=bob.email, role="member")
    assert "may share it" in await bob.refusal("undo")
    assert len((await alice.call("get_task", task_id=task))["shares"]) == 1
    own = (await bob.call("add_task", title="Mine", team_id=team))["id"]
    await bob.call("update_task", task_id=own, clear=["team_id"])
    await alice.call("add_team_member", team_id=team, user=bob.email, role="viewer")
    assert f"You are a viewer of team {team}" in await bob.refusal("undo")


@pytest.mark.parametrize("count", [0, 21, "all"])
async def test_undo_error_names_the_range_of_count(alice: Person, count: object):
    assert "count" in await alice.refusal("undo", count=count)


async def test_batch_is_deleted_atomically_and_one_undo_restores_it(alice: Person):
    chosen = await add(alice, *(f"Task {n}" for n in range(5)))
    deleted = await alice.call("delete_task", task_ids=[*chosen, chosen[0]])
    assert [task["id"] for task in deleted["tasks"]] == chosen
    assert await titles(alice) == set()
    assert len((await alice.call("undo"))["reverted"]) == 5
    assert await titles(alice) == {f"Task {n}" for n in range(5)}


async def test_batch_with_a_task_of_another_user_deletes_nothing(alice: Person, bob: Person):
    mine, (theirs,) = await add(alice, "A", "B"), await add(bob, "C")
    refusal = await alice.refusal("delete_task", task_ids=[*mine, theirs])
    assert refusal == f"No task {theirs}. Use list_tasks to find its id. Nothing was deleted."
    assert await titles(alice) == {"A", "B"}


@pytest.mark.parametrize("arguments", [{}, {"task_id": 1, "task_ids": [1]}, {"confirm": True}])
async def test_delete_requires_either_task_id_or_task_ids(alice: Person, arguments: dict[str, Any]):
    assert "either task_id, or task_ids" in await alice.refusal("delete_task", **arguments)


async def test_elicitation_confirms_deletion_of_many_tasks(alice: Person):
    chosen, asked = await add(alice, *(f"Task {n}" for n in range(12))), list[str]()
    async with client_of(alice, ElicitResult(action="accept", content={"yes": True}), asked) as client:
        result = await client.call_tool("delete_task", {"task_ids": chosen})
    assert not result.is_error, text(result)
    assert asked == ["Delete 12 tasks: " + ", ".join(f'"Task {n}"' for n in range(10)) + " and 2 more?"]
    assert await titles(alice) == set()
    assert len((await alice.call("undo"))["reverted"]) == 12


@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="accept"),
        ElicitResult(action="accept", content={"yes": False}),
        ElicitResult(action="accept", content={"yes": "true"}),
    ],
)
async def test_anything_but_acceptance_deletes_nothing(alice: Person, answer: ElicitResult):
    chosen = await add(alice, *(f"Task {n}" for n in range(6)))
    async with client_of(alice, answer) as client:
        result = await client.call_tool("delete_task", {"task_ids": chosen})
    assert result.is_error
    assert "did not agree" in text(result)
    assert len(await titles(alice)) == 6


async def test_acceptance_for_other_tasks_does_not_count(alice: Person):
    """The confirmation is bound to the text of the question."""
    first, second = await add(alice, *"abcdef"), await add(alice, *"ghijkl")
    yes = ElicitResult(action="accept", content={"yes": True})
    async with client_of(alice, yes) as client:
        asked = await client.session.call_tool("delete_task", {"task_ids": first}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        answers: InputResponses = dict.fromkeys(asked.input_requests or {}, yes)
        again = await client.session.call_tool(
            "delete_task", {"task_ids": second}, input_responses=answers, allow_input_required=True
        )
    assert isinstance(again, InputRequiredResult)
    assert len(await titles(alice)) == 12


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_client_without_elicitation_is_told_to_confirm_explicitly(alice: Person, mode: Any):
    chosen = await add(alice, *"abcdef")
    async with client_of(alice, None, mode=mode) as client:
        refused = await client.call_tool("delete_task", {"task_ids": chosen})
        assert refused.is_error
        assert "confirm=true" in text(refused)
        assert len(await titles(alice)) == 6
        confirmed = await client.call_tool("delete_task", {"task_ids": chosen, "confirm": True})
    assert not confirmed.is_error
    assert await titles(alice) == set()


async def kept(person: Person, conversation_id: int) -> list[dict[str, Any]]:
    page = await person.call("get_conversation", conversation_id=conversation_id, max_tokens=20_000)
    assert {message["role"] for message in page["messages"]} <= {"tool"}
    return [json.loads(message["content"]) for message in page["messages"]]


async def call_within(person: Person, conversation: object, tool: str, **arguments: Any) -> CallToolResult:
    async with person.client() as client:
        return await client.call_tool(tool, arguments, meta={KEY: conversation})  # pyright: ignore[reportArgumentType]


async def test_call_is_recorded_in_the_named_conversation(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    added = await call_within(alice, chat, "add_task", title="Kept")
    listed = await call_within(alice, chat, "list_tasks")
    assert await kept(alice, chat) == [
        {"tool": "add_task", "arguments": {"title": "Kept"}, "result": added.structured_content},
        {"tool": "list_tasks", "arguments": {}, "result": listed.structured_content},
    ]


async def test_refused_recorded_call_changes_nothing_and_its_error_is_recorded(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    refused = await call_within(alice, chat, "add_tasks", tasks=[{"title": "Good"}, {"title": "Bad", "due": "soon"}])
    assert refused.is_error
    assert await titles(alice) == set()
    (message,) = await kept(alice, chat)
    assert message["error"] == text(refused)


async def test_call_that_times_out_is_not_recorded(alice: Person, cluster: Cluster):
    chat = (await alice.call("start_conversation"))["id"]
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(SLOW)
    refused = await call_within(alice, chat, "add_task", title="Slow")
    await administrator.execute("DROP FUNCTION take_time CASCADE")
    await administrator.close()
    assert "took too long" in text(refused)
    assert await titles(alice) == set()
    assert await kept(alice, chat) == []


SLOW = """
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.title = 'Slow') EXECUTE FUNCTION take_time();
"""


async def test_recording_into_a_conversation_of_another_user_has_no_effect(alice: Person, bob: Person):
    theirs = (await bob.call("start_conversation"))["id"]
    nowhere = theirs + 1_000_000
    for conversation in (theirs, nowhere):
        refused = await call_within(alice, conversation, "add_task", title="Never")
        assert text(refused) == f"No conversation {conversation}. Use list_conversations to find its id."
    assert await titles(alice) == set()
    assert await kept(bob, theirs) == []


@pytest.mark.parametrize("conversation", ["seven", 0, -1, True, 2**63, [1]])
async def test_invalid_conversation_id_is_rejected(alice: Person, conversation: object):
    refused = await call_within(alice, conversation, "add_task", title="Never")
    assert "must be a conversation's id" in text(refused)
    assert await titles(alice) == set()


async def test_read_only_token_records_no_calls(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    reader = replace(alice, scopes=frozenset({"mcp:read"}))
    assert "mcp:write" in text(await call_within(reader, chat, "list_tasks"))
    assert await kept(alice, chat) == []


async def test_read_only_server_records_no_calls(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    reader = replace(alice, settings=alice.settings.model_copy(update={"read_only": True}))
    assert "keeps no calls" in text(await call_within(reader, chat, "list_tasks"))
    assert await kept(alice, chat) == []


async def test_long_call_is_recorded_truncated(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    await call_within(
        alice, chat, "add_tasks", tasks=[{"title": f"Task {n}", "description": "ä" * 4000} for n in range(9)]
    )
    page = await alice.call("get_conversation", conversation_id=chat)
    content = page["messages"][0]["content"]
    assert content.startswith('{"tool":"add_tasks"')
    assert content.endswith(" bytes in all)")
    assert MOST_BYTES - 4 <= len(content.encode()) <= MOST_BYTES
    assert len(await titles(alice)) == 9


async def test_undo_reverts_a_recorded_call(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    await call_within(alice, chat, "add_task", title="Kept")
    await call_within(alice, chat, "undo")
    assert await titles(alice) == set()
    assert len(await kept(alice, chat)) == 2
