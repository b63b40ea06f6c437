"""Purging removes exactly what has expired."""

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from storage.engine import retention
from storage.engine.database import Database
from tests.conftest import Cluster, Person
from tests.support.consent import agreed
from tests.support.running_server import DatabaseProxy


async def test_deleted_tasks_are_purged_after_thirty_days_and_keys_after_one(
    cluster: Cluster, database: Database, alice: Person, bob: Person
) -> None:
    kept = await alice.call("add_task", title="kept", idempotency_key="fresh")
    restorable = await alice.call("add_task", title="restorable", idempotency_key="stale")
    gone = await alice.call("add_task", title="gone")
    await agreed(alice, "share_task", bob, task_id=gone["id"])
    for task in (restorable, gone):
        await alice.call("delete_task", task_id=task["id"])
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(
        "UPDATE tasks SET deleted_at = now() - CASE id WHEN $1 THEN interval '31 days' ELSE interval '29 days' END"
        " WHERE id = ANY ($2)",
        gone["id"],
        [restorable["id"], gone["id"]],
    )
    await administrator.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE user_id = $1 AND key = 'stale'",
        alice.user_id,
    )
    await retention.purge(database)
    keys = await administrator.fetch("SELECT key FROM idempotency_keys WHERE user_id = $1", alice.user_id)
    await administrator.close()
    assert [row["key"] for row in keys] == ["fresh"]
    assert await alice.refusal("restore_task", task_id=gone["id"]) == (
        f"No task {gone['id']}. Use list_tasks to find its id."
    )
    assert (await alice.call("restore_task", task_id=restorable["id"]))["title"] == "restorable"
    assert (await alice.call("get_task", task_id=kept["id"]))["title"] == "kept"


async def test_tokens_are_purged_thirty_days_after_they_ended(
    cluster: Cluster, database: Database, alice: Person
) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.executemany(
        "INSERT INTO personal_access_tokens (user_id, name, token_hash, token_hint, scopes, expires_at, revoked_at) "
        "VALUES ($1, $2, md5($1 || $2) || md5($2), 'abcd', 'mcp:read', now() + $3::interval, now() + $4::interval)",
        [
            (alice.user_id, name, timedelta(days=expires), None if revoked is None else timedelta(days=revoked))
            for name, expires, revoked in (
                ("expired long ago", -31, None),
                ("expired lately", -29, None),
                ("revoked long ago", 300, -31),
                ("revoked lately", 300, -29),
                ("valid", 300, None),
            )
        ],
    )
    await retention.purge(database)
    found = await administrator.fetch("SELECT name FROM personal_access_tokens WHERE user_id = $1", alice.user_id)
    await administrator.close()
    assert {row["name"] for row in found} == {"expired lately", "revoked lately", "valid"}


async def test_a_person_has_fifty_valid_tokens_at_most(cluster: Cluster, alice: Person, bob: Person) -> None:
    create = "SELECT taskdeck_pat_create($1, NULL, NULL, 'board', $2, 'tdp_', 'mcp:read', now() + $3::interval)"
    connection = await asyncpg.connect(cluster.address("tests"))
    for _ in range(50):
        await connection.execute(create, alice.user_id, secrets.token_hex(32), timedelta(days=1))
    with pytest.raises(asyncpg.ProgramLimitExceededError):
        await connection.execute(create, alice.user_id, secrets.token_hex(32), timedelta(days=1))
    await connection.execute(create, bob.user_id, secrets.token_hex(32), timedelta(days=1))
    # Neither revoked nor expired ones count.
    oldest = await connection.fetchval("SELECT min(id) FROM taskdeck_pat_list($1)", alice.user_id)
    assert await connection.fetchval("SELECT taskdeck_pat_revoke($1, $2)", alice.user_id, oldest)
    await connection.execute(create, alice.user_id, secrets.token_hex(32), timedelta(days=-1))
    await connection.execute(create, alice.user_id, secrets.token_hex(32), timedelta(days=1))
    await connection.close()


async def test_purging_resumes_after_an_outage(
    cluster: Cluster,
    alice: Person,
    direct_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retention, "PERIOD", 0.01)
    caplog.set_level("INFO", "storage.engine.retention")
    task = (await alice.call("add_task", title="gone"))["id"]
    await alice.call("delete_task", task_id=task)
    administrator = await asyncpg.connect(cluster.address("tests"))
    async with DatabaseProxy(direct_url, tmp_path) as proxy, Database.open(proxy.url) as database:
        await proxy.cut()
        purging = asyncio.create_task(retention.purge_for_ever(database, audit_days=0))
        while not caplog.messages and not purging.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await proxy.restore()
        await administrator.execute("UPDATE tasks SET deleted_at = now() - interval '31 days' WHERE id = $1", task)
        while await administrator.fetchval("SELECT 1 FROM tasks WHERE id = $1", task) and not purging.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        purging.cancel()
    await administrator.close()
    assert (await alice.refusal("restore_task", task_id=task)).startswith("No task")
