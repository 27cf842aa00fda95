"""ADD, SUB and MUL against the runtime's kernels, and what is wrong with those."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import arithmetic
from quant.budget import examples
from quant.kernel_lab import Operand, Result, build_operator, run_operator
from quant.kernels.drawn_params import IS_X86_64, scales

ORACLES = {"ADD": arithmetic.add, "SUB": arithmetic.sub, "MUL": arithmetic.mul}
OPTIONS = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}
CLAIMS = [
    (name, dtype, family)
    for name, dtypes in arithmetic.EXACT.items()
    for dtype, families in dtypes.items()
    for family in sorted(families)
]
#: Exponents of the ratios of an input's scale (MUL: the product of both) to the output's that are drawn from.
#: The delegate takes none beyond; the builtin kernels overflow with larger ones, see below.
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
        # Otherwise the delegate may lose leading axes of the output, see below.
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


@pytest.mark.parametrize(("name", "dtype", "family"), CLAIMS)
def test_the_kernels_give_what_the_oracle_gives(name: str, dtype: str, family: str):
    # On ARM, XNNPACK multiplies in fixed point.
    tolerance = 1 if (name, family) == ("MUL", "xnnpack") and not IS_X86_64 else 0
    options = {} if name == "MUL" else {"pot_scale_int16": False}

    @examples(20)
    @given(cases(name, dtype))
    def holds(case: Case):
        check(name, case, family, tolerance=tolerance, **options)

    holds()


@pytest.mark.parametrize(("name", "dtype", "family"), CLAIMS)
def test_every_pair_of_stored_values(name: str, dtype: str, family: str):
    """A bit more or less in a multiplier moves one result in thousands."""
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    tolerance = 1 if (name, family) == ("MUL", "xnnpack") and not IS_X86_64 else 0
    for _ in range(8):
        a, b = (np.arange(limits.min, limits.max + 1).astype(dtype).reshape(shape) for shape in ((-1, 1), (1, -1)))
        if dtype == "int16":
            a, b = (rng.integers(limits.min, limits.max + 1, 1 << 18).astype(dtype) for _ in range(2))
        scales = 2.0 ** rng.uniform(-1, 1, 3)
        if name == "MUL":
            scales[2] *= 2.0 ** (limits.bits - 1)  # so that results are spread over the range of the dtype
        points = np.zeros(3, int) if dtype == "int16" else rng.integers(limits.min, limits.max + 1, 3)
        case = Case(a, b, per_tensor(dtype, *zip(scales, points, strict=True)))
        check(name, case, family, tolerance=tolerance, **({} if name == "MUL" else {"pot_scale_int16": False}))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_the_optimized_add_is_within_one(dtype: str):
    @examples(20)
    @given(cases("ADD", dtype))
    def holds(case: Case):
        check("ADD", case, "builtin", tolerance=1, pot_scale_int16=False)

    holds()


@pytest.mark.parametrize("family", ["reference", "xnnpack"])
@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("shapes", [((9, 5, 2003), (9, 5, 2003)), ((9, 1, 2003), (5, 1)), ((1,), (90_001,))])
def test_large_tensors_are_looked_up_to_the_same_effect(shapes, dtype: str, name: str, family: str):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(limits.min, limits.max + 1, shape).astype(dtype) for shape in shapes)
    zero = limits.min + 100
    case = Case(a, b, per_tensor(dtype, (0.02, zero), (0.11, zero + 20), (0.15, zero + 10)), "RELU")
    tolerance = 1 if (name, family) == ("MUL", "xnnpack") and not IS_X86_64 else 0
    check(name, case, family, tolerance=tolerance)


@pytest.mark.parametrize("name", ORACLES)
def test_scalars_and_six_axes(name: str):
    rng = np.random.default_rng(0)
    params = per_tensor("int8", (0.02, 5), (0.11, -7), (0.15, 20))
    for shapes in [((), ()), ((), (3,)), ((2, 1, 3, 1, 2, 5), (2, 3, 1, 2, 2, 1))]:
        a, b = (np.asarray(rng.integers(-128, 128, shape), np.int8) for shape in shapes)
        check(name, Case(a, b, params), "reference")


@pytest.mark.parametrize("name", ["ADD", "SUB"])
@pytest.mark.parametrize("family", ["reference", "builtin"])
@examples(20)
@given(data=st.data())
def test_powers_of_two_in_16_bits_are_shifted(name: str, family: str, data):
    exponent, right = data.draw(st.integers(-12, 3)), data.draw(st.integers(0, 15))
    # A scale this close to a power of two counts as one.
    near = data.draw(st.sampled_from([1.0, 1.0004, 0.9996]))
    pair = [(2.0**exponent * near, 0), (2.0 ** (exponent - right), 0)]
    if data.draw(st.booleans()):
        pair.reverse()
    case = data.draw(cases(name, "int16"))
    b = np.broadcast_to(case.b, np.broadcast_shapes(case.a.shape, case.b.shape)).copy()
    a = np.broadcast_to(case.a, b.shape).copy() if name == "ADD" else case.a
    shifted = case._replace(a=a, b=b, params=per_tensor("int16", *pair, (2.0**exponent, 0)))
    check(name, shifted, family, pot_scale_int16=True)


@pytest.mark.parametrize("name", ["ADD", "SUB"])
def test_other_scales_in_16_bits_are_not_shifted_whatever_the_option_says(name: str):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-32768, 32768, 3000).astype(np.int16) for _ in range(2))
    case = Case(a, b, per_tensor("int16", (0.25, 0), (0.125 * 1.01, 0), (0.25, 0)))
    check(name, case, "reference", pot_scale_int16=True)
    # Where all are powers of two, the two ways differ.
    powers = case._replace(params=per_tensor("int16", (0.25, 0), (0.125, 0), (0.25, 0)))
    ways = [expected_of(name, powers, "reference", pot_scale_int16=option) for option in (True, False)]
    assert (ways[0] != ways[1]).any()


def test_the_delegate_rounds_halves_up_and_to_even_where_the_runtime_rounds_them_away():
    halves = np.array([-5, -3, -1, 1, 3, 5], np.int8)
    zeros, twos = np.zeros(6, np.int8), np.full(6, 2, np.int8)
    params = per_tensor("int8", (0.5, 0), (0.5, 0), (1.0, 0))
    addition = Case(halves, zeros, params)
    product = Case(halves, twos, per_tensor("int8", (0.5, 0), (0.5, 0), (1.0, 0)))
    assert expected_of("ADD", addition, "reference").tolist() == [-3, -2, -1, 1, 2, 3]
    assert expected_of("ADD", addition, "xnnpack").tolist() == [-2, -1, 0, 1, 2, 3]
    assert expected_of("MUL", product, "reference").tolist() == [-3, -2, -1, 1, 2, 3]
    assert expected_of("MUL", product, "xnnpack").tolist() == [-2, -2, 0, 0, 2, 2]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ADD", [("int8", 256.0), ("int8", 0.5), ("int8", 1.0)]),
        ("SUB", [("int8", 0.5), ("int8", 2.0**-11), ("int8", 1.0)]),
        ("MUL", [("int8", 16.0), ("int8", 16.0), ("int8", 1.0)]),
        ("ADD", [("int16", 0.3), ("int16", 0.5), ("int16", 1.0)]),
        ("MUL", [("int16", 0.3), ("int16", 0.5), ("int16", 1.0)]),
    ],
)
def test_what_the_delegate_leaves_is_the_runtimes(name: str, params):
    dtype = params[0][0]
    # Of each pair one is 0, so that halves of the other are ties.
    a, b = np.array([-3, -1, 0, 0, 1, 3], dtype), np.array([0, 0, -1, -3, 0, 0], dtype)
    case = Case(a, b, tuple(QuantizationParameters(scale, dtype=dtype) for dtype, scale in params))
    with pytest.raises(AssertionError, match="XNNPACK does not take"):
        found_of(name, case, "xnnpack")
    np.testing.assert_array_equal(expected_of(name, case, "xnnpack"), expected_of(name, case, "reference"))


@pytest.mark.parametrize(
    ("dtypes", "zero_points", "message"),
    [
        (["int8", "int8", "uint8"], [0, 0, 0], "must have one dtype"),
        (["int4", "int4", "int4"], [0, 0, 0], "must have one dtype of int8, uint8, int16"),
        (["int16", "int16", "int16"], [0, 1, 0], "zero points of 0"),
    ],
)
@pytest.mark.parametrize("name", ORACLES)
def test_parameters_that_no_kernel_takes_are_refused(name: str, dtypes, zero_points, message: str):
    params = tuple(
        QuantizationParameters(1.0, zero, dtype=dtype) for dtype, zero in zip(dtypes, zero_points, strict=True)
    )
    with pytest.raises(ValueError, match=message):
        expected_of(name, Case(np.zeros(2, np.int8), np.zeros(2, np.int8), params), "reference")


def test_powers_of_two_of_which_none_is_the_outputs_are_refused_as_the_runtime_does():
    case = Case(np.zeros(2, np.int16), np.zeros(2, np.int16), per_tensor("int16", (0.25, 0), (0.5, 0), (1.0, 0)))
    with pytest.raises(ValueError, match=r"must be the output's: got 2\*\*-2 and 2\*\*-1 into 2\*\*0"):
        expected_of("ADD", case, "reference")
    with pytest.raises(RuntimeError, match="failed to prepare"):
        found_of("ADD", case, "reference", pot_scale_int16=True)


# --- what is wrong with the kernels ----------------------------------------------------------------------

ONE_ALLOCATION_AND_RUN = """
import sys
from ai_edge_litert.interpreter import Interpreter, OpResolverType
interpreter = Interpreter(model_content=sys.stdin.buffer.read(),
                          experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
interpreter.allocate_tensors()
interpreter.invoke()
"""


@pytest.mark.parametrize(
    ("name", "case", "message"),
    [
        (
            "ADD",
            Case(np.ones(2, np.int8), np.ones(2, np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-19, 0))),
            "ends",
        ),
        (
            "SUB",
            Case(np.ones(2, np.int8), np.ones(2, np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-19, 0))),
            "ends",
        ),
        ("ADD", Case(np.ones((2, 2), np.int16), np.ones(2, np.int16), per_tensor("int16", *[(1.0, 0)] * 3)), "option"),
    ],
)
def test_models_that_end_the_process_are_refused(name: str, case: Case, message: str):
    with pytest.raises(ValueError, match=message):
        expected_of(name, case, "reference")
    content = build_operator(name, *operands_of(name, case, pot_scale_int16=True), version=4)
    child = subprocess.run(
        [sys.executable, "-c", ONE_ALLOCATION_AND_RUN], input=content, capture_output=True, timeout=60, check=False
    )
    assert child.returncode < 0, child.stderr


def test_sub_into_a_very_fine_scale_shifts_by_a_negative_number_of_bits():
    case = Case(
        np.array([1, 2], np.int8), np.array([0, 4], np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-20, 0))
    )
    assert expected_of("SUB", case, "reference").tolist() == [127, -128]
    if IS_X86_64:  # undefined in C
        assert np.abs(found_of("SUB", case, "reference")).max() < 10


def test_shifting_16_bits_by_16_or_more_rounds_to_one_instead_of_zero():
    stored = np.array([5, -5], np.int16)
    case = Case(stored, np.zeros(2, np.int16), per_tensor("int16", (2.0**-18, 0), (1.0, 0), (1.0, 0)))
    assert expected_of("ADD", case, "reference", pot_scale_int16=True).tolist() == [0, 0]
    assert found_of("ADD", case, "reference", pot_scale_int16=True).tolist() == [1, -1]


@pytest.mark.skipif(not IS_X86_64, reason="a matter of the build: vectors of 16 bits")
@pytest.mark.parametrize(
    ("name", "params"),
    [("ADD", ((1.0, -128), (1.0, -128), (1 / 80, 0))), ("MUL", ((1.0, -128), (1.0, -128), (1.0, 127)))],
)
def test_optimized_kernels_wrap_where_a_result_leaves_16_bits_before_it_is_clamped(name: str, params):
    # 17 elements: a vector of 16, and one that is computed alone.
    case = Case(np.full(17, 127, np.int8), np.full(17, 127, np.int8), per_tensor("int8", *params))
    assert expected_of(name, case, "builtin").tolist() == [127] * 17
    assert found_of(name, case, "reference").tolist() == [127] * 17
    assert found_of(name, case, "builtin").tolist() == [-128] * 16 + [127]


@pytest.mark.parametrize("name", ["ADD", "MUL"])
def test_the_delegate_loses_leading_axes_that_only_a_constant_of_one_element_has(name: str):
    case = Case(np.ones((1, 1, 1), np.int8), np.ones(4, np.int8), per_tensor("int8", *[(1.0, 0)] * 3), "RELU", 0)
    assert found_of(name, case, "reference").shape == expected_of(name, case, "xnnpack").shape == (1, 1, 4)
    assert found_of(name, case, "xnnpack").shape == (4,)
    # Without an activation, or with a tensor that is no constant, they are there.
    assert found_of(name, case._replace(activation="NONE"), "xnnpack").shape == (1, 1, 4)
    assert found_of(name, case._replace(constant=None), "xnnpack").shape == (1, 1, 4)
