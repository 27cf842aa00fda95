"""Whatever `[tool.qbench]` may say that cannot be used, key by key."""

from __future__ import annotations

import math

import msgspec
import pytest

from qbench.errors import ConfigError
from qbench.judge.tolerance import Tolerance
from qbench.models import config as config_module
from qbench.models.config import parse_config
from qbench.models.quantization import Quantization
from qbench.models.recipes import RecipeSpec
from qbench.models.training import Training

_MODEL = "models.m"
_RECIPES = "fp32, fp16, dynamic, int8, int8-per-tensor, int8-symmetric, int16x8"
_FILES = "a .keras file, a SavedModel folder, a float .tflite file"
_NUMBER = "a finite number of at least 0"
_NAMES = "an array, each item a string"

#: The key, what stands there, what the error says was found, and how what it expects begins.
_REFUSED = [
    ("models", 3, "the integer 3", "a table"),
    ("models", {}, "no model", "at least one [tool.qbench.models.<name>]"),
    ("models.m", "a.tflite", "the string 'a.tflite'", "a table"),
    ("models.no name", {"source": "a.tflite"}, "the name 'no name'", "letters, digits"),
    ("models.artifacts", {"source": "a.tflite"}, "the name 'artifacts'", "another name"),
    ("recipes", "int8", "the string 'int8'", _NAMES),
    ("recipes", [], "an empty array", f"at least one of {_RECIPES}"),
    ("recipes", ["int9"], "'int9'", f"one of {_RECIPES}"),
    ("recipes", ["int8", "fp32", "int8"], "a name twice in ['int8', 'fp32', 'int8']", "each name once"),
    ("metrics", "size", "the string 'size'", _NAMES),
    ("metrics", [], "an empty array", "at least one of accuracy, latency, size, structure"),
    ("metrics", ["speed"], "'speed'", "one of accuracy, latency, size, structure"),
    ("runtime", "tflite", "the string 'tflite'", "one of 'litert', 'tf.lite'"),
    ("kernels", "fast", "the string 'fast'", "one of 'builtin', 'reference', 'no-delegates'"),
    ("delegate", "build/libmine.so", "the relative path 'build/libmine.so'", "the name of a library"),
    ("delegate", 3, "the integer 3", "a string"),
    ("contest", 3, "the integer 3", "a table"),
    ("accuracy_evidence", "sure", "the string 'sure'", "one of 'exact', 'significant'"),
    ("explain", "no", "the string 'no'", "true or false"),
    ("contest.alpha", 0, "0.0", "a number between 0 and 1"),
    ("contest.alpha", 1.5, "1.5", "a number between 0 and 1"),
    ("contest.limit_s", 0, "0.0", "a number above 0"),
    ("contest.run_limit_s", math.inf, "inf", "a number above 0"),
    ("contest.clock", "sun", "the string 'sun'", "one of 'auto', 'cpu', 'wall'"),
    ("contest.limits", 1, "an unknown key", "one of alpha, limit_s, run_limit_s, clock (did you mean 'limit_s'?)"),
    ("threads", "2", "the string '2'", "a whole number"),
    ("threads", 0, "0", "a number above 0"),
    ("baselines", 3, "the integer 3", "a string"),
    ("cache", ["a"], "an array ['a']", "a string"),
    ("retired", ["m"], "an array ['m']", "a table"),
    ("retired.m-int8", 3, "the integer 3", "a string"),
    ("preflight_timeout_s", "60", "the string '60'", "a number"),
    ("preflight_timeout_s", 0, "0.0", "a number above 0"),
    ("preflight_timeout_s", float("nan"), "nan", "a number above 0"),
    ("conversion_timeout_s", [], "an array []", "a number"),
    ("conversion_timeout_s", -1, "-1.0", "a number above 0"),
    ("recipe", 3, "the integer 3", "a table"),
    ("recipe.mine", 3, "the integer 3", "a table"),
    ("recipe.mine", {}, "none", "exactly one of base, quantizer, function and quantization"),
    ("recipe.mine", {"base": "int8", "function": "a:b"}, "base and function", "exactly one of base, quantizer,"),
    (
        "recipe.mine",
        {"quantizer": "q", "converter": {"a": 1}},
        "them beside `quantizer`",
        "`converter` settings beside",
    ),
    ("recipe.mine", {"function": "module"}, "'module'", "function = 'module:function'"),
    ("recipe.mine.base", "int9", "the string 'int9'", "one of 'fp32', 'fp16'"),
    ("recipe.mine.quantizer", 3, "the integer 3", "a string"),
    ("recipe.mine.function", 3, "the integer 3", "a string"),
    ("recipe.mine.converter", 3, "the integer 3", "a table"),
    ("recipe.mine.quantization", 3, "the integer 3", "a table"),
    ("recipe.mine.quantization.weights", "int2", "the string 'int2'", "one of 'int8', 'int4'"),
    (
        "recipe.mine.quantization.granularity",
        "block16",
        "the string 'block16'",
        "one of 'channel', 'tensor', 'block32'",
    ),
    ("recipe.mine.quantization.weight_ranges", "max", "the string 'max'", "one of 'min-max', 'mse', 'octav'"),
    ("recipe.mine.quantization.activations", "int4", "the string 'int4'", "one of 'int8', 'int16', 'dynamic', 'float'"),
    ("recipe.mine.quantization.symmetric", "no", "the string 'no'", "true or false"),
    ("recipe.mine.quantization.calibration", "entropy", "the string 'entropy'", "one of 'min-max', 'moving-average'"),
    ("recipe.mine.quantization.percentile", "99", "the string '99'", "a number"),
    ("recipe.mine.quantization.calibration_examples", 1.5, "the number 1.5", "a whole number"),
    ("recipe.mine.quantization.float_operators", "conv", "the string 'conv'", "an array, each item a string"),
    (
        "recipe.mine.quantization",
        {"symmetric": True, "activations": "dynamic"},
        'activations = "dynamic"',
        '`symmetric` with activations = "int8" only',
    ),
    ("recipe.mine.training", 3, "the integer 3", "a table"),
    ("recipe.mine", {"quantizer": "q", "training": {}}, "it beside `quantizer`", "`training` beside `base`"),
    (
        "recipe.mine",
        {"base": "int8", "training": {}, "converter": {"a": 1}},
        "both",
        "`training` without `converter` settings",
    ),
    (
        "recipe.mine",
        {"base": "fp16", "training": {"quantization_aware": True}},
        'it with base = "fp16"',
        "`training.quantization_aware` with a recipe that makes integers",
    ),
    (
        "recipe.mine",
        {
            "quantization": {"weights": "int4", "granularity": "block32", "activations": "dynamic"},
            "training": {"quantization_aware": True},
        },
        'granularity = "block32"',
        '`training.quantization_aware` with granularity = "channel" or "tensor"',
    ),
    (
        "recipe.mine",
        {"quantization": {"float_operators": ["y"]}, "training": {"quantization_aware": True}},
        "['y']",
        "`training.quantization_aware` without `float_operators`",
    ),
    ("recipe.mine.training.sparsity", "half", "the string 'half'", "a number"),
    ("recipe.mine.training.channel_sparsity", [], "an array []", "a number"),
    ("recipe.mine.training", {"sparsity": 1.0}, "1.0", "`sparsity` from 0 to 0.999"),
    ("recipe.mine.training", {"channel_sparsity": -0.1}, "-0.1", "`channel_sparsity` from 0 to 0.999"),
    ("recipe.mine.training.quantization_aware", "yes", "the string 'yes'", "true or false"),
    ("recipe.mine.training.weight_levels", 2.5, "the number 2.5", "a whole number"),
    ("recipe.mine.training", {"weight_levels": 7}, "weight_levels = 7", "`weight_levels` with quantization_aware"),
    (
        "recipe.mine.training",
        {"weight_levels": 4, "quantization_aware": True},
        "4",
        "`weight_levels` as an odd number of at least 3",
    ),
    ("recipe.mine.training.epochs", "2", "the string '2'", "a whole number"),
    ("recipe.mine.training", {"epochs": 0}, "0", "`epochs` of at least 1"),
    ("recipe.mine.training.learning_rate", "fast", "the string 'fast'", "a number"),
    ("recipe.mine.training", {"learning_rate": math.inf}, "inf", "`learning_rate` as a finite number above 0"),
    ("recipe.mine.training.batch_size", "2", "the string '2'", "a whole number"),
    ("recipe.mine.training", {"batch_size": 0}, "0", "`batch_size` of at least 1"),
    ("recipe.mine.training.seed", "a", "the string 'a'", "a whole number"),
    ("recipe.mine.training", {"seed": -1}, "-1", "`seed` of at least 0"),
    ("recipe.mine.training.strip", 1, "the integer 1", "true or false"),
    ("recipe.mine.calibration", "yes", "the string 'yes'", "true or false"),
    ("recipe.no name", {"base": "int8"}, "the name 'no name'", "letters, digits"),
    ("tolerance", 3, "the integer 3", "a table"),
    ("tolerance.size", -0.1, "the number -0.1", _NUMBER),
    ("tolerance.size", float("nan"), "the number nan", _NUMBER),
    ("tolerance.size", float("inf"), "the number inf", _NUMBER),
    ("tolerance.metrics", 3, "the integer 3", "a table"),
    ("tolerance.metrics.error", "1", "the string '1'", "a number"),
    ("tolerance.metrics.error", -1, "the integer -1", _NUMBER),
    ("tolerance.metrics.error.errors", float("nan"), "the number nan", _NUMBER),
    ("tolerance.metrics.error.relative", "1%", "the string '1%'", "a number"),
    ("tolerance.metrics_drop", 3, "the integer 3", "a table"),
    ("tolerance.metrics_drop.error", "1", "the string '1'", "a number"),
    ("tolerance.metrics_drop.error", -1, "the integer -1", _NUMBER),
    ("tolerance.accuracy_drop", {}, "an empty table", "at least one of absolute, relative, errors"),
    ("tolerance.accuracy_drop.relative", -0.01, "the number -0.01", _NUMBER),
    ("tolerance.accuracy_drop.errors", True, "the boolean True", "a number"),
    ("tolerance.accuracy_regression.points", 1, "an unknown key", "one of absolute, relative, errors"),
    ("tolerance.size", {"relative": 0.01}, "a table", "a number"),
    ("tolerance.recipes.int8.accuracy_drop.absolute", -1, "the integer -1", _NUMBER),
    ("tolerance.drift", 0.1, "the number 0.1", "a table"),
    ("tolerance.drift.size", -0.1, "the number -0.1", _NUMBER),
    ("tolerance.drift.latency", 0.1, "an unknown key", "one of accuracy_regression, agreement_regression"),
    ("tolerance.drift.accuracy_regression.errors", math.inf, "the number inf", _NUMBER),
    ("tolerance.drift.metrics.error", "x", "the string 'x'", "a number"),
    ("anchor", 3, "the integer 3", "a string"),
    (f"{_MODEL}.anchor", True, "the boolean True", "a string"),
    ("tolerance.recipes", 3, "the integer 3", "a table"),
    ("tolerance.recipes.int8", 3, "the integer 3", "a table"),
    ("tolerance.recipes.int8.size", "1%", "the string '1%'", "a number"),
    ("tolerance.recipes.int8.size", -1, "the integer -1", _NUMBER),
    (f"{_MODEL}.source", None, "nothing", _FILES),
    (f"{_MODEL}.source", 3, "the integer 3", _FILES),
    (f"{_MODEL}.source", {}, "an empty table", _FILES),
    (f"{_MODEL}.source", ":build", "':build'", _FILES),
    (f"{_MODEL}.source.fp32", 3, "the integer 3", "a string"),
    (f"{_MODEL}.dataset", 3, "the integer 3", "a string"),
    (f"{_MODEL}.dataset", "data.py", "'data.py'", "'module:function', or an .npz file"),
    (f"{_MODEL}.training_set", 3, "the integer 3", "a string"),
    (f"{_MODEL}.training_set", "data.py", "'data.py'", "'module:function'"),
    (f"{_MODEL}.recipes", "int8", "the string 'int8'", _NAMES),
    (f"{_MODEL}.recipes", [], "an empty array", f"at least one of {_RECIPES}"),
    (f"{_MODEL}.recipes", ["int9"], "'int9'", f"one of {_RECIPES}"),
    (f"{_MODEL}.metrics", "data:error", "the string 'data:error'", _NAMES),
    (f"{_MODEL}.metrics", ["error"], "'error'", "'module:function'"),
    (f"{_MODEL}.source_files", "data.py", "the string 'data.py'", _NAMES),
    (f"{_MODEL}.top_k", 0, "0", "a whole number of at least 1"),
    (f"{_MODEL}.top_k", 1.5, "the number 1.5", "a whole number"),
    (f"{_MODEL}.output", [0], "an array [0]", "a string or a whole number"),
    (f"{_MODEL}.tolerance", 3, "the integer 3", "a table"),
    (f"{_MODEL}.tolerance.latency", -1, "the integer -1", _NUMBER),
    (f"{_MODEL}.tolerance.recipes.int8.latency", "x", "the string 'x'", "a number"),
    *((f"tolerance.{name}", "x", "the string 'x'", "a number") for name in Tolerance.__struct_fields__[:-3]),
]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"artifact")
    return tmp_path


