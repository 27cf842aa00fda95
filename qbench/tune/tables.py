"""What a search found as a table and sentences, for a terminal and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.tune.points import describe_recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from qbench.tune.records import Outcome
    from qbench.tune.result import Price, Tuning

_COLUMNS = ("", "recipe", "accuracy", "drop", "verdict", "bytes", "of fp32", "latency", "of fp32")
_LEFT = ("recipe", "verdict")

_ENDINGS = {
    "searched": "everything that the method wanted to try was tried",
    "trials": "the number of trials ended the search",
    "budget": "the time ended the search",
    "interrupted": "interrupted",
}


def print_tuning(tuning: Tuning, console: Console, *, verbose: bool) -> None:
    """Print the front, or all trials, and what follows from them."""
    console.print(Text(headline(tuning)))
    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=name != "recipe")
    for number in shown(tuning, verbose=verbose):
        outcome = tuning.outcome(number)
        style = "bold green" if number == tuning.cheapest else "" if outcome.passes else "dim"
        table.add_row(*cells(tuning, number), style=style)
    console.print(table)
    console.print()
    for sentence in sentences(tuning):
        console.print(Text(sentence, style="bold" if sentence.startswith(("The cheapest", "No recipe")) else ""))
    for text, code in to_paste(tuning):
        console.print(Text(f"\n{text}\n"))
        # Lines to be copied must not be wrapped.
        console.print(Text(code.rstrip("\n")), soft_wrap=True)


def markdown(tuning: Tuning) -> str:
    """The same as a page, with all trials."""
    lines = [f"# qbench tune {tuning.model}", "", headline(tuning), "", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    lines += [_row(cells(tuning, number)) for number in shown(tuning, verbose=True)]
    lines += ["", *(f"- {sentence}" for sentence in sentences(tuning))]
    for text, code in to_paste(tuning):
        lines += ["", text, "", "```toml", code.rstrip("\n"), "```"]
    return "\n".join(lines) + "\n"


def headline(tuning: Tuning) -> str:
    """How long, how many, and why no more."""
    tried = len(tuning.outcomes)
    built = sum(outcome.measured for outcome in tuning.outcomes)
    recipes = "recipe" if tried == 1 else "recipes"
    return (
        f"{tuning.model}: {tried} {recipes} tried ({tuning.measured_now} of them measured now, {built} could be "
        f"built) in {tuning.seconds:.0f} s; {_ENDINGS[tuning.ended]}"
    )


def shown(tuning: Tuning, *, verbose: bool) -> list[int]:
    """Numbers of the trials to list: the front with start, cheapest and nearest, or all."""
    if verbose:
        return list(range(1, 1 + len(tuning.outcomes)))
    others = [number for number in (tuning.start, tuning.cheapest, tuning.nearest) if number is not None]
    chosen = dict.fromkeys((*tuning.front, *others))
    return sorted(chosen, key=lambda number: tuning.outcome(number).size_bytes)


def cells(tuning: Tuning, number: int) -> tuple[str, ...]:
    """The row of a trial."""
    outcome = tuning.outcome(number)
    name = f"{outcome.name}: " if outcome.name and outcome.recipe.quantization is not None else ""
    recipe = name + describe_recipe(outcome.recipe) + (" (start)" if number == tuning.start else "")
    if not outcome.measured:
        return (f"#{number}", f"{recipe}: {_short(outcome.error)}", "", "", "error", "", "", "", "")
    latency = outcome.latency
    return (
        f"#{number}",
        recipe,
        "-" if outcome.accuracy is None else f"{outcome.accuracy:.4f}",
        f"{outcome.drop:+.4f}",
        ", ".join(dict.fromkeys(str(verdict.verdict) for verdict in outcome.verdicts)),
        f"{outcome.size_bytes:,}",
        f"{outcome.size_bytes / tuning.reference_bytes:.0%}",
        "-" if latency is None or latency.candidate_ns is None else f"{latency.candidate_ns / 1000:.2f} us",
        "-" if outcome.ratio is None else f"{outcome.ratio:.2f}x",
    )


def sentences(tuning: Tuning) -> list[str]:
    """What was found, in sentences."""
    said = []
    if tuning.cheapest is not None:
        chosen = tuning.outcome(tuning.cheapest)
        said.append(f"The cheapest recipe that passes is #{tuning.cheapest}: {_described(chosen)}.")
        said += _evidence(chosen)
        if tuning.price is not None and tuning.start is not None:
            said.append(_price(tuning.price, tuning, tuning.outcome(tuning.start), chosen))
        elif tuning.start == tuning.cheapest:
            said.append("It is what the search started from: nothing cheaper that was tried passes.")
    elif tuning.nearest is not None:
        near = tuning.outcome(tuning.nearest)
        said.append(f"No recipe passes. The nearest is #{tuning.nearest}: {_described(near)}.")
        said += [f"{worse}." for worse in [_beyond(near)] if worse]
        said += [f"{reason[0].upper()}{reason[1:]}." for reason in tuning.why]
    else:
        said.append("No recipe passes, and none could be measured.")
        said += [f"{reason[0].upper()}{reason[1:]}." for reason in tuning.why]
    said += [f"{note[0].upper()}{note[1:]}." for note in tuning.notes]
    said.append(f"What was measured is kept in {tuning.log}; the same command goes on from there.")
    return said


def to_paste(tuning: Tuning) -> list[tuple[str, str]]:
    """Lines for pyproject.toml, each with where they belong."""
    if not tuning.recipes_line:
        return []
    lines = [(f"In [tool.qbench.models.{tuning.model}]:", tuning.recipes_line)]
    return [*lines, ("And below it:", tuning.recipe_table)] if tuning.recipe_table else lines


def _described(outcome: Outcome) -> str:
    said = [describe_recipe(outcome.recipe)]
    if outcome.accuracy is not None:
        said.append(f"accuracy {outcome.accuracy:.4f}")
    said.append(f"{outcome.size_bytes:,} B")
    if outcome.latency and outcome.latency.candidate_ns is not None:
        said.append(f"{outcome.latency.candidate_ns / 1000:.2f} us")
    return "; ".join(said)


def _evidence(chosen: Outcome) -> list[str]:
    """How sure it is that it passes on other examples too."""
    main = chosen.main
    if main is None or main.paired is None or main.tolerance is None or main.change is None:
        return []
    paired = main.paired
    sure = "and is surely within it" if paired.finding == "within" else "which more examples might not confirm"
    said = (
        f"It drops {_points(main.change)} points of the {_points(main.tolerance)} allowed; on other examples like "
        f"these {_points(paired.low)} to {_points(paired.high)} ({paired.confidence:.0%} interval), {sure}."
    )
    return [said]


def _beyond(near: Outcome) -> str:
    worst = near.worst
    if worst is None or worst.change is None or worst.tolerance is None:
        return ""
    if worst.change <= worst.tolerance:
        failing = [verdict.metric for verdict in near.verdicts if not verdict.verdict.green]
        return f"What it loses is within the tolerance; it fails in {', '.join(failing)}"
    beyond = worst.change - worst.tolerance
    times = f", or {worst.change / worst.tolerance:.1f} times the tolerance" if worst.tolerance else ""
    return (
        f"Its {worst.metric} is {worst.change:.4f} where {worst.tolerance:.4f} is allowed, {beyond:.4f} too much{times}"
    )


def _price(price: Price, tuning: Tuning, start: Outcome, chosen: Outcome) -> str:
    fails = "" if start.passes else ", which fails"
    share = f"{price.size_bytes / start.size_bytes:+.1%}"
    said = f"Against {start.name or f'#{tuning.start}'}{fails}, it costs {price.size_bytes:+,} B ({share}) and "
    if price.contest is None and price.nanoseconds == 0:
        said += "no time: its kernels are the same"
    elif price.nanoseconds is None:
        said += "a time that was not measured"
    else:
        ends = [f"{'open' if end is None else f'{end / 1000:+.2f}'}" for end in (price.low_ns, price.high_ns)]
        confidence = price.contest.confidence if price.contest else 0.0
        said += f"{price.nanoseconds / 1000:+.2f} us an invoke ({confidence:.0%} interval {ends[0]} to {ends[1]} us)"
    if start.measured and start.accuracy is not None and chosen.accuracy is not None and not start.passes:
        won = chosen.accuracy - start.accuracy
        said += f", and wins {_points(won)} points of accuracy"
    return said + "."


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


def _short(error: str) -> str:
    first = error.splitlines()[0] if error else ""
    return first if len(first) <= _MOST_ERROR else f"{first[:_MOST_ERROR]}..."


_MOST_ERROR = 120


def _row(values: Sequence[str]) -> str:
    return f"| {' | '.join(value.replace('|', chr(92) + '|') for value in values)} |"
