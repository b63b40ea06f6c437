"""A limit on connections that stay open: live sockets and subscription streams.

It protects the memory of one process, so each process counts alone (docs/research.md, "Sockets are counted per
process").
"""

import math
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager


class LimitReached(Exception):
    """A user has too many connections open. `most` is how many they may have now."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class ConnectionLimit:
    """Counts the open connections of each user, `per_user` at most, and `total` for the process.

    The fewer places are free, the fewer a user may have: `per_user` when all are free, half of it when half of them
    are, and one as long as any is. So users with many connections cannot take the last places from those with none.
    """

    def __init__(self, per_user: int, total: int) -> None:
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
        free = self._total - self.count
        most = math.ceil(self.per_user * free / self._total) if free > 0 else 0
        if self._open[user_id] >= most:
            raise LimitReached(most)
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            # A Counter keeps zeros, so it would grow with every user that was ever connected.
            if not self._open[user_id]:
                del self._open[user_id]
