"""Requests up to a rate limit and beyond it, and what was counted of them."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable

import asyncpg
import httpx2

from tests.conftest import Cluster, Person

STATISTICS = "/api/dashboard/statistics"


def statuses(answers: Iterable[httpx2.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


def refusals(answers: Iterable[httpx2.Response]) -> set[str]:
    """The messages of 429 responses, without the time to wait, which must equal the header."""
    messages: set[str] = set()
    for answer in answers:
        if answer.status_code == 429:
            wait = int(answer.headers["retry-after"])
            assert 1 <= wait <= 60
            body = answer.json()
            assert body.pop("error") == "rate_limited"
            sentence, advice = body.pop("detail").split(". ")
            assert (advice, body) == (f"Wait {wait} s", {})
            messages.add(sentence)
    return messages


async def used(cluster: Cluster, person: Person) -> list[int]:
    """The counts of the user's windows, in ascending order."""
    administrator = await asyncpg.connect(cluster.address("tests"))
    rows = await administrator.fetch("SELECT used FROM rate_limits WHERE user_id = $1 ORDER BY 1", person.user_id)
    await administrator.close()
    return [row["used"] for row in rows]


async def send(clients: list[httpx2.AsyncClient], number: int, together: int) -> list[httpx2.Response]:
    """Send `number` requests, by the clients in turn, `together` at a time."""
    next_client, answers = itertools.cycle(clients), list[httpx2.Response]()

    async def ask() -> None:
        for client in itertools.islice(next_client, number // together):
            answers.append(await client.get(STATISTICS))

    await asyncio.gather(*(ask() for _ in range(together)))
    return answers


async def pass_time(cluster: Cluster, person: Person, seconds: int) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(
        "UPDATE rate_limits SET started = started - make_interval(secs => $2) WHERE user_id = $1",
        person.user_id,
        seconds,
    )
    await administrator.close()
