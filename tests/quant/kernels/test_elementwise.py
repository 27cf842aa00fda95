"""ADD, SUB and MUL against the runtime's kernels: what they have in common, and what is wrong with those."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from qbench.quant.affine import QuantizationParameters
from quant.budget import examples
from quant.kernels.drawn_params import IS_X86_64
from quant.kernels.elementwise_cases import CLAIMS, ORACLES, Case, cases, check, expected_of, found_of, per_tensor


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


# --- what is wrong with the kernels ----------------------------------------------------------------------


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
