"""What an operator that moves or picks values may be given, checked before an oracle does.

As `arguments`, of shapes, axes and places: these operators also move control values, of any dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]


def check_reshape(shape: tuple[int, ...], new_shape: Sequence[int]) -> None:
    """`new_shape`, with one -1 at most, holds as many values as `shape`."""
    size, known = int(np.prod(shape, dtype=np.int64)), [number for number in new_shape if number != -1]
    rest = int(np.prod(known, dtype=np.int64))
    is_one_left = len(known) == len(new_shape) - 1 and rest != 0 and size % rest == 0
    if any(number < 0 for number in known) or not (is_one_left or (len(known) == len(new_shape) and rest == size)):
        raise UnspecifiedError(f"found the new shape {tuple(new_shape)}, expected one of {size} values")


def check_squeezed(shape: tuple[int, ...], axes: Sequence[int]) -> None:
    """`axes`, which are in range, have size 1."""
    for axis in axes:
        if shape[axis] != 1:
            raise UnspecifiedError(f"found size {shape[axis]} of the axis {axis}, expected 1 to squeeze {shape}")


def check_widths(name: str, widths: npt.ArrayLike, axes: int) -> None:
    """What is put before and after, or cut off there: two numbers from 0 on for each of the `axes`."""
    found = np.asarray(widths)
    if found.shape != (axes, 2) or found.dtype.kind not in "iu" or (found < 0).any():
        raise UnspecifiedError(f"found {name} {found.tolist()}, expected two numbers from 0 on for each of {axes} axes")


def check_permutation(perm: Sequence[int], rank: int) -> None:
    """Each axis of a tensor with `rank` once; negative ones count from the end."""
    if sorted(axis + rank if axis < 0 else axis for axis in perm) != list(range(rank)):
        raise UnspecifiedError(f"found the permutation {tuple(perm)}, expected each of {rank} axes once")


def check_divided(name: str, sizes: Sequence[int], divisors: Sequence[int]) -> None:
    """As many positive divisors as sizes, which they divide."""
    fit = len(sizes) == len(divisors) and all(
        divisor > 0 and size % divisor == 0 for size, divisor in zip(sizes, divisors, strict=True)
    )
    if not fit:
        raise UnspecifiedError(
            f"found {name} {tuple(divisors)}, expected one above 0 that divides each of {tuple(sizes)}"
        )


def check_alike(arrays: Sequence[Array], *, but_for: int | None = None) -> None:
    """At least one array; all have one dtype and one shape, which may differ along the axis `but_for`."""
    if not arrays:
        raise UnspecifiedError("found no inputs, expected one at least")
    kinds = {(array.dtype.name, _without(array.shape, but_for)) for array in arrays}
    if len(kinds) > 1:
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        where = "" if but_for is None else f" but for the axis {but_for}"
        raise UnspecifiedError(f"found inputs {found}, expected one dtype and one shape{where}")


def check_slice(shape: tuple[int, ...], begin: Sequence[int], size: Sequence[int]) -> None:
    """For each axis, a part that is inside; -1 is the rest."""
    fit = len(begin) == len(size) == len(shape) and all(
        0 <= at <= extent and (number == -1 or 0 <= number <= extent - at)
        for extent, at, number in zip(shape, begin, size, strict=True)
    )
    if not fit:
        raise UnspecifiedError(f"found begin {tuple(begin)} and size {tuple(size)}, expected a part of {shape}")


def check_sizes(extent: int, sizes: Sequence[int]) -> None:
    """Parts of an axis, with one -1 at most, that make up the whole."""
    known = [size for size in sizes if size != -1]
    left = extent - sum(known)
    if min(known, default=0) < 0 or len(known) < len(sizes) - 1 or left < 0 or (left > 0) > (len(known) < len(sizes)):
        raise UnspecifiedError(f"found parts of the sizes {tuple(sizes)}, expected {extent} together")


def check_gathered(inputs: Array, indices: Array, axis: int, batch_dims: int) -> None:
    """Places on `axis` (from 0 on), which is behind the leading axes that both have in common (from 0 on)."""
    if indices.dtype.kind not in "iu":
        raise UnspecifiedError(f"found indices of {indices.dtype}, expected integers")
    if not 0 <= batch_dims <= min(indices.ndim, axis) or inputs.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise UnspecifiedError(
            f"found {batch_dims} batch_dims of shapes {inputs.shape} and {indices.shape}, expected what they share "
            f"before the axis {axis}"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < inputs.shape[axis]:
        raise UnspecifiedError(
            f"found indices from {indices.min()} to {indices.max()}, expected them from 0 to {inputs.shape[axis] - 1}"
        )


def _without(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return shape if axis is None else tuple(size for i, size in enumerate(shape) if i != axis % len(shape))
