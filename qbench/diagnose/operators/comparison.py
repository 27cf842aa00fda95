"""One operator of a quantized artifact held against the float model, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.operators.flips_alone import Remainder, predictions, remainder
from qbench.diagnose.operators.isolated import run_alone
from qbench.diagnose.operators.records import OperatorReport, TensorError
from qbench.diagnose.operators.tensor_errors import TensorErrors
from qbench.diagnose.operators.values import kept, real_values
from qbench.errors import ArtifactError, UnspecifiedError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.operators.isolated import Unit
    from qbench.diagnose.operators.observe import Laboratory
    from qbench.tflite.cut import Cutter

    Array = npt.NDArray[Any]

#: What is wrong with one operator, and no reason to look at no other.
_NOT_COMPARED = (ArtifactError, WorkerError, UnspecifiedError, ValueError)


class Comparison:
    """What came together about one unit of the quantized artifact.

    Errors of the unit alone do not end the diagnosis: they become its note, and what it had so far is dropped.
    """

    def __init__(self, unit: Unit, matching: Matching) -> None:
        self.unit = unit
        self.notes = [unit.note] if unit.note else []
        self._matching = matching
        self._alone = self._errors() if unit.runs else None
        self._deployed = self._errors()
        self._remainder: Remainder | None = None
        self._flips: int | None = None
        self._batches_deployed = self._batches_alone = self._flips_examples = 0

    @property
    def float_tensors(self) -> set[int]:
        """Tensors of the float graph whose values it is fed or compared with."""
        pairs = (*self.unit.inputs, *self.unit.outputs)
        return {other for _, other in pairs}

    @property
    def tensors_beside(self) -> set[int]:
        """Tensors of the float graph that counting flips needs besides."""
        return set() if self._remainder is None else {*self._remainder.beside, self._remainder.output}

    @property
    def is_compared_alone(self) -> bool:
        """Whether it could be run alone so far."""
        return self._alone is not None

    @property
    def is_seen(self) -> bool:
        """Whether anything was compared at all."""
        return bool(self._batches_deployed or self._batches_alone)

    @property
    def damage_deployed(self) -> float:
        """What operators are looked at alone in the order of: the error as deployed, as `damage`."""
        return max((_damage(errors.result()) for errors in (self._deployed or {}).values()), default=0.0)

    @property
    def damage(self) -> float:
        """What operators are ranked by: the isolated error, as a share of the float values' norm."""
        return max((_damage(errors.result()) for errors in (self._alone or {}).values()), default=0.0)

    def compare_deployed(self, stored: Mapping[int, Array], floats: Mapping[int, Array]) -> None:
        """Add what the artifact stores in the unit's outputs, with the errors of all operators before it."""
        if self._deployed is None:
            return
        tensors = self._matching.quantized.graph.tensors
        try:
            for index, other in self.unit.outputs:
                self._deployed[index].add(real_values(kept(stored, index), tensors[index]), kept(floats, other))
            self._batches_deployed += 1
        except _NOT_COMPARED as error:
            self._deployed = None
            self.notes.append(f"not compared as deployed: {error}")

    def compare_alone(self, floats: Mapping[int, Array], laboratory: Laboratory) -> None:
        """Run the unit on the float model's values, and add what it gives."""
        if self._alone is None:
            return
        try:
            alone = run_alone(self.unit, self._matching, floats, laboratory)
            for index, other in self.unit.outputs:
                self._alone[index].add(alone[index], kept(floats, other))
            self._batches_alone += 1
        except _NOT_COMPARED as error:
            self._alone = None
            self.notes.append(f"not run alone: {error}")

    def cut_remainder(self, cutter: Cutter, output: int) -> None:
        """Cut off what lies behind the unit in the float model, up to one of its outputs."""
        try:
            replaced = [other for _, other in self.unit.outputs]
            self._remainder = remainder(self._matching.floats, cutter, replaced, output)
        except ValueError as error:
            self.notes.append(f"flips not counted: {error}")

    def count_flips(self, floats: Mapping[int, Array], examples: int, laboratory: Laboratory) -> None:
        """Run the unit on the float model's values and the float model from there, and count other predictions."""
        if self._remainder is None or self._alone is None:
            return
        try:
            before = predictions(kept(floats, self._remainder.output), examples)
            if before is None:
                self._remainder = None
                return
            alone = run_alone(self.unit, self._matching, floats, laboratory)
            replacements = {other: alone[index] for index, other in self.unit.outputs}
            after = predictions(self._remainder.run(floats, replacements, laboratory), examples)
        except _NOT_COMPARED as error:
            self._remainder = self._flips = None
            self.notes.append(f"flips not counted: {error}")
        else:
            self._flips = (self._flips or 0) + int(np.count_nonzero(before != after))
            self._flips_examples += examples

    def leave_alone(self) -> bool:
        """Drop the error alone if nothing came together; whether that is so because the time was over."""
        if self._alone is None or self._batches_alone:
            return False
        self._alone = None
        self.notes.append("not run alone: there was no more time for it")
        return True

    def leave_flips(self, examples: int) -> bool:
        """Drop flips that were not counted among all `examples`; whether that is so because the time was over."""
        if self._remainder is None or self._flips_examples >= examples:
            return False
        self._flips = None
        self.notes.append("flips not counted: there was no more time for it")
        return True

    def reports(self) -> Iterator[OperatorReport]:
        """A report for each output of the unit."""
        graph, floats = self._matching.quantized.graph, self._matching.floats.graph
        producers = {index: number for number, operator in enumerate(floats.operators) for index in operator.outputs}
        for index, other in self.unit.outputs:
            yield OperatorReport(
                number=self.unit.number,
                operator=self.unit.operator,
                output=graph.tensors[index].name,
                float_number=producers.get(other, -1),
                float_output=floats.tensors[other].name,
                isolated=None if self._alone is None else self._alone[index].result(),
                cumulative=None if self._deployed is None else self._deployed[index].result(),
                flips_alone=self._flips,
                note="; ".join(self.notes),
            )

    def _errors(self) -> dict[int, TensorErrors] | None:
        tensors = self._matching.quantized.graph.tensors
        try:
            return {index: TensorErrors(tensors[index], self._channels(other)) for index, other in self.unit.outputs}
        except UnspecifiedError as error:
            self.notes.append(f"not compared: {error}")
            return None

    def _channels(self, other: int) -> int:
        """Size of the last axis where the values were computed: RESHAPE and its like make no new channels."""
        floats = self._matching.floats
        shape = floats.graph.tensors[floats.signal(other)].shape
        return shape[-1] if shape else 1


def _damage(error: TensorError) -> float:
    """0 for none; values that are not finite are worse than any that are."""
    if error.not_finite > error.float_not_finite:
        return np.inf
    return 0.0 if error.sqnr_db is None else 10 ** (-error.sqnr_db / 20)
