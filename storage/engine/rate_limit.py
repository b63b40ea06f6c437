"""Rate limits of a person and of each of their clients, counted across replicas in one statement."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import func, select

from storage.engine.database import Database
from storage.engine.statements import literally
from storage.schema.errors import Unavailable


@dataclass(frozen=True)
class Waits:
    """Seconds until each of the two limits allows a request again, 1 to 60. Both 0: the request was counted."""

    client: int = 0
    person: int = 0


@dataclass(frozen=True)
class Lease:
    """How many requests were counted, and for how many seconds they may be made; `waits` says why there are none."""

    waits: Waits
    granted: int
    seconds: float


async def take(
    database: Database, user_id: str, client: str, wanted: int, *, client_rate: int, person_rate: int, seconds: float
) -> Lease:
    """Count requests of a client, and of its person, in both limits or, if one of them is used up, in neither.

    At least one is counted then, and at most `wanted`, but beyond one no more than a sixteenth of what is left.
    `client_rate` and `person_rate` are requests in a minute that begins with the first one. `client` is any key that
    distinguishes the clients of one person. One statement counts, so two replicas cannot both admit the last request.

    Raises:
        Unavailable: the counters cannot be reached within `seconds`.
    """
    # A limit of its own, because every request waits here before it has done anything.
    query = statement(user_id, client, client_rate, person_rate, wanted)
    try:
        async with asyncio.timeout(seconds):
            client_wait, person_wait, granted, left = await database.read_alone(query)
    except TimeoutError as error:
        raise Unavailable("The count of requests cannot be reached. Try again.") from error
    return Lease(Waits(int(client_wait), int(person_wait)), int(granted), float(left))


@lru_cache(maxsize=4096)
def statement(user_id: str, client: str, client_rate: int, person_rate: int, wanted: int) -> str:
    """The query that counts, with its values as literals."""
    # `read_alone` sends it as COPY (query) TO STDOUT, which takes no parameters.
    counted = func.take_request(user_id, client, client_rate, person_rate, wanted)
    return literally(select(counted.table_valued("client_wait", "person_wait", "granted", "seconds")))
