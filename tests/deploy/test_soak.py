"""A minute of live sockets: none is closed without a reason or receives foreign events, and memory stays bounded."""

import asyncio
import sys

import pytest

pytestmark = pytest.mark.long


@pytest.mark.timeout(240)
async def test_two_hundred_sockets_survive_a_minute_and_reconnect_after_a_kill() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.soak", "--minutes", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
