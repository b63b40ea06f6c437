"""The size of replies: an estimate of the tokens that JSON costs a model, higher than o200k_base counts.

Measured in docs/research.md, "Counting tokens": only noise, such as random letters, costs more than the estimate. An
exact count would need 143 MB of tables.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import TypeVar

from storage.schema.response_models import ResponseModel

Viewed = TypeVar("Viewed", bound=ResponseModel)

PAGE_TOKENS = 4000
"""How many tokens a reply of the default length may have."""
PAGE_ROWS = 20

_AROUND = 200
"""Tokens of a page besides its rows: a total, a cursor."""

_PIECE = re.compile(r" ?[A-Za-z][a-z]{0,2}|[0-9]{1,3}|[!-/:-@\[-`{-~]{1,2}|[\x00- \x7f]{1,8}|[^\x00-\x7f]")
# From U+2000 on, a character has three or four bytes in UTF-8, and counts one or two more than in _PIECE.
_WIDE = re.compile("[\u2000-\U0010ffff]+")


def tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: one for three letters, three digits or two signs.

    A letter of another alphabet counts one, an ideograph two, an emoji three.
    """
    wide = "".join(_WIDE.findall(text))
    return len(_PIECE.findall(text)) + len(wide.encode()) - 2 * len(wide)


def allowed(rows: int) -> int:
    """The tokens that a page of `rows` rows may have: more than the default only if more rows are asked for."""
    return PAGE_TOKENS * max(1, rows // PAGE_ROWS) - _AROUND


def cost(view: ResponseModel) -> int:
    """The tokens of a result as JSON."""
    return tokens(view.model_dump_json(exclude_none=True))


def fitting(views: Sequence[Viewed], most: int) -> list[Viewed]:
    """As many of the first views as fit into `most` tokens."""
    texts = [view.model_dump_json(exclude_none=True) for view in views]
    if sum(len(text.encode()) for text in texts) <= most:
        return list(views)  # a token has at least one byte, so short views need not be counted
    sizes = accumulate(map(tokens, texts))
    return [view for view, _ in zip(views, takewhile(lambda size: size <= most, sizes), strict=False)]


def fill(views: Sequence[Viewed], most: int | None) -> list[Viewed]:
    """As `fitting`, but at least one, because an empty page could not be continued; all if `most` is None."""
    return list(views) if most is None else fitting(views, most) or list(views[:1])


def shorten(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits into `most` tokens of JSON, with an ellipsis."""
    # Cut in proportion to the excess and counted again: tokens are not spread evenly over a text.
    kept = text
    while (size := tokens(json.dumps(kept, ensure_ascii=False))) > most:
        kept = kept[: len(kept) * (most - 1) // size]
    return kept if kept == text else f"{kept}…"
