from __future__ import annotations

import numpy as np
import pytest

from qbench import Dataset
from qbench.errors import DatasetError
from qbench.models.datasets import SINGLE_INPUT, real_values

_GENERATOR = np.random.default_rng(3)
_INPUTS = _GENERATOR.normal(size=(6, 4)).astype(np.float32)
_OTHERS = _GENERATOR.normal(size=(5, 4)).astype(np.float32)
_LABELS = np.array([0, 1, 2, 0, 1, 2])


class TestShapes:
    def test_a_bare_array_has_one_nameless_input(self):
        dataset = Dataset(inputs=_INPUTS, labels=_LABELS, calibration=_OTHERS)
        assert dataset.examples == 6
        assert list(dataset.input_arrays) == list(dataset.calibration_arrays) == [SINGLE_INPUT]
        assert dataset.calibration_arrays[SINGLE_INPUT].shape == (5, 4)

    def test_several_inputs_have_names(self):
        dataset = Dataset(inputs={"left": _INPUTS, "right": np.arange(6)})
        assert list(dataset.input_arrays) == ["left", "right"]
        assert dataset.calibration_arrays == {}

    def test_lists_are_arrays_too(self):
        assert Dataset(inputs=[[1.0], [2.0]], labels=[0, 1], calibration=[[3.0]]).examples == 2

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"labels": _LABELS[:5]}, "inputs has 6 examples, labels has 5 examples; expected the same number"),
            ({"labels": np.int64(3)}, "labels has no first axis"),
            ({"inputs": _INPUTS[:0], "labels": _LABELS[:0]}, "inputs has 0 examples, labels has 0 examples"),
            ({"inputs": np.float32(1), "labels": None}, "inputs has no first axis"),
            ({"inputs": {}, "labels": None}, "no array; expected"),
            (
                {"inputs": {"a": _INPUTS, "b": _INPUTS[:2]}},
                "input a has 6 examples, input b has 2 examples",
            ),
            ({"calibration": _OTHERS[:0]}, "calibration has 0 examples; expected"),
        ],
    )
    def test_arrays_must_have_the_same_number_of_examples(self, values, message):
        with pytest.raises(DatasetError, match=f"dataset 'mine': .*{message}"):
            Dataset(**{"inputs": _INPUTS, "labels": _LABELS, "name": "mine", **values})

    def test_calibration_arrays_too(self):
        names = {"a": _INPUTS, "b": _INPUTS}
        with pytest.raises(DatasetError, match="calibration a has 5 examples, calibration b has 4 examples"):
            Dataset(inputs=names, calibration={"a": _OTHERS, "b": _OTHERS[:4]})

    @pytest.mark.parametrize(
        ("calibration", "message"),
        [
            (
                _OTHERS.astype(np.float64),
                r"a calibration example is float64\(4,\), an evaluation example float32",
            ),
            (_OTHERS[:, :3], r"is float32\(3,\), an evaluation example float32\(4,\)"),
            (_OTHERS[:, np.newaxis], r"is float32\(1, 4\)"),
            ({"x": _OTHERS}, r"calibration has the inputs \['x'\], evaluation has \[''\]"),
        ],
    )
    def test_calibration_examples_must_look_like_the_others(self, calibration, message):
        with pytest.raises(DatasetError, match=message):
            Dataset(inputs=_INPUTS, calibration=calibration)

    @pytest.mark.parametrize("names", [["left"], ["left", "middle"], ["left", "right", "more"]])
    def test_calibration_must_have_every_input_and_no_other(self, names):
        inputs = {"left": _INPUTS, "right": _INPUTS}
        with pytest.raises(DatasetError, match="expected the same names"):
            Dataset(inputs=inputs, calibration=dict.fromkeys(names, _OTHERS))

    def test_calibration_without_a_first_axis_is_refused(self):
        with pytest.raises(DatasetError, match="calibration has no first axis"):
            Dataset(inputs=np.arange(3.0), calibration=np.float64(7))

    def test_groups_are_one_for_each_example(self):
        assert Dataset(inputs=_INPUTS).group_array is None
        np.testing.assert_array_equal(Dataset(inputs=_INPUTS, groups=list("aabbcc")).group_array, list("aabbcc"))
        with pytest.raises(DatasetError, match="inputs has 6 examples, groups has 5 examples"):
            Dataset(inputs=_INPUTS, groups=list("aabbc"))

    @pytest.mark.parametrize("groups", [np.zeros((6, 1), int), np.zeros(6), [None] * 6, 3], ids=repr)
    def test_what_names_no_group_is_refused(self, groups):
        with pytest.raises(DatasetError, match=r"groups are .* expected an integer or a text for each example"):
            Dataset(inputs=_INPUTS, groups=groups)

    @pytest.mark.parametrize("part", ["inputs", "labels", "calibration"])
    def test_python_objects_are_refused(self, part):
        ragged = np.array([[1], [1, 2], [3], [4], [5], [6]], dtype=object)
        with pytest.raises(DatasetError, match=f"found Python objects in {part}, expected an array of numbers"):
            Dataset(**{"inputs": _INPUTS, part: ragged})

    @pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_scale_that_is_none_is_refused(self, scale):
        with pytest.raises(DatasetError, match=f"found input_scale={scale}, expected a finite number above 0"):
            Dataset(inputs=np.arange(3), input_scale=scale)


