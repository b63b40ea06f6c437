"""Latency of search_messages for people with 1,000, 10,000 and 100,000 messages, size of the index, cost of writing."""

import math
import random
import statistics
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg

from benchmarks import recall
from storage.engine import migrations
from storage.engine.database import Database

SIZES = (1_000, 10_000, 100_000)
PER_CONVERSATION = 20
WORDS = 20_000
ROUNDS = 100
WRITTEN = {"one message": (1, 1), "two messages": (2, 1), "20 messages": (20, 1), "a message of 20 KB": (1, 800)}
"""Messages in a call of append_messages, and texts in a message."""

_SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "ra", "se", "to", "vi", "zo", "pla", "gri", "sten", "mor", "fil"]
_FUNCTION_WORDS = ["the", "to", "i", "and", "you", "a", "that", "it", "of", "was", "for", "in", "is", "on", "my", "we"]
# The column and the index of messages before ranked search, for the cost of writing.
_BEFORE = """
DROP INDEX messages_search, messages_newest;
ALTER TABLE messages DROP COLUMN search CASCADE;
ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, content)) STORED;
CREATE INDEX messages_search ON messages USING gin (user_id, search)
"""

_CONVERSATIONS = """
INSERT INTO conversations (id, user_id, title, message_count, updated_at) OVERRIDING SYSTEM VALUE
SELECT $1 + n, $2, 'A conversation', $3, now() - ($4 - n) * interval '1 hour' FROM generate_series(0, $4 - 1) n
"""

Message = tuple[int, int, str, str, str, datetime]
Connection = Any


