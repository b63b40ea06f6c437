"""The dashboard in a browser: numbers that move by themselves, one's own alone, for everybody."""

from playwright.async_api import expect

from tests.browser import PASSWORD, Visit

pytest_plugins = ("tests.browser",)


async def test_signing_up_leads_to_a_page_that_says_how_to_connect(visit: Visit):
    ada = await visit(known=False)
    await ada.open("/")
    await ada.page.get_by_role("link", name="Create an account").click()
    await ada.page.get_by_label("Name").fill("Ada Lovelace")
    await ada.page.get_by_label("E-mail").fill(ada.email)
    await ada.page.get_by_label("Password").fill(PASSWORD)
    await ada.page.get_by_role("button", name="Create account").click()
    await ada.sees(total=0, pending=0, completed=0, shared=0)
    await expect(ada.page.get_by_role("heading", name="Connect an AI client")).to_be_visible()
    await expect(ada.page.get_by_text(f"claude mcp add --transport http taskdeck {ada.deck.mcp}/mcp")).to_be_visible()


async def test_cards_move_while_an_agent_works(visit: Visit):
    ada = await visit()
    await ada.open_live()
    await ada.page.evaluate("window.loadedOnce = true")
    async with ada.deck.client(ada.user_id) as agent:
        first = await agent.call_tool("add_task", {"title": "Water the plants"})
        await ada.sees(total=1, pending=1, completed=0)
        await expect(ada.page.get_by_text("Water the plants")).to_be_visible()
        await agent.call_tool("add_task", {"title": "Call the bank"})
        await ada.sees(total=2, pending=2)
        assert first.structured_content
        await agent.call_tool("complete_task", {"task_id": first.structured_content["id"]})
        await ada.sees(total=2, pending=1, completed=1)
        await agent.call_tool("delete_task", {"task_id": first.structured_content["id"]})
        await ada.sees(total=1, pending=1, completed=0)
    assert await ada.page.evaluate("window.loadedOnce") is True
