"""The documented installation works in an empty environment with an empty home folder."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.processes import ROOT, postgres_processes, serving, structured

pytestmark = [pytest.mark.embedded, pytest.mark.long]

QUICKSTART = (ROOT / "docs/quickstart.md").read_text("utf-8")
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8")
SERVER_STAGE = DOCKERFILE.partition("AS server\n")[2].partition("\nFROM ")[0]
OUTSIDE = ("PIP_", "SSL_", "UV_")
"""Prefixes of variables that say how this machine reaches a package index, which the home folder otherwise would."""


def documented_commands() -> list[str]:
    """The `pip` lines of the first shell block in the quickstart that has any."""
    blocks = re.findall(r"```sh\n(.*?)```", QUICKSTART, re.DOTALL)
    return next(lines for block in blocks if (lines := re.findall(r"^pip .+$", block, re.MULTILINE)))


@dataclass(frozen=True)
class Installation:
    """An environment made by the commands of the quickstart."""

    environment: Path
    home: Path

    @property
    def command(self) -> Path:
        return self.environment / "bin/taskdeck"

    @property
    def data_dir(self) -> Path:
        return self.home / ".local/share/taskdeck"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a user without any Python configuration."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(OUTSIDE)}
        path = f"{self.environment / 'bin'}:{os.defpath}"
        return kept | {"HOME": str(self.home), "PATH": path, "TASKDECK_PORT": "0"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Installed from no more files than the Dockerfile copies."""
    folder = tmp_path_factory.mktemp("installation")
    made = Installation(folder / "environment", folder / "home")
    made.home.mkdir()
    for *sources, target in (line.split() for line in re.findall(r"^COPY (.+)$", SERVER_STAGE, re.MULTILINE)):
        for source in sources:
            place = folder / "checkout" / target / ("" if target == source else source)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, place)
    subprocess.run([sys.executable, "-m", "venv", made.environment], check=True)
    for command in documented_commands():
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=folder / "checkout", env=made.variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return made


def test_container_image_installs_with_the_quickstart_commands() -> None:
    ran = re.findall(r"^RUN (pip .+)$", SERVER_STAGE, re.MULTILINE)
    assert [line.replace(" --no-cache-dir", "") for line in ran] == documented_commands()


def test_lock_file_holds_exactly_what_the_wheel_requires(installation: Installation) -> None:
    """Every installed package is required, directly or indirectly."""
    (packages,) = installation.environment.glob("lib/python*/site-packages")
    installed = {str(canonicalize_name(found.name)): found for found in distributions(path=[str(packages)])}
    assert required(installed, "taskdeck") == set(installed) - {"pip", "setuptools", "wheel"}


def required(installed: dict[str, Distribution], root: str) -> set[str]:
    """The names that `root` leads to, with the extras that each is asked for; all of them must fit their versions."""
    reached, waiting = set[tuple[str, str]](), [(root, "")]
    while waiting:
        reached.add(asked := waiting.pop())
        name, extra = asked
        for requirement in map(Requirement, installed[name].requires or []):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            found = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(installed[found].version), requirement
            waiting += {(found, each) for each in ("", *requirement.extras)} - reached
    return {name for name, _ in reached}


async def test_fresh_installation_works_over_stdio(installation: Installation) -> None:
    speaking = StdioServerParameters(
        command=str(installation.command), args=["stdio"], env=installation.variables, cwd=str(installation.home)
    )
    async with Client(speaking) as client:
        await do_the_job(client)
    assert not postgres_processes(installation.data_dir)


async def test_fresh_installation_works_over_http(installation: Installation) -> None:
    installation.data_dir.parent.mkdir(parents=True, exist_ok=True)  # its log is put beside the data
    async with serving(installation.data_dir, program=installation.command, **installation.variables) as server:
        asking = [installation.command, "token", "--user", "me"]
        token = (await asyncio.to_thread(subprocess.check_output, asking, env=installation.variables)).decode()
        async with (
            server.http(authorization=f"Bearer {token.strip()}") as http,
            Client(streamable_http_client(server.url, http_client=http)) as client,
        ):
            await do_the_job(client)
    assert not postgres_processes(installation.data_dir)


async def do_the_job(client: Client) -> None:
    task = await structured(client, "add_task", title="Water the plants")
    assert [row["id"] for row in (await structured(client, "list_tasks"))["tasks"]] == [task["id"]]
    assert (await structured(client, "complete_task", task_id=task["id"]))["status"] == "completed"
