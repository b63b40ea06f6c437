"""The command: `python -m tests.mutants --seed 1 --count 300`. After Ctrl-C the same command continues."""

import asyncio
import fcntl
import sys
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated

import typer

from tests.mutants.coverage_map import CoverageMap, bring_up_to_date, digest_product, digest_tests
from tests.mutants.places import Mutant, diff, sample
from tests.mutants.pool import CACHE, ROOT, Worker, share_out, workers
from tests.mutants.reach import Reach
from tests.mutants.session import ALIVE, Session, Verdict, session
from tests.mutants.worker import Ended, Job

SHORTEST_LIMIT = 15.0
SLOWDOWN = 5.0
"""A test hangs when it takes longer than both: so many seconds, and so many times as long as without a mutant."""

STARTING = 60.0
"""Seconds for importing the product and collecting the tests."""


@dataclass
class Judge:
    """Breaks the product, runs the tests that reach the place, and keeps what they say."""

    session: Session
    reach: Reach
    tests: str
    waiting: int
    began: float = field(default_factory=monotonic)
    done: int = 0

    async def judge(self, worker: Worker, mutant: Mutant) -> None:
        """Run one mutant."""
        source = (ROOT / mutant.path).read_text("utf-8")
        mutated = mutant.apply(source)
        verdict = Verdict("unreached", self.tests)
        if chosen := self.reach.tests_for(mutant.path, mutant.start[0]):
            limits = {test.name: max(SHORTEST_LIMIT, SLOWDOWN * test.seconds) for test in chosen}
            deadline = STARTING + SLOWDOWN * sum(test.seconds for test in chosen)
            job = Job(list(dict.fromkeys(test.file for test in chosen)), deadline, limits)
            worker.sandbox.write(mutant.path, mutated)
            try:
                verdict = _read(await worker.run(job), self.tests)
            finally:
                worker.sandbox.write(mutant.path, source)
        self.session.set(mutant, verdict, diff(source, mutated, mutant.path))
        self.done += 1
        self._tell(mutant, verdict)

    def _tell(self, mutant: Mutant, verdict: Verdict) -> None:
        fates = Counter(verdict.fate for verdict in self.session.verdicts().values())
        alive = sum(fates[fate] for fate in ALIVE)
        left = (monotonic() - self.began) / self.done * (self.waiting - self.done) / 60
        print(
            f"{fates.total()}/{len(self.session.mutants)}: {fates.total() - alive} killed, {alive} survived, "
            f"{left:.0f} min left  [{verdict.fate} {mutant.path}:{mutant.start[0]} {verdict.ran} tests "
            f"{verdict.seconds:.1f} s]",
            file=sys.stderr,
            flush=True,
        )


def _read(ended: Ended, tests: str) -> Verdict:
    failed, reason = str(ended.facts.get("failed", "")), str(ended.facts.get("reason", ""))
    ran = int(ended.facts.get("ran", 0))
    if ended.status == 0:
        fate = "survived"
    elif ended.timeout or "from pytest-timeout" in reason:
        fate = "timeout"
    elif ended.status == 1:
        fate = "killed"
    else:
        fate = "import"
    return Verdict(fate, tests, ended.seconds, ran, failed, reason[-500:])


def main(seed: Annotated[int, typer.Option()] = 1, count: Annotated[int, typer.Option()] = 300, jobs: int = 2) -> None:
    """Run a sample of mutants and list the survivors."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("make mutants runs already: wait for it, or stop it") from None
        asyncio.run(_main(seed, count, jobs))


async def _main(seed: int, count: int, jobs: int) -> None:
    mutants, tests = sample(ROOT, seed, count), digest_tests()
    with session(digest_product(), mutants) as found:
        if pending := found.pending(tests):
            async with workers(min(jobs, len(pending))) as pool:
                measured = await bring_up_to_date(pool)
                _tell_left_out(measured)
                judge = Judge(found, Reach(ROOT, measured), tests, len(pending))
                await share_out(pool, pending, judge.judge)
        _report(found, seed)


def _tell_left_out(measured: CoverageMap) -> None:
    left_out = Counter(name.partition("::")[0] for name in measured.left_out)
    print(f"{len(measured.tests)} tests take part, {left_out.total()} are left out:", file=sys.stderr)
    for file, number in sorted(left_out.items()):
        print(f"  {file}: {number}", file=sys.stderr)


def _report(found: Session, seed: int) -> None:
    verdicts = found.verdicts()
    fates = Counter(verdict.fate for verdict in verdicts.values())
    for mutant in sorted(mutant for mutant, verdict in verdicts.items() if verdict.fate in ALIVE):
        source = (ROOT / mutant.path).read_text("utf-8")
        print(f"\n{verdicts[mutant].fate}: {mutant.path}:{mutant.start[0]} {mutant.operator}")
        print(diff(source, mutant.apply(source), mutant.path))
    alive = sum(fates[fate] for fate in ALIVE)
    killed = fates.total() - alive
    hung = [f"{mutant.path}:{mutant.start[0]}" for mutant, verdict in verdicts.items() if verdict.fate == "timeout"]
    print(f"\nKilled by a time-out: {', '.join(sorted(hung)) or 'none'}")
    print(
        f"Seed {seed}, {fates.total()} mutants: {killed} killed ({killed / fates.total():.1%}), of these "
        f"{fates['timeout']} by a time-out and {fates['import']} at import; {fates['survived']} survived, "
        f"{fates['unreached']} reached by no test"
    )


if __name__ == "__main__":
    typer.run(main)
