"""Latency against the baseline and against fp32: what is contested, with what, and what is said about it.

Contests are real. Where a verdict could depend on the machine's mood, the tolerance lies far from the truth.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import models_zoo as zoo
import msgspec
import pytest

import qbench.session.contests
import qbench.session.latency
from qbench.baseline.schema import AcceptedArtifact
from qbench.baseline.store import BaselineWriter
from qbench.errors import WorkerCrashedError
from qbench.files import digest_bytes
from qbench.measure.contest import run_contest
from qbench.session import Session, SessionOptions
from qbench.session.latency import LatencyOptions
from qbench.verdicts import MetricVerdict, Verdict
from session.lab import FP32, INT8, of, stats

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.records import Subject
    from session.lab import Lab

#: About 100 times the work of the small one; same inputs and outputs.
SMALL, LARGE = zoo.conv_int8(size=4), zoo.conv_int8(size=64)


@pytest.fixture
def contested(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The rules and sides of every contest that is run."""
    seen: list[Any] = []

    def noted(open_pair: Any, rules: Any, **more: Any) -> Any:
        cells = dict(zip(open_pair.__wrapped__.__code__.co_freevars, open_pair.__wrapped__.__closure__, strict=True))
        seen.append((rules, cells["baseline"].cell_contents, cells["candidate"].cell_contents))
        return run_contest(open_pair, rules, **more)

    monkeypatch.setattr(qbench.session.contests, "run_contest", noted)
    return seen


@pytest.fixture
def convs(lab: Lab) -> Lab:
    """A lab whose models are convolutions without a dataset, the small one accepted."""
    lab.model.pop("dataset")
    lab.model["source"] = {"int8": "int8.tflite"}
    lab.source("int8", SMALL)
    lab.accept()
    return lab


def judge(lab: Lab, subject: Subject = INT8, *, median_s: float = 2e-6, gate: bool = True, **options: Any) -> Any:
    """The verdicts of one latency measurement, by metric."""
    session = Session(lab.config, SessionOptions(gate=gate, latency=LatencyOptions(**options)))
    verdicts = session.measure_latency(subject, stats(median_s), iterations=1)
    return {verdict.metric: verdict for verdict in verdicts}


def latency(lab: Lab, subject: Subject = INT8, **options: Any) -> MetricVerdict:
    return judge(lab, subject, **options)["latency_ns"]


# --- unchanged --------------------------------------------------------------------------------------------


def test_what_is_unchanged_is_not_contested(accepted: Lab, contested: list[Any]):
    verdict = latency(accepted)
    assert verdict.verdict is Verdict.UNCHANGED
    assert verdict.reason == "the artifact, its options and the runtime are those that were accepted"
    assert verdict.now == 2000
    assert contested == []


def test_what_is_unchanged_needs_no_accepted_artifact(accepted: Lab):
    for path in accepted.baselines.glob("artifacts/*"):
        path.unlink()
    assert latency(accepted).verdict is Verdict.UNCHANGED
    assert latency(accepted, always_contest=True).verdict is Verdict.PASS


def test_unchanged_is_contested_on_request(accepted: Lab, contested: list[Any]):
    verdict = latency(accepted, always_contest=True)
    assert verdict.verdict is Verdict.PASS
    assert verdict.reason == "Nothing changed, so a fail is the measurement's fault"
    ((rules, baseline, candidate),) = contested
    assert rules.threshold == 1001.0
    assert baseline.content == candidate.content == zoo.dense_int8()
    assert baseline.inputs == candidate.inputs
    assert any(baseline.inputs[0]), "the first example of the dataset, not zeros"


