"""A state machine: all counts, lists and orders equal a model in plain Python, after edits by several people."""

import json
import re
from collections.abc import Callable, Generator
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.conftest import Cluster, Person
from tests.support import board_views
from tests.support.backdating import Backdating, backdating
from tests.support.board_machine import EDITS, NEVER_GIVEN, Draw, Work
from tests.support.board_model import By
from tests.support.board_strategies import CLIENTS, ROLES, SORTS, WORDS, filters, spelled
from tests.support.board_views import now
from tests.support.client_group import ClientGroups, client_groups, run_machine
from tests.support.permission_model import OK, no_task, no_team

STEPS = 50
ZONES = {"ann": "Pacific/Kiritimati", "ben": "America/Los_Angeles", "cleo": "Europe/Berlin", "dan": "UTC"}
DAYS = 4
"""How many days back a task may have been created."""
LOOKS = (
    "list_tasks",
    "list_tasks",
    "list_completed",
    "read_task",
    "read_task",
    "search",
    "look_around",
    "review",
    "plan",
    "count",
    "backdate",
)


class Shown(Work):
    """Compares what a person sees with the model after each step."""

    past: ClassVar[Backdating]

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0

    def teardown(self) -> None:
        for user in self.users:
            self.check(user)
        self.group.close()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Start with a team of three and tasks of each person: otherwise they would rarely share anything."""
        first = By(self.users[0], CLIENTS[0])
        self.found_team(first, data.draw)
        (team,) = self.board.teams
        for other in self.users[1:3]:
            role = data.draw(ROLES)
            added = self.succeed(first, "add_team_member", team_id=team, user=other, role=role)
            assert not self.is_direct(added, first, other, team, None, role)
            self.answer_one(By(other, CLIENTS[0]), "accept")
        for user in self.users:
            self.add_several(By(user, CLIENTS[0]), data.draw)
            self.add(By(user, CLIENTS[1]), data.draw)

    @rule(deed=st.sampled_from(EDITS + LOOKS), data=st.data())
    def do(self, deed: str, data: st.DataObject) -> None:
        getattr(self, deed)(self.by(data.draw), data.draw)

    @invariant()
    def one_is_shown_what_the_model_says(self) -> None:
        """Check one person after the other: checking all at each step takes four times as long."""
        self.turn += 1
        self.check(self.users[self.turn % len(self.users)])

    def check(self, user: str) -> None:
        by = By(user, CLIENTS[0])
        self.compare_numbers(by, None, 1 + self.turn % (DAYS + 2))
        wanted = {"status": "all", "sort": SORTS[self.turn % 4], "limit": (3, 100)[self.turn % 3 > 0]}
        wanted |= ({}, {}, {"due": "overdue"}, {"due": "today"}, {"due": "week"}, {"due": "none"})[self.turn % 6]
        rows = self.list_as_expected(by, wanted | {"detail": "full"})
        assert [with_moments(row) for row in rows] == [board_views.full(self.board, user, row["id"]) for row in rows]

    def backdate(self, by: By, draw: Draw) -> None:
        """Backdate the creation and completion of a task to the start, noon or end of an earlier day."""
        task_id = self.pick_task(draw, by)
        if task_id == NEVER_GIVEN:
            return
        task, ago = self.board.tasks[task_id], draw(st.integers(0, DAYS))
        zone = board_views.zone_of(self.board, task.owner)
        day = now().astimezone(zone).date() - timedelta(days=ago)
        then = min(now(), datetime.combine(day, draw(st.sampled_from((time(0), time(12), time.max))), zone))
        self.group.run(self.past.create_at(task_id, then))
        task.created_at = then
        if task.status == "completed":
            self.group.run(self.past.complete_at(task_id, then))
            task.completed_at = then
        for days in {ago, ago + 1} - {0}:
            self.compare_numbers(By(task.owner, CLIENTS[0]), None, days)

    # What people see.

    def agree(self, ask: Callable[[], Any], expected: Callable[[datetime], Any]) -> None:
        """Compare a value that depends on the time; repeats if time changed the expected value meanwhile."""
        while True:
            before = expected(now())
            shown = ask()
            if before == expected(now()):
                assert shown == before
                return

    def all_pages(self, by: By, tool: str, key: str, **arguments: Any) -> tuple[list[dict[str, Any]], set[int]]:
        """The rows of all pages, and the distinct totals."""
        rows: list[dict[str, Any]] = []
        totals: set[int] = set()
        cursor: dict[str, str] = {}
        while True:
            page = self.succeed(by, tool, **arguments, **cursor)
            rows += page[key]
            totals.add(page["total_count"])
            if "next_cursor" not in page:
                return rows, totals
            assert len(page[key]) == arguments["limit"]
            cursor = {"cursor": page["next_cursor"]}

    def list_tasks(self, by: By, draw: Draw) -> None:
        team = self.pick(draw, list(self.board.teams)) if not draw(st.integers(0, 4)) else None
        parent = self.pick_task(draw, by) if not draw(st.integers(0, 8)) else None
        where = {name: n for name, n in (("team_id", team), ("parent_id", parent)) if n is not None}
        wanted = spelled(draw(filters())) | where
        if team is not None and self.board.role(by.user, team) is None:
            self.attempt(by, "list_tasks", no_team(team), **wanted)
            return
        if parent is not None and self.board.access(by.user, parent) is None:
            self.attempt(by, "list_tasks", no_task(parent), **wanted)
            return
        rows = self.list_as_expected(by, wanted)
        view = board_views.full if wanted.get("detail") == "full" else board_views.brief
        assert [with_moments(row) for row in rows] == [view(self.board, by.user, row["id"]) for row in rows]

    def list_as_expected(self, by: By, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of list_tasks, which are those of the model, in its order."""
        rows: list[dict[str, Any]] = []

        def ask() -> tuple[list[int], set[int]]:
            nonlocal rows
            rows, totals = self.all_pages(by, "list_tasks", "tasks", **wanted)
            return [row["id"] for row in rows], totals

        def model(_: datetime) -> tuple[list[int], set[int]]:
            expected = board_views.list_tasks(self.board, by.user, wanted)
            return expected, {len(expected)}

        # Whether a task is late depends on the time.
        self.agree(ask, model)
        return rows

    def list_completed(self, by: By, draw: Draw) -> None:
        """The list of the dashboard API by who completed tasks, which no tool offers."""
        whom = {"completed_by": draw(st.sampled_from(self.users)), "completed_with": draw(st.sampled_from(CLIENTS))}
        chosen = draw(st.sampled_from((["completed_by"], ["completed_with"], [*whom])))
        wanted = {"status": draw(st.sampled_from(("all", "completed"))), **{name: whom[name] for name in chosen}}
        page = self.group.get(by.user, "/api/dashboard/tasks", **wanted, limit=500)
        expected = board_views.list_tasks(self.board, by.user, wanted)
        assert [row["id"] for row in page["tasks"]] == expected
        assert page["total_count"] == len(expected)

    def read_task(self, by: By, draw: Draw) -> None:
        task_id = self.pick_task(draw, by)
        found = self.attempt(by, "get_task", self.board.may_read(by.user, task_id), task_id=task_id)
        if found is None:
            return
        rest = ("subtasks", "subtask_count", "shares", "history")
        task = with_moments({name: value for name, value in found.items() if name not in rest})
        assert task == board_views.full(self.board, by.user, task_id)
        below = board_views.subtasks(self.board, by.user, task_id)
        assert [subtask["id"] for subtask in found.get("subtasks", ())] == below[:20]
        assert found.get("subtask_count", 0) == len(below)
        shown = [list(events) for _, events in groupby(found["history"], key=lambda event: event["at"])]
        expected = board_views.history(self.board, by.user, task_id)
        if len(found["history"]) == board_views.EVENTS:
            # The list may end within a call, and which of its shares are left then is open.
            shown, expected = shown[:-1], expected[:-1]
        shown = [[{name: event[name] for name in event if name != "at"} for event in call] for call in shown]
        assert [in_any_order(call) for call in shown] == [in_any_order(call) for call in expected]

    def search(self, by: By, draw: Draw) -> None:
        word = draw(st.none() | st.sampled_from(WORDS))
        arguments = {} if word is None else {"search": word}
        limit = draw(st.integers(1, 4))
        rows, totals = self.all_pages(by, "list_conversations", "conversations", limit=limit, **arguments)
        expected = board_views.list_conversations(self.board, by.user, word)
        rows = [{name: row[name] for name in row if not name.endswith("_at")} for row in rows]
        # The order of what a search finds is that of scores, which the model does not know.
        assert (rows if word is None else in_order(rows)) == (expected if word is None else in_order(expected))
        assert totals == {len(expected)}
        word = word or WORDS[0]
        matches = self.succeed(by, "search_messages", query=word, sort="newest", limit=100)["matches"]
        shown = [(match["conversation_id"], match["sequence"]) for match in matches]
        assert shown == board_views.search_messages(self.board, by.user, word)

    def look_around(self, by: By, draw: Draw) -> None:
        word = draw(st.sampled_from(WORDS))
        results = self.succeed(by, "search", query=word)["results"]
        ids: list[str] = [result["id"] for result in results]
        tasks = board_views.list_tasks(self.board, by.user, {"status": "all", "search": word})[:10]
        assert [found for found in ids if found.startswith("task:")] == [f"task:{n}" for n in tasks]
        # The order of the others is that of their scores, which the model does not know.
        chats = {f"conversation:{chat['id']}" for chat in board_views.list_conversations(self.board, by.user, word)}
        messages = {f"message:{chat}:{n}" for chat, n in board_views.search_messages(self.board, by.user, word)}
        for matching in (chats, messages):
            start = len(tasks) if matching is chats else len(tasks) + min(10, len(chats))
            shown = ids[start : start + min(10, len(matching))]
            assert len({*shown} & matching) == min(10, len(matching))
        assert len(ids) == len(tasks) + min(10, len(chats)) + min(10, len(messages))
        assert self.group.complete(by.user, "tag") == board_views.tags(self.board, by.user)
        teams = self.succeed(by, "list_teams")["teams"]
        shown = [(team["id"], {member["user_id"]: member["role"] for member in team["members"]}) for team in teams]
        assert shown == sorted((n, roles) for n, roles in self.board.teams.items() if by.user in roles)

    def review(self, by: By, draw: Draw) -> None:
        """The resource, and the prompt with its counts."""
        self.agree(
            lambda: self.group.read(by.user, "statistics://me"),
            lambda moment: board_views.statistics(self.board, by.user, None, 14, moment),
        )
        left = board_views.list_tasks(self.board, by.user, {"sort": "due"})

        def ask() -> Any:
            request, rows = self.group.get_prompt(by.user, "weekly_review")
            counted = re.search(r"\((\d+) completed\), then what is open \((\d+) open\)", request)
            assert counted is not None
            assert [row["id"] for row in rows[1 + int(counted[1]) :]] == left
            assert int(counted[2]) == len(left)
            return rows[0], int(counted[1])

        self.agree(ask, lambda moment: board_views.review(self.board, by.user, moment))

    def plan(self, by: By, draw: Draw) -> None:
        def ask() -> list[int]:
            request, rows = self.group.get_prompt(by.user, "plan_my_day")
            counted = re.search(r"\. (\d+) due until today; (\d+) open in all\.", request)
            assert counted is not None
            assert int(counted[2]) == len(rows)
            return [int(counted[1]), *(row["id"] for row in rows)]

        self.agree(ask, lambda moment: board_views.plan(self.board, by.user, moment))

    def count(self, by: By, draw: Draw) -> None:
        team, days = self.pick(draw, list(self.board.teams)), draw(st.integers(1, DAYS + 2))
        if self.board.role(by.user, team) is None:
            self.attempt(by, "get_statistics", no_team(team), team_id=team, days=days)
        else:
            self.compare_numbers(by, team, days)

    def compare_numbers(self, by: By, team: int | None, days: int) -> None:
        arguments = {"days": days} if team is None else {"days": days, "team_id": team}
        self.agree(
            lambda: self.attempt(by, "get_statistics", OK, **arguments),
            lambda moment: board_views.statistics(self.board, by.user, team, days, moment),
        )


def with_moments(row: dict[str, Any]) -> dict[str, Any]:
    """A row without `updated_at`, with times as datetimes."""
    moments = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "completed_at") if name in row}
    return {name: value for name, value in row.items() if name != "updated_at"} | moments


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["id"])


def in_any_order(events: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(event, sort_keys=True) for event in events)


@pytest.fixture
def groups(database_url: str, person: Callable[[str], Person]) -> Generator[ClientGroups]:
    with client_groups(database_url, ZONES, person) as groups:
        yield groups


@pytest.mark.timeout(3600)
def test_lists_counts_and_order_match_the_model(groups: ClientGroups, cluster: Cluster) -> None:
    opening = backdating(cluster)
    past = groups.runner.run(opening.__aenter__())
    run_machine(type("ShownHere", (Shown,), {"past": past}), groups, STEPS)
    groups.runner.run(opening.__aexit__(None, None, None))
