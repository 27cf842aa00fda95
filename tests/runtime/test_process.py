from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from system_processes import killed_when_busy, lives, on_linux, status, wait_until

from qbench.errors import (
    ArtifactError,
    InvalidArtifactError,
    MeasurementError,
    UnresolvedOperatorError,
    WorkerCrashedError,
    WorkerError,
    WorkerTimeoutError,
)
from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.process import RuntimeProcess, WorkerInterpreter, ask_environment
from qbench.tflite.builder import Graph

_AMPLE_S = 60.0
_OPTIONS = RuntimeOptions()

on_x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="traps on x86 only")


@pytest.fixture
def process():
    process = RuntimeProcess(limit_s=_AMPLE_S)
    yield process
    process.stop()


@pytest.fixture
def open_worker(process):
    """Load an artifact in one worker that all artifacts of a test share."""

    def open_worker(content, options=_OPTIONS, **more):
        return WorkerInterpreter(content, options, name="net-int8", process=process, **more)

    return open_worker


def _pid(process):
    return process._child._process.pid


def _stored(spec, seed=3):
    lot = np.random.default_rng(seed)
    if spec.dtype.startswith("float"):
        return lot.normal(size=spec.shape).astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    return lot.integers(limits.min, limits.max, spec.shape, dtype=spec.dtype, endpoint=True)


def _scalar():
    graph = Graph()
    x, y = graph.tensor("x", []), graph.tensor("y", [])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


def _fixed_batch():
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 2, 2])
    graph.operator("RESHAPE", [x, graph.constant("shape", np.array([1, 2, 2], np.int32))], [y])
    return graph.build([x], [y])


_HEALTHY = [
    zoo.dense_float,
    zoo.dense_hybrid,
    zoo.dense_int8,
    zoo.dense_int16,
    zoo.dense_uint8,
    zoo.dynamic_batch_int8,
    zoo.conv_int8,
    zoo.two_inputs_two_outputs,
    zoo.nan_output,
    _scalar,
]
_each_healthy = pytest.mark.parametrize("make", _HEALTHY, ids=lambda make: make.__name__.strip("_"))