def _refusal(root, path, value):
    """The error for a good table in which `value` stands at `path`."""
    table = {"models": {"m": {"source": "a.tflite"}}}
    *folders, last = path.split(".")
    inner = table
    for name in folders:
        below = inner.setdefault(name, {})
        if not isinstance(below, dict):
            below = inner[name] = {}
        inner = below
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    with pytest.raises(ConfigError) as caught:
        parse_config(table, root=root)
    return caught.value


@pytest.mark.parametrize(("path", "value", "found", "expected"), _REFUSED)
def test_a_value_that_cannot_be_used_is_refused(root, path, value, found, expected):
    error = _refusal(root, path, value)
    assert (error.key, error.found) == (f"tool.qbench.{path}", found)
    assert error.expected.startswith(expected)
    assert str(error) == f"tool.qbench.{path}: found {found}, expected {error.expected}"


@pytest.mark.parametrize(
    ("table", "record"),
    [
        ("", config_module._ToolTable),
        ("models.m.", config_module._ModelTable),
        ("recipe.mine.", RecipeSpec),
        ("recipe.mine.quantization.", Quantization),
        ("recipe.mine.training.", Training),
        ("tolerance.", Tolerance),
        ("contest.", config_module.ContestConfig),
    ],
)
def test_no_key_is_left_out_above(table, record):
    tried = {path.removeprefix(table).partition(".")[0] for path, *_ in _REFUSED if path.startswith(table)}
    assert [field.name for field in msgspec.structs.fields(record) if field.name not in tried] == []


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("recipies", "recipes"),
        ("toleranse", "tolerance"),
        ("models.m.datset", "dataset"),
        ("recipe.mine.quantiser", "quantizer"),
        ("recipe.mine.quantization.weight", "weights"),
        ("tolerance.accuracy_dorp", "accuracy_drop"),
        ("tolerance.accuracy_drop.error", "errors"),
        ("tolerance.recipe", "recipes"),
        ("tolerance.recipes.int8.laatency", "latency"),
        ("models.m.tolerance.latancy", "latency"),
        ("models.m.tolerance.recipes.int8.sise", "size"),
    ],
)
def test_an_unknown_key_is_refused_with_what_may_have_been_meant(root, path, meant):
    error = _refusal(root, path, {})
    assert (error.key, error.found) == (f"tool.qbench.{path}", "an unknown key")
    assert f"(did you mean {meant!r}?)" in error.expected


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("models.m.source", "b.tflite", "'b.tflite', which does not exist"),
        ("models.m.source", "b.keras", "'b.keras', which does not exist"),
        ("models.m.source", {"fp32": "a.tflite", "int8": "b.tflite"}, "'b.tflite', which does not exist"),
        ("models.m.source", "no_such_module:build", "the module 'no_such_module'"),
        ("models.m.source_files", ["b.py"], "'b.py', which does not exist"),
    ],
)
def test_a_missing_file_is_refused(root, path, value, found):
    error = _refusal(root, path, value)
    assert error.key.startswith(f"tool.qbench.{path}")
    assert found in error.found


