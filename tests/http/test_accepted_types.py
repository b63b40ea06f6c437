"""Which ranges of the header Accept allow an answer in JSON (RFC 9110 section 12.5.1)."""

import pytest

from mcp_server.http.media_types import JSON, accepts


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ([], True),
        (["*/*"], True),
        (["application/*"], True),
        (["Application/JSON; q=0.5"], True),
        (["text/html", "application/json"], True),
        (["text/html"], False),
        (["text/*, image/png"], False),
        (["application/json;q=0, */*"], False),
        (["application/json;q=much"], True),
    ],
)
def test_most_specific_range_decides(accepted: list[str], expected: bool) -> None:
    assert accepts(accepted, JSON) is expected
