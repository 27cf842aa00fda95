"""Magnitude pruning: which weights go, and when. Numpy alone; `run.py` trains around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.datasets import Array


def scheduled(share: float, progress: float) -> float:
    """How much of `share` is reached at `progress` (0 to 1) of the ramp: fast first, ever slower.

    ``share * (1 - (1 - progress) ** 3)``, Zhu and Gupta 2017 (arXiv:1710.01878): many weights are superfluous at the
    beginning, and few when most are gone.
    """
    return share * (1 - (1 - min(max(progress, 0.0), 1.0)) ** 3)


def adaptive_scores(weights: Array) -> Array:
    """How much each weight counts, comparable between layers (LAMP, Lee et al. 2021, arXiv:2010.07611).

    The square of a weight by the sum of the squares of all in its layer that are not smaller. The largest of a layer
    has 1: no layer ever loses all of its weights, and no share has to be chosen for each layer.
    """
    squares = np.square(weights.ravel(), dtype=np.float64)
    order = np.argsort(squares, kind="stable")
    ascending = squares[order]
    not_smaller = np.cumsum(ascending[::-1])[::-1]
    scores = np.zeros(squares.size)
    scores[order] = np.divide(ascending, not_smaller, out=np.zeros_like(ascending), where=not_smaller > 0)
    return scores.reshape(weights.shape)


def masks_of(weights: Sequence[Array], axes: Sequence[int], sparsity: float) -> list[Array]:
    """Which weights stay (1.0) and which become 0 (0.0) if the share `sparsity` of all together is to go.

    ``floor(sparsity * number of weights)`` go, those of the smallest `adaptive_scores`, of equal ones the first; fewer
    if that many are not free to go. Each output channel, along the dimension in `axes`, keeps its largest weight:
    of a channel of zeros litert-quantizer makes a scale so small that the channel's bias is cut off.
    """
    scores = np.concatenate([adaptive_scores(each).ravel() for each in weights])
    kept = np.concatenate([_largest(each, axis).ravel() for each, axis in zip(weights, axes, strict=True)])
    free = np.flatnonzero(~kept)
    mask = np.ones(scores.size, np.float32)
    mask[free[np.argsort(scores[free], kind="stable")][: int(sparsity * scores.size)]] = 0
    parts = np.split(mask, np.cumsum([each.size for each in weights])[:-1])
    return [part.reshape(each.shape) for part, each in zip(parts, weights, strict=True)]


def _largest(weights: Array, axis: int) -> Array:
    """Where the largest magnitude of each channel along `axis` stands, the first of equal ones."""
    channels = np.abs(np.moveaxis(weights, axis, 0)).reshape(weights.shape[axis], -1)
    marked = np.zeros(channels.shape, bool)
    marked[np.arange(len(channels)), channels.argmax(axis=1)] = True
    rest = [size for number, size in enumerate(weights.shape) if number != axis]
    return np.moveaxis(marked.reshape(weights.shape[axis], *rest), 0, axis)
