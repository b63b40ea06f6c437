"""Everything that is counted, listed or ordered is what a model in plain Python says, whatever several people did."""

import json
import re
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.conftest import Cluster, Person
from tests.support import board_views
from tests.support.backdating import backdating
from tests.support.board_machine import DAYS, Work
from tests.support.board_model import By
from tests.support.board_strategies import BYS, CLIENTS, FILTERS, PLACES, WORDS, spelled
from tests.support.crowd import Crowds, gathering, live
from tests.support.permission_model import OK, no_team

STEPS = 30


class Shown(Work):
    """After each step, somebody is shown what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0

    def teardown(self) -> None:
        for user in self.users:
            self.check(user)
        self.crowd.close()

    def agree(self, ask: Callable[[], Any], expected: Callable[[datetime], Any]) -> None:
        """What depends on the time is asked for again if the time made a difference meanwhile."""
        while True:
            before = datetime.now(UTC)
            told = ask()
            if expected(before) == expected(datetime.now(UTC)):
                assert told == expected(before)
                return

    # What people are shown.

    def all_pages(self, by: By, tool: str, key: str, **arguments: Any) -> tuple[list[dict[str, Any]], set[int]]:
        """The rows of all pages, and each total that a page told."""
        rows: list[dict[str, Any]] = []
        totals: set[int] = set()
        cursor: dict[str, str] = {}
        while True:
            page = self.attempt(by, tool, OK, **arguments, **cursor)
            assert page is not None
            rows += page[key]
            totals.add(page["total_count"])
            if "next_cursor" not in page:
                return rows, totals
            assert len(page[key]) == arguments["limit"]
            cursor = {"cursor": page["next_cursor"]}

    @rule(who=BYS, wanted=FILTERS, in_team=st.booleans(), place=PLACES)
    def list_tasks(self, who: tuple[int, str], wanted: dict[str, Any], in_team: bool, place: int) -> None:
        by, team = self.by(who), self.pick(self.board.teams, place)
        wanted = {"limit": 100} | spelled(wanted) | ({"team_id": team} if in_team else {})
        if in_team and self.board.role(by.user, team) is None:
            self.attempt(by, "list_tasks", no_team(team), **wanted)
            return
        rows, totals = self.all_pages(by, "list_tasks", "tasks", **wanted)
        expected = board_views.list_tasks(self.board, by.user, wanted)
        assert [row["id"] for row in rows] == expected
        assert totals == {len(expected)}
        briefs = [board_views.brief(self.board, by.user, task_id) for task_id in expected]
        assert [{name: row[name] for name in brief} for row, brief in zip(rows, briefs, strict=True)] == briefs

    @rule(who=BYS, place=PLACES)
    def read_history(self, who: tuple[int, str], place: int) -> None:
        by, task_id = self.by(who), self.pick(self.board.tasks, place)
        found = self.attempt(by, "get_task", self.board.may_read(by.user, task_id), task_id=task_id)
        if found is None:
            return
        told = [list(events) for _, events in groupby(found["history"], key=lambda event: event["at"])]
        expected = board_views.history(self.board, by.user, task_id)
        if len(found["history"]) == board_views.EVENTS:
            # The list may end within a call, and which of its shares are left then is open.
            told, expected = told[:-1], expected[:-1]
        told = [[{name: event[name] for name in event if name != "at"} for event in call] for call in told]
        assert [in_any_order(call) for call in told] == [in_any_order(call) for call in expected]

    @rule(who=BYS, word=st.sampled_from(WORDS), limit=st.integers(1, 3))
    def search(self, who: tuple[int, str], word: str, limit: int) -> None:
        by = self.by(who)
        rows, totals = self.all_pages(by, "list_conversations", "conversations", search=word, limit=limit)
        expected = board_views.list_conversations(self.board, by.user, word)
        assert [{name: row[name] for name in row if not name.endswith("_at")} for row in rows] == expected
        assert totals == {len(expected)}
        found = self.attempt(by, "search_messages", OK, query=word, limit=100)
        assert found is not None
        matches = [(match["conversation_id"], match["sequence"]) for match in found["matches"]]
        assert matches == board_views.search_messages(self.board, by.user, word)

    @rule(who=BYS, word=st.sampled_from(WORDS))
    def look_around(self, who: tuple[int, str], word: str) -> None:
        by = self.by(who)
        found = self.attempt(by, "search", OK, query=word)
        assert found is not None
        assert [result["id"] for result in found["results"]] == board_views.search(self.board, by.user, word)
        assert self.crowd.complete(by.user, "tag") == board_views.tags(self.board, by.user)
        teams = self.attempt(by, "list_teams", OK)
        assert teams is not None
        told = [
            (team["id"], {member["user_id"]: member["role"] for member in team["members"]}) for team in teams["teams"]
        ]
        assert told == sorted((n, roles) for n, roles in self.board.teams.items() if by.user in roles)

    @rule(who=BYS)
    def review(self, who: tuple[int, str]) -> None:
        """The resource, and the prompt with its counts."""
        user = self.by(who).user
        numbers = board_views.statistics
        self.agree(
            lambda: self.crowd.read(user, "statistics://me"), lambda now: numbers(self.board, user, None, 14, now)
        )
        left = board_views.list_tasks(self.board, user, {"sort": "due"})

        def ask() -> Any:
            request, rows = self.crowd.get_prompt(user, "weekly_review")
            counted = re.search(r"\((\d+) completed\), then what is open \((\d+) open\)", request)
            assert counted is not None
            assert [row["id"] for row in rows[1 + int(counted[1]) :]] == left
            assert int(counted[2]) == len(left)
            return rows[0], int(counted[1])

        self.agree(ask, lambda now: board_views.review(self.board, user, now))

    @rule(who=BYS, team_place=PLACES, days=st.integers(1, DAYS + 2))
    def count_for_team(self, who: tuple[int, str], team_place: int, days: int) -> None:
        by, team = self.by(who), self.pick(self.board.teams, team_place)
        if self.board.role(by.user, team) is None:
            said = {"team_id": team, "days": days}
            self.attempt(by, "get_statistics", no_team(team), **said)
        else:
            self.compare_numbers(by, team, days)

    def compare_numbers(self, by: By, team: int | None, days: int) -> None:
        said = {"days": days} if team is None else {"days": days, "team_id": team}
        self.agree(
            lambda: self.attempt(by, "get_statistics", OK, **said),
            lambda now: board_views.statistics(self.board, by.user, team, days, now),
        )

    @invariant()
    def one_is_shown_what_the_model_says(self) -> None:
        """One after the other, for all of them at each step would take four times as long."""
        self.turn += 1
        self.check(self.users[self.turn % len(self.users)])

    def check(self, user: str) -> None:
        by = By(user, CLIENTS[0])
        self.compare_numbers(by, None, 1 + self.turn % (DAYS + 2))
        rows, totals = self.all_pages(by, "list_tasks", "tasks", status="all", limit=100)
        expected = board_views.list_tasks(self.board, user, {"status": "all"})
        assert rows == [board_views.brief(self.board, user, task_id) for task_id in expected]
        assert totals == {len(expected)}
        chats = self.attempt(by, "list_conversations", OK, limit=100)
        assert chats is not None
        told = [{name: row[name] for name in row if not name.endswith("_at")} for row in chats["conversations"]]
        assert told == board_views.list_conversations(self.board, user)


def in_any_order(events: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(event, sort_keys=True) for event in events)


@pytest.fixture
def crowds(database_url: str, person: Callable[[str], Person]) -> Generator[Crowds]:
    with gathering(database_url, ("ann", "ben", "cleo", "dan"), person) as gathered:
        yield gathered


@pytest.mark.timeout(3600)
def test_what_is_counted_listed_and_ordered_is_what_the_model_says(crowds: Crowds, cluster: Cluster) -> None:
    opening = backdating(cluster)
    past = crowds.runner.run(opening.__aenter__())
    live(type("ShownHere", (Shown,), {"past": past}), crowds, STEPS)
    crowds.runner.run(opening.__aexit__(None, None, None))
