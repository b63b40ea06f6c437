"""The data that is measured on: a table of a million tasks of a thousand people."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

TASKS = 1_000_000
BATCHES = 20
PEOPLE = tuple(f"bench-{number}" for number in range(1, 9))
"""Each owns one task in a hundred: 10,000."""
OWNER_OF_MANY = "big"
"""Owns one task in ten: 100,000."""
TEAMS = 2
TEAM_TASKS = 200
"""Tasks in each team, made by people who are not in PEOPLE."""
SHARES = 100
"""Tasks that somebody else has shared with each of PEOPLE."""

_USERS = """
INSERT INTO users (id) SELECT 'other-' || n FROM generate_series(0, 996) n
UNION ALL SELECT 'bench-' || n FROM generate_series(1, 8) n UNION ALL SELECT 'big'
"""
# The tasks of each person are spread over the whole table, as they are after many people have added some for a year.
# Stored side by side, they would fill few pages, and an index scan would look faster than it is.
_INSERT = """
INSERT INTO tasks
    (user_id, title, description, status, priority, due, due_at, tags, created_at, updated_at, completed_at)
SELECT owner, 'Call the supplier about order ' || n, CASE WHEN n % 4 = 0 THEN 'They said they would send it again.' END,
    CASE WHEN done THEN 'completed' ELSE 'pending' END, (ARRAY['low', 'medium', 'high', 'urgent'])[1 + n % 4],
    CASE WHEN due THEN '2027-01-31' END, CASE WHEN due THEN timestamptz '2027-01-31Z' END,
    CASE WHEN n % 3 = 0 THEN ARRAY['orders'] ELSE '{}' END, at, at, CASE WHEN done THEN at + interval '1 day' END
FROM (SELECT n, now() - ($3 - n) * interval '30 seconds' - interval '1 day' AS at,
        CASE WHEN n % 10 = 0 THEN 'big' WHEN n % 100 < 9 THEN 'bench-' || n % 100 ELSE 'other-' || n % 997 END AS owner,
        n % 3 = 0 AND n % 100 NOT BETWEEN 1 AND 8 AS done, n % 13 < 6 AS due
    FROM generate_series($1::int, $2::int) n) row
"""
# Written here, because the triggers are off while the rows are added: with them, a million rows take twice as long.
_EVENTS = """
INSERT INTO task_events (task_id, owner_id, user_id, event_type, created_at)
SELECT id, user_id, user_id, 'task_created', created_at FROM tasks WHERE id BETWEEN $1 AND $2
"""
_TEAMS = (
    f"INSERT INTO teams (owner_id, name) SELECT 'big', 'Team ' || n FROM generate_series(1, {TEAMS}) n",
    """INSERT INTO team_members (team_id, user_id, role) SELECT t.id, p.id, 'member' FROM teams t CROSS JOIN (
        SELECT 'big' AS id UNION ALL SELECT 'bench-' || n FROM generate_series(1, 8) n) p""",
    f"""UPDATE tasks SET team_id = chosen.team FROM (
        SELECT o.id, 1 + row_number() OVER (ORDER BY o.id) % {TEAMS} AS team FROM tasks o
        WHERE o.user_id = 'big' AND o.status <> 'completed' ORDER BY o.id LIMIT {TEAMS * TEAM_TASKS}) chosen
    WHERE tasks.id = chosen.id""",
    f"""INSERT INTO task_shares (task_id, shared_with_user_id, owner_id, permission)
    SELECT o.id, 'bench-' || n, o.user_id, 'edit' FROM generate_series(1, 8) n CROSS JOIN LATERAL (
        SELECT id, user_id FROM tasks WHERE user_id = 'big' AND status <> 'completed' AND team_id IS NULL
        ORDER BY id DESC LIMIT {SHARES}) o""",
)


def own_tasks(person: str, total: int) -> range:
    """The ids of the tasks of one of PEOPLE."""
    return range(int(person.rpartition("-")[2]), total + 1, 100)


async def fill(administrator: "Connection", total: int, progress: Callable[[float], None]) -> None:
    """Add people and `total` tasks to an empty database. `progress` gets the share that each batch added."""
    await administrator.execute(_USERS)
    # Turns triggers and foreign keys off for this session, which takes a superuser.
    await administrator.execute("SET session_replication_role = replica")
    step = total // BATCHES
    for first in range(1, total + 1, step):
        await administrator.execute(_INSERT, first, first + step - 1, float(total))
        await administrator.execute(_EVENTS, first, first + step - 1)
        progress(step / total)
    for statement in _TEAMS:
        await administrator.execute(statement)


async def restore(administrator: "Connection", total: int) -> None:
    """Undo what calls have done to the data that `fill` added."""
    await administrator.execute("SET session_replication_role = replica")
    await administrator.execute("DELETE FROM tasks WHERE id > $1", total)
    await administrator.execute("DELETE FROM task_events WHERE task_id > $1 OR event_type <> 'task_created'", total)
    again = (
        "UPDATE tasks SET status = 'pending', completed_at = NULL, version = 1 WHERE version > 1 AND user_id = ANY ($1)"
    )
    await administrator.execute(again, PEOPLE)
