"""Elementwise work on large arrays in blocks that stay in a core's cache, on several cores.

numpy makes one pass over memory for every operation. Of a block that fits the cache only the first pass waits for
memory.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

Block = tuple[slice, slice, slice]
Layout = tuple[int, int, int]

#: Starting threads takes 0.1 ms: below this number of elements the work takes little more.
_WORTH_THREADS = 1 << 20
#: Memory, not arithmetic, is the limit of more.
_MOST_THREADS = 8
#: numpy starts its inner loop once for each channel of fewer elements than this, at the cost of some 50 of them.
_SHORT_CHANNEL = 1 << 10


def blocks_of(layout: Layout, limit: int) -> list[Block]:
    """Slices of an array of shape (outer, channels, inner) that cover it, of about `limit` elements each.

    All but the last along an axis have the same size, and a block is several channels only if each is whole.
    """
    outer, channels, inner = layout
    if not outer * channels * inner:
        return []
    long = min(inner, limit)
    many = min(channels, max(1, limit // inner))
    rows = min(outer, max(1, limit // (channels * inner)))
    steps = zip(layout, (rows, many, long), strict=True)
    return list(product(*([slice(at, min(at + step, size)) for at in range(0, size, step)] for size, step in steps)))


def elements_of(block: Block) -> int:
    """Number of elements of a block."""
    outer, channels, inner = (at.stop - at.start for at in block)
    return int(outer * channels * inner)


def spread(operand: npt.NDArray[Any], first: Block, layout: tuple[int, ...]) -> npt.NDArray[Any]:
    """The `operand` of shape (1, channels, 1) as the blocks of `layout` want it, of which `first` is the first.

    Repeated to the size of a block if that is used often and saves numpy short inner loops.
    """
    _, channels, inner = layout
    rows = first[0].stop
    # A block of several rows has all channels.
    if operand.size == 1 or inner >= _SHORT_CHANNEL or rows == 1:
        return operand
    return np.ascontiguousarray(np.broadcast_to(operand, (rows, channels, inner)))


def part(operand: npt.NDArray[Any], block: Block) -> npt.NDArray[Any]:
    """What of a `spread` operand belongs to the `block`."""
    rows = block[0].stop - block[0].start
    return operand[:rows] if operand.shape[1] == 1 else operand[:rows, block[1]]


def run_blocks(work: Callable[[Iterator[Block]], None], blocks: Sequence[Block], elements: int) -> None:
    """Have `work` take all `blocks`; on each core as many as it gets to if there are many `elements`."""
    threads = min(_available_cores(), _MOST_THREADS, len(blocks))
    queue = iter(blocks)
    if elements < _WORTH_THREADS or threads == 1:
        work(queue)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        # numpy lets go of Python's lock while it computes. This thread takes its part as well.
        futures = [pool.submit(work, queue) for _ in range(threads - 1)]
        work(queue)
        for future in futures:
            future.result()


def _available_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
