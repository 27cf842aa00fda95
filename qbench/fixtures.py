"""Fixtures for tests of models: which model and recipe, its artifact, its interpreter, its dataset, the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from qbench.errors import ConfigError, QbenchError
from qbench.judge.tolerance import Tolerance
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.models.tables import convert_table
from qbench.plugin_gate import Gate, failure
from qbench.records import Artifact, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.models.datasets import Dataset
    from qbench.plugin_run import PytestRun
    from qbench.runtime.interpreter import TfliteInterpreter

_T = TypeVar("_T")

__all__ = ["MODEL_FIXTURE", "SUBJECT_FIXTURE", "Fixtures", "Gate", "model_of", "subject_of"]

#: Parametrized in place of `model` and `recipe`, so that a test has one readable id. Every fixture below depends
#: on one of them: a test depends on them if it uses ours, and not if it has a fixture of its own of that name.
SUBJECT_FIXTURE = "qbench_subject"
MODEL_FIXTURE = "qbench_model"

_INT8 = "int8"


class Fixtures:
    """The fixtures, as a plugin that is registered only where models are declared."""

    def __init__(self, run: PytestRun) -> None:
        self._run = run

    @pytest.fixture
    def qbench_subject(self, request: pytest.FixtureRequest) -> Subject:
        """The model and recipe that the test is run for."""
        subject: Subject = _parameter(request)
        return subject

    @pytest.fixture
    def qbench_model(self, request: pytest.FixtureRequest) -> str:
        """The model that the test is run for, whether or not it is run for each recipe."""
        subject = subject_of(request.node)
        return subject.model if subject else str(_parameter(request))

    @pytest.fixture
    def model(self, qbench_model: str) -> str:
        """Name of the model under test."""
        return qbench_model

    @pytest.fixture
    def recipe(self, qbench_subject: Subject) -> str:
        """Name of the recipe under test."""
        return qbench_subject.recipe

    @pytest.fixture
    def artifact(self, qbench_subject: Subject) -> Artifact:
        """The `.tflite` that the recipe made of the model: `path`, `sha256`, `size_bytes`."""
        return self._or_fail(lambda: self._run.session.prepared(qbench_subject).artifact, qbench_subject)

    @pytest.fixture
    def interpreter(self, qbench_subject: Subject) -> TfliteInterpreter:
        """The artifact loaded in the runtime, its inputs filled with the first example of the dataset."""
        return self._or_fail(lambda: self._run.session.open(qbench_subject), qbench_subject)

    @pytest.fixture
    def fp32_interpreter(self, qbench_model: str) -> TfliteInterpreter:
        """As `interpreter`, of the model's fp32 artifact."""
        subject = Subject(model=qbench_model, recipe=REFERENCE_RECIPE)
        return self._or_fail(lambda: self._run.session.open(subject), subject)

    @pytest.fixture
    def int8_interpreter(self, qbench_model: str) -> TfliteInterpreter:
        """As `interpreter`, of the model's int8 artifact."""
        subject = Subject(model=qbench_model, recipe=_INT8)
        return self._or_fail(lambda: self._run.session.open(subject), subject)

    @pytest.fixture
    def dataset(self, qbench_model: str) -> Dataset:
        """The dataset of the model under test; a model that declares none skips the test."""
        try:
            found = self._run.session.dataset(qbench_model)
        except QbenchError as error:
            raise failure(f"{qbench_model}: {error}") from None
        if found is None:
            pytest.skip(f"the model {qbench_model!r} declares no dataset")
        return found

    @pytest.fixture
    def gate(self, request: pytest.FixtureRequest, qbench_model: str) -> Gate:  # noqa: ARG002 - see MODEL_FIXTURE
        """Measures and judges: `gate.latency`, `gate.size`, `gate.structure`, `gate.accuracy`."""
        return Gate(request.node, self._run.session, subject_of(request.node), _marked(request.node))

    def _or_fail(self, make: Callable[[], _T], subject: Subject) -> _T:
        try:
            return make()
        except QbenchError as error:
            for kind in self._run.kinds_without_verdict(subject):
                self._run.session.note_error(subject, kind, error)
            raise failure(str(error)) from None


def subject_of(item: pytest.Item) -> Subject | None:
    """The model and recipe that a test is run for, None if it is not run for each."""
    found = item.callspec.params.get(SUBJECT_FIXTURE) if hasattr(item, "callspec") else None
    return found if isinstance(found, Subject) else None


def model_of(item: pytest.Item) -> str | None:
    """The model that a test is run for, None if it is not run for each."""
    found = item.callspec.params.get(MODEL_FIXTURE) if hasattr(item, "callspec") else None
    return found if isinstance(found, str) else None


def _parameter(request: pytest.FixtureRequest) -> Any:
    try:
        return request.param
    except AttributeError:
        raise failure(
            "fixtures of qbench cannot be asked for with request.getfixturevalue: the test is not run for each model "
            "then. Make them arguments of the test, or of a fixture that it uses"
        ) from None


def _marked(item: pytest.Item) -> Tolerance:
    """Tolerances of the nearest `qbench` marker."""
    marker = item.get_closest_marker("qbench")
    if marker is None:
        return Tolerance()
    name = f"the marker qbench of {item.nodeid}"
    if marker.args:
        raise failure(f"{name} takes keyword arguments only, such as qbench(latency=0.10)")
    try:
        return convert_table(marker.kwargs, Tolerance, name)
    except ConfigError as error:
        raise failure(str(error)) from None