class TestTheSameAsInThisProcess:
    @_each_healthy
    @pytest.mark.parametrize("kernels", ["builtin", "reference"])
    def test_outputs_are_the_same_bits(self, open_worker, make, kernels):
        options = RuntimeOptions(kernels=kernels)
        here, there = open_interpreter(make(), options), open_worker(make(), options)
        assert there.inputs == here.inputs
        for seed in range(3):
            for index, spec in enumerate(here.inputs):
                for interpreter in (here, there):
                    interpreter.set_input(index, _stored(spec, seed))
            here.invoke()
            there.invoke()
            assert there.outputs == here.outputs
            for index in range(len(here.outputs)):
                assert there.output(index).dtype == here.output(index).dtype
                assert there.output(index).shape == here.output(index).shape
                assert there.output(index).tobytes() == here.output(index).tobytes()
                assert there.output_view(index).tobytes() == here.output(index).tobytes()

    def test_inputs_are_zero_at_first(self, open_worker):
        here, there = open_interpreter(zoo.dense_int8(), _OPTIONS), open_worker(zoo.dense_int8())
        here.set_input(0, np.full((1, 4), zoo.DENSE_INPUT["int8"].zero_point, np.int8))
        for interpreter in (here, there):
            interpreter.invoke()
        assert np.array_equal(there.output(0), here.output(0))

    def test_what_is_written_to_a_view_is_what_the_next_invoke_runs_on(self, open_worker):
        content = zoo.two_inputs_two_outputs()
        here, there = open_interpreter(content, _OPTIONS), open_worker(content)
        values = [_stored(spec, seed) for seed, spec in enumerate(here.inputs)]
        for interpreter in (here, there):
            for index, stored in enumerate(values):
                interpreter.input_view(index)[:2] = 7
                interpreter.input_view(index)[:] = stored
            interpreter.invoke()
        for index in (0, 1):
            assert np.array_equal(there.output(index), here.output(index))

    def test_an_input_stays_until_another_is_set(self, open_worker):
        there = open_worker(zoo.dense_float())
        there.input_view(0)[:] = 2
        there.invoke()
        before = there.output(0)
        there.invoke()
        assert np.array_equal(there.output(0), before)
        there.set_input(0, np.zeros((1, 4), np.float32))
        there.invoke()
        assert not np.array_equal(there.output(0), before)

    @pytest.mark.parametrize("make", [zoo.dense_int8, zoo.conv_int8, zoo.two_inputs_two_outputs])
    def test_batches_are_the_same_bits(self, open_worker, make):
        here, there = open_interpreter(make(), _OPTIONS), open_worker(make())
        for examples in (5, 2):
            for interpreter in (here, there):
                interpreter.resize_batch(examples)
            assert there.inputs == here.inputs
            assert there.inputs[0].shape[0] == examples
            for index, spec in enumerate(here.inputs):
                here.set_input(index, _stored(spec))
                there.input_view(index)[:] = _stored(spec)
            here.invoke()
            there.invoke()
            assert there.outputs == here.outputs
            assert there.output(0).tobytes() == here.output(0).tobytes()

    @pytest.mark.parametrize(
        ("make", "message"),
        [(_scalar, "the input 'x' is a scalar"), (_fixed_batch, "the artifact cannot run 3 examples at once")],
    )
    def test_what_has_no_batches_says_so(self, open_worker, make, message):
        for interpreter in (open_interpreter(make(), _OPTIONS), open_worker(make())):
            with pytest.raises(MeasurementError, match=message):
                interpreter.resize_batch(3)

    @pytest.mark.parametrize(
        "stored",
        [np.zeros((1, 5), np.int8), np.zeros((4,), np.int8), np.zeros((2, 4), np.int8), np.zeros((1, 4), np.float32)],
        ids=["too long", "a row", "two", "float"],
    )
    def test_an_input_of_another_kind_is_refused(self, open_worker, stored):
        there = open_worker(zoo.dense_int8())
        expected = rf"net-int8: the input 'x' takes int8 of shape \(1, 4\), found {stored.dtype} of shape"
        with pytest.raises(MeasurementError, match=expected):
            there.set_input(0, stored)
        there.invoke()

    def test_an_input_need_not_be_contiguous(self, open_worker):
        here, there = open_interpreter(zoo.dense_float(), _OPTIONS), open_worker(zoo.dense_float())
        strided = _stored(here.inputs[0]).repeat(2, axis=1)[:, ::-2]
        here.set_input(0, np.ascontiguousarray(strided))
        there.set_input(0, strided)
        for interpreter in (here, there):
            interpreter.invoke()
        assert np.array_equal(there.output(0), here.output(0))


class TestOneWorker:
    def test_one_worker_loads_one_artifact_after_the_other(self, process, open_worker):
        first = open_worker(zoo.dense_float())
        before = _pid(process)
        second = open_worker(zoo.dense_int8())
        assert _pid(process) == before
        assert second.inputs[0].dtype == "int8"
        assert first.inputs[0].dtype == "float32"

    def test_it_ends_with_the_context(self, process, open_worker):
        with open_worker(zoo.dense_int8()):
            child = process._child._process
            assert process.running
        assert not process.running
        assert child.returncode is not None

    @on_linux
    def test_it_stays_on_its_processors(self, process, open_worker):
        processor = max(os.sched_getaffinity(0))
        open_worker(zoo.dense_int8(), cpus=(processor,))
        assert status(_pid(process), "Cpus_allowed_list") == str(processor)

    @on_linux
    def test_it_goes_where_it_wants_without(self, process, open_worker):
        open_worker(zoo.dense_int8())
        assert status(_pid(process), "Cpus_allowed_list") == status(os.getpid(), "Cpus_allowed_list")

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: b"this is no model" * 9, InvalidArtifactError, "^net-int8: the runtime refuses the artifact"),
            (zoo.unresolved_custom_operator, UnresolvedOperatorError, "^net-int8: .* has no kernel .*NoSuchKernel"),
            (zoo.string_input, ArtifactError, "^net-int8: its input 'x' holds strings"),
        ],
    )
    def test_what_is_refused_has_a_name_and_the_worker_goes_on(self, open_worker, make, error, message):
        with pytest.raises(error, match=f"(?s){message}"):
            open_worker(make())
        open_worker(zoo.dense_int8()).invoke()


