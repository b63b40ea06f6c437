"""Verbs that lose their connection while they wait for a lock, and are run again."""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import Any

import asyncpg

from storage.people import users
from tests.conftest import Cluster, Person
from tests.support.running_server import personal_token

END_WHO_WAITS = """SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"""


async def interrupted(cluster: Cluster, table: str, work: Awaitable[Any]) -> Any:
    """The result of work whose connection is ended while it waits for a lock on the table."""
    rival = await asyncpg.connect(cluster.address("tests"))
    async with rival.transaction():
        await rival.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        working = asyncio.ensure_future(work)
        while not working.done() and not await rival.fetchval(END_WHO_WAITS):  # noqa: ASYNC110 - a lock raises no event
            await asyncio.sleep(0.01)
    await rival.close()
    return await working


async def test_answer_to_an_invitation_is_given_again(alice: Person, bob: Person, cluster: Cluster) -> None:
    task = (await alice.call("add_task", title="Water"))["id"]
    await alice.call("share_task", task_id=task, user=bob.user_id)
    ((waiting,),) = [(await bob.call("manage_invitations"))["invitations"]]
    answer = bob.call("manage_invitations", action="accept", invitation_id=waiting["id"])
    await interrupted(cluster, "invitations", answer)
    assert (await bob.call("get_task", task_id=task))["title"] == "Water"


async def test_personal_token_is_looked_up_again(alice: Person, cluster: Cluster, direct_url: str) -> None:
    async with personal_token(direct_url, alice.user_id) as (token, _):
        digest = hashlib.sha256(token.encode()).hexdigest()
        holder = await interrupted(cluster, "personal_access_tokens", users.find_personal_token(alice.database, digest))
    assert (holder.user_id, holder.email) == (alice.user_id, alice.email)
