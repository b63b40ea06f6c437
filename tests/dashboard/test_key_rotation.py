"""Replacing signing keys and secrets by the steps of docs/security.md."""

import re
import secrets
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from tests.conftest import Cluster, RequestUrl
from tests.support.browser import PASSWORD, Taskdeck, running_taskdeck
from tests.support.oauth_account import OAuthAccount
from tests.support.processes import ROOT, run_in_process

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

SECTION = (ROOT / "docs/security.md").read_text("utf-8").partition("\n## Rotating keys and secrets\n")[2]


def key_id(tokens: dict[str, Any]) -> str:
    return jwt.get_unverified_header(tokens["access_token"])["kid"]


async def published(taskdeck: Taskdeck) -> set[str]:
    """The ids of the keys that servers can fetch."""
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http:
        answer = await http.get("/api/auth/jwks")
    return {key["kid"] for key in answer.json()["keys"]}


async def accepts(taskdeck: Taskdeck, tokens: dict[str, Any]) -> bool:
    return (await taskdeck.call_raw(tokens["access_token"], "whoami")).status_code == 200


async def replace_signing_key(taskdeck: Taskdeck) -> None:
    statement = re.search(r"```sql\n(.*?)```", SECTION, re.DOTALL)
    assert statement
    await taskdeck.sql(statement[1])


@pytest.fixture
async def database(cluster: Cluster) -> str:
    return await cluster.create(f"rotation_{secrets.token_hex(4)}", "blank")


async def test_replaced_signing_key_stays_published_until_its_tokens_have_expired(
    database: str, request_url: RequestUrl, tmp_path: Path
):
    async with (
        running_taskdeck(database, request_url, tmp_path) as taskdeck,
        OAuthAccount.signed_up(taskdeck, "ada@example.com") as ada,
    ):
        client = await ada.register()
        before = await ada.connect(client)
        (lifetime,) = await taskdeck.sql(
            'SELECT "expiresAt" - "createdAt" AS days FROM auth.jwks WHERE id = $1', key_id(before)
        )
        assert lifetime["days"].total_seconds() == pytest.approx(90 * 86_400, abs=5)

        await replace_signing_key(taskdeck)
        after = (await ada.refresh(client, before["refresh_token"])).json()
        assert key_id(after) != key_id(before)
        assert await published(taskdeck) == {key_id(before), key_id(after)}
        assert await accepts(taskdeck, before)
        assert await accepts(taskdeck, after)

        await taskdeck.sql(
            "UPDATE auth.jwks SET \"expiresAt\" = now() - interval '49 hours' WHERE id = $1", key_id(before)
        )
        assert await published(taskdeck) == {key_id(after)}


async def test_keys_of_release_0_1_0_end(database: str, request_url: RequestUrl, tmp_path: Path):
    async with (
        running_taskdeck(database, request_url, tmp_path) as taskdeck,
        OAuthAccount.signed_up(taskdeck, "ada@example.com") as ada,
    ):
        client = await ada.register()
        before = await ada.connect(client)
        await taskdeck.sql('UPDATE auth.jwks SET "expiresAt" = NULL')
    async with running_taskdeck(database, request_url, tmp_path) as taskdeck:
        ada.taskdeck, ada.http = taskdeck, httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False)
        async with ada.http:
            after = (await ada.refresh(client, before["refresh_token"])).json()
        assert key_id(after) != key_id(before)
        assert await published(taskdeck) == {key_id(before), key_id(after)}


async def statistics_after_sign_in(taskdeck: Taskdeck) -> int:
    """Sign in, and ask the server for the statistics with the dashboard's token; the status of the answer."""
    async with httpx2.AsyncClient(
        base_url=taskdeck.dashboard, headers={"origin": taskdeck.dashboard}, trust_env=False
    ) as http:
        await http.post("/api/auth/sign-in/email", json={"email": "ada@example.com", "password": PASSWORD})
        token = (await http.get("/api/auth/token")).json()["token"]
    return (await taskdeck.statistics(token)).status_code


async def test_secret_is_replaced_without_disconnecting_clients(database: str, request_url: RequestUrl, tmp_path: Path):
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    async with (
        running_taskdeck(database, request_url, tmp_path, BETTER_AUTH_SECRET=old) as taskdeck,
        OAuthAccount.signed_up(taskdeck, "ada@example.com") as ada,
    ):
        client = await ada.register()
        tokens = await ada.connect(client)
        cookies = dict(ada.http.cookies)

    step_1 = {"BETTER_AUTH_SECRET": old, "BETTER_AUTH_SECRETS": f"1:{new}"}
    async with (
        running_taskdeck(database, request_url, tmp_path, **step_1) as taskdeck,
        httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http,
    ):
        session = await http.get("/api/auth/get-session", headers={"cookie": _as_header(cookies)})
        assert session.json() is None, "cookies that were signed with the old secret have ended"
        ada.taskdeck, ada.http = taskdeck, http
        second = (await ada.refresh(client, tokens["refresh_token"])).json()
        assert key_id(second) == key_id(tokens), "the key that the old secret encrypts still signs"
        await replace_signing_key(taskdeck)
        third = (await ada.refresh(client, second["refresh_token"])).json()
        assert key_id(third) != key_id(tokens)
        assert await statistics_after_sign_in(taskdeck) == 200

    step_3 = {"BETTER_AUTH_SECRET": new, "BETTER_AUTH_SECRETS": f"1:{new}"}
    async with (
        running_taskdeck(database, request_url, tmp_path, **step_3) as taskdeck,
        httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http,
    ):
        ada.taskdeck, ada.http = taskdeck, http
        fourth = (await ada.refresh(client, third["refresh_token"])).json()
        assert key_id(fourth) == key_id(third)
        assert await statistics_after_sign_in(taskdeck) == 200


def _as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_deleted_issuer_key_is_made_anew(tmp_path: Path):
    def make_token() -> str:
        ended = run_in_process("token", "--user", "ada", data_dir=tmp_path, TASKDECK_PORT="8000")
        assert ended.status == 0, ended
        return (tmp_path / "issuer.key").read_text()

    before = make_token()
    assert make_token() == before
    (tmp_path / "issuer.key").unlink()
    assert make_token() != before