class TestDeaths:
    def test_a_death_while_loading_names_the_artifact_and_the_signal(self, process, open_worker):
        with pytest.raises(WorkerCrashedError, match="SIGABRT while loading net-int8"):
            open_worker(zoo.aborting())
        assert not process.running
        open_worker(zoo.dense_int8()).invoke()

    @on_x86
    def test_a_death_while_running_names_them(self, open_worker):
        interpreter = open_worker(zoo.aborting_in_invoke())
        with pytest.raises(WorkerCrashedError, match="SIGFPE while running net-int8"):
            interpreter.invoke()

    @on_linux
    def test_an_endless_invoke_is_ended(self, process, open_worker):
        interpreter, pid = open_worker(zoo.hanging()), _pid(process)
        process.limit_s = 0.3
        with pytest.raises(WorkerTimeoutError, match=r"no answer within 0.3 s while running net-int8"):
            interpreter.invoke()
        assert not lives(pid)

    @on_linux
    def test_a_kill_in_the_middle_is_named(self, process, open_worker):
        interpreter = open_worker(zoo.hanging())
        with (
            killed_when_busy(_pid(process)),
            pytest.raises(WorkerCrashedError, match="SIGKILL while running net-int8") as caught,
        ):
            interpreter.invoke()
        assert caught.value.returncode == -signal.SIGKILL

    @on_linux
    def test_a_kill_between_two_requests_is_named_by_the_next(self, process, open_worker):
        interpreter, pid = open_worker(zoo.dense_int8()), _pid(process)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(pid))
        with pytest.raises(WorkerCrashedError, match="SIGKILL while running net-int8"):
            interpreter.invoke()


