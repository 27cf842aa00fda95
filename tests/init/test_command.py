"""`qbench init` as it is called, with real first runs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import models_zoo as zoo
import numpy as np
import pytest
import tomllib

from init.conftest import DATA, PAIR, tree
from qbench.cli import main
from qbench.init import command
from qbench.models.config import load_config

_DECLARED = {"source": {"fp32": "tiny.fp32.tflite", "int8": "tiny.int8.tflite"}, "dataset": "d.npz"}


def _gate(folder, *arguments):
    """The exit status of the gate and what it printed, as a pull request would run it, where TensorFlow is not."""
    script = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; import pytest; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    call = [sys.executable, "-c", script, "benchmarks/", *arguments]
    ended = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return ended.returncode, ended.stdout


def test_from_an_empty_repository_to_a_green_and_a_red_gate(init, repository, monkeypatch):
    status, said = init(*PAIR, *DATA)
    assert status == 0, said
    assert "accept: 2 baselines written to baselines/" in said
    assert tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["qbench"]["models"]["tiny"] == _DECLARED
    assert (repository / "baselines/tiny/int8.json").exists()
    assert "pytest benchmarks/ --benchmark-compare" in said
    monkeypatch.setenv("CI", "true")
    status, said = _gate(repository, "--benchmark-compare")
    assert status == 0, said
    (repository / "tiny.int8.tflite").write_bytes(zoo.dense_int8(seed=1))
    status, said = _gate(repository, "--benchmark-compare")
    assert status == 1
    assert "tiny-int8: accuracy is 0.3750, 62.5 points worse" in said
    # Nothing is accepted a second time, and nothing is written.
    before = tree(repository)
    status, said = init(*PAIR, *DATA)
    assert (status, tree(repository)) == (0, before)
    assert "writes" not in said
    assert "accept:" not in said


def test_nothing_of_somebody_elses_is_changed(init, repository):
    before = {
        "pyproject.toml": b"# mine\r\n[project]\r\nname='a'   # odd   spacing\r\n[tool.x]\r\ny = 1",
        ".gitignore": b"*.pyc",
        "benchmarks/test_size.py": b"def test_mine():\n    pass\n",
        ".github/workflows/qbench.yml": b"name: mine\n",
    }
    for name, content in before.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(content)
    status, said = init(*PAIR, *DATA, "--ci", "github", "--no-run")
    assert status == 0
    after = tree(repository)
    assert all(after[name].startswith(content) for name, content in before.items())
    assert after["benchmarks/test_size.py"] == before["benchmarks/test_size.py"]
    assert after[".github/workflows/qbench.yml"] == b"name: mine\n"
    assert "keeps, although it says something else: .github/workflows/qbench.yml" in said
    assert b"def test_structure(" in after["benchmarks/test_model_size.py"]
    assert after[".gitignore"] == b"*.pyc\nbaselines/.lock\n__pycache__/\n"
    assert after["pyproject.toml"].count(b"\n") == after["pyproject.toml"].count(b"\r\n")
    assert load_config(repository / "pyproject.toml").subjects


def test_names_are_taken_that_no_test_of_the_project_has(init, repository):
    (repository / "tests").mkdir()
    (repository / "tests/test_latency.py").write_text("")
    init(*PAIR, *DATA, "--no-run")
    assert sorted(path.name for path in (repository / "benchmarks").iterdir()) == [
        "test_accuracy.py",
        "test_model_latency.py",
        "test_size.py",
    ]


def test_a_dry_run_shows_everything_and_writes_nothing(init, repository):
    before = tree(repository)
    status, said = init(*PAIR, *DATA, "--dry-run", "--ci", "gitlab")
    assert (status, tree(repository)) == (0, before)
    for line in (
        "--- pyproject.toml",
        "[tool.qbench.models.tiny]",
        "--- .gitlab/qbench.yml",
        "gate.latency(benchmark)",
    ):
        assert line in said


def test_paths_are_the_projects_also_from_a_folder_in_it(init, repository, monkeypatch):
    (repository / "models").mkdir()
    for name in ("tiny.fp32.tflite", "tiny.int8.tflite"):
        (repository / name).rename(repository / "models" / name)
    monkeypatch.chdir(repository / "models")
    status, _ = init(*PAIR, "--data", "../d.npz", "--no-run")
    assert status == 0
    declared = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["qbench"]["models"]["tiny"]
    assert declared["source"]["int8"] == "models/tiny.int8.tflite"
    assert declared["dataset"] == "d.npz"
    assert not (repository / "models/benchmarks").exists()


def test_another_project_above_the_repository_is_none_of_ours(init, repository):
    (repository.parent / "pyproject.toml").write_text("[tool.qbench]\n")
    init(*PAIR, *DATA, "--no-run")
    assert (repository / "pyproject.toml").exists()


def test_a_model_is_added_where_that_is_said(init, repository):
    init(*PAIR, *DATA, "--no-run")
    before = (repository / "pyproject.toml").read_bytes()
    refused = ("--model", "tiny.fp32.tflite", "int8=tiny.int8.tflite", "--name=second", *DATA, "--no-run")
    status, said = init(*refused)
    assert status == 2
    assert "tool.qbench: found one with tiny, expected --add" in said
    status, _ = init(*refused, "--add")
    assert status == 0
    assert (repository / "pyproject.toml").read_bytes().startswith(before)
    assert list(load_config(repository / "pyproject.toml").models) == ["tiny", "second"]
    status, said = init("--model", "tiny.int8.tflite", "--name=tiny", *DATA, "--add", "--no-run")
    assert status == 2
    assert "found another declaration of it" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (DATA, "--model: found neither it nor a terminal to ask on, expected the model"),
        (PAIR, "--data: found neither it nor a terminal to ask on, expected examples to judge it on"),
        ((*PAIR, "--data=gone.npz"), "--data: found gone.npz, which is no .npz file"),
        ((*PAIR, "--data=data.py"), "--data: found 'data.py', expected an .npz file, 'module:function', or none"),
        ((*PAIR, "--data=wrong.npz"), "The model wants 'x' of shape (examples, 4), real values"),
        (("--model", "gone.tflite", *DATA), "--model: found 'gone.tflite', which does not exist"),
        (("--model", "int9=tiny.int8.tflite", *DATA), "--model: found the recipe 'int9', expected one of fp32"),
        (("--model", "tiny.int8.tflite", "other.tflite", *DATA), "both of the recipe 'int8', expected a recipe of its"),
        (("--model", "../outside.tflite", *DATA), "which is outside the project"),
        (("--model", "text.tflite", *DATA), "expected a whole .tflite file"),
        (("--model", "d.npz", *DATA), "--model: found 'd.npz', a file of an unknown kind"),
        ((*PAIR, *DATA, "--name=a/b"), "--name: found the name 'a/b'"),
        ((*PAIR, *DATA, "--name=artifacts"), "--name: found 'artifacts'"),
        ((*PAIR, *DATA, "--recipes=int8"), "--recipes: found it with finished artifacts"),
        (("--model", "tiny.fp32.tflite", *DATA, "--recipes=int9"), "--recipes: found 'int9'"),
        (("--model", "tiny.fp32.tflite", *DATA, "--recipes=,"), "--recipes: found none"),
        ((*PAIR, *DATA, "--benchmarks=../x"), "--benchmarks: found '../x'"),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_is_written(init, repository, arguments, message):
    (repository / "other.tflite").write_bytes(zoo.dense_int8(seed=1))
    (repository / "text.tflite").write_text("no model")
    (repository.parent / "outside.tflite").write_bytes(zoo.dense_float())
    np.savez(repository / "wrong.npz", inputs=np.zeros((3, 5), np.float32))
    before = tree(repository)
    status, said = init(*arguments)
    assert (status, tree(repository)) == (2 if "wants" not in message else 1, before)
    assert message in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[tool\n", "pyproject.toml: found text that is not TOML"),
        (b"\xff\xfe", "pyproject.toml: found text that is not TOML"),
        (b"tool = {x = 1}\n", "expected these lines, put in by hand:\n[tool.qbench]"),
        (b"tool.x = 1\n", "expected these lines, put in by hand:\n[tool.qbench]"),
    ],
)
def test_a_pyproject_that_nothing_can_be_added_to_stays(init, repository, content, message):
    (repository / "pyproject.toml").write_bytes(content)
    before = tree(repository)
    status, said = init(*PAIR, *DATA, "--no-run")
    if status == 0:  # Where TOML allows it after all, it is declared.
        assert load_config(repository / "pyproject.toml").subjects
        return
    assert (status, tree(repository)) == (2, before)
    assert message in said.replace("\\n", "\n")


def test_a_first_run_that_fails_leaves_files_and_says_what_next(init, repository):
    (repository / "tiny.int8.tflite").write_bytes(zoo.dense_int8(seed=1))
    status, said = init(*PAIR, *DATA)
    assert status == 1
    assert "accuracy_drop" in said
    assert "The first run failed (exit status 1), for the reason above." in said
    assert said.rstrip().endswith('pytest benchmarks/ --qbench-accept "first baseline"')
    assert not (repository / "baselines/tiny/int8.json").exists()
    (repository / "tiny.int8.tflite").write_bytes(zoo.dense_int8())
    status, said = init(*PAIR, *DATA)
    assert status == 0, said


_STRICT = """
[tool.pytest.ini_options]
addopts = "-p no:cacheprovider --strict-markers --strict-config"
testpaths = ["tests"]
filterwarnings = ["error"]
xfail_strict = true
"""

_PARALLEL = """
[tool.pytest.ini_options]
addopts = "-n 2 --import-mode=importlib"
pythonpath = ["src"]
"""


def test_strict_settings_of_the_project_do_not_matter(init, repository):
    (repository / "pyproject.toml").write_text(_STRICT)
    status, said = init(*PAIR, *DATA)
    assert status == 0, said
    assert "accept: 2 baselines" in said


def test_nor_do_workers_and_a_src_layout(init, repository):
    (repository / "pyproject.toml").write_text(_PARALLEL)
    (repository / "src/theirs").mkdir(parents=True)
    (repository / "src/theirs/data.py").write_text(
        "import numpy as np\nfrom qbench import Dataset\n\n\ndef examples():\n"
        "    arrays = np.load('d.npz')\n    return Dataset(inputs=arrays['inputs'], labels=arrays['labels'])\n"
    )
    status, said = init(*PAIR, "--data=theirs.data:examples")
    assert status == 0, said
    assert "accept: 2 baselines" in said


def test_tests_that_pytest_does_not_collect_accept_nothing(init, repository):
    (repository / "pyproject.toml").write_text('[tool.pytest.ini_options]\npython_files = ["check_*.py"]\n')
    status, said = init(*PAIR, *DATA)
    assert status == 1
    assert "collected 0 items" in said
    assert "The first run failed (exit status 1).\npython_files in" in said
    assert "Add test_*.py to it." in said


@pytest.mark.parametrize(
    ("place", "content", "reason"),
    [
        ("../pytest.ini", "[pytest]", "a line [tool.pytest.ini_options] in its pyproject.toml is enough."),
        ("tox.ini", "[pytest]\naddopts = -p no:qbench", "take -p no:qbench out."),
        ("tox.ini", "[pytest]\naddopts = -p no:benchmark", "take -p no:benchmark out."),
    ],
)
def test_what_pytests_settings_keep_from_running_is_said_and_helps(init, repository, place, content, reason):
    (repository / place).write_text(content)
    status, said = init(*PAIR, *DATA)
    assert status == 1
    assert reason in said
    if place.startswith(".."):
        with (repository / "pyproject.toml").open("a") as stream:
            stream.write("\n[tool.pytest.ini_options]\n")
    else:
        (repository / place).unlink()
    status, said = init(*PAIR, *DATA)
    assert status == 0, said
    assert "accept: 2 baselines" in said


def test_a_recipe_that_cannot_be_calibrated_is_refused_before_anything_is_written(init, repository):
    before = tree(repository)
    for data, missing in (("d.npz", "d.npz without `calibration`"), ("none", "--data none")):
        status, said = init("--model=tiny.fp32.tflite", f"--data={data}", "--no-run")
        assert (status, tree(repository)) == (2, before)
        assert f"--recipes: found int8, which is calibrated, and {missing}, expected an array `calibration`" in said
    status, said = init("--model=tiny.fp32.tflite", *DATA, "--recipes=fp32,dynamic", "--no-run")
    assert status == 0, said


def test_bytes_without_a_scale_are_doubted(init, repository):
    images = np.random.default_rng(0).integers(0, 256, (8, 4), np.uint8)
    np.savez(repository / "bytes.npz", inputs=images)
    _, said = init(*PAIR, "--data=bytes.npz", "--dry-run")
    assert "Look at the examples: dataset 'bytes.npz': found uint8 values from " in said
    np.savez(repository / "bytes.npz", inputs=images, input_scale=1 / 255)
    _, said = init(*PAIR, "--data=bytes.npz", "--dry-run")
    assert "Look at" not in said


def test_without_examples_there_is_no_accuracy_and_what_git_leaves_out_is_said(init, repository):
    (repository / ".git").rmdir()
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    (repository / ".gitignore").write_text("*.tflite\n")
    status, said = init(*PAIR, "--data=none")
    assert status == 0, said
    assert not (repository / "benchmarks/test_accuracy.py").exists()
    assert "accept: 2 baselines" in said
    assert "git ignores tiny.fp32.tflite, tiny.int8.tflite, baselines/artifacts/" in said


def test_ctrl_c_in_the_first_run_leaves_what_can_be_understood(init, repository, monkeypatch):
    monkeypatch.setattr(command, "_run_pytest", lambda _: 130)
    status, said = init(*PAIR, *DATA)
    assert status == 130
    assert "The first run was interrupted." in said
    assert (repository / "benchmarks/test_size.py").exists()


def test_a_folder_that_cannot_be_written_is_said_with_what_was(init, repository):
    (repository / ".gitignore").mkdir()
    status, said = init(*PAIR, *DATA)
    assert status == 2
    assert ".gitignore: found no file that can be read (Is a directory)" in said
    assert not (repository / "pyproject.toml").exists()


def test_a_terminal_is_asked_and_wrong_answers_again(repository):
    answers = "gone.tflite\ntiny.fp32.tflite tiny.int8.tflite\nwrong\nd.npz\n\nnone\ny\n"
    ours, theirs = pty.openpty()
    script = "import sys; from qbench.cli import main; sys.exit(main(['init', '--no-run']))"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=repository, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.write(ours, answers.encode())
        status = process.wait(timeout=120)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert status == 0, shown
    assert "--model: found 'gone.tflite', which does not exist" in shown
    assert "--data: found 'wrong', expected an .npz file" in shown
    assert "Its name [tiny]:" in shown
    assert "Write them? (y/n) [y]:" in shown
    assert load_config(repository / "pyproject.toml").models["tiny"].dataset == "d.npz"


def test_who_says_no_gets_nothing(repository, monkeypatch, capsys):
    monkeypatch.setattr(command.Terminal, "__init__", lambda self: setattr(self, "can_ask", True))
    monkeypatch.setattr("builtins.input", lambda _: "n")
    before = tree(repository)
    assert main(["init", *PAIR, *DATA, "--name=tiny", "--ci=none"]) == 1
    assert tree(repository) == before
    assert "Nothing was written." in capsys.readouterr().out


def test_the_end_of_answers_is_ctrl_c(repository, monkeypatch, capsys):
    def ended(_):
        raise EOFError

    monkeypatch.setattr(command.Terminal, "__init__", lambda self: setattr(self, "can_ask", True))
    monkeypatch.setattr("builtins.input", ended)
    before = tree(repository)
    assert main(["init"]) == 130
    assert tree(repository) == before
    assert "Interrupted: nothing was written." in capsys.readouterr().out
