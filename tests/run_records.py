"""Records of runs that no run made, for tests of what is rendered from them."""

from __future__ import annotations

from typing import Any

from qbench.records import Fingerprint, Metric, RuntimeOptions, Subject
from qbench.run_record import RunRecord, SubjectRecord, VerdictRecord
from qbench.verdicts import Verdict

FINGERPRINT = Fingerprint(
    cpu="a processor",
    instruction_sets=("avx2",),
    system="Linux-x86_64",
    python="3.11",
    runtime="litert",
    runtime_version="2.1.0",
    threads=1,
    kernels="builtin",
)
SIZE = Metric(name="size_bytes", unit="B", direction="lower", relative=True)


def a_run(**changed: Any) -> RunRecord:
    """The record of a run in which one subject was measured and nothing judged, but for what is `changed`."""
    fields: dict[str, Any] = {
        "verdict": "measured",
        "exit_status": 0,
        "headline": "",
        "gated": False,
        "baselines": "baselines/",
        "commit": "",
        "started_at": "2026-11-24T12:00:00Z",
        "seconds": 1.5,
        "fingerprint": FINGERPRINT,
        "options": RuntimeOptions(),
        "metrics": {"size_bytes": SIZE},
        "subjects": (a_subject(),),
        "verdicts": (),
        "project": "shop",
    }
    return RunRecord(**{**fields, **changed})


def a_subject(**changed: Any) -> SubjectRecord:
    """What was measured of tiny-int8, but for what is `changed`."""
    fields: dict[str, Any] = {"model": "tiny", "recipe": "int8", "metrics": {"size_bytes": 784.0}}
    return SubjectRecord(**{**fields, **changed})


def a_verdict(**changed: Any) -> VerdictRecord:
    """That the size of tiny-int8 fails, but for what is `changed`."""
    fields: dict[str, Any] = {
        "subject": Subject(model="tiny", recipe="int8"),
        "metric": "size_bytes",
        "verdict": Verdict.FAIL,
        "kind": "size",
        "sentence": "tiny-int8: size_bytes is 824 B, 5.10% worse than 784 B of the baseline.",
    }
    return VerdictRecord(**{**fields, **changed})
