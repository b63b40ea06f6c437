"""The leeway for the clocks of issuer and server, and the connections on which keys are fetched."""

import asyncio
from pathlib import Path

import pytest

from mcp_server.identity.tokens import LEEWAY_SECONDS, Verifier
from tests.support.token_factory import (
    ALL_KEYS,
    ED,
    ISSUER,
    Clock,
    GuardedApp,
    claims,
    header,
    running_key_server,
    settings_for,
    sign,
)

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ({"exp": NOW - 30}, 200),
        ({"exp": NOW - 31}, 401),
        ({"nbf": NOW + 30}, 200),
        ({"nbf": NOW + 31}, 401),
    ],
)
async def test_times_of_a_token_may_be_off_by_thirty_seconds(
    tmp_path: Path, times: dict[str, int], status: int
) -> None:
    assert LEEWAY_SECONDS == 30
    async with running_key_server() as key_server:
        known = settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url)
        app = GuardedApp(Verifier(known, clock=Clock(NOW)))
        moments: dict[str, int] = {"iat": NOW - 900, "exp": NOW + 900} | times
        token = sign(header(kid="ed"), claims(**moments), ED)
        assert (await app.send_token(token)).status == status


async def test_each_fetch_of_keys_has_a_connection_of_its_own(tmp_path: Path) -> None:
    connections, fetches = list[asyncio.StreamWriter](), list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while line := await reader.readline():
            if line == b"\r\n":
                fetches.append(line)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ALL_KEYS) + ALL_KEYS)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as serving:
        url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}/jwks"
        ticks = Clock(1000.0)
        app = GuardedApp(Verifier(settings_for(tmp_path, issuer=ISSUER, jwks_url=url), ticks=ticks))
        for _ in range(2):
            assert (await app.send_token(sign(header(kid="ed"), claims(), ED))).status == 200
            ticks.now += 301
    assert (len(connections), len(fetches)) == (2, 2)
