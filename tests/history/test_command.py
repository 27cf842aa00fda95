"""`qbench history` in scratch repositories: what it prints, what it fails on, and what it writes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from baseline.examples import SAMPLE, baseline, fingerprint
from baseline.scratch_git import commit, git, init

from qbench.baseline.schema import AcceptedLatency, Provenance, encode_baseline
from qbench.cli import main
from qbench.records import Subject

if TYPE_CHECKING:
    from pathlib import Path

INT8 = Subject(model="shop", recipe="int8")

#: Ten changes that each pass a tolerance of 1%.
SLIPS = [round(75_000 * 1.0099**step) for step in range(11)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A declared model in a repository, which is the current folder."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    root = init(tmp_path / "project")
    (root / "shop.tflite").write_bytes(b"TFL3")
    declare(root)
    monkeypatch.chdir(root)
    return root


def declare(root: Path, settings: str = "") -> None:
    source = 'source = {fp32 = "shop.tflite", int8 = "shop.tflite"}'
    (root / "pyproject.toml").write_text(f"[tool.qbench]\n{settings}\n[tool.qbench.models.shop]\n{source}\n")


def accept(root: Path, size: float, accuracy: float = 0.98, *, reason: str = "why", **changed: Any) -> str:
    """Commit a baseline of these values."""
    provenance = Provenance(reason=reason, commit="", accepted_on="2026-01-31", tools={}, dataset="d")
    values = {"metrics": {"size_bytes": size, "accuracy": accuracy}, "provenance": provenance, **changed}
    path = root / "baselines" / "shop" / "int8.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_baseline(baseline(int(size), INT8, **values)))
    return commit(root)


def history(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    capsys.readouterr()
    status = main(["history", "shop", "int8", *arguments])
    return capsys.readouterr().out, status


def flat(printed: str) -> str:
    """Sentences without the line ends of the terminal."""
    return " ".join(printed.split())


def test_each_accepted_change_is_a_row_of_at_most_80_columns(project: Path, capsys: pytest.CaptureFixture[str]):
    first = accept(project, 61_000, 0.97, reason="first of all " + "and a long story " * 10)
    second = accept(project, 61_200, 0.98, reason="retrained")
    printed, status = history(capsys)
    assert status == 0
    lines = printed.splitlines()
    assert lines[0].startswith("shop, int8: 2 accepted changes, 20")
    assert lines[1].split() == ["commit", "day", "who", "size", "accuracy", "reason"]
    assert lines[2].split()[0] == first[:10]
    assert lines[3].split() == [second[:10], lines[2].split()[1], "Tester", "61.2", "kB", "0.9800", "retrained"]
    assert max(map(len, lines)) <= 80
    assert "drift" not in printed


def test_ten_slips_are_named_with_the_anchor_and_where_they_began(project: Path, capsys: pytest.CaptureFixture[str]):
    for size in (75_100, 75_080, 75_090, 75_080, 75_070, 75_060, 75_050):
        accept(project, size)
    anchor, *slips = [accept(project, size) for size in SLIPS]
    printed, status = history(capsys)
    assert status == 0
    said = flat(printed)
    assert (
        f"drift: shop-int8: size_bytes is 82.8 kB, 10.35% worse than 75.0 kB of its anchor ({anchor[:12]} of " in said
    )
    assert "through 10 changes, none larger than 0.99%" in said
    assert f"Changes make it worse faster than before since {slips[0][:12]} of " in said
    assert "Its limit is 3.00% (three times the tolerance of a step)." in said
    assert f"git show {anchor[:10]}:./baselines/artifacts/" in printed
    assert "    qbench compare anchor.tflite baselines/artifacts/" in printed
    assert history(capsys, "--fail-on-drift")[1] == 1


def test_the_artifact_of_the_anchor_is_where_the_printed_command_looks(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    for size in SLIPS:
        path = project / "baselines" / "artifacts" / f"{baseline(size, INT8).artifact.sha256}.tflite"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"artifact of %d" % size)
        accept(project, size)
        path.unlink()
    printed, _ = history(capsys)
    (line,) = (line for line in printed.splitlines() if "git show" in line)
    named = line.split()[2]
    assert git(project, "show", named) == f"artifact of {SLIPS[0]}"


def test_a_metric_has_its_steps_and_its_distance_from_the_anchor(project: Path, capsys: pytest.CaptureFixture[str]):
    for accuracy in (0.97, 0.98, 0.979, 0.9785):
        accept(project, 61_000, accuracy)
    lines = history(capsys, "--metric", "accuracy")[0].splitlines()
    assert lines[1].split() == ["commit", "day", "who", "accuracy", "step", "drift", "reason"]
    assert [line.split()[3:-1] for line in lines[2:6]] == [
        ["0.9700"],
        ["0.9800", "-1", "anchor"],
        ["0.9790", "+0.1", "+0.1"],
        ["0.9785", "+0.05", "+0.15"],
    ]


@pytest.mark.parametrize("kind", ["tag", "day"])
def test_since_begins_there_and_counts_from_there(project: Path, capsys: pytest.CaptureFixture[str], kind: str):
    for size in SLIPS[:8]:
        accept(project, size)
    git(project, "tag", "v1")
    # A day holds all that was committed on it.
    since = "v1" if kind == "tag" else git(project, "log", "-1", "--format=%cd", "--date=short")
    printed, status = history(capsys, "--since", since, "--fail-on-drift")
    assert printed.startswith("shop, int8: 1 accepted change, ")
    assert status == 0
    assert history(capsys, "--fail-on-drift")[1] == 1


def test_a_declared_anchor_and_a_declared_limit_hold(project: Path, capsys: pytest.CaptureFixture[str]):
    accept(project, 70_000)
    git(project, "tag", "v1")
    accept(project, 60_000)
    accept(project, 69_000)
    declare(project, 'anchor = "v1"\ntolerance.drift.size = 0.02')
    assert history(capsys, "--fail-on-drift")[1] == 0
    accept(project, 72_000)
    printed, status = history(capsys, "--fail-on-drift")
    assert status == 1
    assert "2.86% worse than 70.0 kB of its anchor" in flat(printed)
    assert "Its limit is 2.00% (declared)." in flat(printed)


def test_an_anchor_on_another_branch_is_told_with_what_came_since(project: Path, capsys: pytest.CaptureFixture[str]):
    accept(project, 70_000)
    git(project, "checkout", "--quiet", "-b", "release")
    released = accept(project, 65_000)
    git(project, "checkout", "--quiet", "main")
    accept(project, 70_500)
    printed, _ = history(capsys, "--since", "release", "--metric", "size_bytes")
    lines = printed.splitlines()
    assert lines[2].split()[0] == released[:10]
    assert lines[3].split()[3:6] == ["70,500", "+8.46%", "+8.46%"]


def test_latency_is_shown_for_each_kind_of_machine_and_never_judged(project: Path, capsys: pytest.CaptureFixture[str]):
    medians = [41.0, 41.4, 40.8, 41.1, 41.2, 47.0, 47.3, 46.8, 47.1, 47.2]
    shas = []
    for median in medians:
        sample = msgspec.structs.replace(SAMPLE, median_ns=1000 * median)
        here = AcceptedLatency(fingerprint=fingerprint("this one"), sample=sample)
        other = AcceptedLatency(fingerprint=fingerprint("another"), sample=SAMPLE)
        shas.append(accept(project, 61_000, latency={"here": here, "there": other})[:12])
    printed, status = history(capsys, "--fail-on-drift")
    assert status == 0
    assert f"latency: 41.1 us on this one (here), {shas[0]} to {shas[4]}." in printed
    assert f"latency: 47.1 us on this one (here), {shas[5]} to {shas[9]}." in printed
    assert f"latency: 1.4 us on another (there), {shas[0]}." in printed


def test_what_others_wrote_reaches_the_terminal_as_text(project: Path, capsys: pytest.CaptureFixture[str]):
    accept(project, 61_000, reason="\x1b[31mred\x1b[0m [bold]not markup[/bold]\nsecond\tline")
    printed, _ = history(capsys)
    assert "\x1b" not in printed
    assert "\\x1b[31mred" in printed
    assert len(printed.splitlines()) == 4


def test_a_shallow_clone_says_so_and_fails_where_drift_is_to_fail(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for size in SLIPS[:4]:
        accept(project, size)
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{project}", "clone")
    monkeypatch.chdir(tmp_path / "clone")
    printed, status = history(capsys, "--fail-on-drift")
    assert status == 1
    assert "note: history begins at" in printed
    assert "drift:" not in printed


def test_the_json_holds_all_of_it(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    shas = [accept(project, size) for size in SLIPS]
    history(capsys, "--json", str(tmp_path / "out.json"))
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert (document["format"], document["format_version"]) == ("qbench-history", 1)
    (subject,) = document["subjects"]
    assert [change["commit"] for change in subject["changes"]] == shas
    (drift,) = (drift for drift in subject["drifts"] if drift["metric"]["name"] == "size_bytes")
    assert (drift["anchor"], drift["steps"], drift["reference"], drift["now"]) == (0, 10, SLIPS[0], SLIPS[-1])
    assert document["metrics"]["size_bytes"]["unit"] == "B"


def test_without_the_library_it_says_what_it_did_not_look_for(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for size in SLIPS:
        accept(project, size)
    monkeypatch.setitem(sys.modules, "ruptures", None)
    assert "note: where drift began is not looked for: install qbench[history]" in history(capsys)[0]


def test_nothing_accepted_is_said(project: Path, capsys: pytest.CaptureFixture[str]):
    commit(project)
    assert history(capsys) == ("shop, int8: nothing was accepted yet\n", 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "MODEL: found 'nothing', expected one of shop"),
        (["shop", "int9"], "RECIPE: found 'int9', expected one of fp32, int8"),
        (["shop", "int8", "--metric", "sise"], "--metric: found 'sise', expected one of accuracy, size_bytes"),
        (["shop", "--since", "v9"], "--since: git knows no commit 'v9' here; fetch it first"),
        (["shop", "--json", "."], "--json: found the folder ., expected a file to write to"),
    ],
)
def test_what_cannot_be_used_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    accept(project, 61_000)
    assert main(["history", *arguments]) in {1, 2}
    assert said in capsys.readouterr().err
