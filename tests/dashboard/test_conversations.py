"""The pages of conversations in a browser: list, search, reader, rename, delete and download, beside a busy agent."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from mcp_server.protocol.recording import KEY
from tests.support.browser import PHONE, Visit, Visitor, agent
from tests.support.processes import structured
from tests.support.windows import script_bytes

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

HOSTILE = """# Heading <script>alert(1)</script>

<img src=x onerror=alert(2)> [bad](javascript:alert(3)) [data](data:text/html,hello) ![pixel](https://example.com/a.png)

[good](https://example.com/ "title") **bold** `code` and https://example.com/bare

| a | b |
|---|---|
| 1 | 2 |

- [x] done
- [ ] open

> quoted שלום עולם

שלום עולם, 銀行に電話する
"""


def messages_of(*contents: str, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for content in contents]


async def chat(visitor: Visitor, title: str | None, *contents: str) -> int:
    given = {} if title is None else {"title": title}
    number = (await visitor.call("start_conversation", **given))["id"]
    async with visitor.taskdeck.client(visitor.user_id) as client:
        for first in range(0, len(contents), 100):
            await structured(
                client, "append_messages", conversation_id=number, messages=messages_of(*contents[first : first + 100])
            )
    return number


async def open_page(visitor: Visitor, path: str) -> Page:
    await visitor.open(path)
    await visitor.is_connected("live")
    return visitor.page


async def test_list_follows_an_agent_and_search_leads_to_the_message(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await chat(bea, "Private", "the bank of Bea")
    page = await open_page(ada, "/conversations")
    await expect(page.get_by_text("No conversation is kept yet.")).to_be_visible()
    number = await chat(ada, "Holidays", *(f"message {n}" for n in range(1, 121)), "Call the banks on Monday 🏦")
    row = page.get_by_test_id("conversation")
    await expect(row).to_contain_text("Holidays")
    await expect(row).to_contain_text("121 messages")
    await page.keyboard.press("/")
    await page.keyboard.type("bank")
    match = page.get_by_test_id("match")
    await expect(match.locator("mark")).to_have_text(["banks"])
    await expect(page).to_have_url(re.compile(r"\?q=bank$"))
    await match.get_by_role("link").click()
    await expect(page).to_have_url(re.compile(rf"/conversations/{number}\?at=121$"))
    found = page.locator("#m121")
    await expect(found).to_be_in_viewport()
    await expect(found).to_be_focused()
    await page.go_back()
    await expect(match.locator("mark")).to_have_text(["banks"])
    await page.get_by_label("From", exact=True).select_option("From the assistant")
    await expect(page.get_by_text("Nothing of that is in your conversations.")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"\?q=bank&from=assistant$"))
    await page.get_by_role("button", name="Show all conversations").click()
    await expect(page.get_by_test_id("conversation")).to_have_count(1)


async def test_list_goes_on_page_by_page(visit: Visit) -> None:
    ada = await visit("Ada")
    async with ada.taskdeck.client(ada.user_id) as client:
        for number in range(55):
            await structured(client, "start_conversation", title=f"Talk {number}")
    page = await open_page(ada, "/conversations")
    rows = page.get_by_test_id("conversation")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text("Talk 54")
    await page.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(55)
    await expect(page.get_by_role("button", name="Show more")).to_have_count(0)


async def test_search_that_cannot_be_read_says_why(visit: Visit) -> None:
    ada = await visit("Ada")
    ada.expect_page_errors("422")
    await chat(ada, "One", "hello")
    page = await open_page(ada, "/conversations")
    await page.get_by_label("Search in conversations").fill("hello in:nowhere")
    await expect(page.get_by_role("alert").filter(has_text="in: must be the id")).to_be_visible()
    await page.get_by_label("Search in conversations").fill("hello")
    await expect(page.get_by_test_id("match")).to_have_count(1)


async def test_thousand_messages_are_read_in_parts_without_jumping(visit: Visit) -> None:
    ada = await visit("Ada")
    number = await chat(ada, "Long", *(f"message {n}" for n in range(1, 1001)))
    page = await open_page(ada, f"/conversations/{number}?at=500")
    await expect(page.locator("#m500")).to_be_in_viewport()
    messages = page.get_by_test_id("message")
    await expect(messages).to_have_count(50)
    first = messages.first
    name = await first.get_attribute("id")
    earlier = page.get_by_role("button", name="Show earlier messages")
    await earlier.scroll_into_view_if_needed()
    shown = page.locator(f"#{name}")
    before = await shown.bounding_box()
    await earlier.click()
    await expect(messages).to_have_count(100)
    after = await shown.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) <= 2
    await page.get_by_role("button", name="Show later messages").click()
    await expect(messages).to_have_count(150)
    await page.get_by_role("link", name="To the newest message").click()
    await expect(page.locator("#m1000")).to_be_in_viewport()
    await ada.call("append_messages", conversation_id=number, messages=messages_of("And one more"))
    await expect(page.locator("#m1001")).to_contain_text("And one more")
    await page.get_by_role("link", name="To the first message").click()
    await expect(page.locator("#m1")).to_be_in_viewport()


async def test_tasks_and_conversations_lead_to_each_other(visit: Visit) -> None:
    ada = await visit("Ada")
    number = await chat(ada, "Plan", "Please add it")
    async with ada.taskdeck.client(ada.user_id) as client:
        await client.call_tool("add_task", {"title": "Call the bank"}, meta={KEY: number})
        calls = [{"type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}}]
        reply = {"role": "assistant", "content": "", "tool_calls": calls, "model": "model-1"}
        await structured(client, "append_messages", conversation_id=number, messages=[reply])
    page = await open_page(ada, f"/conversations/{number}")
    call = page.locator("#m2")
    await expect(call.locator("details")).not_to_have_attribute("open", "")
    await expect(call.locator("pre")).to_be_hidden()
    await call.get_by_text("Called add_task").click()
    await expect(call.locator("pre")).to_contain_text("Call the bank")
    await expect(page.locator("#m3").get_by_text("Called look_up")).to_be_visible()
    await call.get_by_test_id("linked-task").click()
    await expect(page.get_by_label("Title")).to_have_value("Call the bank")
    await page.get_by_role("region", name="Conversations").get_by_role("link", name="Plan").click()
    await expect(page.locator("#m2")).to_be_focused()
    await ada.call("complete_task", task_id=(await ada.call("list_tasks"))["tasks"][0]["id"])
    await ada.call("append_messages", conversation_id=number, messages=messages_of("Thanks"))
    await expect(page.locator("#m4")).to_be_visible()
    await expect(page.locator("#m2").get_by_test_id("linked-task")).to_have_class(re.compile("line-through"))


async def test_conversation_is_renamed_downloaded_and_deleted(visit: Visit) -> None:
    ada = await visit("Ada")
    number = await chat(ada, None, "Hello **there**")
    page = await open_page(ada, f"/conversations/{number}")
    await page.get_by_label("Title").fill("Greetings")
    async with page.expect_response(lambda response: response.request.method == "PATCH"):
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Greetings")
    await ada.call("append_messages", conversation_id=number, title="By the agent")
    await expect(page.get_by_label("Title")).to_have_value("By the agent")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as Markdown").click()
    file = await download.value
    assert file.suggested_filename == f"conversation-{number}.md"
    assert "Hello **there**" in (await file.path()).read_text("utf-8")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as JSON").click()
    read = json.loads((await (await download.value).path()).read_text("utf-8"))
    assert (read["conversation"]["title"], read["messages"][0]["content"]) == ("By the agent", "Hello **there**")
    await page.get_by_role("button", name="Delete this conversation").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No conversation is kept yet.")).to_be_visible()
    assert (await ada.call("list_conversations"))["total_count"] == 0
    ada.expect_page_errors("404")


async def test_refused_name_is_taken_back(visit: Visit) -> None:
    ada = await visit("Ada")
    ada.expect_page_errors("503")
    number = await chat(ada, "Before", "Hello")
    page = await open_page(ada, f"/conversations/{number}")

    async def refuse(route: Any) -> None:
        if route.request.method == "PATCH":
            await route.fulfill(status=503, json={"error": "unavailable", "detail": "The database is away"})
        else:
            await route.continue_()

    await page.route(f"**/api/dashboard/conversations/{number}", refuse)
    await page.get_by_label("Title").fill("After")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="not available right now")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Before")
    await page.get_by_role("button", name="Discard mine").click()
    await expect(page.get_by_label("Title")).to_have_value("Before")


async def test_hostile_text_does_nothing(visit: Visit) -> None:
    ada = await visit("Ada")
    asked: list[str] = []
    nested, markers = ">" * 8_000, "*a_" * 20_000
    number = await chat(ada, "<b>Title</b>" + "W" * 180, HOSTILE, nested, markers, "W" * 5_000)
    ada.page.on("request", lambda request: asked.append(request.url))
    page = await open_page(ada, f"/conversations/{number}")
    message = page.locator("#m1")
    await expect(message.get_by_role("heading", level=3)).to_have_text("Heading <script>alert(1)</script>")
    assert await message.locator("img, script, iframe").count() == 0
    links = message.get_by_test_id("content").get_by_role("link")
    await expect(links).to_have_text(["pixel", "good", "https://example.com/bare"])
    for place in range(3):
        await expect(links.nth(place)).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    await expect(message.get_by_role("cell", name="2")).to_be_visible()
    assert await message.locator("p", has_text="銀行").evaluate("e => getComputedStyle(e).unicodeBidi") == "plaintext"
    await expect(page.locator("#m2")).to_contain_text(">>>")
    await expect(page.locator("#m3")).to_contain_text("*a_*a_")
    assert [url for url in asked if "example.com" in url] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_conversations_are_accessible(visit: Visit, scheme: str) -> None:
    look: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    ada = await visit("Ada", viewport={"width": 1280, "height": 900}, **look)
    page = await open_page(ada, "/conversations")
    await expect(page.get_by_text("No conversation is kept yet.")).to_be_visible()
    found = await ada.violations()
    number = await chat(ada, "The bank", HOSTILE, *(f"bank {n}" for n in range(60)))
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        await robot.call_tool("add_task", {"title": "Call"}, meta={KEY: number})
    for size in ({"width": 1280, "height": 900}, PHONE):
        await page.set_viewport_size(size)  # pyright: ignore[reportArgumentType]: a viewport size
        for path in ("/conversations", "/conversations?q=bank", f"/conversations/{number}?at=1"):
            await open_page(ada, path)
            await expect(page.get_by_test_id("connection")).to_be_visible()
            found += await ada.violations()
        await page.get_by_role("button", name="Delete this conversation").click()
        found += await ada.violations()
    assert found == []


async def test_nothing_is_cut_off_at_320_pixels(visit: Visit) -> None:
    ada = await visit("Ada", viewport={"width": 320, "height": 640})
    number = await chat(ada, "Donaudampfschifffahrt" * 9, HOSTILE, "bank " + "W" * 900, "```\n" + "x" * 500 + "\n```")
    for path in ("/conversations", "/conversations?q=bank", f"/conversations/{number}"):
        page = await open_page(ada, path)
        assert await page.evaluate("document.documentElement.scrollWidth") == 320, path


async def test_pages_are_served_with_their_content_and_small_scripts(visit: Visit) -> None:
    ada = await visit("Ada")
    number = await chat(ada, "The bank", "Call **the bank**")
    for path, content in (
        ("/conversations", "The bank</bdi>"),
        ("/conversations?q=call", "Call</mark>"),
        (f"/conversations/{number}", "<strong>the bank</strong>"),
    ):
        await open_page(ada, path)
        assert await script_bytes(ada) <= 200_000, path
        served = await (await ada.context.request.get(ada.taskdeck.dashboard + path)).text()
        assert content in served, path


async def test_others_cannot_read_it(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    number = await chat(ada, "Private", "secret")
    bea.expect_page_errors("404")
    await bea.open(f"/conversations/{number}")
    await expect(bea.page.get_by_text("secret")).to_have_count(0)
    await expect(bea.page.get_by_role("heading", level=1)).to_have_text("There is nothing at this address")


async def test_address_in_a_result_of_an_agent_opens_the_message(visit: Visit) -> None:
    ada = await visit("Ada")
    await chat(ada, "The shed", "hello", "In the blue tin")
    (found,) = [row for row in (await ada.call("search", query="tin"))["results"] if row["id"].startswith("message:")]
    assert found["url"].startswith(ada.taskdeck.dashboard)
    await ada.page.goto(found["url"])
    await expect(ada.page.locator("#m2")).to_be_focused()
