"""Merging users leaves no connection open."""

import asyncpg

from storage.people.merge import merge_users
from tests.conftest import Cluster, Person

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND datname = 'tests'"


async def test_connection_of_the_administrator_is_closed(alice: Person, bob: Person, cluster: Cluster) -> None:
    url = cluster.address("tests")
    observer = await asyncpg.connect(url)
    before = await observer.fetchval(OPEN)
    await merge_users(url, alice.user_id, bob.user_id)
    while await observer.fetchval(OPEN) > before:  # PostgreSQL ends a process a moment after its connection
        pass
    assert await observer.fetchval(OPEN) == before
    await observer.close()
