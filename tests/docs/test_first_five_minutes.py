"""The page of the first five minutes, from its first file to its last verdict, with the pair that it was tried with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.example_folder import ExampleFolder
from docs.example_output import difference
from docs.pages import DOCS, ROOT, page_name, read_blocks, read_commands

from benchmarks.data import mnist

_PAGE = DOCS / "first-five-minutes.md"
_BLOCKS = read_blocks(_PAGE.read_text(encoding="utf-8"), page_name(_PAGE))

#: The files that the reader has, by the recipe that they were made with.
_FILES = {
    "mnist-dscnn.fp32.tflite": "fp32",
    "mnist-dscnn.int8.tflite": "int8",
    "worse.tflite": "int8-per-tensor",
}
_EXAMPLES = 2000


@pytest.fixture
def folder(tmp_path, monkeypatch) -> ExampleFolder:
    """The reader's folder with three artifacts, and the images."""
    demo = tmp_path / "demo"
    demo.mkdir()
    baselines = ROOT / "baselines"
    for name, recipe in _FILES.items():
        accepted = json.loads((baselines / "mnist-dscnn" / f"{recipe}.json").read_text(encoding="utf-8"))
        shutil.copy(baselines / "artifacts" / f"{accepted['artifact']['sha256']}.tflite", demo / name)
    monkeypatch.chdir(demo)
    images = mnist()
    names = {"images": images.input_arrays[""][:_EXAMPLES], "labels": images.labels[:_EXAMPLES]}
    return ExampleFolder(tmp_path, "demo", names)


def test_the_page_does_what_it_says(folder):
    run = [block for block in _BLOCKS if not block.why_not_run]
    assert [block.language for block in run] == ["python", "console", "console", "console"]
    for block in run:
        if wrong := folder.run(block):
            pytest.fail(f"{block}: {wrong}", pytrace=False)


def test_two_files_give_the_verdict_that_the_page_shows(folder):
    """Without the contest, whose verdict depends on the processor."""
    (make,) = (block for block in _BLOCKS if block.language == "python")
    assert folder.run(make) == ""
    (block,) = (block for block in _BLOCKS if block.content.startswith("$ qbench compare"))
    (command,) = read_commands(block)
    called = command.text.split()
    program = str(Path(sys.executable).parent / called[0])
    done = subprocess.run(
        [program, *called[1:], "--no-latency"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, ended = [line for line in command.output if not line.startswith("latency")]
    assert ended.startswith("pass: ")
    expected = [*lines, "latency was not measured: --no-latency", "pass: ..."]
    wrong = difference(expected, done.stdout, figures_differ=False)
    assert not wrong, wrong
