"""Keys: an issuer that is down, slow, hostile or changing its keys (J34 to J41), and the key on disk."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import OKPAlgorithm

from mcp_server.identity import jwks
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import SettingsError
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
    PrivateKey,
    Publisher,
    claims,
    header,
    key_set,
    publishing,
    settings_for,
    sign,
    to_jwk,
)


@dataclass
class Scene:
    """A server that trusts `publisher`, at a time of its own."""

    publisher: Publisher
    house: GuardedApp
    ticks: Clock

    async def show(self, kid: str = "ed", key: PrivateKey = ED) -> Answer:
        return await self.house.show(sign(header(kid=kid), claims(), key))


@asynccontextmanager
async def scene(folder: Path, **how: Any) -> AsyncGenerator[Scene]:
    async with publishing(**how) as publisher:
        ticks = Clock(1000.0)
        known = settings_for(folder, issuer=ISSUER, jwks_url=publisher.url)
        yield Scene(publisher, GuardedApp(Verifier(known, ticks=ticks)), ticks)


async def test_invented_key_ids_cause_one_fetch_in_thirty_seconds(tmp_path: Path):  # J34
    async with scene(tmp_path) as here:
        for number in range(1000):
            assert (await here.show(f"kid-{number}")).status == 401
        assert here.publisher.fetches == 1
        here.ticks.now += 31
        await asyncio.gather(*(here.show(f"kid-{number}") for number in range(100)))
        assert here.publisher.fetches == 2


async def test_a_key_id_that_no_key_can_have_causes_no_fetch(tmp_path: Path):  # J25
    async with scene(tmp_path) as here:
        assert (await here.show("k" * 129)).status == 401
        assert here.publisher.fetches == 0


async def test_a_new_key_works_soon_and_the_old_one_meanwhile(tmp_path: Path):  # J35
    async with scene(tmp_path, body=key_set(to_jwk("ed", ED))) as here:
        assert (await here.show()).status == 200
        here.publisher.body = key_set(to_jwk("ed", ED), to_jwk("new", OTHER))
        here.ticks.now += 30
        assert (await here.show("new", OTHER)).status == 200
        assert (await here.show()).status == 200
        assert here.publisher.fetches == 2


async def test_a_withdrawn_key_ends_within_five_minutes(tmp_path: Path):  # J36
    async with scene(tmp_path) as here:
        assert (await here.show()).status == 200
        here.publisher.body = key_set(to_jwk("new", OTHER))
        here.ticks.now += 299
        assert (await here.show()).status == 200
        here.ticks.now += 2
        assert (await here.show()).status == 401


BROKEN: dict[str, dict[str, Any]] = {
    "500": {"status": "500 Internal Server Error"},
    "hang": {"hang": True},
    "redirect": {"status": "302 Found", "headers": "Location: file:///etc/passwd\r\n"},
    "no JSON": {"body": b"<html>"},
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
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three seconds that a key address gets, made short."""
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", BROKEN)
async def test_an_outage_keeps_the_last_good_keys_for_a_day(tmp_path: Path, how: str):  # J37, J41
    async with scene(tmp_path) as here:
        assert (await here.show()).status == 200
        good = here.publisher.body
        for name, value in BROKEN[how].items():
            setattr(here.publisher, name, value)
        for _ in range(12):
            here.ticks.now += 301
            assert (await here.show()).status == 200
        assert (await here.show("unknown")).status == 503  # nobody can tell, so nobody is told to sign in again
        here.ticks.now += 86_400
        assert (await here.show()).status == 503
        assert here.publisher.fetches <= 14
        assert not await here.house.verifier.ready()
        here.publisher.body, here.publisher.status, here.publisher.hang = good, "200 OK", False
        here.publisher.headers = ""
        here.ticks.now += 31
        assert (await here.show()).status == 200


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", BROKEN)
async def test_without_any_keys_the_answer_is_503_until_they_come(tmp_path: Path, how: str):  # J38, J39, J41
    async with scene(tmp_path, **BROKEN[how]) as here:
        answer = await here.show()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["error"] == "unavailable"
        assert not await here.house.verifier.ready()
        assert here.publisher.fetches == 1
        here.publisher.body, here.publisher.status, here.publisher.hang = ALL_KEYS, "200 OK", False
        here.publisher.headers = ""
        here.ticks.now += 5
        assert await here.house.verifier.ready()
        assert (await here.show()).status == 200


async def test_a_server_that_nobody_asked_for_days_is_ready_at_once(tmp_path: Path):
    async with scene(tmp_path) as here:
        for _ in range(2):
            assert await here.house.verifier.ready()
            here.ticks.now += 200_000
        assert here.publisher.fetches == 2


async def test_without_a_listener_the_answer_is_503(tmp_path: Path):  # J38
    async with scene(tmp_path) as here:
        url = here.publisher.url
    house = GuardedApp(Verifier(settings_for(tmp_path, issuer=ISSUER, jwks_url=url)))
    assert (await house.show(sign(header(), claims()))).status == 503


