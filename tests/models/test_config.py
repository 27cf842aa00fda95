from __future__ import annotations

import textwrap

import msgspec
import pytest

from qbench.errors import ConfigError
from qbench.judge.tolerance import DEFAULT_TOLERANCE, DriftTolerance, Tolerance
from qbench.models.config import ContestConfig, load_config, parse_config
from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.models.training import Training
from qbench.records import RuntimeOptions, Subject
from qbench.verdicts import Allowance

_ALL_KEYS = """
    [project]
    name = "somebody-elses"

    [tool.qbench]
    recipes = ["fp32", "mine"]
    metrics = ["accuracy", "size"]
    runtime = "tf.lite"
    threads = 2
    kernels = "reference"
    delegate = "libmine.so"
    contest = {alpha = 0.01, limit_s = 2.5, run_limit_s = 60, clock = "wall"}
    accuracy_evidence = "significant"
    explain = false
    anchor = "v1.0"
    baselines = "kept"
    cache = "cached"
    preflight_timeout_s = 5
    conversion_timeout_s = 7.5
    retired = {old-int8 = "renamed"}

    [tool.qbench.tolerance]
    latency = 0.1
    accuracy_drop = {relative = 0.01, errors = 0.5}
    accuracy_regression = 0.001
    recipes.mine = {latency = 0.2, size = 0.2, memory = 0.2, drift.size = 0.5}
    drift = {size = 0.05, accuracy_regression = {errors = 0.5}}

    [tool.qbench.recipe.mine]
    quantizer = "dynamic_wi8_afp32"

    [tool.qbench.recipe.chosen]
    quantization.weights = "int4"
    quantization.activations = "int16"
    quantization.calibration = "percentile"
    quantization.percentile = 99
    quantization.float_operators = ["a", "b"]

    [tool.qbench.recipe.trained]
    base = "int8"
    training.sparsity = 0.5
    training.channel_sparsity = 0.25
    training.quantization_aware = true
    training.weight_levels = 15
    training.epochs = 3
    training.learning_rate = 0.01
    training.batch_size = 32
    training.seed = 4
    training.strip = true

    [tool.qbench.models.first]
    source = "first.tflite"
    source_files = ["data.py"]
    dataset = "data:examples"
    training_set = "data:more_examples"
    recipes = ["int8", "mine"]
    metrics = ["data:error"]
    top_k = 5
    output = "logits"
    tolerance.size = 0.3
    tolerance.memory = 0.3
    tolerance.metrics = {error = 2.0, iou = {relative = 0.02}}
    tolerance.metrics_drop = {error = 3.0}
    tolerance.slice_drop = 0.02
    tolerance.slice_regression = 0.03
    tolerance.drift = {memory = 0.2, metrics.error = 4.0}
    tolerance.recipes.mine = {size = 0.4}
    anchor = "2026-01-31"

    [tool.qbench.models.second]
    source = {fp32 = "first.tflite", int8 = "second.tflite"}
"""


#: What no project declares: `qbench compare` says it of two files.
_NO_KEYS = ["Config.default_tolerance", "ModelConfig.reference"]


