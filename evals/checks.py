"""Judges a scenario by what is on the board and in the answer, whichever calls led there."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from evals import dates
from evals.scenarios import Chat, Expected, Scenario

Row = dict[str, Any]


def compare_boards(scenario: Scenario, before: list[Row], after: list[Row]) -> list[str]:
    """What is wrong on the board: expected tasks that are missing, and changes that nobody asked for."""
    problems: list[str] = []
    rest = list(after)
    for expected in scenario.expect:
        fitting = [row for row in rest if fits(expected, row, scenario.timezone, after)]
        if len(fitting) != expected.count:
            near = [brief(row) for row in rest if _finds(expected.title, str(row["title"]))]
            wish = expected.model_dump(exclude_none=True)
            problems.append(f"expected {wish}, found {len(fitting)} of it; with such a title: {near}")
        rest = [row for row in rest if row not in fitting]
    earlier = {row["id"]: row for row in before}
    problems += [f"unasked: {brief(row)}" for row in rest if row != earlier.get(row["id"])]
    changed = [row for row in before if row not in rest and not _is_expected(scenario, row, after)]
    problems += [f"gone or changed: {brief(row)}" for row in changed]
    return problems


def _is_expected(scenario: Scenario, row: Row, after: list[Row]) -> bool:
    """Whether the task is one of those that the scenario names, deleted ones (count 0) included."""
    now = next((current for current in after if current["id"] == row["id"]), None)
    named = [expected for expected in scenario.expect if _finds(expected.title, str((now or row)["title"]))]
    if now is None:
        return any(expected.count == 0 for expected in named)
    return any(fits(expected, now, scenario.timezone, after) for expected in named)


def fits(expected: Expected, row: Row, timezone: str, board: list[Row]) -> bool:
    """Whether a task is what a scenario expects."""
    zone = ZoneInfo(timezone)
    today = datetime.now(zone).date()
    due_fits = expected.due is None or (
        not row["due"] if expected.due == "none" else dates.is_due(row["due"], expected.due, today, zone)
    )
    parents = [str(other["title"]) for other in board if other["id"] == row.get("parent")]
    return (
        _finds(expected.title, str(row["title"]))
        and due_fits
        and expected.status in (None, row["status"])
        and expected.priority in (None, row.get("priority"))
        and (expected.tags is None or sorted(expected.tags) == sorted(row.get("tags") or []))
        and (expected.description is None or _finds(expected.description, str(row.get("description") or "")))
        and (expected.parent is None or parents == [expected.parent])
    )


def read_answer(chat: Chat, answer: str) -> list[str]:
    """What the last answer of a chat lacks, or says though it must not."""
    lacking = [f"the answer lacks {pattern!r}: {answer!r}" for pattern in chat.answer if not _finds(pattern, answer)]
    return lacking + [f"the answer has {pattern!r}: {answer!r}" for pattern in chat.never if _finds(pattern, answer)]


def compare_titles(expected: list[str], rows: list[Row]) -> list[str]:
    """What is wrong with the list of the second person: exactly one task for each pattern."""
    titles = sorted(str(row["title"]) for row in rows)
    missing = [f"Bob does not see {pattern!r}: {titles}" for pattern in expected if not _any(pattern, titles)]
    return missing + [f"Bob sees {title!r}" for title in titles if not any(_finds(p, title) for p in expected)]


def brief(row: Row) -> Row:
    """The fields of a task that have values."""
    return {name: value for name, value in row.items() if value not in (None, [], "")}


def _any(pattern: str, texts: list[str]) -> bool:
    return any(_finds(pattern, text) for text in texts)


def _finds(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
