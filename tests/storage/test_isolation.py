"""Nobody sees or changes what is not theirs to see or change, at any tool and resource, whatever happened before."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent

from mcp_server.settings import Settings
from mcp_server.tools.registry import TOOLS
from storage.engine.database import Database
from tests.conftest import Person
from tests.support.permission_model import OK, REFUSED, Chat, Household, Task

EXAMPLES = int(os.environ.get("TASKDECK_TEST_EXAMPLES", "25"))
STEPS = 60
NEVER_GIVEN = 8_000_000_000_000_000_000

# Every argument of every tool that can name somebody else's things; OWN is a task of whoever asks.
NAMING = {
    "whoami": (),
    "add_task": ('{"title": "x", "team_id": TEAM}', '{"title": "x", "parent_id": TASK}'),
    "add_tasks": (
        '{"tasks": [{"title": "x", "team_id": TEAM}]}',
        '{"tasks": [{"title": "x", "parent_id": TASK}], "atomic": false}',
    ),
    "list_tasks": ('{"team_id": TEAM}', '{"team_id": TEAM, "scope": "mine"}'),
    "get_task": ('{"task_id": TASK}',),
    "update_task": (
        '{"task_id": TASK, "title": "x"}',
        '{"task_id": TASK, "expected_version": 9}',
        '{"task_id": TASK, "clear": ["team_id"]}',
        '{"task_id": OWN, "team_id": TEAM}',
        '{"task_id": OWN, "parent_id": TASK}',
    ),
    "complete_task": ('{"task_id": TASK}',),
    "delete_task": ('{"task_id": TASK}', '{"task_ids": [OWN, TASK]}', '{"task_ids": [OWN, TASK], "confirm": true}'),
    "restore_task": ('{"task_id": TASK}',),
    "share_task": ('{"task_id": TASK, "user": "ME"}', '{"task_id": TASK, "user": "ALICE", "permission": "edit"}'),
    "unshare_task": ('{"task_id": TASK, "user": "ME"}', '{"task_id": TASK, "user": "ALICE"}'),
    "undo": (),
    "create_team": (),
    "list_teams": (),
    "add_team_member": ('{"team_id": TEAM, "user": "ME", "role": "owner"}', '{"team_id": TEAM, "user": "nobody"}'),
    "remove_team_member": ('{"team_id": TEAM, "user": "ALICE"}', '{"team_id": TEAM, "user": "ME"}'),
    "start_conversation": (),
    "append_messages": ('{"conversation_id": CHAT, "messages": [{"role": "user", "content": "x"}]}',),
    "list_conversations": (),
    "get_conversation": ('{"conversation_id": CHAT}', '{"conversation_id": CHAT, "before_sequence": 2}'),
    "search_messages": (),
    "delete_conversation": ('{"conversation_id": CHAT}',),
    "search": (),
    "fetch": ('{"id": "task:TASK"}', '{"id": "conversation:CHAT"}'),
    "get_statistics": ('{"team_id": TEAM}',),
}


@pytest.fixture
async def foreign(alice: Person) -> list[dict[str, int]]:
    """What is alice's: each entry gives a task, a team and a conversation."""
    team = (await alice.call("create_team", name="Home"))["id"]
    chat = (await alice.call("start_conversation", messages=[{"role": "user", "content": "secret"}]))["id"]
    tasks = [(await alice.call("add_task", title="secret", team_id=team))["id"] for _ in range(2)]
    await alice.call("delete_task", task_id=tasks[1])
    return [{"TASK": task, "TEAM": team, "CHAT": chat} for task in tasks]


def filled(template: str, ids: dict[str, Any]) -> str:
    for name, value in ids.items():
        template = template.replace(name, str(value))
    return template


def missing(ids: dict[str, int]) -> dict[str, int]:
    """Ids as long as those, which nothing has."""
    return {name: NEVER_GIVEN + number for number, name in enumerate(ids)}


def nameless(answer: str, ids: dict[str, int]) -> str:
    return re.sub(rf"\b({'|'.join(str(value) for value in ids.values())})\b", "ID", answer)


def test_every_tool_is_examined() -> None:
    assert set(NAMING) == set(TOOLS), "A new tool needs its line in NAMING."
    naming = {name for name, tool in TOOLS.items() if any(_names_something(f) for f in tool.arguments.model_fields)}
    assert naming <= {name for name, templates in NAMING.items() if templates}


def _names_something(field: str) -> bool:
    return field == "id" or field.endswith(("_id", "_ids"))


