"""Registration drops metadata that is not supported, and fails only if the rest is unusable."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.browser import Taskdeck

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

BODIES = json.loads(Path(__file__).with_name("registrations.json").read_text("utf-8"))
"""Registration requests of real clients, from their sources and from server logs, and the expected responses."""

MINIMAL = {"redirect_uris": ["http://127.0.0.1:9/callback"], "token_endpoint_auth_method": "none"}


@pytest.fixture
async def dashboard(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http:
        yield http


async def register(dashboard: httpx2.AsyncClient, **metadata: Any) -> httpx2.Response:
    return await dashboard.post("/api/auth/oauth2/register", json=MINIMAL | metadata)


@pytest.mark.parametrize("known", BODIES, ids=[known["client"] for known in BODIES])
async def test_registration_of_known_clients(taskdeck: Taskdeck, dashboard: httpx2.AsyncClient, known: dict[str, Any]):
    response = await dashboard.post("/api/auth/oauth2/register", json=known["body"])
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert answer.pop("client_id")
    assert answer.pop("client_id_issued_at") > 0
    if known["body"]["token_endpoint_auth_method"] != "none":
        assert answer.pop("client_secret")
        assert answer.pop("client_secret_expires_at") == 0
    assert not answer.pop("disabled")
    assert not answer.pop("dpop_bound_access_tokens")
    assert answer.pop("scope") == "mcp:read mcp:write offline_access"
    assert answer.pop("resources") == [f"{taskdeck.mcp}/mcp", f"{taskdeck.mcp.replace('127.0.0.1', 'localhost')}/mcp"]
    assert answer == known["answer"]


BOTH_GRANTS = ["authorization_code", "refresh_token"]
LOOPBACK = "http://localhost:8787/callback"
SURPLUS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grants that this server has not": (
        {"grant_types": [*BOTH_GRANTS, "urn:ietf:params:oauth:grant-type:device_code", "implicit"]},
        {"grant_types": BOTH_GRANTS},
    ),
    "the grant of machines": (
        {"grant_types": ["client_credentials", "authorization_code"]},
        {"grant_types": ["authorization_code"]},
    ),
    "grants in upper case": ({"grant_types": ["AUTHORIZATION_CODE", "Refresh_Token"]}, {"grant_types": BOTH_GRANTS}),
    "grants as one text": ({"grant_types": "refresh_token authorization_code"}, {"grant_types": BOTH_GRANTS[::-1]}),
    "grants that are left open": ({"grant_types": []}, {"grant_types": BOTH_GRANTS}),
    "response types of the implicit flow": (
        {"response_types": ["code", "token", "id_token"]},
        {"response_types": ["code"]},
    ),
    "no response types": ({"response_types": None}, {"response_types": ["code"]}),
    "scopes of OpenID": (
        {"scope": "openid profile email mcp:read mcp:write"},
        {"scope": "mcp:read mcp:write offline_access"},
    ),
    "no scope that exists": ({"scope": "openid profile"}, {"scope": "mcp:read mcp:write offline_access"}),
    "no contacts": ({"contacts": []}, {"contacts": None}),
    "contacts of which one is empty": ({"contacts": ["", "help@example.com"]}, {"contacts": ["help@example.com"]}),
    "an empty name": ({"client_name": " "}, {"client_name": None}),
    "a name that is no text": ({"client_name": 7}, {"client_name": None}),
    "addresses that are none": (
        {"client_uri": "", "logo_uri": "not an address", "tos_uri": "javascript:alert(1)", "policy_uri": 1},
        {"client_uri": None, "logo_uri": None, "tos_uri": None, "policy_uri": None},
    ),
    "nothing but null": (
        dict.fromkeys(
            (
                "client_name",
                "client_uri",
                "logo_uri",
                "scope",
                "contacts",
                "tos_uri",
                "policy_uri",
                "jwks",
                "jwks_uri",
                "software_id",
                "software_version",
                "software_statement",
                "application_type",
                "grant_types",
                "resources",
                "subject_type",
                "post_logout_redirect_uris",
                "dpop_bound_access_tokens",
                "skip_consent",
            ),
        ),
        {"client_name": None, "grant_types": BOTH_GRANTS, "application_type": "native"},
    ),
    "a secret by default": (
        {"token_endpoint_auth_method": None},
        {"token_endpoint_auth_method": "client_secret_basic"},
    ),
    "an authentication method in upper case": (
        {"token_endpoint_auth_method": "NONE"},
        {"token_endpoint_auth_method": "none"},
    ),
    "keys that a public client does not need": (
        {"jwks_uri": "https://client.example/jwks.json", "jwks": {"keys": []}},
        {"jwks_uri": None, "jwks": None},
    ),
    "an unknown scheme beside a loopback address": (
        {"redirect_uris": ["grokbot://mcp/oauth/callback", LOOPBACK]},
        {"redirect_uris": [LOOPBACK]},
    ),
    "an editor's scheme beside unusable ones": (
        {"redirect_uris": ["evil://x/y", "cursor://anysphere.cursor-mcp/oauth/callback", "javascript:alert(1)"]},
        {"redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback"]},
    ),
    "addresses that others could read along": (
        {"redirect_uris": ["http://client.example/callback", "https://client.example/callback", "/callback", 5, None]},
        {"redirect_uris": ["https://client.example/callback"], "application_type": "web"},
    ),
    "credentials, fragments and a https loopback": (
        {"redirect_uris": ["https://a:b@client.example/", "https://client.example/#a", "https://localhost/", LOOPBACK]},
        {"redirect_uris": [LOOPBACK]},
    ),
    "a reversed domain name": (
        {"redirect_uris": ["com.example.app:/callback", LOOPBACK], "application_type": "Native"},
        {"redirect_uris": ["com.example.app:/callback", LOOPBACK], "application_type": "native"},
    ),
    "a web client that is on this computer": (
        {"application_type": "web", "redirect_uris": [LOOPBACK]},
        {"application_type": "native", "redirect_uris": [LOOPBACK]},
    ),
    "upper case in addresses": (
        {"redirect_uris": ["HTTPS://Client.Example/callback", "HTTP://LOCALHOST:8787/callback"]},
        {"redirect_uris": ["HTTPS://Client.Example/callback", "HTTP://LOCALHOST:8787/callback"]},
    ),
    "what OpenID clients add": (
        {
            "subject_type": "pairwise",
            "post_logout_redirect_uris": ["https://client.example/out"],
            "backchannel_logout_uri": "http://10.0.0.1/logout",
            "resources": ["https://elsewhere.example/mcp"],
            "id_token_signed_response_alg": "RS256",
            "default_max_age": 60,
        },
        {
            "subject_type": None,
            "post_logout_redirect_uris": None,
            "backchannel_logout_uri": None,
            "id_token_signed_response_alg": None,
        },
    ),
    "what only an administrator may set": (
        {"skip_consent": True, "require_pkce": False, "disabled": True, "user_id": "somebody", "client_id": "mine"},
        {"skip_consent": None, "require_pkce": None, "user_id": None},
    ),
}


@pytest.mark.parametrize("case", SURPLUS)
async def test_unsupported_metadata_is_dropped(dashboard: httpx2.AsyncClient, case: str):
    sent, expected = SURPLUS[case]
    response = await register(dashboard, **sent)
    assert response.status_code == 201, response.text
    answer = response.json()
    assert {name: answer.get(name) for name in expected} == expected
    assert None not in answer.values(), "clients check the members of an answer that are there"
    assert answer["client_id"] != "mine"


UNUSABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "grants": ({"grant_types": ["implicit"]}, "invalid_client_metadata", "must contain authorization_code"),
    "only the refresh": (
        {"grant_types": ["refresh_token"]},
        "invalid_client_metadata",
        "must contain authorization_code",
    ),
    "response types": ({"response_types": ["token"]}, "invalid_client_metadata", "must contain code"),
    "authentication": (
        {"token_endpoint_auth_method": "tls_client_auth"},
        "invalid_client_metadata",
        "must be one of none, client_secret_basic, client_secret_post, private_key_jwt",
    ),
    "no addresses": ({"redirect_uris": []}, "invalid_redirect_uri", "at least one address"),
    "keys elsewhere": (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://client.example/jwks.json"},
        "invalid_client_metadata",
        "jwks_uri is not supported",
    ),
    "null for addresses": ({"redirect_uris": None}, "invalid_redirect_uri", "at least one address"),
    "addresses": (
        {"redirect_uris": ["evil://x/y", "http://client.example/"]},
        "invalid_redirect_uri",
        "at least one address",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_registration_without_usable_metadata_is_rejected(dashboard: httpx2.AsyncClient, case: str):
    sent, error, advice = UNUSABLE[case]
    response = await register(dashboard, **sent)
    assert (response.status_code, response.json()["error"]) == (400, error)
    assert advice in response.json()["error_description"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '"x"'])
async def test_registration_body_that_is_not_an_object_is_rejected(dashboard: httpx2.AsyncClient, body: str):
    headers = {"content-type": "application/json"}
    response = await dashboard.post("/api/auth/oauth2/register", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata")


async def test_media_type_is_case_insensitive(dashboard: httpx2.AsyncClient):
    headers = {"content-type": "Application/JSON; Charset=UTF-8"}
    response = await dashboard.post("/api/auth/oauth2/register", content=json.dumps(MINIMAL), headers=headers)
    assert response.status_code == 201


async def test_rate_limited_registration_is_told_how_long_to_wait(dashboard: httpx2.AsyncClient):
    responses = [await register(dashboard) for _ in range(61)]
    assert [response.status_code for response in responses] == [201] * 60 + [429]
    seconds = responses[-1].headers["retry-after"]
    assert 1 <= int(seconds) <= 60
    assert responses[-1].headers["x-retry-after"] == seconds
