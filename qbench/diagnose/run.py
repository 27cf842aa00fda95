"""Gathers the evidence about one artifact, step by step, and has causes found in it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.diagnose.case import Effort
from qbench.diagnose.causes.find import find_causes
from qbench.diagnose.causes.kernel_causes import fallen_operators
from qbench.diagnose.causes.operator_evidence import short_name
from qbench.diagnose.evidence.calibration import (
    LEAST_EXAMPLES,
    calibration_report,
    has_ranges,
    infinite_values,
    input_reports,
    range_stability,
)
from qbench.diagnose.evidence.examples import chosen_examples, real_inputs
from qbench.diagnose.evidence.extremes import tensor_extremes
from qbench.diagnose.evidence.families import family_results
from qbench.diagnose.evidence.options import options_reports, other_outputs, weighted_operators
from qbench.diagnose.evidence.times import operator_times
from qbench.diagnose.evidence.weights import weight_reports
from qbench.diagnose.matching.match import match_graphs
from qbench.diagnose.operators.reports import Limits, operator_reports
from qbench.diagnose.records import Diagnosis
from qbench.errors import DatasetError, OutOfTimeError, QbenchError
from qbench.models.operators import computations
from qbench.progress import NoProgress, Progress
from qbench.runtime.interpreter import open_interpreter
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from qbench.diagnose.case import Case
    from qbench.diagnose.matching.match import Matching
    from qbench.progress import Report

    Array = npt.NDArray[Any]

#: Calibration examples that ranges are watched on: halves of them tell what one set more would change.
_CALIBRATION_EXAMPLES = 128
_RETRAINED = (
    "what quantizing did to the weights: the recipe trains, and they are held against those of the model before that"
)
#: Seconds that matching the graphs, and looking at the calibration set, may take whatever the limit is: they cost no
#: run of the artifact, and what they find is judged where nothing else is.
_OWN_S = 3.0


def diagnose(case: Case, effort: Effort | None = None, progress: Progress | None = None) -> Diagnosis:
    """Explain why an artifact answers differently from its float model.

    What cannot be looked at is said in the diagnosis' notes; the rest is looked at all the same.

    Raises
    ------
    InvalidArtifactError
        If one of the two artifacts is no `.tflite`, or the runtime refuses it.
    DatasetError
        If the dataset does not fit them.
    """
    study = _Study(case, effort or Effort(), progress or NoProgress())
    study.look()
    found = study.diagnosis
    return msgspec.structs.replace(found, findings=find_causes(found, study.model.subgraphs[0]))


class _Study:
    """A diagnosis as it comes together."""

    def __init__(self, case: Case, effort: Effort, progress: Progress) -> None:
        self._case, self._effort, self._progress = case, effort, progress
        self._end = time.monotonic() + effort.limit_s if effort.limit_s is not None else None
        self.model, self._float_model = read_model(case.content), read_model(case.float_content)
        self._specs = open_interpreter(case.content, case.options).inputs
        self._float_specs = open_interpreter(case.float_content, case.options).inputs
        self._notes = [_RETRAINED] if case.retrained else []
        self.diagnosis = Diagnosis(
            subject=case.subject,
            examples=0,
            flips=0,
            retrained=case.retrained,
            calibrated=case.calibrated,
            changes=case.changes,
        )

    def look(self) -> None:
        """Take all steps."""
        chosen = chosen_examples(
            self._case.dataset,
            self._effort.examples,
            contents=(self._case.float_content, self._case.content),
            outputs=(self._case.float_output, self._case.output),
            predictions=self._case.predictions,
            options=self._case.options,
            search=self._effort.limit_s is None,
        )
        inputs = real_inputs(self._case.dataset, self._float_specs, chosen.indices)
        self._add(
            examples=len(chosen.indices),
            flips=chosen.flips,
            evaluated=chosen.evaluated,
            evaluated_flips=chosen.evaluated_flips,
            classes=chosen.classes,
            inputs=input_reports(self._case.dataset, self._specs),
        )
        self._notes += infinite_values(self._case.dataset)
        self._look_at_delegation()
        self._look_at_calibration()
        self._look_inside(inputs)
        self._look_at_ranges()
        if self._effort.kernels:
            self._look_at_kernels()
        self._add(notes=tuple(self._notes))

    def _look_at_delegation(self) -> None:
        graph, outside = self.model.subgraphs[0], self._case.undelegated or ()
        names = [f"{each.operator} {each.label} {short_name(each.output)!r}" for each in computations(graph)]
        self._add(
            undelegated=tuple(names[number] for number in outside),
            fallen=tuple(names[number] for number in fallen_operators(graph, outside)),
        )

    def _look_inside(self, inputs: tuple[Array, ...]) -> None:
        matching = None
        with self._step("operators and weights", f"matching {self._case.subject.id}", own_s=_OWN_S) as report:
            graphs = self.model.subgraphs[0], self._float_model.subgraphs[0]
            matching = match_graphs(*graphs, check=lambda: report(0, 0))
        if matching is not None:
            self._look_at_weights(matching)
            self._look_at_operators(inputs, matching)

    def _look_at_weights(self, matching: Matching) -> None:
        weights, skipped = weight_reports(self._float_model, self.model, matching.constants)
        self._notes += skipped
        weighted, lost = weighted_operators(matching)
        self._add(
            weights=weights,
            options=options_reports(matching),
            weighted=weighted,
            unmatched_weighted=lost,
            other_outputs=other_outputs(matching),
        )

    def _look_at_operators(self, inputs: tuple[Array, ...], matching: Matching) -> None:
        task = self._progress.task(f"explaining {self._case.subject.id}")
        with task as report, self._noting("operators"):
            found = operator_reports(
                self._case.float_content,
                self._case.content,
                inputs,
                options=self._case.options,
                progress=report,
                output=self._case.float_output,
                matching=matching,
                limits=Limits(flips_alone=self._effort.flips_alone if self.diagnosis.classes else 0, end=self._end),
            )
            self._leave(*found.out_of_time)
            output = self.model.subgraphs[0].outputs[self._case.output]
            name = self.model.subgraphs[0].tensors[output].name
            self._add(
                operators=found.reports,
                unmatched=found.unmatched,
                output_error=next((each.cumulative for each in found.reports if each.output == name), None),
            )
            if 0 < found.examples < self.diagnosis.examples:
                # Those that flip are the first of them.
                self._add(examples=found.examples, flips=min(self.diagnosis.flips, found.examples))

    def _look_at_calibration(self) -> None:
        """The calibration set as it is; of an artifact that has no ranges nobody needs to know."""
        if not has_ranges(self.model.subgraphs[0]):
            return
        with self._step("the calibration set", "looking at the calibration", own_s=_OWN_S) as report:
            found = calibration_report(
                self._case.dataset, near_copies=self._effort.calibration, check=lambda: report(0, 0)
            )
            self._add(calibration=found)

    def _look_at_ranges(self) -> None:
        """The float model's ranges on the calibration examples."""
        dataset, found = self._case.dataset, self.diagnosis.calibration
        if found is None or not self._effort.calibration:
            return
        with self._step("the calibration's ranges", "watching the calibration") as report:
            report(0, 0)
            if found.examples < LEAST_EXAMPLES:
                raise DatasetError(
                    f"found {found.examples} calibration example, expected some hundred: there are no two halves of it "
                    "to hold against each other"
                )
            first = np.arange(min(_CALIBRATION_EXAMPLES, found.examples))
            inputs = real_inputs(dataset, self._float_specs, first, calibration=True)
            extremes = tensor_extremes(self._case.float_content, inputs, self._case.options)
            self._add(calibration=msgspec.structs.replace(found, ranges=range_stability(extremes)))

    def _look_at_kernels(self) -> None:
        case = self._case
        with self._noting("other kernels"):
            families = family_results(
                case.content, case.dataset, case.options, output=case.output, progress=self._progress
            )
            self._notes += families.notes
            self._add(families=families.results)
        with self._step("times of operators", "timing operators") as report:
            report(0, 0)
            timed = operator_times(case.float_content, case.content, case.dataset, case.options)
            self._notes += timed.notes
            self._add(times=timed.times, float_times=timed.float_times)

    @contextmanager
    def _step(self, what: str, doing: str, *, own_s: float = 0.0) -> Iterator[Report]:
        """One step: with progress, up to the limit or for `own_s` seconds, and with a note of what went wrong."""
        end = None if self._end is None else max(self._end, time.monotonic() + own_s)
        with self._progress.task(doing) as report, self._noting(what):
            yield _until(end, report)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except OutOfTimeError:
            self._leave(what)
        except QbenchError as error:
            self._notes.append(f"{what}: {error}")

    def _leave(self, *what: str) -> None:
        """Say that there was no time for it."""
        self._notes += [f"{each}: there was no more time for it" for each in what]
        self._add(out_of_time=(*self.diagnosis.out_of_time, *what))

    def _add(self, **fields: Any) -> None:
        self.diagnosis = msgspec.structs.replace(self.diagnosis, **fields)


def _until(end: float | None, report: Report) -> Report:
    """`report`, which ends the work that tells it how far it is once the time is over."""
    if end is None:
        return report

    def telling(done: int, total: int, doing: str = "") -> None:
        if time.monotonic() > end:
            raise OutOfTimeError("there was no more time for it")
        report(done, total, doing)

    return telling
