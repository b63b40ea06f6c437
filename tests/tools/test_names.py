"""Names and titles lose what nobody sees; messages and descriptions stay as they are."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.schema.plain_text import without_hidden
from tests.conftest import Person, introduce

HIDDEN = "Pay\u202e the\u200b rent\u2066\ufeff\u00ad\x07\u3164\U000e0041"
SHOWN = "Pay the rent"


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "क्\u200dष",
        "👨\u200d👩\u200d👧",
        "👩🏽\u200d🚀",
        "❤\ufe0f\u200d🔥",
        "🏳\ufe0f\u200d🌈",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "1\ufe0f⃣",
        "葛\U000e0100城",
        "Cafe\u0301 ñandú ß “quotes” …",
    ],
)
async def test_what_people_see_stays(alice: Person, text: str):
    assert (await alice.call("add_task", title=text))["title"] == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200db", "ab"),
        ("👨\u200d", "👨"),
        ("\u200d👨", "👨"),
        ("x\ufe0f\ufe0f\U000e0100y", "x\ufe0fy"),
        ("🏴\U000e0069\U000e0067\U000e006e", "🏴"),
        ("one\r\ntwo\tthree\u2028four", "one two three four"),
    ],
)
def test_joiners_selectors_and_tags_stay_only_where_they_mean_something(text: str, shown: str):
    assert without_hidden(text) == shown


async def test_titles_tags_and_names_lose_what_nobody_sees(alice: Person):
    task = await alice.call("add_task", title=HIDDEN, tags=[HIDDEN], description=HIDDEN)
    assert (task["title"], task["tags"], task["description"]) == (SHOWN, [SHOWN], HIDDEN)
    assert (await alice.call("update_task", task_id=task["id"], title=f"{HIDDEN}!"))["title"] == f"{SHOWN}!"
    assert (await alice.call("list_tasks", tag=HIDDEN))["total_count"] == 1
    assert (await alice.call("create_team", name=HIDDEN))["name"] == SHOWN
    chat = await alice.call("start_conversation", title=HIDDEN, messages=[{"role": "user", "content": HIDDEN}])
    assert chat["title"] == SHOWN
    (message,) = (await alice.call("get_conversation", conversation_id=chat["id"]))["messages"]
    assert message["content"] == HIDDEN


@pytest.mark.parametrize(("tool", "field"), [("add_task", "title"), ("create_team", "name")])
async def test_a_name_of_nothing_that_is_seen_is_refused(alice: Person, tool: str, field: str):
    assert await alice.refusal(tool, **{field: "\u200b\u2060 \u3164"}) == f"{field} must not be empty."


class Hidden(Person):
    """Somebody whose token and client have names with hidden characters."""

    @property
    def caller(self):
        return replace(super().caller, name=HIDDEN, client=HIDDEN)


async def test_names_of_people_and_clients_lose_what_nobody_sees(person: Callable[[str], Person]):
    known = person("hidden")
    hidden = Hidden(known.user_id, known.email, known.database, known.settings)
    await introduce(hidden)
    team = await hidden.call("create_team", name="Crew")
    assert [member["name"] for member in team["members"]] == [SHOWN]
    task = (await hidden.call("add_task", title="Task"))["id"]
    assert (await hidden.call("get_task", task_id=task))["history"][0]["client"] == SHOWN
    assert (await hidden.call("undo"))["reverted"][0]["task_id"] == task
