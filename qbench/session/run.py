"""One run: prepare artifacts, measure them, judge what was measured. Usable without pytest.

session = Session(load_config(Path("pyproject.toml")), SessionOptions(gate=True))
session.prepare(session.config.subjects)
for subject in session.config.subjects:
    session.measure_size(subject)
    session.measure_accuracy(subject)
report = session.finish()
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qbench.baseline.schema import encode_predictions
from qbench.errors import ArtifactError, BaselineError, DatasetError, MeasurementError, QbenchError, QbenchWarning
from qbench.judge.gate import not_judged
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.measure.footprint import counted_names, size_metrics, structure_metrics
from qbench.measure.inputs import fill_inputs, unscaled_bytes
from qbench.measure.latency import latency_percentiles, latency_sample
from qbench.progress import NoProgress, Progress
from qbench.runtime.fingerprint import fingerprint_id, take_fingerprint
from qbench.runtime.interpreter import TfliteInterpreter, open_interpreter
from qbench.session.artifacts import Artifacts
from qbench.session.calibrated import calibration_digest
from qbench.session.drift import Drifts
from qbench.session.inventory import Inventory, take_inventory
from qbench.session.latency import Latency, LatencyOptions
from qbench.session.own_metrics import check_metric_tolerances
from qbench.session.preparation import Datasets, Prepared
from qbench.session.quality import Quality
from qbench.session.references import References
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from qbench.baseline.sources import BaselineFiles
    from qbench.diagnose.case import Effort
    from qbench.diagnose.records import Diagnosis
    from qbench.judge.tolerance import Tolerance
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.records import LatencySample, Subject
    from qbench.session.blame import Blame
    from qbench.session.evaluation import Measured

    Array = npt.NDArray[Any]


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked to do.

    Attributes
    ----------
    gate
        Judge against the baseline; without it, values are only measured and shown.
    accept
        The reason with which results become the baseline; None to leave baselines alone.
    base_ref
        The commit to read baselines from; None for the working tree.
    latency
        What to do about latency.
    """

    gate: bool = False
    accept: str | None = None
    base_ref: str | None = None
    latency: LatencyOptions = LatencyOptions()


