"""JWKS of an issuer that is down, slow, hostile or rotating its keys (J34 to J41)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import OKPAlgorithm

from mcp_server.identity import jwks
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ALL_KEYS,
    EC,
    ED,
    ISSUER,
    OTHER,
    RSA,
    Answer,
    Clock,
    GuardedApp,
    KeyServer,
    PrivateKey,
    claims,
    header,
    key_set,
    running_key_server,
    settings_for,
    sign,
    to_jwk,
)


@dataclass
class Setup:
    """A server that trusts the keys of `key_server`, with a clock that tests set."""

    key_server: KeyServer
    app: GuardedApp
    ticks: Clock

    async def send_token(self, kid: str = "ed", key: PrivateKey = ED) -> Answer:
        return await self.app.send_token(sign(header(kid=kid), claims(), key))


@asynccontextmanager
async def open_setup(folder: Path, **fault: Any) -> AsyncGenerator[Setup]:
    async with running_key_server(**fault) as key_server:
        ticks = Clock(1000.0)
        known = settings_for(folder, issuer=ISSUER, jwks_url=key_server.url)
        yield Setup(key_server, GuardedApp(Verifier(known, ticks=ticks)), ticks)


async def test_unknown_key_ids_cause_one_fetch_per_thirty_seconds(tmp_path: Path):  # J34
    async with open_setup(tmp_path) as setup:
        for number in range(1000):
            assert (await setup.send_token(f"kid-{number}")).status == 401
        assert setup.key_server.fetches == 1
        setup.ticks.now += 31
        await asyncio.gather(*(setup.send_token(f"kid-{number}") for number in range(100)))
        assert setup.key_server.fetches == 2


async def test_overlong_key_id_causes_no_fetch(tmp_path: Path):  # J25
    async with open_setup(tmp_path) as setup:
        assert (await setup.send_token("k" * 129)).status == 401
        assert setup.key_server.fetches == 0


async def test_new_key_is_accepted_while_the_old_one_still_works(tmp_path: Path):  # J35
    async with open_setup(tmp_path, body=key_set(to_jwk("ed", ED))) as setup:
        assert (await setup.send_token()).status == 200
        setup.key_server.body = key_set(to_jwk("ed", ED), to_jwk("new", OTHER))
        setup.ticks.now += 30
        assert (await setup.send_token("new", OTHER)).status == 200
        assert (await setup.send_token()).status == 200
        assert setup.key_server.fetches == 2


async def test_removed_key_is_rejected_within_five_minutes(tmp_path: Path):  # J36
    async with open_setup(tmp_path) as setup:
        assert (await setup.send_token()).status == 200
        setup.key_server.body = key_set(to_jwk("new", OTHER))
        setup.ticks.now += 299
        assert (await setup.send_token()).status == 200
        setup.ticks.now += 2
        assert (await setup.send_token()).status == 401


BROKEN: dict[str, dict[str, Any]] = {
    "500": {"status": "500 Internal Server Error"},
    "hang": {"hang": True},
    "redirect": {"status": "302 Found", "headers": "Location: file:///etc/passwd\r\n"},
    "invalid JSON": {"body": b"<html>"},
    "deep JSON": {"body": b"[" * 100_000},
    "a list": {"body": b"[]"},
    "no keys": {"body": key_set()},
    "keys of another type": {"body": b'{"keys": {"ed": {}}}'},
    "1000 keys": {"body": key_set(*(to_jwk(f"kid-{n}", OTHER) for n in range(1000)))},
    "5 MB": {"body": key_set(to_jwk("ed", ED, padding="x" * 5_000_000))},
    "257 KiB": {"body": key_set(to_jwk("ed", ED, padding="x" * 257 * 1024))},
    "a compressed body": {"body": ALL_KEYS, "headers": "Content-Encoding: gzip\r\n", "status": "203 OK"},
}


@pytest.fixture
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeout for fetching keys."""
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)


@pytest.mark.usefixtures("_short_timeout")
@pytest.mark.parametrize("fault", BROKEN)
async def test_outage_keeps_the_last_good_keys_for_a_day(tmp_path: Path, fault: str):  # J37, J41
    async with open_setup(tmp_path) as setup:
        assert (await setup.send_token()).status == 200
        good = setup.key_server.body
        for name, value in BROKEN[fault].items():
            setattr(setup.key_server, name, value)
        for _ in range(12):
            setup.ticks.now += 301
            assert (await setup.send_token()).status == 200
        assert (
            await setup.send_token("unknown")
        ).status == 503  # not 401: the token may be valid, so clients must not sign in again
        setup.ticks.now += 86_400
        assert (await setup.send_token()).status == 503
        assert setup.key_server.fetches <= 14
        assert not await setup.app.verifier.ready()
        setup.key_server.body, setup.key_server.status, setup.key_server.hang = good, "200 OK", False
        setup.key_server.headers = ""
        setup.ticks.now += 31
        assert (await setup.send_token()).status == 200


