"""The program `qbench`, and `qbench trial` as it is called; what that measures is not looked at here."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version

import models_zoo as zoo
import pytest
from trial.examples import three_slowdowns

from qbench.cli import main
from qbench.errors import WorkerError
from qbench.trial import command as module
from qbench.trial import noise
from qbench.trial.records import encode_trial


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a model in it and no pyproject.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(zoo.dense_float())
    return tmp_path


@pytest.fixture
def kept(folder):
    """A trial that was kept."""
    (folder / "kept.json").write_bytes(encode_trial(three_slowdowns()))
    return folder / "kept.json"


def test_a_real_trial_from_contest_to_picture(folder, capsys, monkeypatch):
    neighbours = []

    class Recorded(subprocess.Popen):
        def __init__(self, arguments, *args, **options):
            super().__init__(arguments, *args, **options)
            if str(noise._NEIGHBOUR) in arguments:
                neighbours.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    asked = ["--contests=1", "--tolerance=50", "--alpha=0.2", "--limit=60", "--stored-seconds=0.01", "--noise=core"]
    status = main(["trial", "net.tflite", *asked, "--noise=quiet", "--seed=3", "--json=t.json", "--plot=t.svg", "-v"])
    assert status == 0
    read = json.loads((folder / "t.json").read_text())
    measured = [(each["subject"], each["noise"], each["slowdown"]) for each in read["contests"]]
    assert sorted(measured) == [("net", noise, slowdown) for noise in ("core", "quiet") for slowdown in (0.0, 0.1)]
    assert all(each["groups"] and each["seconds"] > each["starting_s"] > 0 for each in read["contests"])
    # Two runs under each noise: the second is compared with the first, once for each slowdown.
    assert sorted((each["noise"], each["slowdown"]) for each in read["stored"]) == [
        each[1:] for each in sorted(measured)
    ]
    assert (folder / "t.svg").read_bytes().startswith(b"<?xml")
    assert "Inconclusive: " in capsys.readouterr().out
    assert [process.returncode is not None for process in neighbours] == [True]


def test_what_was_kept_is_printed_and_drawn_again(kept, folder, capsys):
    assert main(["trial", "--from", str(kept), "--plot", "again.svg"]) == 0
    assert "Caught: 20 of 20" in capsys.readouterr().out
    assert (folder / "again.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "qbench trial: found neither, expected subjects to measure, or --from"),
        (["net.tflite", "--from", "kept.json"], "found both"),
        (["gone.tflite"], "found a path that cannot be read (No such file or directory), expected a .tflite file"),
        (["mnist"], "found 'mnist', expected an id of [tool.qbench] in ./pyproject.toml, or the path of a .tflite"),
        (["--from", "gone.json"], "--from gone.json: found no readable file"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_what_cannot_be_used_is_a_usage_error(arguments, message, capsys):
    assert main(["trial", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--tolerance=-1", "--slowdown=a", "--slowdown=0.1,-1", "--contests=0", "--alpha=1", "--limit=0", "--noise=loud"],
)
@pytest.mark.usefixtures("folder")
def test_an_option_that_cannot_be_used_is_a_usage_error(option, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["trial", "net.tflite", option])
    assert ended.value.code == 2
    assert option.partition("=")[0].lstrip("-") in capsys.readouterr().err


def test_a_declared_subject_is_found_by_its_id(folder, capsys, monkeypatch):
    (folder / "pyproject.toml").write_text('[tool.qbench.models.net]\nsource = "net.tflite"\nrecipes = ["fp32"]\n')
    seen = {}
    monkeypatch.setattr(module, "run_trial", lambda contestants, _, **__: seen.update(contestants))
    assert main(["trial", "net-fp32", "net.tflite"]) == 0
    assert {name: each.content for name, each in seen.items()} == dict.fromkeys(["net-fp32", "net"], zoo.dense_float())
    assert main(["trial", "net-int8"]) == 2
    assert "expected one of net-fp32, or the path" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_options_become_settings(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "run_trial", lambda _, settings, **__: seen.append(settings))
    options = ["--slowdown=0.02,0.1", "--slowdown", "0.1", "--noise=memory", "--noise=memory", "--clock=wall"]
    assert main(["trial", "net.tflite", "net.tflite", *options, "--no-stored-runs", "--seed=9"]) == 0
    (settings,) = seen
    assert settings.subjects == ("net",)
    assert settings.slowdowns == (0.0, 0.02, 0.1)
    assert (settings.noises, settings.clock, settings.stored_s, settings.seed) == (("memory",), "wall", 0.0, 9)


@pytest.mark.parametrize(("ends", "status"), [(KeyboardInterrupt, 130), (WorkerError("gone"), 1)])
def test_what_was_measured_before_the_end_is_kept(ends, status, folder, monkeypatch, capsys):
    def interrupted(*_, on_contest, **__):
        on_contest(three_slowdowns(), 100)
        raise ends

    monkeypatch.setattr(module, "run_trial", interrupted)
    assert main(["trial", "net.tflite", "--json=t.json"]) == status
    assert (folder / "t.json").read_bytes() == encode_trial(three_slowdowns())
    shown = capsys.readouterr()
    assert "Caught: 20 of 20" in shown.out if status == 130 else "qbench trial: gone" in shown.err


def test_the_version_is_that_of_the_installed_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"qbench {version('qbench')}\n"
