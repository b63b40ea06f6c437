"""How well and how fast search_messages finds what was said.

With PATH, a file of dialogues with questions (`[{"sessions": [{"title", "messages": [{"id", "speaker", "text"}]}],
"questions": [{"question", "evidence": [id]}]}]`), it prints which share of the messages that hold an answer is among
the first 5, 10 and 20 results, beside BM25 of the package rank-bm25. Then it prints latency as a history grows.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from mcp import Client
from rank_bm25 import BM25Okapi  # pyright: ignore[reportMissingTypeStubs]

from benchmarks import histories
from mcp_server.identity.callers import Caller, Callers
from mcp_server.protocol.server import build_mcp_server
from mcp_server.settings import Settings
from storage.embedded_postgres import supervisor
from storage.engine import migrations
from storage.engine.database import Database

CUTS = (5, 10, 20)
_WORD = re.compile(r"\w+")
_STEMS = "SELECT (ts_lexize('english_stem', w.word))[1] AS stem, w.word FROM unnest($1::text[]) AS w (word)"

Dialogue = dict[str, Any]


class Asker:
    """A person with an in-memory MCP client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Call a tool; its structured result."""
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            raise RuntimeError(f"{tool} failed: {result.content}")
        return result.structured_content

    @classmethod
    @asynccontextmanager
    async def of(cls, database: Database, user: str, folder: Path) -> AsyncGenerator["Asker"]:
        """The client of a user."""
        caller = Caller(
            user_id=user,
            email=f"{user}@example.com",
            name=user,
            timezone="UTC",
            oauth_scopes=frozenset({"mcp:read", "mcp:write"}),
            client="recall",
            expires_at=4e9,
            audience="mcp",
            issuer="recall",
            client_key="recall",
        )
        callers = Callers(database)
        await callers.scope(caller)
        async with Client(build_mcp_server(_settings(folder), callers, caller)) as client:
            yield cls(client)


def _settings(folder: Path) -> Settings:
    """Default settings, whatever the environment says."""
    defaults = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in Settings.model_fields.items()
    }
    return Settings.model_construct(None, **(defaults | {"data_dir": folder, "port": 8000}))


@asynccontextmanager
async def server(folder: Path) -> AsyncGenerator[tuple[Database, "asyncpg.Connection[asyncpg.Record]"]]:
    """A migrated embedded database, and a connection of its superuser."""
    async with supervisor.running(folder) as url:
        await migrations.migrate(url)
        administrator = await asyncpg.connect(url.replace("//taskdeck:", "//postgres:"))
        async with Database.open(url) as database:
            yield database, administrator
        await administrator.close()


async def keep(asker: Asker, dialogue: Dialogue) -> dict[tuple[int, int], str]:
    """Store a dialogue, a conversation for each session. The ids of its messages by conversation and sequence."""
    places: dict[tuple[int, int], str] = {}
    for session in dialogue["sessions"]:
        first = session["messages"][0]["speaker"]
        written = [
            {
                "role": "user" if message["speaker"] == first else "assistant",
                "content": f"{message['speaker']}: {message['text']}",
            }
            for message in session["messages"]
        ]
        started = await asker.call("start_conversation", title=session["title"], messages=written[:100])
        if written[100:]:
            await asker.call("append_messages", conversation_id=started["id"], messages=written[100:])
        places |= {(started["id"], n): message["id"] for n, message in enumerate(session["messages"], start=1)}
    return places


async def by_tool(asker: Asker, dialogue: Dialogue) -> list[list[str]]:
    """What search_messages finds for each question as it is."""
    places = await keep(asker, dialogue)
    found: list[list[str]] = []
    for question in dialogue["questions"]:
        matches = (await asker.call("search_messages", query=question["question"], limit=max(CUTS)))["matches"]
        found.append([places[match["conversation_id"], match["sequence"]] for match in matches])
    return found


async def by_library(administrator: Any, dialogue: Dialogue, *, stems: bool) -> list[list[str]]:  # noqa: ANN401
    """What BM25 of rank-bm25 finds, with its own settings."""
    messages = [message for session in dialogue["sessions"] for message in session["messages"]]
    texts = [f"{message['speaker']}: {message['text']}" for message in messages]
    asked = [question["question"] for question in dialogue["questions"]]
    words = [_WORD.findall(text.lower()) for text in texts + asked]
    if stems:
        vocabulary = sorted({word for text in words for word in text})
        known = {row["word"]: row["stem"] for row in await administrator.fetch(_STEMS, vocabulary)}
        words = [[known[word] for word in text if known[word]] for text in words]
    index = BM25Okapi(words[: len(texts)])
    found: list[list[str]] = []
    for question in words[len(texts) :]:
        scores: list[float] = index.get_scores(question).tolist()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        best = sorted(range(len(texts)), key=lambda place: -scores[place])[: max(CUTS)]
        found.append([messages[place]["id"] for place in best])
    return found


def recall(dialogues: list[Dialogue], found: list[list[list[str]]]) -> list[float]:
    """The mean over all questions of the share of their messages among the first k results, for each cut."""
    shares = [
        [sum(message in results[:cut] for message in question["evidence"]) / len(question["evidence"]) for cut in CUTS]
        for dialogue, answers in zip(dialogues, found, strict=True)
        for question, results in zip(dialogue["questions"], answers, strict=True)
        if question["evidence"]
    ]
    return [sum(column) / len(shares) for column in zip(*shares, strict=True)]


async def print_recall(database: Database, administrator: Any, folder: Path, path: Path) -> None:  # noqa: ANN401
    """Print a table of how much is found."""
    dialogues: list[Dialogue] = json.loads(await asyncio.to_thread(path.read_text, "utf-8"))
    tool: list[list[list[str]]] = []
    for number, dialogue in enumerate(dialogues):
        async with Asker.of(database, f"reader-{number}", folder) as asker:
            tool.append(await by_tool(asker, dialogue))
    plain = [await by_library(administrator, dialogue, stems=False) for dialogue in dialogues]
    stemmed = [await by_library(administrator, dialogue, stems=True) for dialogue in dialogues]
    questions = sum(len(dialogue["questions"]) for dialogue in dialogues)
    print(f"\n| {questions} questions | recall@5 | recall@10 | recall@20 |\n|---|--:|--:|--:|")
    for name, found in (
        ("search_messages", tool),
        ("rank-bm25, words", plain),
        ("rank-bm25, stems without function words", stemmed),
    ):
        print(f"| {name} | " + " | ".join(f"{share:.3f}" for share in recall(dialogues, found)) + " |")


async def _run(path: Path | None, total: int, calls: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with server(folder) as (database, administrator):
            if path:
                await print_recall(database, administrator, folder, path)
            if total:
                await histories.measure(database, administrator, folder, total, calls)


def main(
    path: Annotated[Path | None, typer.Argument(help="A file of dialogues with questions")] = None,
    total: Annotated[int, typer.Option(help="Messages of all people; 0 leaves the latency out")] = 1_000_000,
    calls: Annotated[int, typer.Option(help="Searches of each kind")] = 100,
) -> None:
    """Print recall and latency."""
    asyncio.run(_run(path, total, calls))


if __name__ == "__main__":
    typer.run(main)
