"""From the examples of a dataset to the bytes of an artifact's inputs."""

from __future__ import annotations

import numpy as np
import pytest

from qbench.errors import DatasetError
from qbench.measure.inputs import batch_axis, input_encoders, unscaled_bytes
from qbench.models.datasets import Dataset, real_values
from qbench.quant.affine import QuantizationParameters, quantize
from qbench.records import TensorSpec


def spec(dtype: str = "float32", shape: tuple[int, ...] = (1, 4), name: str = "x", *, scale: float | None = None):
    scales, zero_points = ((), ()) if scale is None else ((scale,), (3 if dtype != "uint8" else 131,))
    return TensorSpec(name=name, dtype=dtype, shape=shape, scales=scales, zero_points=zero_points)


def encoded(dataset: Dataset, one: TensorSpec) -> np.ndarray:
    """All examples as the artifact's input gets them."""
    (encoder,) = input_encoders(dataset, [one])
    out = np.empty((dataset.examples, *one.shape[1:]), one.dtype)
    encoder.write(0, dataset.examples, out)
    return out


FLOATS = np.random.default_rng(0).uniform(-1, 1, (7, 4)).astype(np.float32)


# --- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_floats_go_to_a_float_input_as_they_are(dtype: str):
    given = FLOATS.astype(dtype)
    np.testing.assert_array_equal(encoded(Dataset(inputs=given), spec()), given.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_floats_are_quantized_with_the_artifacts_own_parameters(dtype: str):
    one = spec(dtype, scale=0.02)
    expected = quantize(FLOATS, QuantizationParameters(0.02, one.zero_points[0], dtype=dtype))
    np.testing.assert_array_equal(encoded(Dataset(inputs=FLOATS), one), expected)


@pytest.mark.parametrize("stored_dtype", ["uint8", "int8"])
@pytest.mark.parametrize(
    "one", [spec("int8", scale=0.007), spec("uint8", scale=0.007), spec("int16", scale=1e-4), spec()]
)
@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 255, 0), (1 / 127.5, 127), (0.017, -128)])
def test_the_table_gives_what_quantizing_every_value_gives(stored_dtype, one, scale, zero_point):
    limits = np.iinfo(stored_dtype)
    stored = np.arange(limits.min, limits.max + 1).astype(stored_dtype).reshape(64, 4)
    dataset = Dataset(inputs=stored, input_scale=scale, input_zero_point=zero_point)
    real = real_values(stored, scale=scale, zero_point=zero_point)
    expected = real
    if one.quantized:
        expected = quantize(real, QuantizationParameters(one.scales[0], one.zero_points[0], dtype=one.dtype))
    (encoder,) = input_encoders(dataset, [one])
    assert encoder.table is not None
    np.testing.assert_array_equal(encoded(dataset, one), expected)


@pytest.mark.parametrize("one", [spec(), spec("int8", scale=0.02)])
def test_sixteen_bit_values_are_encoded_one_by_one(one: TensorSpec):
    stored = np.random.default_rng(1).integers(0, 4096, (9, 4)).astype(np.uint16)
    dataset = Dataset(inputs=stored, input_scale=1 / 4096, input_zero_point=7)
    real = (stored.astype(np.float64) - 7) / 4096
    expected = real.astype(np.float32)
    if one.quantized:
        expected = quantize(expected, QuantizationParameters(0.02, 3))
    (encoder,) = input_encoders(dataset, [one])
    assert encoder.table is None
    np.testing.assert_array_equal(encoded(dataset, one), expected)


def test_integers_without_a_scale_are_real_numbers():
    stored = np.array([[0, 1, 2, 255]], np.uint8)
    np.testing.assert_array_equal(encoded(Dataset(inputs=stored), spec()), [[0.0, 1.0, 2.0, 255.0]])
    np.testing.assert_array_equal(encoded(Dataset(inputs=stored), spec("int8", scale=0.5)), [[3, 5, 7, 127]])


