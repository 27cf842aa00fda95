"""Conversions by the real TensorFlow, all in one child: it takes seconds to start."""

from __future__ import annotations

import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench import Dataset
from qbench.errors import ConversionError
from qbench.models.artifact_checks import check_float, check_quantized, check_weights_present
from qbench.models.cache import ArtifactCache
from qbench.models.config import parse_config
from qbench.models.convert import Builder
from qbench.models.recipes import BUILTIN_RECIPES
from qbench.models.structure import read_structure
from qbench.records import RuntimeOptions, Subject
from qbench.runtime.interpreter import open_interpreter

#: Makes the networks, and the files that the other models of the project are read from.
_USER_CODE = """
    from pathlib import Path
    import keras
    from keras import layers

    HERE = Path(__file__).parent

    def network():
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 1), name="image")
        inner = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
        model = keras.Model(image, layers.Dense(10)(layers.Dense(32, activation="relu")(inner)))
        model.save(HERE / "net.keras")
        model.export(HERE / "saved", verbose=False)
        left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
        joined = layers.Concatenate()([layers.Dense(40)(left), right])
        keras.Model([right, left], layers.Dense(64)(joined)).save(HERE / "two.keras")
        return model

    def saved():
        return HERE / "saved"

    def keras_file():
        return "net.keras"

    def unbuilt():
        return keras.Sequential([layers.Dense(3)])
"""

_RECIPES = {
    "old-converter": {"base": "int8", "converter": {"experimental_new_quantizer": False}},
    "misspelled": {"base": "int8", "converter": {"inference_inptu_type": "int8"}},
    "weights": {"quantizer": "weight_only_wi8_afp32"},
    "chosen": {"quantization": {"weights": "int4", "activations": "int16", "calibration": "mse"}},
}

_MODELS = {
    "net": {"source": "networks:network", "recipes": [*BUILTIN_RECIPES, *_RECIPES]},
    "file": {"source": "net.keras", "recipes": ["fp32", "int8"]},
    "saved": {"source": "saved", "recipes": ["fp32", "int8"]},
    "from-saved": {"source": "networks:saved", "recipes": ["fp32"]},
    "from-file": {"source": "networks:keras_file", "recipes": ["fp32"]},
    "unbuilt": {"source": "networks:unbuilt", "recipes": ["fp32"]},
    "two": {"source": "two.keras", "recipes": ["int8"]},
}

