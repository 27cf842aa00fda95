"""What becomes of sources and recipes that cannot be converted: an error in their place, and the rest is made."""

from __future__ import annotations

import re
import textwrap

import msgspec
import pytest
from declared import builder, dataset, declare, features, float_model

from qbench import Dataset
from qbench.errors import ConversionError, DatasetError
from qbench.models import convert as convert_module

_USER_CODE = """
    import os, signal, sys, time

    def number():
        return 3

    def broken():
        raise RuntimeError("no weights today")

    def nowhere():
        return "missing.tflite"

    def leaving():
        sys.exit(3)

    def text(content, samples):
        return "text"

    def failing(content, samples):
        print("about to fail")
        raise ValueError("nothing to quantize")

    def killed(content, samples):
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def hanging(content, samples):
        signal.pause()

    def same(content, samples):
        print("chatter on the standard output")
        return content
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "user_code.py").write_text(textwrap.dedent(_USER_CODE))
    return tmp_path


def _function(name):
    return {"function": f"user_code:{name}", "calibration": False}


def _build(config, **options):
    with builder(config, **options) as made_by:
        return {subject.recipe: result for subject, result in made_by.build(config.subjects).items()}


def _error(config, **options):
    """Why the only subject of a configuration was not made."""
    (result,) = _build(config, **options).values()
    assert isinstance(result, ConversionError)
    return str(result)


class TestSources:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("number", "TypeError: user_code:number returned int, expected a Keras model, a path, or"),
            ("broken", "RuntimeError: no weights today"),
            ("nowhere", r"FileNotFoundError: .*missing\.tflite"),
            ("absent", "AttributeError: module 'user_code' has no attribute 'absent'"),
        ],
    )
    def test_what_a_function_does_wrong_is_told(self, root, name, message):
        error = _error(declare(root, f"user_code:{name}", recipes=["dynamic"]))
        assert error.startswith("net-dynamic cannot be converted: ")
        assert re.search(message, error)

    def test_a_function_that_leaves_is_a_death(self, root):
        error = _error(declare(root, "user_code:leaving", recipes=["dynamic"]))
        assert error == "net-dynamic: the worker process ended with exit code 3 while converting net-dynamic"

    def test_a_source_that_is_gone_is_told(self, root):
        config = declare(root, recipes=["dynamic"])
        (root / "net.tflite").unlink()
        assert "net-dynamic: its source cannot be read" in _error(config)

    @pytest.mark.parametrize("content", [b"", b"this is no model" * 10, float_model()[:1000]])
    def test_a_damaged_source_is_told(self, root, content):
        (root / "net.tflite").write_bytes(content)
        error = _error(declare(root, recipes=["dynamic"]))
        assert error.startswith("net-dynamic cannot be converted: InvalidArtifactError: found ")

    def test_a_source_without_a_signature_cannot_be_calibrated(self, root):
        (root / "net.tflite").write_bytes(float_model(signed=False))
        built = _build(declare(root, recipes=["dynamic", "int8"]))
        assert built["dynamic"].artifact.size_bytes > 0
        assert "needs a float .tflite with one signature, found []" in str(built["int8"])


class TestRecipes:
    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            (_function("text"), "TypeError: user_code:text returned str, expected the bytes of a .tflite"),
            (_function("failing"), "ValueError: nothing to quantize"),
            (_function("absent"), "AttributeError: module 'user_code' has no attribute 'absent'"),
            ({"quantizer": "no_such_recipe"}, "ValueError: litert-quantizer has no recipe 'no_such_recipe'"),
            ({"quantizer": "_dynamic_wix_afp32"}, "litert-quantizer has no recipe '_dynamic_wix_afp32'"),
            ({"base": "int8", "converter": {"a": 1}}, "ValueError: `converter` settings need a .keras or SavedModel"),
        ],
    )
    def test_what_a_recipe_does_wrong_is_told(self, root, recipe, message):
        error = _error(declare(root, recipes=["mine"], recipe={"mine": recipe}))
        assert error.startswith("net-mine cannot be converted: ")
        assert message in error

    def test_a_module_that_is_missing_is_told_by_its_key(self, root):
        config = declare(root, recipes=["mine", "fp32"], recipe={"mine": {"function": "no_such_module:quantize"}})
        built = _build(config)
        assert str(built["mine"]).startswith("tool.qbench.recipe.mine.function: found the module 'no_such_module'")
        assert built["fp32"].artifact.size_bytes == len(float_model())

    def test_a_tool_that_is_missing_is_told_with_how_to_get_it(self, root, monkeypatch):
        (root / "user_code.py").write_text("import qbench_no_such_tool")
        monkeypatch.setattr(convert_module, "tool_versions", lambda: {"tensorflow": "", "keras": "3"})
        error = _error(declare(root, recipes=["mine"], recipe={"mine": _function("same")}))
        assert "ModuleNotFoundError: No module named 'qbench_no_such_tool'" in error
        assert error.endswith("; not installed: tensorflow. Install the extra: pip install 'qbench[tensorflow]'")


class TestCalibration:
    @pytest.mark.parametrize("given", [None, Dataset(inputs=features(0, 4))], ids=["no dataset", "no calibration"])
    def test_without_samples_nothing_is_started(self, root, given, monkeypatch):
        monkeypatch.setattr(convert_module.ChildProcess, "start", lambda _: pytest.fail("a child was started"))
        error = _error(declare(root, recipes=["int8"]), dataset_of=lambda _: given)
        assert error.startswith("net-int8: the recipe needs calibration samples and the model's dataset has none")

    def test_a_dataset_that_cannot_be_loaded_spoils_only_what_needs_it(self, root):
        def dataset_of(_):
            raise DatasetError("the file is gone")

        built = _build(declare(root, recipes=["int8", "dynamic"]), dataset_of=dataset_of)
        assert isinstance(built["int8"], DatasetError)
        assert built["dynamic"].artifact.size_bytes > 0

    def test_samples_of_another_shape_are_told(self, root):
        samples = features(1, 8)[:, :63]
        wrong = Dataset(inputs=samples[:4], calibration=samples[4:])
        error = _error(declare(root, recipes=["int8"]), dataset_of=lambda _: wrong)
        assert error.startswith("net-int8 cannot be converted: ")


class TestDeaths:
    def test_a_child_killed_half_way_spoils_one_recipe(self, root):
        recipes = {"killed": _function("killed"), "failing": _function("failing"), "same": _function("same")}
        config = declare(root, recipes=["dynamic", "killed", "failing", "same", "int8"], recipe=recipes)
        built = _build(config)
        assert isinstance(built["killed"], ConversionError)
        assert "ended by signal SIGKILL while converting net-killed; it last said: " in str(built["killed"])
        assert str(built["killed"]).endswith("last words")
        assert isinstance(built["failing"], ConversionError)
        for name in ("dynamic", "same", "int8"):
            assert built[name].artifact.path.read_bytes()
        assert len(list((root / "cache").rglob("*.tflite"))) == 3
        assert list((root / "cache").rglob("*.tmp")) == []

    def test_a_child_that_hangs_is_ended_and_the_next_recipe_gets_another(self, root):
        recipes = {"hanging": _function("hanging"), "same": _function("same")}
        config = declare(root, recipes=list(recipes), recipe=recipes, conversion_timeout_s=1)
        hanging, same = config.subjects
        with builder(config) as made_by:
            error = made_by.build([hanging])[hanging]
            assert "gave no answer within 1 s while converting net-hanging" in str(error)
            made_by._config = msgspec.structs.replace(config, conversion_timeout_s=600)
            assert made_by.build([same])[same].artifact.path.read_bytes() == float_model()

    def test_an_interrupt_leaves_nothing_behind(self, root):
        config = declare(root, recipes=["same"], recipe={"same": _function("same")})

        def interrupt(*_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), builder(config) as made_by:
            made_by.build(config.subjects, interrupt)
        assert not made_by._child.running
        assert list(root.rglob("cache/**/*.tflite")) == []


def test_a_cache_that_cannot_be_written_is_told(root):
    (root / "cache").write_text("a file")
    error = _error(declare(root, recipes=["same"], recipe={"same": _function("same")}), dataset_of=lambda _: dataset())
    assert "cannot keep a converted artifact in" in error
