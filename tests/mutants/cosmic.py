# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""A typed interface to cosmic-ray, which has no type stubs: operators, mutations and session files."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import parso
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutants.operators import OPERATORS, PROVIDER

_SWAPS = {
    "Binary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul BitOr_BitAnd BitAnd_BitOr BitXor_BitAnd",
    "Comparison": "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is",
    "Unary": "USub_UAdd Delete_USub Delete_Invert Delete_Not",
}
_OTHERS = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak NumberReplacer RemoveDecorator ZeroIterationForLoop"
)
OPERATOR_NAMES = (
    *(f"core/Replace{kind}Operator_{swap}" for kind, swaps in _SWAPS.items() for swap in swaps.split()),
    *(f"core/{name}" for name in _OTHERS.split()),
    *(f"{PROVIDER}/{name}" for name in OPERATORS),
)
"""Of the eleven replacements of a `+` only the one that a person could have meant, for the others fail at once."""

plugins.OPERATOR_PROVIDERS[PROVIDER] = OPERATORS

Position = tuple[int, int]
"""A line from 1 and a column from 0, in characters."""


def find(source: str) -> Iterator[tuple[str, int, Position, Position]]:
    """Each place where an operator applies: its name, its occurrence in the file, and where it starts and ends."""
    nodes = list(ast_nodes(parso.parse(source)))
    for name in OPERATOR_NAMES:
        spans = (span for node in nodes for span in _operator(name).mutation_positions(node))
        for occurrence, (start, end) in enumerate(spans):
            yield name, occurrence, tuple(start), tuple(end)


def mutate(source: str, operator: str, occurrence: int) -> str:
    """The source with one place changed."""
    mutated = mutate_code(source, _operator(operator), occurrence)
    assert mutated is not None, f"{operator} does not apply {occurrence} times"
    return mutated


@cache
def _operator(name: str) -> Any:
    return plugins.get_operator(name)()


class Results:
    """Results by key, in a cosmic-ray session file: `cr-report` and `cr-html` read it too."""

    def __init__(self, database: WorkDB) -> None:
        self._database = database

    def add(self, mutations: Iterable[tuple[str, str, str, int, Position, Position]]) -> None:
        """Have these mutations in the file: key, path, operator, occurrence, start, end."""
        known = {item.job_id for item in self._database.work_items}
        self._database.add_work_items(
            WorkItem.single(key, MutationSpec(path, operator, occurrence, start, end))
            for key, path, operator, occurrence, start, end in mutations
            if key not in known
        )

    def read(self) -> dict[str, str]:
        """The stored results."""
        return {str(key): result.output or "" for key, result in self._database.results}

    def set(self, key: str, output: str, diff: str, survived: bool) -> None:
        """Store or replace a result."""
        outcome = TestOutcome.SURVIVED if survived else TestOutcome.KILLED
        self._database.set_result(key, WorkResult(WorkerOutcome.NORMAL, output, outcome, diff))


@contextmanager
def results(file: Path) -> Generator[Results]:
    """The results in a file, which is made if need be."""
    with use_db(str(file)) as database:
        yield Results(database)
