"""A mail server of the tests, which keeps the messages that it gets."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


@dataclass
class Mailbox:
    """`url` is for TASKDECK_SMTP_URL. `messages` are in the order of their arrival."""

    url: str = ""
    messages: list[EmailMessage] = field(default_factory=list[EmailMessage])
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> "AsyncGenerator[Mailbox]":
        """A server on a free port of this machine."""
        mailbox = cls()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(mailbox, hostname="mail.test"), "127.0.0.1", 0)
        async with server:
            mailbox.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield mailbox

    @property
    def settings(self) -> dict[str, str]:
        """The variables that lead a dashboard here."""
        return {"TASKDECK_SMTP_URL": self.url, "TASKDECK_MAIL_FROM": "Taskdeck <taskdeck@example.com>"}

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        async with self.arrived:
            self.messages.append(message)
            self.arrived.notify_all()
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages if message["to"] == address]

    async def receive(self, address: str, count: int = 1) -> EmailMessage:
        """The message to an address that arrived as number `count`; waits for it."""
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: len(self.to(address)) >= count)
        return self.to(address)[count - 1]

    async def link(self, address: str, count: int = 1) -> str:
        """The link in that message."""
        return link_in((await self.receive(address, count)).get_content())


def link_in(text: str) -> str:
    """The link with a token in a message."""
    found = re.search(r"https?://\S+[?&]token=\S+", text)
    assert found, text
    return found[0]
