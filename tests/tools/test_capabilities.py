"""What a server offers as a whole: its capabilities, and the hints of every tool."""

from tests.conftest import Person

READS = {
    *("get_statistics", "whoami", "list_conversations", "get_conversation", "search_messages", "search", "fetch"),
    *("list_tasks", "get_task", "list_changes", "list_teams"),
}
REPEATABLE = {
    *("set_timezone", "update_task", "complete_task", "delete_task", "restore_task", "add_team_member", "share_task"),
}
DESTRUCTIVE = {"delete_conversation", "delete_task", "delete_team", "undo", "remove_team_member", "unshare_task"}
OTHERS = {"start_conversation", "append_messages", "add_task", "add_tasks", "create_team", "manage_invitations"}


async def test_server_declares_its_capabilities_and_the_hints_of_every_tool(alice: Person) -> None:
    async with alice.client() as client:
        capabilities = client.server_capabilities
        tools = (await client.list_tools()).tools
    offered = ("tools", "resources", "prompts", "completions")
    assert [name for name in offered if getattr(capabilities, name) is None] == []
    hints = {tool.name: tool.annotations for tool in tools}
    assert hints.keys() == READS | REPEATABLE | DESTRUCTIVE | OTHERS
    assert {name for name, hint in hints.items() if hint and hint.read_only_hint} == READS
    assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == DESTRUCTIVE
    assert {name for name, hint in hints.items() if hint and hint.idempotent_hint} == READS | REPEATABLE
