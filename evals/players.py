"""Who plays: a model behind an endpoint that speaks OpenAI's chat completions."""

from types import TracebackType
from typing import Any, Protocol, Self

import anyio
import httpx2

Message = dict[str, Any]
"""A message of the chat completions API."""

Tools = list[dict[str, Any]]
"""Functions of the chat completions API."""

ATTEMPTS = 5
"""How often a request is tried that meets 429, 5xx or a network error."""


class Player(Protocol):
    """Continues a chat."""

    async def reply(self, messages: list[Message], tools: Tools) -> Message:
        """The assistant's next message: `content`, `tool_calls`, or both."""
        ...


class PlayerError(Exception):
    """The endpoint gave no usable answer; the text says why."""


class Model:
    """A model behind an endpoint."""

    def __init__(self, endpoint: str, model: str, key: str = "") -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.AsyncClient(base_url=endpoint.rstrip("/") + "/", headers=headers, timeout=300)
        self._model = model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def reply(self, messages: list[Message], tools: Tools) -> Message:
        """Ask the model.

        Raises:
            PlayerError: the endpoint refused, or did not answer after five attempts.
        """
        body = {"model": self._model, "messages": messages, "tools": tools}
        problem = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = await self._http.post("chat/completions", json=body)
            except httpx2.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.is_success:
                    return _message(response.json())
                problem = f"{response.status_code} {response.text[:300]}"
                if response.status_code != 429 and response.status_code < 500:
                    break
            if attempt < ATTEMPTS:
                await anyio.sleep(2**attempt)
        raise PlayerError(f"the endpoint failed: {problem}")


def _message(body: dict[str, Any]) -> Message:
    try:
        answer = body["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        raise PlayerError(f"the endpoint's answer has no message: {str(body)[:300]}") from None
    calls = answer.get("tool_calls")
    return {"role": "assistant", "content": answer.get("content") or ""} | ({"tool_calls": calls} if calls else {})
