"""The queue of one reader of changes: 256 may wait, and one more means that the reader is too slow."""

import pytest

from storage.events.changes import ConversationChange, TooSlow, Watch


async def test_257th_waiting_change_is_one_too_many() -> None:
    changes = [ConversationChange(number) for number in range(257)]
    watch = Watch()
    for change in changes[:256]:
        watch.put(change)
    assert [await anext(watch) for _ in range(256)] == changes[:256]
    for change in changes:
        watch.put(change)
    with pytest.raises(TooSlow):
        await anext(watch)
