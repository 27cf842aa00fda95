"""ADD, SUB and MUL of random tensors: what their oracles say, and what the kernels give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import addition, multiplication
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import scales

ORACLES = {"ADD": addition.add, "SUB": addition.sub, "MUL": multiplication.mul}
OPTIONS = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}
CLAIMS = [
    (name, dtype, family)
    for module in (addition, multiplication)
    for name, dtypes in module.EXACT.items()
    for dtype, families in dtypes.items()
    for family in sorted(families)
]
#: Exponents of the ratios of an input's scale (MUL: the product of both) to the output's that are drawn from.
#: The delegate takes none beyond; the builtin kernels overflow with larger ones.
RATIOS = {"ADD": (-9, 6), "SUB": (-9, 7), "MUL": (-15, -1)}


class Case(NamedTuple):
    """Two tensors, and three parameters."""

    a: np.ndarray
    b: np.ndarray
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters]
    activation: str = "NONE"
    constant: int | None = None


@st.composite
def cases(draw, name: str, dtype: str):
    limits = np.iinfo(dtype)
    zero_points = (
        st.just(0)
        if dtype == "int16"
        else st.sampled_from([limits.min, limits.max]) | st.integers(limits.min, limits.max)
    )
    output_scale = draw(scales(-12, 4))
    ratios = [draw(scales(*RATIOS[name])) for _ in range(2)]
    if name == "MUL":
        # Only the product of both is compared with the output's scale.
        free = draw(scales(-8, 8))
        real_scales = [free, ratios[0] * output_scale / free, output_scale]
    else:
        real_scales = [ratios[0] * output_scale, ratios[1] * output_scale, output_scale]
    params = tuple(QuantizationParameters(scale, draw(zero_points), dtype=dtype) for scale in real_scales)
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=4, max_side=4)).input_shapes
    last = draw(st.sampled_from([(1, 1), (7, 7), (16, 16), (67, 67), (33, 1), (1, 33)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    fill = draw(st.sampled_from(["anything", "extremes", "near the zero point"]))
    tensors = []
    for shape, size, each in zip(shapes, last, params[:2], strict=True):
        values = {
            "anything": lambda n: rng.integers(limits.min, limits.max + 1, n),
            "extremes": lambda n: rng.choice([limits.min, limits.max], n),
            "near the zero point": lambda n, zero=int(each.zero_point): zero + rng.integers(-3, 4, n),
        }[fill]((*shape, size))
        tensors.append(np.clip(values, limits.min, limits.max).astype(dtype))
    activation = draw(st.sampled_from(["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]))
    constants: list[int | None] = [None]
    for index, (tensor, other) in enumerate([tensors, tensors[::-1]]):
        # Otherwise the delegate may lose leading axes of the output: test_elementwise.py.
        if tensor.size > 1 or tensor.ndim <= other.ndim:
            constants.append(index)
    return Case(*tensors, params, activation, draw(st.sampled_from(constants)))


def expected_of(name: str, case: Case, family: str, **options) -> np.ndarray:
    a_params, b_params, output_params = case.params
    return ORACLES[name](
        case.a,
        case.b,
        a_params=a_params,
        b_params=b_params,
        output_params=output_params,
        activation=case.activation,
        family=family,
        **options,
    )


def operands_of(name: str, case: Case, *, pot_scale_int16: bool = False):
    table = OPTIONS[name]()
    table.fusedActivationFunction = getattr(schema.ActivationFunctionType, case.activation)
    if name != "MUL":
        table.potScaleInt16 = pot_scale_int16
    operands = [
        Operand(case.a, case.params[0], case.constant == 0),
        Operand(case.b, case.params[1], case.constant == 1),
    ]
    return operands, [Result(np.broadcast_shapes(case.a.shape, case.b.shape), case.params[2])], table


def found_of(name: str, case: Case, family: str, **options) -> np.ndarray:
    return run_operator(name, *operands_of(name, case, **options), family=family, version=4)[0]


def check(name: str, case: Case, family: str, *, tolerance: int = 0, **options) -> None:
    expected, found = expected_of(name, case, family, **options), found_of(name, case, family, **options)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.abs(found.astype(np.int64) - expected).max() <= tolerance


def per_tensor(dtype: str, *scales_and_zeros: tuple[float, int]):
    return tuple(QuantizationParameters(scale, zero, dtype=dtype) for scale, zero in scales_and_zeros)
