"""Nothing is converted twice: not in a second run, not by two processes at once, and not wrongly."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from declared import builder, dataset, declare, float_model

from qbench.models import convert as convert_module

_RECIPES = ["fp32", "dynamic", "int8", "mine"]
_MINE = {"mine": {"function": "user_code:quantize", "calibration": False}}

#: A recipe that notes each of its calls and goes on when it may.
_USER_CODE = """
    import pathlib, time

    HERE = pathlib.Path(__file__).parent

    def quantize(content, samples):
        with open(HERE / "calls", "a") as calls:
            calls.write("call\\n")
        while (HERE / "wait").exists():
            time.sleep(0.005)
        return content
"""

#: A run that wants the artifact of that recipe; it says when it stands before the lock, and what it converted.
_RUN = """
import sys
from contextlib import contextmanager
from pathlib import Path
from declared import declare
from qbench.models.cache import ArtifactCache
from qbench.models.convert import Builder

class Cache(ArtifactCache):
    @contextmanager
    def locked(self, key):
        print("wants it", flush=True)
        with super().locked(key):
            yield

root = Path(sys.argv[1])
recipe = {"mine": {"function": "user_code:quantize", "calibration": False}}
config = declare(root, recipes=["mine"], recipe=recipe)
with Builder(config, Cache(root / "cache"), lambda _: None) as builder:
    (made,) = builder.build(config.subjects).values()
    print(made.artifact.sha256, len(builder.converted), flush=True)
"""

#: A run over a warm cache, and what it imported.
_WARM = """
import sys
from pathlib import Path
from declared import builder, declare
config = declare(Path(sys.argv[1]), recipes=["fp32", "dynamic", "int8"])
with builder(config) as made_by:
    made_by._child.start = None
    sizes = [made.artifact.size_bytes for made in made_by.build(config.subjects).values()]
heavy = {"tensorflow", "keras", "litert_quantizer"} & set(sys.modules)
print(len(sizes), len(made_by.converted), sorted(heavy))
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "user_code.py").write_text(textwrap.dedent(_USER_CODE))
    return tmp_path


def _converted(config, **options):
    """The artifacts' paths and bytes by recipe, and the recipes that had to be converted."""
    with builder(config, **options) as made_by:
        built = made_by.build(config.subjects)
        made = {subject.recipe: result.artifact for subject, result in built.items()}
        return made, [subject.recipe for subject in made_by.converted]


def _run(script, root, **options):
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": ""}
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE, text=True, env=environment, **options
    )


class TestSecondRuns:
    @pytest.fixture
    def first(self, root):
        config = declare(root, recipes=_RECIPES, recipe=_MINE)
        made, converted = _converted(config)
        assert converted == ["dynamic", "int8", "mine"]
        return made

    def test_nothing_is_converted_and_no_child_started(self, root, first, monkeypatch):
        monkeypatch.setattr(convert_module.ChildProcess, "start", lambda _: pytest.fail("a child was started"))
        assert _converted(declare(root, recipes=_RECIPES, recipe=_MINE)) == (first, [])

    @pytest.mark.usefixtures("first")
    def test_neither_tensorflow_nor_the_quantizer_is_imported(self, root):
        with _run(_WARM, root) as run:
            assert run.stdout.read() == "3 0 []\n"

    @pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), Path.unlink])
    def test_a_damaged_entry_is_made_again(self, root, first, damage):
        damage(first["int8"].path)
        made, converted = _converted(declare(root, recipes=_RECIPES, recipe=_MINE))
        assert converted == ["int8"]
        assert made == first
        assert len(made["int8"].path.read_bytes()) == made["int8"].size_bytes

    def test_another_source_is_another_artifact(self, root, first):
        (root / "net.tflite").write_bytes(float_model(seed=1))
        made, converted = _converted(declare(root, recipes=_RECIPES, recipe=_MINE))
        assert converted == ["dynamic", "int8", "mine"]
        assert {made[recipe].sha256 for recipe in _RECIPES}.isdisjoint({each.sha256 for each in first.values()})

    def test_other_calibration_is_another_artifact_where_it_counts(self, root, first):
        other = dataset(calibration_seed=5)
        made, converted = _converted(declare(root, recipes=_RECIPES, recipe=_MINE), dataset_of=lambda _: other)
        assert converted == ["int8"]
        assert made["int8"].sha256 != first["int8"].sha256

    def test_another_project_with_the_same_files_shares_them(self, root, first):
        (root / "copy").mkdir()
        (root / "copy" / "user_code.py").write_text((root / "user_code.py").read_text())
        (root / "copy" / "cache").symlink_to(root / "cache")
        made, converted = _converted(declare(root / "copy", recipes=_RECIPES, recipe=_MINE))
        assert converted == []
        assert [each.sha256 for each in made.values()] == [each.sha256 for each in first.values()]


class TestSeveralProcesses:
    def test_two_that_want_the_same_convert_it_once(self, root):
        declare(root)
        (root / "wait").touch()
        with _run(_RUN, root) as first, _run(_RUN, root) as second:
            # One of them converts and is held up there; the other one waits for it.
            assert [run.stdout.readline() for run in (first, second)] == ["wants it\n"] * 2
            (root / "wait").unlink()
            ends = [run.stdout.read().split() for run in (first, second)]
        assert sorted(converted for _, converted in ends) == ["0", "1"]
        assert len({sha256 for sha256, _ in ends}) == 1
        assert (root / "calls").read_text() == "call\n"

    def test_who_waits_for_one_that_dies_converts(self, root):
        declare(root)
        (root / "wait").touch()
        with _run(_RUN, root) as first:
            assert first.stdout.readline() == "wants it\n"
            while not (root / "calls").exists():
                time.sleep(0.005)
            with _run(_RUN, root) as second:
                assert second.stdout.readline() == "wants it\n"
                first.kill()
                (root / "wait").unlink()
                assert second.stdout.read().split()[1] == "1"
