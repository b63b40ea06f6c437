"""An e-mail address counts only when its owner has opened the link in a message: sign-up, reset, change, take-over."""

import asyncio
import secrets
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.async_api import expect

from mcp_server.cli.dashboard_process import SERVER, find_node
from mcp_server.http import uvicorn_server
from tests.conftest import Cluster, RequestUrl
from tests.support.browser import (
    PASSWORD,
    Callback,
    Taskdeck,
    Visit,
    Visitor,
    register,
    request_to,
    running_taskdeck,
    token_of,
)
from tests.support.mailbox import Mailbox
from tests.support.processes import environment

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

NEW_PASSWORD = "another horse battery"
EXPIRED = "This link has expired or was used already"
SIGN_UP = "/api/auth/sign-up/email"


@pytest.fixture(scope="module")
async def mailing(
    cluster: Cluster, request_url: RequestUrl, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Taskdeck]:
    """A stack that sends its mail to a mail server."""
    url = await cluster.create("mailing", "blank")
    async with (
        Mailbox.listening() as mailbox,
        running_taskdeck(url, request_url, tmp_path_factory.mktemp("mailing"), **mailbox.settings) as taskdeck,
    ):
        yield Taskdeck(taskdeck.server, taskdeck.dashboard, taskdeck.database_url, mailbox)


def browser_of(taskdeck: Taskdeck) -> httpx2.AsyncClient:
    """A browser without windows: cookies and the origin of the dashboard's pages."""
    return httpx2.AsyncClient(base_url=taskdeck.dashboard, headers={"origin": taskdeck.dashboard}, trust_env=False)


def account(email: str, **other: Any) -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, "name": "Ada"} | other


async def find_user(taskdeck: Taskdeck, email: str) -> list[tuple[str, bool]]:
    rows = await taskdeck.sql('SELECT id, "emailVerified" FROM auth."user" WHERE email = $1', email)
    return [tuple(row) for row in rows]


async def add_unverified(taskdeck: Taskdeck, email: str) -> str:
    """An account as releases before this one made it: its address was never verified."""
    user_id = email.partition("@")[0]
    await taskdeck.sql(
        """INSERT INTO auth."user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
        VALUES ($1, 'Mallory', $2, false, now(), now())""",
        *(user_id, email),
    )
    return user_id


async def is_signed_in(visitor: Visitor) -> None:
    await visitor.sees(total=0)


async def test_link_in_the_mail_signs_the_new_account_in(visit: Visit, mailing: Taskdeck):
    ada = await visit(known=False, at=mailing)
    await ada.fill_sign_up()
    await expect(ada.page.get_by_role("heading", name="Check your mail")).to_be_visible()
    await expect(ada.page.get_by_role("link", name="Open the link")).to_have_count(0)
    assert await ada.violations() == []
    assert await find_user(mailing, ada.email) == []
    message = await mailing.mail.receive(ada.email)
    assert message["from"] == "Taskdeck <taskdeck@example.com>"
    assert message["subject"] == "Confirm your e-mail address for Taskdeck"
    link = await mailing.link(ada.email)
    assert urlsplit(link).netloc == urlsplit(mailing.dashboard).netloc
    await ada.page.goto(link)
    await is_signed_in(ada)
    ((user_id, verified),) = await find_user(mailing, ada.email)
    assert verified
    ada.user_id = user_id
    await ada.page.goto(link)
    await expect(ada.page.get_by_role("heading", name=EXPIRED)).to_be_visible()
    await ada.lose_session()
    await ada.open("/sign-in")
    await ada.type_credentials()
    await is_signed_in(ada)


async def test_message_can_be_sent_again(visit: Visit, mailing: Taskdeck):
    ada = await visit(known=False, at=mailing)
    await ada.fill_sign_up()
    await ada.page.get_by_role("button", name="Send it again").click()
    await expect(ada.page.get_by_text("The message is on its way again.")).to_be_visible()
    await ada.page.goto(await mailing.mail.link(ada.email, 2))
    await is_signed_in(ada)
    await ada.page.goto(await mailing.mail.link(ada.email, 1))
    await expect(ada.page.get_by_role("heading", name=EXPIRED)).to_be_visible()
    async with browser_of(mailing) as http:
        token = token_of(await mailing.mail.link(ada.email, 1))
        late = await http.post("/api/auth/sign-up/complete", json={"token": token, "password": NEW_PASSWORD})
    assert (late.status_code, late.json()["code"]) == (409, "ACCOUNT_EXISTS")


