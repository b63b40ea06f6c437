"""Which messages are scored for a question, so that a search costs about the same however many messages there are.

A rare word selects what is scored. A common one only adds to the scores: if a person has more messages with a word than
can be scored, those with the rarer words of the question are taken, and then the newest.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Any

from storage.engine.database import Row
from storage.schema.search_query import Question

_UNSAMPLED = 2000
"""Up to how many messages in all are not sampled: every word selects then."""
_FEW = 800
"""How many messages rare words may select."""
_NEWEST = 200
"""How many messages with a common word are scored, the newest ones."""
_SAMPLE = 128
"""One message in 128 is in the sample that survey_messages counts."""
_LITTLE = 0.1
"""What a function word such as "the" weighs in comparison with other words."""


@dataclass(frozen=True)
class Term:
    """A word of a question, its place there, and how many messages of the sample have it; None without a sample."""

    place: int
    word: str
    lexemes: list[str]
    is_common: bool
    sampled: int | None

    @property
    def estimate(self) -> int:
        """About how many messages have the word."""
        return max(1, (self.sampled or 0) * _SAMPLE)


@dataclass(frozen=True)
class Survey:
    """The terms of a question in their order, and the statistics of the caller's messages. Sizes are in bytes.

    A page that continues another one uses the statistics of that one, with `counted` frequencies.
    """

    terms: list[Term]
    messages: int
    size: int
    counted: list[int] | None = None

    def weights(self, frequencies: Sequence[int]) -> list[float]:
        """What each term weighs, the rarest most."""
        return [
            (_LITTLE if term.is_common else 1) * log(1 + (self.messages - number + 0.5) / (number + 0.5))
            for term, number in zip(self.terms, frequencies, strict=True)
        ]

    def written(self, frequencies: Sequence[int]) -> str:
        """The statistics as text, for a cursor."""
        pairs = (f"{_text(term.sampled)}.{number}" for term, number in zip(self.terms, frequencies, strict=True))
        return f"{self.messages} {self.size} {' '.join(pairs)}"

    def pinned(self, written: str) -> "Survey":
        """The same terms with the statistics that `written` wrote.

        Raises:
            ValueError: it wrote something else.
        """
        messages, size, *pairs = written.split(" ")
        halves = [pair.split(".") for pair in pairs]
        terms = [
            replace(term, sampled=int(sampled) if sampled else None)
            for term, (sampled, _) in zip(self.terms, halves, strict=True)
        ]
        return Survey(terms, int(messages), max(1, int(size)), [int(number) for _, number in halves])


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def survey(rows: Sequence[Row]) -> Survey:
    """Read the rows of survey_messages, of which there is at least one."""
    terms = [
        Term(place, row["word"], row["lexemes"], row["is_common"], row["sampled"]) for place, row in enumerate(rows)
    ]
    return Survey(terms, rows[0]["messages"], max(1, round(rows[0]["size"])))


def searches(found: Survey, question: Question) -> str:
    """What find_messages is to look for, as JSON."""
    content = sorted((t for t in found.terms if not t.is_common), key=lambda term: (term.estimate, term.place))
    chosen: list[dict[str, Any]] = [{"all": phrase, "most": _UNSAMPLED} for phrase in question.phrases]
    if not question.needs_phrase:
        if not content:
            chosen += _function_words(found.terms)
        elif question.conversation_id is not None or found.messages <= _UNSAMPLED:
            chosen += [_search(term) for term in content]
        else:
            chosen += _by_rarity(content, found)
    return json.dumps(chosen)


def is_complete(found: Survey, question: Question) -> bool:
    """Whether `searches` find every message with a word, and not only the best ones."""
    if question.conversation_id is not None or found.messages <= _UNSAMPLED:
        return True
    if question.needs_phrase:
        return True
    content = [term for term in found.terms if not term.is_common]
    return bool(content) and sum(term.estimate for term in content) <= _FEW


def newest(found: Survey, question: Question, most: int) -> str:
    """What find_messages is to look for if the newest messages are wanted, as JSON: any word that they must have."""
    content = sorted(found.terms, key=lambda term: (term.is_common, term.estimate))
    # Beside an alternative, a message need not have the rarest word.
    alternatives = re.search(r"(^|\s)or(\s|$)", question.condition, re.IGNORECASE)
    chosen = content if alternatives else content[:1]
    expected = sum(found.messages if term.is_common else term.estimate for term in chosen)
    lexemes = [lexeme for term in chosen for lexeme in term.lexemes]
    return json.dumps([{"any": lexemes, "most": most, "walk": expected > max(_FEW, sqrt(most * found.messages))}])


def _by_rarity(content: list[Term], found: Survey) -> list[dict[str, Any]]:
    first = content[0]
    chosen = [_search(first) if first.estimate <= _limit(found) else _search(first, walk=True)]
    used, common = first.estimate, [first] if first.estimate > _FEW else []
    for term in content[1:]:
        used += term.estimate
        if used <= _FEW:
            chosen.append(_search(term))
        else:
            common.append(term)
    # Of common words, two together say more than one.
    if len(common) > 1:
        one, other = common[:2]
        expected = one.estimate * other.estimate / found.messages
        both = {"any": one.lexemes, "also": other.lexemes, "most": _NEWEST, "walk": expected > _limit(found)}
        chosen.append(both)
    return chosen


def _limit(found: Survey) -> float:
    """Up to how many messages with a word reading them all costs less than going back until there are enough.

    Going back reads the words of each message, which takes long for long ones: they are stored apart from the rows.
    """
    return max(_FEW, sqrt(_NEWEST * found.messages * max(0.5, found.size / 400)))


def _search(term: Term, *, walk: bool = False) -> dict[str, Any]:
    return {"term": term.place, "any": term.lexemes, "most": _NEWEST if walk else _UNSAMPLED, "walk": walk}


def _function_words(terms: list[Term]) -> list[dict[str, Any]]:
    every = [lexeme for term in terms for lexeme in term.lexemes]
    together = {"all": " ".join(term.word for term in terms), "most": _NEWEST, "walk": True}
    return [together, {"any": every, "most": _NEWEST, "walk": True}]


def described(found: Survey) -> str:
    """The terms as rank_messages reads them, as JSON."""
    return json.dumps(
        [
            {
                "term": term.place,
                "exact": term.word,
                "lexemes": term.lexemes,
                "factor": _LITTLE if term.is_common else 1,
                "frequency": found.counted[term.place] if found.counted else _frequency(term, found.messages),
            }
            for term in found.terms
        ]
    )


def _frequency(term: Term, messages: int) -> int | None:
    """An estimated frequency; None if rank_messages counts it, because it scores every message with the word."""
    if term.is_common:
        return messages // 3
    return None if term.sampled is None or term.estimate <= _FEW // 2 else term.estimate
