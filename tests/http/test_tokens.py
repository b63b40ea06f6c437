"""The token table of docs/security.md (J1 to J47): accepted and rejected tokens, at all three endpoints."""

import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ADDRESS,
    EC,
    ED,
    ENDPOINTS,
    ISSUER,
    OTHER,
    RSA,
    Endpoint,
    GuardedApp,
    claims,
    encode,
    header,
    running_key_server,
    settings_for,
    sign,
    to_jwk,
)

Make = Callable[[str], str]
"""Makes a token for the audience of an endpoint."""


DAY = 86_400


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def with_claims(*without: str, **changes: object) -> Make:
    """A properly signed token with other claims."""
    return lambda aud: sign(header(), claims(*without, **({"aud": aud} | changes)))


def with_header(*without: str, **changes: object) -> Make:
    """A token with another header, signed with the right key."""
    return lambda aud: sign(header(*without, **changes), claims(aud=aud))


def raw(change: Callable[[str], str]) -> Make:
    """A properly signed token whose claims are JSON text that json.dumps would not write."""
    return lambda aud: sign(header(), change(json.dumps(claims(aud=aud))).encode())


def altered(change: Callable[[str], str]) -> Make:
    """A valid token, changed as a string."""
    return lambda aud: change(sign(header(), claims(aud=aud)))


def ago(seconds: int) -> Callable[[], int]:
    """The Unix time `seconds` before the token is made."""
    return lambda: int(time.time()) - seconds


def with_exp(value: str) -> Make:
    return raw(lambda good: good.replace('"exp": ', f'"exp": {value}, "was": ', 1))


def hmac_with(key: bytes) -> Make:
    return lambda aud: sign(header(alg="HS256"), claims(aud=aud), key)


def replaced_signature(token: str, signature: bytes) -> str:
    return ".".join([*token.split(".")[:2], encode(signature)])


PEM = ED.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


DER = ED.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