def test_another_python_alone_is_unchanged_and_says_how_to_judge_it(
    accepted: Lab, contested: list[Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(qbench.session.latency, "python_version", lambda: "3.99")
    verdict = latency(accepted)
    assert verdict.verdict is Verdict.UNCHANGED
    assert "(under Python 3." in verdict.reason
    assert "--qbench-base-python" in verdict.reason
    assert contested == []


# --- changed ----------------------------------------------------------------------------------------------


def test_a_changed_artifact_is_contested_against_the_accepted_one(accepted: Lab, contested: list[Any]):
    accepted.source("int8", zoo.dense_int8() + bytes(8))
    verdict = latency(accepted)
    assert verdict.verdict is Verdict.PASS
    assert verdict.reason == "The artifact changed"
    ((_, baseline, candidate),) = contested
    assert (baseline.content, candidate.content) == (zoo.dense_int8(), zoo.dense_int8() + bytes(8))
    assert (baseline.name, candidate.name) == ("tiny-int8 as accepted", "tiny-int8")


def test_a_far_slower_artifact_fails_with_its_numbers(convs: Lab):
    convs.table["tolerance"] = {"latency": 0.05}
    convs.source("int8", LARGE)
    verdict = latency(convs)
    contest = verdict.contest
    assert verdict.verdict is Verdict.FAIL
    assert contest is not None
    assert contest.rounds == ("slower", "slower"), "a fail is confirmed in fresh processes"
    assert contest.ratio is not None
    assert contest.ratio > 2
    assert verdict.change == contest.ratio - 1
    assert (verdict.now, verdict.reference) == (contest.candidate_ns, contest.baseline_ns)
    assert verdict.tolerance == 0.05
    assert "--qbench-accept" in verdict.advice


def test_a_far_faster_artifact_is_improved_with_the_hint_to_accept_it(convs: Lab):
    convs.source("int8", LARGE)
    convs.accept("larger")
    convs.table["tolerance"] = {"latency": 0.05}
    convs.source("int8", SMALL)
    verdict = latency(convs)
    assert verdict.verdict is Verdict.IMPROVED
    assert "accept it with --qbench-accept" in verdict.advice


def test_changed_options_are_contested_each_side_with_its_own(accepted: Lab, contested: list[Any]):
    accepted.table["kernels"] = "reference"
    verdict = latency(accepted)
    assert verdict.verdict is Verdict.PASS
    assert verdict.reason == "Options changed: kernels from 'builtin' to 'reference'"
    ((_, baseline, candidate),) = contested
    assert (baseline.options.kernels, candidate.options.kernels) == ("builtin", "reference")
    assert baseline.content == candidate.content


def test_several_threads_are_timed_by_the_wall_clock(accepted: Lab, contested: list[Any]):
    accepted.table["threads"] = 2
    assert latency(accepted).contest.clock == "wall"
    assert contested[0][0].clock == "wall"
    accepted.table["threads"] = 1
    accepted.table["contest"] |= {"clock": "wall"}
    latency(accepted, always_contest=True)
    assert contested[1][0].clock == "wall"


def test_without_the_accepted_artifact_a_changed_one_is_not_comparable(accepted: Lab, contested: list[Any]):
    accepted.source("int8", zoo.dense_int8() + bytes(8))
    for path in accepted.baselines.glob("artifacts/*"):
        path.unlink()
    verdict = latency(accepted)
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert f"{digest_bytes(zoo.dense_int8())[:12]}.tflite is not in baselines/artifacts" in verdict.reason
    assert "git checkout" in verdict.advice
    assert contested == []


def test_an_accepted_artifact_that_crashes_is_named(accepted: Lab):
    old, crashing = accepted.baseline(INT8), zoo.aborting()
    assert old is not None
    writer = BaselineWriter(accepted.baselines)
    artifact = AcceptedArtifact(sha256=digest_bytes(crashing), size_bytes=len(crashing))
    with writer.locked():
        writer.write(msgspec.structs.replace(old, artifact=artifact, predictions=None), crashing, None)
    with pytest.raises(WorkerCrashedError, match="SIGABRT while loading tiny-int8 as accepted"):
        latency(accepted)


def test_without_a_tolerance_latency_is_only_measured(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + bytes(8))
    session = Session(accepted.config, SessionOptions(gate=False))
    assert session.measure_latency(INT8, stats(), iterations=1) == []
    assert session.result(INT8).latency.median_ns == pytest.approx(2000)


# --- the runtime ------------------------------------------------------------------------------------------


@pytest.fixture
def upgraded(accepted: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose baselines were accepted in the present runtime, which now says that it is a newer one."""
    monkeypatch.setattr(qbench.session.latency, "runtime_version", lambda _: "99.0")
    return accepted


@pytest.fixture
def another_path(tmp_path: Path) -> str:
    """This Python under another name, as a base environment is."""
    path = tmp_path / "base-python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_another_runtime_alone_is_not_comparable_and_says_what_to_do(upgraded: Lab, contested: list[Any]):
    verdict = latency(upgraded)
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert verdict.reason.startswith("the runtime changed: ai-edge-litert was 2.")
    assert verdict.reason.endswith("and is 99.0")
    assert "--qbench-base-python" in verdict.advice
    assert contested == []


def test_the_accepted_side_runs_in_the_base_python(upgraded: Lab, contested: list[Any], another_path: str):
    verdict = latency(upgraded, base_python=another_path)
    assert verdict.verdict is Verdict.PASS
    assert verdict.reason.startswith("The runtime changed: ai-edge-litert was 2.")
    ((_, baseline, candidate),) = contested
    assert (baseline.python, candidate.python) == (another_path, sys.executable)


def test_a_base_python_with_another_runtime_than_the_baseline_is_refused(
    upgraded: Lab, contested: list[Any], another_path: str
):
    old = upgraded.baseline(INT8)
    assert old is not None
    tools = {**old.provenance.tools, "ai-edge-litert": "1.5.0"}
    provenance = msgspec.structs.replace(old.provenance, tools=tools)
    writer = BaselineWriter(upgraded.baselines)
    with writer.locked():
        writer.write(msgspec.structs.replace(old, provenance=provenance), zoo.dense_int8(), None)
    verdict = latency(upgraded, base_python=another_path)
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "the baseline was accepted with ai-edge-litert 1.5.0, and" in verdict.reason
    assert another_path in verdict.reason
    assert contested == []


def test_a_changed_artifact_in_another_runtime_is_contested_but_not_green(upgraded: Lab, contested: list[Any]):
    upgraded.source("int8", zoo.dense_int8() + bytes(8))
    verdict = latency(upgraded)
    assert len(contested) == 1
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert verdict.contest is not None
    assert verdict.reason.endswith("both ran in the new one, where the artifact is not slower")


def test_a_slower_artifact_in_another_runtime_fails_all_the_same(convs: Lab, monkeypatch: pytest.MonkeyPatch):
    convs.table["tolerance"] = {"latency": 0.05}
    convs.source("int8", LARGE)
    monkeypatch.setattr(qbench.session.latency, "runtime_version", lambda _: "99.0")
    assert latency(convs).verdict is Verdict.FAIL


# --- time and error rates ---------------------------------------------------------------------------------


def test_what_cannot_be_decided_in_time_is_inconclusive_and_says_what_it_takes(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + bytes(8))
    accepted.table["contest"] = {"limit_s": 5.0}
    verdict = latency(accepted, median_s=2.0)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.contest.groups == 0
    assert verdict.contest.seconds < 5
    assert verdict.contest.needed_s > 2 * 12 * 8 * 2.0
    assert "limit_s" in verdict.advice


def test_contests_share_the_time_of_the_run(accepted: Lab, contested: list[Any]):
    accepted.table["contest"] |= {"run_limit_s": 60.0}
    session = Session(accepted.config, SessionOptions(gate=True, latency=LatencyOptions(always_contest=True)))
    session.measure_latency(FP32, stats(), iterations=1)
    session._latency._contests._spent_s = 59.5
    session.measure_latency(INT8, stats(), iterations=1)
    assert contested[0][0].limit_s == 60.0
    assert contested[1][0].limit_s == pytest.approx(0.5, abs=0.01)


def test_the_error_rate_is_shared_out_over_all_contests_of_the_run(accepted: Lab, contested: list[Any]):
    accepted.table["contest"]["alpha"] = 0.3
    latency(accepted, always_contest=True)
    accepted.table["tolerance"] |= {"min_speedup": 0.001}
    latency(accepted, always_contest=True)
    # Two subjects; then a contest of the speedup of int8 besides, for fp32 has none.
    assert [rules.alpha for rules, *_ in contested] == [0.3 / 2, 0.3 / 3, 0.3 / 3]


def test_seeds_are_the_runs_own_and_differ_by_subject(accepted: Lab, contested: list[Any]):
    for seed in (1, 1, 2):
        assert latency(accepted, always_contest=True, seed=seed).contest.seed == contested[-1][0].seed
    latency(accepted, FP32, always_contest=True, seed=1)
    seeds = [rules.seed for rules, *_ in contested]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 3


# --- against fp32 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("floor", "expected"), [(0.001, Verdict.PASS), (1000.0, Verdict.FAIL)])
def test_a_speedup_that_has_to_be_is_contested_with_fp32(
    accepted: Lab, contested: list[Any], floor: float, expected: Verdict
):
    accepted.model["tolerance"] = {"recipes": {"int8": {"min_speedup": floor}}}
    verdict = judge(accepted)["speedup"]
    assert (verdict.verdict, verdict.against, verdict.tolerance) == (expected, "fp32", floor)
    ((rules, baseline, candidate),) = contested
    assert rules.threshold == pytest.approx(1 / floor)
    assert (baseline.content, candidate.content) == (zoo.dense_float(), zoo.dense_int8())
    assert verdict.now == pytest.approx(1 / verdict.contest.ratio)


def test_the_speedup_is_kept_with_its_interval(accepted: Lab):
    accepted.table["tolerance"] |= {"min_speedup": 0.001}
    accepted.table["contest"] |= {"alpha": 0.001}
    accepted.accept("again")
    metrics = accepted.baseline(INT8).metrics
    assert 0 < metrics["speedup_low"] <= metrics["speedup"] <= metrics["speedup_high"]
    assert "speedup" not in accepted.baseline(FP32).metrics
    assert of(accepted.gate().verdicts, INT8, "speedup").verdict is Verdict.PASS


def test_fp32_has_no_speedup(accepted: Lab):
    accepted.table["tolerance"] |= {"min_speedup": 1000.0}
    assert set(judge(accepted, FP32)) == {"latency_ns"}