@pytest.mark.parametrize("table", [3, "x", ["a"]])
def test_a_table_that_is_none_is_refused(root, table):
    with pytest.raises(ConfigError, match=r"^tool\.qbench: found .*, expected a table"):
        parse_config(table, root=root)


def test_no_models_at_all_are_refused(root):
    with pytest.raises(ConfigError, match=r"^tool\.qbench\.models: found nothing, expected a table"):
        parse_config({"recipes": ["int8"]}, root=root)


def test_recipes_without_a_file_are_refused(root):
    table = {"source": {"fp32": "a.tflite"}, "recipes": ["fp32", "int8"]}
    error = _refusal(root, "models.m", table)
    assert (error.key, error.found) == ("tool.qbench.models.m.recipes", "['int8']")


def test_files_for_unknown_recipes_are_refused(root):
    error = _refusal(root, "models.m", {"source": {"int9": "a.tflite"}})
    assert (error.key, error.found) == ("tool.qbench.models.m.source", "'int9'")


def test_two_subjects_of_one_id_are_refused(root):
    table = {
        "recipe": {"b-int8": {"base": "int8"}},
        "models": {
            "a-b": {"source": "a.tflite", "recipes": ["int8"]},
            "a": {"source": "a.tflite", "recipes": ["b-int8"]},
        },
    }
    with pytest.raises(ConfigError, match=r"the test id 'a-b-int8', which model 'a-b' with recipe 'int8' has too"):
        parse_config(table, root=root)
