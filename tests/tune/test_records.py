from __future__ import annotations

import json
import math

import msgspec
import pytest

from qbench.errors import ConfigError
from qbench.judge.gate import judge_contest, not_judged
from qbench.judge.metrics import SPEEDUP
from qbench.records import Subject
from qbench.tune.points import PLAIN
from qbench.tune.records import VERSION, Outcome, TrialLog, decode_log, encode_log
from qbench.verdicts import Verdict
from tune.outcomes import TOLERANCE, contest, failed, outcome

_SUBJECT = Subject(model="net", recipe="tuned")


def test_a_log_comes_back_as_it_was_kept():
    point = PLAIN.changed(float_operators=("a;b",), calibration="percentile", percentile=99.9)
    kept = TrialLog(
        key="k", model="net", qbench="1", outcomes=[outcome(point, drop=0.001, ratio=0.5), failed(), outcome()]
    )
    assert decode_log(encode_log(kept), name="log") == kept


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": "1"}', b"\xff"])
def test_a_damaged_log_is_refused_by_name(content):
    with pytest.raises(ConfigError, match=r"some/log\.json: found a damaged file .*; delete it to begin anew"):
        decode_log(content, name="some/log.json")


def test_a_log_of_another_version_is_refused():
    newer = json.loads(encode_log(TrialLog(key="k", model="net", qbench="1"))) | {"version": VERSION + 1, "more": 1}
    with pytest.raises(ConfigError, match=rf"found version {VERSION + 1}, expected version {VERSION}"):
        decode_log(json.dumps(newer).encode(), name="log")


def test_passing_needs_green_verdicts_and_at_least_one():
    assert outcome().passes
    assert not outcome(drop=2 * TOLERANCE).passes
    assert not failed().passes
    assert not msgspec.structs.replace(outcome(), verdicts=()).passes
    undecided = not_judged(_SUBJECT, "accuracy_drop", Verdict.INCONCLUSIVE, "")
    assert not msgspec.structs.replace(outcome(), verdicts=(undecided,)).passes


def test_a_floor_that_is_missed_fails_and_is_no_drop():
    slow = judge_contest(_SUBJECT, SPEEDUP, contest(1.2), tolerance=1.5, against="fp32")
    found = outcome(drop=0.001)
    found = msgspec.structs.replace(found, verdicts=(*found.verdicts, slow))
    assert not found.passes
    assert found.drop == pytest.approx(0.001)
    assert found.excess == pytest.approx(0.001 / TOLERANCE - 1)


def test_the_drop_that_is_worst_for_its_tolerance_counts():
    found = outcome(drop=0.004)
    own = msgspec.structs.replace(found.verdicts[0], metric="iou", change=3.0, tolerance=2.0, verdict=Verdict.FAIL)
    both = msgspec.structs.replace(found, verdicts=(*found.verdicts, own))
    assert both.worst == own
    assert both.excess == pytest.approx(0.5)
    assert not both.passes
    # Accuracy stands for all in tables; without it, the worst does.
    assert both.drop == pytest.approx(0.004)
    assert msgspec.structs.replace(found, verdicts=(own,)).drop == 3.0


def test_what_failed_is_infinitely_far():
    assert failed().excess == failed().drop == math.inf
    assert failed().accuracy is None
    assert Outcome(recipe=PLAIN.recipe()).ratio is None
