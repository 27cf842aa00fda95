"""Errors of a tensor, calculated by hand; and the same in whatever batches they come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.diagnose.operators.records import TensorError
from qbench.diagnose.operators.tensor_errors import TensorErrors
from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters, fake_quantize
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from qbench.tflite.graph import Array, Tensor


def _tensor(dtype: str = "int8", affine: Affine | None = Affine(0.5, -128), channels: int = 2) -> Tensor:  # noqa: B008 - a tuple
    graph = Graph()
    graph.tensor("x", [1, channels], dtype, affine)
    return read_model(graph.build([0], [0])).subgraphs[0].tensors[0]


def _error(quantized: object, floats: object, tensor: Tensor | None = None) -> TensorError:
    errors = TensorErrors(tensor or _tensor())
    errors.add(np.asarray(quantized, np.float32), np.asarray(floats, np.float32))
    return errors.result()


def test_errors_are_in_real_values_and_in_steps():
    found = _error([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.5], [3.0, 3.0]])
    # Differences 0, -0.5, 0, 1; the scale is 0.5.
    assert found.values == 4
    assert found.rmse == pytest.approx(math.sqrt(1.25 / 4))
    assert found.rmse_in_steps == pytest.approx(2 * math.sqrt(1.25 / 4))
    assert found.mean_error == pytest.approx(0.125)
    assert found.mean_error_in_steps == pytest.approx(0.25)
    assert found.max_error_in_steps == 2.0
    assert found.sqnr_db == pytest.approx(10 * math.log10((1 + 6.25 + 9 + 9) / 1.25))


def test_what_lies_beyond_the_range_by_more_than_a_step_is_saturated():
    # int8 with the scale 0.5 and the zero point -128 holds 0 to 127.5.
    floats = [[-0.6, -0.5, 0.0, 127.5, 128.0, 128.1, 500.0, 1.0]]
    assert _error([[0.0] * 8], floats).saturated == 3 / 8


def test_the_share_of_the_error_that_clipped_values_have_is_told():
    # Beyond 127.5 + 0.5 lies 130.5, off by 3; another is off by 1.
    assert _error([[127.5, 2.0]], [[130.5, 1.0]]).saturated_error == pytest.approx(9 / 10)
    assert _error([[127.5, 2.0]], [[127.5, 1.0]]).saturated_error == 0.0
    assert _error([[1.0]] * 2, [[1.0]] * 2).saturated_error == 0.0


def test_range_use_is_the_part_of_the_range_that_float_values_span():
    assert _error([[0.0, 0.0]], [[0.0, 51.0]]).range_use == pytest.approx(0.4)
    assert _error([[0.0, 0.0]], [[25.5, 51.0]]).range_use == pytest.approx(0.2)
    assert _error([[0.0, 0.0]], [[-1000.0, 1000.0]]).range_use == 1.0
    assert _error([[0.0, 0.0]], [[200.0, 300.0]]).range_use == 0.0


def test_a_channel_is_dead_if_it_gives_one_value_and_the_float_models_does_not():
    quantized = [[1.0, 5.0, 2.0], [1.0, 6.0, 2.0]]
    floats = [[1.0, 5.0, 2.0], [1.1, 6.0, 2.0]]
    found = _error(quantized, floats, _tensor(channels=3))
    assert (found.channels, found.dead_channels) == (3, 1)


def test_channels_may_be_others_than_the_last_axis():
    errors = TensorErrors(_tensor(channels=4), 2)
    errors.add(np.array([[1.0, 2.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 1.5, 3.0]]))
    assert (errors.result().channels, errors.result().dead_channels) == (2, 1)


def test_what_is_not_finite_is_counted_on_either_side_and_never_replaced():
    found = _error([[np.nan, np.inf], [1.0, 2.0]], [[1.0, 2.0], [-np.inf, 2.5]])
    assert (found.values, found.not_finite, found.float_not_finite) == (1, 2, 1)
    assert found.rmse == 0.5
    assert found.range_use == 0.0


def test_nothing_finite_has_no_error_and_no_values():
    found = _error([[np.nan, np.nan]], [[1.0, 2.0]])
    assert (found.values, found.not_finite, found.rmse, found.sqnr_db, found.dead_channels) == (0, 2, 0.0, None, 0)


def test_float_tensors_have_no_steps_and_no_range():
    found = _error([[1.0, 2.0]], [[1.0, 3.0]], _tensor("float32", None))
    assert (found.rmse_in_steps, found.mean_error_in_steps, found.max_error_in_steps) == (None, None, None)
    assert (found.range_use, found.saturated) == (None, 0.0)
    assert found.rmse == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize(("quantized", "floats"), [([[1.0, 2.0]], [[1.0, 2.0]]), ([[0.5, 0.0]], [[0.0, 0.0]])])
def test_no_noise_and_no_signal_have_no_ratio(quantized: list[list[float]], floats: list[list[float]]):
    assert _error(quantized, floats).sqnr_db is None


def test_rounding_alone_gives_what_theory_says():
    floats = np.random.default_rng(0).uniform(0, 127.5, size=(20000, 2)).astype(np.float32)
    stored = fake_quantize(floats, QuantizationParameters(0.5, -128))
    found = _error(stored, floats)
    assert found.rmse_in_steps == pytest.approx(1 / math.sqrt(12), rel=0.01)
    assert found.mean_error_in_steps == pytest.approx(0, abs=0.01)
    assert found.max_error_in_steps == pytest.approx(0.5, abs=0.001)


def test_sums_are_of_float64():
    # In float32 the small squares would vanish beside the large one.
    floats = np.zeros((10001, 2), np.float32)
    quantized = np.full((10001, 2), 1e-4, np.float32)
    quantized[0] = 1e4
    found = _error(quantized, floats)
    assert found.rmse**2 * found.values == pytest.approx(2 * 1e8 + 2 * 1e4 * 1e-8, rel=1e-12)


@given(st.integers(0, 1 << 32), st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_batches_change_nothing(seed: int, sizes: list[int]):
    generator = np.random.default_rng(seed)
    floats = generator.normal(scale=50, size=(sum(sizes), 2)).astype(np.float32)
    quantized = floats + generator.normal(size=floats.shape).astype(np.float32)
    quantized[generator.random(floats.shape) < 0.1] = np.nan
    errors = TensorErrors(_tensor())
    for part, other in zip(*(np.split(side, np.cumsum(sizes)[:-1]) for side in (quantized, floats)), strict=True):
        errors.add(part, other)
    whole, parts = _error(quantized, floats), errors.result()
    for name in TensorError.__struct_fields__:
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-12), name


def test_other_numbers_of_values_are_refused():
    with pytest.raises(ValueError, match="found 4 values, the float model has 2"):
        _error(np.zeros((2, 2)), np.zeros((1, 2)))


def test_parameters_that_cannot_be_are_refused():
    with pytest.raises(UnspecifiedError):
        TensorErrors(_tensor(affine=Affine(0.0)))


def test_rows_of_the_dtype_do_not_matter():
    wide: Array = np.array([[1.0, 2.0]], np.float64)
    assert _error(wide, wide).rmse == 0.0


def test_something_where_the_float_model_has_nothing_is_damage_and_rounding_is_none():
    assert _error([[5.0, 0.0]], [[0.0, 0.0]]).sqnr_db == -100.0
    assert _error([[0.5, 0.0]], [[0.0, 0.0]]).sqnr_db is None
    assert _error([[0.5, 0.0]], [[0.0, 0.0]], _tensor("float32", None)).sqnr_db == -100.0
    assert _error([[0.0, 0.0]], [[0.0, 0.0]]).sqnr_db is None
