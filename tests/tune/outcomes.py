"""Outcomes without a measurement, for tests of what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.files import digest_bytes
from qbench.judge.gate import judge
from qbench.judge.metrics import ACCURACY_DROP
from qbench.records import Fingerprint, Subject
from qbench.tune.points import PLAIN, Point
from qbench.tune.records import Outcome
from qbench.tune.result import Price, Tuning
from qbench.verdicts import ContestSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

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


MACHINE = Fingerprint(
    cpu="c",
    instruction_sets=(),
    system="Linux",
    python="3.11",
    runtime="litert",
    runtime_version="2",
    threads=1,
    kernels="builtin",
)
_TENSOR = PLAIN.changed(granularity="tensor")


def tuning_of(outcomes: Sequence[Outcome], **changed: Any) -> Tuning:
    """What is concluded from outcomes, with what is named changed."""
    plain: dict[str, Any] = {
        "model": "net",
        "machine": MACHINE,
        "settings": {},
        "log": "log.json",
        "ended": "searched",
        "seconds": 12.0,
        "measured_now": len(outcomes),
        "reference_bytes": 4000,
        "outcomes": tuple(outcomes),
        "front": (),
    }
    return Tuning(**{**plain, **changed})


def passing_tuning() -> Tuning:
    """A search that started from one scale for all, and found plain int8."""
    outcomes = [
        outcome(_TENSOR, size=900, drop=0.5, ratio=0.5),
        outcome(size=1000, drop=0.001, ratio=0.6),
        failed(PLAIN.changed(weights="int4")),
        outcome(PLAIN.changed(activations="int16"), size=1100),
    ]
    price = Price(size_bytes=100, nanoseconds=1000.0, low_ns=800.0, high_ns=1200.0, contest=contest(1.1))
    return tuning_of(
        outcomes,
        front=(1, 2),
        start=1,
        cheapest=2,
        price=price,
        recipes_line='recipes = ["fp32", "tuned"]\n',
        recipe_table="[tool.qbench.recipe.tuned.quantization]\n",
    )