@pytest.mark.parametrize("stored_dtype", ["int64", "int32", "int16", "uint8"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_ids_reach_an_integer_input_unchanged(stored_dtype: str, dtype: str):
    ids = np.array([[0, 1, 101, 127]]).astype(stored_dtype)
    np.testing.assert_array_equal(encoded(Dataset(inputs=ids), spec(dtype)), ids)


@pytest.mark.parametrize(
    ("stored", "one", "doubted"),
    [
        (np.uint8([[0, 1, 7, 255]]), spec(), True),
        (np.int8([[-128, 0, 3, 127]]), spec(), True),
        (np.uint8([[0, 1, 0, 1]]), spec(), False),  # A mask.
        (np.uint16([[0, 1, 7, 255]]), spec(), False),
        (np.float32([[0, 1, 7, 255]]), spec(), False),
        (np.uint8([[0, 1, 7, 255]]), spec("uint8"), False),  # Ids.
        (np.uint8([[0, 1, 7, 255]]), spec("uint8", scale=1.0), False),  # Calibrated on such values.
        (np.uint8([[0, 1, 7, 255]]), spec("uint8", scale=0.6), False),
        (np.uint8([[0, 1, 7, 255]]), spec("uint8", scale=1 / 255), True),
    ],
)
def test_bytes_without_a_scale_are_doubted_where_a_model_may_want_others(stored, one, *, doubted):
    said = unscaled_bytes(Dataset(inputs=stored), (one,))
    assert bool(said) == doubted
    assert not doubted or f"found {stored.dtype} values from {stored.min()} to {stored.max()} without" in said
    assert unscaled_bytes(Dataset(inputs=stored, input_scale=1.0), (one,)) == ""


def test_a_batch_is_written_to_the_rows_it_is_given_and_no_other():
    (encoder,) = input_encoders(Dataset(inputs=FLOATS), [spec()])
    view = np.full((5, 4), 9, np.float32)
    encoder.write(5, 7, view[:2])
    np.testing.assert_array_equal(view[:2], FLOATS[5:7])
    assert (view[2:] == 9).all()


@pytest.mark.parametrize("one", [spec(), spec("int8", scale=0.02)])
def test_a_part_of_an_encoder_is_that_part_of_its_examples(one: TensorSpec):
    stored = np.random.default_rng(2).integers(0, 256, (9, 4)).astype(np.uint8)
    dataset = Dataset(inputs=stored, input_scale=1 / 255)
    (encoder,) = input_encoders(dataset, [one])
    out = np.empty((3, 4), one.dtype)
    encoder.part(4, 8).write(1, 4, out)
    np.testing.assert_array_equal(out, encoded(dataset, one)[5:8])


def test_memory_order_does_not_matter():
    stored = np.asfortranarray(np.random.default_rng(3).integers(0, 256, (6, 4)).astype(np.uint8))
    one = spec("int8", scale=0.02)
    ordered = Dataset(inputs=np.ascontiguousarray(stored), input_scale=1 / 255)
    np.testing.assert_array_equal(encoded(Dataset(inputs=stored, input_scale=1 / 255), one), encoded(ordered, one))


def test_each_input_gets_the_array_of_its_name():
    specs = [spec(name="left"), spec(name="right")]
    dataset = Dataset(inputs={"right": FLOATS + 1, "left": FLOATS})
    left, right = input_encoders(dataset, specs)
    assert left.stored is dataset.input_arrays["left"]
    assert right.stored is dataset.input_arrays["right"]


# --- the axis of examples ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "shape", "expected"),
    [((4,), (1, 4), True), ((4,), (8, 4), True), ((4,), (4,), False), ((1, 4), (1, 4), False), ((), (1,), True)],
)
def test_batch_axis(example: tuple[int, ...], shape: tuple[int, ...], *, expected: bool):
    assert batch_axis(Dataset(inputs=np.zeros((3, *example), np.float32)), [spec(shape=shape)]) is expected


def test_inputs_of_different_batches_are_refused():
    dataset = Dataset(inputs={"left": FLOATS, "right": FLOATS})
    specs = [spec(name="left"), spec(name="right", shape=(8, 4))]
    with pytest.raises(
        DatasetError, match=r"different numbers of examples at once: 'left' .*\(1, 4\), 'right'.*\(8, 4\)"
    ):
        batch_axis(dataset, specs)


def test_an_input_without_axis_goes_with_a_batch_of_one_only():
    dataset = Dataset(inputs={"left": FLOATS, "right": FLOATS})
    assert batch_axis(dataset, [spec(name="left"), spec(name="right", shape=(4,))]) is False
    with pytest.raises(DatasetError, match="different numbers of examples"):
        batch_axis(dataset, [spec(name="left", shape=(8, 4)), spec(name="right", shape=(4,))])


# --- refusals, each by name -------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [(3,), (5,), (2, 2), (4, 1), ()])
def test_a_wrong_shape_is_refused(example: tuple[int, ...]):
    dataset = Dataset(inputs=np.zeros((3, *example), np.float32), name="digits")
    with pytest.raises(DatasetError) as caught:
        input_encoders(dataset, [spec(name="image")])
    assert "'digits'" in str(caught.value)
    assert f"an example has the shape {example}" in str(caught.value)
    assert "'image' of the artifact expects (4,)" in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "scale", "one"),
    [
        (FLOATS, None, spec("int32")),
        (np.zeros((1, 4), np.uint8), 1 / 255, spec("int32")),
        (np.zeros((1, 4), np.uint8), 1 / 255, spec("uint8")),
        (np.zeros((1, 4), bool), None, spec()),
        (np.zeros((1, 4), np.complex64), None, spec()),
        (np.zeros((1, 4), np.complex64), None, spec("int8", scale=0.1)),
        (np.array([["a", "b", "c", "d"]]), None, spec()),
        (np.array([["a", "b", "c", "d"]]), None, spec("int32")),
    ],
)
def test_a_wrong_dtype_is_refused(stored: np.ndarray, scale: float | None, one: TensorSpec):
    with pytest.raises(DatasetError) as caught:
        input_encoders(Dataset(inputs=stored, input_scale=scale, name="digits"), [one])
    assert str(caught.value).startswith(f"dataset 'digits': examples are {stored.dtype}")
    assert f"the input 'x' of the artifact is {one.dtype}" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "stored", "dtype"),
    [(300, "int64", "int8"), (-1, "int32", "uint8"), (2**31, "int64", "int32"), (200, "uint8", "int8")],
)
def test_integers_that_would_wrap_around_are_refused(value: int, stored: str, dtype: str):
    ids = np.array([[0, 1, 2, value]], stored)
    with pytest.raises(DatasetError, match="expected values that it can hold"):
        input_encoders(Dataset(inputs=ids), [spec(dtype)])