class Session:
    """One run over the declared subjects.

    Parameters
    ----------
    config
        What is declared.
    options
        What to do.
    progress
        Where long work tells how far it is.
    datasets
        Those of the models, if they are not to be loaded as declared.
    baselines
        Where accepted results are, if not in the folder that `config` names.
    """

    def __init__(
        self,
        config: Config,
        options: SessionOptions,
        progress: Progress | None = None,
        *,
        datasets: Datasets | None = None,
        baselines: BaselineFiles | None = None,
    ) -> None:
        self.config = config
        self.options = options
        self.progress = progress or NoProgress()
        self.datasets = datasets or Datasets(config)
        self.references = References(config, options.base_ref, baselines)
        #: None where baselines are given in memory: those have no history.
        self.drifts = Drifts(config, options.base_ref) if baselines is None else None
        self.fingerprint = take_fingerprint(config.options)
        self.results: dict[Subject, SubjectResult] = {}
        self._artifacts = Artifacts(config, self.datasets, self.progress)
        self._quality = Quality(config, self.references, self.datasets, self.prepared, self.progress)
        self._latency = Latency(config, self.references, self.datasets, self.prepared, options.latency, self.progress)

    @property
    def fingerprint_id(self) -> str:
        """Short name of this environment, under which latency is kept."""
        return fingerprint_id(self.fingerprint)

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """Build and check the artifacts of `subjects` and of the fp32 that they are compared with."""
        self._artifacts.prepare(subjects)

    def prepared(self, subject: Subject) -> Prepared:
        """The artifact of a subject, built now if it was not prepared before.

        Raises
        ------
        QbenchError
            If there is none that can be used; the error is noted as the subject's.
        """
        try:
            found = self._artifacts.prepared(subject)
        except QbenchError as error:
            self.result(subject).problems.append(str(error))
            raise
        self.result(subject).artifact = found.artifact
        return found

    def existing(self, subject: Subject) -> Prepared:
        """The artifact of a subject, for who looks back at the run: converts nothing, and notes nothing.

        Raises
        ------
        QbenchError
            If there is none that can be used without converting it.
        """
        return self._artifacts.existing(subject)

    def known(self, subject: Subject, sha256: str, dataset_digest: str) -> Measured | None:
        """What this process measured of an artifact of a subject, or of an accepted one; None if it did not."""
        return self._quality.known(subject, sha256, dataset_digest)

    def result(self, subject: Subject) -> SubjectResult:
        """What was measured of a subject so far."""
        return self.results.setdefault(subject, SubjectResult(subject=subject))

    def dataset(self, model: str) -> Dataset | None:
        """The dataset of a model, None if it declares none."""
        return self.datasets.of(model)

    def open(self, subject: Subject) -> TfliteInterpreter:
        """An interpreter of the subject's artifact that has run once on the first example of the dataset.

        A first invoke sets up what later ones reuse, and would make a benchmark believe that every
        invoke is as slow.

        Raises
        ------
        QbenchError
            If the artifact cannot be used, or the dataset does not fit it.
        """
        interpreter = open_interpreter(self.prepared(subject).content, self.config.options)
        interpreter.subject = subject
        dataset = self.dataset(subject.model)
        if dataset is not None:
            fill_inputs(interpreter, dataset)
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise MeasurementError(f"{subject.id} does not run on the first example ({error})") from error
        return interpreter

    def measure_size(self, subject: Subject, marked: Tolerance | None = None) -> list[MetricVerdict]:
        """Measure and judge the bytes of the subject's artifact."""
        prepared = self.prepared(subject)
        interpreter = open_interpreter(prepared.content, self.config.options)
        peak = prepared.preflight.peak_memory_bytes
        metrics = size_metrics(
            prepared.artifact, prepared.content, prepared.structure, interpreter, peak_memory_bytes=peak
        )
        return self._record(subject, "size", metrics, marked)

    def measure_structure(self, subject: Subject, marked: Tolerance | None = None) -> list[MetricVerdict]:
        """Measure and judge what is inside the subject's artifact."""
        prepared = self.prepared(subject)
        result = self.result(subject)
        result.operators = prepared.structure.operators
        result.weight_bytes_by_dtype = prepared.structure.weight_bytes
        undelegated = prepared.preflight.undelegated
        result.counted = counted_names(prepared.structure, undelegated)
        return self._record(subject, "structure", structure_metrics(prepared.structure, undelegated), marked)

    def measure_accuracy(
        self, subject: Subject, marked: Tolerance | None = None, dataset: Dataset | None = None
    ) -> list[MetricVerdict]:
        """Evaluate the subject's artifact on its dataset and judge it against fp32 and the baseline.

        Raises
        ------
        QbenchError
            If the artifact cannot be used, the dataset does not fit it, an output is NaN, or a tolerance names a metric
            that there is not.
        """
        check_metric_tolerances(self.config, subject, marked)
        measured = self._quality.measure(subject, dataset)
        result = self.result(subject)
        result.dataset_digest, result.examples = measured.dataset.digest, measured.dataset.examples
        result.calibration_digest = calibration_digest(self.config, self.datasets, subject)
        if measured.predictions is not None:
            result.predictions = encode_predictions(measured.predictions)
        verdicts = self._record(subject, "accuracy", measured.metrics, marked, judge=False)
        if self.options.gate or self.options.accept is not None:
            tolerance = self.config.tolerance_of(subject, marked)
            judged = self._quality.judge(subject, measured, tolerance, baseline=self.options.gate)
            judged += self._judge_drift(result, "accuracy", tolerance)
            result.verdicts += judged
            verdicts += judged
        return verdicts

    def warn_of_examples(self, subject: Subject, dataset: Dataset | None = None) -> None:
        """Warn of examples that are most likely given in another unit than the subject's artifact wants.

        Raises
        ------
        QbenchError
            If there are such and the user's filter makes warnings errors, or the artifact or its dataset cannot be
            used.
        """
        dataset = dataset or self.datasets.of(subject.model)
        if dataset is None or not (said := unscaled_bytes(dataset, self.prepared(subject).structure.inputs)):
            return
        try:
            warnings.warn(said, QbenchWarning, stacklevel=2)
        except QbenchWarning as warning:
            raise DatasetError(said) from warning

    def measure_latency(
        self, subject: Subject, stats: Any, *, iterations: int, marked: Tolerance | None = None
    ) -> list[MetricVerdict]:
        """Keep the statistics of a finished pytest-benchmark run, and judge by a contest what is not unchanged.

        Raises
        ------
        QbenchError
            If nothing was timed, or a side of a contest crashes, hangs or cannot be fed.
        """
        result = self.result(subject)
        sample = latency_sample(stats, iterations=iterations)
        result.latency = sample
        result.latency_percentiles_ns = latency_percentiles(stats)
        result.measured.add("latency")
        tolerance = self.config.tolerance_of(subject, marked)
        verdicts = [self._latency.judge(subject, sample, tolerance)] if self.options.gate else []
        judging = self.options.gate or self.options.accept is not None
        if judging and tolerance.min_speedup is not None:
            metrics, verdict = self._latency.speedup(subject, sample, tolerance)
            result.metrics |= metrics
            verdicts.append(verdict)
        made = [verdict for verdict in verdicts if verdict is not None]
        result.verdicts += made
        return made

    @cached_property
    def blame(self) -> Blame:
        """What explains this run's subjects."""
        from qbench.session.blame import Blame  # noqa: PLC0415 - takes time that a run in which nothing fails needs not

        def predictions(subject: Subject, dataset: Dataset) -> Array | None:
            return self._quality.measure(subject, dataset).predictions

        return Blame(self.config, self.references, self.datasets, self.prepared, predictions, self.progress)

    def diagnose(self, subject: Subject, effort: Effort | None = None) -> Diagnosis:
        """Explain the subject's artifact: which operator, and what is wrong with it.

        Raises
        ------
        QbenchError
            If there is no float model to hold it against, no dataset, or one of them cannot be used.
        """
        return self.blame.diagnose(subject, effort)

    def why(self, subject: Subject, kind: str, dataset: Dataset | None = None) -> str:
        """Why a gate of the subject failed, as a line; empty if nothing can be said. Never raises."""
        cause = self.blame.why(subject, kind, dataset)
        if cause:
            self.result(subject).causes[kind] = cause
        return cause

    def accepted_latency(self, subject: Subject) -> LatencySample | None:
        """The accepted latency of a subject on a machine like this one, None if there is none."""
        try:
            baseline = self.references.baseline(subject)
        except BaselineError:
            return None  # Said where the baseline is judged.
        accepted = baseline.latency.get(self.fingerprint_id) if baseline else None
        return accepted.sample if accepted else None

    def note_error(self, subject: Subject, kind: str, error: Exception) -> MetricVerdict:
        """Make an error the verdict of a kind of measurement; the run goes on."""
        advice = "see docs/usage.md, 'When an artifact cannot be used'" if isinstance(error, ArtifactError) else ""
        verdict = not_judged(subject, kind, Verdict.ERROR, str(error), advice=advice)
        result = self.result(subject)
        result.verdicts.append(verdict)
        if str(error) not in result.problems:
            result.problems.append(str(error))
        return verdict

    def merge(self, results: Mapping[Subject, SubjectResult]) -> None:
        """Add what another process of the same run measured."""
        for subject, other in results.items():
            self.result(subject).absorb(other)

    def finish(self, absent: Mapping[Subject, str] | None = None) -> Inventory:
        """Name everything that was declared or accepted and not judged.

        Parameters
        ----------
        absent
            Why a subject was not measured, where something is known: deselected, skipped.
        """
        inventory = take_inventory(self.config, self.results, self.references, absent or {}, gate=self.options.gate)
        accepting = self.options.accept is not None
        if self.drifts is None or not (self.options.gate or accepting):
            return inventory
        said = self.drifts.notes(self.results, accepting=accepting)
        return msgspec.structs.replace(inventory, notes=(*inventory.notes, *said))

    def _record(
        self, subject: Subject, kind: str, metrics: dict[str, float], marked: Tolerance | None, *, judge: bool = True
    ) -> list[MetricVerdict]:
        result = self.result(subject)
        result.measured.add(kind)
        result.metrics |= metrics
        if not judge or not self.options.gate:
            return []
        tolerance = self.config.tolerance_of(subject, marked)
        verdicts = self.references.judge(subject, METRICS_BY_KIND[kind], result, tolerance, kind=kind)
        verdicts += self._judge_drift(result, kind, tolerance)
        result.verdicts += verdicts
        return verdicts

    def _judge_drift(self, result: SubjectResult, kind: str, tolerance: Tolerance) -> list[MetricVerdict]:
        if self.drifts is None or not self.options.gate:
            return []
        return self.drifts.judge(result, kind, tolerance)
