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
from tests.support.browser import PASSWORD, Callback, Deck, Visit, agent
from tests.support.processes import Ended, environment, run, serving, structured, typed

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not dashboard_process.SERVER.exists(), reason="the dashboard is not built: make run"),
]
pytest_plugins = ("tests.support.browser",)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")

SENTENCE = "Tasks that were added here without an account become yours."


@asynccontextmanager
async def machine(data_dir: Path) -> AsyncGenerator[Deck]:
    """`taskdeck up` on a database of its own, with the lines that it prints."""
    async with serving(data_dir, "up", TASKDECK_SIGN_IN_LIMIT="1000") as server:
        shown = re.search(r"Dashboard\s+(http://\S+)", server.said)
        assert shown, server.said
        yield Deck(server, shown[1], Cluster(data_dir).uri())


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Deck]:
    """One machine for the tests that only sign up."""
    async with machine(tmp_path_factory.mktemp("shared") / "data") as deck:
        yield deck


@pytest.fixture
async def empty(shared: Deck) -> Deck:
    """The machine without accounts."""
    await shared.sql('DELETE FROM auth."user"')
    await shared.sql('DELETE FROM auth."rateLimit"')
    return shared


def words_after(deck: Deck, *parts: str) -> list[str]:
    """The words of the first printed line that has these parts, as a shell makes them; $(...) is run."""
    line = next(line for line in deck.server.said.splitlines() if all(part in line for part in parts))
    variables = {"PATH": os.environ["PATH"], "HOME": str(deck.server.data_dir)}
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def printed_stdio(deck: Deck) -> Client:
    """A client that starts what the printed line says."""
    words = words_after(deck, "claude mcp add", "stdio")
    command, *arguments = words[words.index("--") + 1 :]
    variables = dict(word.split("=", 1) for word in words[: words.index("--")] if "=" in word)
    plain = {name: value for name, value in environment(Path()).items() if not name.startswith("TASKDECK_")}
    return Client(StdioServerParameters(command=command, args=arguments, env=plain | variables))


async def printed_token(deck: Deck) -> str:
    """The token of the printed line."""
    words = await asyncio.to_thread(words_after, deck, "claude mcp add", "--header")
    return words[-1].removeprefix("Authorization: Bearer ")


def body(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "name": email.partition("@")[0].title()}


async def sign_up(deck: Deck, email: str, **headers: str) -> str:
    """The user id of a new account."""
    named = {"Origin": deck.dashboard} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(trust_env=False, headers=named) as http:
        answer = await http.post(f"{deck.dashboard}/api/auth/sign-up/email", json=body(email))
    assert answer.status_code == 200, answer.text
    return answer.json()["user"]["id"]


async def test_what_each_printed_line_adds_is_on_the_dashboard(visit: Visit, tmp_path: Path) -> None:
    async with machine(tmp_path / "data") as deck, Callback.listening() as callback:
        assert "All of them reach the same tasks: those of the first account" in deck.server.said
        async with printed_stdio(deck) as client:
            await structured(client, "add_task", title="Before there was an account")
        ada = await visit(known=False, at=deck)
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
        *_, url = words_after(deck, "claude mcp add --transport http")
        async with connecting(url.removesuffix("/mcp"), ada, callback, Memory()) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="By the client that signed in")
        async with agent(deck.mcp, await printed_token(deck)) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="With the printed token")
        async with printed_stdio(deck) as client:
            users.add((await structured(client, "whoami"))["user_id"])
            await structured(client, "add_task", title="Over stdio")
        assert len(users) == 1
        await ada.open_live()
        await ada.sees(total=4)
        for title in ("Before there", "By the client", "With the printed", "Over stdio"):
            await expect(ada.page.get_by_text(title)).to_be_visible()

        bob = await visit("Bob", known=False, at=deck)
        await bob.open("/sign-up")
        await expect(bob.page.get_by_role("button", name="Create account")).to_be_visible()
        await expect(bob.page.get_by_text(SENTENCE)).to_have_count(0)
        await bob.sign_up()
        assert bob.user_id not in users
        await bob.open_live()
        await bob.sees(total=0)
        for visitor in (ada, bob):
            await visitor.page.goto("about:blank")  # it would complain of a server that stops
    async with machine(tmp_path / "data") as deck:
        assert f"Without signing in these are the tasks of {ada.email}." in deck.server.said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_first_account_by_either_name_of_the_machine_is_the_local_owners(empty: Deck, host: str) -> None:
    port = empty.dashboard.rpartition(":")[2]
    assert await sign_up(empty, "ada@example.com", host=f"{host}:{port}") == "local"
    assert await sign_up(empty, "bob@example.com") != "local"


async def test_two_first_accounts_at_once_are_one_local_owner(empty: Deck) -> None:
    async def attempt(number: int) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, headers={"Origin": empty.dashboard}) as http:
            return await http.post(f"{empty.dashboard}/api/auth/sign-up/email", json=body(f"{number}@example.com"))

    answers = await asyncio.gather(*map(attempt, range(6)))
    assert {answer.status_code for answer in answers} <= {200, 422}
    assert [answer.json()["user"]["id"] for answer in answers if answer.is_success].count("local") == 1