REFUSED: dict[str, Make] = {
    **{f"J2 alg {alg!r}": with_header(alg=alg) for alg in ("none", "NonE", None, ["EdDSA"], "HS256", "eddsa")},
    "J2 alg missing": with_header("alg"),
    "J2 unsigned": altered(lambda good: good.rsplit(".", 1)[0] + "."),
    "J2 alg none, unsigned": lambda aud: sign(header(alg="none"), claims(aud=aud)).rsplit(".", 1)[0] + ".",
    "J3 HMAC with the PEM": hmac_with(PEM),
    "J3 HMAC with the DER": hmac_with(DER),
    "J3 HMAC with the raw key": hmac_with(ED.public_key().public_bytes_raw()),
    "J3 HMAC with the JWK": hmac_with(json.dumps(to_jwk("ed", ED)).encode()),
    "J4 another key": lambda aud: sign(header(), claims(aud=aud), OTHER),
    "J5 ES256 of zeros": lambda aud: replaced_signature(
        sign(header(alg="ES256", kid="ec"), claims(aud=aud), EC), bytes(64)
    ),
    "J6 EdDSA for the RSA key": with_header(kid="rsa"),
    "J6 RS256 for the EdDSA key": lambda aud: sign(header(alg="RS256"), claims(aud=aud), RSA),
    "J6 RS256 for the EC key": lambda aud: sign(header(alg="RS256", kid="ec"), claims(aud=aud), RSA),
    "J7 exp missing": with_claims("exp"),
    **{f"J7 exp {exp!r}": with_claims(exp=exp) for exp in (None, "abc", [1], True, -1)},
    **{f"J7 exp {exp[:8]}": with_exp(exp) for exp in ("NaN", "Infinity", "1e400", "9" * 400, "9" * 5000)},
    "J7 iat missing": with_claims("iat"),
    **{f"J7 iat {iat!r}": with_claims(iat=iat) for iat in (None, True)},
    "J7 iat in quotes": with_claims(iat=str(int(time.time()))),
    **{f"J7 nbf {nbf!r}": with_claims(nbf=nbf) for nbf in (None, True)},
    "J7 nbf in quotes": with_claims(nbf=str(int(time.time()))),
    "J7 nbf of minus infinity": raw(lambda good: good.replace("{", '{"nbf": -1e400, ', 1)),
    "J7 NaN in an unknown claim": raw(lambda good: good.replace("{", '{"x": NaN, ', 1)),
    "J8 exp in quotes": with_claims(exp=str(int(time.time()) + 900)),
    "J9 exp past the leeway": with_claims(exp=ago(32), iat=ago(900)),
    "J11 exp in the year 3000": with_claims(exp=32_503_680_000),
    "J11 lifetime of more than a day": with_claims(iat=ago(10), exp=ago(9 - DAY)),
    "J12 nbf ahead": with_claims(nbf=ago(-60)),
    "J13 iat ahead": with_claims(iat=ago(-60)),
    "J14 aud missing": with_claims("aud"),
    "J14 aud list of ours and a number": lambda aud: with_claims(aud=[1, aud])(aud),
    **{f"J14 aud {aud!r}": with_claims(aud=aud) for aud in ("", None, 1, "https://other.example/mcp", ADDRESS)},
    "J14 aud empty list": with_claims(aud=list[str]()),
    "J14 aud longer": lambda aud: with_claims(aud=aud + "/")(aud),
    "J14 aud shorter": lambda aud: with_claims(aud=aud[:-1])(aud),
    "J14 aud upper case": lambda aud: with_claims(aud=aud.upper())(aud),
    "J14 aud other port": lambda aud: with_claims(aud=aud.replace(":8000", ":8001"))(aud),
    "J14 aud https": lambda aud: with_claims(aud=aud.replace("http:", "https:"))(aud),
    "J14 aud of the other endpoint": lambda aud: with_claims(
        aud=f"{ADDRESS}/{'api' if aud.endswith('mcp') else 'mcp'}"
    )(aud),
    "J15 aud list with another server": lambda aud: with_claims(aud=[aud, "https://other.example/mcp"])(aud),
    "J15 aud list of both endpoints": with_claims(aud=[f"{ADDRESS}/mcp", f"{ADDRESS}/api"]),
    "J15 aud list with a foreign userinfo": lambda aud: with_claims(aud=[aud, "https://evil.example/oauth2/userinfo"])(
        aud
    ),
    "J15 aud list with another service of the issuer": lambda aud: with_claims(aud=[aud, f"{ISSUER}/mail"])(aud),
    "J15 aud list with a look-alike userinfo": lambda aud: with_claims(
        aud=[aud, f"{ISSUER}.evil.example/oauth2/userinfo"]
    )(aud),
    "J17 iss missing": with_claims("iss"),
    **{
        f"J17 iss {iss!r}": with_claims(iss=iss)
        for iss in ("", None, "https://evil.example", ISSUER + "/", ISSUER[:-1], [ISSUER], f"{ADDRESS}/local")
    },
    "J18 sub missing": with_claims("sub"),
    **{f"J18 sub {sub!r}": with_claims(sub=sub) for sub in (None, 7, ["alice"])},
    **{f"J19 sub {sub!r}": with_claims(sub=sub) for sub in ("", "   ", " alice", "alice ")},
    **{
        f"J20 sub {sub!a}": with_claims(sub=sub)
        for sub in ("a\0b", "a\nb", "alice\n", "a\ud800b", "a\u202eb", "al\u0456ce", "a/b", "a'b")
    },
    "J21 sub of 129": with_claims(sub="a" * 129),
    "J21 sub of 10 000": with_claims(sub="a" * 10_000),
    "J23 sub twice": raw(lambda good: good.replace('"sub"', '"sub": "bob", "sub"', 1)),
    "J23 a nested name twice": raw(lambda good: good.replace("{", '{"x": {"a": 1, "a": 2}, ', 1)),
    "J23 alg twice": lambda aud: sign(b'{"alg": "none", "kid": "ed", "alg": "EdDSA"}', claims(aud=aud)),
    "J24 crit unknown": with_header(crit=["x"], x=1),
    "J24 crit b64": with_header(crit=["b64"], b64=True),
    "J24 crit b64 false": with_header(crit=["b64"], b64=False),
    "J24 b64 without crit": with_header(b64=False),
    **{
        f"J25 kid {str(kid)[:12]!r}": with_header(kid=kid)
        for kid in ("../../etc/passwd", "ed' OR 1=1", 1, None, ["ed"], "k" * 10_000, "ed\0", "unknown")
    },
    "J25 kid missing among several keys": with_header("kid"),
    "J27 jwk of the attacker": lambda aud: sign(header("kid", jwk=to_jwk("ed", OTHER)), claims(aud=aud), OTHER),
    "J27 x5c of the attacker": lambda aud: sign(header(x5c=["MIIB"]), claims(aud=aud), OTHER),
    **{
        f"J28 typ {typ!r}": with_header(typ=typ)
        for typ in ("dpop+jwt", "application/dpop+jwt", "text/jwt", "application/", "id_token", "", None, 1)
    },
    "J29 a session cookie": lambda _: "hT5kq2J8s0mWb.K1v0ZtX9%2FpQ%3D",
    "J29 an opaque token": lambda _: "f" * 43,
    **{f"J30 {count} segments": lambda _, count=count: ".".join(["e30"] * count) for count in (1, 2, 4, 5)},
    "J30 empty segments": lambda _: "..",
    "J30 not ASCII": altered(lambda good: good[:-1] + "é"),
    "J30 bad base64": altered(lambda good: good[:-1] + "!"),
    "J30 trailing newline": altered(lambda good: good + "\n"),
    "J30 one base64 digit too many": altered(lambda good: good + "A"),
    "J30 same bytes, other encoding": altered(
        lambda good: good[:-1] + BASE64[BASE64.index(good[-1]) ^ 1]  # the last digit has four unused bits
    ),
    "J31 padding kept": altered(lambda good: good + "=="),
    **{
        f"J32 claims {claims_[:8]!r}": lambda _, claims_=claims_: sign(header(), claims_)
        for claims_ in (b"[]", b'"text"', b"null", b"", b"{", b"\xff\xfe", b"{}", b"[" * 5000)
    },
    "J32 claims in UTF-16": lambda aud: sign(header(), json.dumps(claims(aud=aud)).encode("utf-16")),
    "J32 header nested deeply": lambda aud: sign(b"[" * 5000, claims(aud=aud)),
    **{
        f"J32 header {head_!r}": lambda aud, head_=head_: sign(head_, claims(aud=aud))
        for head_ in (b"[]", b"5", b"null", b'"crit"')
    },
    "J33 more than 8 KiB": with_claims(padding="x" * 8192),
    "J33 a megabyte": with_claims(padding="x" * 1_000_000),
    "J45 scope a list": with_claims(scope=["mcp:read"]),
    "J45 scope null": with_claims(scope=None),
    "a personal token without a token store": lambda _: "tdp_" + "a" * 40,
}


