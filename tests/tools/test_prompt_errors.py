"""Prompts with arguments that they do not take."""

import pytest
from mcp import MCPError

from tests.conftest import Person


async def test_unknown_argument_is_refused_with_the_arguments_that_exist(alice: Person) -> None:
    async with alice.client() as client:
        with pytest.raises(MCPError) as refused:
            await client.get_prompt("plan_my_day", {"colour": "red"})
    assert refused.value.error.message == "plan_my_day has no argument colour. It takes: team_id, tag."
