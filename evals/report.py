"""Results as a table for people and as JSON lines for programs."""

import json
from collections import defaultdict

from evals.play import Outcome

HEAD = "| | done | calls | errors | tokens read | tokens written |\n|---|--:|--:|--:|--:|--:|"


def table(outcomes: list[Outcome]) -> str:
    """A Markdown table: a row for each topic with its sums, and one for all."""
    topics: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        topics[outcome.scenario.topic].append(outcome)
    rows = [_row(topic.replace("_", " "), played) for topic, played in topics.items()]
    return "\n".join([HEAD, *rows, _row("**all**", outcomes)])


def _row(name: str, outcomes: list[Outcome]) -> str:
    done = sum(not outcome.problems for outcome in outcomes)
    calls, errors = sum(outcome.calls for outcome in outcomes), sum(outcome.errors for outcome in outcomes)
    read, written = sum(outcome.read for outcome in outcomes), sum(outcome.written for outcome in outcomes)
    return f"| {name} | {done} of {len(outcomes)} | {calls} | {errors} | {read:,} | {written:,} |"


def line(outcome: Outcome) -> str:
    """One outcome as JSON, with its transcripts."""
    return json.dumps(
        {
            "scenario": outcome.scenario.id,
            "topic": outcome.scenario.topic,
            "done": not outcome.problems,
            "problems": outcome.problems,
            "calls": outcome.calls,
            "errors": outcome.errors,
            "tokens_read": outcome.read,
            "tokens_written": outcome.written,
            "seconds": round(outcome.seconds, 1),
            "transcripts": outcome.transcripts,
        },
        ensure_ascii=False,
    )
