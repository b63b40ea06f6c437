"""Who hears of a change on the live socket while shares and memberships change and tasks move into and out of a team:
those who may see it, nobody else.
"""

import asyncio
import json
import os
import random
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from websockets.exceptions import ConnectionClosed

from mcp_server.settings import Settings
from storage.people import teams
from storage.schema.request_models import NewTask, TaskFields
from storage.schema.response_models import TaskView
from storage.tasks import sharing, tasks
from tests.conftest import Person, introduce
from tests.support.running_server import Listener, RunningServer, standing

CREWS = 3
CHANGES = 12
"""Tasks that change at once after each change of who may see what; more than 100 would be a resync."""
EVENTS = 10_000 if "TASKDECK_TEST_POOLER" not in os.environ else 1_000

Event = tuple[int, datetime]
"""A task, and when it changed."""


@pytest.fixture(scope="module")
async def house(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("house")})
    async with standing(settings, database_url, direct_url) as built:
        yield built


@dataclass
class Crew:
    """Five people, a team of the first of them, and two tasks of each: at first one of the team's, one of their own."""

    people: list[Person]
    dice: random.Random
    team_id: int = 0
    members: set[str] = field(default_factory=set[str])
    shares: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    tasks: dict[int, tuple[Person, bool]] = field(default_factory=dict[int, tuple[Person, bool]])
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    heard: dict[str, Counter[Event]] = field(default_factory=dict[str, Counter[Event]])
    expected: dict[str, Counter[Event]] = field(default_factory=dict[str, Counter[Event]])

    async def prepare(self) -> None:
        """Nobody is in the team at first but its owner, so each joins to add a task, and leaves again."""
        owner = self.people[0]
        self.team_id = (await teams.create(owner.scope, "Crew")).id
        for person in self.people:
            if person is not owner:
                await teams.add_member(owner.scope, self.team_id, person.user_id)
            for team_id in (self.team_id, None):
                new = NewTask.model_validate({"title": "Watched", "team_id": team_id})
                self.tasks[(await tasks.add(person.scope, new)).id] = person, team_id is not None
            if person is not owner:
                await teams.remove_member(owner.scope, self.team_id, person.user_id)
            self.heard[person.user_id], self.expected[person.user_id] = Counter(), Counter()
        self.members = {owner.user_id}
        self.begun = datetime.now(UTC)

    def may_see(self, user_id: str, task_id: int) -> bool:
        """The rule of the design: the owner, the members of the task's team, and those it is shared with."""
        owner, together = self.tasks[task_id]
        return user_id == owner.user_id or (task_id, user_id) in self.shares or (together and user_id in self.members)

    async def rearrange(self) -> None:
        """Let somebody join or leave the team, share a task or take that back, or move one into or out of the team."""
        await self.dice.choice((self._join_or_leave, self._share_or_not, self._move))()

    async def _join_or_leave(self) -> None:
        person = self.dice.choice(self.people[1:]).user_id
        change = teams.remove_member if person in self.members else teams.add_member
        await change(self.people[0].scope, self.team_id, person)
        self.members ^= {person}

    async def _share_or_not(self) -> None:
        task_id = self.dice.choice(sorted(self.tasks))
        lender = self.tasks[task_id][0]
        person = self.dice.choice([one.user_id for one in self.people if one is not lender])
        change = sharing.unshare if (task_id, person) in self.shares else sharing.share
        await change(lender.scope, task_id, person)
        self.shares ^= {(task_id, person)}

    async def _move(self) -> None:
        """Out of the team, or into it if the task's owner is a member: neither is for anybody else."""
        movable = [id for id, (lender, together) in self.tasks.items() if together or lender.user_id in self.members]
        task_id = self.dice.choice(sorted(movable))
        lender, together = self.tasks[task_id]
        fields = TaskFields.model_validate({} if together else {"team_id": self.team_id})
        await tasks.change(lender.scope, task_id, fields, clear=("team_id",) if together else ())
        self.tasks[task_id] = lender, not together

    async def disturb(self) -> None:
        """Rearrange, change tasks, and wait until everybody heard what they should."""
        await self.rearrange()
        chosen = [self.dice.choice(sorted(self.tasks)) for _ in range(CHANGES)]
        changed = await asyncio.gather(*(self._change(task_id) for task_id in chosen))
        self._expect(Counter((task.id, datetime.fromisoformat(task.updated_at)) for task in changed))
        async with asyncio.timeout(30):
            while any(expected - self.heard[name] for name, expected in self.expected.items()):  # noqa: ASYNC110 - a log raises no event
                await asyncio.sleep(0.005)
        # Sharing and moving are changes of the task as well; when it was, its owner has heard by now.
        for owner in self.people:
            mine = {task_id for task_id, (lender, _) in self.tasks.items() if lender is owner}
            unexpected = self.heard[owner.user_id] - self.expected[owner.user_id]
            self._expect(Counter({event: count for event, count in unexpected.items() if event[0] in mine}))

    def _expect(self, events: Counter[Event]) -> None:
        for person in self.people:
            self.expected[person.user_id].update(
                {event: count for event, count in events.items() if self.may_see(person.user_id, event[0])}
            )

    async def _change(self, task_id: int) -> TaskView:
        fields = TaskFields.model_validate({"title": secrets.token_hex(4)})
        return await tasks.change(self.tasks[task_id][0].scope, task_id, fields)

    async def note(self, person: Person, socket: Listener) -> None:
        """Keep what somebody hears, until the socket ends."""
        with suppress(ConnectionClosed):
            async for text in socket.connection:
                message = json.loads(text)
                if "event_type" in message:
                    event = message["task_id"], datetime.fromisoformat(message["timestamp"])
                    self.heard[person.user_id][event] += event[1] > self.begun


async def test_of_ten_thousand_events_none_reaches_anybody_who_may_not_see_the_task(
    house: RunningServer, person: Callable[[str], Person]
) -> None:
    names = ("ann", "ben", "cat", "dan", "eve")
    crews = [Crew([await introduce(person(name)) for name in names], random.Random(seed)) for seed in range(CREWS)]
    for crew in crews:
        await crew.prepare()
    async with AsyncExitStack() as stack:
        noting = [
            asyncio.create_task(crew.note(one, await stack.enter_async_context(house.socket(one.user_id))))
            for crew in crews
            for one in crew.people
        ]
        while sum(log.total() for crew in crews for log in crew.heard.values()) < EVENTS:
            await asyncio.gather(*(crew.disturb() for crew in crews))
    await asyncio.gather(*noting)
    for crew in crews:
        assert crew.heard == crew.expected
