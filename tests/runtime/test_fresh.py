from __future__ import annotations

import os
import platform
import signal

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from system_processes import children, killed_when_busy, lives, on_linux, session, status, wait_until

from qbench.errors import (
    ArtifactError,
    InvalidArtifactError,
    WorkerCrashedError,
    WorkerError,
    WorkerTimeoutError,
)
from qbench.records import RuntimeOptions
from qbench.runtime.fresh import FreshProcesses
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.builder import Graph

_AMPLE_S = 60.0
_OPTIONS = RuntimeOptions()

on_x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="traps on x86 only")

#: A runtime that writes down what it is asked, and prints without being asked. Its model says what an invoke does.
_FAKE_RUNTIME = """
import os, sys, time, types

def note(what):
    os.write(1, b"\\0\\0\\0\\2{} garbage that is no reply")
    with open(os.environ["QBENCH_TEST_LOG"], "a") as log:
        log.write(f"{os.getpid()} {what}\\n")

class Interpreter:
    def __init__(self, model_content, **options):
        note("load")
        while os.path.exists(os.environ["QBENCH_TEST_LOG"] + ".latch"):
            time.sleep(0.001)
        self.model = model_content.decode()

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        import numpy as np
        return [{"name": "x", "index": 0, "dtype": np.int8, "shape": np.array([2]), "quantization": (0.1, 3)}]

    def set_tensor(self, index, values):
        note(f"set {values.tolist()}")

    def invoke(self):
        note("invoke")
        exec(self.model)

OpResolverType = types.SimpleNamespace(BUILTIN=0, BUILTIN_REF=1, BUILTIN_WITHOUT_DEFAULT_DELEGATES=2)
load_delegate = None
note("import")
"""


@pytest.fixture
def fake_runtime(tmp_path, monkeypatch):
    """Give workers a runtime that writes down what it is asked; the fixture reads it, with the process's number."""
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(_FAKE_RUNTIME)
    log = tmp_path / "log"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("QBENCH_TEST_LOG", str(log))

    def noted():
        return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in log.read_text().splitlines())]

    return noted


@pytest.fixture
def start():
    """Start a worker that holds an artifact; it ends with the test."""
    started = []

    def start(content=None, *, name="net-int8", process=None, **more):
        if process is None:
            process = RuntimeProcess(limit_s=_AMPLE_S)
            process.start()
            started.append(process)
        content = zoo.dense_int8() if content is None else content
        fresh = FreshProcesses(content, _OPTIONS, name=name, process=process, **more)
        fresh.hold()
        return fresh

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def latch(tmp_path):
    """While this file is there, the fake runtime does not end to load."""
    path = tmp_path / "log.latch"
    path.touch()
    return path


def _renew(fresh):
    """Renew and wait for it; nothing is run."""
    fresh.renew()
    assert fresh.time(invokes=1, blocks=0) == ()


def _output(fresh, index=0):
    request = {"do": "get", "index": index}
    return fresh._process.ask(request, name=fresh.name, doing="reading an output")[1][0]


def _worker(fresh):
    return fresh._process._child._process.pid


def _fork(fresh):
    (fork,) = children(_worker(fresh))
    return fork


