from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.judge.counted import judge_names, newly_counted, operator_label
from qbench.judge.gate import judge
from qbench.judge.metrics import METRICS_BY_KIND, UNDELEGATED
from qbench.records import Subject
from qbench.verdicts import Verdict

_SUBJECT = Subject(model="net", recipe="int8")
(_METRIC,) = [gated.metric for gated in METRICS_BY_KIND["structure"] if gated.metric.name == UNDELEGATED]

_names = st.builds(
    "{} {} '{}'".format,
    st.sampled_from(["ADD", "CONV_2D"]),
    st.sampled_from(["int8", "float32"]),
    st.sampled_from(["a", "b"]),
)


@pytest.mark.parametrize(
    ("now", "accepted", "new"),
    [
        ([], [], ()),
        (["ADD int8 'a'"], [], ("ADD int8 'a'",)),
        ([], ["ADD int8 'a'"], ()),
        (["ADD int8 'a'", "ADD int8 'b'"], ["ADD int8 'b'"], ("ADD int8 'a'",)),
        # Renamed by another training run, or another dtype: the operator was no more delegated than it is.
        (["ADD int8 'renamed'"], ["ADD int8 'a'"], ()),
        (["SOFTMAX int8 'y'"], ["SOFTMAX float32 'y'"], ()),
        # The one of the same name stands for it, whatever comes first.
        (["ADD int8 'b'", "ADD int8 'a'"], ["ADD int8 'a'"], ("ADD int8 'b'",)),
        (["ADD float32 'a'", "ADD int8 'a'"], ["ADD int8 'b'"], ("ADD float32 'a'",)),
        (["CONV_2D int8 'a'"], ["SOFTMAX int8 'y'"], ("CONV_2D int8 'a'",)),
    ],
)
def test_new_names(now, accepted, new):
    assert newly_counted(now, accepted) == new


@given(st.lists(_names, max_size=6), st.lists(_names, max_size=6))
def test_no_more_are_new_than_there_are_and_no_fewer_than_the_number_grew(now, accepted):
    new = newly_counted(now, accepted)
    assert max(0, len(now) - len(accepted)) <= len(new) <= len(now)
    assert set(new) <= set(now)
    assert newly_counted(now, now + accepted) == ()


def test_the_label_is_without_the_tensor():
    assert operator_label("CONV_2D int8 'it's 'odd''") == "CONV_2D int8"


def _judged(now: int, reference: int, new: list[str], tolerance: float = 0):
    verdict = judge(_SUBJECT, _METRIC, now=now, reference=reference, tolerance=tolerance)
    return judge_names(verdict, _METRIC, new)


def test_one_that_falls_off_fails_where_another_gets_back():
    verdict = _judged(1, 1, ["CONV_2D int8 'a'"])
    assert (verdict.verdict, verdict.now, verdict.reference, verdict.change) == (Verdict.FAIL, 1, 1, 1)
    assert "--qbench-accept" in verdict.advice


def test_it_fails_also_where_more_get_back_than_fall_off():
    assert _judged(1, 3, ["CONV_2D int8 'a'"]).verdict is Verdict.FAIL


@pytest.mark.parametrize(("new", "verdict"), [(["a", "b"], Verdict.PASS), (["a", "b", "c"], Verdict.FAIL)])
def test_as_many_new_ones_pass_as_are_tolerated(new, verdict):
    assert _judged(3, 3, new, tolerance=2).verdict is verdict


def test_without_new_ones_the_number_decides():
    assert _judged(2, 2, []).verdict is Verdict.PASS
    assert _judged(1, 2, []).verdict is Verdict.IMPROVED
    assert _judged(3, 2, ["a"]).change == 1
