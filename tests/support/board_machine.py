"""People who work on the same tasks and conversations through the tools, and a model that is told the same."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support import board_views
from tests.support.backdating import Backdating
from tests.support.board_model import RECURRENCE, Board, By
from tests.support.board_strategies import BYS, CLIENTS, FIELDS, PLACES, ROLES, TITLES, USERS, ZONES, spelled
from tests.support.crowd import Crowds
from tests.support.permission_model import OK, REFUSED, Task

DAYS = 4
"""How far back a task may have been made."""
NEVER_GIVEN = 8_000_000_000_000_000_000


class Work(RuleBasedStateMachine):
    """Four people with two clients each work on the same things."""

    crowds: ClassVar[Crowds]
    past: ClassVar[Backdating]

    def __init__(self) -> None:
        super().__init__()
        self.crowd = self.crowds.make(CLIENTS)
        self.users = [person.user_id for person in self.crowd.people]
        self.board = Board()

    # What the rules are made of.

    def pick(self, things: dict[int, Any], place: int) -> int:
        known = [*things, NEVER_GIVEN]
        return known[place % len(known)]

    def by(self, who: tuple[int, str]) -> By:
        return By(self.users[who[0]], who[1])

    def attempt(self, by: By, tool: str, expected: str, /, **arguments: Any) -> dict[str, Any] | None:
        return self.crowd.attempt(by.user, tool, expected, arguments, by.client)

    def timed(self, by: By, tool: str, expected: str, /, **arguments: Any) -> tuple[dict[str, Any], datetime] | None:
        """As `attempt`, with the moment at which the product says that it happened."""
        before = datetime.now(UTC)
        result = self.attempt(by, tool, expected, **arguments)
        if result is None:
            return None
        happened = datetime.fromisoformat(result["updated_at"])
        assert before <= happened <= datetime.now(UTC)
        return result, happened

    # What people do.

    @initialize(roles=st.tuples(ROLES, ROLES), titles=st.tuples(TITLES, TITLES, TITLES, TITLES), fields=FIELDS)
    def begin(self, roles: tuple[str, str], titles: tuple[str, ...], fields: dict[str, Any]) -> None:
        """A team of three, and a task of everybody's."""
        self.found_team((0, "desk"))
        for number, role in enumerate(roles, start=1):
            self.add_member((0, "desk"), 0, number, role)
        for number, title in enumerate(titles):
            self.add((number, "desk"), title, fields, number < 2, False, 0)

    @rule(who=BYS, title=TITLES, fields=FIELDS, in_team=st.booleans(), recurs=st.booleans(), place=PLACES)
    def add(self, who: tuple[int, str], title: str, fields: dict[str, Any], in_team: bool, recurs: bool, place: int):
        by, team = self.by(who), self.pick(self.board.teams, place) if in_team else None
        said = spelled(fields) | {"title": title}
        if recurs and len(said.get("due", "")) == 10:
            said["recurrence"] = RECURRENCE
        there = {} if team is None else {"team_id": team}
        added = self.timed(by, "add_task", self.board.may_put_into(by.user, team), **said, **there)
        if added is not None:
            self.board.add(by, {added[0]["id"]: replace(Task(by.user, team, title, created_at=added[1]), **said)})

    @rule(who=BYS, titles=st.tuples(TITLES, TITLES, TITLES))
    def add_several(self, who: tuple[int, str], titles: tuple[str, ...]) -> None:
        by = self.by(who)
        added = self.attempt(by, "add_tasks", OK, tasks=[{"title": title} for title in titles])
        assert added is not None
        tasks = [result["task"] for result in added["results"]]
        assert len({task["created_at"] for task in tasks}) == 1
        created = datetime.fromisoformat(tasks[0]["created_at"])
        self.board.add(by, {t["id"]: Task(by.user, None, t["title"], created_at=created) for t in tasks})

    @rule(who=BYS, place=PLACES, title=st.none() | TITLES, fields=FIELDS, status=st.sampled_from(("", "in_progress")))
    def change(self, who: tuple[int, str], place: int, title: str | None, fields: dict[str, Any], status: str) -> None:
        """Also with what it is already, which is no change."""
        by, task_id = self.by(who), self.pick(self.board.tasks, place)
        said = spelled(fields) | ({"status": status} if status else {}) | ({"title": title} if title else {})
        if task_id in self.board.tasks and self.board.tasks[task_id].recurrence and len(said.get("due", "")) != 10:
            said.pop("due", None)  # the model repeats dates only
        expected = self.board.may_change(by.user, task_id)
        if self.attempt(by, "update_task", expected, task_id=task_id, **said) is not None:
            self.board.update(by, task_id, said)

    @rule(who=BYS, zone=ZONES)
    def travel(self, who: tuple[int, str], zone: str) -> None:
        by = self.by(who)
        assert self.attempt(by, "set_timezone", OK, timezone=zone) is not None
        self.board.zones[by.user] = ZoneInfo(zone)

    @rule(who=BYS, place=PLACES, team_place=PLACES, out=st.booleans())
    def move(self, who: tuple[int, str], place: int, team_place: int, out: bool) -> None:
        by, task_id = self.by(who), self.pick(self.board.tasks, place)
        team = None if out else self.pick(self.board.teams, team_place)
        said: dict[str, Any] = {"clear": ["team_id"]} if team is None else {"team_id": team}
        expected = self.board.may_move(by.user, task_id, team)
        if self.attempt(by, "update_task", expected, task_id=task_id, **said) is not None:
            self.board.update(by, task_id, {"team_id": team})

    @rule(who=BYS, place=PLACES)
    def complete(self, who: tuple[int, str], place: int) -> None:
        by, task_id = self.by(who), self.pick(self.board.tasks, place)
        done = self.attempt(by, "complete_task", self.board.may_change(by.user, task_id), task_id=task_id)
        if done is None or self.board.tasks[task_id].status == "completed":
            return
        following, found = self.board.following(task_id), done.get("next_occurrence")
        if isinstance(following, str):
            assert found is not None
            assert found["due"] == following
        elif following is None or self.board.access(by.user, following) is None:
            assert found is None
        else:
            assert found == board_views.brief(self.board, by.user, following)
        happened = datetime.fromisoformat(done["completed_at"])
        self.board.complete(by, task_id, happened, None if found is None else found["id"])

    @rule(who=BYS, places=st.lists(PLACES, min_size=1, max_size=3, unique=True))
    def delete(self, who: tuple[int, str], places: list[int]) -> None:
        by = self.by(who)
        task_ids = sorted({self.pick(self.board.tasks, place) for place in places})
        refused = [may for n in task_ids if (may := self.board.may_delete(by.user, n)) != OK]
        expected = OK if not refused else REFUSED if refused[0] == REFUSED else f"{refused[0]} Nothing was deleted."
        if self.attempt(by, "delete_task", expected, task_ids=task_ids) is not None:
            self.board.delete(by, task_ids)

    @rule(who=BYS, place=PLACES)
    def restore(self, who: tuple[int, str], place: int) -> None:
        by, task_id = self.by(who), self.pick(self.board.tasks, place)
        if self.attempt(by, "restore_task", self.board.may_delete(by.user, task_id), task_id=task_id) is not None:
            self.board.restore(by, task_id)

    @rule(who=BYS, place=PLACES, whom=USERS, permission=st.sampled_from(("view", "edit")))
    def share(self, who: tuple[int, str], place: int, whom: int, permission: str) -> None:
        by, other, task_id = self.by(who), self.users[whom], self.pick(self.board.tasks, place)
        expected = self.board.may_share(by.user, task_id, other)
        said = {"task_id": task_id, "user": other, "permission": permission}
        if self.attempt(by, "share_task", expected, **said) is not None:
            self.board.share(by, task_id, other, permission)

    @rule(who=BYS, place=PLACES, whom=USERS)
    def unshare(self, who: tuple[int, str], place: int, whom: int) -> None:
        by, other, task_id = self.by(who), self.users[whom], self.pick(self.board.tasks, place)
        if self.board.may_unshare(by.user, task_id, other) == OK:
            self.attempt(by, "unshare_task", OK, task_id=task_id, user=other)
            self.board.share(by, task_id, other, None)

    @rule(who=BYS)
    def found_team(self, who: tuple[int, str]) -> None:
        if len(self.board.teams) < 3:
            team = self.attempt(self.by(who), "create_team", OK, name="Team")
            assert team is not None
            self.board.teams[team["id"]] = {self.by(who).user: "owner"}

    @rule(who=BYS, place=PLACES, whom=USERS, role=ROLES)
    def add_member(self, who: tuple[int, str], place: int, whom: int, role: str) -> None:
        by, other, team = self.by(who), self.users[whom], self.pick(self.board.teams, place)
        if self.board.may_add_member(by.user, team, other, role) == OK:
            self.attempt(by, "add_team_member", OK, team_id=team, user=other, role=role)
            self.board.teams[team][other] = role

    @rule(place=PLACES, ago=st.integers(0, DAYS), border=st.sampled_from((0, 1, 2)))
    def backdate(self, place: int, ago: int, border: int) -> None:
        """Let a task have been created, and completed, on an earlier day: at its first moment, its noon or its last."""
        task_id = self.pick(self.board.tasks, place)
        if task_id == NEVER_GIVEN:
            return
        now = datetime.now(UTC)
        day = now.date() - timedelta(days=ago)
        then = min(now, datetime.combine(day, (time(0), time(12), time.max)[border], UTC))
        task = self.board.tasks[task_id]
        self.crowd.run(self.past.create_at(task_id, then))
        task.created_at = then
        if task.status == "completed":
            then = min(now, then + timedelta(hours=12))
            self.crowd.run(self.past.complete_at(task_id, then))
            task.completed_at = then

    @rule(who=BYS, place=PLACES, titled=st.booleans(), texts=st.lists(TITLES, max_size=3), new=st.booleans())
    def talk(self, who: tuple[int, str], place: int, titled: bool, texts: list[str], new: bool) -> None:
        by, chat = self.by(who), self.pick(self.board.chats, place)
        messages = [{"role": "user", "content": text} for text in texts]
        if new:
            title = {"title": "plum pie"} if titled else {}
            begun = self.attempt(by, "start_conversation", OK, messages=messages, **title)
            assert begun is not None
            self.board.keep(by.user, begun["id"], texts, title.get("title"))
        elif texts:
            expected = self.board.may_use_chat(by.user, chat)
            if self.attempt(by, "append_messages", expected, conversation_id=chat, messages=messages) is not None:
                self.board.keep(by.user, chat, texts)

    @rule(who=BYS, place=PLACES)
    def forget(self, who: tuple[int, str], place: int) -> None:
        by, chat = self.by(who), self.pick(self.board.chats, place)
        expected = self.board.may_use_chat(by.user, chat)
        if self.attempt(by, "delete_conversation", expected, conversation_id=chat) is not None:
            self.board.forget(chat)
