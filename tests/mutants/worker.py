"""A process that imports everything except the product and its tests, and forks for each run of pytest.

Jobs come as lines of JSON on standard input, and their results go as lines to standard output. The process stands in a
copy of the repository (sandbox.py), from which a fork imports the product afresh: with whatever is broken there.
"""

import ast
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import coverage
import hypothesis
import pytest

from tests.mutants.places import PACKAGES
from tests.mutants.plugin import CONTEXT, Chosen, Mapping

LOG = Path("pytest.log")
RESULT = Path("result.json")
_OWN = {*PACKAGES, "tests", "alembic"}


@dataclass(frozen=True)
class Job:
    """Run test files. With `limits` (seconds for each test) only those tests; without, measure what each reaches."""

    files: list[str]
    deadline: float
    limits: dict[str, float] = field(default_factory=dict[str, float])
    map_to: str = ""
    temporary: str = ""
    database: str = ""


@dataclass(frozen=True)
class Ended:
    """How a run ended: the exit status of pytest, or `timeout` when it was killed."""

    status: int
    seconds: float
    timeout: bool = False
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def main() -> None:
    """Work until standard input ends."""
    import_foreign()
    assert threading.active_count() == 1, f"cannot fork with threads: {threading.enumerate()}"
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        ended = run(Job(**json.loads(line)))
        answers.write(json.dumps(asdict(ended)) + "\n")
        answers.flush()


def run(job: Job) -> Ended:
    """Fork, wait, and kill what takes too long with everything in its process group."""
    RESULT.unlink(missing_ok=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(_in_child(job))
    status = _wait(child, began + job.deadline)
    facts: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    return Ended(-1 if status is None else status, time.monotonic() - began, status is None, facts)


def _wait(child: int, deadline: float) -> int | None:
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _in_child(job: Job) -> int:
    os.setsid()
    with LOG.open("wb") as log, open(os.devnull, "rb") as nothing:
        for descriptor, file in enumerate((nothing, log, log)):
            os.dup2(file.fileno(), descriptor)
    # In the child only, so that this variable marks what a test has started, and not the worker.
    os.environ |= {"TMPDIR": job.temporary, "TASKDECK_TEST_CLUSTER": job.database}
    tempfile.tempdir = None
    try:
        hypothesis.settings.register_profile("mutants", derandomize=True, database=None)
        status, facts = _map(job) if job.map_to else _choose(job)
        RESULT.write_text(json.dumps(facts))
    except BaseException as error:  # the parent's loop must not go on in the child
        print(repr(error), file=sys.stderr)
        return 70
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _choose(job: Job) -> tuple[int, dict[str, Any]]:
    chosen = Chosen(job.limits)
    status = _pytest(job, chosen, "--exitfirst")
    return status, {"failed": chosen.failed, "reason": chosen.reason, "ran": chosen.ran}


def _map(job: Job) -> tuple[int, dict[str, Any]]:
    config = Path("coverage.rc").absolute()
    sources = ",".join(str(Path.cwd() / package) for package in PACKAGES)
    config.write_text(
        f"[run]\nsource = {sources}\nparallel = true\npatch = _exit\ndata_file = {job.map_to}/data\n"
        f"context = ${{{CONTEXT}-}}\n"
    )
    os.environ["COVERAGE_PROCESS_START"] = str(config)
    measuring = coverage.Coverage(config_file=str(config))
    measuring.start()
    mapping = Mapping(measuring)
    status = _pytest(job, mapping, "--timeout=120")
    measuring.stop()
    measuring.save()
    return status, {"tests": {test: asdict(measured) for test, measured in mapping.tests.items()}}


def _pytest(job: Job, plugin: object, *options: str) -> int:
    fixed = ("-p", "no:cacheprovider", "--hypothesis-profile=mutants", f"--basetemp={job.temporary}/b")
    ignored = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    return int(pytest.main([*fixed, *ignored, *options, *job.files], [plugin]))


def import_foreign() -> None:
    """Import the third-party modules that the product and tests use: importing them per mutant takes seconds."""
    for name in sorted(_foreign(Path())):
        with suppress(ImportError):
            importlib.import_module(name)


def _foreign(root: Path) -> Iterator[str]:
    for package in (*PACKAGES, "tests"):
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                else:
                    continue
                yield from (name for name in names if name.split(".")[0] not in _OWN)


if __name__ == "__main__":
    main()
