"""Words that other people read: names and titles without what nobody sees, and quotes that they cannot close."""

import re
from unicodedata import category

MOST_QUOTED = 60
"""Characters that are quoted of a title or a name."""

_QUOTES = dict.fromkeys(map(ord, '"“”„‟«»\uff02〝〞'), "'")
_JOINERS = "\u200c\u200d"
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_LINE_BREAKS = re.compile("[\t-\r\x85\u2028\u2029]+")
_HIDDEN = re.compile(
    f"(?P<flag>{_FLAGS})"
    "|(?P<selector>[\ufe00-\ufe0f\U000e0100-\U000e01ef])"
    "|(?P<blank>[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0])"
    "|(?P<other>[^ -~])"
)


def without_hidden(text: str) -> str:
    """A name or title as people see it: one line, without control, bidirectional and invisible characters.

    Joiners stay inside words of scripts that need them and inside emoji, as do a variation selector after a character
    that is seen, and the tags of the three flags that have them.
    """
    if text.isascii() and text.isprintable():
        return text
    line = _LINE_BREAKS.sub(" ", text)
    return _HIDDEN.sub(lambda found: found[0] if _is_shown(found) else "", line)


def _is_shown(found: re.Match[str]) -> bool:
    text, start, end = found.string, found.start(), found.end()
    before, after = text[start - 1 : start], text[end : end + 1]
    match found.lastgroup:
        case "flag":
            return True
        case "selector":
            return bool(before) and not before.isspace() and category(before) not in ("Cf", "Cc", "Mn")
        case "blank":
            return False
        case _ if found[0] in _JOINERS:
            return _joins(before) and _joins(after) and not (before.isascii() and after.isascii())
        case _:
            return category(found[0]) not in ("Cc", "Cf")


def _joins(neighbour: str) -> bool:
    """Whether a joiner beside this character means something: letters, their marks, and emoji."""
    return bool(neighbour) and category(neighbour)[0] in "LMS"


def quoted(words: str) -> str:
    """The beginning of a text on one line, that cannot step out of its quotes: somebody unknown may have written it."""
    line = " ".join(without_hidden(words).split()).translate(_QUOTES)
    return f'"{line if len(line) <= MOST_QUOTED else line[:MOST_QUOTED] + "…"}"'
