"""Following the advice of errors leads to an accepted call, after at most as many errors as there were faults."""

import asyncio
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp import Client
from mcp.types import TextContent

from mcp_server.tools.registry import TOOLS
from tests.conftest import Person, introduce
from tests.support.advice import follow
from tests.support.argument_faults import break_arguments
from tests.support.consent import agreed
from tests.support.retrying_caller import RetryingCaller

EXAMPLES = int(os.environ.get("TASKDECK_TEST_EXAMPLES", "25"))

PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "Look"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
    {"type": "tool_use", "id": "t", "name": "look", "input": {}},
]
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "What is there?", "model": "some-model"},
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "content": "A cat", "tool_call_id": "c"},
    {"role": "assistant", "content": PARTS},
]


class World:
    """The objects that calls can name."""

    def __init__(self, person: Person, other: Person, team: int, task: int, chat: int) -> None:
        self.person, self.other, self.team, self.task, self.chat = person, other, team, task, chat

    @classmethod
    async def made(cls, person: Person, other: Person) -> "World":
        team = (await person.call("create_team", name="Team"))["id"]
        await agreed(person, "add_team_member", other, team_id=team)
        task = (await person.call("add_task", title="Task", team_id=team))["id"]
        chat = (await person.call("start_conversation", messages=MESSAGES))["id"]
        return cls(person, other, team, task, chat)

    async def new_task(self) -> int:
        return (await self.person.call("add_task", title="Another"))["id"]


def full_task(world: World) -> dict[str, Any]:
    return {
        "title": "Water the plants",
        "description": "All of them",
        "priority": "high",
        "due": "2027-03-01T17:00:00+01:00",
        "tags": ["home", "garden"],
        "team_id": world.team,
        "parent_id": world.task,
        "assignee": world.person.email,
        "recurrence": "FREQ=WEEKLY;BYDAY=MO",
    }


async def _update(world: World) -> dict[str, Any]:
    task = await world.new_task()
    fields = {name: value for name, value in full_task(world).items() if name != "description"}
    return {"task_id": task, **fields, "status": "in_progress", "clear": ["description"], "expected_version": 1}


async def _restore(world: World) -> dict[str, Any]:
    task = await world.new_task()
    await world.person.call("delete_task", task_id=task)
    return {"task_id": task}


async def _remove_member(world: World) -> dict[str, Any]:
    await agreed(world.person, "add_team_member", world.other, team_id=world.team)
    return {"team_id": world.team, "user": world.other.user_id}


async def _unshare(world: World) -> dict[str, Any]:
    await agreed(world.person, "share_task", world.other, task_id=world.task)
    return {"task_id": world.task, "user": world.other.user_id}


async def _delete_team(world: World) -> dict[str, Any]:
    return {"team_id": (await world.person.call("create_team", name="Short-lived"))["id"]}


async def _undo(world: World) -> dict[str, Any]:
    await world.new_task()
    return {"count": 1}


async def _delete_conversation(world: World) -> dict[str, Any]:
    return {"conversation_id": (await world.person.call("start_conversation"))["id"]}


async def _delete(world: World) -> dict[str, Any]:
    return {"task_ids": [await world.new_task(), await world.new_task()], "confirm": True}


def _key() -> str:
    return secrets.token_hex(8)


SIMPLE: dict[str, Callable[[World], dict[str, Any]]] = {
    "add_task": lambda world: full_task(world) | {"idempotency_key": _key()},
    "add_tasks": lambda world: {
        "tasks": [full_task(world), {"title": "Small"}],
        "atomic": True,
        "idempotency_key": _key(),
    },
    "set_timezone": lambda world: {"timezone": "Europe/Berlin"},
    "list_tasks": lambda world: {
        "status": "all",
        "scope": "team",
        "team_id": world.team,
        "search": "plants",
        "tag": "home",
        "priority": "high",
        "due_before": "2028-01-01",
        "due_after": "2026-01-01T00:00:00Z",
        "sort": "due",
        "detail": "full",
        "limit": 10,
    },
    "get_task": lambda world: {"task_id": world.task},
    "complete_task": lambda world: {"task_id": world.task},
    "create_team": lambda world: {"name": "A team"},
    "list_teams": lambda world: {},
    "add_team_member": lambda world: {"team_id": world.team, "user": world.other.email, "role": "admin"},
    "share_task": lambda world: {"task_id": world.task, "user": world.other.email, "permission": "edit"},
    "start_conversation": lambda world: {"title": "A chat", "messages": MESSAGES, "idempotency_key": _key()},
    "append_messages": lambda world: {
        "conversation_id": world.chat,
        "messages": MESSAGES,
        "idempotency_key": _key(),
    },
    "list_conversations": lambda world: {"search": "cat", "limit": 5},
    "get_conversation": lambda world: {
        "conversation_id": world.chat,
        "limit": 5,
        "before_sequence": 9,
        "max_tokens": 1000,
    },
    "search_messages": lambda world: {"query": "cat", "limit": 5},
    "search": lambda world: {"query": "cat"},
    "fetch": lambda world: {"id": f"task:{world.task}"},
    "get_statistics": lambda world: {"team_id": world.team, "days": 7},
    "whoami": lambda world: {},
}


async def _answer(world: World) -> dict[str, Any]:
    name = f"stranger-{secrets.token_hex(4)}"
    stranger = await introduce(replace(world.person, user_id=name, email=f"{name}@example.com"))
    task = (await stranger.call("add_task", title="Offered"))["id"]
    await stranger.call("share_task", task_id=task, user=world.person.email)
    (offered,) = (await world.person.call("manage_invitations"))["invitations"][:1]
    return {"action": "accept", "invitation_id": offered["id"]}


