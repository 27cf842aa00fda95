"""Runs a case on all kernels that comparisons name, once each, and tells what each comparison finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qbench.conform.case import distance
from qbench.conform.comparison import Verdict
from qbench.conform.kernels import Kernels, Outcome
from qbench.errors import ArtifactError, NoOracleError, WorkerCrashedError, WorkerTimeoutError
from qbench.quant.bindings import claims_exact, computes
from qbench.quant.family import FAMILIES
from qbench.quant.graph import run_graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.conform.case import Array, Case, Distance
    from qbench.conform.comparison import Comparison, Tally
    from qbench.conform.kernels import Workshop
    from qbench.quant.family import Family

_Failure = WorkerCrashedError | WorkerTimeoutError | ArtifactError


class Bench:
    """Cases on real kernels and on oracles.

    Parameters
    ----------
    workshop
        Where kernels run.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def tally(self, case: Case, comparisons: Sequence[Comparison], tallies: Sequence[Tally]) -> None:
        """Add what each of `comparisons` finds to the tally at the same place."""
        trial = _Trial(case, self._workshop)
        for comparison, tally in zip(comparisons, tallies, strict=True):
            tally.add(case, trial.verdict(comparison))

    def severity(self, case: Case, comparison: Comparison) -> int:
        """0 if the two sides of `comparison` are equal, 1 if they are off by one, 2 by more, 3 for a crash."""
        return _Trial(case, self._workshop).verdict(comparison).severity

    def expected(self, case: Case, comparison: Comparison) -> tuple[Array, ...]:
        """What `comparison` holds its kernels against; nothing where that cannot be told."""
        try:
            return _Trial(case, self._workshop).expected(comparison)
        except Exception:  # noqa: BLE001 - a crash is saved also where its oracle has a defect
            return ()


class _Trial:
    """One case, run at most once on each kernels and each oracle."""

    def __init__(self, case: Case, workshop: Workshop) -> None:
        self._case = case
        self._model = read_model(case.content)
        self._workshop = workshop
        self._outcomes: dict[Kernels, Outcome | _Failure] = {}
        self._oracles: dict[Family, tuple[Array, ...]] = {}

    def verdict(self, comparison: Comparison) -> Verdict:
        """What `comparison` says of the case."""
        sides = [comparison.kernels, *([comparison.against] if comparison.against else [])]
        try:
            outcomes = [self._run(kernels) for kernels in sides]
        except (WorkerCrashedError, WorkerTimeoutError) as error:
            return Verdict(kind="crashed", reason=str(error))
        except ArtifactError as error:
            return Verdict(kind="refused", reason=str(error), is_run_elsewhere=self._is_run())
        if any(side.family == "xnnpack" and not each.is_delegated for side, each in zip(sides, outcomes, strict=True)):
            return Verdict(kind="left")
        try:
            expected = self.expected(comparison)
        except NoOracleError as error:
            return Verdict(kind="no oracle", reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever an oracle raises of an artifact is its defect, and no more
            return Verdict(kind="failed", reason=f"{type(error).__name__}: {error}")
        claimed = self._claims_exact(comparison, outcomes[0])
        return Verdict(
            kind="compared",
            found=self._distance(outcomes[0].outputs, expected),
            claimed_exact=claimed,
            bounded=claimed or (not self._case.is_whole and all(_has_step(output) for output in self._outputs())),
        )

    def expected(self, comparison: Comparison) -> tuple[Array, ...]:
        """What the kernels are held against."""
        if comparison.against is not None:
            return self._run(comparison.against).outputs
        family = comparison.kernels.family
        if family not in self._oracles:
            self._oracles[family] = run_graph(self._model, self._case.inputs, family=family)
        return self._oracles[family]

    def _is_run(self) -> bool:
        """Whether any kernels, or the oracle of the reference kernels, give a result."""
        for family in FAMILIES:
            try:
                self._run(Kernels(family=family))
            except (WorkerCrashedError, WorkerTimeoutError, ArtifactError):
                continue
            return True
        try:
            run_graph(self._model, self._case.inputs)
        except Exception:  # noqa: BLE001 - whatever is raised, it is no result
            return False
        return True

    def _distance(self, outputs: tuple[Array, ...], expected: tuple[Array, ...]) -> Distance:
        found = distance(outputs, expected, steps=[step or 0.0 for step in self._outputs()])
        if any(computes(operator.name) for operator in self._model.subgraphs[0].operators):
            return found
        # Nothing rounds where values only move: each difference is wrong.
        return replace(found, off_by_one=0, off_by_more=found.off_by_one + found.off_by_more)

    def _claims_exact(self, comparison: Comparison, outcome: Outcome) -> bool:
        """Whether equality is what is expected: of kernels with others, and of those an oracle claims."""
        if comparison.against is not None:
            # Families may differ from each other; the same family on more threads or in another runtime must not.
            return comparison.against.family == comparison.kernels.family
        if outcome.is_left_in_part:
            return False  # Which operators the delegate left, and so which oracle was right for them, is not known.
        graph = self._model.subgraphs[0]
        return all(claims_exact(graph, operator, comparison.kernels.family) for operator in graph.operators)

    def _outputs(self) -> list[float | None]:
        """Of each output, the step of its real numbers: None for float without one, 0 for integers.

        A stored value that is dequantized may lose the last bits of the largest that it could have been.
        """
        graph = self._model.subgraphs[0]
        read = {
            operator.outputs[0]: operator.inputs[0] for operator in graph.operators if operator.name == "DEQUANTIZE"
        }
        steps: list[float | None] = []
        for index in graph.outputs:
            if index in read and graph.tensors[read[index]].scales.size:
                source = graph.tensors[read[index]]
                span = float(source.scales.max()) * 2.0 ** (16 if source.dtype == "int16" else 8)
                steps.append(float(np.spacing(np.float32(span))))
            else:
                steps.append(None if graph.tensors[index].dtype.startswith("float") else 0.0)
        return steps

    def _run(self, kernels: Kernels) -> Outcome:
        if kernels not in self._outcomes:
            try:
                self._outcomes[kernels] = self._workshop.run(self._case, kernels)
            except (WorkerCrashedError, WorkerTimeoutError, ArtifactError) as error:
                self._outcomes[kernels] = error
        found = self._outcomes[kernels]
        if isinstance(found, Outcome):
            return found
        raise found


def _has_step(step: float | None) -> bool:
    return step is not None
