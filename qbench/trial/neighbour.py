"""The entry of a busy neighbour: ``python neighbour.py core|memory CPU BYTES`` works until its input ends.

It is started by path and imports nothing but the standard library and numpy.
"""

from __future__ import annotations

import os
import sys
import threading


def spin() -> None:
    """Keep a processor busy."""
    while True:
        pass


def stream(buffer_bytes: int) -> None:
    """Keep the way to memory busy: copy a buffer that no cache holds."""
    import numpy as np  # noqa: PLC0415 - a neighbour that spins needs none

    source = np.ones(buffer_bytes // 16, dtype=np.float64)
    target = np.empty_like(source)
    while True:
        np.copyto(target, source)


def _end_with_the_parent() -> None:
    """The input is a pipe from the parent: it ends when the parent closes it, or is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Say that it is ready, then work."""
    kind, cpu, buffer_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [cpu])
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if kind == "core":
        spin()
    stream(buffer_bytes)


if __name__ == "__main__":
    main()