PREPARED: dict[str, Callable[[World], Awaitable[dict[str, Any]]]] = {
    "update_task": _update,
    "delete_task": _delete,
    "restore_task": _restore,
    "undo": _undo,
    "delete_team": _delete_team,
    "manage_invitations": _answer,
    "remove_team_member": _remove_member,
    "unshare_task": _unshare,
    "delete_conversation": _delete_conversation,
}


async def error_of(client: Client, tool: str, arguments: dict[str, Any]) -> str | None:
    """The error of a call, None if it succeeds."""
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text if result.is_error else None


async def follow_to_the_end(
    client: Client, tool: str, arguments: dict[str, Any], intended: dict[str, Any], most: int
) -> None:
    caller, followed = RetryingCaller(arguments, intended), list[str]()
    while (refusal := await error_of(client, tool, caller.arguments)) is not None:
        sentences = follow(caller, refusal)
        repeated = set(sentences) & set(followed) - {"Nothing was added.", "Nothing was deleted."}
        assert not repeated, f"repeated advice: {repeated}"
        followed += sentences
        most -= 1
        assert most >= 0, followed


@pytest.mark.parametrize("tool", TOOLS)
async def test_following_the_advice_of_errors_leads_to_an_accepted_call(alice: Person, bob: Person, tool: str) -> None:
    loop, world = asyncio.get_running_loop(), await World.made(alice, bob)

    async def prepare() -> dict[str, Any]:
        return await PREPARED[tool](world) if tool in PREPARED else SIMPLE[tool](world)

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,  # the same examples each time; raise TASKDECK_TEST_EXAMPLES to look for more
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        intended = asyncio.run_coroutine_threadsafe(prepare(), loop).result()
        arguments, count = break_arguments(data, TOOLS[tool].wire.input_schema, intended)
        ending = follow_to_the_end(client, tool, arguments, intended, count)
        asyncio.run_coroutine_threadsafe(ending, loop).result()

    async with alice.client() as client:
        # Raised here, it would be wrapped by the client's task group.
        (failure,) = await asyncio.gather(asyncio.to_thread(run), return_exceptions=True)
    if failure is not None:
        raise failure


async def recurring(person: Person) -> int:
    task = await person.call("add_task", title="Water the plants", due="2027-03-01", recurrence="FREQ=DAILY")
    return task["id"]


@pytest.mark.parametrize(
    ("tool", "wrong", "sentence"),
    [
        (
            "add_task",
            {"title": "x", "recurrence": "FREQ=DAILY"},
            "A recurring task needs a due date: give due as well.",
        ),
        (
            "add_task",
            {"title": "x", "recurrence": "FREQ=DAILY", "due": None},
            "due is null: give it, for recurrence needs it.",
        ),
        (
            "add_tasks",
            {"tasks": [{"title": "x", "recurrence": "FREQ=DAILY", "due": None}]},
            "tasks.0.due is null: give it, for recurrence needs it. Nothing was added.",
        ),
        (
            "add_task",
            {"title": "x", "due": "2027-03-01", "recurrence": "FREQ=DAILY;BYHOUR=9"},
            "recurrence: BYHOUR and BYMINUTE need a due with a time, such as 2026-03-01T17:00:00+01:00.",
        ),
        ("delete_task", {}, "Give either task_id, or task_ids for several."),
        ("delete_task", {"task_id": "TASK", "task_ids": ["TASK"]}, "Give either task_id, or task_ids for several."),
        (
            "update_task",
            {"task_id": "TASK", "due": "2027-04-01", "clear": ["due"]},
            "due is both given and in clear: leave one of them out.",
        ),
        (
            "update_task",
            {"task_id": "TASK", "clear": ["due"]},
            "A recurring task needs its due date: clear recurrence as well.",
        ),
        (
            "update_task",
            {"task_id": "TASK", "clear": ["due"], "recurrence": "FREQ=WEEKLY"},
            "A recurring task needs its due date: leave due out of clear.",
        ),
        (
            "update_task",
            {"task_id": "TASK", "recurrence": "FREQ=WEEKLY", "due": None},
            "due is null: give it, for recurrence needs it.",
        ),
    ],
)
async def test_conflicting_arguments_are_explained(
    alice: Person, tool: str, wrong: dict[str, Any], sentence: str
) -> None:
    task = await recurring(alice)
    arguments = json.loads(json.dumps(wrong).replace('"TASK"', str(task)))
    intended = arguments | {"due": "2027-04-01", "task_ids": [task]}
    if tool == "add_tasks":
        intended = {"tasks": [arguments["tasks"][0] | {"due": "2027-04-01"}]}
    async with alice.client() as client:
        assert await error_of(client, tool, arguments) == sentence
        caller = RetryingCaller(arguments, intended)
        follow(caller, sentence)
        assert await error_of(client, tool, caller.arguments) is None


async def test_assignee_who_cannot_see_the_task_can_be_assigned_as_advised(alice: Person, bob: Person) -> None:
    assert await alice.refusal("add_task", title="x", assignee=bob.email) == (
        f"{bob.email} cannot see this task: give a team_id of a team that they are in, or leave assignee out, and "
        "assign it (update_task) when it is shared with them (share_task)."
    )
    team = (await alice.call("create_team", name="Team"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    await alice.call("add_task", title="x", assignee=bob.email, team_id=team)
    task = (await alice.call("add_task", title="x"))["id"]
    assert await alice.refusal("update_task", task_id=task, assignee=bob.email) == (
        f"{bob.email} cannot see this task: share it with them (share_task), or add them to its team first."
    )
    await agreed(alice, "share_task", bob, task_id=task)
    assert (await alice.call("update_task", task_id=task, assignee=bob.email))["assignee"] == bob.user_id
