"""Quantize and dequantize with a scale and a zero point, per tensor or per channel.

``real = (stored - zero_point) * scale`` is the definition of the LiteRT int8 specification, and
``stored = clamp(round(real / scale) + zero_point)`` follows from it. The runtime's kernels divide and round in
different ways; `Rounding` names them. Whatever the way, the result is clamped: no integer ever wraps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.blocks import blocks_of, elements_of, part, run_blocks, spread
from qbench.quant.parameters import QuantizationParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.quant.blocks import Block

__all__ = ["Array", "QuantizationParameters", "Rounding", "dequantize", "fake_quantize", "quantize"]

Array = npt.NDArray[Any]

#: How ``real / scale`` becomes an integer, always in float32. ``half_even`` divides and rounds halves to even, as
#: numpy and litert-quantizer do. ``half_away`` divides and rounds halves away from zero: the reference kernel
#: (``tflite/kernels/internal/reference/quantize.h``). ``reciprocal`` multiplies by float32 ``1 / scale`` and rounds
#: halves to even: XNNPACK (``src/f32-qs8-vcvt``) and, in vectors of 8 elements, the runtime's builtin kernel
#: (``tflite/kernels/internal/optimized/optimized_ops.h``).
Rounding = Literal["half_even", "half_away", "reciprocal"]

#: How a stored integer becomes float32. ``exact`` is the true product rounded once: the reference kernel and XNNPACK.
#: ``folded`` adds a float32 ``-zero_point * scale`` to the float32 product: the builtin kernel on x86, in vectors of 8.
Arithmetic = Literal["exact", "folded"]

#: In elements. The passes over a block of float32 stay in the cache, and each takes far longer than to call it and
#: to get Python's lock back from the other threads.
_BLOCK = 1 << 19
#: 1.5 * 2**23: float32 numbers of this size are the integers, so that adding it rounds halves to even, and the
#: lower 16 bits of the sum are those of the integer in two's complement.
_INTEGERS = np.float32(3 << 22)
_BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0))
_SIGN = np.int32(-(2**31))


def quantize(
    real: npt.ArrayLike, params: QuantizationParameters, *, rounding: Rounding = "half_even", out: Array | None = None
) -> Array:
    """Integers that stand for the values `real`: ``clamp(round(real / scale) + zero_point, qmin, qmax)``.

    Parameters
    ----------
    real
        Array of any shape, of a floating point or integer type; taken as float32.
    params
        Scale and zero point, of one tensor or of its channels.
    rounding
        See `Rounding`. Two of them give results that differ by at most one, where a value lies halfway between
        two integers or as near to it as float32 can tell.
    out
        Array of the same shape and of ``params.storage_dtype`` to write to.

    Raises
    ------
    UnspecifiedError
        If `real` holds NaN, or its shape, the channels of `params` and `out` do not fit. Infinities, and what is
        too large for float32, are clamped.

    Notes
    -----
    The runtime's own kernels, reference and builtin, turn a quotient of 2**31 and more, infinity included, into
    the lowest integer; XNNPACK clamps it as this does. They turn NaN into an integer too.
    """
    if rounding not in get_args(Rounding):
        raise UnspecifiedError(f"found the rounding {rounding!r}, expected one of {', '.join(get_args(Rounding))}")
    values = np.asarray(real)
    layout = params.layout(values.shape)
    target = _target(values, out, params.storage_dtype)
    blocks = blocks_of(layout, _BLOCK)
    if blocks:
        job = _Quantizing(values.reshape(layout), target.reshape(layout), params, rounding, blocks[0])
        run_blocks(job, blocks, values.size)
    return _written(target, out)


def dequantize(
    stored: Array, params: QuantizationParameters, *, arithmetic: Arithmetic = "exact", out: Array | None = None
) -> Array:
    """float32 values that the integers `stored` stand for: ``(stored - zero_point) * scale``.

    Parameters
    ----------
    stored
        Array of any shape, of ``params.storage_dtype``.
    params
        Scale and zero point, of one tensor or of its channels.
    arithmetic
        See `Arithmetic`. They are the same if all zero points are 0.
    out
        float32 array of the same shape to write to.

    Raises
    ------
    UnspecifiedError
        If the dtype, the shape, the channels of `params` and `out` do not fit.

    Notes
    -----
    ``tflite/kernels/internal/reference/dequantize.h`` computes in float64 and rounds to float32. The difference
    and the scale have 17 and 24 bits, and their product is exact in float64: multiplying in float32 rounds alike.
    """
    if arithmetic not in get_args(Arithmetic):
        raise UnspecifiedError(
            f"found the arithmetic {arithmetic!r}, expected one of {', '.join(get_args(Arithmetic))}"
        )
    stored = np.asarray(stored)
    if stored.dtype != params.storage_dtype:
        raise UnspecifiedError(
            f"found stored values of {stored.dtype}, expected {params.storage_dtype} for {params.dtype}"
        )
    layout = params.layout(stored.shape)
    target = _target(stored, out, np.dtype(np.float32))
    blocks = blocks_of(layout, _BLOCK)
    if blocks:
        job = _Dequantizing(stored.reshape(layout), target.reshape(layout), params, arithmetic, blocks[0])
        run_blocks(job, blocks, stored.size)
    return _written(target, out)


def fake_quantize(real: npt.ArrayLike, params: QuantizationParameters, *, rounding: Rounding = "half_even") -> Array:
    """float32 values that `real` becomes by being stored: quantized, and dequantized again.

    Raises
    ------
    UnspecifiedError
        As `quantize`.
    """
    return dequantize(quantize(real, params, rounding=rounding), params)


class _Quantizing:
    """Quantizes blocks of `values`, an array of shape (outer, channels, inner), into `target`."""

    def __init__(
        self, values: Array, target: Array, params: QuantizationParameters, rounding: Rounding, first: Block
    ) -> None:
        self.values, self.target, self.rounding, self.size = values, target, rounding, elements_of(first)
        zero_point = _shared(params.zero_point)
        # Adding an even number leaves ties where they are. An odd one is added to the stored integers.
        is_early = rounding == "half_away" or not (zero_point % 2).any()
        late = np.zeros_like(zero_point) if is_early else zero_point
        self.has_late = not is_early
        self.operands = [
            spread(operand, first, values.shape)
            for operand in (
                np.reshape(1 / params.scale if rounding == "reciprocal" else params.scale, (1, -1, 1)),
                (params.qmin - zero_point).astype(np.float32),
                (params.qmax - zero_point).astype(np.float32),
                _INTEGERS + (zero_point - late).astype(np.float32),
                late.astype(target.dtype),
            )
        ]

    def __call__(self, blocks: Iterator[Block]) -> None:
        memory = np.empty(self.size, np.float32)
        signs = np.empty(self.size if self.rounding == "half_away" else 0, np.int32)
        combine = np.multiply if self.rounding == "reciprocal" else np.divide
        # What is too large for float32 is clamped like an infinity.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for block in blocks:
                values, target = self.values[block], self.target[block]
                scale, low, high, integers, late = (part(operand, block) for operand in self.operands)
                work = memory[: values.size].reshape(values.shape)
                combine(values, scale, out=work, dtype=np.float32, casting="same_kind")
                # To integers, so that what is inside before rounding is inside after it.
                work.clip(low, high, out=work)
                if np.isnan(np.maximum.reduce(memory[: values.size])):
                    raise UnspecifiedError("NaN has no quantized value")
                if self.rounding == "half_away":
                    _truncate_after_adding_half(work, signs[: values.size].reshape(values.shape))
                work += integers
                # Without its odd zero point an integer may be out of the type's range, and the cast cuts off its
                # upper bits. The sum is in the range, and so is right modulo the range.
                np.copyto(target, work.view(np.int32), casting="unsafe")
                if self.has_late:
                    target += late


class _Dequantizing:
    """Dequantizes blocks of `stored`, an array of shape (outer, channels, inner), into `target`."""

    def __init__(
        self, stored: Array, target: Array, params: QuantizationParameters, arithmetic: Arithmetic, first: Block
    ) -> None:
        self.stored, self.target, self.arithmetic = stored, target, arithmetic
        self.has_zero_point = bool(params.zero_point.any())
        scale = np.reshape(params.scale, (1, -1, 1))
        if arithmetic == "exact":
            shift = _shared(params.zero_point).astype(np.float32)
        else:
            points = np.reshape(params.zero_point, (1, -1, 1))
            shift = (points * scale.astype(np.float64)).astype(np.float32)
        self.scale, self.shift = (spread(operand, first, stored.shape) for operand in (scale, shift))

    def __call__(self, blocks: Iterator[Block]) -> None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for block in blocks:
                target, scale, shift = self.target[block], part(self.scale, block), part(self.shift, block)
                np.copyto(target, self.stored[block])
                if self.has_zero_point and self.arithmetic == "exact":
                    target -= shift
                target *= scale
                if self.has_zero_point and self.arithmetic == "folded":
                    target -= shift


def _truncate_after_adding_half(work: Array, signs: Array) -> None:
    """Round halves away from zero in place: add nearly a half of the same sign, and cut off the fraction.

    With a half, 0.49999997 + 0.5 would become 1. With the number below it, what lies under a half stays so, and
    0.5 becomes 1 since the sum is halfway between two numbers and rounded to the even one.
    """
    np.bitwise_and(work.view(np.int32), _SIGN, out=signs)
    np.bitwise_or(signs, _BELOW_HALF.view(np.int32), out=signs)
    work += signs.view(np.float32)
    np.trunc(work, out=work)


def _shared(zero_point: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Zero points of shape (1, channels, 1), or (1, 1, 1) if all are the same, which is quicker."""
    points = zero_point.reshape(1, -1, 1)
    return points[:, :1] if (points == points[:, :1]).all() else points


def _target(values: Array, out: Array | None, dtype: np.dtype[Any]) -> Array:
    """The array to write to: `out`, unless writing there in pieces would miss it or change `values` meanwhile."""
    if out is None:
        return np.empty(values.shape, dtype)
    if out.shape != values.shape or out.dtype != dtype:
        raise UnspecifiedError(
            f"found out of shape {out.shape} and {out.dtype}, expected the shape {values.shape} and {dtype}"
        )
    if out.flags.c_contiguous and not np.may_share_memory(values, out):
        return out
    return np.empty(values.shape, dtype)


def _written(target: Array, out: Array | None) -> Array:
    if out is not None and out is not target:
        np.copyto(out, target)
        return out
    return target
