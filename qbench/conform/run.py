"""A conformance run: cases through all comparisons, and the smallest failing case of what is not as it should be."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qbench.conform.case import Case
from qbench.conform.comparison import CRASH, Comparison, Tally
from qbench.conform.examples import example_folder, save_example
from qbench.conform.generated import for_each_case, smallest
from qbench.conform.given import artifact_cases
from qbench.conform.kernels import Kernels
from qbench.conform.records import BASE, Row, cell_of
from qbench.conform.reduction import reduce_inputs
from qbench.quant.bindings import computes
from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qbench.conform.verdicts import Bench

    Shrink = Callable[[Case, Callable[[Case], bool]], Case]

#: What the section of generated models is called.
GENERATED = "generated models"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is tried.

    Parameters
    ----------
    cases
        For each operator.
    seed
        Makes the same cases again.
    threads
        More than 1 also compares that many threads with one.
    base_python
        A Python whose runtime is compared with this one's; None for none.
    examples
        The folder for failing cases; None to save none.
    """

    cases: int = 100
    seed: int = 0
    threads: int = 2
    base_python: str | None = None
    examples: Path | None = None


def comparisons(settings: Settings) -> tuple[Comparison, ...]:
    """Each family against its oracle, then kernels against kernels."""
    one = {family: Kernels(family=family) for family in FAMILIES}
    made = [Comparison(name=family, kernels=kernels) for family, kernels in one.items()]
    made.append(Comparison(name="xnnpack / builtin", kernels=one["xnnpack"], against=one["builtin"]))
    if settings.threads > 1:
        made += [
            Comparison(
                name=f"{family} {settings.threads} / 1 threads",
                kernels=Kernels(family=family, threads=settings.threads),
                against=one[family],
            )
            for family in ("builtin", "xnnpack")
        ]
    if settings.base_python:
        made += [
            Comparison(
                name=f"{family}{BASE}",
                kernels=kernels,
                against=Kernels(family=family, python=settings.base_python),
            )
            for family, kernels in one.items()
        ]
    return tuple(made)


def generated_rows(bench: Bench, settings: Settings, operators: Iterable[tuple[str, str]]) -> Iterator[Row]:
    """Rows of generated models of each of `operators`, a name and a dtype."""
    made = comparisons(settings)
    for operator, dtype in operators:
        tallies = [Tally() for _ in made]
        for_each_case(
            operator,
            dtype,
            partial(bench.tally, comparisons=made, tallies=tallies),
            cases=settings.cases,
            seed=settings.seed,
        )

        def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
            found = smallest(case.operator, case.dtype, fails, cases=settings.cases, seed=settings.seed)
            return min((case, found or case), key=lambda each: each.size)

        row = Row(section=GENERATED, operator=operator, dtype=dtype, cells={}, computes=computes(operator))
        yield _row(row, bench, settings, tallies, shrink)


def artifact_rows(
    bench: Bench, settings: Settings, name: str, content: bytes, *, skipped: dict[str, str]
) -> Iterator[Row]:
    """Rows of each operator of an artifact in its place, and of all of it.

    Parameters
    ----------
    name
        What the artifact is called.
    skipped
        Gets what was not tried, and why.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`.
    """
    made = comparisons(settings)
    tallies: dict[tuple[str, str], list[Tally]] = {}
    for case in artifact_cases(content, cases=settings.cases, seed=settings.seed):
        if isinstance(case, Case):
            bench.tally(case, made, tallies.setdefault((case.operator, case.dtype), [Tally() for _ in made]))
        else:
            skipped[case.operator] = case.reason
    for (operator, dtype), found in tallies.items():
        row = Row(section=name, operator=operator, dtype=dtype, cells={}, computes=computes(operator.split()[-1]))
        yield _row(row, bench, settings, found, reduce_inputs)


def _row(row: Row, bench: Bench, settings: Settings, tallies: Sequence[Tally], shrink: Shrink) -> Row:
    """`row` with what `tallies` say, and the smallest cases of what has to be looked at."""
    cells = {}
    for comparison, tally in zip(comparisons(settings), tallies, strict=True):
        example = ""
        if settings.examples and tally.worst is not None and tally.needs_example:
            case = _smallest(bench, comparison, tally, tally.worst, shrink)
            folder = example_folder(settings.examples, row.section, case, comparison)
            save_example(folder, case, comparison, bench.expected(case, comparison))
            example = str(folder)
        cells[comparison.name] = cell_of(tally, example=example)
    return msgspec.structs.replace(row, cells=cells)


def _smallest(bench: Bench, comparison: Comparison, tally: Tally, worst: Case, shrink: Shrink) -> Case:
    """The smallest case that is as bad as the worst of `tally`."""
    level = CRASH if tally.crashed else 2 if tally.off_by_more else 1
    return shrink(worst, lambda case: bench.severity(case, comparison) >= level)
