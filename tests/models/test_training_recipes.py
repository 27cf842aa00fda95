"""Recipes that train, from the declaration to the artifact, all in one conversion child."""

from __future__ import annotations

import sys
import textwrap
from types import SimpleNamespace

import pytest
from ai_edge_litert import schema_py_generated as schema
from small_network import CLASSES, SIZE, examples, network

from qbench import Dataset
from qbench.errors import ConversionError
from qbench.models.cache import ArtifactCache, cache_key
from qbench.models.config import parse_config
from qbench.models.convert import Builder
from qbench.models.recipes import RecipeSpec
from qbench.models.structure import read_structure
from qbench.models.training import Training
from qbench.records import Subject
from qbench.tflite.builder import Graph
from qbench.tflite.reader import read_model

_USER_CODE = f"""
    import numpy as np

    from qbench import TrainingSet

    def training():
        from small_network import examples

        images, labels = examples(1, 256)
        return TrainingSet(inputs=images, labels=labels, input_scale=1 / 255)

    def normalized():
        import keras
        from keras import layers

        keras.utils.set_random_seed(0)
        image = keras.Input(({SIZE}, {SIZE}, 1))
        inner = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(image))
        model = keras.Model(image, layers.Dense({CLASSES})(layers.Flatten()(layers.ReLU()(inner))))
        norm = model.layers[2]
        norm.set_weights([np.full(4, value, np.float32) for value in (1.5, 0.2, 0.1, 0.4)])
        return model
"""

_SHORT = {"epochs": 1, "batch_size": 32, "learning_rate": 0.01}
_AWARE = {"quantization_aware": True, **_SHORT}

_RECIPES = {
    "pruned-fp32": {"base": "fp32", "training": {"sparsity": 0.5, **_SHORT}},
    "pruned-fp16": {"base": "fp16", "training": {"sparsity": 0.5, "channel_sparsity": 0.4, **_SHORT}},
    "pruned-int8": {"base": "int8", "training": {"sparsity": 0.5, **_SHORT}},
    "aware": {"base": "int8-symmetric", "training": {**_AWARE, "strip": True}},
    "aware-dynamic": {"quantization": {"activations": "dynamic"}, "training": _AWARE},
}

_IMAGES = Dataset(
    inputs=examples(3, 16)[0], labels=examples(3, 16)[1], calibration=examples(4, 16)[0], input_scale=1 / 255
)


def _unknown_operator():
    graph = Graph()
    image = graph.tensor("image", [1, SIZE, SIZE, 1])
    y = graph.tensor("y", [1, SIZE, SIZE, 1])
    graph.operator("EXP", [image], [y], schema.ExpOptionsT())
    graph.signature("serving_default", {"image": image}, {"y": y})
    return graph.build([image], [y])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    (root / "training_of_recipes.py").write_text(textwrap.dedent(_USER_CODE))
    (root / "net.tflite").write_bytes(network())
    (root / "exp.tflite").write_bytes(_unknown_operator())
    declared = {"training_set": "training_of_recipes:training"}
    table = {
        "recipe": _RECIPES,
        "models": {
            "net": {"source": "net.tflite", "recipes": ["int8", *_RECIPES], **declared},
            "norm": {
                "source": "training_of_recipes:normalized",
                "recipes": ["fp32", "aware", "pruned-int8"],
                **declared,
            },
            "exp": {"source": "exp.tflite", "recipes": ["aware"], **declared},
            "untaught": {"source": "net.tflite", "recipes": ["aware"]},
        },
    }
    config = parse_config(table, root=root)
    cache = ArtifactCache(root / "cache")
    with Builder(config, cache, lambda _: _IMAGES) as builder:
        built = builder.build(config.subjects)
        converted = list(builder.converted)
    return SimpleNamespace(config=config, cache=cache, built=built, converted=converted)


@pytest.fixture(scope="module")
def model(project):
    def read(model, recipe):
        return read_model(project.built[Subject(model=model, recipe=recipe)].artifact.path.read_bytes())

    return read


