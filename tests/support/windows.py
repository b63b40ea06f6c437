"""Measurements of a page in a browser window."""

from tests.support.browser import Visitor

SCRIPT_BYTES = """
    performance.getEntriesByType("resource")
        .filter(({name}) => name.includes(".js")).map(({encodedBodySize}) => encodedBodySize)
"""


async def script_bytes(visitor: Visitor) -> int:
    """The compressed size of all scripts that the page has loaded, which is not zero."""
    await visitor.page.wait_for_load_state("networkidle")
    scripts: list[int] = await visitor.page.evaluate(SCRIPT_BYTES)
    assert scripts
    return sum(scripts)
