"""The report on each operator of a quantized artifact: its error alone, as deployed, and the flips it causes alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from qbench.diagnose.matching.match import match_graphs
from qbench.diagnose.operators.comparison import Comparison
from qbench.diagnose.operators.isolated import units
from qbench.diagnose.operators.observe import Feed, Laboratory, batches
from qbench.errors import DatasetError
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.cut import Cutter
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.records import OperatorReport
    from qbench.progress import Report
    from qbench.records import RuntimeOptions

    Array = npt.NDArray[Any]

#: Seconds that one batch may take in the worker.
_LIMIT_S = 120.0


def operator_reports(
    float_content: bytes,
    content: bytes,
    inputs: Sequence[Array],
    *,
    options: RuntimeOptions,
    progress: Report | None = None,
    most_flips_alone: int = 40,
    output: int = 0,
    limit_s: float = _LIMIT_S,
) -> tuple[tuple[OperatorReport, ...], tuple[str, ...]]:
    """Hold each operator of a quantized artifact against the float model's.

    Parameters
    ----------
    float_content, content
        The float model, and the artifact that was made of it.
    inputs
        Real values, of shape (examples, ...), for each input of the float model in its order; integers for an input
        that is not of real values.
    options
        How the artifact is deployed; the float model is run so too.
    progress
        Told of each operator of each batch.
    most_flips_alone
        For how many operators flips are counted: those with the largest isolated error.
    output
        Index of the float model's output that predictions are read from.
    limit_s
        Seconds that one batch may take in the worker process.

    Returns
    -------
    reports, unmatched
        A report for each input and operator whose results are real values with a counterpart, in the artifact's
        order, and one for each output of an operator that has several; and what has no counterpart, with why.

    Raises
    ------
    InvalidArtifactError
        If one of the two is no `.tflite`, or the runtime refuses it.
    DatasetError
        If the inputs do not fit, or hold NaN where they are quantized.
    MeasurementError
        If the values inside cannot be observed.
    WorkerError
        If an artifact ends or hangs the worker.
    """
    with RuntimeProcess(limit_s=limit_s) as process:
        study = _Study(float_content, content, inputs, Laboratory(process, options))
        report = progress or _silent
        study.compare(report)
        study.count_flips(report, most=most_flips_alone, output=output)
        reports = [one for comparison in study.comparisons for one in comparison.reports()]
        return tuple(reports), study.matching.unmatched


class _Batch(NamedTuple):
    """Examples from `start` to `stop`, with values of the float graph's tensors."""

    start: int
    stop: int
    floats: dict[int, Array]


class _Study:
    """Both artifacts, the examples that they are run on, and what comes together about each operator."""

    def __init__(self, float_content: bytes, content: bytes, inputs: Sequence[Array], laboratory: Laboratory) -> None:
        float_model, model = read_model(float_content), read_model(content)
        self.matching = match_graphs(model.subgraphs[0], float_model.subgraphs[0])
        cutter = Cutter(content, model)
        self.comparisons = [Comparison(unit, self.matching) for unit in units(self.matching, cutter)]
        self._float_cutter = Cutter(float_content, float_model)
        self._laboratory = laboratory
        ordered = _in_order(self.matching, inputs)
        self._floats = Feed(float_content, float_model.subgraphs[0], inputs, name="the float model")
        self._feed = Feed(content, model.subgraphs[0], ordered, name="the quantized artifact")
        self._examples = len(inputs[0])

    def compare(self, progress: Report) -> None:
        """Add up the errors of all operators, alone and as deployed."""
        wanted = [index for one in self.comparisons for index, _ in one.unit.outputs]
        for batch in self._batches(self.comparisons):
            stored = self._feed.stored(batch.start, batch.stop)
            deployed = self._laboratory.observe(self._feed.content, stored, wanted, name=self._feed.name)
            for number, one in enumerate(self.comparisons):
                self._tell(progress, batch.start, number, one)
                one.compare_deployed(deployed.tensors, batch.floats)
                one.compare_alone(batch.floats, self._laboratory)

    def count_flips(self, progress: Report, *, most: int, output: int) -> None:
        """Count the flips that the operators with the largest errors cause alone."""
        able = [one for one in self.comparisons if one.is_compared_alone]
        worst = sorted(able, key=lambda one: one.damage, reverse=True)[:most]
        chosen = [one for one in able if one in worst]
        for one in chosen:
            one.cut_remainder(self._float_cutter, self._floats.graph.outputs[output])
        for batch in self._batches(chosen):
            for number, one in enumerate(chosen):
                self._tell(progress, self._examples + batch.start, number, one)
                one.count_flips(batch.floats, batch.stop - batch.start, self._laboratory)

    @cached_property
    def _stretches(self) -> tuple[tuple[int, int], ...]:
        return tuple(batches(self._laboratory, (self._floats, self._feed), self._examples))

    def _batches(self, comparisons: Iterable[Comparison]) -> Iterator[_Batch]:
        wanted = sorted({index for one in comparisons for index in one.float_tensors | one.tensors_beside})
        for start, stop in self._stretches:
            stored = self._floats.stored(start, stop)
            seen = self._laboratory.observe(self._floats.content, stored, wanted, name=self._floats.name)
            yield _Batch(start, stop, seen.tensors)

    def _tell(self, progress: Report, examples: int, number: int, one: Comparison) -> None:
        """Tell how far it is: each example is as much work for each operator, twice."""
        each = len(self.comparisons)
        progress(examples * each + number, 2 * self._examples * each, one.unit.operator)


def _in_order(matching: Matching, inputs: Sequence[Array]) -> list[Array]:
    """The examples in the order of the quantized graph's inputs.

    Raises
    ------
    DatasetError
        If the graphs do not have the same inputs.
    """
    floats, quantized = matching.floats.graph, matching.quantized.graph
    places = {matching.signals.get(matching.quantized.signal(index)): index for index in quantized.inputs}
    if len(inputs) != len(floats.inputs) or set(places) != {matching.floats.signal(index) for index in floats.inputs}:
        raise DatasetError(
            f"found examples for {len(inputs)} inputs, a float model with {len(floats.inputs)} and an artifact with "
            f"{len(quantized.inputs)}; expected the same number, and inputs of the same shapes"
        )
    if not inputs or not all(len(array) for array in inputs):
        raise DatasetError("found no examples, expected at least one for each input: a mean over none is no number")
    given = {matching.floats.signal(index): array for index, array in zip(floats.inputs, inputs, strict=True)}
    of_signal = {index: given[signal] for signal, index in places.items() if signal is not None}
    return [of_signal[index] for index in quantized.inputs]


def _silent(done: int, total: int, doing: str = "") -> None:
    """Tell nobody."""
