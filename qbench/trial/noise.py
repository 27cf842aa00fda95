"""Busy neighbours of a contest: processes of their own that the trial starts, and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import ConfigError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.trial.records import Noise

_NEIGHBOUR = Path(__file__).with_name("neighbour.py")

#: How much larger than the largest cache the memory neighbour's two buffers are together.
_CACHES = 4
_LEAST_BYTES = 64 << 20

_CACHE_SIZES = Path("/sys/devices/system/cpu/cpu0/cache")


@contextmanager
def neighbour(noise: Noise, contest_cpus: tuple[int, ...]) -> Iterator[None]:
    """A neighbour while the context lasts; none for ``quiet``.

    Parameters
    ----------
    contest_cpus
        Where the contest runs: ``core`` spins on the last of them, ``memory`` copies on another processor.

    Raises
    ------
    ConfigError
        If the machine has no processor for it.
    WorkerError
        If the neighbour does not start.
    """
    if noise == "quiet":
        yield
        return
    cpu = _processor_for(noise, contest_cpus)
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        [sys.executable, str(_NEIGHBOUR), noise, str(cpu), str(_buffer_bytes())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - Popen was given PIPE
        if process.stdout.readline() != b"ready\n":
            raise WorkerError(f"the neighbour for the noise {noise!r} ended before it was ready; see what it printed")
        yield
    finally:
        process.kill()
        process.communicate()


def _processor_for(noise: Noise, contest_cpus: tuple[int, ...]) -> int:
    if not contest_cpus:
        raise ConfigError(
            f"--noise {noise}",
            found="a system on which processes cannot be bound to a processor",
            expected="Linux, or --noise quiet",
        )
    if noise == "core":
        return contest_cpus[-1]
    free = sorted(os.sched_getaffinity(0) - set(contest_cpus))
    if not free:
        raise ConfigError(
            f"--noise {noise}",
            found=f"{len(contest_cpus)} processor(s), which the contest takes",
            expected="one more for the neighbour, or --noise core",
        )
    return free[-1]


def _buffer_bytes() -> int:
    """Bytes of a buffer that no cache of this machine holds, as far as the system tells its caches' sizes."""
    sizes = [0]
    for file in _CACHE_SIZES.glob("index*/size"):
        text = file.read_text(encoding="ascii").strip()
        sizes.append(int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]] if text[-1].isalpha() else int(text))
    return max(_LEAST_BYTES, _CACHES * max(sizes))
