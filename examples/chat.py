"""A chat with a memory: every user, assistant and tool message is stored in a Taskdeck conversation.

    TASKDECK_TOKEN=$(taskdeck token) OPENAI_API_KEY=... python examples/chat.py [conversation id]

Works with any endpoint that speaks OpenAI's chat completions (OPENAI_BASE_URL, OPENAI_MODEL) and ends at the end of
the input. Started with the id of a conversation, it goes on where that one ended, also after a crash.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

KEEP_IN, CALL_ID = "taskdeck/conversation_id", "taskdeck/tool_call_id"
"""With these in the `_meta` of a tool call, the server itself stores the call, in the transaction of its effect."""

SYSTEM = "You help the user with their tasks. Use the tools for anything about tasks, teams and numbers."
# This program stores the messages, so a model with these tools could store them twice or delete them.
NOT_FOR_THE_MODEL = {"start_conversation", "append_messages", "delete_conversation"}
Message = dict[str, Any]


@dataclass
class Chat:
    """One conversation between a person, a model and the tools."""

    taskdeck: Client
    endpoint: httpx2.AsyncClient
    conversation_id: int = 0
    messages: list[Message] = field(default_factory=list[Message])

    async def open(self, conversation_id: str | None) -> None:
        """Start a conversation, or read back the last messages of one."""
        if conversation_id is None:
            self.conversation_id = (await self._ask("start_conversation"))["id"]
            return
        self.conversation_id = int(conversation_id)
        page = await self._ask("get_conversation", conversation_id=self.conversation_id, limit=100, max_tokens=20_000)
        # Chat APIs refuse a history in which a tool call has no result, or a result no call. Both happen here: a crash
        # may have come between them, and the page may begin between them.
        for kept in page["messages"]:
            message = {n: kept[n] for n in ("role", "content", "tool_calls", "tool_call_id") if n in kept}
            if message["role"] != "tool":
                self._answer_all("(No answer was kept: the chat was interrupted.)")
                self.messages.append(message)
            elif unanswered := self._unanswered():
                self.messages.append({"tool_call_id": unanswered[0]} | message)
        self._answer_all("(No answer was kept: the chat was interrupted.)")

    async def say(self, words: str) -> str:
        """Send the person's words, run the tools that the model calls, and return its final answer."""
        # Stored before the model is asked, so that a crash loses nothing that was said.
        await self._keep({"role": "user", "content": words})
        while True:
            answer = await self._complete()
            await self._keep(answer)
            if not answer.get("tool_calls"):
                return answer["content"]
            for call in answer["tool_calls"]:
                # Not stored from here: the server has recorded the call together with its effect.
                result = await self._call(call["id"], call["function"])
                self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    async def _complete(self) -> Message:
        # The client caches the list for as long as the server allows.
        listed = (await self.taskdeck.list_tools()).tools
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
            for tool in listed
            if tool.name not in NOT_FOR_THE_MODEL
        ]
        request = {
            "model": os.environ.get("OPENAI_MODEL", "gpt-4.1-mini"),
            "messages": [{"role": "system", "content": SYSTEM}, *self.messages],
            "tools": [{"type": "function", "function": tool} for tool in tools],
        }
        response = (await self.endpoint.post("chat/completions", json=request)).raise_for_status()
        answer = response.json()["choices"][0]["message"]
        message: Message = {"role": "assistant", "content": answer.get("content") or ""}
        return message | ({"tool_calls": answer["tool_calls"]} if answer.get("tool_calls") else {})

    async def _keep(self, message: Message) -> None:
        await self._ask("append_messages", conversation_id=self.conversation_id, messages=[message])
        self.messages.append(message)

    async def _call(self, call_id: str, function: dict[str, str]) -> str:
        """The text of a tool's result, or of its refusal. The server stores both in the conversation."""
        # A model may write arguments that are not JSON. The server refuses these with a sentence that it can act on.
        try:
            arguments = json.loads(function["arguments"] or "{}")
        except ValueError:
            arguments = {"arguments_that_are_no_json": function["arguments"]}
        meta: Any = {KEEP_IN: self.conversation_id, CALL_ID: call_id}
        result = await self.taskdeck.call_tool(function["name"], arguments, meta=meta)
        return "\n".join(part.text for part in result.content if isinstance(part, TextContent))

    async def _ask(self, tool: str, **arguments: object) -> dict[str, Any]:
        result = await self.taskdeck.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            raise SystemExit("\n".join(part.text for part in result.content if isinstance(part, TextContent)))
        return result.structured_content

    def _unanswered(self) -> list[str]:
        """The calls of the last assistant message that have no answer yet."""
        asked = [i for i, message in enumerate(self.messages) if message["role"] == "assistant"]
        if not asked:
            return []
        answered = {message.get("tool_call_id") for message in self.messages[asked[-1] :]}
        calls = self.messages[asked[-1]].get("tool_calls", ())
        return [call["id"] for call in calls if call["id"] not in answered]

    def _answer_all(self, words: str) -> None:
        for call_id in self._unanswered():
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": words})


async def main(conversation_id: str | None) -> None:
    """Chat until the input ends."""
    url = os.environ.get("TASKDECK_URL", "http://127.0.0.1:8000/mcp")
    base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/") + "/"
    key = {"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}"}
    token = {"authorization": f"Bearer {os.environ['TASKDECK_TOKEN']}"}
    async with (
        httpx2.AsyncClient(base_url=base, headers=key, timeout=120) as endpoint,
        httpx2.AsyncClient(headers=token, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as taskdeck,
    ):
        chat = Chat(taskdeck, endpoint)
        await chat.open(conversation_id)
        print(f"Conversation {chat.conversation_id}", flush=True)
        # In a thread, because reading a terminal would block the connections.
        while words := await asyncio.to_thread(sys.stdin.readline):
            if words.strip():
                print(await chat.say(words.strip()), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
