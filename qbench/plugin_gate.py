"""The gate as a test sees it: it measures, judges, and fails the test."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from qbench.benchmark_bridge import add_comparison, finished_stats
from qbench.errors import MeasurementError, QbenchError
from qbench.records import Artifact, Subject
from qbench.report.wording import failure_message
from qbench.verdicts import MeasuringTest, MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qbench.judge.tolerance import Tolerance
    from qbench.models.datasets import Dataset
    from qbench.runtime.interpreter import Interpreter
    from qbench.session import Session

#: One call of the gate in a test: what it is about, its kind, and how many such calls came before it.
_Call = tuple[Subject, str, int]

#: What the calls of a test said, and those that ended in an error. An item outlives the runs of its test.
_JUDGED: pytest.StashKey[dict[_Call, list[MetricVerdict]]] = pytest.StashKey()
_ERRORS: pytest.StashKey[dict[_Call, MetricVerdict]] = pytest.StashKey()

_STANDS = "This was judged when the test ran before; running it again changes no verdict."


class Gate:
    """Measures, and judges if the run was asked to; a verdict `fail` fails the test.

    A test that is run again, by pytest-rerunfailures or the like, has its verdicts already: they stand, or trying until
    it passes would be a way to pass. What ended in an error was not judged, and is measured again.

    Parameters
    ----------
    item, session
        The test, and the run as the library sees it.
    subject
        What the test is about, None for a test of a whole model.
    marked
        Tolerances of the test's `qbench` marker.
    """

    def __init__(self, item: pytest.Item, session: Session, subject: Subject | None, marked: Tolerance) -> None:
        self._config = item.config
        self._item = item
        self._session = session
        self._subject = subject
        self._marked = marked
        self._calls: Counter[tuple[Subject, str]] = Counter()
        self._judged = item.stash.setdefault(_JUDGED, {})
        self._errors = item.stash.setdefault(_ERRORS, {})

    def latency(self, benchmark: Any, *, interpreter: Interpreter | None = None) -> list[MetricVerdict]:
        """Keep the latency that `benchmark(interpreter.invoke)` has measured, and contest what has changed."""
        subject = self._subject_of(interpreter)

        def measure() -> list[MetricVerdict]:
            stats = finished_stats(benchmark, self._config)
            if stats is None:
                return []
            verdicts = self._session.measure_latency(
                subject, stats.stats, iterations=stats.iterations, marked=self._marked
            )
            add_comparison(benchmark, self._config, self._session, subject)
            return verdicts

        return self._measured("latency", subject, measure)

    def size(self, artifact: Artifact | Interpreter | None = None) -> list[MetricVerdict]:
        """Measure the bytes of the artifact, on disk and in memory."""
        subject = self._subject_of(artifact)
        return self._measured("size", subject, lambda: self._session.measure_size(subject, self._marked))

    def structure(self, artifact: Artifact | Interpreter | None = None) -> list[MetricVerdict]:
        """Look inside the artifact: float islands, QUANTIZE and DEQUANTIZE operators, share of integer compute."""
        subject = self._subject_of(artifact)
        return self._measured("structure", subject, lambda: self._session.measure_structure(subject, self._marked))

    def accuracy(
        self, interpreter: Artifact | Interpreter | None = None, dataset: Dataset | None = None
    ) -> list[MetricVerdict]:
        """Evaluate the artifact on the whole dataset."""
        subject = self._subject_of(interpreter)

        def measure() -> list[MetricVerdict]:
            self._session.warn_of_examples(subject, dataset)
            return self._session.measure_accuracy(subject, self._marked, dataset)

        return self._measured("accuracy", subject, measure, dataset)

    def _subject_of(self, given: Artifact | Interpreter | None) -> Subject:
        subject = (given.subject if given is not None else None) or self._subject
        if subject is None:
            raise failure(
                "this test runs once for a model, so the gate cannot know which recipe is meant: give it the "
                "interpreter, as in gate.accuracy(int8_interpreter), or ask for the fixture `interpreter`"
            )
        return subject

    def _measured(
        self, kind: str, subject: Subject, measure: Callable[[], list[MetricVerdict]], dataset: Dataset | None = None
    ) -> list[MetricVerdict]:
        """What `measure` says, or said when the test ran before; a verdict `fail` is raised."""
        call = (subject, kind, self._calls[subject, kind])
        self._calls[subject, kind] += 1
        if call in self._judged:
            return self._check(self._judged[call], kind, dataset, again=True)
        file, line, _ = self._item.location
        self._session.result(subject).tests[kind] = MeasuringTest(id=self._item.nodeid, file=file, line=(line or 0) + 1)
        self._withdraw_error(call)
        try:
            verdicts = measure()
        except QbenchError as error:
            self._errors[call] = self._session.note_error(subject, kind, error)
            raise failure(f"{subject.id}: {kind}: {' '.join(str(error).splitlines())}") from None
        except pytest.skip.Exception:
            raise  # By a function of the project; what is not measured then is missing.
        except BaseException as error:
            # A time limit of another plugin, or Ctrl-C: what was measured so far must not pass for judged.
            cut = MeasurementError(f"the measurement was cut short ({_first_line(error)})")
            self._errors[call] = self._session.note_error(subject, kind, cut)
            if isinstance(error, pytest.fail.Exception):
                raise failure(f"{subject.id}: {kind}: {cut}") from None  # Where in our code it was helps nobody.
            raise
        if verdicts:
            self._judged[call] = verdicts
        return self._check(verdicts, kind, dataset)

    def _withdraw_error(self, call: _Call) -> None:
        """Take back the error that this call ended in when the test ran before; that there was one stays said.

        The subject's problems stay too: what failed once in a run does not become a baseline.
        """
        if (error := self._errors.pop(call, None)) is None:
            return
        result = self._session.result(error.subject)
        result.verdicts.remove(error)
        said = f"{error.subject.id}: {error.metric}: measured again, after an error ({error.reason})"
        if said not in result.reruns:
            result.reruns.append(said)

    def _check(
        self, verdicts: list[MetricVerdict], kind: str, dataset: Dataset | None, *, again: bool = False
    ) -> list[MetricVerdict]:
        if failed := failing(verdicts, accepting=self._session.options.accept is not None):
            subject = failed[0].subject
            known = self._session.result(subject).causes.get(kind, "")
            why = [known, _STANDS] if again else [self._session.why(subject, kind, dataset)]
            raise failure("\n".join(part for part in (failure_message(failed), *why) if part))
        return verdicts


def failing(verdicts: Iterable[MetricVerdict], *, accepting: bool) -> list[MetricVerdict]:
    """The verdicts that fail a test; a change against the baseline does not where it is being accepted."""
    return [
        verdict
        for verdict in verdicts
        if verdict.verdict == Verdict.FAIL and not (accepting and verdict.against_accepted)
    ]


def failure(message: str) -> BaseException:
    """What fails a test with nothing but `message`; raise it `from None`, or pytest shows what led to it too."""
    return pytest.fail.Exception(message, pytrace=False)


def shorten_summary(report: pytest.TestReport, subject: Subject) -> None:
    """Have pytest's short summary, and the message in JUnit's XML, say the first sentence; the report has all of it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    prefix = f"Failed: {subject.id}: "
    if crash is not None and crash.message.startswith(prefix):
        crash.message = crash.message.removeprefix(prefix).partition("\n")[0]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "").rstrip(".") or type(error).__name__
