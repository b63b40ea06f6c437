"""Demo data: people, teams, tasks, shares and conversations as a small company would have them after two months.

Everything is written by the person it belongs to, through the same policies as any request. The content depends only
on the requested numbers and on the date, so filling again adds only what is missing.
"""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from random import Random
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlmodel import col

from storage.engine.database import Database, Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import invitations, teams, users
from storage.schema.errors import NotFound
from storage.schema.request_models import TeamRole
from storage.schema.tables import Conversation, Message, Task, TaskShare
from storage.tasks.due_dates import parse_due

BATCH = 1000
WEEKS = 8
MODEL = "claude-sonnet-4-5"
ME = func.current_user_id()

WORDS: dict[str, list[str]] = tomllib.loads(files("storage").joinpath("demo.toml").read_text("utf-8"))


def _lists(**types: Any) -> Any:  # noqa: ANN401
    """Named parameters, each a list, as the columns of one table."""
    # One array for each column: one statement then stores any number of rows, without the limit on parameters.
    lists = (bindparam(name, type_=ARRAY(kind)) for name, kind in types.items())
    return func.unnest(*lists).table_valued(*types).render_derived("given")


def _storing_tasks() -> Statement:
    moment = DateTime(timezone=True)
    plain = {"team_id": BigInteger, "assignee_id": Text, "title": Text, "description": Text, "status": Text}
    plain |= {"priority": Text, "due": Text, "recurrence": Text}
    moments = ("due_at", "created_at", "updated_at", "completed_at")
    # Tags as one text, split in SQL: unnest would flatten an array of arrays.
    given = _lists(**plain, **dict.fromkeys(moments, moment), tags=Text)
    columns = [*plain, *moments]
    rows = select(ME, func.string_to_array(given.c.tags, ","), *(given.c[name] for name in columns))
    stored = insert(Task).from_select(["user_id", "tags", *columns], rows)
    return compiled(stored.returning(col(Task.id)))


def _storing_shares() -> Statement:
    given = _lists(task_id=BigInteger, shared_with_user_id=Text, permission=Text)
    rows = select(ME, *given.c)
    stored = insert_or(TaskShare).from_select(["owner_id", *given.c.keys()], rows)
    return compiled(stored.on_conflict_do_nothing())


def _storing_messages() -> Statement:
    given = _lists(sequence=Integer, role=Text, content=Text, tool_calls=Text, created_at=DateTime(timezone=True))
    values = (given.c.sequence, given.c.role, given.c.content, cast(given.c.tool_calls, JSONB), given.c.created_at)
    conversation = bindparam("conversation_id", type_=BigInteger)
    model = bindparam("model", type_=Text)
    rows = select(conversation, ME, model, *values)
    names = ["conversation_id", "user_id", "model", *given.c.keys()]
    return compiled(insert(Message).from_select(names, rows))


_COUNT_TASKS = compiled(select(func.count()).select_from(Task).where(col(Task.user_id) == ME))
_COUNT_CONVERSATIONS = compiled(select(func.count()).select_from(Conversation).where(col(Conversation.user_id) == ME))
_ADD_TASKS = _storing_tasks()
_ADD_SHARES = _storing_shares()
_START = compiled(
    insert(Conversation)
    .values(
        user_id=ME,
        title=bindparam("title_", type_=Text),
        message_count=bindparam("size", type_=Integer),
        created_at=bindparam("started", type_=DateTime(timezone=True)),
        updated_at=bindparam("ended", type_=DateTime(timezone=True)),
    )
    .returning(col(Conversation.id))
)
_ADD_MESSAGES = _storing_messages()


@dataclass
class Person:
    """A person of the demo, how many tasks they get, and the teams they may put tasks into."""

    scope: Scope
    name: str
    share: int
    teams: list[tuple[int, list[str]]] = field(default_factory=list[tuple[int, list[str]]])


