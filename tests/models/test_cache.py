from __future__ import annotations

import errno
from pathlib import Path

import pytest

from qbench.errors import ConversionError
from qbench.files import digest_bytes, replace_file
from qbench.models import cache as cache_module
from qbench.models.cache import CACHE_VARIABLE, ArtifactCache, cache_folder, cache_key, tool_versions
from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.models.sources import read_source

_KEY = "ab" + "0" * 62
_CONTENT = b"artifact" * 100


@pytest.fixture
def cache(tmp_path):
    return ArtifactCache(tmp_path / "cache")


@pytest.fixture
def entry(cache):
    return cache.store(_KEY, _CONTENT, weight_elements=7)


def _note(entry):
    return entry.path.with_suffix(".json")


class TestEntries:
    def test_what_is_stored_is_found(self, cache, entry):
        found = ArtifactCache(cache.folder).find(_KEY)
        assert found == entry
        assert (found.sha256, found.size_bytes) == (digest_bytes(_CONTENT), len(_CONTENT))
        assert found.weight_elements == 7
        assert found.path.read_bytes() == _CONTENT

    @pytest.mark.usefixtures("entry")
    def test_what_is_not_stored_is_not_found(self, cache):
        assert cache.find("ab" + "1" * 62) is None
        assert ArtifactCache(cache.folder / "missing").find(_KEY) is None

    def test_the_number_of_weights_may_be_unknown(self, cache):
        cache.store(_KEY, _CONTENT, weight_elements=None)
        assert cache.find(_KEY).weight_elements is None

    @pytest.mark.parametrize("content", [b"", _CONTENT[:-1], _CONTENT + b"x", b"B" + _CONTENT[1:]])
    def test_a_damaged_artifact_is_not_found(self, cache, entry, content):
        entry.path.write_bytes(content)
        assert cache.find(_KEY) is None

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"size_bytes": 800', b'"size_bytes": 801'),
            (b'"size_bytes": 800', b'"size_bytes": "800"'),
            (b'"sha256": "', b'"sha256": "0'),
            (b'"sha256"', b'"sha255"'),
            (b'"sha256": "', b'"sha256": "\xff'),
            (b"}", b""),
            (b"{", b"\0"),
        ],
    )
    def test_a_damaged_note_is_not_found(self, cache, entry, old, new):
        text = _note(entry).read_bytes()
        assert old in text
        _note(entry).write_bytes(text.replace(old, new, 1))
        assert cache.find(_KEY) is None

    @pytest.mark.parametrize("lost", [lambda entry: entry.path, _note])
    def test_half_an_entry_is_not_found(self, cache, entry, lost):
        lost(entry).unlink()
        assert cache.find(_KEY) is None

    def test_a_damaged_entry_can_be_stored_again(self, cache, entry):
        entry.path.write_bytes(b"damaged")
        assert cache.store(_KEY, _CONTENT, weight_elements=7) == entry
        assert cache.find(_KEY) == entry

    @pytest.mark.parametrize("suffix", [".tflite", ".json"])
    def test_a_disk_that_is_full_leaves_no_entry(self, cache, monkeypatch, suffix):
        def fill(path, content):
            if path.suffix == suffix:
                raise OSError(errno.ENOSPC, "No space left on device")
            replace_file(path, content)

        monkeypatch.setattr(cache_module, "replace_file", fill)
        with pytest.raises(ConversionError, match=f"No space left on device; free space .* {CACHE_VARIABLE}"):
            cache.store(_KEY, _CONTENT, weight_elements=None)
        assert cache.find(_KEY) is None

    def test_a_folder_that_is_a_file_cannot_be_used(self, tmp_path):
        (tmp_path / "cache").write_text("a file")
        cache = ArtifactCache(tmp_path / "cache")
        assert cache.find(_KEY) is None
        with pytest.raises(ConversionError, match="cannot keep a converted artifact"):
            cache.store(_KEY, _CONTENT, weight_elements=None)
        with pytest.raises(ConversionError, match="cannot keep a converted artifact"), cache.locked(_KEY):
            pass

    def test_a_lock_that_cannot_be_made_is_an_error(self, cache, entry):
        entry.path.with_suffix(".lock").mkdir()
        with pytest.raises(ConversionError, match="cannot keep a converted artifact"), cache.locked(_KEY):
            pass

    def test_a_lock_is_let_go_after_an_error(self, cache):
        with pytest.raises(ZeroDivisionError), cache.locked(_KEY):
            raise ZeroDivisionError
        with cache.locked(_KEY):
            pass