async def test_in_another_browser_the_link_asks_for_a_new_password(visit: Visit, mailing: Taskdeck):
    """A stranger who signed up with the address of somebody else must not know the password of the account."""
    mallory, ada = await visit("Mallory", known=False, at=mailing), await visit(known=False, at=mailing)
    mallory.email = ada.email
    await mallory.fill_sign_up()
    await ada.page.goto(await mailing.link(ada.email))
    await expect(ada.page.get_by_role("heading", name="Choose a password")).to_be_visible()
    assert await ada.violations() == []
    async with browser_of(mailing) as http:
        stolen = await http.post("/api/auth/sign-up/complete", json={"token": token_of(await mailing.link(ada.email))})
        assert (stolen.status_code, stolen.json()["code"]) == (400, "PASSWORD_REQUIRED")
    await ada.page.get_by_label("Password").fill(NEW_PASSWORD)
    await ada.page.get_by_role("button", name="Create account").click()
    await is_signed_in(ada)
    await mallory.open("/sign-in")
    await mallory.type_credentials()
    await expect(mallory.page.get_by_text("The e-mail or the password is not right.")).to_be_visible()
    mallory.expect_page_errors("401")


async def test_known_address_gets_the_same_answer_as_an_unknown_one(visit: Visit, mailing: Taskdeck):
    ada = await visit(at=mailing)
    answers: list[httpx2.Response] = []
    for email in (ada.email, f"unknown-{ada.email}"):
        async with browser_of(mailing) as http:
            answers.append(await http.post(SIGN_UP, json=account(email)))
    known, unknown = answers
    assert known.status_code == unknown.status_code == 200
    assert known.json() == unknown.json() == {"status": True}
    assert _shape(known) == _shape(unknown)
    message = await mailing.mail.receive(ada.email, 2)
    assert message["subject"] == "You already have a Taskdeck account"
    assert "token=" not in message.get_content()
    assert len(await find_user(mailing, ada.email)) == 1


def _shape(answer: httpx2.Response) -> dict[str, object]:
    """Headers without what differs between any two answers; of cookies, names and attributes."""
    names = {name: value for name, value in answer.headers.items() if name not in ("date", "set-cookie")}
    (cookie,) = answer.headers.get_list("set-cookie")
    pair, _, attributes = cookie.partition(";")
    shape: dict[str, object] = {"cookie": (pair.partition("=")[0], len(pair), attributes)}
    return shape | names


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"email": "nobody"}, "The e-mail address is not valid."),
        ({"email": f"{'a' * 250}@example.com"}, "The e-mail address is not valid."),
        ({"password": "short"}, "The password must have 10 to 128 characters."),
        ({"password": "x" * 129}, "The password must have 10 to 128 characters."),
        ({"name": ""}, "The name must have 1 to 100 characters."),
        ({"name": "x" * 101}, "The name must have 1 to 100 characters."),
    ],
)
async def test_invalid_sign_up_says_what_is_wrong(mailing: Taskdeck, wish: dict[str, str], sentence: str):
    async with browser_of(mailing) as http:
        answer = await http.post(SIGN_UP, json=account("new@example.com") | wish)
    assert (answer.status_code, answer.json()["message"]) == (400, sentence)


async def test_page_of_another_site_cannot_sign_up(mailing: Taskdeck):
    async with httpx2.AsyncClient(base_url=mailing.dashboard, trust_env=False) as http:
        answer = await http.post(
            SIGN_UP, json=account("victim@example.com"), headers={"origin": "https://evil.example"}
        )
    assert answer.status_code == 403
    assert mailing.mail.to("victim@example.com") == []


async def test_owner_takes_the_address_from_an_account_that_never_verified_it(visit: Visit, mailing: Taskdeck):
    ada = await visit(known=False, at=mailing)
    squatter = await add_unverified(mailing, ada.email)
    await ada.fill_sign_up()
    assert await find_user(mailing, ada.email) == [(squatter, False)]
    await ada.page.goto(await mailing.link(ada.email))
    await is_signed_in(ada)
    ((user_id, verified),) = await find_user(mailing, ada.email)
    assert verified
    assert user_id != squatter
    rows = await mailing.sql('SELECT email, "emailVerified" FROM auth."user" WHERE id = $1', squatter)
    assert [tuple(row) for row in rows] == [(f"{squatter}@released.invalid", False)]