@pytest.mark.usefixtures("_short_timeout")
@pytest.mark.parametrize("fault", BROKEN)
async def test_without_keys_the_response_is_503_until_they_load(tmp_path: Path, fault: str):  # J38, J39, J41
    async with open_setup(tmp_path, **BROKEN[fault]) as setup:
        answer = await setup.send_token()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["error"] == "unavailable"
        assert not await setup.app.verifier.ready()
        assert setup.key_server.fetches == 1
        setup.key_server.body, setup.key_server.status, setup.key_server.hang = ALL_KEYS, "200 OK", False
        setup.key_server.headers = ""
        setup.ticks.now += 5
        assert await setup.app.verifier.ready()
        assert (await setup.send_token()).status == 200


async def test_idle_server_becomes_ready_without_a_failed_check(tmp_path: Path):
    async with open_setup(tmp_path) as setup:
        for _ in range(2):
            assert await setup.app.verifier.ready()
            setup.ticks.now += 200_000
        assert setup.key_server.fetches == 2


async def test_unreachable_jwks_url_is_503(tmp_path: Path):  # J38
    async with open_setup(tmp_path) as setup:
        url = setup.key_server.url
    app = GuardedApp(Verifier(settings_for(tmp_path, issuer=ISSUER, jwks_url=url)))
    assert (await app.send_token(sign(header(), claims()))).status == 503


@pytest.mark.usefixtures("_short_timeout")
async def test_known_keys_are_not_delayed_by_a_hanging_jwks_url(tmp_path: Path):  # J39
    async with open_setup(tmp_path) as setup:
        assert (await setup.send_token()).status == 200
        setup.key_server.hang = True
        setup.ticks.now += 301
        assert (await setup.send_token()).status == 200  # waits once and notices the outage
        setup.ticks.now += 31
        token = sign(header(), claims())
        waiting = asyncio.create_task(setup.send_token("unknown"))
        passed = asyncio.gather(*(setup.app.send_token(token) for _ in range(50)))
        done, _ = await asyncio.wait({waiting, passed}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {passed}
        assert {answer.status for answer in await passed} == {200}
        assert (await waiting).status == 503
        assert setup.key_server.fetches == 3


async def test_redirect_is_not_followed(tmp_path: Path):  # J41
    async with running_key_server() as elsewhere:
        moved = {"status": "302 Found", "headers": f"Location: {elsewhere.url}\r\n"}
        async with open_setup(tmp_path, **moved) as setup:
            assert (await setup.send_token()).status == 503
            assert elsewhere.fetches == 0


async def test_concurrent_requests_share_one_fetch(tmp_path: Path):  # J40
    async with open_setup(tmp_path) as setup:
        answers = await asyncio.gather(*(setup.send_token() for _ in range(500)))
        assert {answer.status for answer in answers} == {200}
        assert setup.key_server.fetches == 1


async def test_cancelled_request_does_not_cancel_the_shared_fetch(tmp_path: Path):
    async with open_setup(tmp_path) as setup:
        first, second = asyncio.create_task(setup.send_token()), asyncio.create_task(setup.send_token())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).status == 200
        assert setup.key_server.fetches == 1


SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)


P384 = ec.generate_private_key(ec.SECP384R1())


UNUSABLE: dict[str, dict[str, Any]] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "ed"},
    "for encryption": to_jwk("ed", ED, use="enc"),
    "for another algorithm": to_jwk("ed", ED, alg="ES256"),
    "with its private part": OKPAlgorithm.to_jwk(ED, as_dict=True) | {"kid": "ed", "key_ops": ["verify"]},
    "without the key": {"kty": "OKP", "crv": "Ed25519", "kid": "ed"},
    "broken": to_jwk("ed", ED, x="AAAA"),
    "kid a number": to_jwk(None, ED) | {"kid": 7},
    "kty a list": to_jwk("ed", ED, kty=["OKP"]),
    "a weak RSA key": to_jwk("ed", SMALL_RSA),
    "another curve": to_jwk("ed", P384),
}


@pytest.mark.parametrize("which", UNUSABLE)
async def test_unusable_key_is_ignored(tmp_path: Path, which: str):  # J41
    algorithm, key = {
        "a weak RSA key": ("RS256", SMALL_RSA),
        "another curve": ("ES256", P384),
    }.get(which, ("EdDSA", ED))
    kid = str(UNUSABLE[which].get("kid", ""))
    body = key_set(UNUSABLE[which], "nonsense", to_jwk("good", EC))
    async with open_setup(tmp_path, body=body) as setup:
        refused = await setup.app.send_token(sign(header(alg=algorithm, kid=kid), claims(), key))
        passed = await setup.app.send_token(sign(header(alg="ES256", kid="good"), claims(), EC))
        assert (refused.status, passed.status) == (401, 200)


async def test_single_key_without_an_id_verifies_tokens_without_one(tmp_path: Path):
    token = sign(header("kid", alg="RS256"), claims(), RSA)
    async with open_setup(tmp_path, body=key_set(to_jwk(None, RSA))) as setup:
        assert (await setup.app.send_token(token)).status == 200
        assert (await setup.send_token("ed", ED)).status == 401
