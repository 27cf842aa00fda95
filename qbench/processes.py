"""A child process that answers requests, and what becomes of it when it does not."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any

from qbench.errors import WorkerCrashedError, WorkerError, WorkerTimeoutError
from qbench.frames import FrameError, read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

_STDERR_TAIL_BYTES = 2000
_STOP_LIMIT_S = 5.0

#: The system call that waits takes no more than some weeks at once; a limit may be any number.
_WAIT_AT_MOST_S = 3600.0


class ChildProcess:
    """A child that reads frames on its standard input and answers on a pipe of its own.

    Whatever the child prints (native libraries print to both streams) goes to a temporary file, whose
    end is quoted when the child dies. The child gets a session of its own: Ctrl-C reaches the parent,
    which then ends the child.

    Parameters
    ----------
    arguments
        The command line; the number of the reply pipe is appended to it.
    environment
        Variables to set in the child on top of this process's own.
    """

    def __init__(self, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self._arguments = list(arguments)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ChildProcess:
        """Start the child."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child, at once if an exception is on its way out."""
        self.stop(limit_s=0.0 if error else _STOP_LIMIT_S)

    @property
    def running(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the child; one that ended by itself may be started again.

        Raises
        ------
        WorkerError
            If its command cannot be run.
        """
        self.stop(limit_s=0.0)
        read_end, write_end = os.pipe()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                [*self._arguments, str(write_end)],
                stdin=subprocess.PIPE,
                stdout=self._printed,
                stderr=self._printed,
                bufsize=0,
                pass_fds=(write_end,),
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        except OSError as error:
            os.close(read_end)
            self._printed.close()
            raise WorkerError(f"cannot start {self._arguments[0]!r}: {error}") from error
        finally:
            os.close(write_end)
        self._replies = os.fdopen(read_end, "rb", buffering=0)

    def ask(
        self,
        request: dict[str, Any],
        blobs: tuple[bytes, ...] = (),
        *,
        doing: str,
        limit_s: float,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Send a request and wait for its answer.

        Answers with a key ``progress`` are handed to `on_progress`, and the wait goes on.

        Parameters
        ----------
        doing
            What an error says the child was doing, such as ``loading mnist-mlp-int8``.
        limit_s
            Seconds to wait until the child has read the request, and then for each answer.

        Raises
        ------
        WorkerCrashedError
            If the child ends before it answers.
        WorkerTimeoutError
            If it does not answer in time; the child is ended.
        """
        self.send(request, blobs, doing=doing, limit_s=limit_s)
        return self.receive(doing=doing, limit_s=limit_s, on_progress=on_progress)

    def send(self, request: dict[str, Any], blobs: tuple[bytes, ...] = (), *, doing: str, limit_s: float) -> None:
        """Send a request whose answer is `receive`d later; parameters and errors as in `ask`."""
        with self._named_errors(doing, limit_s):
            write_frame(_TimedPipe(self._started(), limit_s), request, blobs)

    def receive(
        self, *, doing: str, limit_s: float, on_progress: Callable[[dict[str, Any]], None] | None = None
    ) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Wait for the answer to what was sent; parameters and errors as in `ask`."""
        with self._named_errors(doing, limit_s):
            while "progress" in (frame := self._next_frame(doing, limit_s))[0]:
                if on_progress is not None:
                    on_progress(frame[0])
        return frame

    @contextlib.contextmanager
    def _named_errors(self, doing: str, limit_s: float) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            self.stop(limit_s=0.0)
            raise WorkerTimeoutError(doing, limit_s=limit_s) from error
        except (OSError, FrameError) as error:
            raise self._death(doing) from error
        except BaseException:
            # An answer that nobody waits for any more must not be taken for the answer to the next request.
            self.stop(limit_s=0.0)
            raise

    def stop(self, *, limit_s: float = _STOP_LIMIT_S) -> None:
        """End the child: its input is closed, and after `limit_s` seconds it is killed.

        Without any seconds it is killed first: a closed input would have it begin to end by itself, and what watches it
        from inside, such as coverage, would be killed in the midst of writing a file.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        if limit_s > 0:
            _close(process.stdin)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(limit_s)
        process.kill()
        process.wait()
        _kill_forks(process.pid)
        _close(process.stdin)
        self._replies.close()
        self._printed.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise WorkerError("the worker process was asked before it was started, or after it was stopped")
        return self._process

    def _next_frame(self, doing: str, limit_s: float) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        _wait_for(self._replies, selectors.EVENT_READ, time.monotonic() + limit_s)
        frame = read_frame(self._replies)
        if frame is None:
            raise self._death(doing)
        return frame

    def _death(self, doing: str) -> WorkerCrashedError:
        """The error for a child that closed its pipes; it is ended if it still runs."""
        process = self._started()
        try:
            returncode = process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            returncode = process.wait()
        self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, self._printed.tell() - _STDERR_TAIL_BYTES))
        tail = self._printed.read().decode(errors="replace")
        self.stop(limit_s=0.0)
        return WorkerCrashedError(doing, returncode=returncode, stderr=tail)


def _close(stdin: IO[bytes] | None) -> None:
    """Close a child's input, once or again; a dead child leaves a pipe that cannot be flushed, and nothing to save."""
    if stdin is not None:
        with contextlib.suppress(OSError):
            stdin.close()


def _kill_forks(pid: int) -> None:
    """End what a child may have left behind; its session's processes are one group, which bears its number."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


class _TimedPipe:
    """The standard input of a child that may never read it: a full pipe is waited for until the time limit."""

    def __init__(self, process: subprocess.Popen[bytes], limit_s: float) -> None:
        assert process.stdin is not None  # noqa: S101 - Popen was given PIPE
        self._descriptor = process.stdin.fileno()
        self._deadline = time.monotonic() + limit_s
        os.set_blocking(self._descriptor, False)

    def write(self, content: bytes) -> None:
        """Write all of `content`; `TimeoutError` if the child does not read it in time."""
        left = memoryview(content)
        while left:
            _wait_for(self._descriptor, selectors.EVENT_WRITE, self._deadline)
            left = left[os.write(self._descriptor, left) :]

    def flush(self) -> None:
        """Nothing is held back."""


def _wait_for(pipe: IO[bytes] | int, event: int, deadline: float) -> None:
    """Wait until `pipe` is ready; `TimeoutError` at the `deadline` of the monotonic clock."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, event)
        while not selector.select(min(max(0.0, deadline - time.monotonic()), _WAIT_AT_MOST_S)):
            if time.monotonic() >= deadline:
                raise TimeoutError


def module_command(module: str) -> list[str]:
    """The command that runs a module of qbench in this Python."""
    return [sys.executable, "-m", module]
