"""Everything of one person as one ZIP archive, which docs/export.md describes.

It is read page by page, each in a transaction of its own: a slow reader holds no connection, and memory does not grow
with the archive. What changes meanwhile may be in it or not.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.archive import markdown, pages
from storage.archive.records import FORMAT, VERSION, ConversationRecord, Manifest, PersonRecord, TaskRecord
from storage.archive.zip_stream import ZipStream
from storage.engine.database import Scope
from storage.schema.response_models import ResponseModel

Progress = Callable[[int], None]
"""Gets the number of rows that were written since the last call."""


@dataclass(frozen=True)
class Export:
    """An archive on its way: `total` rows will be reported to the progress, `chunks` are its bytes."""

    total: int
    chunks: AsyncGenerator[bytes]


async def export(scope: Scope, progress: Progress = lambda _rows: None) -> Export:
    """Begin an archive of everything that belongs to the caller.

    Raises:
        NotFound: nobody has ever signed in with the caller's id.
    """
    person = await pages.person(scope)
    tasks = await pages.task_ids(scope)
    conversations = await pages.conversation_ids(scope)
    # Conversations are read twice: once for their lines, once for their Markdown.
    return Export(len(tasks) + 2 * len(conversations), _write(scope, person, tasks, conversations, progress))


async def _write(
    scope: Scope, person: PersonRecord, tasks: Sequence[int], conversations: Sequence[int], progress: Progress
) -> AsyncGenerator[bytes]:
    moment = datetime.now(UTC)
    archive, counts = ZipStream(moment), dict[str, int]()
    try:
        async for chunk in _lines(scope, archive, counts, tasks, conversations, progress):
            yield chunk
        async for chunk in _markdown(scope, archive, conversations, progress):
            yield chunk
        # Last, because only now the counts are known.
        manifest = Manifest(format=FORMAT, version=VERSION, exported_at=moment, user_id=scope.user_id, counts=counts)
        for name, record in (("person.json", person), ("manifest.json", manifest)):
            entry = archive.open(name)
            await entry.write([json.dumps(record.payload(), ensure_ascii=False, indent=2), "\n"])
            entry.close()
    finally:
        # Also for a reader who has left: zipfile complains about an archive that is still open.
        archive.close()
    yield archive.take()


async def _lines(
    scope: Scope,
    archive: ZipStream,
    counts: dict[str, int],
    tasks: Sequence[int],
    conversations: Sequence[int],
    progress: Progress,
) -> AsyncGenerator[bytes]:
    sources: dict[str, AsyncIterator[Sequence[ResponseModel]]] = {
        "tasks.jsonl": pages.tasks(scope, tasks),
        "conversations.jsonl": pages.conversations(scope, conversations),
        "messages.jsonl": _messages(scope, conversations),
        "changes.jsonl": pages.changes(scope),
        "teams.jsonl": pages.teams(scope),
        "members.jsonl": pages.members(scope),
        "shares.jsonl": pages.shares(scope),
        "invitations.jsonl": pages.invitations(scope),
        "audit.jsonl": pages.audit_log(scope),
    }
    for name, source in sources.items():
        entry, counts[name] = archive.open(name), 0
        async for page in source:
            await entry.write(_line(row) for row in page)
            counts[name] += len(page)
            progress(sum(isinstance(row, TaskRecord | ConversationRecord) for row in page))
            if chunk := archive.take():
                yield chunk
        entry.close()


async def _markdown(
    scope: Scope, archive: ZipStream, conversations: Sequence[int], progress: Progress
) -> AsyncGenerator[bytes]:
    async for page in pages.conversations(scope, conversations):
        for conversation in page:
            entry = archive.open(f"conversations/{conversation.id}.md")
            await entry.write([markdown.title_lines(conversation)])
            async for messages in pages.messages(scope, conversation.id):
                await entry.write(markdown.message_lines(messages))
                if chunk := archive.take():
                    yield chunk
            entry.close()
            progress(1)


async def _messages(scope: Scope, conversations: Iterable[int]) -> AsyncIterator[Sequence[ResponseModel]]:
    for conversation_id in conversations:
        async for page in pages.messages(scope, conversation_id):
            yield page


def _line(record: ResponseModel) -> str:
    return json.dumps(record.payload(), ensure_ascii=False, separators=(",", ":")) + "\n"
