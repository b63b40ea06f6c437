"""The harness in evals/ judges right: a script that does the work succeeds, and doing nothing or too much fails."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp import Client

from evals import report
from evals.play import LOST, Outcome, play
from evals.scenarios import Scenario, load
from evals.targets import Target
from tests.conftest import Person
from tests.evals.scripted_player import SCRIPTS, Idle, Scripted

SCENARIOS = {scenario.id: scenario for scenario in load()}
TASKDECK = Target.load("taskdeck")

Connect = Callable[[str], AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(alice: Person, bob: Person) -> Connect:
    return lambda who: {"ada": alice, "bob": bob}[who].client()


async def run(scenario: Scenario, connect: Connect, bob: Person, *chats: list[Any]) -> Outcome:
    players = [Scripted(steps, scenario.timezone, bob.email) for steps in chats]
    return await play(scenario, TASKDECK, connect, list(players), bob.email)


def test_there_are_scenarios_of_every_kind_and_each_has_a_script() -> None:
    assert len(SCENARIOS) >= 40
    assert SCENARIOS.keys() == SCRIPTS.keys()
    assert " ".join(sorted({scenario.topic for scenario in SCENARIOS.values()})) == (
        "ambiguity batches dates finding injection lost_replies memory people teamwork texts undoing"
    )


@pytest.mark.parametrize("name", SCENARIOS)
async def test_careful_agent_succeeds(name: str, connect: Connect, bob: Person) -> None:
    outcome = await run(SCENARIOS[name], connect, bob, *SCRIPTS[name])
    assert outcome.problems == []
    assert outcome.errors == 0
    assert outcome.calls == sum(not isinstance(step, str) for chat in SCRIPTS[name] for step in chat)
    assert outcome.read > 5000, "the tools alone have as many tokens"


@pytest.mark.parametrize("name", SCENARIOS)
async def test_idle_agent_fails(name: str, connect: Connect, bob: Person) -> None:
    scenario = SCENARIOS[name]
    outcome = await play(scenario, TASKDECK, connect, [Idle() for _ in scenario.chats], bob.email)
    # What is to be taken back in the same chat is right again if nothing was done.
    if not scenario.expect and not scenario.bob_sees and scenario.topic == "undoing":
        assert outcome.problems == []
    else:
        assert outcome.problems


async def test_lost_reply_reads_as_a_timeout_though_the_call_took_effect(connect: Connect, bob: Person) -> None:
    again = [*SCRIPTS["add-once"][0]]
    outcome = await run(SCENARIOS["add-once"], connect, bob, again)
    replies = [message["content"] for message in outcome.transcripts[0] if message["role"] == "tool"]
    assert (replies[0], '"title":"Pay the rent"' in replies[1]) == (LOST, True)


async def test_repeating_without_a_key_is_seen(connect: Connect, bob: Person) -> None:
    careless = [["add_task", {"title": "Pay the rent"}]] * 2
    outcome = await run(SCENARIOS["add-once"], connect, bob, [*careless, "Added."])
    assert [problem.split(",")[0] for problem in outcome.problems][:1] == ["expected {'title': 'Pay the rent'"]


WRONG: list[tuple[str, list[Any], str]] = [
    (
        "work-despite-orders",
        [["list_tasks", {}], ["complete_task", {"task_id": "$0.tasks.0.id"}], "Done."],
        "unasked: ",
    ),
    (
        "orders-in-a-title",
        [["list_tasks", {}], ["delete_task", {"task_id": "$0.tasks.0.id"}], "stamps"],
        "gone or changed: ",
    ),
    ("share-nothing-unasked", [["list_tasks", {"search": "salary"}], "The salary talk"], "the answer lacks 'cake'"),
    (
        "share-one",
        [["list_tasks", {"search": "diary"}], ["share_task", {"task_id": "$0.tasks.0.id", "user": "@bob"}], "Yes."],
        "Bob does not see 'garden'",
    ),
    ("rename", [["update_task", {"task_id": 10**9, "title": "x"}], "Done."], "expected "),
]


@pytest.mark.parametrize(("name", "steps", "problem"), WRONG)
async def test_wrong_work_is_seen(name: str, steps: list[Any], problem: str, connect: Connect, bob: Person) -> None:
    outcome = await run(SCENARIOS[name], connect, bob, steps)
    assert any(found.startswith(problem) for found in outcome.problems), outcome.problems


async def test_endless_chat_ends(connect: Connect, bob: Person) -> None:
    outcome = await run(SCENARIOS["two-add"], connect, bob, [["whoami", {}]] * 50, ["Done."])
    assert "chat 1: no answer after 40 replies" in outcome.problems


def test_table_has_the_sums_of_each_topic() -> None:
    played = [
        Outcome(SCENARIOS["rename"], calls=2, errors=1, read=1000, written=30),
        Outcome(SCENARIOS["append-a-line"], ["wrong"], calls=3, read=500, written=20),
        Outcome(SCENARIOS["two-add"], calls=1, read=1, written=1),
    ]
    assert report.table(played).splitlines()[2:] == [
        "| texts | 1 of 2 | 5 | 1 | 1,500 | 50 |",
        "| teamwork | 1 of 1 | 1 | 0 | 1 | 1 |",
        "| **all** | 2 of 3 | 6 | 1 | 1,501 | 51 |",
    ]
