from __future__ import annotations

import models_zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from declared import SCORES, builder, dataset, declare, features, float_model

from qbench import Dataset
from qbench.errors import ConversionError
from qbench.files import digest_bytes
from qbench.models import convert as convert_module
from qbench.models.recipes import BUILTIN_RECIPES
from qbench.models.structure import read_structure
from qbench.records import RuntimeOptions, Subject
from qbench.runtime.interpreter import open_interpreter

#: What a project's own code may look like.
_USER_CODE = """
from pathlib import Path
import numpy as np

FLOAT = Path(__file__).with_name("net.tflite")

def content():
    return bytearray(FLOAT.read_bytes())

def path():
    return FLOAT

def relative():
    return "net.tflite"

def swap(content, samples):
    Path(__file__).with_name("given.tflite").write_bytes(content)
    arrays = [array for sample in samples for array in sample.values()]
    if arrays:
        np.save(Path(__file__).with_name("samples.npy"), np.array(arrays))
    return FLOAT.with_name("other.tflite").read_bytes()
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "user_code.py").write_text(_USER_CODE)
    (tmp_path / "other.tflite").write_bytes(float_model(seed=1))
    return tmp_path


def _build(config, **options):
    """The artifacts by recipe, all of which must have been made."""
    with builder(config, **options) as made_by:
        built = made_by.build(config.subjects)
    errors = [result for result in built.values() if isinstance(result, Exception)]
    assert errors == []
    assert list(built) == list(config.subjects)
    for subject, result in built.items():
        content = result.artifact.path.read_bytes()
        assert result.artifact.subject == subject
        assert (result.artifact.sha256, result.artifact.size_bytes) == (digest_bytes(content), len(content))
    return {subject.recipe: result.artifact.path.read_bytes() for subject, result in built.items()}


def _scores(content, examples):
    """Real outputs of an artifact of the float model for real inputs."""
    interpreter = open_interpreter(content, RuntimeOptions())
    (given,), (made,) = interpreter.inputs, interpreter.outputs
    rows = []
    for example in examples:
        if given.quantized:
            limits = np.iinfo(given.dtype)
            stored = np.rint(example / given.scales[0]) + given.zero_points[0]
            example = np.clip(stored, limits.min, limits.max).astype(given.dtype)  # noqa: PLW2901 - the same example
        interpreter.set_input(0, example[np.newaxis])
        interpreter.invoke()
        row = interpreter.output(0)[0].astype(np.float64)
        rows.append((row - made.zero_points[0]) * made.scales[0] if made.quantized else row)
    return np.array(rows)


@pytest.fixture(scope="module")
def all_recipes(tmp_path_factory):
    """The artifacts of a float `.tflite` under every built-in recipe, made in one child."""
    return _build(declare(tmp_path_factory.mktemp("all"), recipes=list(BUILTIN_RECIPES)))


class TestBuiltinRecipes:
    @pytest.mark.parametrize(
        ("recipe", "operator", "weights", "activations", "error"),
        [
            ("fp32", "FULLY_CONNECTED float32", {"float32": 8320}, "float32", 1e-5),
            ("fp16", "FULLY_CONNECTED float32", {"float16": 4096, "float32": 128}, "float32", 0.05),
            ("dynamic", "FULLY_CONNECTED float32xint8", {"int8": 2048, "float32": 128}, "float32", 0.5),
            ("int8", "FULLY_CONNECTED int8", {"int8": 2048, "int32": 128}, "int8", 1.0),
            ("int8-per-tensor", "FULLY_CONNECTED int8", {"int8": 2048, "int32": 128}, "int8", 1.0),
            ("int8-symmetric", "FULLY_CONNECTED int8", {"int8": 2048, "int32": 128}, "int8", 1.5),
            ("int16x8", "FULLY_CONNECTED int16xint8", {"int8": 2048, "int64": 256}, "int16", 0.5),
        ],
    )
    def test_each_makes_what_it_says(self, all_recipes, recipe, operator, weights, activations, error):
        content = all_recipes[recipe]
        structure = read_structure(content)
        assert operator in structure.operators
        assert dict(structure.weight_bytes) == weights
        interpreter = open_interpreter(content, RuntimeOptions())
        assert [spec.dtype for spec in interpreter.inputs + interpreter.outputs] == [activations] * 2
        examples = features(1, 8)
        expected = _scores(float_model(), examples)
        assert np.abs(_scores(content, examples) - expected).max() < error

    def test_fp32_is_the_source_itself(self, all_recipes):
        assert all_recipes["fp32"] == float_model()

    def test_weights_have_a_scale_each_or_one_together(self, all_recipes):
        assert _weight_scales(all_recipes["int8"]) == SCORES
        assert _weight_scales(all_recipes["int8-symmetric"]) == SCORES
        assert _weight_scales(all_recipes["int8-per-tensor"]) == 1

    def test_activations_are_symmetric_where_the_recipe_says_so(self, all_recipes):
        def zero_points(recipe):
            interpreter = open_interpreter(all_recipes[recipe], RuntimeOptions())
            return [spec.zero_points for spec in interpreter.inputs + interpreter.outputs]

        assert zero_points("int8-symmetric") == zero_points("int16x8") == [(0,), (0,)]
        assert (0,) not in zero_points("int8")

    def test_ranges_are_those_of_all_calibration_samples(self, all_recipes):
        (given,) = open_interpreter(all_recipes["int8"], RuntimeOptions()).inputs
        samples = features(1, 8)
        assert given.scales[0] == pytest.approx((samples.max() - samples.min()) / 255, rel=1e-6)

    def test_the_order_of_the_samples_does_not_count(self, all_recipes, root):
        reverse = Dataset(inputs=features(0, 8), calibration=features(1, 8)[::-1])
        again = _build(declare(root, recipes=["int8"]), dataset_of=lambda _: reverse)
        assert again["int8"] == all_recipes["int8"]


def _weight_scales(content):
    """Scales of the weights as they stand in the file; the runtime repeats a single one."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (weights,) = [each for each in model.subgraphs[0].tensors if each.name == b"weights"]
    return len(weights.quantization.scale)


