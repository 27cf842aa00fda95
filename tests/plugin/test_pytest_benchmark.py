"""pytest-benchmark stays itself, without its silent holes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from small_project import failures, rows, told

from qbench.plugin_outcome import EXIT_INCOMPLETE

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import Project

#: A benchmark that has nothing to do with models.
_PLAIN = """
    def test_plain(benchmark):
        benchmark(sum, [1, 2])
"""


def test_its_table_and_json_work_and_its_comparison_comes_from_our_baselines(accepted_project: Project):
    project = accepted_project
    project.write("benchmarks/test_plain.py", _PLAIN)
    # A time that no machine needs, to be found again in the table; of fp32 there is one of another machine only.
    int8, fp32 = project.baseline("int8"), project.baseline("fp32")
    ((fingerprint, latency),) = int8["latency"].items()
    project.write_baseline({**int8, "latency": {fingerprint: _with_max(latency, 7e9)}})
    project.write_baseline({**fp32, "latency": {"0123456789ab": _with_max(fp32["latency"][fingerprint], 8e9)}})
    result = project.run("--benchmark-compare", "--benchmark-json=times.json", "--benchmark-time-unit=s")
    assert result.ret == 0
    printed = result.stdout.str()
    assert "benchmark: 4 tests" in printed
    compared = [line for line in result.outlines if "(baselines/" in line]
    (line,) = compared
    assert line.startswith("test_latency[tiny-int8] (baselines/tiny/int8)")
    assert " 7.0000 " in line
    assert "test_latency[tiny-int8] (NOW)" in printed
    assert "test_latency[tiny-fp32] (NOW)" not in printed
    assert "Can't compare" not in printed + result.stderr.str()

    times = json.loads((project.path / "times.json").read_text())
    by_name = {each["name"]: each for each in times["benchmarks"]}
    assert set(by_name) == {"test_latency[tiny-fp32]", "test_latency[tiny-int8]", "test_plain"}
    assert all(len(each["stats"]["data"]) >= 2 for each in by_name.values())
    assert not list(project.path.glob(".benchmarks/**/*.json")), "there is no second copy of the numbers"


def _with_max(accepted: dict[str, Any], max_ns: float) -> dict[str, Any]:
    return {**accepted, "sample": {**accepted["sample"], "max_ns": max_ns}}


def test_a_swallowed_path_is_refused(project: Project):
    for path in ("benchmarks/", "benchmarks/test_models.py", "benchmarks/test_models.py::test_size"):
        result = project.run("--benchmark-compare", path, folder="")
        assert result.ret == 4
        assert f"--benchmark-compare has swallowed the path {path!r}" in result.stderr.str()
        assert f"pytest {path} --benchmark-compare" in result.stderr.str()


def test_a_run_with_a_failed_test_is_not_saved(project: Project):
    project.write("benchmarks/test_plain.py", f"{_PLAIN}        assert False, 'after the measurement'\n")
    result = project.run("--benchmark-autosave", "--benchmark-json=times.json")
    assert result.ret == 1
    result.assert_outcomes(passed=8, failed=1)
    assert "pytest-benchmark's --benchmark-save was refused: a test of this run failed" in told(result)
    assert not _saved(project)
    assert (project.path / "times.json").exists(), "a report is not a baseline"


def test_runs_that_it_saved_itself(project: Project):
    project.write("benchmarks/test_plain.py", _PLAIN)
    saving = project.run("--benchmark-save=own")
    assert saving.ret == 0
    (saved,) = _saved(project)
    assert saved.name == "0001_own.json"

    # It compares with them as ever. All times there become impossible to reach; one benchmark has a new name.
    document = json.loads(saved.read_text())
    for each in document["benchmarks"]:
        each["stats"].update(dict.fromkeys(("min", "max", "mean", "median"), 1e-12))
    saved.write_text(json.dumps(document))
    project.write("benchmarks/test_plain.py", _PLAIN.replace("test_plain", "test_renamed"))
    slower = project.run("--benchmark-compare", "--benchmark-compare-fail=mean:5%", "--benchmark-autosave")
    assert slower.ret == 1
    slower.assert_outcomes(passed=9)
    printed = slower.stdout.str() + slower.stderr.str()
    assert "test_latency[tiny-int8] (0001_own)" in printed
    assert "Performance has regressed:" in printed
    assert "Traceback" not in printed
    assert "9 passed in" in slower.outlines[-1]
    said = told(slower)
    assert "pytest-benchmark's --benchmark-save was refused: --benchmark-compare-fail found a regression" in said
    (unjudged,) = (line for line in said if line.startswith("--benchmark-compare-fail judged nothing for 1 benchmarks"))
    assert unjudged.endswith("benchmarks/test_plain.py::test_renamed")
    assert _saved(project) == [saved], "or the next slow run would be compared with this one"

    # A time of another machine fails nobody.
    document["machine_info"]["cpu"]["brand_raw"] = "Another CPU"
    saved.write_text(json.dumps(document))
    elsewhere = project.run("--benchmark-compare", "--benchmark-compare-fail=mean:5%")
    assert elsewhere.ret == 4
    assert "--benchmark-compare-fail: the saved run is of another machine (processor was 'Another CPU' and is" in (
        elsewhere.stderr.str()
    )


def test_compare_fail_names_what_our_baselines_do_not_have(accepted_project: Project):
    project = accepted_project
    project.write_baseline({**project.baseline("fp32"), "latency": {}})
    compare = ("--benchmark-compare", "--benchmark-compare-fail=mean:9999999%")
    result = project.run(*compare, CI="true")
    assert result.ret == EXIT_INCOMPLETE
    result.assert_outcomes(passed=8)
    (unjudged,) = (line for line in told(result) if line.startswith("--benchmark-compare-fail"))
    assert "judged nothing for 1 benchmarks" in unjudged
    assert unjudged.endswith("benchmarks/test_models.py::test_latency[tiny-fp32]")

    # Outside of CI that fails nothing, and is not green all the same.
    assert project.run(*compare, "--qbench-json=run.json").ret == 0
    record = json.loads((project.path / "run.json").read_bytes())
    assert {verdict["verdict"] for verdict in record["verdicts"]} <= {"pass", "unchanged"}
    assert (record["exit_status"], record["verdict"]) == (0, "not judged")


def test_compare_fail_without_any_baseline_says_so_after_our_table(project: Project):
    result = project.run("--benchmark-compare", "--benchmark-compare-fail=mean:5%")
    assert result.ret == 4
    assert "There is no recorded latency of this machine to compare with" in result.stdout.str()
    assert rows(result)["tiny-fp32"].startswith("missing")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--benchmark-disable"], "--benchmark-disable"),
        (["--benchmark-skip"], "--benchmark-skip"),
        (["-n", "2"], "(-n)"),
    ],
)
def test_compare_fail_is_refused_next_to_what_switches_it_off(project: Project, arguments: list[str], name: str):
    result = project.run("--benchmark-compare", "--benchmark-compare-fail=mean:5%", *arguments)
    assert result.ret == 4
    assert "--benchmark-compare-fail judges nothing with" in result.stderr.str()
    assert name in result.stderr.str()


def test_disabled_benchmarks_run_once_and_the_gate_does_not_take_that(accepted_project: Project):
    project = accepted_project
    without = project.run("--benchmark-disable")
    assert without.ret == 0
    without.assert_outcomes(passed=8)
    gated = project.run("--benchmark-disable", "--benchmark-compare")
    assert gated.ret == 1
    gated.assert_outcomes(passed=6, failed=2)
    assert set(failures(gated)) == {"test_latency[tiny-fp32]", "test_latency[tiny-int8]"}
    message = "latency: --benchmark-disable switches off what --benchmark-compare is to judge; use one of them"
    assert all(message in said for said in failures(gated).values())
    assert rows(gated)["tiny-fp32"] == "error (latency), unchanged"


def test_skipped_benchmarks_are_missing(accepted_project: Project):
    result = accepted_project.run("--benchmark-skip", "--benchmark-compare", CI="true")
    assert result.ret == EXIT_INCOMPLETE
    result.assert_outcomes(passed=6, skipped=2)
    assert rows(result) == {
        "tiny-fp32": "missing (latency), unchanged",
        "tiny-int8": "missing (latency), pass",
    }
    (said,) = (line for line in told(result) if line.startswith("missing: tiny-int8: latency"))
    assert "skipped: benchmarks/test_models.py::test_latency[tiny-int8]" in said


def _saved(project: Project) -> list[Path]:
    return sorted(project.path.glob(".benchmarks/*/*.json"))
