"""Purging removes exactly what has expired."""

import asyncio
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
        purging = asyncio.create_task(retention.purge_for_ever(database))
        while not caplog.messages and not purging.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await proxy.restore()
        await administrator.execute("UPDATE tasks SET deleted_at = now() - interval '31 days' WHERE id = $1", task)
        while await administrator.fetchval("SELECT 1 FROM tasks WHERE id = $1", task) and not purging.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        purging.cancel()
    await administrator.close()
    assert (await alice.refusal("restore_task", task_id=task)).startswith("No task")
