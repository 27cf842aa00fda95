"""The report on each operator of a quantized artifact: its error alone, as deployed, and the flips it causes alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from qbench.diagnose.matching.match import match_graphs
from qbench.diagnose.operators.comparison import Comparison
from qbench.diagnose.operators.isolated import units
from qbench.diagnose.operators.observe import Feed, Laboratory, batches
from qbench.errors import DatasetError, OutOfTimeError
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.cut import Cutter
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.operators.records import OperatorReport
    from qbench.progress import Report
    from qbench.records import RuntimeOptions

    Array = npt.NDArray[Any]

#: Seconds that one batch may take in the worker.
_LIMIT_S = 120.0


class Limits(NamedTuple):
    """How far to go.

    Attributes
    ----------
    flips_alone
        For how many operators flips are counted: those with the largest isolated error.
    end
        When to stop, as `time.monotonic` tells it, with what came together until then: operators are run alone in the
        order of their errors as deployed. None for no end.
    """

    flips_alone: int = 40
    end: float | None = None


def operator_reports(
    float_content: bytes,
    content: bytes,
    inputs: Sequence[Array],
    *,
    options: RuntimeOptions,
    progress: Report | None = None,
    output: int = 0,
    matching: Matching | None = None,
    limits: Limits | None = None,
) -> OperatorReports:
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
    output
        Index of the float model's output that predictions are read from.
    matching
        Of both graphs, if they are matched already.
    limits
        How far to go.

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
    limits = limits or Limits()
    with RuntimeProcess(limit_s=_LIMIT_S) as process:
        study = _Study(float_content, content, inputs, Laboratory(process, options, limits.end), matching)
        study.limits = limits
        report = progress or _silent
        try:
            study.look()
            study.compare(report)
            study.count_flips(report, output)
        except OutOfTimeError:
            return study.result(study.leave())
        return study.result(())


class OperatorReports(NamedTuple):
    """What was found out about all operators.

    Attributes
    ----------
    reports
        One for each input and operator whose results are real values with a counterpart, in the artifact's order; one
        for each output of an operator that has several.
    unmatched
        Operators that have no counterpart, each with why.
    examples
        How many each error comes from at least; the first ones.
    out_of_time
        What was not looked at because the time was over, each as a noun.
    """

    reports: tuple[OperatorReport, ...]
    unmatched: tuple[str, ...]
    examples: int
    out_of_time: tuple[str, ...] = ()


class _Batch(NamedTuple):
    """Examples from `start` to `stop`, with values of the float graph's tensors."""

    start: int
    stop: int
    floats: dict[int, Array]


class _Study:
    """Both artifacts, the examples that they are run on, and what comes together about each operator."""

    def __init__(
        self,
        float_content: bytes,
        content: bytes,
        inputs: Sequence[Array],
        laboratory: Laboratory,
        matching: Matching | None,
    ) -> None:
        float_model, model = read_model(float_content), read_model(content)
        self.matching = matching or match_graphs(model.subgraphs[0], float_model.subgraphs[0])
        self.comparisons: list[Comparison] = []
        self._cutter = Cutter(content, model)
        self._float_cutter = Cutter(float_content, float_model)
        self._laboratory = laboratory
        ordered = _in_order(self.matching, inputs)
        self._floats = Feed(float_content, float_model.subgraphs[0], inputs, name="the float model")
        self._feed = Feed(content, model.subgraphs[0], ordered, name="the quantized artifact")
        self._examples = len(inputs[0])
        self._compared = 0
        self._is_compared = False
        self._counted: list[Comparison] = []
        self.limits = Limits()

    def look(self) -> None:
        """Cut out all operators."""
        for unit in units(self.matching, self._cutter):
            self._laboratory.check()
            self.comparisons.append(Comparison(unit, self.matching))

    def compare(self, progress: Report) -> None:
        """Add up the errors of all operators, alone and as deployed."""
        wanted = [index for one in self.comparisons for index, _ in one.unit.outputs]
        for batch in self._batches(self.comparisons):
            stored = self._feed.stored(batch.start, batch.stop)
            deployed = self._laboratory.observe(self._feed.content, stored, wanted, name=self._feed.name)
            for one in self.comparisons:
                one.compare_deployed(deployed.tensors, batch.floats)
            self._compared = self._compared or batch.stop
            # The worst first: there may be no time for all.
            for number, one in enumerate(sorted(self.comparisons, key=lambda one: -one.damage_deployed)):
                self._tell(progress, batch.start, number, one)
                one.compare_alone(batch.floats, self._laboratory)
            self._compared = batch.stop
            if self.limits.flips_alone and self._laboratory.is_half_over:
                break  # Fewer examples leave time for what operators flip.
        self._examples = self._compared
        self._is_compared = True

    def count_flips(self, progress: Report, output: int) -> None:
        """Count the flips that the operators with the largest errors cause alone.

        Where there may be no time for all, one operator after the other has all examples; else all operators have one
        batch after the other, for which the float model is run once.
        """
        able = [one for one in self.comparisons if one.is_compared_alone]
        chosen = self._counted = sorted(able, key=lambda one: one.damage, reverse=True)[: self.limits.flips_alone]
        for one in chosen:
            self._laboratory.check()
            one.cut_remainder(self._float_cutter, self._floats.graph.outputs[output])
        for group in [chosen] if self.limits.end is None else [[one] for one in chosen]:
            for batch in self._batches(group):
                for number, one in enumerate(group):
                    done = batch.start if self.limits.end is None else 0
                    self._tell(progress, self._examples + done, number, one)
                    one.count_flips(batch.floats, batch.stop - batch.start, self._laboratory)

    def leave(self) -> tuple[str, ...]:
        """Drop what there was no time to finish; what it is."""
        seen = [one for one in self.comparisons if one.is_seen]
        if not seen:
            self.comparisons = []
            return ("operators",)
        left = sum(one.leave_alone() for one in seen)
        alone = (f"{left} of {len(seen)} operators alone",) if left else ()
        if not self._is_compared:
            return (*alone, "what operators flip") if self.limits.flips_alone else alone
        flips = sum(one.leave_flips(self._examples) for one in self._counted)
        return (f"what {flips} of {len(self._counted)} operators flip",)

    def result(self, out_of_time: tuple[str, ...]) -> OperatorReports:
        """What came together."""
        reports = tuple(one for comparison in self.comparisons for one in comparison.reports())
        return OperatorReports(reports, self.matching.unmatched, self._compared, out_of_time)

    @cached_property
    def _stretches(self) -> tuple[tuple[int, int], ...]:
        return tuple(batches(self._laboratory, (self._floats, self._feed), self._examples))

    def _batches(self, comparisons: Iterable[Comparison]) -> Iterator[_Batch]:
        wanted = sorted({index for one in comparisons for index in one.float_tensors | one.tensors_beside})
        for start, stop in self._stretches:
            if stop > self._examples:
                return
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
