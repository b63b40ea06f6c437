"""Tools on conversations: every chat message is kept, in order."""

from typing import Annotated, Literal

from pydantic import Field

from mcp_server.tools.refusals import no_nulls
from mcp_server.tools.registry import Call, tool
from storage.conversations import conversations, reading
from storage.schema import token_budget
from storage.schema.conversation_models import (
    ConversationDeleted,
    ConversationList,
    ConversationPage,
    ConversationView,
    MessageMatches,
    MessagesAppended,
)
from storage.schema.errors import NeedsConsent
from storage.schema.plain_text import quoted
from storage.schema.request_models import (
    ConversationTitle,
    Count,
    Cursor,
    Id,
    Key,
    NewMessage,
    Ordinal,
    PageSize,
    Query,
    StrictModel,
)
from storage.search import chats, messages

Messages = Annotated[list[Annotated[NewMessage, no_nulls(NewMessage)]], Field(max_length=100)]


class StartConversation(StrictModel):
    """Arguments of start_conversation."""

    title: ConversationTitle | None = None
    messages: Messages = Field(default_factory=list[NewMessage])
    idempotency_key: Key | None = None


class AppendMessages(StrictModel):
    """Arguments of append_messages."""

    conversation_id: Id
    messages: Messages = Field(default_factory=list[NewMessage])
    title: ConversationTitle | None = Field(None, description="Renames it")
    idempotency_key: Key | None = Field(None, description="Same key, appended once: safe to retry for 24 h")


class ListConversations(StrictModel):
    """Arguments of list_conversations."""

    search: Query | None = None
    limit: PageSize = 20
    cursor: Cursor | None = None


class GetConversation(StrictModel):
    """Arguments of get_conversation."""

    conversation_id: Id
    limit: PageSize = 50
    before_sequence: Ordinal | None = None
    around_sequence: Ordinal | None = None
    max_tokens: Annotated[Count, Field(ge=100, le=20_000)] = 4000


class SearchMessages(StrictModel):
    """Arguments of search_messages."""

    query: Query = Field(description='Words or a question; "a phrase", -not, from:user, in:ID, before:DATE, after:DATE')
    sort: Literal["best", "newest"] = Field(default="best", description="newest = has all words")
    context: Annotated[Count, Field(ge=0, le=3, description="Messages around")] = 1
    limit: PageSize = 20
    cursor: Cursor | None = None


class OneConversation(StrictModel):
    """Arguments of delete_conversation."""

    conversation_id: Id


@tool("conversations", "Start a conversation", bulk=True)
async def start_conversation(call: Call, args: StartConversation) -> ConversationView:
    """Start a conversation to keep a chat's messages in."""
    return await conversations.start(call.scope, args.title, args.messages, args.idempotency_key)


@tool("conversations", "Keep messages", bulk=True)
async def append_messages(call: Call, args: AppendMessages) -> MessagesAppended:
    """Append messages to a conversation, in order. Send at most 1 MiB in one call."""
    return await conversations.append(
        call.scope, args.conversation_id, args.messages, args.idempotency_key, title=args.title
    )


@tool("conversations", "List conversations", reads=True)
async def list_conversations(call: Call, args: ListConversations) -> ConversationList:
    """List conversations, the one updated last first. search finds by titles and messages, best first."""
    budget = token_budget.allowed(args.limit)
    if args.search is None:
        return await conversations.find(call.scope, None, args.limit, args.cursor, max_tokens=budget)
    return await chats.search(call.scope, args.search, args.limit, args.cursor, max_tokens=budget)


@tool("conversations", "Read a conversation", reads=True)
async def get_conversation(call: Call, args: GetConversation) -> ConversationPage:
    """Read a conversation's newest messages, oldest first, within max_tokens.

    While has_more, repeat with before_sequence = the first sequence.
    """
    return await reading.read(
        call.scope,
        args.conversation_id,
        args.limit,
        args.before_sequence,
        args.max_tokens,
        around_sequence=args.around_sequence,
    )


@tool("conversations", "Search messages", reads=True)
async def search_messages(call: Call, args: SearchMessages) -> MessageMatches:
    """Find messages by any of the words, in any form."""
    return await messages.search(
        call.scope,
        args.query,
        args.limit,
        args.cursor,
        args.sort,
        context=args.context,
        max_tokens=token_budget.allowed(args.limit),
    )


@tool("conversations", "Delete a conversation", destroys=True)
async def delete_conversation(call: Call, args: OneConversation) -> ConversationDeleted:
    """Delete a conversation with its messages, for good."""
    try:
        return await conversations.remove(call.scope, args.conversation_id, ask=call.can_ask)
    except NeedsConsent as needed:
        call.confirm(f"Delete the conversation {quoted(needed.titles[0])} for good?", "Delete it")
        return await conversations.remove(call.scope, args.conversation_id)