class TestGivenArtifacts:
    def test_nothing_is_converted(self, root):
        (root / "int8.tflite").write_bytes(b"made by somebody else")
        config = declare(root, {"fp32": "net.tflite", "int8": "int8.tflite"})
        with builder(config) as made_by:
            built = made_by.build(config.subjects)
            assert made_by.converted == []
        assert [result.artifact.path for result in built.values()] == [root / "net.tflite", root / "int8.tflite"]
        assert not (root / "cache").exists()

    def test_one_that_is_gone_is_an_error_of_its_own(self, root):
        config = declare(root, {"fp32": "net.tflite", "int8": "other.tflite"})
        (root / "other.tflite").unlink()
        with builder(config) as made_by:
            fp32, int8 = made_by.build(config.subjects).values()
        assert fp32.artifact.size_bytes == len(float_model())
        assert isinstance(int8, ConversionError)
        assert "net-int8: its source cannot be read" in str(int8)


class TestFunctions:
    @pytest.mark.parametrize("name", ["content", "path", "relative"])
    def test_a_source_may_be_a_function_that_gives_bytes_or_a_path(self, root, name, monkeypatch):
        monkeypatch.chdir(root.parent)
        made = _build(declare(root, f"user_code:{name}", recipes=["fp32", "dynamic"]))
        assert made["fp32"] == float_model()
        assert "FULLY_CONNECTED float32xint8" in read_structure(made["dynamic"]).operators

    def test_a_recipe_may_be_a_function_of_the_float_artifact_and_the_samples(self, root):
        stored = np.random.default_rng(2).integers(0, 256, (12, 64)).astype(np.uint8)
        given = Dataset(inputs=stored[:6], calibration=stored[6:], input_scale=0.25, input_zero_point=7)
        recipe = {"mine": {"function": "user_code:swap"}}
        made = _build(declare(root, recipes=["mine"], recipe=recipe), dataset_of=lambda _: given)
        assert made["mine"] == float_model(seed=1)
        assert (root / "given.tflite").read_bytes() == float_model()
        samples = np.load(root / "samples.npy")
        assert samples.shape == (6, 1, 64)
        assert samples.dtype == np.float32
        assert np.array_equal(samples[:, 0], (stored[6:].astype(np.float32) - 7) * 0.25)

    def test_it_needs_no_samples_if_it_says_so(self, root):
        recipe = {"mine": {"function": "user_code:swap", "calibration": False}}
        made = _build(declare(root, recipes=["mine"], recipe=recipe), dataset_of=lambda _: None)
        assert made["mine"] == float_model(seed=1)
        assert not (root / "samples.npy").exists()

    def test_its_code_is_part_of_what_is_cached(self, root):
        config = declare(root, recipes=["mine"], recipe={"mine": {"function": "user_code:swap"}})
        _build(config)
        (root / "user_code.py").write_text("def swap(content, samples): return b'another'")
        assert _build(config)["mine"] == b"another"


