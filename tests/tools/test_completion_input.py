"""What a person has typed of an argument that is completed."""

from mcp.types import PromptReference

from tests.conftest import Person


async def test_spaces_and_case_of_what_was_typed_do_not_matter(alice: Person) -> None:
    await alice.call("add_task", title="Water", tags=["garden"])
    async with alice.client() as client:
        for typed in ("garden", " GAR ", "g\t"):
            completed = await client.complete(PromptReference(name="plan_my_day"), {"name": "tag", "value": typed})
            assert completed.completion.values == ["garden"], typed