@pytest.mark.parametrize(("tool", "template"), [(tool, text) for tool, texts in NAMING.items() for text in texts])
async def test_a_foreign_thing_is_answered_like_a_missing_one(
    alice: Person, bob: Person, foreign: list[dict[str, int]], tool: str, template: str
) -> None:
    people = {"ME": bob.user_id, "ALICE": alice.user_id, "OWN": (await bob.call("add_task", title="own"))["id"]}

    async def answer(ids: dict[str, int]) -> str:
        result = await bob.ask(tool, **json.loads(filled(template, ids | people)))
        assert result.is_error or tool == "add_tasks"
        return nameless(result.model_dump_json(exclude={"meta"}), ids)

    for theirs in foreign:
        assert await answer(theirs) == await answer(missing(theirs))


@pytest.mark.parametrize("template", ["task://TASK", "conversation://CHAT"])
async def test_a_foreign_resource_is_answered_like_a_missing_one(
    bob: Person, foreign: list[dict[str, int]], template: str
) -> None:
    async def answer(ids: dict[str, int]) -> str:
        async with bob.client() as client:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(filled(template, ids))
        return nameless(refused.value.error.model_dump_json(), ids)

    for theirs in foreign:
        assert await answer(theirs) == await answer(missing(theirs))


async def test_a_call_kept_in_a_foreign_conversation_is_answered_like_one_kept_in_a_missing_one(
    bob: Person, foreign: list[dict[str, int]]
) -> None:
    async def answer(ids: dict[str, int]) -> str:
        async with bob.client() as client:
            meta = {"taskdeck/conversation_id": ids["CHAT"]}
            result = await client.call_tool("add_task", {"title": "x"}, meta=meta)  # pyright: ignore[reportArgumentType]: an open mapping
        assert result.is_error
        return nameless(result.model_dump_json(exclude={"meta"}), ids)

    assert await answer(foreign[0]) == await answer(missing(foreign[0]))
    assert (await bob.call("list_tasks"))["total_count"] == 0


async def test_lists_searches_and_statistics_show_a_stranger_nothing(
    bob: Person, foreign: list[dict[str, int]]
) -> None:
    assert (await bob.call("list_tasks", status="all", search="secret")) == {"tasks": [], "total_count": 0}
    assert (await bob.call("list_teams")) == {"teams": []}
    assert (await bob.call("list_conversations")) == {"conversations": [], "total_count": 0}
    assert (await bob.call("search_messages", query="secret")) == {"matches": []}
    assert (await bob.call("search", query="secret")) == {"results": []}
    assert (await bob.call("get_statistics", days=1))["total_tasks"] == 0
    assert "left to undo" in await bob.refusal("undo")
    async with bob.client() as client:
        assert [str(found.uri) for found in (await client.list_resources()).resources] == ["statistics://me"]