class TestKeys:
    @pytest.fixture
    def key(self, tmp_path):
        def key(content="a", recipe=BUILTIN_RECIPES["int8"], calibration="c", function=""):
            (tmp_path / "m.tflite").write_text(content)
            source = read_source("m.tflite", (), key="key", root=tmp_path)
            return cache_key(source, recipe, calibration_digest=calibration, function_digest=function)

        return key

    def test_the_same_has_the_same(self, key):
        assert key() == key()
        assert len(key()) == 64

    @pytest.mark.parametrize(
        "change",
        [
            {"content": "b"},
            {"calibration": "d"},
            {"function": "f"},
            {"recipe": BUILTIN_RECIPES["int16x8"]},
            {"recipe": RecipeSpec(base="int8", converter={"a": 1})},
            {"recipe": RecipeSpec(quantizer="static_wi8_ai8")},
            {"recipe": RecipeSpec(quantization=Quantization())},
        ],
    )
    def test_everything_that_goes_in_counts(self, key, change):
        assert key() != key(**change)

    def test_every_choice_counts(self, key):
        """With a value that differs from the default for each field of `Quantization`."""
        changes = {
            "weights": "int4",
            "granularity": "tensor",
            "weight_ranges": "octav",
            "activations": "int16",
            "symmetric": True,
            "calibration": "mse",
            "percentile": 99.0,
            "calibration_examples": 5,
            "float_operators": ("a",),
        }
        assert set(changes) == set(Quantization.__struct_fields__)
        keys = {key(recipe=RecipeSpec(quantization=Quantization()))}
        for name, value in changes.items():
            beside = {"calibration": "percentile"} if name == "percentile" else {}
            keys.add(key(recipe=RecipeSpec(quantization=Quantization(**{name: value}, **beside))))
        assert len(keys) == len(changes) + 1

    def test_converter_settings_count_in_any_order(self, key):
        first, second = (
            RecipeSpec(base="int8", converter={"a": 1, "b": 2}),
            RecipeSpec(base="int8", converter={"b": 2, "a": 1}),
        )
        assert key(recipe=first) == key(recipe=second)
        assert key(recipe=first) != key(recipe=RecipeSpec(base="int8", converter={"a": 2, "b": 1}))

    def test_calibration_counts_where_it_is_used(self, key):
        dynamic = BUILTIN_RECIPES["dynamic"]
        assert key(recipe=dynamic, calibration="c") == key(recipe=dynamic, calibration="d")
        for activations, counts in {"int8": True, "int16": True, "dynamic": False, "float": False}.items():
            recipe = RecipeSpec(quantization=Quantization(activations=activations))
            assert (key(recipe=recipe, calibration="c") != key(recipe=recipe, calibration="d")) is counts

    @pytest.mark.parametrize("tool", ["tensorflow", "keras", "litert-quantizer", "ai-edge-litert"])
    def test_versions_of_the_tools_count(self, key, monkeypatch, tool):
        before, versions = key(), tool_versions()
        monkeypatch.setattr(cache_module, "tool_versions", lambda: {**versions, tool: "another"})
        assert key() != before

    def test_the_meaning_of_the_modes_counts(self, key, monkeypatch):
        before = key()
        monkeypatch.setattr(cache_module, "RECIPE_VERSION", "another")
        assert key() != before

    def test_a_tool_that_is_not_installed_has_no_version(self, monkeypatch):
        monkeypatch.setattr(cache_module, "_TOOLS", ("numpy", "qbench-no-such-package"))
        versions = tool_versions()
        assert versions["numpy"]
        assert versions["qbench-no-such-package"] == ""


class TestFolder:
    def test_configured_comes_before_the_variable_and_that_before_the_users(self, monkeypatch, tmp_path):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "variable"))
        assert cache_folder(tmp_path / "configured") == tmp_path / "configured"
        assert cache_folder(None) == tmp_path / "variable"
        monkeypatch.delenv(CACHE_VARIABLE)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
        assert cache_folder(None).name == "qbench"
        assert cache_folder(None) != Path("qbench")