class TestQuantizerRecipes:
    def test_a_recipe_may_be_one_of_litert_quantizer(self, root):
        recipe = {"weights": {"quantizer": "weight_only_wi8_afp32"}, "whole": {"quantizer": "static_wi8_ai8"}}
        made = _build(declare(root, recipes=["weights", "whole", "int8"], recipe=recipe))
        structure = read_structure(made["weights"])
        assert "DEQUANTIZE int8" in structure.operators
        assert structure.weight_bytes["int8"] == 2048
        assert made["whole"] == made["int8"]

    def test_a_recipe_may_choose_one_by_one(self, root):
        recipe = {
            "four": {"quantization": {"weights": "int4", "activations": "dynamic"}},
            "clipped": {"quantization": {"calibration": "percentile", "percentile": 90}},
            "plain": {"quantization": {}},
            "float": {"quantization": {"float_operators": ["y"]}},
        }
        made = _build(declare(root, recipes=[*recipe, "int8"], recipe=recipe))
        assert "FULLY_CONNECTED float32xint4" in read_structure(made["four"]).operators
        assert made["plain"] == made["int8"]
        assert "FULLY_CONNECTED float32" in read_structure(made["float"]).operators
        scales = {
            name: open_interpreter(made[name], RuntimeOptions()).inputs[0].scales[0] for name in ("int8", "clipped")
        }
        samples = np.sort(features(1, 8).ravel())
        assert scales["int8"] == pytest.approx(np.ptp(samples) / 255, rel=1e-6)
        assert scales["clipped"] == pytest.approx((samples[-52] - samples[51]) / 255, rel=0.004)

    @pytest.mark.parametrize(
        ("choices", "message"),
        [
            ({"float_operators": ["z"]}, "found 'z', which no operator of the float model has as its output"),
            ({"calibration_examples": 9}, "found 8 calibration examples, expected the 9 of `calibration_examples`"),
            ({"weights": "int4", "granularity": "block128", "activations": "dynamic"}, "with a multiple of 128"),
        ],
    )
    def test_what_the_model_or_its_dataset_cannot_give_is_told(self, root, choices, message):
        config = declare(root, recipes=["mine"], recipe={"mine": {"quantization": choices}})
        with builder(config) as made_by:
            (error,) = made_by.build(config.subjects).values()
        assert isinstance(error, ConversionError)
        assert str(error).startswith("net-mine cannot be converted: ValueError: ")
        assert message in str(error)

    def test_ranges_of_one_model_are_not_those_of_the_next(self, root):
        (root / "scaled.tflite").write_bytes(float_model(seed=3))
        models = {"net": {"source": "net.tflite"}, "scaled": {"source": "scaled.tflite"}}
        recipe = {"mine": {"quantization": {"calibration": "mse"}}}
        config = declare(root, models=models, recipes=["mine"], recipe=recipe)
        with builder(config) as made_by:
            together = [each.artifact.path.read_bytes() for each in made_by.build(config.subjects).values()]
        alone = []
        for name, source in models.items():
            config = declare(root, models={name: source}, recipes=["mine"], recipe=recipe)
            (root / "cache").rename(root / f"cache of {name}")
            alone.append(_build(config)["mine"])
        assert together == alone
        assert together[0] != together[1]

    def test_several_inputs_are_calibrated_by_name(self, root):
        (root / "two.tflite").write_bytes(models_zoo.two_inputs_two_outputs())
        generator = np.random.default_rng(4)
        small, large = (generator.uniform(-1, 1, (8, 4)).astype(np.float32) * most for most in (1, 100))
        given = Dataset(
            inputs={"right": large[:4], "left": small[:4]}, calibration={"right": large[4:], "left": small[4:]}
        )
        made = _build(declare(root, "two.tflite", recipes=["int8"]), dataset_of=lambda _: given)
        specs = {spec.name: spec for spec in open_interpreter(made["int8"], RuntimeOptions()).inputs}
        for name, samples in {"left": small[4:], "right": large[4:]}.items():
            assert specs[name].scales[0] == pytest.approx(np.ptp(samples) / 255, rel=1e-5)


def test_progress_counts_what_is_not_cached(root):
    config = declare(root, recipes=["fp32", "fp16", "dynamic"])
    seen = []
    with builder(config) as made_by:
        made_by.build(config.subjects, lambda *step: seen.append(step))
        assert seen == [(0, 2, "net-fp16"), (1, 2, "net-dynamic"), (2, 2, "")]
        made_by.build(config.subjects, lambda *step: seen.append(step))
        assert made_by.converted == [Subject(model="net", recipe=recipe) for recipe in ("fp16", "dynamic")]
    assert len(seen) == 3


def test_a_source_and_its_samples_are_sent_once(root, monkeypatch):
    config = declare(root, recipes=["fp16", "int8", "dynamic", "int16x8"])
    requests = []
    ask = convert_module.ChildProcess.ask

    def listen(self, request, *arguments, **options):
        requests.append(request["do"])
        return ask(self, request, *arguments, **options)

    monkeypatch.setattr(convert_module.ChildProcess, "ask", listen)
    _build(config)
    assert requests == ["load", "convert", "calibrate", *["convert"] * 3]


def test_the_child_ends_with_the_builder(root):
    config = declare(root, recipes=["fp16"])
    with builder(config) as made_by:
        made_by.build(config.subjects)
        child = made_by._child._process
        assert child.poll() is None
    assert child.returncode is not None


def test_only_calibrated_recipes_ask_for_the_dataset(root):
    asked = []

    def dataset_of(model):
        asked.append(model)
        return dataset()

    _build(declare(root, recipes=["fp32", "fp16", "dynamic"]), dataset_of=dataset_of)
    assert asked == []
    _build(declare(root, recipes=["fp32", "dynamic", "int8"]), dataset_of=dataset_of)
    assert set(asked) == {"net"}