REMOTE = [
    {"x_forwarded_for": "203.0.113.7"},
    {"x_forwarded_for": "127.0.0.1"},
    {"forwarded": "for=203.0.113.7"},
    {"x_real_ip": "203.0.113.7"},
    {"via": "1.1 tunnel"},
    {"host": "evil.example"},
    {"host": "evil.example", "x_taskdeck_own_user": "1"},
]


@pytest.mark.parametrize("headers", REMOTE, ids=map(str, REMOTE))
async def test_whoever_comes_through_a_proxy_or_by_another_name_is_somebody_else(
    empty: Deck, headers: dict[str, str]
) -> None:
    assert await sign_up(empty, "mallory@example.com", **headers) != "local"


AS_NOBODY = """
import os, socket, sys
port, request = int(sys.argv[1]), sys.argv[2].encode()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
to = socket.socket(); to.connect(("127.0.0.1", port))
to.sendall(request)
print(to.makefile("rb").read())
"""


def raw_sign_up(deck: Deck, email: str) -> str:
    content, host = json.dumps(body(email)), deck.dashboard.removeprefix("http://")
    return (
        f"POST /api/auth/sign-up/email HTTP/1.1\r\nHost: {host}\r\nOrigin: {deck.dashboard}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    )


@needs_root
async def test_another_user_of_the_machine_is_somebody_else(empty: Deck) -> None:
    port, request = empty.dashboard.rpartition(":")[2], raw_sign_up(empty, "mallory@example.com")
    command = [sys.executable, "-c", AS_NOBODY, port, request]
    answer = await asyncio.to_thread(subprocess.run, command, check=True, cwd="/", capture_output=True, text=True)
    assert "mallory@example.com" in answer.stdout
    assert '"id":"local"' not in answer.stdout


async def test_an_ipv4_client_on_an_ipv6_socket_is_at_this_machine(empty: Deck) -> None:
    port = int(empty.dashboard.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("::ffff:127.0.0.1", port, family=socket.AF_INET6)
    writer.write(raw_sign_up(empty, "ada@example.com").encode())
    assert b'"id":"local"' in await reader.read()
    writer.close()


async def test_a_data_folder_with_three_users_becomes_one_persons(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with machine(data_dir) as deck:
        # An account as releases before this one made it: with an id of its own.
        ada_id = await sign_up(deck, "ada@example.com", via="1.1 before")
        bob_id = await sign_up(deck, "bob@example.com")
        for user, title in (("me", "With the token of me"), (bob_id, "Bob's own")):
            async with deck.client(user) as client:
                await structured(client, "add_task", title=title)
        async with printed_stdio(deck) as client:
            assert (await structured(client, "whoami"))["user_id"] == "local"
            await structured(client, "add_task", title="Over stdio")
            await structured(client, "start_conversation", title="Over stdio")
        async with deck.client(ada_id) as client:
            await structured(client, "add_task", title="Ada's own")
    async with machine(data_dir) as deck:
        (line,) = (line for line in deck.server.said.splitlines() if "claim-local" in line)
        assert "tasks that no account of the dashboard shows" in deck.server.said
        command = shlex.split(line.replace("YOUR-EMAIL", "Ada@example.com"))
        assert command[-4:] == [command[-4], "claim-local", "--user", "Ada@example.com"]
        claimed = await claim(data_dir, "--user", "Ada@example.com")
        assert "ada@example.com is the person at this machine" in claimed.stdout
        assert "2 tasks and 1 conversations became theirs" in claimed.stdout
        async with printed_stdio(deck) as client:
            assert (await structured(client, "whoami"))["user_id"] == ada_id
            found = await structured(client, "list_tasks")
            assert {task["title"] for task in found["tasks"]} == {"With the token of me", "Over stdio", "Ada's own"}
        async with agent(deck.mcp, await printed_token(deck)) as client:
            assert (await structured(client, "list_conversations"))["total_count"] == 1
        assert "0 tasks" in (await claim(data_dir, "--user", ada_id)).stdout
        # Who claims it next gets what comes from now on; an account's tasks stay that account's.
        assert "0 tasks" in (await claim(data_dir, "--user", "bob@example.com")).stdout
        async with printed_stdio(deck) as client:
            assert [task["title"] for task in (await structured(client, "list_tasks"))["tasks"]] == ["Bob's own"]
        refused = await claim(data_dir, "--user", "bob@example.com", "--from", ada_id)
        assert "ada@example.com is an account of its own" in refused.stderr
        refused = await claim(data_dir, "--user", "eve@example.com")
        assert refused.status == 2
        assert "no account eve@example.com. The accounts are: ada@example.com, bob@example.com" in refused.stderr


async def claim(data_dir: Path, *arguments: str) -> Ended:
    return await run("claim-local", *arguments, data_dir=data_dir)


async def test_without_a_dashboard_there_is_nothing_to_claim_but_what_has_another_name(tmp_path: Path) -> None:
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
def test_on_another_database_nobody_is_the_person_at_this_machine(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    ended = typed(*arguments, data_dir=tmp_path, DATABASE_URL="postgresql://u:p@127.0.0.1:1/db", TASKDECK_PORT="8000")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {sentence}")


def test_a_damaged_owner_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("not a user id")
    ended = typed("token", data_dir=tmp_path, TASKDECK_PORT="8000")
    assert (ended.status, ended.stdout) == (2, "")
    assert f"{tmp_path}/owner holds no user id" in ended.stderr
