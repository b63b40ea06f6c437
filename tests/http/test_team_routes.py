"""Invitations, teams and members through the dashboard's HTTP API."""

from typing import Any

import pytest

from tests.conftest import Person
from tests.support.running_server import RunningServer

INVITATIONS, TEAMS = "/api/dashboard/invitations", "/api/dashboard/teams"


@pytest.fixture
def ask(server: RunningServer) -> Any:
    """Send a request as somebody: the status and the body of the response."""

    async def send(person: Person, method: str, path: str, **query: Any) -> tuple[int, Any]:
        async with server.client(person.user_id) as client:
            response = await client.request(method, path, params=query)
        return response.status_code, response.json()

    return send


async def test_invitation_to_a_team_is_seen_and_accepted(ask: Any, alice: Person, bob: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    members = f"{TEAMS}/{team['id']}/members"
    status, answer = await ask(alice, "PUT", members, user=bob.email, role="viewer")
    assert (status, answer["status"], len(answer["members"])) == (200, "pending", 1)
    assert (await ask(bob, "GET", TEAMS))[1]["teams"] == []
    _, waiting = await ask(bob, "GET", INVITATIONS)
    (offer,) = waiting["invitations"]
    assert waiting["more"] == 0
    assert offer.pop("at")
    assert offer == {
        "id": offer["id"],
        "status": "pending",
        "inviter_id": alice.user_id,
        "inviter_name": alice.user_id.title(),
        "inviter_email": alice.email,
        "team_name": "Crew",
        "offered": "viewer",
    }
    status, accepted = await ask(bob, "POST", f"{INVITATIONS}/{offer['id']}", action="accept")
    assert (status, accepted) == (200, {"invitations": [], "team_id": team["id"]})
    _, seen = await ask(bob, "GET", f"{TEAMS}/{team['id']}")
    assert (seen["role"], [member["role"] for member in seen["members"]]) == ("viewer", ["owner", "viewer"])


async def test_share_is_declined_blocked_and_unblocked(ask: Any, alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Plan the trip"))["id"]
    for answer, left in (("decline", []), ("block", ["blocked"]), ("unblock", [])):
        if answer != "unblock":
            await alice.call("share_task", task_id=task, user=bob.email, permission="edit")
        (offer,) = (await ask(bob, "GET", INVITATIONS))[1]["invitations"]
        if answer != "unblock":
            assert (offer["task_title"], offer["offered"]) == ("Plan the trip", "edit")
        status, _ = await ask(bob, "POST", f"{INVITATIONS}/{offer['id']}", action=answer)
        assert status == 200
        rows = (await ask(bob, "GET", INVITATIONS))[1]["invitations"]
        assert [row["status"] for row in rows] == left
        assert all("task_title" not in row for row in rows)


async def test_known_and_unknown_addresses_get_the_same_answer(ask: Any, alice: Person, bob: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    members = f"{TEAMS}/{team['id']}/members"
    known = await ask(alice, "PUT", members, user=bob.email)
    unknown = await ask(alice, "PUT", members, user="nobody@example.org")
    assert known == unknown
    assert known[0] == 200
    assert await ask(alice, "DELETE", members, user=bob.email) == await ask(
        alice, "DELETE", members, user="nobody@example.org"
    )
    gone = [await ask(alice, "DELETE", members, user=user) for user in (bob.email, "nobody@example.org")]
    assert [status for status, _ in gone] == [404, 404]
    assert gone[0][1]["detail"].replace(bob.email, "X") == gone[1][1]["detail"].replace("nobody@example.org", "X")


async def test_last_owner_hands_over_before_leaving(ask: Any, alice: Person, bob: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    path, members = f"{TEAMS}/{team['id']}", f"{TEAMS}/{team['id']}/members"
    status, refused = await ask(alice, "DELETE", members, user=alice.user_id)
    assert (status, refused["error"]) == (409, "conflict")
    await ask(alice, "PUT", members, user=bob.user_id)
    (offer,) = (await ask(bob, "GET", INVITATIONS))[1]["invitations"]
    await ask(bob, "POST", f"{INVITATIONS}/{offer['id']}", action="accept")
    task = (await alice.call("add_task", title="For the crew", team_id=team["id"]))["id"]
    assert (await ask(bob, "DELETE", path))[0] == 403
    assert (await ask(alice, "PUT", members, user=bob.user_id, role="owner"))[0] == 200
    assert (await ask(alice, "DELETE", members, user=alice.user_id))[0] == 200
    assert (await ask(alice, "GET", path))[0] == 404
    assert (await bob.call("get_task", task_id=task))["access"] == "owner"
    assert await ask(bob, "DELETE", path) == (200, {"team_id": team["id"], "deleted": True})
    assert (await ask(bob, "GET", path))[0] == 404


async def test_strangers_learn_nothing_about_a_team_or_an_invitation(ask: Any, alice: Person, bob: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    await ask(alice, "PUT", f"{TEAMS}/{team['id']}/members", user="carol@example.org")
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/members"), ("DELETE", "/members")):
        query = {"user": "x@example.org"} if path else {}
        foreign = await ask(bob, method, f"{TEAMS}/{team['id']}{path}", **query)
        missing = await ask(bob, method, f"{TEAMS}/{team['id'] + 10_000}{path}", **query)
        assert foreign[0] == missing[0] == 404
        assert foreign[1]["detail"].replace(str(team["id"]), "N") == missing[1]["detail"].replace(
            str(team["id"] + 10_000), "N"
        )
    assert (await ask(bob, "POST", f"{INVITATIONS}/1", action="accept"))[0] == 404


async def test_writes_need_a_token_that_may_write(server: RunningServer, alice: Person) -> None:
    token = server.token(alice.user_id, oauth_scopes=["mcp:read"])
    async with server.client(authorization=f"Bearer {token}") as client:
        assert (await client.get(INVITATIONS)).status_code == 200
        for method, path in (
            ("POST", f"{INVITATIONS}/1?action=accept"),
            ("POST", f"{TEAMS}?name=Crew"),
            ("PUT", f"{TEAMS}/1/members?user=bob"),
            ("DELETE", f"{TEAMS}/1/members?user=bob"),
            ("DELETE", f"{TEAMS}/1"),
        ):
            refused = await client.request(method, path)
            assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


async def test_sockets_hear_of_invitations_and_members(
    server: RunningServer, ask: Any, alice: Person, bob: Person
) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    members = f"{TEAMS}/{team['id']}/members"
    async with server.socket(alice.user_id) as owner, server.socket(bob.user_id) as invited:
        await ask(alice, "PUT", members, user=bob.email)
        assert await invited.receive() == {"type": "people"}
        assert await owner.until_pong() == []
        (offer,) = (await ask(bob, "GET", INVITATIONS))[1]["invitations"]
        await ask(bob, "POST", f"{INVITATIONS}/{offer['id']}", action="accept")
        assert await owner.receive() == {"type": "people"}


async def test_blocked_inviter_causes_no_message(server: RunningServer, ask: Any, alice: Person, bob: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    members = f"{TEAMS}/{team['id']}/members"
    await ask(alice, "PUT", members, user=bob.email)
    (offer,) = (await ask(bob, "GET", INVITATIONS))[1]["invitations"]
    await ask(bob, "POST", f"{INVITATIONS}/{offer['id']}", action="block")
    async with server.socket(bob.user_id) as listener:
        assert (await ask(alice, "PUT", members, user=bob.email))[1]["status"] == "pending"
        await bob.call("add_task", title="A sign that all earlier messages have come")
        assert "task_id" in await listener.receive()
        assert await listener.until_pong() == []


async def test_metrics_name_the_route_without_its_number(server: RunningServer, ask: Any, alice: Person) -> None:
    _, team = await ask(alice, "POST", TEAMS, name="Crew")
    await ask(alice, "GET", f"{TEAMS}/{team['id']}")
    async with server.client() as client:
        shown = (await client.get("/metrics")).text
    assert 'taskdeck_requests_total{method="GET",route="/api/dashboard/teams/{id}",status="200"}' in shown
