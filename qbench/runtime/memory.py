"""Memory that an artifact adds to a worker process. Imports nothing but the standard library, as `native.py`.

What is counted is memory of the process's own (anonymous pages): the artifact's bytes, weights as kernels pack
them, tensors, and what the runtime notes of the graph. Code of the runtime is mapped from its file, weighs
7 MB and more against the 0.2 MB of a small network, and is as good as shared by all: it is not counted.

Each of these made numbers of the same artifact differ, and is dealt with where it is named below:

- tables that the first run of anything sets up: the artifact runs once before it is counted
- free memory that the process has already: a fork gives it back to the system, and counts in a new thread,
  because a thread allocates from an empty heap of its own
- the C library, which learns from what is freed which sizes to keep: fixed at what it starts with
- huge pages, of which one is as large as ten small networks: switched off
- the system's own counters, which some versions of Linux keep by processor and add up late: pages are
  counted one by one
"""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The least is believed once two forks agree on it: about one fork in a hundred finds some 200 kB more, and of
#: thousands none found less.
_AGREEING = 2
_FORKS_AT_MOST = 5

#: No further fork after so many seconds: with seconds per invoke there are megabytes, and a page is nothing.
_ENOUGH_S = 1.0

_ROLLUP, _STATUS, _CLEAR = "/proc/self/smaps_rollup", "/proc/self/status", "/proc/self/clear_refs"
_RESET_PEAK = b"5"
_KILO = 1024
_READ_AT_MOST = 4096

_M_MMAP_THRESHOLD, _MMAP_THRESHOLD = -3, 128 * 1024  # malloc.h of glibc, and its initial value
_PR_SET_THP_DISABLE = 41  # linux/prctl.h


def added_by(
    run: Callable[[int], object], release: Callable[[], object], *, outcome_of: Callable[[int], object]
) -> dict[str, Any]:
    """The peak of what `run` adds to this process, as ``{"bytes": ...}``; None where the system does not tell.

    It runs in forks, and the least of them is taken: what else happens in a process adds.

    Parameters
    ----------
    run
        Loads an artifact, runs it so many times, and keeps what it needs.
    release
        Lets go of all that `run` keeps.
    outcome_of
        Waits for the fork of a number, and makes its violent death this process's own.

    Returns
    -------
    ``{"error": "..."}`` for what `run` raised in a fork.
    """
    if not all(os.access(path, os.R_OK) for path in (_ROLLUP, _STATUS)) or not os.access(_CLEAR, os.W_OK):
        return {"bytes": None}
    counted: list[int] = []
    enough = time.monotonic() + _ENOUGH_S
    for _ in range(_FORKS_AT_MOST):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(write_end, json.dumps(_answer(run, release)).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as answers:
            text = answers.read()
        outcome_of(pid)
        answer: dict[str, Any] = json.loads(text or b'{"error": "RuntimeError: it ended its process"}')
        if "bytes" not in answer:
            return answer
        counted.append(answer["bytes"])
        if counted.count(min(counted)) >= _AGREEING or time.monotonic() > enough:
            break
    return {"bytes": min(counted)}


def _answer(run: Callable[[int], object], release: Callable[[], object]) -> dict[str, Any]:
    """Count in this fork."""
    found: list[dict[str, Any]] = []

    def count() -> None:
        try:
            found.append({"bytes": _peak_of(run)})
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises is an answer
            found.append({"error": f"{type(error).__name__}: {error}"})

    try:
        gc.disable()
        give_back = _steady_allocator()
        run(1)
        release()
        gc.collect()
        give_back()
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
    except Exception as error:  # noqa: BLE001 - as above
        return {"error": f"{type(error).__name__}: {error}"}
    return found[0]


def _peak_of(run: Callable[[int], object]) -> int:
    """Bytes that `run` adds at its peak to the pages of this process."""
    rollup, status = os.open(_ROLLUP, os.O_RDONLY), os.open(_STATUS, os.O_RDONLY)
    clear = os.open(_CLEAR, os.O_WRONLY)
    # The first reading takes memory too.
    unused = [os.pread(file, _READ_AT_MOST, 0) for file in (rollup, status)]
    os.write(clear, _RESET_PEAK)
    before = os.pread(rollup, _READ_AT_MOST, 0)
    run(2)  # Some operators find out in the first invoke what they need in the second.
    counters = os.pread(status, _READ_AT_MOST, 0)
    after = os.pread(rollup, _READ_AT_MOST, 0)
    del unused
    # What came and went in between is in the system's counters alone; the distance of two of them is right
    # even where both lag behind.
    passing = _field(counters, b"VmHWM") - _field(counters, b"VmRSS")
    return _field(after, b"Anonymous") - _field(before, b"Anonymous") + max(0, passing)


def _field(text: bytes, name: bytes) -> int:
    """A field of a file in /proc, in bytes."""
    for line in text.splitlines():
        key, _, value = line.partition(b":")
        if key == name:
            return int(value.split()[0]) * _KILO
    raise OSError(f"/proc/self has no {name.decode()}")


def _steady_allocator() -> Callable[[], object]:
    """Make the C library and the system give memory in small and always the same portions.

    Returns
    -------
    What gives free memory back to the system; does nothing where the C library is not glibc.
    """
    try:
        import ctypes  # noqa: PLC0415 - some builds of Python have none

        library = ctypes.CDLL(None)
        library.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
    except (ImportError, OSError, AttributeError):
        return lambda: None
    return lambda: library.malloc_trim(0)
