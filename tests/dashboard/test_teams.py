"""The pages Invitations and Teams in a browser."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import Visit, Visitor

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def create_team(ada: Visitor, name: str) -> None:
    await ada.open("/teams")
    await ada.page.get_by_label("Name").fill(name)
    await ada.page.get_by_role("button", name="Create team").click()
    await expect(ada.page.get_by_role("heading", name=name)).to_be_visible()


async def invite(ada: Visitor, email: str, role: str = "member") -> None:
    await ada.page.get_by_label("E-mail address").fill(email)
    await ada.page.get_by_label("Role", exact=True).select_option(role)
    await ada.page.get_by_role("button", name="Invite").click()
    await expect(ada.page.get_by_test_id("toast")).to_contain_text(f"If {email} can be reached")


async def accept(bea: Visitor, inviter: str) -> None:
    await bea.page.get_by_role("link", name="Invitations, 1 waiting").click()
    await bea.page.get_by_role("button", name=f"Accept {inviter}").click()
    await expect(bea.page.get_by_role("link", name="Invitations", exact=True)).to_be_visible()


async def confirm(visitor: Visitor, label: str, *texts: str) -> None:
    """Press the button of the open dialog, which says these things."""
    dialog = visitor.page.get_by_role("alertdialog")
    for text in texts:
        await expect(dialog).to_contain_text(text)
    await dialog.get_by_role("button", name=label, exact=True).click()


async def test_team_is_joined_changed_and_left_by_invitation(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await bea.open_live()
    await create_team(ada, "Garden club")
    await invite(ada, bea.email, "viewer")
    await accept(bea, "Ada")
    await expect(bea.page.get_by_test_id("toast")).to_contain_text("You are in the team Garden club.")
    await bea.page.get_by_role("link", name="Open it").click()
    await expect(bea.page.get_by_text("you may read its tasks.")).to_be_visible()

    role = ada.page.get_by_label("Role of Bea")
    await expect(role).to_have_value("viewer")
    await role.select_option("member")
    await expect(bea.page.get_by_text("you may change its tasks.")).to_be_visible()
    team_id = int(ada.page.url.rpartition("/")[2])
    task = (await bea.call("add_task", title="Rake the leaves", team_id=team_id))["id"]

    await ada.page.get_by_role("button", name="Remove Bea").click()
    await confirm(ada, "Remove", "belong to Bea go to you")
    await expect(ada.page.get_by_test_id("member")).to_have_count(1)
    await expect(bea.page.get_by_text("You are not in this team any more.")).to_be_visible()
    handed_over = (await ada.call("get_task", task_id=task))["history"][0]
    assert (handed_over["client"], handed_over["changes"]) == ("dashboard", {"owner": [bea.user_id, ada.user_id]})
    bea.expect_page_errors("404")


async def test_last_owner_hands_over_or_deletes(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await create_team(ada, "Chess club")
    await expect(ada.page.get_by_text("You are its only member.")).to_be_visible()
    await invite(ada, bea.email)
    await bea.open()
    await accept(bea, "Ada")
    await ada.page.get_by_role("button", name="Hand over and leave Chess club").click()
    await confirm(ada, "Hand over and leave", "over to Bea and leave?")
    await expect(ada.page.get_by_text("You are in no team yet.")).to_be_visible()
    await bea.open("/teams")
    await bea.page.get_by_role("link", name="Chess club").click()
    await bea.page.get_by_role("button", name="Delete team Chess club").click()
    await confirm(bea, "Delete team", "Its tasks stay with their owners")
    await expect(bea.page.get_by_text("You are in no team yet.")).to_be_visible()
    # The page of the team may read once more before the browser has left it.
    for visitor in (ada, bea):
        visitor.expect_page_errors("404")


async def test_shares_are_declined_blocked_and_unblocked(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await ada.open()
    task = (await ada.call("add_task", title="Plan the trip"))["id"]
    await ada.call("share_task", task_id=task, user=bea.email, permission="edit")
    await bea.open("/invitations")
    row = bea.page.get_by_test_id("invitation")
    await expect(row).to_contain_text("wants to share the task Plan the trip with you, to read and change")
    await row.get_by_role("button", name="Decline Ada").click()
    await expect(bea.page.get_by_text("Nothing waits for your answer.")).to_be_visible()
    await ada.call("share_task", task_id=task, user=bea.email)
    await row.get_by_role("button", name="Block Ada").click()
    await confirm(bea, "Block", "they are not told")
    await expect(bea.page.get_by_role("heading", name="Blocked")).to_be_visible()
    await ada.call("share_task", task_id=task, user=bea.email)
    await bea.page.get_by_role("button", name="Unblock Ada").click()
    # What was offered meanwhile was never shown, and is shown now.
    await expect(row).to_contain_text("Plan the trip")


async def test_unknown_addresses_get_the_same_message(visit: Visit) -> None:
    ada = await visit("Ada")
    await create_team(ada, "Choir")
    await invite(ada, "nobody-here@example.org")
    await expect(ada.page.get_by_test_id("member")).to_have_count(1)


async def test_team_of_others_is_not_found(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await create_team(ada, "Band")
    path = re.sub("^.*(?=/teams/)", "", ada.page.url)
    for address in (path, "/teams/999999", "/teams/x"):
        await bea.open(address)
        await expect(bea.page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
    bea.expect_page_errors("404")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_on_people_are_accessible(visit: Visit, scheme: str) -> None:
    ada, bea = await visit("Ada", color_scheme=scheme, reduced_motion="reduce"), await visit("Bea")
    await ada.open("/teams")
    found = await ada.violations()
    await ada.open("/invitations")
    await expect(ada.page.get_by_text("Nothing waits for your answer.")).to_be_visible()
    found += await ada.violations()
    await create_team(ada, "Garden club")
    found += await ada.violations()
    await ada.page.get_by_role("button", name="Delete team Garden club").click()
    found += await ada.violations()
    await bea.open()
    task = (await bea.call("add_task", title="Plan the trip"))["id"]
    await bea.call("share_task", task_id=task, user=ada.email)
    await ada.open("/invitations")
    await expect(ada.page.get_by_test_id("invitation")).to_be_visible()
    await ada.page.get_by_role("button", name="Block Bea").click()
    await confirm(ada, "Block")
    await expect(ada.page.get_by_role("heading", name="Blocked")).to_be_visible()
    found += await ada.violations()
    assert found == []
