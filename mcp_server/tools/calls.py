"""What a tool gets: the rows of the caller, the caller, and a way to ask the person."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)

from mcp_server.identity.callers import Caller
from storage.engine.database import Scope
from storage.schema.errors import NotConfirmed


class ConfirmationRequired(Exception):
    """The person must confirm first: the client asks, and repeats the call with the answer."""

    def __init__(self, question: InputRequiredResult) -> None:
        super().__init__()
        self.question = question


@dataclass(frozen=True)
class Call:
    """One call of a tool. `answers` came with it. `can_ask`: the client can ask the person.

    `dashboard` is the address of the dashboard, if the server knows it.
    """

    scope: Scope
    caller: Caller
    answers: Mapping[str, object] = field(default_factory=dict[str, object])
    can_ask: bool = False
    dashboard: str | None = None

    def confirm(self, question: str, yes: str) -> None:
        """Return only with the person's consent to exactly this question. `yes` labels the checkbox.

        No state is kept: the repeated call builds the same question again, and an answer counts only for that text.
        So any replica can handle it, and a changed call asks again.

        Raises:
            ConfirmationRequired: the client must ask; NotConfirmed: it cannot, or the person declined.
        """
        # The person agrees to what the question says. If its count or a title in it has changed meanwhile, the key
        # does not match and the answer is ignored. Hashing also keeps titles out of the key.
        key = f"confirm-{hashlib.sha256(question.encode()).hexdigest()[:16]}"
        answer = self.answers.get(key)
        if isinstance(answer, ElicitResult):
            # "accept" only means that the form was sent: the checkbox decides, and only a real true counts.
            if answer.action == "accept" and (answer.content or {}).get("yes") is True:
                return
            raise NotConfirmed("The user did not agree, so nothing was done. Do not try again unless they ask for it.")
        if not self.can_ask:
            raise NotConfirmed(f"{question} Ask the user, and only if they agree repeat the call with confirm=true.")
        form = {
            "type": "object",
            "properties": {"yes": {"type": "boolean", "title": yes, "default": False}},
            "required": ["yes"],
        }
        asked = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=form))
        raise ConfirmationRequired(InputRequiredResult(input_requests={key: asked}))
