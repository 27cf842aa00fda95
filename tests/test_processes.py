from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qbench import processes
from qbench.errors import WorkerCrashedError, WorkerError, WorkerTimeoutError
from qbench.processes import ChildProcess, module_command

#: A limit that only a broken test reaches.
_AMPLE_S = 60.0

#: A child that does what it is told.
_CHILD = """
import os, signal, sys
from qbench.frames import read_frame, write_frame
replies = os.fdopen(int(sys.argv[1]), "wb")
while (frame := read_frame(sys.stdin.buffer)) is not None:
    request, blobs = frame
    for text in request.get("print", ()):
        print(text, flush=True)
    print(request.get("complain", ""), file=sys.stderr, flush=True)
    for done in request.get("progress", ()):
        write_frame(replies, {"progress": done})
    if "raw" in request:
        replies.write(request["raw"].encode("latin1"))
        replies.flush()
    if "signal" in request:
        os.kill(os.getpid(), request["signal"])
    if "exit" in request:
        os._exit(request["exit"])
    if "hang" in request:
        signal.pause()
    answer = {"pid": os.getpid(), "session": os.getsid(0), "variable": os.environ.get("QBENCH_TEST")}
    write_frame(replies, answer, blobs)
    if "leave" in request:
        sys.exit()
"""

_COMMAND = [sys.executable, "-c", _CHILD]


@pytest.fixture
def child():
    with ChildProcess(_COMMAND) as child:
        yield child


def _ask(child, blobs=(), *, limit_s=_AMPLE_S, on_progress=None, **request):
    return child.ask(request, blobs, doing="a test", limit_s=limit_s, on_progress=on_progress)


def _exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestAnswers:
    def test_one_child_answers_many_requests(self, child):
        pids = {_ask(child)[0]["pid"] for _ in range(3)}
        assert len(pids) == 1
        assert pids != {os.getpid()}
        assert child.running

    def test_blobs_larger_than_a_pipe_go_both_ways(self, child):
        blobs = (os.urandom(3_000_000), b"", b"small")
        assert _ask(child, blobs)[1] == blobs

    def test_progress_is_handed_on_in_order_before_the_answer(self, child):
        seen = []
        header, _ = _ask(child, progress=[1, 2, 3], on_progress=seen.append)
        assert seen == [{"progress": 1}, {"progress": 2}, {"progress": 3}]
        assert "progress" not in header

    def test_progress_that_nobody_wants_is_passed_over(self, child):
        assert "pid" in _ask(child, progress=[1, 2])[0]

    def test_what_the_child_prints_is_not_taken_for_an_answer(self, child):
        answers = [_ask(child, print=["INFO: delegate", "{}"], complain="careful")[0] for _ in range(2)]
        assert answers[0] == answers[1]

    def test_variables_are_added_to_those_of_this_process(self, monkeypatch):
        monkeypatch.setenv("QBENCH_TEST", "inherited")
        with ChildProcess(_COMMAND) as child:
            assert _ask(child)[0]["variable"] == "inherited"
        with ChildProcess(_COMMAND, environment={"QBENCH_TEST": "given"}) as child:
            assert _ask(child)[0]["variable"] == "given"
        assert os.environ["QBENCH_TEST"] == "inherited"

    def test_a_module_is_run_in_this_python(self):
        assert module_command("qbench.conversion.converter") == [sys.executable, "-m", "qbench.conversion.converter"]


class TestDeaths:
    @pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
    def test_a_signal_is_named_with_the_last_words(self, child, number):
        with pytest.raises(WorkerCrashedError, match="while a test") as caught:
            _ask(child, signal=number, print=["on its output"], complain="last words")
        assert caught.value.signal_name == signal.Signals(number).name
        assert signal.Signals(number).name in str(caught.value)
        assert str(caught.value).endswith("it last said: on its output\nlast words")
        assert not child.running

    def test_an_exit_has_its_code(self, child):
        with pytest.raises(WorkerCrashedError, match="with exit code 3 while a test") as caught:
            _ask(child, exit=3)
        assert (caught.value.returncode, caught.value.signal_name) == (3, "")

    def test_only_the_end_of_what_was_printed_is_quoted(self, child):
        with pytest.raises(WorkerCrashedError) as caught:
            _ask(child, print=["first words", "x" * 5000], complain="last words", exit=1)
        assert "last words" in str(caught.value)
        assert "first words" not in str(caught.value)
        assert len(str(caught.value)) < 2200

    def test_last_words_need_not_be_text(self):
        code = "import os; os.write(2, b'caf\\xe9'); os._exit(1)"
        with ChildProcess([sys.executable, "-c", code]) as child, pytest.raises(WorkerCrashedError, match="said: caf"):
            _ask(child)

    def test_a_child_that_dies_before_it_reads_is_a_crash(self):
        with (
            ChildProcess([sys.executable, "-c", "import os; os._exit(4)"]) as child,
            pytest.raises(WorkerCrashedError, match="exit code 4"),
        ):
            _ask(child, (bytes(1_000_000),))

    @pytest.mark.parametrize("raw", ["half\0", "\0\0\0\5{}", "\0\0\0\2[]"], ids=["text", "cut", "no header"])
    def test_half_an_answer_is_a_crash(self, child, raw):
        with pytest.raises(WorkerCrashedError, match="exit code 9"):
            _ask(child, raw=raw, exit=9)

    def test_garbage_ends_a_child_that_lives_on(self, child, monkeypatch):
        monkeypatch.setattr(processes, "_STOP_LIMIT_S", 0.1)
        pid = _ask(child)[0]["pid"]
        with pytest.raises(WorkerCrashedError):
            _ask(child, raw="\0\0\0\2[]", hang=True)
        assert not _exists(pid)

    def test_after_a_death_it_can_be_started_again(self, child):
        first = _ask(child)[0]["pid"]
        with pytest.raises(WorkerCrashedError):
            _ask(child, signal=signal.SIGKILL)
        child.start()
        assert _ask(child)[0]["pid"] != first

    def test_a_child_that_left_by_itself_can_be_started_again(self, child):
        first = _ask(child, leave=True)[0]["pid"]
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert not child.running
        child.start()
        assert _ask(child)[0]["pid"] != first

    def test_starting_again_ends_the_one_that_runs(self, child):
        first = _ask(child)[0]["pid"]
        child.start()
        assert not _exists(first)
        assert _ask(child)[0]["pid"] != first


