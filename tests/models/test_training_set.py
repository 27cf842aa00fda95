from __future__ import annotations

import numpy as np
import pytest
from small_network import examples

from qbench import Dataset, TrainingSet
from qbench.errors import ConfigError, DatasetError
from qbench.models.config import parse_config
from qbench.models.training_set import TrainingSets
from qbench.records import Subject

_IMAGES, _LABELS = examples(1, 20)


def _set(**changed):
    return TrainingSet(**{"inputs": _IMAGES, "labels": _LABELS, "input_scale": 1 / 255, **changed})


class TestWhatItIs:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"loss": "hinge"}, "found loss='hinge', expected one of sparse_categorical_crossentropy"),
            ({"input_scale": 0.0}, "found input_scale=0.0, expected a finite number above 0"),
            ({"input_scale": float("nan")}, "found input_scale=nan"),
            ({"labels": _LABELS[:7]}, r"labels has the shape \(7,\); expected the same number of examples"),
            ({"inputs": _IMAGES[:0], "labels": _LABELS[:0]}, "at least one"),
            ({"inputs": np.array([None] * 20)}, "found object in inputs, expected an array of numbers"),
            ({"labels": _LABELS.astype(np.float32)}, "expected one class index for each example"),
            ({"labels": np.eye(4, dtype=np.int64)[_LABELS]}, "expected one class index for each example"),
        ],
    )
    def test_what_cannot_be_one_is_refused(self, changed, message):
        with pytest.raises(DatasetError, match=message):
            _set(**changed)

    def test_labels_may_be_what_the_output_is_to_be(self):
        assert _set(labels=np.zeros((20, 3), np.float32), loss="mean_squared_error").examples == 20

    def test_its_digest_depends_on_all_that_training_depends_on(self):
        others = [
            _set(inputs=_IMAGES[::-1]),
            _set(labels=(_LABELS + 1) % 4),
            _set(input_scale=None),
            _set(input_zero_point=3),
            _set(labels=_LABELS.astype(np.int32), loss="mean_squared_error"),
        ]
        assert len({_set().digest, *(each.digest for each in others)}) == 6
        assert _set(name="another").digest == _set().digest

    def test_stored_values_stand_for_real_ones(self):
        np.testing.assert_array_equal(_set().real_values(_IMAGES), (_IMAGES / 255).astype(np.float32))


class TestLeak:
    def test_an_evaluation_example_is_refused_wherever_it_stands(self):
        inputs = np.concatenate([examples(2, 5)[0], _IMAGES[3:4]])
        dataset = Dataset(inputs=inputs, input_scale=1 / 255, name="judged")
        with pytest.raises(DatasetError, match=r"1 of its examples.*'judged' \(training example 3 is evaluation exam"):
            _set().check_apart(dataset)

    def test_one_that_is_stored_in_another_way_is_found_too(self):
        real = (np.float64(1 / 255) * _IMAGES[5:6]).astype(np.float32)
        with pytest.raises(DatasetError, match="training example 5 is evaluation example 0"):
            _set().check_apart(Dataset(inputs=real))

    def test_other_examples_are_fine(self):
        _set().check_apart(Dataset(inputs=examples(2, 5)[0], input_scale=1 / 255))

    def test_inputs_of_other_names_are_refused(self):
        with pytest.raises(DatasetError, match=r"found the inputs \[''\], expected \['image'\]"):
            _set().check_apart(Dataset(inputs={"image": _IMAGES}))


class TestDeclared:
    @pytest.fixture
    def sets(self, tmp_path):
        def make(code, declared="data_{}:training", dataset=None):
            name = f"training_{abs(hash((code, str(tmp_path))))}"
            (tmp_path / f"{name}.py").write_text(code)
            (tmp_path / "net.tflite").write_bytes(b"net")
            model = {"source": "net.tflite", "recipes": ["trained", "int8"]}
            if declared is not None:
                model["training_set"] = declared.replace("data_{}", name)
            table = {"models": {"net": model}, "recipe": {"trained": {"base": "int8", "training": {}}}}
            return TrainingSets(parse_config(table, root=tmp_path), lambda _: dataset)

        return make

    _GOOD = (
        "from qbench import TrainingSet\nfrom small_network import examples\ncalls = []\n"
        "def training():\n    calls.append(1)\n    images, labels = examples(1, 20)\n"
        "    assert len(calls) == 1\n    return TrainingSet(inputs=images, labels=labels, input_scale=1 / 255)\n"
    )

    def test_it_is_loaded_once_and_only_for_recipes_that_train(self, sets):
        made = sets(self._GOOD)
        assert made.of(Subject(model="net", recipe="int8")) is None
        subject = Subject(model="net", recipe="trained")
        assert made.of(subject) is made.of(subject)
        assert made.of(subject).digest == _set().digest

    def test_what_is_judged_is_refused(self, sets):
        made = sets(self._GOOD, dataset=Dataset(inputs=_IMAGES[:2], input_scale=1 / 255))
        with pytest.raises(DatasetError, match="2 of its examples are also evaluation examples"):
            made.of(Subject(model="net", recipe="trained"))

    @pytest.mark.parametrize(
        ("code", "declared", "error", "message"),
        [
            ("", None, ConfigError, "training_set: found none, and the recipe 'trained' trains, expected 'module:func"),
            ("", "data_{}:training", ConfigError, "has no attribute 'training'"),
            ("", "no_such_module_at_all:training", ConfigError, "No module named 'no_such_module_at_all'"),
            (
                "def training():\n    return 3\n",
                "data_{}:training",
                DatasetError,
                "returned int; expected a qbench.Tra",
            ),
            ("def training():\n    raise OSError('gone')\n", "data_{}:training", DatasetError, "raised OSError: gone"),
        ],
    )
    def test_what_cannot_be_loaded_says_why(self, sets, code, declared, error, message):
        with pytest.raises(error, match=message):
            sets(code, declared).of(Subject(model="net", recipe="trained"))
