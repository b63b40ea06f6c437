"""A limit on connections that stay open: live sockets and subscription streams.

It protects the memory of one process, so each process counts alone (docs/research.md, "Sockets are counted per
process").
"""

import math
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager


class LimitReached(Exception):
    """A user, or the whole process, has too many connections open."""


class ConnectionLimit:
    """Counts the open connections of each user, `per_user` at most, and `total` for the process."""

    def __init__(self, per_user: int, total: float = math.inf) -> None:
        self.per_user = per_user
        self._total = total
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return self._open.total()

    @contextmanager
    def hold(self, user_id: str) -> Generator[None]:
        """Count a connection while it is open.

        Raises:
            LimitReached: there is no room. The new connection is refused rather than the oldest one closed, or six
                pages of one user would close each other in turn for as long as they reconnect.
        """
        if self._open[user_id] >= self.per_user or self.count >= self._total:
            raise LimitReached
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            # A Counter keeps zeros, so it would grow with every user that was ever connected.
            if not self._open[user_id]:
                del self._open[user_id]
