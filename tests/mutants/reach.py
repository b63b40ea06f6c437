"""Which tests can notice that a line is broken, and which of them are worth running.

A line inside a function is noticed by the tests that reached it. A line that runs at import (a constant, a compiled
statement, a field of a class, a decorator) was reached by nobody in particular: it is noticed where its name is used,
so the tests that reached those lines count, or the names that are made from it in turn.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.coverage_map import CoverageMap, Line, Test
from tests.mutants.places import product_files

MOST_FASTEST = 40
MOST = 150
LONGEST = 60.0
"""Seconds that the tests chosen for one mutant took together when nothing was broken."""

ENOUGH = 3
"""With so many tests that start no process, those that start one are left out."""

DEEPEST = 4
"""How many names away from the broken one a test may be."""


@dataclass
class _File:
    """What stands where in one file."""

    statements: dict[int, range] = field(default_factory=dict[int, range])
    in_function: set[int] = field(default_factory=set[int])
    names: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    bodies: dict[str, list[range]] = field(default_factory=lambda: defaultdict[str, list[range]](list))


class Reach:
    """The map, and what the names in the product lead to."""

    def __init__(self, root: Path, measured: CoverageMap) -> None:
        self._map = measured
        self._files: dict[str, _File] = {}
        self._uses: dict[str, set[Line]] = defaultdict(set)
        for path in product_files(root):
            tree = ast.parse((root / path).read_text("utf-8"))
            self._files[path] = _File()
            self._read(path, tree.body, frozenset(), False)
        self._topics = _topics(measured)

    def tests_for(self, path: str, line: int) -> list[Test]:
        """Tests that may notice a change of the line, in the order to run them; empty if nothing reaches it."""
        distances = self._distances(path, line)
        inside = [test for test in distances if not test.starts_processes]
        found = inside if len(inside) >= ENOUGH else list(distances)
        in_topic = [test for test in found if test.file in self._topics.get(path, ())]
        near = _spread(found, distances)[:MOST_FASTEST]
        return _in_order([*near, *sorted(in_topic, key=lambda test: (distances[test], test.seconds))])

    def _distances(self, path: str, line: int) -> dict[Test, int]:
        """Each test with the number of names between it and the line."""
        found: dict[Test, int] = {}
        if line in self._files[path].in_function:
            return dict.fromkeys(self._reaching(path, line), 0)
        names, seen = self._names_at(path, line), set[str]()
        for distance in range(DEEPEST):
            following = set[str]()
            for name in sorted(names - seen):
                for test in self._tests_of_bodies(name):
                    found.setdefault(test, distance)
                for where in self._uses[name]:
                    if where[1] in self._files[where[0]].in_function:
                        for test in self._reaching(*where):
                            found.setdefault(test, distance)
                    else:
                        following |= self._names_at(*where)
            seen |= names
            names = following
        return found or dict.fromkeys(self._reaching(path, line), DEEPEST)

    def _reaching(self, path: str, line: int) -> set[Test]:
        """The tests that reached the statement; a line of it may have no code of its own."""
        lines = self._files[path].statements.get(line, range(line, line + 1))
        return set[Test]().union(*(self._map.reached.get((path, each), set()) for each in lines))

    def _tests_of_bodies(self, name: str) -> set[Test]:
        found = set[Test]()
        for path, file in self._files.items():
            for body in file.bodies.get(name, ()):
                found |= set[Test]().union(*(self._map.reached.get((path, line), set()) for line in body))
        return found

    def _names_at(self, path: str, line: int) -> set[str]:
        return self._files[path].names.get(line, set())

    def _read(self, path: str, body: Iterable[ast.stmt], owners: frozenset[str], inside: bool) -> None:
        """Note where names are used, and which lines run when."""
        file = self._files[path]
        for node in body:
            own = owners if inside else owners | set(_bound(node))
            nested = list(_blocks(node))
            first = min((child.lineno for child in nested), default=(node.end_lineno or node.lineno) + 1)
            header = range(_first_line(node), max(first, node.lineno + 1))
            for line in header:
                file.statements[line] = header
                file.names[line] |= own
                if inside:
                    file.in_function.add(line)
            for name, line in _used(node, nested):
                self._uses[name].add((path, line))
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function:
                file.bodies[node.name].append(range(first, (node.end_lineno or first) + 1))
            self._read(path, nested, own, inside or is_function)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _blocks(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements in a statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives a value."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (child.id for child in ast.walk(target) if isinstance(child, ast.Name))


def _used(node: ast.stmt, nested: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The names that a statement reads, without those of the statements in it."""
    waiting: list[ast.AST] = [node]
    while waiting:
        found = waiting.pop()
        waiting += [child for child in ast.iter_child_nodes(found) if child not in nested]
        if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Load):
            yield found.id, found.lineno
        elif isinstance(found, ast.Attribute):
            yield found.attr, found.end_lineno or found.lineno


def _topics(measured: CoverageMap) -> dict[str, list[str]]:
    """For each file of the product the two test files that reach little else."""
    total: dict[str, int] = defaultdict(int)
    share: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (path, _), tests in measured.reached.items():
        for test_file in {test.file for test in tests}:
            total[test_file] += 1
            share[path][test_file] += 1
    return {
        path: sorted(counts, key=lambda name: (-counts[name] / total[name], name))[:2] for path, counts in share.items()
    }


def _spread(tests: list[Test], distances: dict[Test, int]) -> list[Test]:
    """Nearest first; then the fastest of each test file, the second of each, and so on: many kinds of test early."""
    ranks: dict[Test, int] = {}
    seen: dict[tuple[str, int], int] = defaultdict(int)
    for test in sorted(tests, key=lambda test: (distances[test], test.seconds, test.name)):
        ranks[test] = seen[test.file, distances[test]]
        seen[test.file, distances[test]] += 1
    return sorted(tests, key=lambda test: (distances[test], ranks[test], test.seconds, test.name))


def _in_order(tests: list[Test]) -> list[Test]:
    """As many as there is time for, by test file, so that what a file's tests share is made once; the fastest first."""
    chosen, total = list[Test](), 0.0
    for test in dict.fromkeys(tests):
        if chosen and (total + test.seconds > LONGEST or len(chosen) == MOST):
            break
        chosen.append(test)
        total += test.seconds
    by_file: dict[str, list[Test]] = defaultdict(list)
    for test in sorted(chosen, key=lambda test: (test.seconds, test.name)):
        by_file[test.file].append(test)
    groups = sorted(by_file.values(), key=lambda group: (sum(test.seconds for test in group), group[0].file))
    return [test for group in groups for test in group]
