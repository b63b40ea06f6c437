"""Following the advice of errors leads to an accepted call, after at most as many errors as there were faults."""

import asyncio
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp import Client
from mcp.types import TextContent

from mcp_server.tools.registry import TOOLS
from tests.conftest import Person
from tests.support.advice import follow
from tests.support.argument_faults import break_arguments
from tests.support.consent import agreed
from tests.support.retrying_caller import RetryingCaller
from tests.support.valid_calls import PREPARED, SIMPLE, World

EXAMPLES = int(os.environ.get("TASKDECK_TEST_EXAMPLES", "25"))


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