ACCEPTED: dict[str, Make] = {
    "EdDSA": with_claims(),
    "ES256": lambda aud: sign(header(alg="ES256", kid="ec"), claims(aud=aud), EC),
    "RS256": lambda aud: sign(header(alg="RS256", kid="rsa"), claims(aud=aud), RSA),
    "J10 exp within the leeway": with_claims(exp=ago(20), iat=ago(900)),
    "J11 lifetime of a day": with_claims(iat=ago(10), exp=ago(10 - DAY)),
    "exp with a fraction": with_claims(exp=time.time() + 900.5),
    "iat a little ahead": with_claims(iat=ago(-20)),
    "J15 aud list with the issuer's userinfo": lambda aud: with_claims(aud=[aud, f"{ISSUER}/oauth2/userinfo"])(aud),
    "J15 aud list with Better Auth's userinfo": lambda aud: with_claims(
        aud=[aud, f"{ISSUER}/api/auth/oauth2/userinfo"]
    )(aud),
    "J15 aud list of one": lambda aud: with_claims(aud=[aud])(aud),
    **{
        f"J28 typ {typ}": with_header(typ=typ)
        for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT", "jwt", "application/jwt")
    },
    "J28 typ missing": with_header("typ"),
    "sub of every kind of character": with_claims(sub="aZ09_.:@|-"),
    "sub of 128": with_claims(sub="a" * 128),
    "alias localhost": lambda aud: with_claims(aud=aud.replace("127.0.0.1", "localhost"))(aud),
}


@pytest.fixture(scope="session")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedApp]:
    async with running_key_server() as key_server:
        known = settings_for(tmp_path_factory.mktemp("data"), issuer=ISSUER, jwks_url=key_server.url)
        yield GuardedApp(Verifier(known))


def audience(endpoint: Endpoint) -> str:
    return f"{ADDRESS}/{'mcp' if endpoint == 'mcp' else 'api'}"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("case", REFUSED)
async def test_bad_token_is_rejected_at_every_endpoint(app: GuardedApp, case: str, endpoint: Endpoint):
    app.callers.clear()
    answer = await app.send_token(REFUSED[case](audience(endpoint)), endpoint)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.challenge
    assert answer.json()["error"] == "invalid_token"
    assert app.callers == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("case", ACCEPTED)
async def test_good_token_is_accepted_at_its_endpoint(app: GuardedApp, case: str, endpoint: Endpoint):
    app.callers.clear()
    for _ in range(2):  # the second time from the cache
        answer = await app.send_token(ACCEPTED[case](audience(endpoint)), endpoint)
        assert answer.status == (101 if endpoint == "socket" else 200), answer.body
    assert len(app.callers) == 2


async def test_urls_in_the_header_are_never_fetched(app: GuardedApp):  # J26
    async with running_key_server() as trap:
        token = sign(header(jku=trap.url, x5u=trap.url), claims())
        assert (await app.send_token(token)).status == 200
        assert trap.fetches == 0


RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(data=st.data())
async def test_token_with_one_changed_character_is_rejected(app: GuardedApp, data: st.DataObject):
    token = sign(header(), claims())
    assert (await app.send_token(token)).status == 200
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="latin-1").filter(lambda char: char != token[at]))
    assert (await app.send_token(token[:at] + other + token[at + 1 :])).status == 401
