"""Imports a file into the caller's tasks and conversations, in one transaction: all of it, or nothing.

The file is read twice. First everything is checked; then it is stored. Each row has a key, which is kept beside what it
became (`import_keys`), so the same row is not imported again while that is there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from storage.archive import formats, storing
from storage.archive.formats import Format
from storage.archive.incoming import ConversationRow, Problem, TaskRow, Warned
from storage.engine.database import Scope, Transaction
from storage.schema.errors import Conflict, InvalidInput

MOST_LISTED = 100
"""How many problems, and how many warnings, a report lists."""
BATCH = 500

Progress = Callable[[int], None]
"""Gets the number of tasks and conversations that were stored, or found to be there, since the last call."""


@dataclass
class Report:
    """What became of a file. `present` counts tasks and conversations that had been imported before.

    With problems and without `skip_invalid`, `stored` is False and nothing was changed.
    """

    kind: Format
    stored: bool = False
    tasks: int = 0
    conversations: int = 0
    messages: int = 0
    present: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    problem_count: int = 0
    warnings: list[Warned] = field(default_factory=list[Warned])
    warning_count: int = 0

    def note(self, row: Problem | Warned) -> None:
        """Count a problem or a warning, and list it if there is room."""
        if isinstance(row, Problem):
            self.problem_count += 1
            if len(self.problems) < MOST_LISTED:
                self.problems.append(row)
            return
        self.warning_count += 1
        if len(self.warnings) < MOST_LISTED:
            self.warnings.append(row)


async def import_file(
    scope: Scope,
    path: Path,
    kind: Format = "auto",
    *,
    skip_invalid: bool = False,
    begin: Callable[[int], None] = lambda _total: None,
    progress: Progress = lambda _rows: None,
) -> Report:
    """Import a file for the caller; with `skip_invalid` without the rows that have a problem.

    `begin` gets the number of tasks and conversations once they are known.

    Raises:
        InvalidInput: the file as a whole cannot be read; Unavailable: another import of the caller's is running;
        Conflict: a quota is full.
    """
    report = Report(formats.detect(path) if kind == "auto" else kind)
    tasks, conversations = _check(path, report, scope.user_id)
    begin(len(tasks) + conversations)
    if report.problem_count and not skip_invalid:
        return report
    try:
        async with replace(scope, importing=True).transaction() as transaction:
            await _store(transaction, scope.user_id, path, report, tasks, conversations, progress)
    except Conflict as error:
        raise Conflict(f"Nothing was imported, because not all of it fits. {error}") from None
    report.stored = True
    return report


async def _store(
    transaction: Transaction,
    user_id: str,
    path: Path,
    report: Report,
    tasks: list[TaskRow],
    conversations: int,
    progress: Progress,
) -> None:
    await storing.wait_for_turn(transaction)
    levels = _by_level(tasks)
    for level in levels:
        for first in range(0, len(level), BATCH):
            rows = level[first : first + BATCH]
            added = await storing.store_tasks(transaction, rows)
            report.tasks, report.present = report.tasks + added, report.present + len(rows) - added
            progress(len(rows))
    stored = {
        each.row.known_id: each.id
        for each in (each for level in levels for each in level)
        if each.row.known_id is not None and each.id is not None
    }
    for row in formats.read(path, report.kind, user_id) if conversations else ():
        if isinstance(row, ConversationRow):
            added = await storing.store_conversation(transaction, row, stored)
            report.conversations, report.present = report.conversations + added, report.present + 1 - added
            report.messages += len(row.messages) if added else 0
            progress(1)


def _check(path: Path, report: Report, user_id: str) -> tuple[list[TaskRow], int]:
    """Read everything once: the tasks, and how many conversations there are."""
    tasks: dict[str, TaskRow] = {}
    conversations: set[str] = set()
    for row in formats.read(path, report.kind, user_id):
        if isinstance(row, TaskRow):
            if row.key in tasks:
                report.note(Problem(row.row, f"it has the id of {tasks[row.key].row}. Remove one of the two"))
                continue
            tasks[row.key] = row
        elif isinstance(row, ConversationRow):
            if row.key in conversations:
                report.note(Problem(row.row, "its id comes twice. Remove one of the two"))
                continue
            conversations.add(row.key)
        else:
            report.note(row)
    for row in tasks.values():
        if row.parent is not None and row.parent not in tasks:
            report.note(Warned(row.row, "the task above it is not in the file, or has a problem, so it stands alone"))
            row.parent = None
    _break_circles(tasks, report)
    return list(tasks.values()), len(conversations)


def _break_circles(tasks: dict[str, TaskRow], report: Report) -> None:
    done: set[str] = set()
    for key in tasks:
        path: dict[str, None] = {}
        step: str | None = key
        while step is not None and step not in done:
            if step in path:
                report.note(Warned(tasks[step].row, "it is below itself, so it stands alone"))
                tasks[step].parent = None
                break
            path[step] = None
            step = tasks[step].parent
        done |= path.keys()


def _by_level(tasks: list[TaskRow]) -> list[list[storing.Placed]]:
    """Tasks without a parent, then those below them, and so on: a parent has to be there first."""
    placed: dict[str, storing.Placed] = {row.key: storing.Placed(row) for row in tasks}
    levels: dict[int, list[storing.Placed]] = {}
    depths: dict[str, int] = {}
    for row in tasks:
        above: list[str] = []
        step: str | None = row.key
        while step is not None and step not in depths:
            above.append(step)
            step = placed[step].row.parent
        depth = -1 if step is None else depths[step]
        for key in reversed(above):
            depth += 1
            depths[key] = depth
    for key, each in placed.items():
        each.parent = placed[each.row.parent] if each.row.parent is not None else None
        levels.setdefault(depths[key], []).append(each)
    if len(levels) > storing.MOST_LEVELS:
        raise InvalidInput(f"Tasks are nested deeper than {storing.MOST_LEVELS} levels: move some of them up first")
    return [levels[depth] for depth in sorted(levels)]
