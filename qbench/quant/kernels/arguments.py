"""What an operator may be given, checked before an oracle computes with it.

An oracle is numpy code, and numpy broadcasts and casts much that the runtime refuses or reads as something else. Each
public oracle checks its arguments at its top, so that nothing wrong gets a number, nor an error of numpy's. All
functions here return nothing and raise `UnspecifiedError`, which says what was found and what was expected. What the
runtime takes is not refused, however odd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.quant.parameters import QuantizationParameters

Array = npt.NDArray[Any]

#: Activations that most oracles without weights take.
ACTIVATIONS = ("int8", "uint8", "int16")


def check_family(family: object) -> None:
    """`family` is one of `FAMILIES`."""
    if family not in FAMILIES:
        raise UnspecifiedError(f"found the family {family!r}, expected one of {', '.join(FAMILIES)}")


def check_tensor(
    name: str, stored: Array, params: QuantizationParameters, dtypes: Sequence[str] = ACTIVATIONS, *, rank: int = -1
) -> None:
    """`stored` is what `params` say, of one of `dtypes`, with one scale, and with `rank` axes unless it is -1."""
    check_params(name, params, dtypes)
    check_storage(name, stored, params)
    if rank >= 0:
        check_rank(name, stored, rank)


def check_params(name: str, params: QuantizationParameters, dtypes: Sequence[str] = ACTIVATIONS) -> None:
    """`params` are those of a whole tensor of one of `dtypes`."""
    if params.dtype not in dtypes:
        raise UnspecifiedError(f"found {name} of {params.dtype}, expected {' or '.join(dtypes)}")
    if params.is_per_channel:
        raise UnspecifiedError(f"found {params.scale.size} scales of {name}, expected one for the whole tensor")


def check_storage(name: str, stored: Array, params: QuantizationParameters) -> None:
    """`stored` has the dtype in which `params` are stored, and as many channels as scales."""
    if stored.dtype != params.storage_dtype:
        raise UnspecifiedError(
            f"found {name} stored as {stored.dtype}, expected {params.storage_dtype} for parameters of {params.dtype}"
        )
    check_channels(name, stored.shape, params)


def check_channels(name: str, shape: tuple[int, ...], params: QuantizationParameters) -> None:
    """`shape` has as many channels as `params` have scales, if these are per channel."""
    axis = params.quantized_dimension
    if axis is not None and (axis >= len(shape) or shape[axis] != params.scale.size):
        raise UnspecifiedError(
            f"found {params.scale.size} scales along dimension {axis} of {name} of shape {shape}, "
            "expected one for each index"
        )


def check_same_dtype(input_params: QuantizationParameters, output_params: QuantizationParameters) -> None:
    """The output has the dtype of the input."""
    if input_params.dtype != output_params.dtype:
        raise UnspecifiedError(f"found an output of {output_params.dtype}, expected {input_params.dtype} as the input")


def check_symmetric(*params: QuantizationParameters) -> None:
    """Those of int16 have zero points of 0."""
    for each in params:
        if each.dtype == "int16" and each.zero_point.any():
            raise UnspecifiedError(f"found the zero point {each.zero_point.flat[0]} of int16, expected 0")


def check_unary(
    inputs: Array,
    params: tuple[QuantizationParameters, QuantizationParameters],
    family: object,
    dtypes: Sequence[str] = ACTIVATIONS,
) -> None:
    """A function of stored values, from one tensor to another of its dtype (one of `dtypes`); int16 is symmetric."""
    check_family(family)
    check_tensor("inputs", inputs, params[0], dtypes)
    check_same_dtype(*params)
    check_params("outputs", params[1], dtypes)
    check_symmetric(*params)


def check_rank(name: str, array: Array, rank: int) -> None:
    """`array` has `rank` axes."""
    if array.ndim != rank:
        raise UnspecifiedError(f"found {name} of shape {array.shape}, expected {rank} dimensions")


def check_pairs(**pairs: object) -> None:
    """Each is a pair of whole numbers above 0, vertical and horizontal."""
    for name, pair in pairs.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(map(_is_positive_integer, pair)):  # noqa: PLR2004
            raise UnspecifiedError(f"found {name}={pair!r}, expected two whole numbers above 0")


def check_broadcast(a: Array, b: Array) -> None:
    """Both have shapes that broadcast."""
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise UnspecifiedError(f"found shapes {a.shape} and {b.shape}, expected such as broadcast") from None


def check_axes(axes: Sequence[int], rank: int) -> None:
    """All are axes of a tensor with `rank`, counted from the first or, negative, from the end."""
    for axis in axes:
        if not -rank <= axis < rank:
            raise UnspecifiedError(f"found the axis {axis}, expected one of {rank} dimensions")


def check_image(inputs: Array) -> None:
    """(batch, height, width, channels), of which only the batch may be empty."""
    check_rank("inputs", inputs, 4)
    if 0 in inputs.shape[1:]:
        raise UnspecifiedError(f"found inputs of shape {inputs.shape}, expected a height, a width and channels")


def check_weighted(
    inputs: Array,
    weights: Array,
    bias: Array | None,
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    *,
    weights_rank: int,
    units_axis: int,
    family: object,
    outputs: Sequence[str] = (),
) -> None:
    """An operator with weights: dtypes of all four, one scale of the weights or one for each unit, as many biases.

    Parameters
    ----------
    inputs, weights, bias
        As the operator has them.
    params
        Of inputs, weights and outputs.
    weights_rank, units_axis
        Axes that the weights have, and the one along which they make another output channel.
    family
        Kernels to follow.
    outputs
        Dtypes of the output that int8 inputs can have; only int8 if there are none. int16 gives int16.
    """
    check_family(family)
    check_tensor("inputs", inputs, params[0], ("int8", "int16"))
    is_int8 = params[0].dtype == "int8"
    check_params("outputs", params[2], (outputs or ("int8",)) if is_int8 else ("int16",))
    if not is_int8:
        check_symmetric(params[0], params[2])
    check_rank("weights", weights, weights_rank)
    if params[1].dtype not in {"int8", "int4"}:
        raise UnspecifiedError(f"found weights of {params[1].dtype}, expected int8 or int4")
    check_storage("weights", weights, params[1])
    if 0 in weights.shape:
        raise UnspecifiedError(f"found weights of shape {weights.shape}, expected at least one along each dimension")
    units = weights.shape[units_axis]
    if params[1].is_per_channel and params[1].scale.size != units:
        raise UnspecifiedError(f"found {params[1].scale.size} scales of weights, expected one or {units}")
    if bias is not None:
        _check_bias(bias, units, ("int32",) if is_int8 else ("int32", "int64"))


def check_bias_dtype(bias_dtype: str | None) -> None:
    """The width that an operator without a bias sums up in, if it says so."""
    if bias_dtype not in {None, "int32", "int64"}:
        raise UnspecifiedError(f"found bias_dtype={bias_dtype!r}, expected None, 'int32' or 'int64'")


def _check_bias(bias: Array, units: int, dtypes: Sequence[str]) -> None:
    if bias.dtype.name not in dtypes:
        raise UnspecifiedError(f"found a bias of {bias.dtype}, expected {' or '.join(dtypes)}")
    if bias.size != units:
        raise UnspecifiedError(f"found a bias of shape {bias.shape}, expected {units} values, one for each output")


def check_scale(params: QuantizationParameters, scale: float, *, tolerance: float = 0.0) -> None:
    """The output has `scale`, or one within `tolerance` times it, compared in float32 as the runtime does."""
    expected = np.float32(scale)
    if abs(np.float32(params.scale) - expected) > np.float32(tolerance) * expected:
        raise UnspecifiedError(
            f"found the scale {params.scale} of the output, expected {expected}: the runtime refuses any other"
        )


def _is_positive_integer(number: object) -> bool:
    return isinstance(number, (int, np.integer)) and int(number) > 0
