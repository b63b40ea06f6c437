"""Plays one scenario: fills the board, runs the chats, and judges the board and the answers."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import anyio
from mcp import Client, MCPError

from evals import checks, dates
from evals.players import Message, Player, PlayerError, Tools
from evals.scenarios import Scenario
from evals.targets import Target, text_of
from evals.tokens import count

Connect = Callable[[str], AbstractAsyncContextManager[Client]]
"""Opens a client for a person, `ada` or `bob`, on the scenario's own board."""

MOST_TURNS = 40
"""Replies of a player in one chat; then it has failed."""

LOST = "Timed out after 30 s. The server may or may not have done it."


@dataclass
class Outcome:
    """What became of a scenario."""

    scenario: Scenario
    problems: list[str] = field(default_factory=list[str])
    """Why it failed; empty if it succeeded."""
    calls: int = 0
    errors: int = 0
    read: int = 0
    """Tokens of tool definitions, once for each chat, and of tool replies."""
    written: int = 0
    """Tokens of tool calls and answers."""
    seconds: float = 0.0
    transcripts: list[list[Message]] = field(default_factory=list[list[Message]])


@dataclass
class _Play:
    """A scenario under way."""

    scenario: Scenario
    target: Target
    connect: Connect
    bob: str
    outcome: Outcome
    reply_to_lose: bool

    async def chat(self, number: int, player: Player) -> None:
        """Run a chat and judge its last answer."""
        chat = self.scenario.chats[number]
        zone = ZoneInfo(self.scenario.timezone)
        now = datetime.now(zone)
        messages: list[Message] = [{"role": "system", "content": _system(now, self.scenario.timezone, self.bob)}]
        self.outcome.transcripts.append(messages)
        async with self.connect("ada") as client:
            listed = (await client.list_tools()).tools
            writing = {tool.name for tool in listed if not (tool.annotations and tool.annotations.read_only_hint)}
            tools = [_function(tool.name, tool.description or "", tool.input_schema) for tool in listed]
            self.outcome.read += count(json.dumps(tools, ensure_ascii=False)) + count(client.instructions or "")
            try:
                for words in chat.says:
                    messages.append({"role": "user", "content": dates.fill(words, now.date(), zone)})
                    await self._answer(client, messages, tools, writing, player)
            except PlayerError as error:
                self.outcome.problems.append(f"chat {number + 1}: {error}")
            else:
                self.outcome.problems += checks.read_answer(chat, str(messages[-1]["content"]))

    async def _answer(
        self, client: Client, messages: list[Message], tools: Tools, writing: set[str], player: Player
    ) -> None:
        for _ in range(MOST_TURNS):
            reply = await player.reply(messages, tools)
            messages.append(reply)
            self.outcome.written += count(str(reply["content"]))
            if not reply.get("tool_calls"):
                return
            for call in reply["tool_calls"]:
                text = await self._call(client, call["function"], writing)
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
        raise PlayerError(f"no answer after {MOST_TURNS} replies")

    async def _call(self, client: Client, function: dict[str, str], writing: set[str]) -> str:
        self.outcome.calls += 1
        self.outcome.written += count(function["name"]) + count(function["arguments"])
        try:
            result = await client.call_tool(function["name"], json.loads(function["arguments"] or "{}"))
            text, failed = text_of(result), result.is_error
        except ValueError:
            text, failed = "The arguments are not JSON.", True
        except MCPError as error:
            text, failed = str(error), True
        if self.reply_to_lose and function["name"] in writing and not failed:
            self.reply_to_lose = False
            text = LOST
        self.outcome.errors += bool(failed)
        self.outcome.read += count(text)
        return text


async def play(
    scenario: Scenario, target: Target, connect: Connect, players: list[Player], bob: str = "bob@example.com"
) -> Outcome:
    """Play a scenario with one player for each chat. The board of `ada` must be empty; `bob` is Bob's address."""
    outcome = Outcome(scenario)
    running = _Play(scenario, target, connect, bob, outcome, scenario.lose_reply)
    began = monotonic()
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(connect("ada"))
        before = await _fill(scenario, target, ada)
        async with anyio.create_task_group() as chats:
            for number, player in enumerate(players):
                chats.start_soon(running.chat, number, player)
        after = await target.rows(ada)
        outcome.problems += checks.compare_boards(scenario, before, after)
        if scenario.bob_sees is not None:
            other = await stack.enter_async_context(connect("bob"))
            outcome.problems += checks.compare_titles(scenario.bob_sees, await _accept(target, other))
    outcome.seconds = monotonic() - began
    return outcome


async def _fill(scenario: Scenario, target: Target, client: Client) -> list[dict[str, Any]]:
    """Put the scenario's tasks and conversations on an empty board, and return its tasks."""
    if await target.rows(client):
        raise ValueError("the board is not empty: give each run a person or a data folder of its own")
    zone = ZoneInfo(scenario.timezone)
    today = datetime.now(zone).date()
    if target.set_timezone:
        await target.run(client, target.set_timezone, timezone=scenario.timezone)
    ids: dict[str, Any] = {}
    for seed in scenario.tasks:
        for number in range(1, seed.repeat + 1):
            fields = seed.model_dump(exclude={"repeat", "status", "parent", "due", "title"})
            due = dates.write(dates.resolve(seed.due, today, zone)) if seed.due else None
            title = seed.title.replace("{n}", str(number))
            parent = ids[seed.parent] if seed.parent else None
            ids[title] = task = await target.run(client, target.add, **fields, title=title, due=due, parent=parent)
            if seed.status != "pending":
                change = target.complete if seed.status == "completed" else target.begin
                await target.run(client, change, id=task)
    for conversation in scenario.conversations:
        messages = [{"role": role, "content": text} for entry in conversation.messages for role, text in entry.items()]
        if target.remember:
            await target.run(client, target.remember, title=conversation.title, messages=messages)
    return await target.rows(client)


async def _accept(target: Target, client: Client) -> list[dict[str, Any]]:
    """Accept what is offered to a person, and return the tasks on their list."""
    if target.offers and target.accept:
        for offer in await target.run(client, target.offers):
            if offer.get("status") == "pending":
                await target.run(client, target.accept, id=offer["id"])
    return await target.rows(client)


def _system(now: datetime, timezone: str, bob: str) -> str:
    return (
        f"You help Ada with her tasks, by the tools. It is {now:%A} {now.day} {now:%B %Y}, {now:%H:%M} in {timezone}. "
        "Do what she asks without asking back, unless it is unclear what she means. End with one short answer. "
        f"Bob is {bob}."
    )


def _function(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
