"""The part of a message that shows best why it was found."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

SNIPPET = 200
"""The most characters of a snippet."""
_MOST_MARKS = 200
"""How many occurrences of the words are looked at."""


def cut(text: str, words: Sequence[tuple[Sequence[str], float]]) -> str:
    """The text on one line, or of a longer one the part with the words that weigh most, cut between words.

    `words` are the forms of each word, in lower case and without accents, and its weight.
    """
    line = " ".join(text.split())
    if len(line) <= SNIPPET:
        return line
    start = _best_start(line, words)
    if start and not line[start - 1].isspace():
        start = next((n + 1 for n in range(start, min(start + 30, len(line))) if line[n].isspace()), start)
    end = start + SNIPPET
    if end < len(line) and not line[end].isspace():
        end = max(line.rfind(" ", start + SNIPPET // 2, end), 0) or end
    return line[start:end].strip()


def beginning(text: str) -> str:
    """The text on one line, or the beginning of a longer one, cut between words."""
    return cut(text, ())


def _best_start(line: str, words: Sequence[tuple[Sequence[str], float]]) -> int:
    """Where the window begins that contains the most weight of different words; of equal ones the first."""
    folded, places = _fold(line)
    marks: list[tuple[int, int]] = []
    for number, (forms, _) in enumerate(words):
        for form in forms:
            marks += [(places[at], number) for at in _occurrences(folded, form)]
    marks = sorted(set(marks))[:_MOST_MARKS]
    if not marks:
        return 0
    best, first, last = -1.0, 0, 0
    starts = [place for place, _ in marks]
    for index, place in enumerate(starts):
        end = bisect_right(starts, place + SNIPPET * 3 // 5)
        weight = sum(words[number][1] for number in {number for _, number in marks[index:end]})
        if weight > best + 1e-9:
            best, first, last = weight, place, starts[end - 1]
    # A third of the rest before the first word, the other two thirds after the last.
    return max(0, min(first - max(0, SNIPPET - (last - first)) // 3, len(line) - SNIPPET))


def _occurrences(folded: str, form: str) -> list[int]:
    # A stem may end in a letter that the word in the text does not have: happi, happy.
    stem = form[:-1] if len(form) > 4 and form.isalpha() else form
    edge = r"(?<!\w)" if form.isascii() else ""
    return [found.start() for found, _ in zip(re.finditer(edge + re.escape(stem), folded), range(50), strict=False)]


def _fold(line: str) -> tuple[str, list[int]]:
    """The line in lower case without accents, and for each of its characters the place in the line."""
    folded: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(line):
        plain = letter.lower()
        if not letter.isascii():
            plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not "\u0300" <= c <= "\u036f")
            plain = unicodedata.normalize("NFC", plain)
        folded.append(plain)
        places += [place] * len(plain)
    return "".join(folded), places