def test_a_string_input_is_refused():
    with pytest.raises(DatasetError, match=r"the input 'text' of the artifact is bytes, which qbench cannot feed"):
        input_encoders(Dataset(inputs=FLOATS), [spec("bytes", name="text")])


def test_an_unnamed_array_does_not_fit_several_inputs():
    with pytest.raises(DatasetError, match=r"has one unnamed array, and the artifact has 2 inputs, .*called 'left'"):
        input_encoders(Dataset(inputs=FLOATS), [spec(name="left"), spec(name="right")])


def test_a_missing_name_is_refused_with_the_names_there_are():
    dataset = Dataset(inputs={"left": FLOATS, "wright": FLOATS})
    with pytest.raises(DatasetError, match=r"has the inputs \['left', 'wright'\], .* one of them called 'right'"):
        input_encoders(dataset, [spec(name="left"), spec(name="right")])


def test_nan_is_refused_where_it_would_become_an_integer():
    stored = FLOATS.copy()
    stored[6, 3] = np.nan
    with pytest.raises(DatasetError, match=r"dataset 'digits': the input 'x': NaN has no quantized value"):
        encoded(Dataset(inputs=stored, name="digits"), spec("int8", scale=0.02))
    assert np.isnan(encoded(Dataset(inputs=stored), spec())[6, 3])
