"""A conversation as Markdown, for people."""

import json
from collections.abc import Iterator

from storage.archive.records import ConversationRecord, MessageRecord

_ROLES = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def title_lines(conversation: ConversationRecord) -> str:
    """The head of the document."""
    title = conversation.title or f"Conversation {conversation.id}"
    return f"# {title}\n\n{conversation.message_count} messages, begun {conversation.created_at.isoformat()}\n"


def message_lines(messages: list[MessageRecord]) -> Iterator[str]:
    """Each message under a heading with its role and time. Its own text is not changed: it may be Markdown."""
    for message in messages:
        model = f" ({message.model})" if message.model else ""
        yield f"\n## {_ROLES[message.role]}{model}, {message.created_at.isoformat()}\n\n"
        if message.content:
            yield f"{message.content}\n"
        if message.tool_calls:
            calls = json.dumps(message.tool_calls, ensure_ascii=False, indent=2)
            # A longer fence than any inside, so that no call ends the block.
            fence = "`" * (max(2, *(len(run) for run in _runs(calls))) + 1)
            yield f"\n{fence}json\n{calls}\n{fence}\n"


def _runs(text: str) -> list[str]:
    return ["", *(part for part in "".join(c if c == "`" else " " for c in text).split() if part)]