@pytest.mark.usefixtures("_impatient")
async def test_nobody_with_a_known_key_waits_for_an_address_that_hangs(tmp_path: Path):  # J39
    async with scene(tmp_path) as here:
        assert (await here.show()).status == 200
        here.publisher.hang = True
        here.ticks.now += 301
        assert (await here.show()).status == 200  # waits once, and learns of the outage
        here.ticks.now += 31
        token = sign(header(), claims())
        waiting = asyncio.create_task(here.show("unknown"))
        passed = asyncio.gather(*(here.house.show(token) for _ in range(50)))
        done, _ = await asyncio.wait({waiting, passed}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {passed}
        assert {answer.status for answer in await passed} == {200}
        assert (await waiting).status == 503
        assert here.publisher.fetches == 3


async def test_a_redirect_is_not_followed(tmp_path: Path):  # J41
    async with publishing() as elsewhere:
        moved = {"status": "302 Found", "headers": f"Location: {elsewhere.url}\r\n"}
        async with scene(tmp_path, **moved) as here:
            assert (await here.show()).status == 503
            assert elsewhere.fetches == 0


async def test_five_hundred_at_once_share_one_fetch(tmp_path: Path):  # J40
    async with scene(tmp_path) as here:
        answers = await asyncio.gather(*(here.show() for _ in range(500)))
        assert {answer.status for answer in answers} == {200}
        assert here.publisher.fetches == 1


async def test_a_caller_who_leaves_does_not_end_the_fetch_of_the_others(tmp_path: Path):
    async with scene(tmp_path) as here:
        first, second = asyncio.create_task(here.show()), asyncio.create_task(here.show())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).status == 200
        assert here.publisher.fetches == 1


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
async def test_a_key_that_is_not_for_signatures_is_passed_over(tmp_path: Path, which: str):  # J41
    algorithm, key = {
        "a weak RSA key": ("RS256", SMALL_RSA),
        "another curve": ("ES256", P384),
    }.get(which, ("EdDSA", ED))
    kid = str(UNUSABLE[which].get("kid", ""))
    body = key_set(UNUSABLE[which], "nonsense", to_jwk("good", EC))
    async with scene(tmp_path, body=body) as here:
        refused = await here.house.show(sign(header(alg=algorithm, kid=kid), claims(), key))
        passed = await here.house.show(sign(header(alg="ES256", kid="good"), claims(), EC))
        assert (refused.status, passed.status) == (401, 200)


async def test_a_key_without_an_id_serves_tokens_without_one_if_it_is_alone(tmp_path: Path):
    token = sign(header("kid", alg="RS256"), claims(), RSA)
    async with scene(tmp_path, body=key_set(to_jwk(None, RSA))) as here:
        assert (await here.house.show(token)).status == 200
        assert (await here.show("ed", ED)).status == 401


def test_processes_that_start_together_get_the_same_key(tmp_path: Path):
    folder = tmp_path / "new" / "data dir"
    code = (
        "import sys, pathlib; from mcp_server.identity.local_issuer import open_local_key as o; sys.stdin.read(1);"
        "sys.stdout.write(o(pathlib.Path(sys.argv[1])).private_bytes_raw().hex())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(jwks.__file__).parents[2])},
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin
        process.stdin.close()
    made: set[bytes] = set()
    for process in started:
        assert process.stdout
        with process.stdout:
            made.add(process.stdout.read())
        assert process.wait() == 0
    assert len(made) == 1
    assert [path.name for path in folder.iterdir()] == ["issuer.key"]
    assert (folder / "issuer.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_key_made_by_another_process_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    LocalIssuer(settings_for(tmp_path))
    made = (tmp_path / "issuer.key").read_bytes()

    def not_yet(_: Path) -> bool:
        return False  # as seen a moment before the other process had linked its key

    monkeypatch.setattr(Path, "exists", not_yet)
    LocalIssuer(settings_for(tmp_path))
    assert (tmp_path / "issuer.key").read_bytes() == made


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path):
    LocalIssuer(settings_for(tmp_path))
    (tmp_path / "issuer.key").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        LocalIssuer(settings_for(tmp_path))


def pem(content: str) -> bytes:
    return f"-----BEGIN PRIVATE KEY-----\n{content}\n-----END PRIVATE KEY-----\n".encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", pem("AAAA"), pem("MA8CAQAwBwYFKwYBBAEEAXg=")],
    ids=["empty", "no PEM", "no PKCS 8", "an algorithm that nobody knows"],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "issuer.key").write_bytes(content)
    (tmp_path / "issuer.key").chmod(0o600)
    with pytest.raises(SettingsError, match="is not a private key: delete it"):
        LocalIssuer(settings_for(tmp_path))


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="TASKDECK_DATA_DIR"):
        LocalIssuer(settings_for(tmp_path / "file" / "below"))


def test_the_built_in_issuer_does_not_serve_beside_a_configured_one(tmp_path: Path):
    with pytest.raises(SettingsError, match="TASKDECK_ISSUER"):
        LocalIssuer(settings_for(tmp_path, issuer=ISSUER, jwks_url="https://issuer.example/jwks"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"user": ""}, "user"),
        ({"user": "a b"}, "user"),
        ({"user": "alice\n"}, "user"),
        ({"user": "a" * 129}, "user"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": 86_401}, "ttl"),
        ({"scopes": ["mcp:*"]}, "scope"),
    ],
)
def test_the_built_in_issuer_makes_no_token_that_would_be_refused(tmp_path: Path, wrong: dict[str, Any], named: str):
    issuer = LocalIssuer(settings_for(tmp_path))
    arguments: dict[str, Any] = {"user": "alice"} | wrong
    with pytest.raises(ValueError, match=named):
        issuer.mint(**arguments)


async def test_a_token_of_the_built_in_issuer_survives_a_restart(tmp_path: Path):
    token = LocalIssuer(settings_for(tmp_path)).mint("alice", email="a@example.com", name="Ann", ttl=60)
    house = GuardedApp(Verifier(settings_for(tmp_path)))
    assert (await house.show(token)).status == 200
    caller = house.passed[0]
    assert (caller.user_id, caller.email, caller.name, caller.client) == (
        "alice",
        "a@example.com",
        "Ann",
        "taskdeck",
    )
    assert 0 < caller.expires_at - time.time() <= 60
    assert caller.scopes == {"mcp:read", "mcp:write"}
    assert (await house.show(token, "api")).status == 401
