"""Operators that move or pick stored values, against the runtime's kernels of all families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import movement, picking, spatial_blocks
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels import movement_cases, picking_cases, spatial_blocks_cases
from quant.kernels.moved import Case, Draw, constant

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array

CASES = {**movement_cases.CASES, **picking_cases.CASES, **spatial_blocks_cases.CASES}
EXACT = {**movement.EXACT, **picking.EXACT, **spatial_blocks.EXACT}
EXAMPLES = 12


def run(name: str, case: Case, family: Family) -> list[Array]:
    results = [Result(values.shape, case.params) for values in case.expected]
    version = 1 if name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "DEPTH_TO_SPACE") else 2
    return run_operator(name, case.operands, results, case.options, family=family, version=version)


def check(name: str, dtype: str, family: Family, seed: int) -> None:
    case = CASES[name](Draw(seed, dtype, family))
    for found, expected in zip(run(name, case, family), case.expected, strict=True):
        np.testing.assert_array_equal(found, expected, f"seed {seed}", strict=True)


@pytest.mark.parametrize(
    ("name", "dtype", "family"),
    [(name, dtype, family) for name in CASES for dtype, claimed in EXACT[name].items() for family in sorted(claimed)],
)
def test_the_kernels_give_what_the_oracle_gives(name: str, dtype: str, family: Family):
    for seed in range(EXAMPLES):
        check(name, dtype, family, seed)


def test_there_are_cases_of_all_that_is_claimed():
    assert CASES.keys() == EXACT.keys()


@pytest.mark.parametrize("name", [name for name in CASES if "xnnpack" not in EXACT[name]["int8"]])
def test_the_delegate_leaves_to_the_runtime_what_is_not_claimed_of_it(name: str):
    with pytest.raises(AssertionError, match="XNNPACK does not take"):
        check(name, "int8", "xnnpack", 0)


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_concatenation_of_uint8_requantizes(family: Family):
    for seed in range(EXAMPLES):
        draw = Draw(seed, "uint8")
        # Powers of two among the ratios: values half way between two integers.
        ratios = [draw.rng.choice([0.25, 0.5, 2.0]), 2 ** draw.rng.uniform(-6, 6)]
        inputs = [
            draw.stored(
                (3, draw.int(1, 40)), QuantizationParameters(draw.params.scale * r, draw.int(0, 255), dtype="uint8")
            )
            for r in ratios
        ]
        expected = movement.concatenation(
            [x.stored for x in inputs], input_params=[x.params for x in inputs], output_params=draw.params, axis=1
        )
        case = draw.case(inputs, schema.ConcatenationOptionsT(axis=1), expected)
        np.testing.assert_array_equal(run("CONCATENATION", case, family)[0], expected)


def _two_scales(dtype: str, zero_point: int = 0) -> tuple[list[Operand], Result]:
    stored = np.arange(-6, 6).astype(dtype).reshape(2, 6)
    params = QuantizationParameters(0.5, zero_point, dtype=dtype)
    other = QuantizationParameters(0.25, zero_point, dtype=dtype)
    return [Operand(stored, params), Operand(stored, other)], Result((4, 6), params)


def _concatenated(operands: list[Operand], output: Result) -> Array:
    return movement.concatenation(
        [x.stored for x in operands], input_params=[x.params for x in operands], output_params=output.params
    )


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
def test_concatenation_of_int8_refuses_other_parameters(family: Family):
    operands, output = _two_scales("int8", 3)
    with pytest.raises(RuntimeError, match="CONCATENATION"):
        run_operator("CONCATENATION", operands, [output], schema.ConcatenationOptionsT(), family=family)
    with pytest.raises(ValueError, match="wants the scale and zero point of its output"):
        _concatenated(operands, output)


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_concatenation_of_int16_does_not_look_at_scales(family: Family):
    """Half of the output is wrong by a factor of two here, and nothing says so."""
    operands, output = _two_scales("int16")
    (found,) = run_operator("CONCATENATION", operands, [output], schema.ConcatenationOptionsT(), family=family)
    np.testing.assert_array_equal(found, _concatenated(operands, output))
    np.testing.assert_array_equal(found[:2], found[2:])


def test_concatenation_of_int16_wants_zero_points_of_zero():
    operands, output = _two_scales("int16", 1)
    with pytest.raises(RuntimeError, match="zero_point"):
        run_operator("CONCATENATION", operands, [output], schema.ConcatenationOptionsT())
    with pytest.raises(ValueError, match="wants 0 as the zero point"):
        _concatenated(operands, output)


MATRIX = np.arange(-6, 6, dtype=np.int8).reshape(2, 6)
PARAMS = QuantizationParameters(0.5, 3)


def _strided(begin: list[int], end: list[int], family: Family, **options: Any) -> Array:
    operands = [Operand(MATRIX, PARAMS), constant(begin), constant(end), constant([1] * len(begin))]
    options = schema.StridedSliceOptionsT(**options)
    return run_operator("STRIDED_SLICE", operands, [Result((2, 2), PARAMS)], options, family=family)[0]


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
@pytest.mark.parametrize(("begin", "size"), [(1, 3), (-2, 2), (-3, 2), (0, 6)])
def test_the_end_of_a_strided_slice_may_count_from_its_begin(begin: int, size: int, family: Family):
    expected = picking.strided_slice(MATRIX, [0, begin], [2, size], [1, 1], offset=True)
    np.testing.assert_array_equal(expected, MATRIX[:, begin % 6 : begin % 6 + size])
    np.testing.assert_array_equal(_strided([0, begin], [2, size], family, offset=True), expected)


@pytest.mark.parametrize(("begin", "as_if"), [(0, MATRIX), (-2, MATRIX[:, -2:])])
def test_the_delegate_reads_an_end_of_zero_as_the_end_of_the_axis(begin: int, as_if: Array):
    """A defect of the delegate: what should be empty is not."""
    assert picking.strided_slice(MATRIX, [0, begin], [2, 0], [1, 1]).shape == (2, 0)
    for family in ("reference", "builtin"):
        assert _strided([0, begin], [2, 0], family).shape == (2, 0)
    np.testing.assert_array_equal(_strided([0, begin], [2, 0], "xnnpack"), as_if)


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_an_ellipsis_with_no_axis_left_takes_one_all_the_same(family: Family):
    """A defect of the kernel: ``x[..., 0, 1]`` of a matrix is one value, not a column."""
    masks = {"ellipsis_mask": 0b001, "shrink_axis_mask": 0b110}
    assert picking.strided_slice(MATRIX, [0, 0, 1], [0, 1, 2], [1, 1, 1], **masks) == MATRIX[0, 1]
    found = _strided([0, 0, 1], [0, 1, 2], family, ellipsisMask=0b001, shrinkAxisMask=0b110)
    np.testing.assert_array_equal(found, MATRIX[:, 0])


def test_an_index_that_is_out_of_range_is_an_error():
    with pytest.raises(UnspecifiedError, match="expected a part of"):
        picking.strided_slice(MATRIX, [7], [8], [1], shrink_axis_mask=1)


@pytest.mark.parametrize(("mode", "most"), [("REFLECT", 1), ("SYMMETRIC", 2)])
def test_mirror_pad_refuses_to_repeat_what_it_repeated(mode: str, most: int):
    movement.mirror_pad(MATRIX, [[most, 0], [0, 0]], mode=mode)
    with pytest.raises(ValueError, match="cannot pad the shape"):
        movement.mirror_pad(MATRIX, [[most + 1, 0], [0, 0]], mode=mode)


def test_families_pick_different_pixels_where_float32_falls_short_of_an_integer():
    row = np.arange(62, dtype=np.int8).reshape(1, 1, 62, 1)
    picked = {
        family: run_operator(
            "RESIZE_NEAREST_NEIGHBOR",
            [Operand(row, PARAMS), constant([1, 14])],
            [Result((1, 1, 14, 1), PARAMS)],
            schema.ResizeNearestNeighborOptionsT(),
            family=family,
            version=2,
        )[0][0, 0, 7, 0]
        for family in ("reference", "builtin")
    }
    assert picked == {"reference": 30, "builtin": 31}  # 7 * 62 / 14 is 31
    for family, value in picked.items():
        assert picking.resize_nearest_neighbor(row, [1, 14], family=family)[0, 0, 7, 0] == value
