"""Weights and biases of an artifact against the float model's: what storing them lost, whatever they then compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.evidence.biases import BIAS_DTYPES, Bias, bias_of
from qbench.diagnose.evidence.records import WeightReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qbench.tflite.graph import Array, Model, Subgraph, Tensor

#: Which axis of an operator's weights are its output channels, and which are what one channel weighs, where the two
#: are apart: a depthwise convolution has one input channel for each output channel.
_CHANNEL_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0, "CONV_3D": 4, "DEPTHWISE_CONV_2D": 3}
_INPUT_AXIS = {"CONV_2D": 3, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 3, "CONV_3D": 3}
_FLOAT = frozenset({"float16", "float32"})
#: The smallest number above 0 of float16: what lies closer to 0 is lost in it whatever it is.
_FLOAT16_STEP = 2.0**-24


def weight_reports(
    float_model: Model, model: Model, constants: Mapping[int, Iterable[tuple[int, int]]]
) -> tuple[tuple[WeightReport, ...], tuple[str, ...]]:
    """Compare every constant of real values with the float one that it stands for.

    Parameters
    ----------
    constants
        By the number of an operator of `model`, the tensors of its constants and those of `float_model` that they
        stand for.

    Returns
    -------
    tuple
        A report for each such pair, in order; and what could not be compared, each with why.
    """
    graph, floats = model.subgraphs[0], float_model.subgraphs[0]
    reports, skipped = [], []
    for number, pairs in sorted(constants.items()):
        for index, float_index in pairs:
            tensor, float_tensor = _stored(graph, index), floats.tensors[float_index]
            if tensor is None or float_tensor.dtype != "float32" or float_tensor.data is None:
                continue
            bias = bias_of(graph, number, index) if tensor.dtype in BIAS_DTYPES else None
            if bias is None and not tensor.scales.size and tensor.dtype not in _FLOAT:
                continue
            try:
                reports.append(_report(graph.operators[number].name, number, (tensor, float_tensor), bias))
            except ValueError as error:
                skipped.append(f"{tensor.name!r} cannot be compared with the float weights: {error}")
    return tuple(reports), tuple(skipped)


def _stored(graph: Subgraph, index: int) -> Tensor | None:
    """The constant at `index`, or the one that a DEQUANTIZE makes it of; None if there is none."""
    if graph.tensors[index].data is not None:
        return graph.tensors[index]
    for operator in graph.operators:
        if operator.name == "DEQUANTIZE" and index in operator.outputs:
            return _stored(graph, operator.inputs[0])
    return None


def _report(operator: str, number: int, tensors: tuple[Tensor, Tensor], bias: Bias | None) -> WeightReport:
    """One pair.

    Raises
    ------
    ValueError
        If their shapes differ, or the constant or its parameters cannot be read.
    """
    tensor, float_tensor = tensors
    stored, real = tensor.constant(), float_tensor.constant()
    assert stored is not None and real is not None  # noqa: S101, PT018 - the caller looked
    if stored.shape != real.shape:
        raise ValueError(f"its shape is {stored.shape}, theirs {real.shape}")
    difference, steps = _apart(tensor, stored, real, bias)
    channels = _channels(real, _CHANNEL_AXIS.get(operator, tensor.quantized_dimension))
    ranges = np.abs(channels).max(axis=1)
    is_weight = operator in _CHANNEL_AXIS and real.ndim > 1
    is_quantized = stored.dtype.kind != "f"
    return WeightReport(
        number=number,
        operator=f"{operator} {tensor.dtype}",
        weights=tensor.name,
        float_weights=float_tensor.name,
        rmse_in_steps=float(np.sqrt(np.mean(np.square(steps)))),
        mean_error_in_steps=float(np.mean(steps)),
        max_error_in_steps=float(np.abs(steps).max()),
        worst_channel_sqnr_db=_worst_sqnr(channels, _channels(difference, _CHANNEL_AXIS.get(operator, 0))),
        per_tensor=is_weight and is_quantized and tensor.scales.size == 1 and len(ranges) > 1,
        channel_spread=_over_median(ranges) if is_weight else 1.0,
        input_spread=_input_spread(operator, real) if is_weight and is_quantized else 1.0,
        relative_error=_relative(difference, real),
        bias_scale_factor=bias.scale_factor if bias is not None else 1.0,
        at_limit=int(np.count_nonzero(bias.at_limit(stored, real))) if bias is not None else 0,
    )


def _apart(tensor: Tensor, stored: Array, real: Array, bias: Bias | None) -> tuple[Array, Array]:
    """How far stored values are from the float ones: as real values, and in steps."""
    if stored.dtype.kind == "f":
        difference = stored.astype(np.float64) - real
        difference[np.abs(difference) <= _FLOAT16_STEP] = 0.0
        return difference, np.zeros_like(difference)
    if bias is not None:
        return bias.apart(stored, real)
    scales = _along_axis(tensor.scales, tensor, stored.shape)
    difference = (stored - _along_axis(tensor.zero_points, tensor, stored.shape)) * scales - real
    return difference, difference / scales


def _relative(difference: Array, real: Array) -> float:
    norm, apart = float(np.linalg.norm(real)), float(np.linalg.norm(difference))
    if not apart:
        return 0.0
    return apart / norm if norm else 1.0


def _channels(values: Array, axis: int) -> Array:
    """`values` with one row for each index of `axis`, shape (channels, elements)."""
    if values.ndim < 2:  # noqa: PLR2004 - a bias: nothing to tell channels apart by
        return values.reshape(1, -1)
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _along_axis(parameters: Array, tensor: Tensor, shape: tuple[int, ...]) -> Array:
    """Scales or zero points as float64, shaped to go along the quantized dimension of an array of `shape`."""
    if parameters.size == 1:
        return parameters.astype(np.float64).reshape([1] * len(shape))
    axis = tensor.quantized_dimension
    if not 0 <= axis < len(shape) or parameters.size != shape[axis]:
        raise ValueError(f"it has {parameters.size} scales or zero points along dimension {axis} of {shape}")
    return parameters.astype(np.float64).reshape([-1 if each == axis else 1 for each in range(len(shape))])


def _worst_sqnr(channels: Array, errors: Array) -> float | None:
    """SQNR in dB of the channel that lost most; channels that are all 0 have no signal to lose."""
    signal = np.square(channels.astype(np.float64)).sum(axis=1)
    noise = np.square(errors).sum(axis=1)
    lossy = (signal > 0) & (noise > 0)
    return float(10 * np.log10(signal[lossy] / noise[lossy]).min()) if lossy.any() else None


def _input_spread(operator: str, real: Array) -> float:
    """Largest over median of what the inputs are weighed with, of the output channel in the middle."""
    if operator not in _INPUT_AXIS:
        return 1.0
    by_input = np.moveaxis(np.abs(real), (_CHANNEL_AXIS[operator], _INPUT_AXIS[operator]), (0, 1))
    largest = by_input.reshape(*by_input.shape[:2], -1).max(axis=2)
    return float(np.median([_over_median(row) for row in largest]))


def _over_median(sizes: Array) -> float:
    """Largest of `sizes` divided by the median of those above 0; 1 if there are none."""
    alive = sizes[sizes > 0]
    return float(alive.max() / np.median(alive)) if alive.size else 1.0
