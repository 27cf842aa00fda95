from __future__ import annotations

import numpy as np
import pytest

from qbench.conform.case import Case, Distance
from qbench.conform.comparison import CRASH, Tally, severity

EQUAL = Distance(values=10, off_by_one=0, off_by_more=0, largest=0)
NEAR = Distance(values=10, off_by_one=2, off_by_more=0, largest=1)
FAR = Distance(values=10, off_by_one=1, off_by_more=3, largest=9)


def case(size: int = 1) -> Case:
    return Case(operator="ADD", dtype="int8", content=bytes(size), inputs=())


def test_severities_are_ordered():
    assert [severity(found) for found in (EQUAL, NEAR, FAR)] == [0, 1, 2]
    assert severity(FAR) < CRASH


@pytest.mark.parametrize(
    ("found", "finding"),
    [([], "not tried"), ([EQUAL], "exact"), ([EQUAL, NEAR], "within 1"), ([FAR, EQUAL, NEAR], "wrong")],
)
def test_the_finding_is_that_of_the_worst_case(found, finding):
    tally = Tally()
    for each in found:
        tally.add(case(), each)
    assert tally.finding == finding
    assert tally.cases == len(found)


def test_sums():
    tally = Tally()
    tally.add(case(), NEAR)
    tally.add(case(), FAR)
    assert (tally.values, tally.off_by_one, tally.off_by_more, tally.largest) == (20, 3, 3, 9)


def test_a_crash_is_worse_than_a_wrong_value():
    tally = Tally()
    tally.add(case(5), FAR)
    tally.add_crash(case(7))
    assert tally.finding == "crashed"
    assert tally.worst is not None
    assert tally.worst.size == 7


def test_the_smallest_of_the_worst_cases_is_kept():
    tally = Tally()
    for size, found in [(9, FAR), (1, NEAR), (4, FAR), (6, FAR), (2, EQUAL)]:
        tally.add(case(size), found)
    assert tally.worst is not None
    assert tally.worst.size == 4


def test_no_case_is_kept_of_what_is_equal():
    tally = Tally()
    tally.add(case(), EQUAL)
    assert tally.worst is None
    assert not tally.needs_example


def test_being_off_by_one_needs_an_example_only_where_exactness_is_claimed():
    for claimed in (False, True):
        tally = Tally(claimed_exact=claimed)
        tally.add(case(), NEAR)
        assert tally.needs_example is claimed


def test_where_steps_may_grow_more_than_one_is_no_error():
    tally = Tally(bounded=False)
    tally.add(case(), FAR)
    assert tally.finding == "differs"
    assert not tally.needs_example


def test_refusals_are_counted_by_reason():
    tally = Tally()
    for reason in ("a", "b", "a"):
        tally.add_refusal(reason)
    assert tally.refused == {"a": 2, "b": 1}
    assert tally.finding == "not tried"


def test_inputs_count_for_the_size():
    small = Case(operator="ADD", dtype="int8", content=b"", inputs=(np.zeros(1),))
    tally = Tally()
    tally.add(Case(operator="ADD", dtype="int8", content=b"", inputs=(np.zeros(2),)), FAR)
    tally.add(small, FAR)
    assert tally.worst is small
