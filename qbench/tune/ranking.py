"""Which operators cost an artifact most of its accuracy: what a search lets stay float first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.operators.reports import operator_reports
from qbench.errors import QbenchError
from qbench.measure.inputs import input_encoders
from qbench.runtime.interpreter import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qbench.diagnose.operators.records import OperatorReport
    from qbench.models.datasets import Array, Dataset
    from qbench.records import RuntimeOptions
    from qbench.tune.bench import Bench
    from qbench.tune.records import Outcome

#: Examples that operators are looked at with: enough to tell the worst from the rest.
_EXAMPLES = 256

#: They only move values, or turn them into others of the same meaning.
_NO_ARITHMETIC = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS")


class Ranking:
    """Ranks the operators of outcomes, each artifact's once.

    An operator is worse the more predictions it flips alone, then the larger its own error is in steps.

    Attributes
    ----------
    notes
        Why operators could not be ranked, so that none was tried as float.
    """

    def __init__(self, bench: Bench, dataset: Dataset, options: RuntimeOptions) -> None:
        self._bench = bench
        self._dataset = dataset
        self._options = options
        self._ranked: dict[str, tuple[str, ...]] = {}
        self.notes: list[str] = []

    def __call__(self, outcome: Outcome) -> Sequence[str]:
        """Outputs of the float model's operators, the worst first; nothing where that cannot be told."""
        if not outcome.measured:
            return ()
        if outcome.sha256 not in self._ranked:
            try:
                self._ranked[outcome.sha256] = self._rank(self._bench.content(outcome))
            except QbenchError as error:
                self.notes.append(f"operators could not be ranked, so none was tried as float: {error}")
                self._ranked[outcome.sha256] = ()
        return self._ranked[outcome.sha256]

    def _rank(self, content: bytes) -> tuple[str, ...]:
        floats = self._bench.reference.content
        reports, *_ = operator_reports(floats, content, self._inputs(floats), options=self._options)
        return worst_first(reports)

    def _inputs(self, floats: bytes) -> tuple[Array, ...]:
        """Real values of some examples from all over the dataset, for each input of the float model."""
        step = max(1, self._dataset.examples // _EXAMPLES)
        chosen = np.arange(0, self._dataset.examples, step)[:_EXAMPLES]
        specs = open_interpreter(floats, self._options).inputs
        encoders = input_encoders(self._dataset, specs)
        return tuple(self._dataset.real_values(encoder.stored[chosen]) for encoder in encoders)


def worst_first(reports: Iterable[OperatorReport]) -> tuple[str, ...]:
    """Outputs of the float model's operators by the damage that their quantized counterparts do."""
    ranked: dict[str, tuple[float, float]] = {}
    for report in reports:
        if report.operator.split()[0] in _NO_ARITHMETIC or report.float_number < 0:
            continue
        error = report.isolated
        alone = 0.0 if error is None else math.inf if error.not_finite else -(error.sqnr_db or 0.0)
        damage = (float(report.flips_alone or 0), alone)
        ranked[report.float_output] = max(damage, ranked.get(report.float_output, damage))
    return tuple(sorted(ranked, key=lambda name: ranked[name], reverse=True))
