"""Peak memory is measured with the size, and judged where somebody asks for it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest

from qbench.verdicts import Verdict
from session.lab import INT8, of

if TYPE_CHECKING:
    from session.lab import Lab

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such metric")

_NAME = "peak_memory_bytes"


def _judged(lab: Lab) -> set[str]:
    return {verdict.metric for verdict in lab.gate(kinds=["size"]).verdicts if verdict.subject == INT8}


def test_it_is_kept_and_not_judged_by_default(accepted: Lab):
    assert accepted.baseline(INT8).metrics[_NAME] > 0
    accepted.source("int8", zoo.dense_int8() + bytes(1 << 20))
    assert "size_bytes" in _judged(accepted)
    assert _NAME not in _judged(accepted)


def test_more_of_it_fails_where_it_has_a_tolerance(accepted: Lab):
    accepted.table["tolerance"] = {"peak_memory": 0.5}
    assert of(accepted.gate(kinds=["size"]).verdicts, INT8, _NAME).verdict is Verdict.UNCHANGED
    accepted.source("int8", zoo.dense_int8() + bytes(1 << 20))
    verdict = of(accepted.gate(kinds=["size"]).verdicts, INT8, _NAME)
    assert (verdict.verdict, verdict.tolerance) == (Verdict.FAIL, 0.5)
    assert verdict.now - verdict.reference >= 1 << 20


@pytest.mark.parametrize("tolerance", [None, 0.5])
def test_a_baseline_from_before_lacks_it_only_where_it_is_judged(accepted: Lab, tolerance: float | None):
    (path,) = accepted.baselines.glob("**/int8.json")
    old = json.loads(path.read_text(encoding="utf-8"))
    del old["metrics"][_NAME]
    path.write_text(json.dumps(old), encoding="utf-8")
    if tolerance is None:
        assert _NAME not in _judged(accepted)
    else:
        accepted.table["tolerance"] = {"peak_memory": tolerance}
        assert of(accepted.gate(kinds=["size"]).verdicts, INT8, _NAME).verdict is Verdict.MISSING
