"""The errors of a call: how a wrong item is named, and how many mistakes one answer explains."""

from tests.conftest import Person


async def test_item_that_is_not_a_task_is_named_by_its_place(alice: Person) -> None:
    sentence = await alice.refusal("add_tasks", tasks=[{"title": "Milk"}, "Bread"])
    assert sentence == "tasks.1 must be an object. Nothing was added."
    mixed = await alice.call("add_tasks", tasks=[{"title": "Milk"}, "Bread"], atomic=False)
    assert [(result["ok"], result.get("error")) for result in mixed["results"]] == [
        (True, None),
        (False, "The item must be an object."),
    ]


async def test_answer_explains_five_mistakes_at_most(alice: Person) -> None:
    names = [f"wrong{number}" for number in range(7)]
    sentence = await alice.refusal("whoami", **dict.fromkeys(names, 1))
    assert sentence == " ".join(f"{name} is not an argument of whoami, which takes no arguments." for name in names[:5])
