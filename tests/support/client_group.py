"""Users with open MCP clients for Hypothesis, which calls plain functions outside pytest's event loop."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx2
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, PromptReference, TextContent, TextResourceContents
from starlette.types import Receive, Scope, Send

from mcp_server.api.dashboard_routes import build_bridge
from mcp_server.identity.callers import Callers
from mcp_server.protocol.server import build_mcp_server
from storage.engine.database import Database
from tests.conftest import Person
from tests.support.permission_model import OK, REFUSED

EXAMPLES = int(os.environ.get("TASKDECK_TEST_EXAMPLES", "25"))

Result = TypeVar("Result")


class ClientGroup:
    """The users of one example; their clients stay open until it ends."""

    def __init__(self, runner: asyncio.Runner, people: list[Person], clients: Iterable[str] = ("pytest",)) -> None:
        self.people = people
        self._names = tuple(clients)
        self._clients: dict[tuple[str, str], Client] = {}
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
        # A client must be closed by the task that opened it.
        async with AsyncExitStack() as stack:
            for person in self.people:
                for name in self._names:
                    server = build_mcp_server(
                        person.settings, Callers(person.database), replace(person.caller, client=name)
                    )
                    client = await stack.enter_async_context(Client(server))
                    self._clients[person.user_id, name] = client
                    await client.call_tool("whoami", {})  # the first request stores the user's profile
            opened.set()
            await self._closing.wait()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop of the clients."""
        return self._runner.run(work)

    def client(self, user: str, name: str | None = None) -> Client:
        """A user's client by name, by default the first."""
        return self._clients[user, name or self._names[0]]

    def ask(self, user: str, tool: str, arguments: dict[str, Any], client: str | None = None) -> CallToolResult:
        return self.run(self.client(user, client).call_tool(tool, arguments))

    def attempt(
        self, user: str, tool: str, expected: str, arguments: dict[str, Any], client: str | None = None
    ) -> dict[str, Any] | None:
        """Call a tool and check the outcome that the model expects; return the result, None for an expected error."""
        result = self.ask(user, tool, arguments, client)
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

    def read(self, user: str, uri: str) -> Any:
        """Read a resource as JSON; None if the user has no such resource."""

        async def read() -> Any:
            try:
                (content,) = (await self.client(user).read_resource(uri, cache_mode="bypass")).contents
            except MCPError:
                return None
            assert isinstance(content, TextResourceContents)
            return json.loads(content.text)

        return self.run(read())

    def get(self, user: str, path: str, **query: Any) -> Any:
        """Read from the dashboard API as JSON."""
        (person,) = (person for person in self.people if person.user_id == user)
        bridge = build_bridge(Callers(person.database))

        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await bridge({**scope, "caller": person.caller}, receive, send)

        async def read() -> Any:
            transport = httpx2.ASGITransport(app=ask)
            async with httpx2.AsyncClient(transport=transport, base_url="http://bridge") as client:
                return (await client.get(path, params=query)).raise_for_status().json()

        return self.run(read())

    def get_prompt(self, user: str, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Get a prompt: its request text and its rows."""
        (message,) = self.run(self.client(user).get_prompt(name)).messages
        assert isinstance(message.content, TextContent)
        request, _, data = message.content.text.partition("\n\n")
        return request, [json.loads(line) for line in data.split("\n")[1:]]

    def complete(self, user: str, argument: str) -> list[str]:
        """The completions for an empty argument."""
        reference = PromptReference(name="plan_my_day")
        return self.run(self.client(user).complete(reference, {"name": argument, "value": ""})).completion.values

    def close(self) -> None:
        async def close() -> None:
            self._closing.set()
            await self._host

        self.run(close())


@dataclass(frozen=True)
class ClientGroups:
    """Makes groups of new users, each with one client per name."""

    runner: asyncio.Runner
    make: Callable[[Iterable[str]], ClientGroup]


@contextmanager
def client_groups(database_url: str, zones: dict[str, str], person: Callable[[str], Person]) -> Generator[ClientGroups]:
    """Groups of users with these names and time zones, in an event loop of its own."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        opening = Database.open(database_url)
        database = runner.run(opening.__aenter__())

        def make_group(clients: Iterable[str]) -> ClientGroup:
            known = [replace(person(name), database=database, timezone=zone) for name, zone in zones.items()]
            return ClientGroup(runner, known, clients)

        yield ClientGroups(runner, make_group)
        runner.run(opening.__aexit__(None, None, None))


def run_machine(machine: type[RuleBasedStateMachine], groups: ClientGroups, steps: int) -> None:
    """Run a state machine with these `groups` for TASKDECK_TEST_EXAMPLES examples."""
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]: partly untyped there
        type(f"{machine.__name__}Here", (machine,), {"groups": groups}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            print_blob=True,
        ),
    )
