"""What Linux tells about processes, in /proc; and waiting for what it will tell sooner or later."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")

#: Processor time after which a process is in the middle of what it was asked, in ticks of 10 ms.
_BUSY_TICKS = 5

#: Only a broken test waits so long.
_PATIENCE_S = 60.0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about yet does not."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Numbers of the processes that process `pid` has made and that run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in map(int, listed) if lives(child)]


def session(pid: int) -> list[int]:
    """Numbers of the processes that run in the session that process `pid` leads or led, itself among them."""

    def belongs(number: int) -> bool:
        try:
            return lives(number) and int(_stat(number)[3]) == pid
        except (FileNotFoundError, ProcessLookupError):
            return False

    return [
        number
        for number in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        if belongs(number)
    ]


def ticks(pid: int) -> int:
    """Processor time of a process, in hundredths of a second."""
    user, system = _stat(pid)[11:13]
    return int(user) + int(system)


def status(pid: int, field: str) -> str:
    """A field of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for what comes soon; fail if it never does."""
    give_up = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.005)


@contextmanager
def killed_when_busy(victim: int, watched: int | None = None) -> Iterator[None]:
    """Kill process `victim` as soon as `watched`, by default itself, is in the middle of a request made inside."""
    before = ticks(watched or victim)

    def kill() -> None:
        wait_until(lambda: ticks(watched or victim) >= before + _BUSY_TICKS)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()
