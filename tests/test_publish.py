"""`qbench publish`: MLflow's real client over a folder."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import a_run, a_subject, a_verdict

from qbench import publish
from qbench.cli import main
from qbench.records import Metric
from qbench.run_json import encode_record
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.run_record import RunRecord

_ODD = "mAP@0.5 (läuft)/../x\n"
_LEGAL = re.compile(r"[A-Za-z0-9_.-]{1,250}")


def _record() -> RunRecord:
    own = Metric(name=_ODD, unit="", direction="higher")
    measured = {"size_bytes": 824.0, "accuracy": 0.5, _ODD: 0.25}
    return a_run(
        verdict="fail",
        headline="1 fail",
        commit="0123abcd+",
        metrics={name: Metric(name=name, unit="", direction="lower") for name in measured} | {_ODD: own},
        subjects=(
            a_subject(recipe="fp32"),
            a_subject(metrics=measured, verdict=Verdict.FAIL, artifact_sha256="ab" * 32),
            a_subject(recipe="missing", metrics={}),
        ),
        verdicts=(a_verdict(change=40 / 784),),
        fingerprint_id="feed",
    )


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_bytes(encode_record(_record()))
    return path


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow as client  # noqa: PLC0415 - optional
    except ImportError:
        missing = "needs mlflow-skinny: pip install -c constraints.txt mlflow-skinny"
        # Continuous integration has it: there a skip would be a test that got lost.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    return client


def test_mlflow_has_a_run_with_the_file_and_one_in_it_for_each_subject(mlflow: Any, run_file: Path, tmp_path: Path):
    uri = (tmp_path / "store").as_uri()
    assert main(["publish", str(run_file), "--to", "mlflow", "--tracking-uri", uri, "--experiment", "gate"]) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("gate").experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert set(by_name) == {"0123abcd+", "tiny-fp32", "tiny-int8"}, "a subject of which nothing was measured is none"
    assert {run.info.status for run in runs} == {"FINISHED"}
    parent, int8 = by_name["0123abcd+"], by_name["tiny-int8"]
    assert parent.data.tags["qbench.verdict"] == "fail"
    assert parent.data.tags["qbench.headline"] == "1 fail"
    assert parent.data.tags["mlflow.source.git.commit"] == "0123abcd"
    kept = client.download_artifacts(parent.info.run_id, "run.json", dst_path=str(tmp_path))
    assert open(kept, "rb").read() == encode_record(_record())  # noqa: PTH123, SIM115 - a path as mlflow gives it

    assert int8.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (
        int8.data.params
        | {
            "model": "tiny",
            "recipe": "int8",
            "artifact_sha256": "ab" * 32,
            "commit": "0123abcd+",
            "fingerprint": "feed",
        }
        == int8.data.params
    )
    assert int8.data.metrics == {
        "size_bytes": 824.0,
        "accuracy": 0.5,
        "mAP_0.5__l_uft__.._x_": 0.25,
        "change.size_bytes": pytest.approx(40 / 784),
    }
    assert int8.data.tags["qbench.verdict"] == "fail"
    assert int8.data.tags["qbench.verdict.size_bytes"] == "fail"
    assert int8.data.tags["qbench.reason.size_bytes"].startswith("tiny-int8: size_bytes is 824 B")


def test_of_a_metric_that_two_tests_judged_the_worst_is_published():
    twice = msgspec.structs.replace(
        _record(), verdicts=(a_verdict(change=0.05), a_verdict(verdict=Verdict.UNCHANGED, change=0.0))
    )
    (int8,) = (entry for entry in publish.entries(twice) if entry.name == "tiny-int8")
    assert int8.tags["qbench.verdict.size_bytes"] == "fail"
    assert int8.metrics["change.size_bytes"] == 0.05


def test_the_experiment_is_the_project_and_may_exist(mlflow: Any, run_file: Path, tmp_path: Path):
    uri = (tmp_path / "store").as_uri()
    for name in ("one", "two"):
        assert main(["publish", str(run_file), "--to", "mlflow", "--tracking-uri", uri, "--run-name", name]) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("shop").experiment_id])
    assert {run.info.run_name for run in runs} == {"one", "two", "tiny-fp32", "tiny-int8"}


def test_a_service_that_refuses_is_an_error_in_one_line(
    mlflow: Any, run_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Nothing listens there.
    assert main(["publish", str(run_file), "--to", "mlflow", "--tracking-uri", "http://127.0.0.1:9"]) == 1
    assert mlflow is not None
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("qbench publish: mlflow did not take the run, or a part of it alone: ")


_names = st.text(max_size=300) | st.sampled_from(["", ".", "..", "a b", "a/b", "a_b", "A_B"])


@given(st.dictionaries(_names, st.floats(allow_nan=False), max_size=6))
def test_names_are_legal_and_differ(values: dict[str, float]):
    named = publish._named(values)
    assert list(named.values()) == list(values.values())
    for name in named:
        assert _LEGAL.fullmatch(name)
        assert name.strip(".")


@pytest.mark.parametrize(("to", "install"), [("mlflow", "pip install mlflow-skinny"), ("wandb", "pip install wandb")])
def test_what_is_not_installed_is_named(
    run_file: Path, to: str, install: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(publish.import_module.__globals__["sys"].modules, to, None)
    assert main(["publish", str(run_file), "--to", to]) == 1
    assert capsys.readouterr().err.strip().endswith(install)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{run}", "--to", "mlflow", "--project", "x"], 2, "--project: found it with --to mlflow, expected it with"),
        (["{run}", "--to", "wandb", "--tracking-uri", "x"], 2, "--tracking-uri: found it with --to wandb, expected it"),
        (["{run}.nowhere", "--to", "wandb"], 2, "found a path that cannot be read (No such file or directory)"),
        (["{pyproject}", "--to", "mlflow"], 1, "is not the record of a run"),
    ],
)
def test_bad_input(run_file: Path, arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]):
    other = run_file.with_name("pyproject.toml")
    other.write_text("[tool.qbench]\n")
    assert main(["publish", *(each.format(run=run_file, pyproject=other) for each in arguments)]) == status
    assert message in capsys.readouterr().err