class TestTimeLimits:
    def test_a_child_that_hangs_is_ended(self, child):
        pid = _ask(child)[0]["pid"]
        with pytest.raises(WorkerTimeoutError, match=r"no answer within 0\.2 s while a test"):
            _ask(child, hang=True, limit_s=0.2)
        assert not _exists(pid)
        assert not child.running

    def test_progress_does_not_save_a_child_that_hangs_then(self, child):
        with pytest.raises(WorkerTimeoutError):
            _ask(child, progress=[1], hang=True, limit_s=0.5)

    def test_a_child_that_never_reads_is_ended(self):
        with ChildProcess([sys.executable, "-c", "import signal; signal.pause()"]) as child:
            with pytest.raises(WorkerTimeoutError):
                _ask(child, (bytes(10_000_000),), limit_s=0.2)
            assert not child.running

    @pytest.mark.parametrize("limit_s", [float("inf"), 1e12])
    def test_no_limit_is_too_large(self, child, limit_s):
        assert "pid" in _ask(child, limit_s=limit_s)[0]


class TestStops:
    def test_a_child_may_finish_what_it_does_at_its_end(self, tmp_path):
        mark = tmp_path / "left"
        with ChildProcess([sys.executable, "-c", f"{_CHILD}\nopen({str(mark)!r}, 'w').close()"]) as child:
            pid = _ask(child)[0]["pid"]
        assert mark.exists()
        assert not _exists(pid)

    def test_one_that_does_not_leave_is_killed(self):
        child = ChildProcess([sys.executable, "-c", f"{_CHILD}\nsignal.pause()"])
        child.start()
        pid = _ask(child)[0]["pid"]
        child.stop(limit_s=0.1)
        assert not _exists(pid)

    def test_at_once_means_that_it_does_not_begin_to_end_by_itself(self, child, monkeypatch):
        """Its input is open when it is killed: it would write coverage's file otherwise, and be killed at that."""
        _ask(child)
        seen = []
        kill = subprocess.Popen.kill

        def killed(process):
            seen.append((process.stdin.closed, process.poll()))
            kill(process)

        monkeypatch.setattr(subprocess.Popen, "kill", killed)
        child.stop(limit_s=0.0)
        assert seen == [(False, None)]

    def test_stopping_again_does_nothing(self, child):
        child.stop()
        child.stop(limit_s=0.0)
        assert not child.running
        ChildProcess(_COMMAND).stop()

    def test_nobody_answers_before_the_start_and_after_the_end(self, child):
        child.stop()
        for stopped in (child, ChildProcess(_COMMAND)):
            with pytest.raises(WorkerError, match=r"before it was started, or after it was stopped"):
                _ask(stopped)

    def test_a_missing_executable_is_named(self):
        child = ChildProcess(["qbench-no-such-program", "argument"])
        with pytest.raises(WorkerError, match="cannot start 'qbench-no-such-program'"):
            child.start()
        assert not child.running
        child.stop()

    def test_an_exception_while_waiting_ends_the_child_with_its_answer(self, child):
        def interrupt(_):
            raise KeyboardInterrupt

        pid = _ask(child)[0]["pid"]
        with pytest.raises(KeyboardInterrupt):
            _ask(child, progress=[1], on_progress=interrupt)
        assert not _exists(pid)

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux lists them")
    def test_no_file_stays_open(self):
        def opened():
            gc.collect()
            return len(list(Path("/proc/self/fd").iterdir()))

        before = opened()
        child = ChildProcess(_COMMAND)
        child.start()
        _ask(child)
        child.stop()
        assert opened() == before
        child.start()
        with pytest.raises(WorkerCrashedError):
            _ask(child, exit=1)
        assert opened() == before
        child.start()
        os.waitid(os.P_PID, _ask(child, leave=True)[0]["pid"], os.WEXITED | os.WNOWAIT)
        child.start()
        child.stop()
        assert opened() == before
        with pytest.raises(WorkerError):
            ChildProcess(["qbench-no-such-program"]).start()
        assert opened() == before


#: A process whose child hangs when Ctrl-C comes.
_INTERRUPTED = f"""
import os, sys
from qbench.processes import ChildProcess
try:
    with ChildProcess([sys.executable, "-c", {_CHILD!r}]) as child:
        pid = child.ask({{}}, doing="a test", limit_s=60)[0]["pid"]
        request = {{"progress": [1], "hang": True}}
        child.ask(request, doing="a test", limit_s=60, on_progress=lambda _: print("asking", flush=True))
except KeyboardInterrupt:
    print("interrupted")
try:
    os.kill(pid, 0)
except ProcessLookupError:
    print("and its child is gone")
"""


class TestCtrlC:
    def test_the_child_is_in_a_session_that_no_terminal_interrupts(self, child):
        header, _ = _ask(child)
        assert header["session"] == header["pid"]
        assert header["session"] != os.getsid(0)

    def test_the_parent_ends_it(self):
        with subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as parent:
            assert parent.stdout.readline() == "asking\n"
            os.killpg(parent.pid, signal.SIGINT)
            assert parent.stdout.read() == "interrupted\nand its child is gone\n"