@pytest.fixture
def root(tmp_path):
    for name in ("first.tflite", "second.tflite", "data.py"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def load(root):
    def load(text):
        (root / "pyproject.toml").write_text(textwrap.dedent(text))
        return load_config(root / "pyproject.toml")

    return load


class TestWhatIsRead:
    def test_every_key(self, load, root):
        config = load(_ALL_KEYS)
        assert config.root == root
        assert list(config.models) == ["first", "second"]
        assert config.metric_kinds == ("accuracy", "size")
        assert config.options == RuntimeOptions(
            runtime="tf.lite", threads=2, kernels="reference", delegate="libmine.so"
        )
        assert config.contest == ContestConfig(alpha=0.01, limit_s=2.5, run_limit_s=60.0, clock="wall")
        assert config.accuracy_evidence == "significant"
        assert not config.explain
        assert (config.baselines, config.cache) == (root / "kept", root / "cached")
        assert (config.preflight_timeout_s, config.conversion_timeout_s) == (5.0, 7.5)
        assert config.retired == {"old-int8": "renamed"}
        chosen = Quantization(
            weights="int4", activations="int16", calibration="percentile", percentile=99.0, float_operators=("a", "b")
        )
        trained = Training(
            sparsity=0.5,
            channel_sparsity=0.25,
            quantization_aware=True,
            weight_levels=15,
            epochs=3,
            learning_rate=0.01,
            batch_size=32,
            seed=4,
            strip=True,
        )
        assert config.recipes == {
            **BUILTIN_RECIPES,
            "mine": RecipeSpec(quantizer="dynamic_wi8_afp32"),
            "chosen": RecipeSpec(quantization=chosen),
            "trained": RecipeSpec(base="int8", training=trained),
        }
        first = config.models["first"]
        assert (first.source.path, first.source.depends_on) == (root / "first.tflite", (root / "data.py",))
        assert (first.dataset, first.metrics) == ("data:examples", ("data:error",))
        assert first.training_set == "data:more_examples"
        assert (first.top_k, first.output) == (5, "logits")
        assert (first.anchor, config.models["second"].anchor) == ("2026-01-31", "v1.0")

    def test_every_key_stands_in_that_test(self, load):
        config = load(_ALL_KEYS)
        left_alone = [
            f"{type(record).__name__}.{field.name}"
            for record in (config, config.options, config.contest, config.models["first"])
            for field in msgspec.structs.fields(record)
            if not field.required and getattr(record, field.name) == field.default
        ]
        assert left_alone == _NO_KEYS

    def test_what_is_not_said_has_a_default(self, load, root):
        config = load('[tool.qbench.models.m]\nsource = "first.tflite"')
        assert config.subjects == (Subject(model="m", recipe="fp32"), Subject(model="m", recipe="int8"))
        assert config.options == RuntimeOptions(runtime="litert", threads=1, kernels="builtin")
        assert (config.baselines, config.cache) == (root / "baselines", None)
        assert config.recipes == BUILTIN_RECIPES
        assert (config.models["m"].top_k, config.models["m"].output, config.models["m"].metrics) == (1, None, ())
        assert config.tolerance_of(config.subjects[0]) == DEFAULT_TOLERANCE

    def test_limits_of_drift_are_merged_key_by_key(self, load):
        config = load(_ALL_KEYS)
        errors = Allowance(errors=0.5)
        expected = {
            Subject(model="second", recipe="int8"): DriftTolerance(size=0.05, accuracy_regression=errors),
            Subject(model="first", recipe="mine"): DriftTolerance(
                size=0.5, accuracy_regression=errors, memory=0.2, metrics={"error": 4.0}
            ),
        }
        assert {subject: config.tolerance_of(subject).drift for subject in expected} == expected

    def test_subjects_are_in_the_order_of_declaration(self, load):
        assert [subject.id for subject in load(_ALL_KEYS).subjects] == [
            "first-int8",
            "first-mine",
            "second-fp32",
            "second-int8",
        ]

    def test_accuracy_is_expected_of_models_with_a_dataset(self, load):
        config = load(_ALL_KEYS)
        assert config.expected_kinds(Subject(model="first", recipe="int8")) == ("accuracy", "size")
        assert config.expected_kinds(Subject(model="second", recipe="int8")) == ("size",)

    def test_the_more_particular_tolerance_wins(self, load):
        config = load(_ALL_KEYS)
        chain = {
            Subject(model="second", recipe="int8"): (0.1, 0.01, None),
            Subject(model="first", recipe="int8"): (0.1, 0.3, 0.3),
            Subject(model="first", recipe="mine"): (0.2, 0.4, 0.3),
        }
        for subject, (latency, size, memory) in chain.items():
            tolerance = config.tolerance_of(subject)
            assert (tolerance.latency, tolerance.size, tolerance.memory) == (latency, size, memory)
            marked = config.tolerance_of(subject, Tolerance(latency=0.9))
            assert (marked.latency, marked.size) == (0.9, size)
        assert config.tolerance_of(Subject(model="first", recipe="int8")).for_metric("error") == 2.0

    def test_a_tolerance_may_be_a_share_of_the_reference_or_of_its_errors(self, load):
        tolerance = load(_ALL_KEYS).tolerance_of(Subject(model="first", recipe="int8"))
        assert tolerance.accuracy_drop == Allowance(relative=0.01, errors=0.5)
        assert tolerance.accuracy_regression == 0.001
        assert tolerance.for_metric("iou") == Allowance(relative=0.02)

    def test_a_cache_may_lie_at_home_or_anywhere(self, load, root, monkeypatch):
        monkeypatch.setenv("HOME", str(root / "home"))
        model = '[tool.qbench.models.m]\nsource = "first.tflite"'
        assert load(f'[tool.qbench]\ncache = "~/cache"\n{model}').cache == root / "home" / "cache"
        elsewhere = root.parent / "elsewhere"
        assert load(f'[tool.qbench]\ncache = "{elsewhere}"\n{model}').cache == elsewhere

    def test_a_recipe_may_be_declared_again(self, load):
        config = load(
            '[tool.qbench.recipe.int8]\nfunction = "data:quantize"\n[tool.qbench.models.m]\nsource = "first.tflite"\n'
        )
        assert config.recipes["int8"] == RecipeSpec(function="data:quantize")


class TestFiles:
    def test_no_file_and_no_table_are_no_project_of_ours(self, load, root):
        assert load_config(root / "missing.toml") is None
        assert load("") is None
        assert load("[tool.other]\nqbench = 3") is None
        assert load("tool = 3") is None

    @pytest.mark.parametrize("content", [b"[tool.qbench", b'[tool.qbench]\nrecipes = ["\xff"]', b"a = 1\na = 2"])
    def test_what_is_no_toml_is_refused(self, root, content):
        (root / "pyproject.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"pyproject\.toml: found text that is not TOML \(.+\), expected a TOML"):
            load_config(root / "pyproject.toml")

    def test_sources_are_found_from_the_projects_folder(self, root, monkeypatch):
        (root / "elsewhere").mkdir()
        monkeypatch.chdir(root / "elsewhere")
        config = parse_config({"models": {"m": {"source": "first.tflite"}}}, root=root)
        assert config.models["m"].source.path == root / "first.tflite"
