"""A conformance run: cases through all comparisons, and the smallest failing case of what is not as it should be."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qbench.conform.case import Case
from qbench.conform.comparison import CRASH, Comparison, Tally
from qbench.conform.examples import save_example
from qbench.conform.generated import for_each_case, smallest
from qbench.conform.given import artifact_cases
from qbench.conform.kernels import Kernels
from qbench.conform.records import Row, Section, cell_of
from qbench.conform.reduction import reduce_inputs
from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qbench.conform.verdicts import Bench

    Progress = Callable[[str], None]
    Shrink = Callable[[Case, Callable[[Case], bool]], Case]


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
                name=f"{family} / base",
                kernels=kernels,
                against=Kernels(family=family, python=settings.base_python),
            )
            for family, kernels in one.items()
        ]
    return tuple(made)


def conform_generated(
    bench: Bench, settings: Settings, operators: Iterable[tuple[str, str]], *, on_row: Progress
) -> Section:
    """Generated models of each of `operators`, a name and a dtype."""
    rows = []
    for operator, dtype in operators:
        made = comparisons(settings)
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

        rows.append(_row(operator, dtype, bench, settings, made, tallies, shrink))
        on_row(f"{operator} {dtype}")
    return Section(name="generated models", rows=tuple(rows), skipped={})


def conform_artifact(bench: Bench, settings: Settings, name: str, content: bytes, *, on_row: Progress) -> Section:
    """Each operator of an artifact in its place, and all of it.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`.
    """
    made = comparisons(settings)
    tallies: dict[tuple[str, str], list[Tally]] = {}
    skipped = {}
    for case in artifact_cases(content, cases=settings.cases, seed=settings.seed):
        if isinstance(case, Case):
            row = tallies.setdefault((case.operator, case.dtype), [Tally() for _ in made])
            bench.tally(case, made, row)
        else:
            skipped[case.operator] = case.reason
    rows = []
    for (operator, dtype), found in tallies.items():
        rows.append(_row(operator, dtype, bench, settings, made, found, reduce_inputs))
        on_row(f"{name}: {operator}")
    return Section(name=name, rows=tuple(rows), skipped=skipped)


def _row(
    operator: str,
    dtype: str,
    bench: Bench,
    settings: Settings,
    made: Sequence[Comparison],
    tallies: Sequence[Tally],
    shrink: Shrink,
) -> Row:
    cells = {}
    for comparison, tally in zip(made, tallies, strict=True):
        example = ""
        if settings.examples and tally.worst is not None and tally.needs_example:
            example = str(_example(bench, settings.examples, comparison, tally, shrink))
        cells[comparison.name] = cell_of(tally, example=example)
    return Row(operator=operator, dtype=dtype, cells=cells)


def _example(bench: Bench, folder: Path, comparison: Comparison, tally: Tally, shrink: Shrink) -> Path:
    """Save the smallest case that is as bad as the worst of `tally`."""
    level = CRASH if tally.crashed else 2 if tally.off_by_more else 1

    def fails(case: Case) -> bool:
        return bench.severity(case, comparison) >= level

    assert tally.worst is not None  # noqa: S101 - the caller looked
    case = shrink(tally.worst, fails)
    return save_example(folder, case, comparison, bench.expected(case, comparison))
