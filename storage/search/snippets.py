"""The part of a message that shows best why it was found."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

SNIPPET = 200
"""The most characters of a snippet."""
_MOST_MARKS = 200
"""How many occurrences of the words are looked at."""
_WORD = re.compile(r"[^\W_]+")


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


def parts(line: str, words: Sequence[Sequence[str]]) -> list[str]:
    """The line in parts: text and words that were looked for in turns, beginning with text, which may be empty.

    `words` are the forms of each word, as for `cut`.
    """
    found: list[str] = []
    end = 0
    for place, number in _marks(line, list(words)):
        if place < end:
            continue
        word = _WORD.match(line, place)
        # Scripts without spaces write one word after the other: there a word is as long as its form.
        length = len(word[0]) if word and word[0][0] < "\u2e80" else max(map(len, words[number]))
        found += [line[end:place], line[place : place + length]]
        end = place + length
    return [*found, line[end:]]


def _best_start(line: str, words: Sequence[tuple[Sequence[str], float]]) -> int:
    """Where the window begins that contains the most weight of different words; of equal ones the first."""
    marks = _marks(line, [forms for forms, _ in words])
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


def _marks(line: str, words: list[Sequence[str]]) -> list[tuple[int, int]]:
    """Where the first words of the line occur that are looked for: the place in the line, and which word it is."""
    folded, places = _fold(line)
    # What is asked is looked up by the beginnings of the line's words, so that the time does not grow with it.
    stems: dict[str, set[int]] = {}
    elsewhere: list[tuple[str, int]] = []
    for number, forms in enumerate(words):
        for form in forms:
            if form.isascii():
                # A stem may end in a letter that the word in the text does not have: happi, happy.
                stems.setdefault(form[:-1] if len(form) > 4 and form.isalpha() else form, set()).add(number)
            else:
                elsewhere.append((form[:-1] if len(form) > 4 and form.isalpha() else form, number))
    lengths = sorted({len(stem) for stem in stems})
    marks = {
        (places[found.start()], number)
        for found in _WORD.finditer(folded)
        for length in lengths
        for number in stems.get(found[0][:length], ())
    }
    for stem, number in elsewhere:
        found = re.finditer(re.escape(stem), folded)
        marks |= {(places[one.start()], number) for one, _ in zip(found, range(_MOST_MARKS), strict=False)}
    return sorted(marks)[:_MOST_MARKS]


def _fold(line: str) -> tuple[str, Sequence[int]]:
    """The line in lower case without accents, and for each of its characters the place in the line."""
    if line.isascii():
        return line.lower(), range(len(line))
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
