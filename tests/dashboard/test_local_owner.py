"""One person on one machine is one user: at the dashboard, with a printed token, over stdio, and by signing in."""

import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from playwright.async_api import expect

from mcp_server.cli import dashboard_process
from storage.embedded_postgres.cluster import Cluster
from tests.dashboard.test_oauth import Memory, connecting
from tests.support.browser import PASSWORD, Callback, Taskdeck, Visit, agent, token_of
from tests.support.processes import CommandResult, environment, run, run_in_process, serving, structured

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not dashboard_process.SERVER.exists(), reason="the dashboard is not built: make run"),
    pytest.mark.long,
]
pytest_plugins = ("tests.support.browser",)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")

SENTENCE = "Tasks that were added here without an account become yours."


@asynccontextmanager
async def machine(data_dir: Path) -> AsyncGenerator[Taskdeck]:
    """`taskdeck up` on a database of its own, with the lines that it prints."""
    async with serving(data_dir, "up", TASKDECK_SIGN_IN_LIMIT="1000") as server:
        shown = re.search(r"Dashboard\s+(http://\S+)", server.output)
        assert shown, server.output
        yield Taskdeck(server, shown[1], Cluster(data_dir).uri())


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Taskdeck]:
    """One machine for the tests that only sign up."""
    async with machine(tmp_path_factory.mktemp("shared") / "data") as taskdeck:
        yield taskdeck


@pytest.fixture
async def empty(shared: Taskdeck) -> Taskdeck:
    """The machine without accounts."""
    await shared.sql('DELETE FROM auth."user"')
    await shared.sql('DELETE FROM auth."rateLimit"')
    return shared


def words_after(taskdeck: Taskdeck, *parts: str) -> list[str]:
    """The words of the first printed line that has these parts, as a shell makes them; $(...) is run."""
    line = next(line for line in taskdeck.server.output.splitlines() if all(part in line for part in parts))
    variables = {"PATH": os.environ["PATH"], "HOME": str(taskdeck.server.data_dir)}
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def printed_stdio(taskdeck: Taskdeck) -> Client:
    """A client that starts what the printed line says."""
    words = words_after(taskdeck, "claude mcp add", "stdio")
    command, *arguments = words[words.index("--") + 1 :]
    variables = dict(word.split("=", 1) for word in words[: words.index("--")] if "=" in word)
    plain = {name: value for name, value in environment(Path()).items() if not name.startswith("TASKDECK_")}
    return Client(StdioServerParameters(command=command, args=arguments, env=plain | variables))


async def printed_token(taskdeck: Taskdeck) -> str:
    """The token of the printed line."""
    words = await asyncio.to_thread(words_after, taskdeck, "claude mcp add", "--header")
    return words[-1].removeprefix("Authorization: Bearer ")


def body(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "name": email.partition("@")[0].title()}


async def sign_up(taskdeck: Taskdeck, email: str, **headers: str) -> str:
    """The user id of a new account."""
    named = {"Origin": taskdeck.dashboard} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(trust_env=False, headers=named, base_url=taskdeck.dashboard) as http:
        answer = await http.post("/api/auth/sign-up/email", json=body(email))
        assert answer.status_code == 200, answer.text
        if "user" not in answer.json():
            token = token_of(await taskdeck.link(email))
            answer = await http.post("/api/auth/sign-up/complete", json={"token": token})
            assert answer.status_code == 200, answer.text
    return answer.json()["user"]["id"]


