"""The command: `python -m evals --help`."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, cast

import typer

from evals import report, scenarios
from evals.connections import Connection
from evals.play import Outcome, play
from evals.players import Model
from evals.scenarios import Scenario
from evals.targets import Target, TargetError


async def run_all(
    chosen: list[Scenario], target: Target, connection: Connection, model: Model, done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Play the scenarios one after the other; `done` is called after each."""
    outcomes: list[Outcome] = []
    for scenario in chosen:
        name = f"{scenario.id}-{os.getpid()}-{len(outcomes)}"
        address = f"{connection.person('bob', name)}@example.com"
        players = [model] * len(scenario.chats)
        outcomes.append(
            await play(scenario, target, lambda who, name=name: connection.open(who, name), list(players), address)
        )
        done(outcomes[-1])
    return outcomes


def main(
    model: Annotated[str, typer.Option(help="Name of the model at the endpoint.")],
    server: Annotated[str, typer.Option(help="URL or command; {person} and {scenario} are filled in.")],
    endpoint: Annotated[str, typer.Option(help="Speaks OpenAI's chat completions.")] = "https://api.openai.com/v1",
    token_command: Annotated[str, typer.Option(help="Prints a token for {person}.")] = "",
    target: Annotated[str, typer.Option(help="A file in evals/targets, or a path.")] = "taskdeck",
    only: Annotated[list[str] | None, typer.Option(help="Ids of scenarios; without it all.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How often each scenario is played.")] = 1,
    out: Annotated[Path | None, typer.Option(help="File for results as JSON lines.")] = None,
) -> None:
    """Let a model do everyday work with a server's tools, and judge the result. The key is in OPENAI_API_KEY."""
    try:
        spoken, wanted = Target.load(target), [known for known in scenarios.load() if not only or known.id in only]
    except (OSError, ValueError) as error:
        raise SystemExit(f"evals: {error}") from None
    connection = Connection(server, token_command)
    has = set(spoken.has) - (set() if connection.knows_people else {"people"})
    chosen = [scenario for scenario in wanted if has.issuperset(scenario.needs)] * runs
    for scenario in wanted:
        if missing := set(scenario.needs) - has:
            print(f"left out {scenario.id}: the target has no {', '.join(sorted(missing))}", file=sys.stderr)

    def done(outcome: Outcome) -> None:
        verdict = "; ".join(outcome.problems) or "done"
        print(f"{outcome.scenario.id}: {verdict} ({outcome.calls} calls)", file=sys.stderr, flush=True)
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(report.line(outcome) + "\n")

    async def run() -> list[Outcome]:
        async with Model(endpoint, model, os.environ.get("OPENAI_API_KEY", "")) as player:
            return await run_all(chosen, spoken, connection, player, done)

    try:
        print(report.table(asyncio.run(run())))
    except* (TargetError, ValueError, RuntimeError) as group:
        raise SystemExit(f"evals: {_first(group)}") from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


if __name__ == "__main__":
    typer.run(main)
