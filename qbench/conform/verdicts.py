"""Runs a case on all kernels that comparisons name, once each, and tells what each comparison finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.conform.case import Distance, distance
from qbench.conform.comparison import CRASH, severity
from qbench.conform.kernels import Kernels, Outcome
from qbench.errors import ArtifactError, NoOracleError, WorkerCrashedError, WorkerTimeoutError
from qbench.quant.bindings import claims_exact
from qbench.quant.graph import run_graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.conform.case import Array, Case
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
            try:
                found = trial.compare(comparison)
            except NoOracleError:
                continue
            except (WorkerCrashedError, WorkerTimeoutError):
                tally.add_crash(case)
            except ArtifactError as error:
                tally.add_refusal(str(error))
            else:
                if found is None:
                    tally.not_taken += 1
                else:
                    tally.claimed_exact = trial.claims_exact(comparison)
                    tally.bounded = tally.claimed_exact or not case.is_whole
                    tally.add(case, found)

    def severity(self, case: Case, comparison: Comparison) -> int:
        """0 if the two sides of `comparison` are equal, 1 if they are off by one, 2 by more, 3 for a crash."""
        try:
            found = _Trial(case, self._workshop).compare(comparison)
        except (WorkerCrashedError, WorkerTimeoutError):
            return CRASH
        except ArtifactError:
            return 0
        return 0 if found is None else severity(found)

    def expected(self, case: Case, comparison: Comparison) -> tuple[Array, ...]:
        """What `comparison` holds its kernels against; nothing where that cannot be told."""
        try:
            return _Trial(case, self._workshop).expected(comparison)
        except (WorkerCrashedError, WorkerTimeoutError, ArtifactError):
            return ()


class _Trial:
    """One case, run at most once on each kernels and each oracle."""

    def __init__(self, case: Case, workshop: Workshop) -> None:
        self._case = case
        self._workshop = workshop
        self._outcomes: dict[Kernels, Outcome | _Failure] = {}
        self._oracles: dict[Family, tuple[Array, ...]] = {}

    def compare(self, comparison: Comparison) -> Distance | None:
        """How far the two sides lie apart; None if the delegate left the operator to other kernels."""
        sides = [comparison.kernels, *([comparison.against] if comparison.against else [])]
        outcomes = [self._run(kernels) for kernels in sides]
        if any(
            kernels.family == "xnnpack" and not each.delegated for kernels, each in zip(sides, outcomes, strict=True)
        ):
            return None
        return distance(outcomes[0].outputs, self.expected(comparison), scales=_scales(self._case.content))

    def expected(self, comparison: Comparison) -> tuple[Array, ...]:
        """What the kernels are held against."""
        if comparison.against is not None:
            return self._run(comparison.against).outputs
        family = comparison.kernels.family
        if family not in self._oracles:
            self._oracles[family] = run_graph(read_model(self._case.content), self._case.inputs, family=family)
        return self._oracles[family]

    def claims_exact(self, comparison: Comparison) -> bool:
        """Whether equality is what is expected: of kernels with others, and of those an oracle claims."""
        if comparison.against is not None:
            # Families may differ from each other; the same family on more threads or in another runtime must not.
            return comparison.against.family == comparison.kernels.family
        graph = read_model(self._case.content).subgraphs[0]
        return all(claims_exact(graph, operator, comparison.kernels.family) for operator in graph.operators)

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


def _scales(content: bytes) -> list[float]:
    """Of each output of a `.tflite`, the scale that it was dequantized with; 0 for all others."""
    graph = read_model(content).subgraphs[0]
    read = {operator.outputs[0]: operator.inputs[0] for operator in graph.operators if operator.name == "DEQUANTIZE"}
    return [
        float(graph.tensors[read[index]].scales.max(initial=0)) if index in read else 0.0 for index in graph.outputs
    ]
