"""Outcomes without a measurement, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from qbench.files import digest_bytes
from qbench.judge.gate import judge
from qbench.judge.metrics import ACCURACY_DROP
from qbench.records import ContestSummary, Subject
from qbench.tune.points import PLAIN, Point
from qbench.tune.records import Outcome

SUBJECT = Subject(model="net", recipe="tuned")
FP32_ACCURACY, TOLERANCE = 0.99, 0.005


def outcome(point: Point = PLAIN, *, size: int = 1000, drop: float = 0.0, ratio: float | None = None) -> Outcome:
    """What a recipe of that size and drop would give; its latency as a share of fp32's, if it was measured."""
    verdict = judge(
        SUBJECT,
        ACCURACY_DROP,
        now=FP32_ACCURACY - drop,
        reference=FP32_ACCURACY,
        tolerance=TOLERANCE,
        against="fp32",
    )
    said = f"{point} {size} {drop} {ratio}"
    return Outcome(
        recipe=point.recipe(),
        sha256=digest_bytes(said.encode()),
        size_bytes=size,
        metrics={"accuracy": FP32_ACCURACY - drop},
        verdicts=(verdict,),
        kernels=digest_bytes(f"{point.granularity} {size}".encode()),
        latency=None if ratio is None else contest(ratio),
        seconds=1.0,
    )


def failed(point: Point = PLAIN) -> Outcome:
    """What a recipe gives that cannot be built."""
    return Outcome(recipe=point.recipe(), error="no weights that it fits")


def contest(ratio: float, **changed: Any) -> ContestSummary:
    """A contest of a baseline of 10 us that found a ratio."""
    plain: dict[str, Any] = {
        "finding": "not slower" if ratio <= 1 else "slower",
        "faster": False,
        "ratio": ratio,
        "low": ratio * 0.98,
        "high": ratio * 1.02,
        "confidence": 0.95,
        "other_clock_ratio": ratio,
        "clock": "cpu",
        "decided_pass_at": None,
        "decided_fail_at": None,
        "groups": 20,
        "rounds": ("not slower",),
        "baseline_ns": 10_000.0,
        "candidate_ns": 10_000.0 * ratio,
        "seconds": 1.0,
        "starting_s": 0.1,
        "needed_s": 0.0,
        "seed": 0,
    }
    return ContestSummary(**{**plain, **changed})
