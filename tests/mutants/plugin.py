"""A pytest plug-in for workers: selects and orders tests, measures coverage and reports results."""

import os
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from time import monotonic
from typing import Any

import coverage
import pytest

from tests.mutants.places import PACKAGES

FOREIGN_PROGRAMS = ("node", "chrom", "npx", "npm")
"""How the names of programs begin that a test may not start here: browsers and Node take long."""

CONTEXT = "MUTANTS_CONTEXT"
"""The environment variable by which processes that a test starts know for whom they are measured."""

FIXTURE = "fixture "
"""How the contexts of fixtures begin that several tests share; the name follows."""


@dataclass(eq=False)
class Chosen:
    """Run only these tests, in this order, each with a limit in seconds; note the first failure."""

    limits: dict[str, float]
    failed: str = ""
    reason: str = ""
    ran: int = 0

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        order = {test: number for number, test in enumerate(self.limits)}
        chosen = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
        for item in chosen:
            item.add_marker(pytest.mark.timeout(self.limits[item.nodeid]), append=False)
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran += report.when == "call"
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed, self.reason = report.nodeid or "collection", report.longreprtext[-2000:]


@dataclass(eq=False)
class Measured:
    """What is known of a test: how long it takes, the fixtures it shares, and whether it starts processes."""

    seconds: float = 0.0
    fixtures: list[str] = field(default_factory=list[str])
    starts_processes: bool = False
    outcome: str = ""
    reason: str = ""


@dataclass(eq=False)
class Mapping:
    """Measure which lines each test reaches, and each fixture that several tests share."""

    measuring: coverage.Coverage
    tests: dict[str, Measured] = field(default_factory=dict[str, Measured])
    starting: set[str] = field(default_factory=set[str])
    _context: str = ""
    _shared: float = 0.0

    def pytest_sessionstart(self) -> None:
        sys.addaudithook(self._hear)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        names: list[str] = getattr(item, "fixturenames", [])
        self.tests[item.nodeid] = Measured(fixtures=names)
        _forget_caches()
        self._switch(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        before, began = self._context, monotonic()
        self._switch(FIXTURE + fixturedef.argname)
        try:
            return (yield)
        finally:
            self._switch(before)
            self._shared += monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        measured = self.tests[report.nodeid]
        measured.seconds += report.duration - self._shared
        self._shared = 0.0
        if report.outcome != "passed" or not measured.outcome:
            measured.outcome = report.outcome
        if report.outcome != "passed":
            measured.reason = report.longreprtext[-500:]

    def pytest_sessionfinish(self) -> None:
        for measured in self.tests.values():
            contexts = {FIXTURE + name for name in measured.fixtures}
            measured.fixtures = sorted(contexts & self.measured_contexts())
            measured.starts_processes |= bool(contexts & self.starting)
        for context in self.starting & self.tests.keys():
            self.tests[context].starts_processes = True

    def measured_contexts(self) -> set[str]:
        """The contexts that reached anything."""
        return self.measuring.get_data().measured_contexts()

    def _switch(self, context: str) -> None:
        self._context = os.environ[CONTEXT] = context
        self.measuring.switch_context(context)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            program = Path(os.fsdecode(arguments[0] or arguments[1][0]))
            # A test's own stand-in for such a program is in its temporary folder.
            if program.name.startswith(FOREIGN_PROGRAMS) and not program.is_relative_to(gettempdir()):
                raise PermissionError(f"{program.name} is not started when mutants are tested")
            self.starting.add(self._context)


def _forget_caches() -> None:
    """Let the test run what another test has only left in a cache."""
    for name, module in tuple(sys.modules.items()):
        if name.split(".")[0] in PACKAGES:
            for value in tuple(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
