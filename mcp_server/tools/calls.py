"""What a tool may reach: the rows of whoever asks, who that is, and a question back to the person."""

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
from storage.schema.errors import NotAllowed


class ConfirmationRequired(Exception):
    """The person is to be asked first: the client puts the question, and repeats the call with the answer."""

    def __init__(self, question: InputRequiredResult) -> None:
        super().__init__()
        self.question = question


@dataclass(frozen=True)
class Call:
    """One call of a tool. `answers` came with it; `can_ask` says that the client can put questions to the person."""

    scope: Scope
    caller: Caller
    answers: Mapping[str, object] = field(default_factory=dict[str, object])
    can_ask: bool = False

    def confirm(self, question: str, yes: str) -> None:
        """Go on only with the person's consent to exactly this question; `yes` labels the box to tick.

        No state is kept meanwhile: the question is made again from the repeated call, and an answer counts only for
        the very words that were asked. So any replica can take it, and a changed call asks anew.

        Raises:
            ConfirmationRequired: the client is to ask; NotAllowed: it cannot, or the person said no.
        """
        key = f"confirm-{hashlib.sha256(question.encode()).hexdigest()[:16]}"
        answer = self.answers.get(key)
        if isinstance(answer, ElicitResult):
            if answer.action == "accept" and (answer.content or {}).get("yes") is True:
                return
            raise NotAllowed("The user did not agree, so nothing was done. Do not try again unless they ask for it.")
        if not self.can_ask:
            raise NotAllowed(f"{question} Ask the user, and only if they agree repeat the call with confirm=true.")
        form = {
            "type": "object",
            "properties": {"yes": {"type": "boolean", "title": yes, "default": False}},
            "required": ["yes"],
        }
        asked = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=form))
        raise ConfirmationRequired(InputRequiredResult(input_requests={key: asked}))
