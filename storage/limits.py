"""How often a user may ask, counted across replicas in one statement."""

import asyncio
from functools import lru_cache

from sqlalchemy import Interval, Text, cast, func, literal
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from storage.bookkeeping import RateLimit
from storage.database import Scope, literally
from storage.errors import Unavailable


async def take(scope: Scope, rate: int, seconds: float) -> bool:
    """Whether the user may make one more request, of `rate` a minute; if so it is counted.

    By GCRA: the theoretical arrival time of the next request moves on by 60/rate seconds with each, and may be a
    minute ahead at most. One statement in one round trip, so replicas cannot both take the last one.

    Raises:
        Unavailable: the count cannot be reached within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            return await scope.run_alone(_take(rate)) == "INSERT 0 1"
    except TimeoutError as error:
        raise Unavailable("The count of requests cannot be reached. Try again.") from error


@lru_cache(maxsize=8)
def _take(rate: int) -> str:
    now = func.clock_timestamp()
    step, minute = (cast(literal(f"{seconds:.6f} seconds", Text), Interval) for seconds in (60 / rate, 60))
    following = func.greatest(col(RateLimit.arrival), now) + step
    taken = insert(RateLimit).values(user_id=func.current_user_id(), arrival=now + step).inline()
    return literally(
        taken.on_conflict_do_update(
            index_elements=["user_id"], set_={"arrival": following}, where=following <= now + minute
        )
    )