_SAMPLES = np.random.default_rng(1).uniform(0, 1, (24, 8, 8, 1)).astype(np.float32)
_IMAGES = Dataset(inputs=_SAMPLES[:8], calibration=_SAMPLES[8:])
_PAIRS = Dataset(
    inputs={"right": _SAMPLES[:8, 1, :6, 0] * 50, "left": _SAMPLES[:8, 0, :4, 0]},
    calibration={"right": _SAMPLES[8:, 1, :6, 0] * 50, "left": _SAMPLES[8:, 0, :4, 0]},
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Everything declared above, built by one child."""
    root = tmp_path_factory.mktemp("tensorflow")
    (root / "networks.py").write_text(textwrap.dedent(_USER_CODE))
    # The files must be there when the table is read; the first conversion makes the real ones.
    (root / "saved").mkdir()
    for name in ("net.keras", "two.keras", "saved/saved_model.pb"):
        (root / name).touch()
    config = parse_config({"models": _MODELS, "recipe": _RECIPES}, root=root)
    cache = ArtifactCache(root / "cache")
    pids, imported = set(), set(sys.modules)
    with Builder(config, cache, lambda model: _PAIRS if model == "two" else _IMAGES) as builder:
        built = {}
        for subject in config.subjects:
            built |= builder.build([subject])
            pids.add(builder._child._process.pid)
    return SimpleNamespace(
        root=root, config=config, cache=cache, built=built, pids=pids, imported=set(sys.modules) - imported
    )


@pytest.fixture
def content(project):
    """The bytes of one artifact."""

    def content(model, recipe):
        result = project.built[Subject(model=model, recipe=recipe)]
        assert not isinstance(result, Exception), result
        return result.artifact.path.read_bytes()

    return content


def _logits(content):
    """Real outputs of an artifact for the images."""
    interpreter = open_interpreter(content, RuntimeOptions())
    (given,), (made,) = interpreter.inputs, interpreter.outputs
    rows = []
    for image in _IMAGES.input_arrays[""]:
        if given.quantized:
            limits = np.iinfo(given.dtype)
            stored = np.rint(image / given.scales[0]) + given.zero_points[0]
            image = np.clip(stored, limits.min, limits.max).astype(given.dtype)  # noqa: PLW2901 - the same image
        interpreter.set_input(0, image[np.newaxis])
        interpreter.invoke()
        row = interpreter.output(0)[0].astype(np.float64)
        rows.append((row - made.zero_points[0]) * made.scales[0] if made.quantized else row)
    return np.array(rows)


@pytest.mark.parametrize(
    ("recipe", "computed", "dense", "weights", "activations", "error"),
    [
        ("fp32", "float32", "float32", "float32", "float32", 0.0),
        ("fp16", "float32", "float32", "float16", "float32", 0.01),
        ("dynamic", "float32", "float32xint8", "int8", "float32", 0.05),
        ("int8", "int8", "int8", "int8", "int8", 0.1),
        ("int8-per-tensor", "int8", "int8", "int8", "int8", 0.1),
        ("int8-symmetric", "int8", "int8", "int8", "int8", 0.1),
        ("int16x8", "int16xint8", "int16xint8", "int8", "int16", 0.05),
    ],
)
def test_each_builtin_recipe_makes_what_it_says(project, content, recipe, computed, dense, weights, activations, error):
    artifact = content("net", recipe)
    structure = read_structure(artifact)
    assert {f"CONV_2D {computed}", f"FULLY_CONNECTED {dense}"} <= set(structure.operators)
    assert max(structure.weight_bytes, key=structure.weight_bytes.get) == weights
    interpreter = open_interpreter(artifact, RuntimeOptions())
    assert [spec.dtype for spec in interpreter.inputs + interpreter.outputs] == [activations] * 2
    assert np.abs(_logits(artifact) - _logits(content("net", "fp32"))).max() <= error
    built = project.built[Subject(model="net", recipe=recipe)]
    assert built.weight_elements == (9 * 4 + 4) + (144 * 32 + 32) + (32 * 10 + 10)
    check_weights_present(structure, len(artifact), built.weight_elements)
    reference = read_structure(content("net", "fp32"))
    check_float(reference) if recipe == "fp32" else check_quantized(structure, reference, recipe)


def test_int8_per_tensor_has_one_scale_for_all_channels(content):
    def most_scales(recipe):
        model = schema.ModelT.InitFromPackedBuf(content("net", recipe), 0)
        tensors = [each for graph in model.subgraphs for each in graph.tensors if each.quantization]
        return max(len(each.quantization.scale) for each in tensors if each.quantization.scale is not None)

    assert most_scales("int8") == 32
    assert most_scales("int8-per-tensor") == 1


def test_int8_symmetric_has_no_zero_points(content):
    interpreter = open_interpreter(content("net", "int8-symmetric"), RuntimeOptions())
    assert [spec.zero_points for spec in interpreter.inputs + interpreter.outputs] == [(0,), (0,)]


def test_every_way_to_give_a_network_gives_the_same_one(content):
    expected = _logits(content("net", "fp32"))
    for model in ("file", "saved", "from-saved", "from-file"):
        np.testing.assert_allclose(_logits(content(model, "fp32")), expected, rtol=1e-5, atol=1e-6)
    for model in ("file", "saved"):
        assert np.abs(_logits(content(model, "int8")) - _logits(content("net", "int8"))).max() < 0.1


def test_the_number_of_weights_is_known_where_keras_tells(project):
    known = {subject.model: getattr(each, "weight_elements", 0) for subject, each in project.built.items()}
    assert known["file"] == known["from-file"] == known["net"] > 0
    assert known["saved"] is known["from-saved"] is None


def test_several_inputs_are_calibrated_by_name(content):
    specs = {spec.name: spec for spec in open_interpreter(content("two", "int8"), RuntimeOptions()).inputs}
    for name, samples in _PAIRS.calibration_arrays.items():
        # Their ranges are fifty times apart; that of an input may be widened to fit what it is joined with.
        assert specs[name].scales[0] == pytest.approx(samples.max() / 255, rel=0.1)


def test_a_setting_of_the_converter_is_applied(content):
    assert content("net", "old-converter") != content("net", "int8")
    assert "CONV_2D int8" in read_structure(content("net", "old-converter")).operators


def test_a_recipe_of_the_quantizer_takes_the_float_artifact(content):
    structure = read_structure(content("net", "weights"))
    assert structure.weight_bytes["int8"] >= 144 * 32


def test_choices_one_by_one_take_the_float_artifact_too(content):
    artifact = content("net", "chosen")
    assert {"CONV_2D int16xint4", "FULLY_CONNECTED int16xint4"} <= set(read_structure(artifact).operators)
    assert np.abs(_logits(artifact) - _logits(content("net", "fp32"))).max() <= 0.2


@pytest.mark.parametrize(
    ("model", "recipe", "message"),
    [
        ("net", "misspelled", "ValueError: the TFLiteConverter has no attribute 'inference_inptu_type'"),
        ("unbuilt", "fp32", "ValueError: "),
    ],
)
def test_what_cannot_be_converted_is_told(project, model, recipe, message):
    error = project.built[Subject(model=model, recipe=recipe)]
    assert isinstance(error, ConversionError)
    assert str(error).startswith(f"{model}-{recipe} cannot be converted: {message}")


def test_one_child_made_them_all_outside_this_process(project):
    assert len(project.pids) == 1
    assert not project.imported & {"tensorflow", "keras", "litert_quantizer"}


def test_a_second_run_finds_them_all(project):
    made = [subject for subject, result in project.built.items() if not isinstance(result, Exception)]
    with Builder(project.config, project.cache, lambda model: _PAIRS if model == "two" else _IMAGES) as builder:
        again = builder.build(made)
        assert builder.converted == []
    assert again == {subject: project.built[subject] for subject in made}
