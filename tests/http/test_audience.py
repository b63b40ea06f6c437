"""Live sockets receive changes of exactly the tasks their users may see, while shares, memberships and teams change."""

import asyncio
import json
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from websockets.exceptions import ConnectionClosed

from storage.people import teams
from storage.schema.request_models import NewTask, TaskFields
from storage.schema.response_models import TaskView
from storage.tasks import sharing, tasks
from tests.conftest import Person, introduce
from tests.support.consent import add_member, share
from tests.support.running_server import Listener, RunningServer

pytestmark = pytest.mark.long

CREWS = 3
CHANGES = 12
"""Tasks changed at once after each change of visibility; more than 100 would cause a resync."""
EVENTS = 10_000 if "TASKDECK_TEST_POOLER" not in os.environ else 1_000

Event = tuple[int, datetime]
"""A task id and the time of a change."""


@dataclass
class Crew:
    """Five people, a team owned by the first, and two tasks of each: at first one in the team and one private."""

    people: list[Person]
    rng: random.Random
    team_id: int = 0
    members: set[str] = field(default_factory=set[str])
    shares: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    tasks: dict[int, tuple[Person, bool]] = field(default_factory=dict[int, tuple[Person, bool]])
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    received: dict[str, Counter[Event]] = field(default_factory=dict[str, Counter[Event]])
    expected: dict[str, Counter[Event]] = field(default_factory=dict[str, Counter[Event]])

    async def prepare(self) -> None:
        """Let each person join the team to add a task and leave again: at first only the owner is a member."""
        owner = self.people[0]
        self.team_id = (await teams.create(owner.scope, "Crew")).id
        for person in self.people:
            if person is not owner:
                await add_member(owner.scope, self.team_id, person.scope)
            for team_id in (self.team_id, None):
                new = NewTask.model_validate({"title": "Watched", "team_id": team_id})
                self.tasks[(await tasks.add(person.scope, new)).id] = person, team_id is not None
            if person is not owner:
                await self._leave(person)
            self.received[person.user_id], self.expected[person.user_id] = Counter(), Counter()
        self.members = {owner.user_id}
        self.begun = datetime.now(UTC)

    def may_see(self, user_id: str, task_id: int) -> bool:
        """A task is visible to its owner, the members of its team, and those it is shared with."""
        owner, in_team = self.tasks[task_id]
        return user_id == owner.user_id or (task_id, user_id) in self.shares or (in_team and user_id in self.members)

    async def change_visibility(self) -> None:
        """Change a membership, a share, or the team of a task."""
        await self.rng.choice((self._join_or_leave, self._share_or_not, self._move))()

    async def _join_or_leave(self) -> None:
        person, owner = self.rng.choice(self.people[1:]), self.people[0].scope
        if person.user_id in self.members:
            await self._leave(person)
        else:
            await add_member(owner, self.team_id, person.scope)
        self.members ^= {person.user_id}

    async def _leave(self, person: Person) -> None:
        """Their tasks in the team go to its owner, without their shares."""
        owner = self.people[0]
        await teams.remove_member(owner.scope, self.team_id, person.user_id)
        handed_over = {id for id, (lender, together) in self.tasks.items() if together and lender is person}
        self.tasks |= dict.fromkeys(handed_over, (owner, True))
        self.shares = {(id, other) for id, other in self.shares if id not in handed_over}

    async def _share_or_not(self) -> None:
        task_id = self.rng.choice(sorted(self.tasks))
        lender = self.tasks[task_id][0]
        person = self.rng.choice([one for one in self.people if one is not lender])
        if (task_id, person.user_id) in self.shares:
            await sharing.unshare(lender.scope, task_id, person.user_id)
        else:
            await share(lender.scope, task_id, person.scope)
        self.shares ^= {(task_id, person.user_id)}

    async def _move(self) -> None:
        """Move a task out of the team, or into it if its owner is a member. Only the owner does this."""
        movable = [
            id
            for id, (owner_of_task, in_team) in self.tasks.items()
            if in_team or owner_of_task.user_id in self.members
        ]
        task_id = self.rng.choice(sorted(movable))
        owner_of_task, in_team = self.tasks[task_id]
        fields = TaskFields.model_validate({} if in_team else {"team_id": self.team_id})
        await tasks.change(owner_of_task.scope, task_id, fields, clear=("team_id",) if in_team else ())
        self.tasks[task_id] = owner_of_task, not in_team

    async def run_round(self) -> None:
        """Change visibility, then tasks, and wait until everybody received what they should."""
        await self.change_visibility()
        chosen = [self.rng.choice(sorted(self.tasks)) for _ in range(CHANGES)]
        changed = await asyncio.gather(*(self._change(task_id) for task_id in chosen))
        self._expect(Counter((task.id, datetime.fromisoformat(task.updated_at)) for task in changed))
        async with asyncio.timeout(30):
            while any(expected - self.received[name] for name, expected in self.expected.items()):  # noqa: ASYNC110 - a log raises no event
                await asyncio.sleep(0.005)
        # Sharing and moving change the task too; its owner's socket has received the time of that change by now.
        for owner in self.people:
            mine = {task_id for task_id, (owner_of_task, _) in self.tasks.items() if owner_of_task is owner}
            unexpected = self.received[owner.user_id] - self.expected[owner.user_id]
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
        """Count the events that a person receives until the socket closes."""
        with suppress(ConnectionClosed):
            async for text in socket.connection:
                message = json.loads(text)
                if "event_type" in message:
                    event = message["task_id"], datetime.fromisoformat(message["timestamp"])
                    self.received[person.user_id][event] += event[1] > self.begun


async def test_events_reach_only_users_who_may_see_the_task(
    server: RunningServer, person: Callable[[str], Person]
) -> None:
    names = ("ann", "ben", "cat", "dan", "eve")
    crews = [Crew([await introduce(person(name)) for name in names], random.Random(seed)) for seed in range(CREWS)]
    for crew in crews:
        await crew.prepare()
    async with AsyncExitStack() as stack:
        noting = [
            asyncio.create_task(crew.note(one, await stack.enter_async_context(server.socket(one.user_id))))
            for crew in crews
            for one in crew.people
        ]
        while sum(log.total() for crew in crews for log in crew.received.values()) < EVENTS:
            await asyncio.gather(*(crew.run_round() for crew in crews))
    await asyncio.gather(*noting)
    for crew in crews:
        assert crew.received == crew.expected