class Crowd:
    """People of one example, each with a client that stays open, in an event loop of its own."""

    def __init__(self, runner: asyncio.Runner, people: list[Person]) -> None:
        self.people = people
        self.clients: dict[str, Client] = {}
        self._runner = runner
        self._closing = asyncio.Event()
        self._host: asyncio.Task[None] = runner.run(self._open())

    async def _open(self) -> "asyncio.Task[None]":
        opened = asyncio.Event()
        host = asyncio.create_task(self._keep_open(opened))
        waiting = asyncio.create_task(opened.wait())
        await asyncio.wait({host, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return host

    async def _keep_open(self, opened: asyncio.Event) -> None:
        # A client is left by the task that entered it.
        async with AsyncExitStack() as stack:
            for person in self.people:
                client = self.clients[person.user_id] = await stack.enter_async_context(person.client())
                await client.call_tool("whoami", {})  # the first request makes one known to the others
            opened.set()
            await self._closing.wait()

    def ask(self, user: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        return self._runner.run(self.clients[user].call_tool(tool, arguments))

    def read(self, user: str, uri: str) -> bool:
        async def read() -> bool:
            try:
                await self.clients[user].read_resource(uri, cache_mode="bypass")
            except MCPError:
                return False
            return True

        return self._runner.run(read())

    def close(self) -> None:
        async def close() -> None:
            self._closing.set()
            await self._host

        self._runner.run(close())


@dataclass(frozen=True)
class Crowds:
    """Gathers four people who were never there before."""

    gather: Callable[[], Crowd]


USERS = st.integers(0, 3)
PLACES = st.integers(0, 40)
WORDS = st.sampled_from(["apple", "pear", "plum"])
PERMISSIONS = st.sampled_from(["view", "edit"])
ROLES = st.sampled_from(["owner", "admin", "member", "viewer"])


class Life(RuleBasedStateMachine):
    """Four people live with each other; what each sees is what the model says."""

    crowds: ClassVar[Crowds]

    def __init__(self) -> None:
        super().__init__()
        self.crowd = self.crowds.gather()
        self.users = [person.user_id for person in self.crowd.people]
        self.model = Household()
        self.turn = 0

    def teardown(self) -> None:
        for user in self.users:
            self.check(user)
        self.crowd.close()

    def pick(self, things: dict[int, Any], place: int) -> int:
        """Any id, also a deleted or a foreign one; now and then one that nothing has."""
        known = [*things, NEVER_GIVEN]
        return known[place % len(known)]

    def attempt(self, user: str, tool: str, expected: str, /, **arguments: Any) -> dict[str, Any] | None:
        """Call a tool as the model expects it to end."""
        result = self.crowd.ask(user, tool, arguments)
        content = result.content[0]
        assert isinstance(content, TextContent)
        if expected == OK:
            assert not result.is_error, content.text
            return result.structured_content
        assert result.is_error, content.text
        assert "on our side" not in content.text
        if expected == REFUSED:
            assert not content.text.startswith(("No task", "No conversation")), content.text
        else:
            assert content.text == expected
        return None

    @initialize(roles=st.tuples(ROLES, ROLES, ROLES), place=PLACES, whom=USERS, permission=PERMISSIONS)
    def move_in(self, roles: tuple[str, str, str], place: int, whom: int, permission: str) -> None:
        """Begin with a team and a task of everybody's, else most of a life would pass before two people met."""
        self.found_team(who=0)
        for number, role in enumerate(roles, start=1):
            self.add_member(who=0, place=0, whom=number, role=role)
        for number in range(4):
            self.add(who=number, word="apple", place=0, in_team=number != whom)
        self.add(who=0, word="pear", place=0, in_team=False)
        self.share(who=0, place=place, whom=whom, permission=permission)

    @rule(who=USERS, word=WORDS, place=PLACES, in_team=st.booleans())
    def add(self, who: int, word: str, place: int, in_team: bool) -> None:
        user, team = self.users[who], self.pick(self.model.teams, place) if in_team else None
        place_in = {"team_id": team} if team is not None else {}
        added = self.attempt(user, "add_task", self.model.may_put_into(user, team), title=word, **place_in)
        if added is not None:
            self.model.tasks[added["id"]] = Task(user, team, word)

    @rule(who=USERS, place=PLACES, word=WORDS)
    def rename(self, who: int, place: int, word: str) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        if self.attempt(user, "update_task", self.model.may_change(user, task), task_id=task, title=word) is not None:
            self.model.tasks[task].title = word

    @rule(who=USERS, place=PLACES, team_place=PLACES, out=st.booleans())
    def move(self, who: int, place: int, team_place: int, out: bool) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        team = None if out else self.pick(self.model.teams, team_place)
        change: dict[str, Any] = {"clear": ["team_id"]} if team is None else {"team_id": team}
        if self.attempt(user, "update_task", self.model.may_move(user, task, team), task_id=task, **change) is not None:
            self.model.tasks[task].team = team

    @rule(who=USERS, place=PLACES)
    def complete(self, who: int, place: int) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        if self.attempt(user, "complete_task", self.model.may_change(user, task), task_id=task) is not None:
            self.model.tasks[task].status = "completed"

    @rule(who=USERS, place=PLACES, back=st.booleans())
    def delete_or_restore(self, who: int, place: int, back: bool) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        tool = "restore_task" if back else "delete_task"
        if self.attempt(user, tool, self.model.may_delete(user, task), task_id=task) is not None:
            self.model.tasks[task].deleted = not back

    @rule(who=USERS, place=PLACES, whom=USERS, permission=PERMISSIONS)
    def share(self, who: int, place: int, whom: int, permission: str) -> None:
        user, other, task = self.users[who], self.users[whom], self.pick(self.model.tasks, place)
        said = {"task_id": task, "user": other, "permission": permission}
        if self.attempt(user, "share_task", self.model.may_share(user, task, other), **said) is not None:
            self.model.tasks[task].shares[other] = permission

    @rule(who=USERS, place=PLACES, whom=USERS)
    def unshare(self, who: int, place: int, whom: int) -> None:
        user, other, task = self.users[who], self.users[whom], self.pick(self.model.tasks, place)
        may = self.model.may_unshare(user, task, other)
        said = {"task_id": task, "user": other}
        if may == REFUSED:
            assert self.crowd.ask(user, "unshare_task", said).is_error
        elif self.attempt(user, "unshare_task", may, **said) is not None:
            del self.model.tasks[task].shares[other]

    @rule(who=USERS)
    def found_team(self, who: int) -> None:
        if len(self.model.teams) < 4:
            team = self.attempt(self.users[who], "create_team", OK, name="Team")
            assert team is not None
            self.model.teams[team["id"]] = {self.users[who]: "owner"}

    @rule(who=USERS, place=PLACES, whom=USERS, role=ROLES)
    def add_member(self, who: int, place: int, whom: int, role: str) -> None:
        user, other, team = self.users[who], self.users[whom], self.pick(self.model.teams, place)
        may = self.model.may_add_member(user, team, other, role)
        if self.attempt(user, "add_team_member", may, team_id=team, user=other, role=role) is not None:
            self.model.teams[team][other] = role

    @rule(who=USERS, place=PLACES, whom=USERS)
    def remove_member(self, who: int, place: int, whom: int) -> None:
        user, other, team = self.users[who], self.users[whom], self.pick(self.model.teams, place)
        may = self.model.may_remove_member(user, team, other)
        if self.attempt(user, "remove_team_member", may, team_id=team, user=other) is not None:
            del self.model.teams[team][other]

    @rule(who=USERS, word=WORDS)
    def start_chat(self, who: int, word: str) -> None:
        chat = self.attempt(self.users[who], "start_conversation", OK, messages=[{"role": "user", "content": word}])
        assert chat is not None
        self.model.chats[chat["id"]] = Chat(self.users[who], [word])

    @rule(who=USERS, place=PLACES, word=WORDS)
    def append(self, who: int, place: int, word: str) -> None:
        user, chat = self.users[who], self.pick(self.model.chats, place)
        said = {"conversation_id": chat, "messages": [{"role": "user", "content": word}]}
        if self.attempt(user, "append_messages", self.model.may_use_chat(user, chat), **said) is not None:
            self.model.chats[chat].messages.append(word)

    @rule(who=USERS, place=PLACES)
    def read(self, who: int, place: int) -> None:
        user, task, chat = self.users[who], self.pick(self.model.tasks, place), self.pick(self.model.chats, place)
        found = self.attempt(user, "get_task", self.model.may_read(user, task), task_id=task)
        if found is not None and found["access"] == "owner":
            assert {s["user_id"]: s["permission"] for s in found["shares"]} == self.model.tasks[task].shares
        page = self.attempt(user, "get_conversation", self.model.may_use_chat(user, chat), conversation_id=chat)
        if page is not None:
            assert [message["content"] for message in page["messages"]] == self.model.chats[chat].messages
        assert self.crowd.read(user, f"task://{task}") == (found is not None)
        assert self.crowd.read(user, f"conversation://{chat}") == (page is not None)

    @rule(who=USERS, scope=st.sampled_from(["mine", "shared", "team", "all"]), word=WORDS)
    def search(self, who: int, scope: str, word: str) -> None:
        user = self.users[who]
        page = self.attempt(user, "list_tasks", OK, status="all", scope=scope, search=word, limit=100)
        expected = {n for n, task in self.model.seen(user, scope).items() if task.title == word}
        assert page is not None
        assert {task["id"] for task in page["tasks"]} == expected
        matches = self.attempt(user, "search_messages", OK, query=word, limit=100)
        chats = {n for n, chat in self.model.chats.items() if chat.owner == user and word in chat.messages}
        assert matches is not None
        assert {match["conversation_id"] for match in matches["matches"]} == chats

    @invariant()
    def one_sees_what_the_model_says(self) -> None:
        """One after the other, for all of them at each step would take four times as long."""
        self.turn += 1
        self.check(self.users[self.turn % len(self.users)])

    def check(self, user: str) -> None:
        page = self.attempt(user, "list_tasks", OK, status="all", limit=100)
        assert page is not None
        seen = self.model.seen(user, "all")
        assert {t["id"]: (t["title"], t["status"], t["access"]) for t in page["tasks"]} == {
            n: (task.title, task.status, self.model.access(user, n)) for n, task in seen.items()
        }
        numbers = self.attempt(user, "get_statistics", OK, days=1)
        mine, shared = self.model.seen(user, "mine"), self.model.seen(user, "shared")
        assert numbers is not None
        assert (page["total_count"], numbers["total_tasks"]) == (len(seen), len(mine))
        assert numbers["completed_tasks"] == sum(task.status == "completed" for task in mine.values())
        assert numbers["shared_tasks"] == len(shared)


@pytest.fixture
def crowds(database_url: str, person: Callable[[str], Person], settings: Settings) -> Generator[Crowds]:
    """In a loop that pytest does not run."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        opening = Database.open(database_url)
        database = runner.run(opening.__aenter__())
        names = ("ann", "ben", "cleo", "dan")
        yield Crowds(
            lambda: Crowd(runner, [Person(person(n).user_id, f"{n}@example.com", database, settings) for n in names])
        )
        runner.run(opening.__aexit__(None, None, None))


@pytest.mark.timeout(3600)
def test_what_each_sees_is_what_the_model_says(crowds: Crowds) -> None:
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]: partly untyped there
        type("LifeHere", (Life,), {"crowds": crowds}),
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("name", ["", "a b", "a'b", "a\nb", "alice\n", "al\u0456ce", "a" * 129])
async def test_nobody_is_called_what_no_issuer_gives_out(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="user id"):
        database.scope(name)
