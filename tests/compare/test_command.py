"""`qbench compare` as it is called, with the real runtime."""

from __future__ import annotations

import json
import subprocess
import sys

import models_zoo as zoo
import numpy as np
import pytest
from session.lab import examples, labels_of

from qbench.cli import main
from qbench.run_json import decode_record

_FAST = ("--no-latency",)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with two int8 files, their float model, and examples that the float model gets right."""
    monkeypatch.chdir(tmp_path)
    files = {
        "float": zoo.dense_float(),
        "int8": zoo.dense_int8(),
        "other": zoo.dense_int8(seed=1),
        "back": zoo.dense_int8_and_back(),
        "aborting": zoo.aborting(),
        "nan": zoo.nan_output(),
        "undelegated": zoo.undelegated_int8(),
        "two": zoo.two_inputs_two_outputs(),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.tflite").write_bytes(content)
    (tmp_path / "text.tflite").write_text("no model")
    inputs = examples()
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=labels_of(zoo.dense_float(), inputs))
    np.savez(tmp_path / "unlabelled.npz", inputs=inputs)
    return tmp_path


@pytest.fixture
def compare(folder, capsys):
    """Runs the command; returns its status, what it printed, and the record that it wrote."""

    def run(*arguments):
        status = main(["compare", *arguments, "--json=r.json"])
        shown = capsys.readouterr()
        record = decode_record((folder / "r.json").read_bytes(), name="r.json") if shown.out else None
        return status, " ".join((shown.out + shown.err).split()), record

    return run


def _verdicts(record):
    return {verdict.metric: str(verdict.verdict) for verdict in record.verdicts}


def test_a_candidate_that_answers_worse_fails(compare):
    status, said, record = compare("int8.tflite", "other.tflite", "--data=d.npz", *_FAST)
    assert (status, record.exit_status, record.verdict) == (1, 1, "fail")
    assert _verdicts(record)["accuracy"] == "fail"
    (fail,) = [verdict for verdict in record.verdicts if verdict.metric == "accuracy"]
    assert (fail.against, fail.tolerance, fail.paired.examples) == ("baseline", 0.002, 64)
    assert [subject.recipe for subject in record.subjects] == ["baseline", "candidate"]
    assert record.subjects[1].accepted.artifact_sha256 == record.subjects[0].artifact_sha256
    assert record.baselines == "int8.tflite"
    assert "fail: other.tflite: accuracy is " in said
    assert "What to do: undo what changed, or allow it with --tolerance accuracy_regression=..." in said.replace(
        "\n", " "
    )
    assert "qbench-accept" not in said
    assert "Why: since it was accepted: " in said
    assert "fail: 1 fail" in said


def test_what_quantizing_costs_is_judged_where_a_is_float(compare):
    status, said, record = compare("float.tflite", "other.tflite", "--data=d.npz", *_FAST)
    assert status == 1
    verdicts = _verdicts(record)
    assert "accuracy_drop" in verdicts
    assert "accuracy" not in verdicts
    # What quantizing brings along is shown and not judged.
    assert not {"quantize_dequantize", "undelegated_operators"} & set(verdicts)
    assert verdicts["float_islands"] == "pass"
    (fail,) = [verdict for verdict in record.verdicts if verdict.metric == "accuracy_drop"]
    assert (fail.verdict, fail.against, fail.tolerance) == ("fail", "fp32", 0.005)
    assert "Why: " in said
    assert "since it was accepted" not in said
    assert "More: qbench explain float.tflite other.tflite --data d.npz" in said
    assert "float.tflite is float and other.tflite is not: accuracy is judged as what quantizing costs" in said


def test_what_was_said_to_be_judged_is_judged(compare):
    asked = [f"--tolerance={key}" for key in ("quantize_dequantize=0", "accuracy_regression=1", "accuracy_drop=1")]
    status, _, record = compare("float.tflite", "back.tflite", "--data=d.npz", *asked, *_FAST)
    verdicts = _verdicts(record)
    assert status == 1
    assert verdicts["quantize_dequantize"] == "fail"
    assert (verdicts["accuracy"], verdicts["accuracy_drop"]) == ("pass", "pass")


def test_the_same_file_is_unchanged_without_a_contest(compare):
    status, said, record = compare("int8.tflite", "int8.tflite", "--data=d.npz")
    assert (status, record.verdict) == (0, "pass")
    assert set(_verdicts(record).values()) == {"unchanged"}
    assert _verdicts(record).keys() >= {"size_bytes", "accuracy", "latency_ns", "float_islands"}
    assert all(verdict.contest is None for verdict in record.verdicts)
    assert "pass: 7 unchanged" in said


def test_latency_is_contested(compare):
    asked = ("--tolerance=latency=1000", "--tolerance=size=9", "--seed=7")
    status, said, record = compare("float.tflite", "back.tflite", *asked)
    (latency,) = [verdict for verdict in record.verdicts if verdict.metric == "latency_ns"]
    assert (status, latency.verdict.green, latency.tolerance) == (0, True, 1000)
    assert latency.contest.groups > 1
    assert latency.contest.baseline_ns > 0 < latency.contest.candidate_ns
    assert all(subject.latency.median_ns > 0 for subject in record.subjects)
    assert f"{latency.contest.ratio:.3f}x (" in said


@pytest.mark.parametrize(("data", "status"), [("unlabelled.npz", 0), (None, 0)])
def test_without_labels_there_is_agreement_and_without_examples_neither(compare, data, status):
    given = [] if data is None else [f"--data={data}"]
    found, said, record = compare("int8.tflite", "other.tflite", *given, *_FAST)
    assert found == status
    measured = record.subjects[1].metrics
    if data is None:
        assert "accuracy was not measured: --data FILE.npz gives examples" in said
        assert "accuracy" not in _verdicts(record)
    else:
        assert 0 < measured["agreement"] < 1
        assert measured["flips"] == round(64 * (1 - measured["agreement"]))
        assert "sqnr_db" in measured
        assert _verdicts(record)["accuracy"] == "not comparable"
        assert "add `labels` to the file of --data" in said


def test_agreement_is_judged_where_it_has_a_tolerance(compare):
    asked = ("--data=unlabelled.npz", *_FAST)
    status, _, record = compare("int8.tflite", "other.tflite", *asked, "--tolerance=agreement_regression=0.01")
    assert (status, _verdicts(record)["agreement"]) == (1, "fail")
    status, _, record = compare("int8.tflite", "other.tflite", *asked, "--tolerance=agreement_regression={relative=1}")
    assert (status, _verdicts(record)["agreement"]) == (0, "pass")


def test_an_operator_that_no_delegate_runs_is_named(compare):
    status, said, record = compare("int8.tflite", "undelegated.tflite", *_FAST)
    assert (status, _verdicts(record)["undelegated_operators"]) == (1, "fail")
    assert "no longer run by XNNPACK" in said


@pytest.mark.parametrize(
    ("candidate", "data", "reason"),
    [
        ("aborting", None, "the worker process ended by signal SIGABRT while running aborting.tflite"),
        ("text", None, "text.tflite: the runtime refuses the artifact"),
        ("nan", "d.npz", "is NaN or infinite for"),
        ("two", "d.npz", "and the artifact has 2 inputs, one of them called 'left'"),
    ],
)
def test_a_candidate_that_cannot_be_used_fails_by_name(compare, candidate, data, reason):
    given = [] if data is None else [f"--data={data}"]
    status, said, record = compare("int8.tflite", f"{candidate}.tflite", *given, *_FAST)
    assert (status, record.verdict) == (1, "fail")
    assert "error" in _verdicts(record).values()
    assert reason in said


@pytest.mark.parametrize("baseline", ["aborting", "text", "nan"])
def test_a_baseline_that_cannot_be_used_is_no_verdict(compare, baseline):
    status, said, record = compare(f"{baseline}.tflite", "int8.tflite", "--data=d.npz", *_FAST)
    assert (status, record) == (2, None)
    assert said.startswith("qbench compare: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.tflite", "int8.tflite"], "gone.tflite: found a path that cannot be read (No such file"),
        (["int8.tflite", "."], ".: found a path that cannot be read (Is a directory)"),
        (["int8.tflite", "other.tflite", "--data=gone.npz"], "--data: found gone.npz, which is no .npz file"),
        (["int8.tflite", "other.tflite", "--tolerance=size"], "--tolerance: found 'size'"),
        (["int8.tflite", "other.tflite", "--tolerance=size=-1"], "found the integer -1, expected a finite number"),
        (["int8.tflite", "other.tflite", "--tolerance=siz=1"], "did you mean 'size'?"),
        (["int8.tflite", "other.tflite", "--tolerance=size=a"], "--tolerance: found 'size=a'"),
        (["int8.tflite", "other.tflite", "--tolerance=sqnr_db=1", "--data=d.npz"], "expected agreement_regression"),
        (["int8.tflite", "other.tflite", "--tolerance=drift.size=1"], "a project with baselines"),
        (["int8.tflite", "other.tflite", "--tolerance=accuracy_drop=1"], "expected accuracy_regression, which is"),
        (["float.tflite", "int8.tflite", "--tolerance=accuracy_drop=1"], "found it without --data"),
        (["float.tflite", "int8.tflite", "--tolerance=min_speedup=1", "--no-latency"], "found it with --no-latency"),
        (["int8.tflite", "other.tflite", "--metric=nothing"], "--metric: found 'nothing'"),
        (["int8.tflite", "other.tflite", "--html=."], "--html: found the folder ."),
        (["int8.tflite", "other.tflite", "--html=no/such.html"], "--html: found no/such.html, whose folder does not"),
        (["int8.tflite", "other.tflite", "--html=other.tflite"], "--html: found other.tflite, which is also B"),
        (["int8.tflite", "other.tflite", "--markdown=x", "--html=x"], "--html: found x, which is also --markdown"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_used_is_a_usage_error(arguments, message, capsys):
    before = sorted(path.read_bytes() for path in (*_here("*.tflite"),))
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.read_bytes() for path in _here("*.tflite")) == before


def _here(pattern):
    from pathlib import Path  # noqa: PLC0415

    return Path().glob(pattern)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": (64, 4)}, "found the arrays ['images'], expected `inputs`"),
        ({"inputs": (64, 5)}, "an example has the shape (5,), the input"),
        ({"inputs": (64, 4), "labels": (63,)}, "inputs has 64 examples, labels has 63 examples"),
    ],
)
def test_examples_that_do_not_fit_are_said_with_what_the_model_wants(folder, capsys, arrays, message):
    np.savez(folder / "wrong.npz", **{name: np.zeros(shape, np.float32) for name, shape in arrays.items()})
    assert main(["compare", "int8.tflite", "other.tflite", "--data=wrong.npz", *_FAST]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "int8.tflite wants 'x' of shape (examples, 4), real values" in said


def test_several_inputs_are_called_as_the_model_calls_them(compare, folder):
    rng = np.random.default_rng(0)
    np.savez(folder / "two.npz", left=rng.normal(size=(8, 4)).astype("f4"), right=rng.normal(size=(8, 4)).astype("f4"))
    status, _, record = compare("two.tflite", "two.tflite", "--data=two.npz", "--output=0", *_FAST)
    assert status == 0
    assert record.subjects[1].metrics["agreement"] == 1


def test_bytes_without_a_scale_are_doubted(compare, folder):
    images = np.random.default_rng(0).integers(0, 256, (8, 4), np.uint8)
    np.savez(folder / "bytes.npz", inputs=images)
    _, said, record = compare("float.tflite", "int8.tflite", "--data=bytes.npz", *_FAST)
    doubt = "Look at the examples: dataset 'bytes.npz': found uint8 values from "
    assert doubt in said
    assert "add input_scale=1/255 to the examples" in said
    assert record.notes[0].startswith(doubt)
    np.savez(folder / "bytes.npz", inputs=images, input_scale=1)
    _, said, _ = compare("float.tflite", "int8.tflite", "--data=bytes.npz", *_FAST)
    assert "Look at" not in said


def test_every_form_is_written(compare, folder):
    (folder / "pyproject.toml").write_text("[tool.qbench]\n")  # Of some other project.
    forms = ("--markdown=r.md", "--html=r.html")
    _, _, record = compare("int8.tflite", "other.tflite", "--data=d.npz", *forms, *_FAST)
    assert "qbench: fail" in (folder / "r.md").read_text()
    assert (folder / "r.html").read_text().lower().startswith("<!doctype html>")
    assert record.project == "other.tflite against int8.tflite"
    assert all(subject.declared_at == 0 for subject in record.subjects)


def test_no_tensorflow_and_no_project_are_needed(folder):
    script = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; from qbench.cli import main; "
        "sys.exit(main(['compare', 'int8.tflite', 'other.tflite', '--data=d.npz', '--no-latency']))"
    )
    (folder / "pyproject.toml").write_text("[tool.qbench]\nmodels = 3\n")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "fail: 1 fail" in ended.stdout


def test_ctrl_c_has_a_status_of_its_own(folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("qbench.compare.command.compare", interrupted)
    assert main(["compare", "int8.tflite", "other.tflite", "--json=r.json"]) == 130
    assert not (folder / "r.json").exists()


def test_a_name_with_control_characters_stays_text(folder, capsys):
    name = "e\x1b[31mvil\n.tflite"
    (folder / name).write_bytes(zoo.dense_int8(seed=1))
    main(["compare", "int8.tflite", name, "--json=r.json", *_FAST])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert json.loads((folder / "r.json").read_text())["subjects"][1]["model"] == "e_31mvil_"