async def test_forgotten_password_is_replaced_and_ends_all_sessions(visit: Visit, mailing: Taskdeck):
    ada = await visit(at=mailing)
    await ada.open_live()
    phone = await visit(known=False, at=mailing)
    phone.email = ada.email
    await phone.open("/sign-in")
    await phone.page.get_by_role("link", name="Forgot your password?").click()
    await expect(phone.page.get_by_role("heading", name="Forgot your password?")).to_be_visible()
    await phone.page.get_by_label("E-mail").fill(ada.email)
    await phone.page.get_by_role("button", name="Send the link").click()
    await expect(phone.page.get_by_text("the link is on its way")).to_be_visible()
    message = await mailing.mail.receive(ada.email, 2)
    assert message["subject"] == "Choose a new password for Taskdeck"
    link = await mailing.mail.link(ada.email, 2)
    await phone.page.goto(link)
    await phone.page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await phone.page.get_by_role("button", name="Save the password").click()
    await expect(phone.page.get_by_text("Your password is changed. Sign in with the new one.")).to_be_visible()
    await ada.page.reload()
    await expect(ada.page.get_by_text("Your session has ended.")).to_be_visible()
    await phone.type_credentials(NEW_PASSWORD)
    await is_signed_in(phone)
    await ada.page.goto(link)
    await ada.page.get_by_label("New password", exact=True).fill(PASSWORD)
    await ada.page.get_by_role("button", name="Save the password").click()
    await expect(ada.page.get_by_text("This link has expired or was used already. Ask for a new one.")).to_be_visible()
    ada.expect_page_errors("400", "401")


async def test_reset_for_an_unknown_address_answers_the_same_and_sends_nothing(visit: Visit, mailing: Taskdeck):
    ada = await visit(at=mailing)
    async with browser_of(mailing) as http:
        path = "/api/auth/request-password-reset"
        unknown = await http.post(path, json={"email": f"unknown-{ada.email}"})
        known = await http.post(path, json={"email": ada.email})
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert known.status_code == 200
    await mailing.mail.receive(ada.email, 2)
    assert mailing.mail.to(f"unknown-{ada.email}") == []


async def test_changed_password_ends_the_other_sessions(visit: Visit, mailing: Taskdeck):
    ada = await visit(at=mailing)
    phone = await visit(known=False, at=mailing)
    phone.email = ada.email
    await phone.open("/sign-in")
    await phone.type_credentials()
    await is_signed_in(phone)
    await ada.open("/settings")
    form = ada.page.get_by_role("form", name="Change the password")
    await form.get_by_label("Current password").fill("incorrect horse")
    await form.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await form.get_by_role("button", name="Change the password").click()
    await expect(ada.page.get_by_text("The current password is not right.")).to_be_visible()
    # Her own session is replaced too: a token of the old one is refused until the page has a new one.
    ada.expect_page_errors("400", "401")
    await form.get_by_label("Current password").fill(PASSWORD)
    await form.get_by_role("button", name="Change the password").click()
    await expect(ada.page.get_by_text("You are signed out everywhere else.")).to_be_visible()
    await phone.page.reload()
    await expect(phone.page.get_by_text("Your session has ended.")).to_be_visible()
    phone.expect_page_errors("401")
    await ada.open()
    await is_signed_in(ada)


async def test_new_address_counts_once_its_link_is_opened(visit: Visit, mailing: Taskdeck):
    ada = await visit(at=mailing)
    new = f"new-{ada.email}"
    await ada.open("/settings")
    await expect(ada.page.get_by_role("region", name="E-mail address")).to_contain_text("confirmed")
    assert await ada.violations() == []
    await ada.page.get_by_label("New address").fill(new)
    await ada.page.get_by_role("button", name="Change the address").click()
    await expect(ada.page.get_by_text(f"If {new} can be yours, a link is on its way there.")).to_be_visible()
    link = await mailing.link(new)
    assert await find_user(mailing, ada.email) == [(ada.user_id, True)]
    stranger = await visit("Eve", at=mailing)
    await stranger.page.goto(link)
    await expect(stranger.page.get_by_role("heading", name="You are signed in with another account")).to_be_visible()
    assert await find_user(mailing, new) == []
    await ada.page.goto(link)
    await expect(ada.page.get_by_text("Your e-mail address is confirmed.")).to_be_visible()
    assert await find_user(mailing, new) == [(ada.user_id, True)]
    warning = await mailing.mail.receive(ada.email, 2)
    assert warning["subject"] == "The e-mail address of your Taskdeck account has changed"