class TestLeaks:
    @pytest.mark.parametrize("index", [0, 3, 5])
    @pytest.mark.parametrize("place", [0, 2, 5])
    def test_one_leaked_example_is_found_wherever_it_stands(self, index, place):
        calibration = np.insert(_OTHERS, place, _INPUTS[index], axis=0)
        with pytest.raises(DatasetError, match=r"1 of its calibration examples .*training set") as caught:
            Dataset(inputs=_INPUTS, calibration=calibration)
        assert f"(calibration example {place} is evaluation example {index})" in str(caught.value)

    @pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), [3, 1, 5, 0, 2, 4]])
    def test_the_same_examples_in_any_order_are_found(self, order):
        with pytest.raises(DatasetError, match="6 of its calibration examples are also evaluation examples"):
            Dataset(inputs=_INPUTS, calibration=_INPUTS[order])

    def test_memory_layout_hides_nothing(self):
        with pytest.raises(DatasetError, match="1 of its calibration examples"):
            Dataset(inputs=_INPUTS, calibration=np.asfortranarray(np.vstack([_OTHERS, _INPUTS[2:3]])))

    def test_an_example_is_all_its_inputs(self):
        right = np.arange(6)
        other = {"left": _INPUTS[::-1].copy(), "right": right}
        Dataset(inputs={"left": _INPUTS, "right": right}, calibration=other)
        other["left"][4] = _INPUTS[4]
        with pytest.raises(DatasetError, match=r"calibration example 4 is evaluation example 4\)"):
            Dataset(inputs={"left": _INPUTS, "right": right}, calibration=other)

    def test_names_pair_inputs_in_any_order(self):
        left, right = _INPUTS[:, :2], _INPUTS[:, 2:]
        with pytest.raises(DatasetError, match="6 of its"):
            Dataset(inputs={"left": left, "right": right}, calibration={"right": right, "left": left})

    def test_different_examples_are_no_leak(self):
        almost = _INPUTS.copy()
        almost[:, 0] = np.nextafter(almost[:, 0], np.inf)
        Dataset(inputs=_INPUTS, calibration=almost)


_WHOLE = {"inputs": _INPUTS, "labels": _LABELS, "calibration": _OTHERS, "input_scale": 0.5}


class TestDigests:
    @pytest.mark.parametrize(
        ("change", "evaluation", "calibration"),
        [
            ({"inputs": _INPUTS[::-1]}, True, False),
            ({"inputs": _INPUTS + 1}, True, False),
            ({"labels": _LABELS[::-1]}, True, False),
            ({"labels": None}, True, False),
            ({"labels": _LABELS.astype(np.int8)}, True, False),
            ({"calibration": _OTHERS[::-1]}, False, True),
            ({"calibration": _OTHERS[:4]}, False, True),
            ({"input_scale": 0.25}, True, True),
            ({"input_scale": None}, True, True),
            ({"input_zero_point": 3}, True, True),
            ({"inputs": {"x": _INPUTS}, "calibration": {"x": _OTHERS}}, True, True),
            ({"name": "renamed"}, False, False),
            ({"inputs": np.asfortranarray(_INPUTS)}, False, False),
        ],
    )
    def test_each_changes_with_what_it_stands_for_and_nothing_else(self, change, evaluation, calibration):
        before, after = Dataset(**_WHOLE), Dataset(**{**_WHOLE, **change})
        assert (before.digest != after.digest) is evaluation
        assert (before.calibration_digest != after.calibration_digest) is calibration

    def test_groups_change_none_of_them(self):
        grouped = Dataset(inputs=_INPUTS, labels=_LABELS, groups=list("aabbcc"), group_name="camera")
        assert grouped.digest == Dataset(inputs=_INPUTS, labels=_LABELS).digest

    def test_without_calibration_there_is_none(self):
        assert Dataset(inputs=_INPUTS).calibration_digest == ""

    def test_an_input_called_labels_is_not_taken_for_labels(self):
        both = {"x": _INPUTS, "labels": _LABELS}
        assert Dataset(inputs=both).digest != Dataset(inputs={"x": _INPUTS}, labels=_LABELS).digest


class TestRealValues:
    def test_integers_are_shifted_and_scaled(self):
        stored = np.array([0, 1, 128, 255], np.uint8)
        real = real_values(stored, scale=0.5, zero_point=128)
        assert real.dtype == np.float32
        assert real.tolist() == [-64.0, -63.5, 0.0, 63.5]

    def test_is_rounded_once(self):
        stored = np.arange(-32768, 32768).astype(np.int16)
        exact = (stored.astype(np.float64) - 7) * (1 / 255)
        assert np.array_equal(real_values(stored, scale=1 / 255, zero_point=7), exact.astype(np.float32))

    @pytest.mark.parametrize("stored", [np.array([1, 2], np.int32), np.array([0.5, 1.5], np.float64)])
    def test_without_a_scale_nothing_changes(self, stored):
        assert real_values(stored, scale=None, zero_point=0) is stored

    def test_real_values_stay_what_they_are(self):
        assert real_values(_INPUTS, scale=0.5, zero_point=3) is _INPUTS

    def test_a_dataset_uses_its_own_parameters(self):
        dataset = Dataset(inputs=np.array([[10], [20]], np.uint8), input_scale=0.25, input_zero_point=10)
        assert dataset.real_values(dataset.input_arrays[SINGLE_INPUT]).tolist() == [[0.0], [2.5]]