class TestProcesses:
    @on_linux
    def test_each_renewal_is_another_process_and_the_last_one_has_ended(self, start):
        fresh = start()
        worker = _worker(fresh)
        assert children(worker) == []
        seen = []
        for _ in range(5):
            _renew(fresh)
            assert not any(map(lives, seen))
            seen.append(_fork(fresh))
            fresh.time(invokes=2)
            assert _fork(fresh) == seen[-1]
        assert len(set(seen)) == 5
        assert _worker(fresh) == worker

    def test_the_runtime_is_imported_once_and_the_artifact_loaded_in_each(self, start, fake_runtime):
        fresh = start(b"")
        for _ in range(3):
            _renew(fresh)
        imports = [pid for pid, what in fake_runtime() if what == "import"]
        loads = [pid for pid, what in fake_runtime() if what == "load"]
        assert imports == [_worker(fresh)]
        assert len(set(loads)) == len(loads) == 3
        assert _worker(fresh) not in loads

    @on_linux
    @pytest.mark.parametrize("renewals", [0, 1, 2])
    def test_nothing_is_left_running(self, renewals):
        with RuntimeProcess(limit_s=_AMPLE_S) as process:
            fresh = FreshProcesses(zoo.dense_int8(), _OPTIONS, name="net-int8", process=process)
            fresh.hold()
            for _ in range(renewals):
                _renew(fresh)
            worker, running = _worker(fresh), session(_worker(fresh))
        assert len(running) == 1 + bool(renewals)
        wait_until(lambda: not session(worker))

    @on_linux
    @pytest.mark.usefixtures("fake_runtime")
    def test_nothing_is_left_running_of_what_is_being_loaded(self, latch):
        with RuntimeProcess(limit_s=_AMPLE_S) as process:
            fresh = FreshProcesses(b"", _OPTIONS, name="net-int8", process=process)
            fresh.hold()
            fresh.renew()
            worker = _worker(fresh)
            wait_until(lambda: len(session(worker)) == 2)
        assert latch.exists()
        wait_until(lambda: not session(worker))

    @on_linux
    @pytest.mark.usefixtures("fake_runtime", "latch")
    def test_nothing_is_left_running_of_what_does_not_end_to_load(self, start):
        fresh = start(b"")
        worker = _worker(fresh)
        fresh.limit(0.3)
        fresh.renew()
        with pytest.raises(WorkerTimeoutError, match=r"no answer within 0.3 s while loading net-int8"):
            fresh.time(invokes=1)
        wait_until(lambda: not session(worker))

    def test_a_process_is_begun_by_renew_and_waited_for_by_time(self, start, fake_runtime, latch):
        fresh = start(b"")
        fresh.renew()
        wait_until(lambda: "load" in [what for _, what in fake_runtime()])
        assert [what for _, what in fake_runtime()] == ["import", "load"]
        latch.unlink()
        fresh.time(invokes=1)
        assert [what for _, what in fake_runtime()] == ["import", "load", "set [3, 3]", "invoke"]

    def test_one_that_nobody_waited_for_is_not_mistaken_for_the_next(self, start, fake_runtime):
        fresh = start(b"")
        for _ in range(3):
            fresh.renew()
        assert len(fresh.time(invokes=2, blocks=3)) == 3
        (last,) = {pid for pid, what in fake_runtime() if what == "invoke"}
        assert [pid for pid, what in fake_runtime() if what == "load"][2:] == [last]

    @on_linux
    def test_nothing_is_left_running_of_what_is_in_the_middle_of_an_invoke(self, start):
        fresh = start(zoo.hanging())
        _renew(fresh)
        running = [_worker(fresh), _fork(fresh)]
        fresh.limit(0.3)
        with pytest.raises(WorkerTimeoutError, match=r"no answer within 0.3 s while timing net-int8"):
            fresh.time(invokes=1)
        wait_until(lambda: not any(map(lives, running)))

    @on_linux
    def test_they_stay_on_their_processors(self, start):
        processor = max(os.sched_getaffinity(0))
        fresh = start(cpus=(processor,))
        for _ in range(2):
            _renew(fresh)
            assert status(_fork(fresh), "Cpus_allowed_list") == str(processor)

    @on_linux
    def test_they_go_where_they_want_without(self, start):
        fresh = start()
        _renew(fresh)
        assert status(_fork(fresh), "Cpus_allowed_list") == status(os.getpid(), "Cpus_allowed_list")


class TestPlaces:
    def test_what_is_held_at_a_place_is_what_is_loaded(self, start):
        first = start(inputs=[bytes([1, 2, 3, 4])])
        second = start(zoo.two_inputs_two_outputs(), name="other", process=first._process, place=1)
        third = start(name="third", inputs=[bytes([5, 6, 7, 8])], process=first._process, place=2)
        alone = {fresh.name: self._outputs_alone(start, fresh) for fresh in (first, second, third)}
        assert len(set(alone.values())) == 3
        for fresh in (first, second, third, third, second, first, third, first):
            fresh.renew()
            fresh.time(invokes=1)
            assert _output(fresh) == alone[fresh.name]

    @staticmethod
    def _outputs_alone(start, fresh):
        content, *inputs = fresh._held
        alone = start(content, inputs=inputs)
        alone.renew()
        alone.time(invokes=1)
        return _output(alone)

    @on_linux
    def test_there_is_one_fork_at_a_time(self, start):
        first = start()
        second = start(name="other", process=first._process, place=1)
        seen = set()
        for fresh in (first, second, second, first):
            _renew(fresh)
            seen.add(_fork(fresh))
        assert len(seen) == 4

    def test_what_is_refused_at_one_is_named_and_does_not_matter_to_others(self, start):
        good = start()
        bad = start(zoo.string_input(), name="bad", process=good._process, place=1)
        for _ in range(3):
            bad.renew()
            with pytest.raises(ArtifactError, match=r"^bad: its input 'x' holds strings"):
                bad.time(invokes=1)
            good.renew()
            assert len(good.time(invokes=1)) == 1

    @on_linux
    def test_what_crashes_at_one_is_named(self, start):
        good = start()
        bad = start(zoo.aborting(), name="bad", process=good._process, place=1)
        worker = _worker(good)
        _renew(good)
        bad.renew()
        with pytest.raises(WorkerCrashedError, match="SIGABRT while loading bad"):
            bad.time(invokes=1)
        wait_until(lambda: not session(worker))