async def test_tasks_added_by_each_printed_command_appear_on_the_dashboard(visit: Visit, tmp_path: Path) -> None:
    async with machine(tmp_path / "data") as taskdeck, Callback.listening() as callback:
        assert "All of them reach the same tasks: those of the first account" in taskdeck.server.output
        async with printed_stdio(taskdeck) as client:
            await structured(client, "add_task", title="Before there was an account")
        ada = await visit(known=False, at=taskdeck)
        await ada.open("/sign-up")
        await expect(ada.page.get_by_text(SENTENCE)).to_be_visible()
        assert await ada.violations() == []
        await ada.page.get_by_label("Name").fill("Ada")
        await ada.page.get_by_label("E-mail").fill(ada.email)
        await ada.page.get_by_label("Password").fill(PASSWORD)
        await ada.page.get_by_role("button", name="Create account").click()
        await ada.is_connected("live")
        await ada.sees(total=1)

        users = set[str]()
        *_, url = words_after(taskdeck, "claude mcp add --transport http")
        async with connecting(url.removesuffix("/mcp"), ada, callback, Memory()) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="By the client that signed in")
        async with agent(taskdeck.mcp, await printed_token(taskdeck)) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="With the printed token")
        async with printed_stdio(taskdeck) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="Over stdio")
        assert len(users) == 1
        await ada.open_live()
        await ada.sees(total=4)
        for title in ("Before there", "By the client", "With the printed", "Over stdio"):
            await expect(ada.page.get_by_text(title)).to_be_visible()

        bob = await visit("Bob", known=False, at=taskdeck)
        await bob.open("/sign-up")
        await expect(bob.page.get_by_role("button", name="Create account")).to_be_visible()
        await expect(bob.page.get_by_text(SENTENCE)).to_have_count(0)
        await bob.sign_up()
        assert bob.user_id not in users
        await bob.open_live()
        await bob.sees(total=0)
        for visitor in (ada, bob):
            await visitor.page.goto("about:blank")  # an open page would report errors when the server stops
    async with machine(tmp_path / "data") as taskdeck:
        assert f"Without signing in these are the tasks of {ada.email}." in taskdeck.server.output


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_first_account_is_the_local_owner_at_both_loopback_names(empty: Taskdeck, host: str) -> None:
    port = empty.dashboard.rpartition(":")[2]
    assert await sign_up(empty, "ada@example.com", host=f"{host}:{port}") == "local"
    assert await sign_up(empty, "bob@example.com") != "local"


async def test_concurrent_first_accounts_make_one_local_owner(empty: Taskdeck) -> None:
    async def attempt(number: int) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, headers={"Origin": empty.dashboard}) as http:
            return await http.post(f"{empty.dashboard}/api/auth/sign-up/email", json=body(f"{number}@example.com"))

    answers = await asyncio.gather(*map(attempt, range(6)))
    assert {answer.status_code for answer in answers} <= {200, 422}
    made = [answer.json()["user"]["id"] for answer in answers if answer.is_success and "user" in answer.json()]
    assert made.count("local") == 1


REMOTE = [
    {"x_forwarded_for": "203.0.113.7"},
    {"x_forwarded_for": "127.0.0.1"},
    {"forwarded": "for=203.0.113.7"},
    {"x_real_ip": "203.0.113.7"},
    {"via": "1.1 tunnel"},
    {"via": "1.1 tunnel", "x_taskdeck_own_user": "1"},
]


@pytest.mark.parametrize("headers", REMOTE, ids=map(str, REMOTE))
async def test_first_account_through_a_proxy_is_not_the_local_owner(empty: Taskdeck, headers: dict[str, str]) -> None:
    assert await sign_up(empty, "mallory@example.com", **headers) != "local"


AS_NOBODY = """
import os, socket, sys
port, request = int(sys.argv[1]), sys.argv[2].encode()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
to = socket.socket(); to.connect(("127.0.0.1", port))
to.sendall(request)
print(to.makefile("rb").read())
"""


