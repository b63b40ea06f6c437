"""A user who signs in and authorizes clients by the requests of the pages, without a browser."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client.auth import PKCEParameters

from tests.support.browser import PASSWORD, Taskdeck, token_of

REDIRECT_URI = "http://127.0.0.1:9/callback"


@dataclass
class OAuthAccount:
    """A dashboard account with a session cookie."""

    taskdeck: Taskdeck
    http: httpx2.AsyncClient
    user_id: str = ""
    proof: PKCEParameters = field(default_factory=PKCEParameters.generate)

    @classmethod
    @asynccontextmanager
    async def signed_up(cls, taskdeck: Taskdeck, email: str) -> "AsyncGenerator[OAuthAccount]":
        async with httpx2.AsyncClient(
            base_url=taskdeck.dashboard, headers={"origin": taskdeck.dashboard}, trust_env=False
        ) as http:
            account = {"email": email, "password": PASSWORD, "name": "Ada"}
            response = await http.post("/api/auth/sign-up/email", json=account)
            assert response.status_code == 200, response.text
            token = token_of(await taskdeck.link(email))
            response = await http.post("/api/auth/sign-up/complete", json={"token": token})
            assert response.status_code == 200, response.text
            yield cls(taskdeck, http, response.json()["user"]["id"])

    @asynccontextmanager
    async def elsewhere(self, email: str) -> "AsyncGenerator[OAuthAccount]":
        """The same account, signed in from another browser."""
        headers = {"origin": self.taskdeck.dashboard}
        async with httpx2.AsyncClient(base_url=self.taskdeck.dashboard, headers=headers, trust_env=False) as http:
            response = await http.post("/api/auth/sign-in/email", json={"email": email, "password": PASSWORD})
            assert response.status_code == 200, response.text
            yield OAuthAccount(self.taskdeck, http, self.user_id)

    async def register(self, **metadata: Any) -> str:
        """Register a public client and return its id."""
        minimal = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"}
        response = await self.http.post("/api/auth/oauth2/register", json=minimal | metadata)
        assert response.status_code == 201, response.text
        return response.json()["client_id"]

    async def authorize(self, client_id: str, *, granted: str | None = None, **query: str) -> dict[str, str]:
        """Authorize a client for the requested scopes, or only for `granted`; return the redirect parameters."""
        query = self.request(client_id) | query
        shown = await self.http.get("/api/auth/oauth2/authorize", params=query)
        assert shown.status_code in (302, 307), shown.text
        page = urlsplit(str(shown.headers["location"]))
        if page.path != "/consent":
            return dict(parse_qsl(page.query))
        consent = {"accept": True, "oauth_query": page.query} | ({"scope": granted} if granted else {})
        response = await self.http.post("/api/auth/oauth2/consent", json=consent)
        assert response.status_code == 200, response.text
        return dict(parse_qsl(urlsplit(str(response.json()["url"])).query))

    async def connect(self, client_id: str, *, granted: str | None = None, **query: str) -> dict[str, Any]:
        """Authorize a client and return its tokens."""
        answer = await self.authorize(client_id, granted=granted, **query)
        grant = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT_URI}
        grant["code_verifier"] = self.proof.code_verifier
        response = await self.token(client_id, **grant)
        assert response.status_code == 200, response.text
        return response.json()

    async def refresh(self, client_id: str, refresh_token: str, **more: str) -> httpx2.Response:
        return await self.token(client_id, grant_type="refresh_token", refresh_token=refresh_token, **more)

    async def token(self, client_id: str, **form: str) -> httpx2.Response:
        return await self.http.post("/api/auth/oauth2/token", data={"client_id": client_id} | form)

    def request(self, client_id: str) -> dict[str, str]:
        """The parameters of an authorization request."""
        request = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT_URI, "state": "s" * 20}
        request |= {"code_challenge": self.proof.code_challenge, "code_challenge_method": "S256"}
        return request | {"resource": f"{self.taskdeck.mcp}/mcp", "scope": "mcp:read mcp:write"}
