"""Tango's score statistic of a drop of accuracy on paired predictions, of numbers and of arrays alike.

Statistics in Medicine 17, 1998, 891-908.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy.typing as npt

_N = TypeVar("_N", float, "npt.NDArray[Any]")


def drop_variance(examples: float, lost: _N, won: _N, drop: float) -> _N:
    """Variance of what one example adds to the drop, if the true drop is `drop`, at the likeliest rate of flips.

    Parameters
    ----------
    examples
        How many there are; `lost` and `won` are counts of them, or shares of one.
    """
    # The likeliest probability of a won example under the hypothesis is the root of a quadratic, whose discriminant is
    # below zero by rounding alone.
    a, b, c = 2.0 * examples, -lost - won + (2 * examples - lost + won) * drop, -won * drop * (1 - drop)
    won_probability = (abs(b * b - 4 * a * c) ** 0.5 - b) / (2 * a)
    variance: _N = 2 * won_probability + drop * (1 - drop)
    return variance
