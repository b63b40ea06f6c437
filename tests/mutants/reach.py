"""Which tests can detect a mutant of a line, and which of them run.

For a line inside a function these are the tests that executed it. A line that runs at import (a constant, a compiled
statement and the functions that build it, a field of a class, a decorator) belongs to no test: its mutant is detected
where its name is used, in the product or in tests, or where a name derived from it is used in turn.
"""

from collections import defaultdict
from pathlib import Path

from tests.mutants.coverage_map import CoverageMap, Test
from tests.mutants.names import Name, Names

MOST_FASTEST = 40
MOST = 150
LONGEST = 60.0
"""The maximal total duration of the tests chosen for one mutant, in seconds, as measured without a mutant."""

ENOUGH = 3
"""With at least this many tests that start no process, those that start one are skipped."""

DEEPEST = 4
"""The maximal number of names between the mutant and a test."""


class Reach:
    """Combines measured coverage with the use of names."""

    def __init__(self, root: Path, measured: CoverageMap) -> None:
        self._map = measured
        self._names = Names(root)
        self._topics = _topics(measured)
        self._by_function: dict[tuple[str, str], list[Test]] = defaultdict(list)
        for test in measured.tests:
            for function in ("", test.name.partition("::")[2].partition("[")[0]):
                self._by_function[test.file, function].append(test)

    def tests_for(self, path: str, line: int) -> list[Test]:
        """The tests that may detect a change of the line, in execution order; empty if nothing reaches it."""
        distances = self._distances(path, line)
        inside = [test for test in distances if not test.starts_processes]
        found = inside if len(inside) >= ENOUGH else list(distances)
        in_topic = [test for test in found if test.file in self._topics.get(path, ())]
        near = _spread(found, distances)[:MOST_FASTEST]
        half = MOST_FASTEST // 2
        return _in_order([*near[:half], *_spread(in_topic, distances), *near[half:]])

    def _distances(self, path: str, line: int) -> dict[Test, int]:
        """Each test with the number of names between it and the line."""
        if not self._is_at_import(path, line):
            return dict.fromkeys(self._reaching(path, line), 0)
        found: dict[Test, int] = {}
        names, seen = self._names.bound_at(path, line), set[Name]()
        for distance in range(DEEPEST):
            following = set[Name]()
            for name in names - seen:
                tests = self._tests_of_body(name)
                for where in self._names.uses[name]:
                    tests |= {test for test in self._reaching(*where) if not test.starts_processes}
                    if self._is_at_import(*where):
                        following |= self._names.bound_at(*where)
                for function in self._names.in_tests[name]:
                    nearer = bool(function[1])  # the test itself uses the name, not a helper in its file
                    for test in self._by_function[function]:
                        found[test] = min(found.get(test, DEEPEST), distance - nearer)
                for test in tests:
                    found.setdefault(test, distance)
                following |= self._names.bases[name]
            seen |= names
            names = following
        return found or dict.fromkeys(self._reaching(path, line), DEEPEST)

    def _is_at_import(self, path: str, line: int) -> bool:
        """Whether the line runs at import, directly or in a function called then."""
        return not self._names.is_in_function(path, line) or (path, line) in self._map.at_import

    def _reaching(self, path: str, line: int) -> set[Test]:
        """The tests that reached the statement."""
        lines = self._names.statement(path, line)
        return set[Test]().union(*(self._map.reached.get((path, each), set()) for each in lines))

    def _tests_of_body(self, name: Name) -> set[Test]:
        """The tests that reached the function when it was called after the import."""
        lines = [line for line in self._names.bodies[name] if line not in self._map.at_import]
        return set[Test]().union(*(self._map.reached.get(line, set()) for line in lines))


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
        if not chosen or (total + test.seconds <= LONGEST and len(chosen) < MOST):
            chosen.append(test)
            total += test.seconds
    by_file: dict[str, list[Test]] = defaultdict(list)
    for test in sorted(chosen, key=lambda test: (test.seconds, test.name)):
        by_file[test.file].append(test)
    groups = sorted(by_file.values(), key=lambda group: (sum(test.seconds for test in group), group[0].file))
    return [test for group in groups for test in group]
