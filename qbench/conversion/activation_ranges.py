"""Ranges of activations from their values on calibration examples: what each calibration method computes.

A range is what the quantizer turns into a scale and a zero point; it widens a range that does not hold 0. Values
outside are clipped. All methods but the moving average give the same range whatever the order of the examples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.conversion.value_histogram import FloatArray, ValueHistogram

Range = tuple[float, float]

#: What litert-quantizer keeps of the range so far with each further example.
MOVING_AVERAGE_KEEPS = 0.95

# A bin narrower than this, in steps of the quantization, is taken for a single value.
_POINT_STEPS = 1e-6
# Factors by which the search for the least error moves an end of the range, coarse to fine.
_SEARCH_FACTORS = (2.0**0.5, 2.0**0.25, 2.0**0.125, 2.0**0.0625)
_SHARE = 100.0


def moving_average(lows: npt.NDArray[Any], highs: npt.NDArray[Any]) -> tuple[Any, Any]:
    """Range that moves from the first example's a twentieth of the way to that of each further example.

    It is litert-quantizer's own way, in the arithmetic of the arrays given. It depends on the order of the examples,
    and its range is narrower than that of all values.

    Parameters
    ----------
    lows, highs
        Smallest and largest value of each example, shape (examples, ...).
    """
    low, high = lows[0], highs[0]
    for next_low, next_high in zip(lows[1:], highs[1:], strict=True):
        low = MOVING_AVERAGE_KEEPS * low + (1.0 - MOVING_AVERAGE_KEEPS) * next_low
        high = MOVING_AVERAGE_KEEPS * high + (1.0 - MOVING_AVERAGE_KEEPS) * next_high
    return low, high


def percentile_range(values: ValueHistogram, percentile: float) -> Range:
    """Range that leaves out the smallest and the largest values, 100 - `percentile` percent of all on each side.

    It reaches beyond the values at those ranks by less than the width of their bins, 1/512 of their magnitude. Where
    nothing but zeros would be left, it is the whole range: steps of no width would make a bias overflow.
    """
    most = math.ceil(values.total * percentile / _SHARE - 1e-6)
    from_below = np.cumsum(values.counts)
    from_above = np.cumsum(values.counts[::-1])
    high = values.high[np.searchsorted(from_below, most)]
    low = values.low[::-1][np.searchsorted(from_above, most)]
    return (float(low), float(high)) if low or high else (values.minimum, values.maximum)


def octav_range(values: ValueHistogram, *, bits: int, symmetric: bool) -> Range:
    """Range with the least squared error under the noise model of OCTAV (Sakr et al., 2022, arXiv 2206.06501).

    With N values other than 0 up to the clip c and steps of the size s, the error is N s**2 / 12 for rounding plus the
    squared distances to c of the values beyond. Between two bins it is a parabola, whose lowest point is the paper's
    equation 6; the lowest of all is taken. A tensor of one sign has steps of c / 2**bits, any other 2 c / 2**bits and
    both ends at the same distance from 0: the method knows no other range.

    Parameters
    ----------
    values
        All values.
    bits, symmetric
        Of the quantization: symmetric steps reach as far below 0 as above, also where nothing lies there.
    """
    one_sided = not symmetric and (values.minimum >= 0 or values.maximum <= 0)
    noise = 4.0**-bits / (12 if one_sided else 3)
    middles = np.abs(values.low + values.high) / 2
    order = np.argsort(middles, kind="stable")
    middles, counts = middles[order], values.counts[order].astype(np.float64)
    ends = np.sort(np.abs([values.low, values.high]), axis=0)[:, order]
    bounds = np.maximum.accumulate(ends[1])
    gaps = np.maximum(bounds, np.append(ends[0][1:], 0.0))
    within = np.cumsum(np.where(middles > 0, counts, 0.0)) * noise
    beyond, distances, squares = (_after(counts * middles**power) for power in (0, 1, 2))
    lowest = distances / np.maximum(within + beyond, np.finfo(np.float64).tiny)
    clips = np.clip(lowest, bounds, gaps)
    errors = within * clips**2 + squares - 2 * clips * distances + clips**2 * beyond
    clip = float(clips[np.argmin(errors)])
    return max(values.minimum, -clip), min(values.maximum, clip)


def least_error_range(values: ValueHistogram, *, bits: int, symmetric: bool) -> Range:
    """Range with the least mean squared error of quantizing `values`.

    A pattern search from the whole range and from OCTAV's: each end is moved in ever smaller steps as long as the
    error falls. Values are taken as evenly spread over their bins. With int16 the steps are finer than bins, and
    the answer is close to the whole range.

    Parameters
    ----------
    values
        All values.
    bits, symmetric
        Of the quantization.
    """
    starts = [(values.minimum, values.maximum), octav_range(values, bits=bits, symmetric=symmetric)]
    best, ends = min((squared_error(values, start, bits=bits, symmetric=symmetric), start) for start in starts)
    for factor in _SEARCH_FACTORS:
        while True:
            tried = [
                (squared_error(values, moved, bits=bits, symmetric=symmetric), moved)
                for moved in _moves(ends, values, factor, symmetric=symmetric)
            ]
            least = min(tried, default=(math.inf, ends))
            if not least[0] < best:
                break
            best, ends = least
    return ends


def squared_error(values: ValueHistogram, ends: Range, *, bits: int, symmetric: bool) -> float:
    """Mean squared error of quantizing `values` with the range `ends`, and infinite for a range of nothing."""
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    top = 2 ** (bits - 1) - 1
    scale = max(-low, high) / top if symmetric else (high - low) / (2 * top + 1)
    if scale <= 0:
        return 0.0 if values.minimum == values.maximum == 0 else math.inf
    first = -top if symmetric else int(np.rint(low / scale))
    last = top if symmetric else first + 2 * top + 1
    low_steps, high_steps = values.low / scale, values.high / scale
    widths = high_steps - low_steps
    middles = (low_steps + high_steps) / 2
    points = (middles - np.clip(np.rint(middles), first, last)) ** 2
    spread = (_error_below(high_steps, first, last) - _error_below(low_steps, first, last)) / np.maximum(widths, 1e-300)
    errors = np.where(widths < _POINT_STEPS, points, spread)
    # Not a dot product: it would start threads, and round differently with their number.
    return float((errors * values.counts).sum() * scale**2 / values.total)


def _error_below(steps: FloatArray, first: int, last: int) -> FloatArray:
    """Integral of the squared rounding and clipping error from 0 to `steps`, in units of the scale.

    Each whole step adds 1/12, a distance r from the nearest integer r**3 / 3, and a distance d beyond the last
    integer d**3 / 3 instead.
    """
    inner = np.clip(steps, first - 0.5, last + 0.5)
    nearest = np.rint(inner)
    above, below = np.maximum(steps - last, 0.5), np.maximum(first - steps, 0.5)
    return np.asarray(nearest / 12 + (_cube(inner - nearest) + _cube(above) - _cube(below)) / 3)


def _cube(values: FloatArray) -> FloatArray:
    # Many times faster than a power.
    return values * values * values


def _moves(ends: Range, values: ValueHistogram, factor: float, *, symmetric: bool) -> list[Range]:
    """Ranges near `ends` and within all values: one end moved, or given up, or both moved alike."""
    low, high = ends
    nearer, farther = 1 / factor, factor
    pairs = [(nearer, nearer), (farther, farther)]
    if not symmetric:
        pairs += [(nearer, 1.0), (farther, 1.0), (1.0, nearer), (1.0, farther), (0.0, 1.0), (1.0, 0.0)]
    moved = [(max(low * left, values.minimum), min(high * right, values.maximum)) for left, right in pairs]
    return [each for each in dict.fromkeys(moved) if each != ends]


def _after(amounts: FloatArray) -> FloatArray:
    """Sum of all amounts behind each."""
    return np.append(np.cumsum(amounts[::-1])[::-1][1:], 0.0)
