from __future__ import annotations

import platform

import models_zoo as zoo
import numpy as np
import pytest
from accepted import accepted_artifact
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import (
    ArtifactError,
    InvalidArtifactError,
    UnresolvedOperatorError,
    WorkerCrashedError,
    WorkerError,
    WorkerTimeoutError,
)
from qbench.records import RuntimeOptions
from qbench.runtime import process as process_module
from qbench.runtime.preflight import PreflightWorker
from qbench.runtime.profiler import Profile, profile
from qbench.tflite.builder import Graph

_AMPLE_S = 60.0


@pytest.fixture
def worker():
    with PreflightWorker(RuntimeOptions(), limit_s=_AMPLE_S) as worker:
        yield worker


@pytest.fixture
def assert_goes_on(worker):
    """Check that the same worker still runs a healthy artifact."""

    def assert_goes_on():
        assert worker.check(zoo.dense_int8(), name="healthy").batched

    return assert_goes_on


def _newer_operator():
    """An operator in a version that no runtime has yet."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT(), version=77)
    return graph.build([x], [y])


def _fixed_batch():
    """A model of one example whose RESHAPE allows no other batch."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 2, 2])
    graph.operator("RESHAPE", [x, graph.constant("shape", np.array([1, 2, 2], np.int32))], [y])
    return graph.build([x], [y])


def _pair():
    """A model of two rows that are no examples."""
    graph = Graph()
    x, y = graph.tensor("x", [2, 4]), graph.tensor("y", [2, 4])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


def _scalar():
    graph = Graph()
    x, y = graph.tensor("x", []), graph.tensor("y", [])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


def _dead_end():
    """A model with an operator whose output nobody reads: whether a delegate took it cannot be told, and is nothing."""
    graph = Graph()
    x, y, unread = (graph.tensor(name, [1, 4]) for name in ("x", "y", "unread"))
    graph.operator("EXP", [x], [unread], schema.ExpOptionsT())
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


class TestUndelegated:
    @pytest.mark.parametrize(
        ("make", "undelegated"),
        [
            (zoo.dense_float, ()),
            (zoo.dense_fp16, ()),
            (zoo.dense_hybrid, ()),
            (zoo.dense_int8, ()),
            (zoo.dense_int16, (0,)),
            (zoo.undelegated_int8, (0,)),
            (zoo.float_island, ()),
            (zoo.two_inputs_two_outputs, ()),
            (_dead_end, ()),
        ],
    )
    def test_operators_that_no_delegate_took(self, worker, make, undelegated):
        assert worker.check(make(), name="model").undelegated == undelegated

    @pytest.mark.parametrize("kernels", ["reference", "no-delegates"])
    def test_nothing_is_said_where_there_is_no_delegate(self, kernels):
        with PreflightWorker(RuntimeOptions(kernels=kernels), limit_s=_AMPLE_S) as worker:
            assert worker.check(zoo.dense_int8(), name="model").undelegated is None

    @pytest.mark.parametrize(
        ("model", "recipe"),
        [
            ("mnist-mlp", "int8"),
            ("mnist-mlp", "fp16"),
            ("mnist-cnn", "int8-symmetric"),
            ("mnist-cnn", "dynamic"),
            ("mnist-cnn", "int16x8"),
            ("mnist-dscnn", "fp16"),
            ("mnist-dscnn", "int8"),
        ],
    )
    def test_the_profiler_saw_the_runtime_run_the_same_operators(self, worker, model, recipe):
        """Two sources: how delegates hang together in the graph, and what the runtime timed itself."""
        content = accepted_artifact(model, recipe)
        profiled = profile(content, RuntimeOptions(), examples=1, invokes=10)
        assert isinstance(profiled, Profile)
        timed = sorted(kernel.number for kernel in profiled.kernels if not kernel.delegated)
        assert list(worker.check(content, name=model).undelegated) == timed