def _weights(read):
    return [
        read.subgraphs[0].tensors[operator.inputs[1]].constant()
        for operator in read.subgraphs[0].operators
        if operator.name in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    ]


def test_a_float_recipe_that_prunes_stays_float(project, model):
    structure = read_structure(project.built[Subject(model="net", recipe="pruned-fp32")].artifact.path.read_bytes())
    assert set(structure.operators) >= {"CONV_2D float32", "FULLY_CONNECTED float32"}
    arrays = _weights(model("net", "pruned-fp32"))
    total = sum(array.size for array in arrays)
    assert sum(int((array == 0).sum()) for array in arrays) == total // 2


def test_zeros_survive_other_ways_to_quantize(model):
    for recipe in ("pruned-int8", "pruned-fp32"):
        arrays = _weights(model("net", recipe))
        assert sum(int((array == 0).sum()) for array in arrays) >= sum(array.size for array in arrays) // 2


def test_a_model_that_lost_channels_is_not_held_against_its_former_number_of_weights(project):
    built = project.built[Subject(model="net", recipe="pruned-fp16")]
    assert built.weight_elements is None
    assert built.artifact.size_bytes < len(network())


def test_weights_alone_may_be_rounded_in_training(project):
    structure = read_structure(project.built[Subject(model="net", recipe="aware-dynamic")].artifact.path.read_bytes())
    assert "FULLY_CONNECTED float32xint8" in structure.operators


def test_batch_normalization_is_trained_as_the_converter_folds_it(model):
    kernel, _ = _weights(model("norm", "fp32"))
    assert kernel.shape == (4, 3, 3, 1)
    names = [operator.name for operator in model("norm", "aware").subgraphs[0].operators]
    assert "MUL" not in names
    assert names.count("CONV_2D") == 1


def test_what_only_people_read_is_left_out_on_request(model):
    names = [tensor.name for tensor in model("net", "aware").subgraphs[0].tensors]
    assert {name for name in names if name} == {"image", "probabilities_quantized"}
    assert "first" in {tensor.name for tensor in model("net", "pruned-int8").subgraphs[0].tensors}


def test_a_model_with_an_operator_that_cannot_be_trained_says_so(project):
    error = project.built[Subject(model="exp", recipe="aware")]
    assert isinstance(error, ConversionError)
    assert "training cannot compute the operator EXP, which makes 'y'; it can: " in str(error)


def test_a_model_without_a_training_set_says_what_to_declare(project):
    error = project.built[Subject(model="untaught", recipe="aware")]
    assert "untaught.training_set: found none, and the recipe 'aware' trains" in str(error)


def test_the_training_runs_in_the_child_and_a_second_run_finds_its_result(project):
    assert not sys.modules.keys() & {"tensorflow", "keras"}
    made = [subject for subject, result in project.built.items() if not isinstance(result, Exception)]
    assert Subject(model="net", recipe="aware") in project.converted
    with Builder(project.config, project.cache, lambda _: _IMAGES) as builder:
        assert builder.build(made) == {subject: project.built[subject] for subject in made}
        assert builder.converted == []


def test_an_artifact_is_found_by_what_it_was_trained_on_and_how(project):
    source = project.config.models["net"].source
    trained = RecipeSpec(base="int8", training=Training(sparsity=0.5))
    keys = [
        cache_key(source, RecipeSpec(base="int8"), calibration_digest="c"),
        cache_key(source, trained, calibration_digest="c", training_digest="a"),
        cache_key(source, trained, calibration_digest="c", training_digest="b"),
        cache_key(
            source, RecipeSpec(base="int8", training=Training(seed=5)), calibration_digest="c", training_digest="a"
        ),
    ]
    assert len(set(keys)) == 4
    untrained = cache_key(source, RecipeSpec(base="int8"), calibration_digest="c", training_digest="a")
    assert untrained == keys[0]