def _difference():
    """A model that tells its inputs apart."""
    graph = Graph()
    left, right, y = (graph.tensor(name, [1, 4]) for name in ("left", "right", "y"))
    graph.operator("SUB", [left, right], [y], schema.SubOptionsT())
    return graph.build([left, right], [y])


class TestInputs:
    @pytest.mark.parametrize("make", [zoo.dense_int8, zoo.two_inputs_two_outputs, _difference])
    def test_they_are_set_in_each_process(self, start, make):
        here, lot = open_interpreter(make(), _OPTIONS), np.random.default_rng(2)
        stored = [lot.integers(-100, 100, spec.shape).astype(spec.dtype) for spec in here.inputs]
        for index, values in enumerate(stored):
            here.set_input(index, values)
        here.invoke()
        fresh = start(make(), inputs=[values.tobytes() for values in stored])
        for _ in range(2):
            fresh.renew()
            fresh.time(invokes=1)
            for index in range(len(here.outputs)):
                assert _output(fresh, index) == here.output(index).tobytes()

    def test_they_are_zero_without(self, start, fake_runtime):
        _renew(start(b""))
        assert [what for _, what in fake_runtime()][1:] == ["load", "set [3, 3]"]

    def test_inputs_that_do_not_fit_are_refused_by_name(self, start):
        fresh = start(inputs=[b"\0" * 5])
        fresh.renew()
        with pytest.raises(InvalidArtifactError, match=r"^net-int8: .*reshape"):
            fresh.time(invokes=1)


class TestBlocks:
    @pytest.mark.parametrize(("invokes", "blocks", "discard"), [(1, 1, 0), (5, 2, 0), (4, 3, 2), (1, 2, 7)])
    def test_so_many_invokes_are_run(self, start, fake_runtime, invokes, blocks, discard):
        fresh = start(b"")
        fresh.renew()
        timed = fresh.time(invokes=invokes, blocks=blocks, discard=discard)
        assert len(timed) == blocks
        assert [what for _, what in fake_runtime()].count("invoke") == invokes * blocks + discard

    # To the processor's own clock an invoke takes a millisecond, however busy the machine is.
    _BUSY = b"end = time.thread_time() + 0.001\nwhile time.thread_time() < end: pass"

    @pytest.mark.usefixtures("fake_runtime")
    def test_what_is_thrown_away_is_not_timed(self, start):
        # All but the second of these invokes sleep several times, and give way each time.
        fresh = start(
            b"self.done = getattr(self, 'done', 0) + 1\nif self.done != 2: [time.sleep(0.001) for _ in range(9)]"
        )
        fresh.renew()
        (quiet,) = fresh.time(invokes=1, discard=1)
        (asleep,) = fresh.time(invokes=1, discard=1)
        assert quiet.waits < 9 <= asleep.waits

    def test_an_invoke_can_be_stretched_by_a_share(self, start, fake_runtime):
        fresh = start(self._BUSY)
        fresh.renew()
        (stretched,) = fresh.time(invokes=4, stretch=9.0)
        # No machine makes it less; without, it takes a tenth of this.
        assert stretched.cpu_ns >= 40e6 * 0.99
        assert stretched.wall_ns >= 40e6 * 0.99
        assert [what for _, what in fake_runtime()].count("invoke") == 4

    @pytest.mark.usefixtures("fake_runtime")
    def test_a_thread_that_gives_way_is_seen(self, start):
        fresh = start(b"time.sleep(0.001)")
        fresh.renew()
        for block in fresh.time(invokes=3, blocks=2):
            assert block.waits >= 3
            # Nobody sleeps for less than he asked for, and no processor's time passes meanwhile.
            assert block.wall_ns - block.cpu_ns >= 2e6

    @pytest.mark.usefixtures("fake_runtime")
    def test_what_a_runtime_prints_is_no_reply(self, start):
        fresh = start(b"print('more garbage', flush=True)")
        for _ in range(2):
            fresh.renew()
            assert len(fresh.time(invokes=3, blocks=2)) == 2
        printed = fresh._process._child._printed.fileno()
        assert os.pread(printed, 10**6, 0).count(b"more garbage") == 12


