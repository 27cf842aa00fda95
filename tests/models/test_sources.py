from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qbench.errors import ConfigError
from qbench.models.sources import find_module, import_function, read_source


@pytest.fixture
def root(tmp_path):
    for name in ("m.keras", "m.tflite", "other.tflite", "saved/saved_model.pb", "saved/variables/v", "further/data"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "nets.py").write_text("raise RuntimeError('imported')")
    return tmp_path


def _read(root, raw, *depends_on):
    return read_source(raw, depends_on, key="models.m", root=root)


class TestKinds:
    @pytest.mark.parametrize(
        ("raw", "kind", "path"),
        [
            ("m.keras", "keras", "m.keras"),
            ("m.tflite", "tflite", "m.tflite"),
            ("saved", "saved_model", "saved"),
            ("nets:build", "function", "nets.py"),
        ],
    )
    def test_a_source_is_known_by_what_it_is(self, root, raw, kind, path):
        source = _read(root, raw)
        assert (source.kind, source.path, source.given_recipes) == (kind, root / path, ())
        assert source.function == (raw if kind == "function" else "")

    def test_finished_artifacts_are_known_by_recipe(self, root):
        source = _read(root, {"fp32": "m.tflite", "int8": "other.tflite"})
        assert source.kind == "artifacts"
        assert source.given_recipes == ("fp32", "int8")
        assert source.artifacts == {"fp32": root / "m.tflite", "int8": root / "other.tflite"}

    def test_a_path_may_be_absolute(self, root):
        assert _read(root / "elsewhere", str(root / "m.keras")).path == root / "m.keras"

    def test_a_file_with_a_colon_in_its_name_is_a_file(self, root):
        (root / "a:b.tflite").write_text("x")
        assert _read(root, "a:b.tflite").kind == "tflite"

    @pytest.mark.parametrize(
        ("raw", "found"),
        [
            ("missing.keras", "'missing.keras', which does not exist"),
            ("further", "the folder 'further' without a saved_model.pb"),
            ("nets.py", "'nets.py', a file of an unknown kind"),
            ("", "the folder .* without a saved_model.pb"),
            ("missing:build", "the module 'missing'"),
            ("sys:exit", "the module 'sys'"),
            ("nets.deeper:build", r"the module 'nets\.deeper'"),
        ],
    )
    def test_what_is_none_is_refused(self, root, raw, found):
        with pytest.raises(ConfigError, match=rf"^models\.m\.source: found {found}.*, expected a"):
            _read(root, raw)


class TestDigest:
    def test_place_does_not_count(self, root, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (elsewhere / "renamed.keras").write_text("m.keras")
        assert _read(root, "m.keras").digest() == _read(elsewhere, "renamed.keras").digest()

    @pytest.mark.parametrize(
        ("raw", "changed"),
        [
            ("m.keras", "m.keras"),
            ("saved", "saved/variables/v"),
            ("nets:build", "nets.py"),
            ({"fp32": "m.tflite", "int8": "other.tflite"}, "other.tflite"),
        ],
    )
    def test_content_counts(self, root, raw, changed):
        before = _read(root, raw).digest()
        assert _read(root, raw).digest() == before
        (root / changed).write_text("changed")
        assert _read(root, raw).digest() != before

    @pytest.mark.parametrize(("further", "changed"), [("other.tflite", "other.tflite"), ("further", "further/data")])
    def test_content_of_further_files_counts(self, root, further, changed):
        alone, before = _read(root, "m.keras").digest(), _read(root, "m.keras", further).digest()
        (root / changed).write_text("changed")
        assert len({alone, before, _read(root, "m.keras", further).digest()}) == 3

    def test_function_and_kind_count(self, root):
        (root / "same.tflite").write_text("m.keras")
        digests = {_read(root, raw).digest() for raw in ("nets:build", "nets:other", "m.keras", "same.tflite")}
        assert len(digests) == 4

    def test_a_file_that_is_gone_is_an_error(self, root):
        source = _read(root, "m.keras")
        (root / "m.keras").unlink()
        with pytest.raises(FileNotFoundError):
            source.digest()


class TestModules:
    @pytest.fixture
    def installed(self, tmp_path_factory, monkeypatch):
        """A folder of modules on the path of this Python."""
        folder = tmp_path_factory.mktemp("installed")
        for name in (
            "nets.py",
            "qbench_test_alone.py",
            "qbench_test_package/__init__.py",
            "qbench_test_package/a/b.py",
        ):
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).write_text("raise RuntimeError('imported')")
        monkeypatch.syspath_prepend(folder)
        return folder

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("qbench_test_alone", "qbench_test_alone.py"),
            ("qbench_test_package", "qbench_test_package/__init__.py"),
            ("qbench_test_package.a.b", "qbench_test_package/a/b.py"),
        ],
    )
    def test_installed_modules_are_found_without_importing_them(self, root, installed, name, path):
        assert find_module(name, key="key", root=root) == installed / path
        assert name not in sys.modules

    @pytest.mark.usefixtures("installed")
    def test_the_projects_own_comes_first(self, root):
        assert find_module("nets", key="key", root=root) == root / "nets.py"
        (root / "qbench_test_package").mkdir()
        (root / "qbench_test_package" / "__init__.py").write_text("")
        found = find_module("qbench_test_package", key="key", root=root)
        assert found == root / "qbench_test_package" / "__init__.py"

    @pytest.mark.parametrize("name", ["qbench_test_none", "qbench_test_alone.a", "qbench_test_package.none", "sys"])
    @pytest.mark.usefixtures("installed")
    def test_others_are_refused(self, root, name):
        with pytest.raises(ConfigError, match=f"key: found the module '{name}', expected a module below"):
            find_module(name, key="key", root=root)


def test_a_function_is_found_in_the_folder_that_a_relative_root_means_now(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("here_data", "there_data"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(f"def examples():\n    return {name!r}\n")
        monkeypatch.chdir(folder)
        assert import_function(f"{name}:examples", key="key", root=Path())() == name
