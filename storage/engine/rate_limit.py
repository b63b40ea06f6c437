"""How often a user may ask, counted across replicas in one statement."""

import asyncio
from functools import lru_cache

from sqlalchemy import func, select

from storage.engine.database import Scope, literally
from storage.schema.errors import Unavailable


async def take(scope: Scope, rate: int, seconds: float) -> int:
    """Count one more request of the user's, of at most `rate` in a minute that begins with the first of them.

    Gives 0 if it is counted, else how many seconds to wait until that minute ends (1 to 60). One statement in one
    round trip, so replicas cannot both take the last one.

    Raises:
        Unavailable: the count cannot be reached within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            return int((await scope.run_alone(_take(rate))).removeprefix("SELECT "))
    except TimeoutError as error:
        raise Unavailable("The count of requests cannot be reached. Try again.") from error


@lru_cache(maxsize=8)
def _take(rate: int) -> str:
    # A row for each second to wait: the number of rows is all that such a statement tells.
    return literally(select().select_from(func.generate_series(1, func.take_request(rate)).alias("second")))