class TestDeaths:
    @on_linux
    def test_an_artifact_that_ends_its_process_while_loading_is_named(self, start):
        fresh = start(zoo.aborting())
        worker = _worker(fresh)
        fresh.renew()
        with pytest.raises(WorkerCrashedError, match="SIGABRT while loading net-int8") as caught:
            fresh.time(invokes=1)
        assert caught.value.signal_name == "SIGABRT"
        assert not session(worker)

    @on_x86
    @on_linux
    def test_one_that_ends_it_in_a_timed_block_is_named(self, start):
        fresh = start(zoo.aborting_in_invoke())
        _renew(fresh)
        running = [_worker(fresh), _fork(fresh)]
        with pytest.raises(WorkerCrashedError, match="SIGFPE while timing net-int8"):
            fresh.time(invokes=3)
        wait_until(lambda: not any(map(lives, running)))

    @on_linux
    def test_a_kill_in_the_middle_of_a_timed_block_is_named(self, start):
        fresh = start(zoo.hanging())
        _renew(fresh)
        worker, fork = _worker(fresh), _fork(fresh)
        with (
            killed_when_busy(fork),
            pytest.raises(WorkerCrashedError, match="SIGKILL while timing net-int8") as caught,
        ):
            fresh.time(invokes=1)
        assert caught.value.returncode == -signal.SIGKILL
        wait_until(lambda: not lives(worker))

    @on_linux
    def test_a_kill_between_two_requests_is_named_by_the_next(self, start):
        fresh = start()
        _renew(fresh)
        worker = _worker(fresh)
        os.kill(_fork(fresh), signal.SIGKILL)
        wait_until(lambda: not lives(worker))
        with pytest.raises(WorkerCrashedError, match="SIGKILL while timing net-int8"):
            fresh.time(invokes=1)

    @on_linux
    def test_a_kill_of_the_worker_is_named_when_its_fork_ends(self, start):
        fresh = start()
        _renew(fresh)
        worker, fork = _worker(fresh), _fork(fresh)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not lives(worker))
        assert len(fresh.time(invokes=1)) == 1
        fresh.renew()
        with pytest.raises(WorkerCrashedError, match="SIGKILL while loading net-int8"):
            fresh.time(invokes=1)
        wait_until(lambda: not lives(fork))

    @on_linux
    def test_a_kill_of_the_worker_leaves_no_fork_that_hangs(self, start):
        fresh = start(zoo.hanging())
        _renew(fresh)
        worker, fork = _worker(fresh), _fork(fresh)
        fresh.limit(1.5)
        # The fork has the pipe of replies open, so that the time limit ends it.
        with killed_when_busy(worker, watched=fork), pytest.raises(WorkerTimeoutError, match="while timing net-int8"):
            fresh.time(invokes=1)
        wait_until(lambda: not (lives(worker) or lives(fork)))

    @pytest.mark.parametrize("code", [0, 3])
    @pytest.mark.usefixtures("fake_runtime")
    def test_a_runtime_that_exits_is_named_with_its_code(self, start, code):
        fresh = start(f"os._exit({code})".encode())
        fresh.renew()
        with pytest.raises(WorkerCrashedError, match=f"exit code {code} while timing net-int8"):
            fresh.time(invokes=1)

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: b"this is no model" * 9, InvalidArtifactError, "net-int8: the runtime refuses the artifact"),
            (zoo.string_input, ArtifactError, "net-int8: its input 'x' holds strings"),
        ],
    )
    def test_what_is_refused_is_named_each_time(self, start, make, error, message):
        fresh = start(make())
        for _ in range(3):
            fresh.renew()
            with pytest.raises(error, match=message):
                fresh.time(invokes=1)

    def test_a_runtime_that_is_missing_is_told_before_the_first_process(self, tmp_path, monkeypatch, start):
        (tmp_path / "ai_edge_litert").mkdir()
        (tmp_path / "ai_edge_litert" / "__init__.py").write_text("raise ModuleNotFoundError('no runtime here')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(WorkerError, match=r"the runtime cannot be imported in the worker process: .*no runtime"):
            start()

    @on_linux
    def test_its_processes_end_when_this_process_is_gone(self, start):
        fresh = start()
        _renew(fresh)
        worker, fork = _worker(fresh), _fork(fresh)
        # What the system does to the pipes of a process that ends.
        fresh._process._child._process.stdin.close()
        wait_until(lambda: not (lives(worker) or lives(fork)))