async def fill(
    database: Database, tasks: int, people: int, *, me: str | None = None, done: Callable[[int], None]
) -> list[str]:
    """Fill up to `tasks` tasks of `people` people; calls `done` with the number of tasks after each batch.

    `me`, the id or e-mail of a person who has signed in once, takes the place of the first one. Returns their user ids,
    the busiest first.

    Raises:
        NotFound: nobody is known as `me`.
    """
    company = await _gather(database, tasks, people, me)
    for start in range(0, people, len(WORDS["projects"])):
        await _found_team(company[start : start + len(WORDS["projects"])], start // len(WORDS["projects"]))
    ids = [person.scope.user_id for person in company]
    for person in company:
        chance = Random(f"{person.name} {person.share}")  # noqa: S311 - the same people do the same things
        have = await _count(person.scope, _COUNT_TASKS)
        done(min(have, person.share))
        # In batches, each with its own transaction: after an interruption, filling again continues from the last one.
        for left in range(person.share - have, 0, -BATCH):
            await _add_tasks(person, min(BATCH, left), chance)
            done(min(BATCH, left))
        # All or none: conversations have no names by which missing ones could be recognized.
        if not await _count(person.scope, _COUNT_CONVERSATIONS):
            await _add_conversations(person, chance)
    return ids


async def _gather(database: Database, tasks: int, people: int, me: str | None) -> list[Person]:
    """All people, stored as users. Some have many more tasks than others."""
    weights = [1 / (number + 1) ** 0.5 for number in range(people)]
    shares = [int(tasks * weight / sum(weights)) for weight in weights]
    shares[0] += tasks - sum(shares)
    company: list[Person] = []
    for number, share in enumerate(shares):
        first, last = WORDS["first"], WORDS["last"]
        name = f"{first[number % len(first)]} {last[(number * 7 + number // len(first)) % len(last)]}"
        if number == 0 and me is not None:
            async with database.nobody().transaction() as transaction:
                known = await users.find(transaction, me)
            if known is None:
                raise NotFound(f"Nobody here is known as {me}: sign in once, then seed again.")
            scope = database.scope(known["id"], "demo")
        else:
            scope = database.scope(f"demo-{number + 1:02d}", "demo")
            email = f"{name.lower().replace(' ', '.')}.{number + 1}@demo.example"
            await users.remember(scope, email, name, WORDS["places"][number % len(WORDS["places"])])
        company.append(Person(scope, name, share))
    return company


async def _found_team(members: list[Person], number: int) -> None:
    """A team of these people: the first creates it, the second is an admin, the eighth a viewer."""
    leader = members[0].scope
    name = WORDS["projects"][number % len(WORDS["projects"])]
    found, _ = await teams.find_brief(leader)
    own = [team.id for team in found if team.name == name and team.role == "owner"]
    team_id = own[0] if own else (await teams.create(leader, name)).id
    roles: list[TeamRole] = ["owner", "admin", "member", "member", "member", "member", "member", "viewer"]
    for member, role in zip(members[1:], roles[1:], strict=False):
        await teams.add_member(leader, team_id, member.scope.user_id, role)
        for waiting in (await invitations.find(member.scope)).invitations:
            await invitations.answer(member.scope, waiting.id, "accept")
    ids = [member.scope.user_id for member in members]
    # Without the viewer, who may not put tasks into the team.
    for member in members[:7]:
        member.teams.append((team_id, ids))


@retry_transient
async def _count(scope: Scope, statement: Statement) -> int:
    async with scope.transaction() as transaction:
        return await transaction.fetch_value(statement)


@retry_transient
async def _add_tasks(person: Person, count: int, chance: Random) -> None:
    rows = [_task(person, chance) for _ in range(count)]
    others = sorted({user_id for _, mates in person.teams for user_id in mates} - {person.scope.user_id})
    async with person.scope.transaction() as transaction:
        ids = [row["id"] for row in await transaction.fetch_all(_ADD_TASKS, **_turned(rows))]
        shared = [task for task in ids if others and chance.random() < 0.04]
        await transaction.run(
            _ADD_SHARES,
            task_id=shared,
            shared_with_user_id=[chance.choice(others) for _ in shared],
            permission=[chance.choice(("view", "view", "edit")) for _ in shared],
        )


def _task(person: Person, chance: Random) -> dict[str, Any]:
    now = datetime.now(UTC)
    # Squared, so that more tasks are recent; fewer are from weekends.
    created = now - timedelta(days=WEEKS * 7 * chance.random() ** 2, hours=1)
    if created.weekday() >= 5 and chance.random() < 0.7:
        created -= timedelta(days=2)
    status = chance.choices(("pending", "in_progress", "completed"), (30, 12, 58))[0]
    finished = min(now, created + timedelta(days=chance.expovariate(0.2))) if status == "completed" else None
    due = None
    if chance.random() < 0.6:
        day = (finished or now) + timedelta(days=chance.randint(-4, 18))
        due = parse_due(day.date().isoformat() if chance.random() < 0.8 else f"{day:%Y-%m-%d}T17:00:00+00:00")
    team_id, mates = chance.choice(person.teams) if person.teams and chance.random() < 0.45 else (None, [])
    title = (
        f"{chance.choice(WORDS['deeds'])} {chance.choice(WORDS['things'])}"
        if chance.random() < 0.85
        else chance.choice(WORDS["own"])
    )
    return {
        "title": title,
        "description": chance.choice(WORDS["details"]) if chance.random() < 0.3 else None,
        "status": status,
        "priority": chance.choices(("low", "medium", "high", "urgent"), (20, 55, 20, 5))[0],
        "due": due and due.text,
        "due_at": due and due.at,
        "recurrence": "FREQ=WEEKLY" if due and status != "completed" and chance.random() < 0.05 else None,
        "tags": ",".join(chance.sample(WORDS["tags"], chance.choices((0, 1, 2), (50, 35, 15))[0])),
        "team_id": team_id,
        "assignee_id": chance.choice(mates) if mates and chance.random() < 0.5 else None,
        "created_at": created,
        "updated_at": finished or created,
        "completed_at": finished,
    }


@retry_transient
async def _add_conversations(person: Person, chance: Random) -> None:
    async with person.scope.transaction() as transaction:
        for _ in range(chance.randint(3, 6)):
            thing = chance.choice(WORDS["things"])
            started = datetime.now(UTC) - timedelta(days=WEEKS * 7 * chance.random(), hours=1)
            messages = _exchange(thing, started, chance.randint(1, 4))
            conversation_id = await transaction.fetch_value(
                _START,
                title_=f"About {thing}",
                size=len(messages),
                started=started,
                ended=messages[-1]["created_at"],
            )
            await transaction.run(_ADD_MESSAGES, conversation_id=conversation_id, model=MODEL, **_turned(messages))


def _exchange(thing: str, started: datetime, turns: int) -> list[dict[str, Any]]:
    """Questions, each with an answer half a minute later."""
    call = json.dumps([{"name": "list_tasks", "arguments": {"search": thing, "status": "pending"}}])
    messages = [("user", WORDS["questions"]), ("assistant", WORDS["answers"])] * turns
    return [
        {
            "sequence": number + 1,
            "role": role,
            "content": texts[number // 2].format(thing=thing),
            "tool_calls": call if number == 1 else None,
            "created_at": started + timedelta(seconds=30 * number),
        }
        for number, (role, texts) in enumerate(messages)
    ]


def _turned(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The values of each column as one list."""
    return {name: [row[name] for row in rows] for name in rows[0]}
