"""How much goes into one reply: an estimate of the tokens that JSON costs a model, on the safe side of o200k_base.

Measured (docs/research.md, "Counting tokens"): whatever people write costs less than it says here, up to noise that no
language and no program makes.
"""

import json
import re
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import TypeVar

from storage.schema.response_models import ResponseModel

Viewed = TypeVar("Viewed", bound=ResponseModel)

PAGE_TOKENS = 4000
"""What a reply of the default length may take."""
PAGE_ROWS = 20

_AROUND = 200
"""Tokens of what stands around the rows of a page: a total, a cursor."""

_PIECE = re.compile(r" ?[A-Za-z][a-z]{0,2}|[0-9]{1,3}|[!-/:-@\[-`{-~]{1,2}|[\x00- \x7f]{1,8}|[^\x00-\x7f]")
_WIDE = re.compile("[\u2000-\U0010ffff]+")


def tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: of letters three make one, of digits three, of signs two.

    A letter of another alphabet is one, an ideograph two, an emoji three.
    """
    wide = "".join(_WIDE.findall(text))
    return len(_PIECE.findall(text)) + len(wide.encode()) - 2 * len(wide)


def allowed(rows: int) -> int:
    """The tokens that a page of so many rows may take: more than the default only for more rows."""
    return PAGE_TOKENS * max(1, rows // PAGE_ROWS) - _AROUND


def cost(view: ResponseModel) -> int:
    """The tokens of something as a reply says it."""
    return tokens(view.model_dump_json(exclude_none=True))


def fitting(views: Sequence[Viewed], most: int) -> list[Viewed]:
    """The first of them, as many as fit into so many tokens."""
    said = [view.model_dump_json(exclude_none=True) for view in views]
    if sum(len(text.encode()) for text in said) <= most:
        return list(views)  # A token has one byte at least: what is short need not be counted.
    sizes = accumulate(map(tokens, said))
    return [view for view, _ in zip(views, takewhile(lambda size: size <= most, sizes), strict=False)]


def fill(views: Sequence[Viewed], most: int | None) -> list[Viewed]:
    """As `fitting`, but the first in any case, so that readers get on; and all without a bound."""
    return list(views) if most is None else fitting(views, most) or list(views[:1])


def shorten(text: str, most: int) -> str:
    """The text, or as much of its beginning as so many tokens hold when it is said in JSON, with an ellipsis."""
    kept = text
    while (size := tokens(json.dumps(kept, ensure_ascii=False))) > most:
        kept = kept[: len(kept) * (most - 1) // size]
    return kept if kept == text else f"{kept}…"
