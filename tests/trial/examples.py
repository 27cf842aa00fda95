"""Trials that nobody measured."""

from __future__ import annotations

from itertools import product
from typing import Any

from qbench.records import Fingerprint
from qbench.trial.records import ContestRecord, StoredComparison, Trial, TrialSettings

MACHINE = Fingerprint(
    cpu="a processor",
    instruction_sets=("avx2",),
    system="Linux-x86_64",
    python="3.11",
    runtime="litert",
    runtime_version="2.3.0",
    threads=1,
    kernels="builtin",
)


def contest(**changed: Any) -> ContestRecord:
    """A quiet contest of `net` that found nothing slower, in 0.5 s and 0.25 s to start."""
    plain = {
        "subject": "net",
        "noise": "quiet",
        "slowdown": 0.0,
        "seed": 1,
        "at_s": 0.0,
        "finding": "not slower",
        "faster": False,
        "rounds": ("not slower", "not slower"),
        "ratio": 1.0,
        "low": 0.98,
        "high": None,
        "decided_pass_at": 1.03,
        "decided_fail_at": None,
        "clock": "cpu",
        "invokes": 10,
        "baseline_ns": 1e5,
        "groups": 20,
        "above": 0,
        "other_above": 1,
        "other_clock_ratio": 1.01,
        "other_clock_finding": "not slower",
        "seconds": 0.75,
        "starting_s": 0.25,
        "needed_s": None,
    }
    return ContestRecord(**{**plain, **changed})


def comparison(**changed: Any) -> StoredComparison:
    """A later run that is as fast as the one before."""
    plain = {"subject": "net", "noise": "quiet", "slowdown": 0.0, "medians": 1.0, "means": 1.0, "p": 0.5}
    return StoredComparison(**{**plain, **changed})


def trial(contests: Any = (), stored: Any = (), **settings: Any) -> Trial:
    """What was measured, under settings that name what is in it."""
    plain = {
        "subjects": tuple(dict.fromkeys(each.subject for each in contests)) or ("net",),
        "noises": tuple(dict.fromkeys(each.noise for each in (*contests, *stored))) or ("quiet",),
        "slowdowns": tuple(sorted({each.slowdown for each in (*contests, *stored)})) or (0.0,),
    }
    return Trial(
        qbench="0.1.0",
        machine=MACHINE,
        processors=2,
        settings=TrialSettings(**{**plain, **settings}),
        contests=tuple(contests),
        stored=tuple(stored),
    )


def three_slowdowns() -> Trial:
    """Ten contests at 0, 5 and 10% under two noises: all decided, and all right, but for those at 5%."""
    finding = {0.0: "not slower", 0.05: "inconclusive", 0.1: "slower"}
    return trial(
        [
            contest(noise=noise, slowdown=slowdown, finding=finding[slowdown], ratio=1 + slowdown + number / 1000)
            for noise, slowdown, number in product(("quiet", "core"), (0.0, 0.05, 0.1), range(10))
        ],
        [comparison(noise=noise, slowdown=slowdown) for noise, slowdown in product(("quiet", "core"), (0.0, 0.1))],
    )
