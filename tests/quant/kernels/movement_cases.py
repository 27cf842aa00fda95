"""Random examples of the operators that move stored values or compare them, with what their oracles say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.quant.kernels import movement
from quant.kernels.moved import Case, Draw, constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from quant.kernel_lab import Operand


def concatenation(draw: Draw) -> Case:
    shape = draw.shape()
    axis = draw.int(0, len(shape) - 1)
    inputs = []
    for _ in range(draw.int(2, 5)):
        grown = (*shape[:axis], draw.int(1, 40), *shape[axis + 1 :])
        inputs.append(draw.stored(grown))
    axis -= len(shape) * draw.bool()
    expected = movement.concatenation(
        [x.stored for x in inputs], input_params=[x.params for x in inputs], output_params=draw.params, axis=axis
    )
    return draw.case(inputs, schema.ConcatenationOptionsT(axis=axis), expected)


def reshape(draw: Draw) -> Case:
    shape = draw.shape(4)
    x = draw.stored(shape)
    new = [shape[0] * shape[1], -1, shape[3]] if draw.bool() else [shape[3], shape[0], 1, shape[1] * shape[2]]
    return draw.case([x, constant(new)], schema.ReshapeOptionsT(newShape=new), movement.reshape(x.stored, shape=new))


def squeeze(draw: Draw) -> Case:
    x = draw.stored((1, draw.int(2, 5), 1, draw.int(2, 5)))
    dims = [[], [0], [2], [-2], [0, 2]][draw.int(0, 4)]
    return draw.case([x], schema.SqueezeOptionsT(squeezeDims=dims), movement.squeeze(x.stored, squeeze_dims=dims))


def expand_dims(draw: Draw) -> Case:
    x = draw.stored(draw.shape(3))
    axis = draw.int(-4, 3)
    return draw.case([x, constant(axis)], schema.ExpandDimsOptionsT(), movement.expand_dims(x.stored, axis=axis))


def pad(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    paddings = draw.rng.integers(0, 4, (x.stored.ndim, 2))
    expected = movement.pad(x.stored, paddings, output_params=draw.params)
    return draw.case([x, constant(paddings)], schema.PadOptionsT(), expected)


def pad_v2(draw: Draw) -> Case:
    x, value = draw.stored(draw.shape()), draw.stored(())
    paddings = draw.rng.integers(0, 4, (x.stored.ndim, 2))
    operands = [x, constant(paddings), value._replace(is_constant=True)]
    return draw.case(operands, schema.PadV2OptionsT(), movement.pad_v2(x.stored, paddings, value.stored))


def mirror_pad(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    mode = draw.int(0, 1)  # REFLECT, SYMMETRIC
    paddings = draw.rng.integers(0, np.array(x.stored.shape)[:, np.newaxis] + mode, (x.stored.ndim, 2))
    expected = movement.mirror_pad(x.stored, paddings, mode=["REFLECT", "SYMMETRIC"][mode])
    return draw.case([x, constant(paddings)], schema.MirrorPadOptionsT(mode=mode), expected)


def transpose(draw: Draw) -> Case:
    x = draw.stored(draw.shape(largest=20))
    perm = draw.rng.permutation(x.stored.ndim)
    return draw.case([x, constant(perm)], schema.TransposeOptionsT(), movement.transpose(x.stored, perm))


def maximum(draw: Draw) -> Case:
    first, second = _broadcast(draw)
    return draw.case([first, second], schema.MaximumMinimumOptionsT(), movement.maximum(first.stored, second.stored))


def minimum(draw: Draw) -> Case:
    first, second = _broadcast(draw)
    return draw.case([first, second], schema.MaximumMinimumOptionsT(), movement.minimum(first.stored, second.stored))


def _broadcast(draw: Draw) -> tuple[Operand, Operand]:
    shape = draw.shape(largest=20)
    thin = tuple(1 if draw.bool() else size for size in shape)[draw.int(0, len(shape) - 1) :]
    pair = draw.stored(shape), draw.stored(thin if draw.bool() else shape)
    return pair if draw.bool() else pair[::-1]


CASES: dict[str, Callable[[Draw], Case]] = {
    "CONCATENATION": concatenation,
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "PAD": pad,
    "PADV2": pad_v2,
    "MIRROR_PAD": mirror_pad,
    "TRANSPOSE": transpose,
    "MAXIMUM": maximum,
    "MINIMUM": minimum,
}
