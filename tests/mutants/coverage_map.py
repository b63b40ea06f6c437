"""Which tests reach which lines of the product: one measured run of each test file, kept until something changes."""

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coverage import CoverageData
from coverage.exceptions import DataError

from tests.mutants.places import product_files
from tests.mutants.pool import CACHE, ROOT, Worker, share_out
from tests.mutants.worker import Job

FOLDER = CACHE / "map"
LONGEST = 900.0
"""Seconds that a test file may take; one that takes longer is left out."""

Line = tuple[str, int]


@dataclass(frozen=True)
class Test:
    """A test that passes when nothing is broken."""

    name: str
    seconds: float
    starts_processes: bool

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


@dataclass
class CoverageMap:
    """What was measured. `left_out` has the tests that failed, or took too long, or need a browser or Node."""

    reached: dict[Line, set[Test]] = field(default_factory=lambda: defaultdict[Line, set[Test]](set))
    at_import: set[Line] = field(default_factory=set[Line])
    tests: list[Test] = field(default_factory=list[Test])
    left_out: list[str] = field(default_factory=list[str])

    def add(self, measured: dict[str, Any]) -> None:
        """Add the results of one test file."""
        by_context: dict[str, set[Test]] = defaultdict(set)
        for name, facts in measured["tests"].items():
            if facts["outcome"] != "passed":
                self.left_out.append(name)
                continue
            test = Test(name, facts["seconds"], facts["starts_processes"])
            self.tests.append(test)
            for context in (name, *facts["fixtures"]):
                by_context[context].add(test)
        for path, lines in measured["lines"].items():
            for line, contexts in lines.items():
                for context in contexts:
                    if name := measured["contexts"][context]:
                        self.reached[path, int(line)] |= by_context.get(name, set())
                    else:
                        self.at_import.add((path, int(line)))


def digest(paths: Iterable[Path]) -> str:
    """A digest of files."""
    hasher = hashlib.sha256()
    for path in sorted(paths):
        hasher.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def digest_product() -> str:
    """A digest of the product's source."""
    return digest(ROOT / path for path in product_files(ROOT))


def test_files() -> list[Path]:
    """Every test file."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def digest_tests() -> str:
    """A digest of the tests' source."""
    return digest(test_files()) + _digest_support()


def _digest_support() -> str:
    files = {*(ROOT / "tests").rglob("*.py")} - {*test_files()} - {*(ROOT / "tests/mutants").rglob("*.py")}
    return digest(file for file in files if "node_modules" not in file.parts)


async def bring_up_to_date(pool: list[Worker]) -> CoverageMap:
    """Measure the test files that changed, or all if the product did, and give the whole."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    common = digest_product() + _digest_support()
    known = {path: common + digest([path]) for path in test_files()}
    stale = [path for path in known if _read(path).get("digest") != known[path]]
    done = 0

    async def measure(worker: Worker, path: Path) -> None:
        nonlocal done
        measured = await _measure(worker, path)
        _kept_in(path).write_text(json.dumps({"digest": known[path], **measured}))
        done += 1
        passed = sum(facts["outcome"] == "passed" for facts in measured["tests"].values())
        print(
            f"map {done}/{len(stale)}: {path.relative_to(ROOT)}: {passed} of {len(measured['tests'])} tests, "
            f"{measured['seconds']:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    await share_out(pool, stale, measure)
    found = CoverageMap()
    for path in known:
        found.add(_read(path))
    return found


async def _measure(worker: Worker, path: Path) -> dict[str, Any]:
    with TemporaryDirectory(dir=CACHE) as folder:
        ended = await worker.run(Job([path.relative_to(ROOT).as_posix()], LONGEST, map_to=folder))
        lines, contexts = _read_lines(Path(folder), worker.sandbox.folder)
    tests: dict[str, Any] = ended.facts.get("tests", {})
    if not tests:
        print(worker.log(), file=sys.stderr)
    return {"seconds": ended.seconds, "tests": tests, "contexts": contexts, "lines": lines}


def _read_lines(folder: Path, sandbox: Path) -> tuple[dict[str, dict[int, list[int]]], list[str]]:
    """Line to contexts for each file, contexts as numbers; also what other processes have written.

    The context without a name is what ran before the first test: the import.
    """
    numbers: dict[str, int] = {}
    lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for written in folder.glob("data*"):
        data = CoverageData(str(written))
        try:
            data.read()
        except DataError:  # of a process that was killed while it wrote
            continue
        for file in data.measured_files():
            path = Path(file).relative_to(sandbox).as_posix()
            for line, contexts in data.contexts_by_lineno(file).items():
                lines[path][line] |= {numbers.setdefault(context, len(numbers)) for context in contexts}
    kept = {path: {line: sorted(found) for line, found in by_line.items()} for path, by_line in lines.items()}
    return kept, list(numbers)


def _kept_in(path: Path) -> Path:
    return FOLDER / (path.relative_to(ROOT).as_posix().replace("/", "-") + ".json")


def _read(path: Path) -> dict[str, Any]:
    kept = _kept_in(path)
    return json.loads(kept.read_text()) if kept.exists() else {}
