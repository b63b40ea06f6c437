"""The verdicts of a sample of mutants, stored in a file."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from tests.mutants import cosmic
from tests.mutants.places import Mutant
from tests.mutants.pool import CACHE

Fate = Literal["killed", "timeout", "import", "survived", "unreached"]
"""A test failed; a test hung; pytest could not even start; no chosen test failed; no test reaches the line."""

ALIVE: tuple[Fate, ...] = ("survived", "unreached")


@dataclass(frozen=True)
class Verdict:
    """The fate of a mutant. `tests` is the digest of the tests that judged it, `reason` what the first failure was."""

    fate: Fate
    tests: str
    seconds: float = 0.0
    ran: int = 0
    failed: str = ""
    reason: str = ""


class Session:
    """The mutants of a sample in their order, each with its verdict once there is one."""

    def __init__(self, results: cosmic.Results, mutants: list[Mutant]) -> None:
        self._results = results
        self.mutants = mutants
        results.add((_key(m), m.path, m.operator, m.occurrence, m.start, m.end) for m in mutants)

    def verdicts(self) -> dict[Mutant, Verdict]:
        """The known verdicts."""
        known = self._results.read()
        return {mutant: Verdict(**json.loads(known[_key(mutant)])) for mutant in self.mutants if _key(mutant) in known}

    def set(self, mutant: Mutant, verdict: Verdict, diff: str) -> None:
        """Store a verdict."""
        self._results.set(_key(mutant), json.dumps(asdict(verdict)), diff, verdict.fate in ALIVE)

    def pending(self, tests: str) -> list[Mutant]:
        """What has no verdict, and what survived other tests than these: new tests may kill it."""
        known = self.verdicts()
        return [
            mutant
            for mutant in self.mutants
            if mutant not in known or (known[mutant].fate in ALIVE and known[mutant].tests != tests)
        ]


@contextmanager
def session(product: str, mutants: list[Mutant]) -> Generator[Session]:
    """The session of this state of the product, by its digest: another state has other mutants."""
    for other in CACHE.glob("*.sqlite"):
        if other.stem != product:
            other.unlink()
    with cosmic.results(CACHE / f"{product}.sqlite") as results:
        yield Session(results, mutants)


def _key(mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.operator}:{mutant.occurrence}"