def raw_sign_up(taskdeck: Taskdeck, email: str) -> str:
    content, host = json.dumps(body(email)), taskdeck.dashboard.removeprefix("http://")
    return (
        f"POST /api/auth/sign-up/email HTTP/1.1\r\nHost: {host}\r\nOrigin: {taskdeck.dashboard}\r\n"
        "Connection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    )


@needs_root
async def test_another_user_of_the_machine_is_not_the_local_owner(empty: Taskdeck) -> None:
    port, request = empty.dashboard.rpartition(":")[2], raw_sign_up(empty, "mallory@example.com")
    command = [sys.executable, "-c", AS_NOBODY, port, request]
    answer = await asyncio.to_thread(subprocess.run, command, check=True, cwd="/", capture_output=True, text=True)
    assert '"status":true' in answer.stdout  # the link is printed; no account was created
    assert '"id":"local"' not in answer.stdout


async def test_ipv4_client_on_an_ipv6_socket_counts_as_local(empty: Taskdeck) -> None:
    port = int(empty.dashboard.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("::ffff:127.0.0.1", port, family=socket.AF_INET6)
    writer.write(raw_sign_up(empty, "ada@example.com").encode())
    assert b'"id":"local"' in await reader.read()
    writer.close()


async def test_claim_local_merges_three_users_into_one(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with machine(data_dir) as taskdeck:
        # An account as releases before this one made it: with an id of its own.
        ada_id = await sign_up(taskdeck, "ada@example.com", via="1.1 before")
        bob_id = await sign_up(taskdeck, "bob@example.com")
        for user, title in (("me", "With the token of me"), (bob_id, "Bob's own")):
            async with taskdeck.client(user) as client:
                await structured(client, "add_task", title=title)
        async with printed_stdio(taskdeck) as client:
            assert (await structured(client, "whoami"))["user_id"] == "local"
            await structured(client, "add_task", title="Over stdio")
            await structured(client, "start_conversation", title="Over stdio")
        async with taskdeck.client(ada_id) as client:
            await structured(client, "add_task", title="Ada's own")
    async with machine(data_dir) as taskdeck:
        (line,) = (line for line in taskdeck.server.output.splitlines() if "claim-local" in line)
        assert "tasks that no account of the dashboard shows" in taskdeck.server.output
        command = shlex.split(line.replace("YOUR-EMAIL", "Ada@example.com"))
        assert command[-4:] == [command[-4], "claim-local", "--user", "Ada@example.com"]
        claimed = await claim(data_dir, "--user", "Ada@example.com")
        assert "ada@example.com is the person at this machine" in claimed.stdout
        assert "2 tasks and 1 conversations became theirs" in claimed.stdout
        async with printed_stdio(taskdeck) as client:
            assert (await structured(client, "whoami"))["user_id"] == ada_id
            found = await structured(client, "list_tasks")
            assert {task["title"] for task in found["tasks"]} == {"With the token of me", "Over stdio", "Ada's own"}
        async with agent(taskdeck.mcp, await printed_token(taskdeck)) as client:
            assert (await structured(client, "list_conversations"))["total_count"] == 1
        assert "0 tasks" in (await claim(data_dir, "--user", ada_id)).stdout
        # Who claims it next gets what comes from now on; an account's tasks stay that account's.
        assert "0 tasks" in (await claim(data_dir, "--user", "bob@example.com")).stdout
        async with printed_stdio(taskdeck) as client:
            assert [task["title"] for task in (await structured(client, "list_tasks"))["tasks"]] == ["Bob's own"]
        refused = await claim(data_dir, "--user", "bob@example.com", "--from", ada_id)
        assert "ada@example.com is an account of its own" in refused.stderr
        refused = await claim(data_dir, "--user", "eve@example.com")
        assert refused.status == 2
        assert "no account eve@example.com. The accounts are: ada@example.com, bob@example.com" in refused.stderr


async def claim(data_dir: Path, *arguments: str) -> CommandResult:
    return await run("claim-local", *arguments, data_dir=data_dir)


async def test_without_a_dashboard_only_other_names_can_be_claimed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    refused = await claim(data_dir, "--user", "ada@example.com")
    assert refused.status == 2
    assert "Make one on the dashboard first" in refused.stderr
    async with serving(data_dir) as server, server.client("me") as client:
        await structured(client, "add_task", title="With a token")
    assert "1 tasks" in (await claim(data_dir, "--user", "local")).stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("claim-local", "--user", "ada@example.com"), "claim-local is for the embedded database"),
        (("token",), "--user: name the user"),
    ],
)
def test_remote_database_has_no_local_owner(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    ended = run_in_process(
        *arguments, data_dir=tmp_path, DATABASE_URL="postgresql://u:p@127.0.0.1:1/db", TASKDECK_PORT="8000"
    )
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {sentence}")


def test_damaged_owner_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("not a user id")
    ended = run_in_process("token", data_dir=tmp_path, TASKDECK_PORT="8000")
    assert (ended.status, ended.stdout) == (2, "")
    assert f"{tmp_path}/owner holds no user id" in ended.stderr