def _script(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """A Python with nothing installed."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=300)
    return str(folder / "bin" / "python")


class TestAnotherPython:
    def test_it_runs_artifacts(self, tmp_path):
        python = _script(tmp_path / "python", f'exec "{sys.executable}" "$@"')
        process = RuntimeProcess(limit_s=_AMPLE_S, python=python)
        with WorkerInterpreter(zoo.dense_int8(), _OPTIONS, name="net-int8", process=process) as interpreter:
            interpreter.invoke()
            assert interpreter.output(0).shape == (1, 3)

    def test_it_is_not_shown_the_packages_of_this_one(self, tmp_path, monkeypatch, bare_python):
        (tmp_path / "ai_edge_litert").mkdir()
        (tmp_path / "ai_edge_litert" / "__init__.py").write_text("raise ImportError('of the wrong Python')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        process = RuntimeProcess(limit_s=_AMPLE_S, python=bare_python)
        with pytest.raises(WorkerError, match="No module named 'ai_edge_litert'"):
            WorkerInterpreter(zoo.dense_int8(), _OPTIONS, name="net-int8", process=process)
        process.stop()

    def test_one_that_does_not_exist_is_told(self, tmp_path):
        python = str(tmp_path / "no" / "python")
        process = RuntimeProcess(limit_s=_AMPLE_S, python=python)
        for ask in (process.start, lambda: ask_environment(python, (), limit_s=_AMPLE_S)):
            with pytest.raises(WorkerError, match=f"cannot start '{python}': .*No such file"):
                ask()
        assert not process.running

    @pytest.mark.parametrize("program", ["/bin/true", "/bin/false", "/bin/cat"])
    def test_what_is_no_python_is_told(self, program):
        expected = f"the worker process ended with exit code . while asking {program} for its packages"
        with pytest.raises(WorkerCrashedError, match=expected):
            ask_environment(program, ("numpy",), limit_s=_AMPLE_S)

    def test_one_without_the_runtime_is_told(self, bare_python):
        process = RuntimeProcess(limit_s=_AMPLE_S, python=bare_python)
        expected = rf"the runtime cannot be imported in {bare_python}: .*'ai_edge_litert'"
        with pytest.raises(WorkerError, match=expected):
            WorkerInterpreter(zoo.dense_int8(), _OPTIONS, name="net-int8", process=process)
        process.stop()


class TestEnvironment:
    def test_versions_are_told_without_an_import(self):
        versions = ask_environment(sys.executable, ("numpy", "no-such-package"), limit_s=_AMPLE_S)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        assert versions == {"python": python, "numpy": np.__version__, "no-such-package": ""}

    def test_a_bare_python_has_none(self, bare_python):
        versions = ask_environment(bare_python, ("numpy", "ai-edge-litert"), limit_s=_AMPLE_S)
        assert versions.pop("python").startswith("3.")
        assert versions == {"numpy": "", "ai-edge-litert": ""}

    @on_linux
    def test_nothing_is_left_running(self, monkeypatch):
        pids = []
        start = RuntimeProcess.start
        monkeypatch.setattr(RuntimeProcess, "start", lambda process: (start(process), pids.append(_pid(process))))
        ask_environment(sys.executable, (), limit_s=_AMPLE_S)
        with pytest.raises(WorkerError):
            ask_environment("/bin/cat", (), limit_s=_AMPLE_S)
        assert len(pids) == 2
        assert not any(map(lives, pids))


class TestChatter:
    def test_what_a_python_prints_when_it_starts_is_no_reply(self, tmp_path):
        garbage = "echo garbage on the output; echo garbage on the error output >&2; printf '\\000\\000\\000\\005hello'"
        python = _script(tmp_path / "python", garbage, f'exec "{sys.executable}" "$@"')
        process = RuntimeProcess(limit_s=_AMPLE_S, python=python)
        with WorkerInterpreter(zoo.dense_int8(), _OPTIONS, name="net-int8", process=process) as interpreter:
            interpreter.invoke()
            assert interpreter.output(0).shape == (1, 3)

    def test_what_is_printed_at_any_time_is_no_reply(self, tmp_path, monkeypatch, process, open_worker):
        # Every call of a Python function prints, in the worker alone: it is the only one whose path holds this file.
        chatter = "import os, sys\nsys.setprofile(lambda *_: os.write(1, b'\\0\\0\\0\\2{}'))\n"
        (tmp_path / "sitecustomize.py").write_text(chatter)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        interpreter = open_worker(zoo.dense_int8())
        printed = process._child._printed.fileno()
        for _ in range(3):
            before = os.fstat(printed).st_size
            interpreter.invoke()
            assert interpreter.output(0).shape == (1, 3)
            assert os.fstat(printed).st_size > before

    def test_what_it_last_printed_is_quoted_when_it_dies(self, tmp_path, monkeypatch, open_worker):
        (tmp_path / "sitecustomize.py").write_text("print('a clue on the output', flush=True)\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(WorkerCrashedError, match=r"(?s)it last said: .*a clue on the output"):
            open_worker(zoo.aborting())


@pytest.mark.parametrize("library", ["libno_such_delegate.so", "libm.so.6"])
def test_a_delegate_that_cannot_be_loaded_is_named(library):
    options = RuntimeOptions(delegate=library)
    with (
        pytest.raises(InvalidArtifactError, match=f"the delegate '{library}' cannot be loaded"),
        RuntimeProcess(limit_s=60) as process,
    ):
        WorkerInterpreter(zoo.dense_int8(), options, name="net-int8", process=process)
    with pytest.raises(InvalidArtifactError, match=f"the delegate '{library}' cannot be loaded"):
        open_interpreter(zoo.dense_int8(), options)