class TestHealthy:
    @pytest.mark.parametrize(
        "make",
        [
            zoo.dense_float,
            zoo.dense_fp16,
            zoo.dense_hybrid,
            zoo.dense_int8,
            zoo.dense_int16,
            zoo.dense_uint8,
            zoo.dense_int4,
            zoo.dynamic_batch_int8,
            zoo.conv_int8,
            zoo.two_inputs_two_outputs,
            zoo.nan_output,
        ],
    )
    def test_runs_and_takes_several_examples_at_once(self, worker, make):
        assert worker.check(make(), name="healthy").batched

    @pytest.mark.parametrize("make", [_fixed_batch, _pair, _scalar])
    def test_runs_one_by_one_where_it_takes_no_more(self, worker, make):
        assert not worker.check(make(), name="one").batched

    @pytest.mark.parametrize("kernels", ["reference", "no-delegates"])
    def test_runs_with_other_kernels_and_threads(self, kernels):
        with PreflightWorker(RuntimeOptions(kernels=kernels, threads=2), limit_s=_AMPLE_S) as worker:
            assert worker.check(zoo.dense_int8(), name="healthy").batched

    def test_nothing_is_started_for_nothing(self, monkeypatch):
        monkeypatch.setattr(process_module.ChildProcess, "start", lambda _: pytest.fail("a worker was started"))
        with PreflightWorker(RuntimeOptions(), limit_s=_AMPLE_S):
            pass

    def test_one_worker_runs_many(self, worker):
        worker.check(zoo.dense_int8(), name="first")
        first = worker._process._child._process.pid
        worker.check(zoo.dense_float(), name="second")
        assert worker._process._child._process.pid == first

    def test_it_ends_with_the_context(self):
        with PreflightWorker(RuntimeOptions(), limit_s=_AMPLE_S) as worker:
            worker.check(zoo.dense_int8(), name="first")
            child = worker._process._child._process
            assert child.poll() is None
        assert child.returncode is not None


class TestDeaths:
    @pytest.mark.parametrize(
        ("make", "signal"),
        [
            (zoo.aborting, "SIGABRT"),
            pytest.param(
                zoo.aborting_in_invoke,
                "SIGFPE",
                marks=pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="traps on x86 only"),
            ),
        ],
    )
    def test_a_death_names_the_artifact_and_the_signal(self, worker, assert_goes_on, make, signal):
        with pytest.raises(WorkerCrashedError, match="while running net-int8 for the first time") as caught:
            worker.check(make(), name="net-int8")
        assert caught.value.signal_name == signal
        assert signal in str(caught.value)
        assert_goes_on()

    def test_an_endless_invoke_is_ended(self, worker, assert_goes_on):
        worker._process.limit_s = 1.0
        with pytest.raises(WorkerTimeoutError, match="no answer within 1 s while running net-int8 for the first time"):
            worker.check(zoo.hanging(), name="net-int8")
        assert not worker._process.running
        worker._process.limit_s = _AMPLE_S
        assert_goes_on()


class TestRefusals:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"this is a text, not a model\n" * 20,
            zoo.dense_int8()[:8],
            zoo.dense_int8()[: len(zoo.dense_int8()) // 2],
            zoo.dense_int8()[:-4],
            zoo.dense_int8()[100:],
            zoo.empty_weights(),
        ],
        ids=["empty", "text", "8 bytes", "half", "almost all", "without its head", "without weights"],
    )
    def test_what_is_no_whole_artifact_is_refused_by_name(self, worker, assert_goes_on, content):
        with pytest.raises(InvalidArtifactError, match=r"^net-int8: the runtime refuses the artifact"):
            worker.check(content, name="net-int8")
        assert_goes_on()

    @pytest.mark.parametrize(
        ("make", "operator"), [(zoo.unresolved_custom_operator, "NoSuchKernel"), (_newer_operator, "ABS")]
    )
    def test_an_operator_without_a_kernel_is_named(self, worker, assert_goes_on, make, operator):
        with pytest.raises(UnresolvedOperatorError, match=f"(?s)^net-int8: the runtime has no kernel .*{operator}"):
            worker.check(make(), name="net-int8")
        assert_goes_on()

    def test_strings_are_refused_before_they_end_the_process(self, worker, assert_goes_on):
        with pytest.raises(ArtifactError, match=r"^net-int8: its input 'x' holds strings, which qbench cannot feed$"):
            worker.check(zoo.string_input(), name="net-int8")
        assert_goes_on()

    def test_a_flipped_bit_anywhere_is_survived(self, worker, assert_goes_on):
        whole = zoo.dense_int8()
        outcomes = set()
        for place in range(0, len(whole), 5):
            content = bytearray(whole)
            content[place] ^= 1 << place % 8
            try:
                worker.check(bytes(content), name="flipped")
                outcomes.add("ran")
            except (ArtifactError, WorkerError) as error:
                assert "flipped" in str(error)  # noqa: PT017 - whichever it is, it has the name
                outcomes.add(type(error).__name__)
        # Some bits do not matter, others do; a test that tried only one kind would show nothing.
        assert {"ran", "InvalidArtifactError"} <= outcomes
        assert_goes_on()


def test_a_runtime_that_is_missing_is_told(monkeypatch, tmp_path):
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").write_text("raise ModuleNotFoundError('no runtime here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        PreflightWorker(RuntimeOptions(), limit_s=_AMPLE_S) as worker,
        pytest.raises(WorkerError, match=r"the runtime cannot be imported in the worker process: .*no runtime here"),
    ):
        worker.check(zoo.dense_int8(), name="net-int8")