def word(rank: int) -> str:
    """The word that is so many-th most common, of WORDS."""
    return "".join(_SYLLABLES[int(rank // len(_SYLLABLES) ** power) % len(_SYLLABLES)] for power in range(4))


def texts(seed: int) -> Iterator[str]:
    """Endless messages of 15 to 35 words, whose frequencies follow Zipf's law."""
    source = random.Random(seed)
    limit = math.log(WORDS)
    while True:
        yield " ".join(
            source.choice(_FUNCTION_WORDS)
            if source.random() < 0.45
            else word(int(math.exp(source.random() * limit)) - 1)
            for _ in range(source.randint(15, 35))
        )


def questions() -> dict[str, list[str]]:
    """Queries of each kind."""
    source = random.Random(2)
    rare = [word(source.randint(5000, WORDS - 1)) for _ in range(20)]
    common = [word(rank) for rank in range(8)]
    middle = [word(source.randint(20, 500)) for _ in range(20)]
    return {
        "a rare word": rare,
        "a common word": common,
        "common words": [" ".join(source.sample(common, 3)) for _ in range(10)],
        "a long question": [
            f"What did you say about the {a} and {b} when we were in {c}, and was it {d} or {e} for the {f}?"
            for a, b, c, d, e, f in (
                (*source.sample(rare, 1), *source.sample(middle, 3), *source.sample(common, 2)) for _ in range(20)
            )
        ],
        "40 words with or": [" or ".join([*common, *middle, *source.sample(rare, 12)])[:500] for _ in range(10)],
        "a phrase": [f'"{a} of {b}"' for a, b in (source.sample(common, 2) for _ in range(10))],
    }


def rows(owner: str, first: int, count: int, seed: int) -> Iterator[Message]:
    """Messages of a person, three minutes apart, the last one now."""
    written = texts(seed)
    now = datetime.now(UTC)
    for number in range(count):
        at = now - timedelta(minutes=3 * (count - number))
        place = divmod(number, PER_CONVERSATION)
        yield first + place[0], place[1] + 1, owner, "user", next(written), at


async def fill(administrator: Connection, total: int) -> list[str]:
    """Add people with SIZES messages and, up to `total`, others with 1,000 each; the ids of the former."""
    people = [(f"person-{size}", size) for size in SIZES if size < total]
    left = total - sum(size for _, size in people)
    others = [(f"other-{number}", min(1000, left - number * 1000)) for number in range(max(0, -(-left // 1000)))]
    await administrator.execute("SET session_replication_role = replica")
    first = 1_000_000
    for number, (person, count) in enumerate(people + others):
        chats = -(-count // PER_CONVERSATION)
        await administrator.execute("INSERT INTO users (id) VALUES ($1)", person)
        await administrator.execute(_CONVERSATIONS, first, person, PER_CONVERSATION, chats)
        await administrator.copy_records_to_table(
            "messages",
            records=rows(person, first, count, number),
            columns=["conversation_id", "sequence", "user_id", "role", "content", "created_at"],
        )
        first += chats
    await administrator.execute("SET session_replication_role = origin")
    await administrator.execute("VACUUM ANALYZE messages, conversations")
    return [person for person, _ in people]


async def measure(database: Database, administrator: Connection, folder: Path, total: int, calls: int) -> None:
    """Print latency, the size of the index, and the cost of writing."""
    await writing(administrator, database, folder)
    people = await fill(administrator, total)
    size = await administrator.fetchval("SELECT pg_relation_size('messages_search') / count(*)::float FROM messages")
    print(f"Index on words: {size:.0f} bytes a message")
    print(f"\n| {total:,} messages in all; p50 / p95 ms | " + " | ".join(people) + " | last to first |")
    print("|---|" + "--:|" * (len(people) + 1))
    async with AsyncExitStack() as stack:
        askers = [await stack.enter_async_context(recall.Asker.of(database, person, folder)) for person in people]
        for kind, asked in questions().items():
            times: list[list[float]] = [[] for _ in askers]
            for number in range(calls + 5):
                # In turn, so that a slow phase of the machine affects all sizes.
                for asker, spent in zip(askers, times, strict=True):
                    begun = perf_counter()
                    await asker.call("search_messages", query=asked[number % len(asked)])
                    spent.append(1000 * (perf_counter() - begun))
            print_row(kind, [spent[5:] for spent in times])
        hostile = await stack.enter_async_context(recall.Asker.of(database, "hostile", folder))
        await attack(hostile, calls)


def print_row(kind: str, times: list[list[float]]) -> None:
    """Print the percentiles of each size."""
    middles = [statistics.median(spent) for spent in times]
    highs = [statistics.quantiles(spent, n=20)[-1] for spent in times]
    cells = " | ".join(f"{middle:.1f} / {high:.1f}" for middle, high in zip(middles, highs, strict=True))
    print(f"| {kind} | {cells} | {middles[-1] / middles[0]:.2f} / {highs[-1] / highs[0]:.2f} |", flush=True)


async def attack(asker: recall.Asker, calls: int) -> None:
    """Ten messages of 60 KB, and 40 words joined by `or`."""
    written = texts(7)
    long = [" ".join(next(written) for _ in range(600))[:60_000] for _ in range(10)]
    for content in long:
        await asker.call("start_conversation", messages=[{"role": "user", "content": content}])
    query = questions()["40 words with or"][0]
    times: list[float] = []
    for _ in range(calls):
        begun = perf_counter()
        await asker.call("search_messages", query=query)
        times.append(1000 * (perf_counter() - begun))
    print_row("10 messages of 60 KB, 40 words with or", [times])


async def writing(administrator: Connection, database: Database, folder: Path) -> None:
    """Print the medians of append_messages, with the column and index before ranked search, and now."""
    await administrator.execute("CREATE DATABASE before OWNER taskdeck")
    url = database.url.replace("/taskdeck?", "/before?")
    await migrations.migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute(_BEFORE)
    await connection.close()
    written = texts(3)
    print("\n| append_messages, ms | before | now | ratio |\n|---|--:|--:|--:|")
    async with Database.open(url) as former, AsyncExitStack() as stack:
        askers = [await stack.enter_async_context(recall.Asker.of(one, "writer", folder)) for one in (former, database)]
        for kind, (count, size) in WRITTEN.items():
            chats = [(await asker.call("start_conversation"))["id"] for asker in askers]
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                contents = [" ".join(next(written) for _ in range(size))[:20_000] for _ in range(count)]
                messages = [{"role": "user", "content": content} for content in contents]
                for asker, chat, spent in zip(askers, chats, times, strict=True):
                    begun = perf_counter()
                    await asker.call("append_messages", conversation_id=chat, messages=messages)
                    spent.append(1000 * (perf_counter() - begun))
            before, after = (statistics.median(spent) for spent in times)
            print(f"| {kind} | {before:.2f} | {after:.2f} | {after / before:.2f} |", flush=True)