async def test_authorization_request_continues_after_the_link(visit: Visit, mailing: Taskdeck):
    ada = await visit(known=False, at=mailing)
    async with Callback.listening() as callback:
        client = await register(mailing, callback, "Cursor")
        proof = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
        await ada.page.goto(request_to(mailing, callback, client["client_id"], **proof))
        await ada.page.get_by_role("link", name="Create an account").click()
        await ada.page.get_by_label("Name").fill("Ada")
        await ada.page.get_by_label("E-mail").fill(ada.email)
        await ada.page.get_by_label("Password").fill(PASSWORD)
        await ada.page.get_by_role("button", name="Create account").click()
        await expect(ada.page.get_by_role("heading", name="Check your mail")).to_be_visible()
        await ada.page.goto(await mailing.link(ada.email))
        await ada.page.get_by_role("button", name="Allow", exact=True).click()
        await expect(ada.page.get_by_text("Back again.")).to_be_visible()
        assert "code" in await callback.answers.get()
        # The browser asks the client's page for an icon, and may come after the client has gone.
        ada.expect_page_errors("ERR_CONNECTION_REFUSED")


async def test_links_expire(
    visit: Visit, cluster: Cluster, request_url: RequestUrl, tmp_path_factory: pytest.TempPathFactory
):
    url = await cluster.create("short_links", "blank")
    folder = tmp_path_factory.mktemp("short")
    async with (
        Mailbox.listening() as mailbox,
        running_taskdeck(url, request_url, folder, **mailbox.settings, TASKDECK_LINK_SECONDS="1") as running,
    ):
        taskdeck = Taskdeck(running.server, running.dashboard, running.database_url, mailbox)
        ada = await visit(known=False, at=taskdeck)
        await ada.fill_sign_up()
        assert "within 1 second" in (await mailbox.receive(ada.email)).get_content()
        link = await taskdeck.link(ada.email)
        phone = await visit(known=False, at=taskdeck)
        async with asyncio.timeout(30):
            while not await phone.page.get_by_text(EXPIRED).count():
                await phone.page.goto(link)
        await ada.page.goto(link)
        await expect(ada.page.get_by_role("heading", name=EXPIRED)).to_be_visible()
        assert await find_user(taskdeck, ada.email) == []


def at_public_name(address: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=address, headers={"host": "tasks.example.com"}, trust_env=False)


@asynccontextmanager
async def public_dashboard(database_url: str) -> AsyncGenerator[str]:
    """The dashboard as it is deployed, with a public address and no mail server; gives the address that leads to it."""
    with uvicorn_server.listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    variables = {
        **environment(Path()),
        "DATABASE_URL": database_url,
        "TASKDECK_DASHBOARD_URL": "https://tasks.example.com",
        "BETTER_AUTH_SECRET": secrets.token_hex(32),
        "HOSTNAME": "127.0.0.1",
        "PORT": str(port),
        "NODE_ENV": "production",
    }
    process = await asyncio.create_subprocess_exec(
        find_node() / "node", SERVER, env=variables, stdin=DEVNULL, stdout=DEVNULL
    )
    try:
        async with at_public_name(f"http://127.0.0.1:{port}") as http:
            await until_answered(http)
            yield str(http.base_url)
    finally:
        process.terminate()
        await process.wait()


async def until_answered(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(httpx2.HTTPError):
                if (await http.get("/api/auth/jwks")).is_success:
                    return
            await asyncio.sleep(0.1)


async def test_public_server_without_mail_says_what_the_operator_must_set(cluster: Cluster, request_url: RequestUrl):
    url = request_url(await cluster.create("silent", "blank"))
    async with public_dashboard(url) as address, at_public_name(address) as http:
        page = (await http.get("/sign-up")).text
        refused = await http.post(SIGN_UP, json=account("ada@example.com"))
    assert "TASKDECK_SMTP_URL and TASKDECK_MAIL_FROM" in page
    assert 'name="password"' not in page
    assert (refused.status_code, refused.json()["code"]) == (503, "NO_MAIL")
    assert "TASKDECK_SMTP_URL" in refused.json()["message"]
