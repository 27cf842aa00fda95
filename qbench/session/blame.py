"""From a declared model and recipe to what explains them: in full for a command, in one line for a failing test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.diagnose.case import Case, Effort
from qbench.diagnose.causes.find import of_accuracy
from qbench.diagnose.evidence.changes import artifact_changes
from qbench.diagnose.evidence.slowdown import slower_operators
from qbench.diagnose.evidence.times import operator_times
from qbench.diagnose.run import diagnose
from qbench.errors import ConfigError, DatasetError, MeasurementError, QbenchError
from qbench.measure.accuracy import choose_output
from qbench.models.operators import computations
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.records import Subject
from qbench.report.explanation import ALARMING, headline
from qbench.runtime.interpreter import open_interpreter
from qbench.session.calibrated import calibration_digest, is_calibrated
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from qbench.diagnose.evidence.times import OperatorTimes
    from qbench.diagnose.records import Diagnosis
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.session.preparation import Datasets, Prepared
    from qbench.session.references import References

    Array = npt.NDArray[Any]

#: What a failing test may cost: enough to name an operator, and no more than its reader waits for anyway.
_TIMING_S = 1.0
QUICK = Effort(examples=64, flips_alone=12, kernels=False, calibration=False, limit_s=10.0)


class Blame:
    """Explains the subjects of a run.

    Parameters
    ----------
    prepared
        Gives the artifact of a subject; raises `QbenchError` if there is none.
    predictions
        Gives those of a subject on all examples of a dataset, None if there are none: they say which flip.

    Attributes
    ----------
    made
        Diagnoses that failing gates led to.
    """

    def __init__(
        self,
        config: Config,
        references: References,
        datasets: Datasets,
        prepared: Callable[[Subject], Prepared],
        predictions: Callable[[Subject, Dataset], Array | None],
        progress: Progress,
    ) -> None:
        self._config = config
        self._references = references
        self._datasets = datasets
        self._prepared = prepared
        self._predictions_of = predictions
        self._progress = progress
        self.made: dict[Subject, Diagnosis] = {}

    def diagnose(self, subject: Subject, effort: Effort | None = None, dataset: Dataset | None = None) -> Diagnosis:
        """Hold the subject's artifact against its float model, and against what was accepted of it.

        Raises
        ------
        ConfigError
            If the subject is the float model itself, or there is none.
        DatasetError
            If the model declares no dataset, or it does not fit.
        QbenchError
            If an artifact cannot be used.
        """
        return diagnose(self._case(subject, dataset), effort, self._progress)

    def why(self, subject: Subject, kind: str, dataset: Dataset | None = None) -> str:
        """Why a gate failed, as a line with the command that says more; empty if that is switched off.

        Parameters
        ----------
        kind
            ``accuracy``, ``structure``, ``latency`` or ``size``.

        Notes
        -----
        The verdict stands whatever becomes of this: an error here is what the line says, and is never raised.
        """
        cause = self.cause(subject, kind, dataset)
        return f"Why: {cause} More: qbench explain {subject.model} {subject.recipe}" if cause else ""

    def cause(self, subject: Subject, kind: str, dataset: Dataset | None = None) -> str:
        """Why a gate failed, as sentences; empty if that is switched off, or nothing can be said. Never raises."""
        if not self._config.explain:
            return ""
        try:
            return self._cause(subject, kind, dataset)
        except Exception as error:  # noqa: BLE001 - a verdict must not depend on whether it can be explained
            return f"not found out ({type(error).__name__}: {error})."

    def _cause(self, subject: Subject, kind: str, dataset: Dataset | None) -> str:
        """The worst cause of a failure of accuracy; of any other the fact, which is what differs from the accepted."""
        if kind == "accuracy" and subject.recipe != REFERENCE_RECIPE and self._has_reference(subject.model):
            self.made[subject] = self.diagnose(subject, QUICK, dataset)
            found = of_accuracy(self.made[subject])
            if not found.changes or any(finding.severity >= ALARMING for finding in found.findings):
                return headline(found)
        changes = self.changes(subject)
        slower = self._slower(subject) if kind == "latency" else ""
        facts = [*([slower] if slower else []), *changes]
        return f"since it was accepted: {'; '.join(facts)}." if facts else ""

    def _slower(self, subject: Subject) -> str:
        """Operators that take longer than in the accepted artifact, as a clause; empty where that cannot be told."""
        accepted, dataset = self._references.artifact(subject), self._datasets.of(subject.model)
        if accepted is None or dataset is None:
            return ""
        content = self._prepared(subject).content
        before, now = (computations(read_model(each).subgraphs[0]) for each in (accepted, content))
        if [each.operator for each in before] != [each.operator for each in now]:
            return ""
        with self._progress.task(f"timing operators of {subject.id}"):
            timed = operator_times(accepted, content, dataset, self._config.options, limit_s=_TIMING_S)
        return slower_operators(timed.float_times, timed.times, [each.name for each in now])

    def times(self, subject: Subject, dataset: Dataset | None = None, *, limit_s: float) -> OperatorTimes:
        """What each operator takes, of the artifact and of its float model; of the float model itself once.

        Parameters
        ----------
        limit_s
            Seconds of profiling for each side.

        Raises
        ------
        DatasetError
            If the model declares no dataset, or it does not fit.
        QbenchError
            If an artifact cannot be used.
        """
        given = dataset or self._datasets.of(subject.model)
        if given is None:
            raise DatasetError(f"the model {subject.model!r} declares no dataset, and nothing can be timed without")
        floats = Subject(model=subject.model, recipe=REFERENCE_RECIPE)
        own, options = self._prepared(subject).content, self._config.options
        if subject == floats or not self._has_reference(subject.model):
            return operator_times(None, own, given, options, limit_s=limit_s)
        return operator_times(self._prepared(floats).content, own, given, options, limit_s=limit_s)

    def _has_reference(self, model: str) -> bool:
        given = self._config.models[model].source.given_recipes
        return not given or REFERENCE_RECIPE in given

    def changes(self, subject: Subject) -> tuple[str, ...]:
        """What differs from the accepted artifact and from its calibration; empty if nothing does or nothing was."""
        baseline, accepted = self._references.baseline(subject), self._references.artifact(subject)
        prepared = self._prepared(subject)
        if baseline is None or accepted is None or baseline.artifact.sha256 == prepared.artifact.sha256:
            return ()
        if self._has_reference(subject.model) and subject.recipe != REFERENCE_RECIPE:
            floats = self._prepared(Subject(model=subject.model, recipe=REFERENCE_RECIPE))
            if baseline.artifact.sha256 == floats.artifact.sha256:
                return ()  # The float model itself was accepted: that it was quantized since is no change of a recipe.
        changes = list(artifact_changes(read_model(accepted), read_model(prepared.content)))
        calibration = calibration_digest(self._config, self._datasets, subject)
        if baseline.provenance.calibration and calibration != baseline.provenance.calibration:
            was = baseline.provenance.calibration[:12]
            changes.insert(0, f"another calibration set ({calibration[:12] or 'none'}, was {was})")
        return tuple(changes)

    def _case(self, subject: Subject, dataset: Dataset | None) -> Case:
        floats = Subject(model=subject.model, recipe=REFERENCE_RECIPE)
        if subject == floats:
            raise ConfigError(subject.id, found="the float model", expected="a recipe, to compare with it")
        if not self._has_reference(subject.model):
            key = f"tool.qbench.models.{subject.model}.source"
            raise ConfigError(key, found="no fp32 artifact", expected="one, to hold the others against")
        given = dataset or self._datasets.of(subject.model)
        if given is None:
            raise DatasetError(f"the model {subject.model!r} declares no dataset, and nothing can be explained without")
        reference, prepared = self._prepared(floats), self._prepared(subject)
        return Case(
            subject=subject,
            float_content=reference.content,
            content=prepared.content,
            dataset=given,
            options=self._config.options,
            float_output=self._output(reference.content, subject.model),
            output=self._output(prepared.content, subject.model),
            retrained=self._config.recipes[subject.recipe].training is not None,
            calibrated=is_calibrated(self._config, subject),
            predictions=self._predictions(floats, subject, given),
            undelegated=prepared.preflight.undelegated,
            changes=self.changes(subject),
        )

    def _output(self, content: bytes, model: str) -> int:
        try:
            return choose_output(
                open_interpreter(content, self._config.options).outputs, self._config.models[model].output
            )
        except MeasurementError:
            return 0  # Several outputs, and metrics that read them all: predictions are of none.

    def _predictions(self, floats: Subject, subject: Subject, dataset: Dataset) -> tuple[Array, Array] | None:
        """Predictions of both on all examples; None if there are none, or an output is no number."""
        try:
            theirs, ours = (self._predictions_of(each, dataset) for each in (floats, subject))
        except QbenchError:
            return None
        return None if theirs is None or ours is None else (theirs, ours)
