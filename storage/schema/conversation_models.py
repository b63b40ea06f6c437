"""Results about conversations. As in response_models, an optional field that is None is left out."""

from typing import Any

from storage.schema.request_models import MessageRole, Status
from storage.schema.response_models import ResponseModel


class MessageView(ResponseModel):
    """A stored message; `sequence` counts from 1 in its conversation."""

    sequence: int
    role: MessageRole
    content: str
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    model: str | None = None
    created_at: str


class ConversationView(ResponseModel):
    """A conversation without its messages."""

    id: int
    title: str | None = None
    message_count: int
    created_at: str
    updated_at: str


class MessagesAppended(ResponseModel):
    """Where appended messages stand in their conversation."""

    conversation_id: int
    first_sequence: int
    last_sequence: int


class ConversationList(ResponseModel):
    """A page of conversations, the one updated last or the best match first. `total_count` counts the whole list.

    `total_is_estimate` says that the list is limited to the best matches, so that more conversations have the words.
    """

    conversations: list[ConversationView]
    total_count: int
    total_is_estimate: bool | None = None
    next_cursor: str | None = None


class LinkedTask(ResponseModel):
    """A task, and the first message of a conversation that recorded a change of it."""

    id: int
    title: str
    status: Status
    sequence: int


class ConversationPage(ResponseModel):
    """A part of a conversation, oldest message first. `has_more` says that older ones are left.

    `tasks` are those that calls recorded in the whole conversation added or changed, the last ones first.
    """

    conversation: ConversationView
    tasks: list[LinkedTask] | None = None
    messages: list[MessageView]
    has_more: bool


class Surrounding(ResponseModel):
    """The beginning of a message near one that was found."""

    sequence: int
    role: MessageRole
    snippet: str


class MessageMatch(ResponseModel):
    """A message that was found, and the part of it that shows why. `title` is that of its conversation.

    `context` has messages before and after it, in their order, without those that the page shows already.
    """

    conversation_id: int
    title: str | None = None
    sequence: int
    role: MessageRole
    created_at: str
    snippet: str
    context: list[Surrounding] | None = None


class MessageMatches(ResponseModel):
    """A page of matches, the best or the newest first."""

    matches: list[MessageMatch]
    next_cursor: str | None = None


class ConversationDeleted(ResponseModel):
    """What is left of a conversation."""

    conversation_id: int
    deleted: bool
