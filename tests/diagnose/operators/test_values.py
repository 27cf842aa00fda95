"""Between stored and real values, in the shapes that files give their tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from qbench.diagnose.operators.values import is_quantized, is_real, real_values, stored_values
from qbench.errors import UnspecifiedError
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from qbench.tflite.graph import Tensor


def _tensor(shape: tuple[int, ...], dtype: str = "int8", affine: Affine | None = Affine(0.5, 3)) -> Tensor:  # noqa: B008 - a tuple
    graph = Graph()
    graph.tensor("x", shape, dtype, affine)
    return read_model(graph.build([0], [0])).subgraphs[0].tensors[0]


@pytest.mark.parametrize(
    ("values", "shape", "stored"),
    [
        ((1, 4), (1, 4), (1, 4)),
        ((7, 4), (1, 4), (7, 4)),
        ((7, 4), (2, 4), (7, 4)),
        ((7, 2, 2, 3), (1, 12), (7, 12)),
        ((7, 12), (1, 2, 2, 3), (7, 2, 2, 3)),
        ((7, 4, 1, 2), (1, 2, 4, 1), (7, 2, 4, 1)),
        ((5, 7, 8), (5, 1, 8), (5, 7, 8)),  # Time first, then examples: as recurrent networks are unrolled.
        ((), (), ()),
        ((1,), (), ()),
    ],
)
def test_values_get_the_shape_of_the_file_for_as_many_examples(
    values: tuple[int, ...], shape: tuple[int, ...], stored: tuple[int, ...]
):
    array = np.arange(np.prod(values, dtype=int), dtype=np.float32).reshape(values)
    found = stored_values(array, _tensor(shape, "float32", None))
    assert found.shape == stored
    np.testing.assert_array_equal(found.reshape(-1), array.reshape(-1))


def test_halves_go_to_the_even_integer_and_too_large_values_are_clamped():
    values = np.array([[0.25, 0.75, -1000, 1000]], np.float32)
    np.testing.assert_array_equal(stored_values(values, _tensor((1, 4))), [[3, 5, -128, 127]])


def test_stored_values_are_real_ones_again():
    tensor = _tensor((1, 3))
    np.testing.assert_array_equal(real_values(np.array([[3, 4, -128]], np.int8), tensor), [[0, 0.5, -65.5]])
    half = real_values(np.array([1.5], np.float16), _tensor((1,), "float16", None))
    assert half.dtype == np.float32


def test_nan_and_parameters_that_cannot_be_are_refused():
    with pytest.raises(UnspecifiedError, match="NaN"):
        stored_values(np.full((1, 1), np.nan, np.float32), _tensor((1, 1)))
    with pytest.raises(UnspecifiedError):
        real_values(np.zeros((1, 1), np.int8), _tensor((1, 1), affine=Affine(0.0)))


@pytest.mark.parametrize(
    ("dtype", "affine", "quantized", "real"),
    [
        ("int8", Affine(0.5), True, True),
        ("int16", Affine(0.5), True, True),
        ("int8", None, False, False),
        ("int32", Affine(0.5), False, False),
        ("int32", None, False, False),
        ("float32", None, False, True),
        ("bool", None, False, False),
    ],
)
def test_what_stands_for_real_values(dtype: str, affine: Affine | None, quantized: bool, real: bool):  # noqa: FBT001
    tensor = _tensor((1, 4), dtype, affine)
    assert (is_quantized(tensor), is_real(tensor)) == (quantized, real)
