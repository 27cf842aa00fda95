from __future__ import annotations

import numpy as np
import pytest

from qbench.conform.case import Case, Distance
from qbench.conform.comparison import CRASH, Tally, Verdict

EQUAL = Distance(values=10, off_by_one=0, off_by_more=0, largest=0)
NEAR = Distance(values=10, off_by_one=2, off_by_more=0, largest=1)
FAR = Distance(values=10, off_by_one=1, off_by_more=3, largest=9)


def compared(found: Distance, **more) -> Verdict:
    return Verdict(kind="compared", found=found, **more)


def case(size: int = 1) -> Case:
    return Case(operator="ADD", dtype="int8", content=bytes(size), inputs=())


def test_severities_are_ordered():
    assert [compared(found).severity for found in (EQUAL, NEAR, FAR)] == [0, 1, 2]
    assert compared(FAR).severity < CRASH == Verdict(kind="crashed").severity


@pytest.mark.parametrize(
    ("found", "finding"),
    [([], "not tried"), ([EQUAL], "exact"), ([EQUAL, NEAR], "within 1"), ([FAR, EQUAL, NEAR], "wrong")],
)
def test_the_finding_is_that_of_the_worst_case(found, finding):
    tally = Tally()
    for each in found:
        tally.add(case(), compared(each))
    assert tally.finding == finding
    assert tally.cases == len(found)


def test_sums():
    tally = Tally()
    tally.add(case(), compared(NEAR))
    tally.add(case(), compared(FAR))
    assert (tally.values, tally.off_by_one, tally.off_by_more, tally.largest) == (20, 3, 3, 9)


def test_a_crash_is_worse_than_a_wrong_value():
    tally = Tally()
    tally.add(case(5), compared(FAR))
    tally.add(case(7), Verdict(kind="crashed"))
    assert tally.finding == "crashed"
    assert tally.worst is not None
    assert tally.worst.size == 7


def test_the_smallest_of_the_worst_cases_is_kept():
    tally = Tally()
    for size, found in [(9, FAR), (1, NEAR), (4, FAR), (6, FAR), (2, EQUAL)]:
        tally.add(case(size), compared(found))
    assert tally.worst is not None
    assert tally.worst.size == 4


def test_no_case_is_kept_of_what_is_equal():
    tally = Tally()
    tally.add(case(), compared(EQUAL))
    assert tally.worst is None
    assert not tally.needs_example


def test_being_off_by_one_needs_an_example_only_where_exactness_is_claimed():
    for claimed in (False, True):
        tally = Tally()
        tally.add(case(), compared(NEAR, claimed_exact=claimed))
        assert tally.needs_example is claimed


def test_where_steps_may_grow_more_than_one_is_no_error():
    tally = Tally()
    tally.add(case(), compared(FAR, bounded=False, claimed_exact=False))
    assert tally.finding == "differs"
    assert not tally.needs_example


def test_refusals_are_counted_by_reason():
    tally = Tally()
    for reason in ("a", "b", "a"):
        tally.add(case(), Verdict(kind="refused", reason=reason))
    assert tally.refused == {"a": 2, "b": 1}
    assert tally.finding == "refused"
    tally.add(case(), compared(EQUAL))
    assert tally.finding == "refused", "that others are equal does not make up for it"


@pytest.mark.parametrize(
    ("kind", "finding"), [("left", "not tried"), ("no oracle", "no oracle"), ("failed", "oracle failed")]
)
def test_what_is_not_compared_is_said(kind, finding):
    tally = Tally()
    tally.add(case(), Verdict(kind=kind, reason="why"))
    assert tally.finding == finding
    assert tally.worst is None


def test_one_case_that_is_not_claimed_exact_takes_the_claim_from_all():
    tally = Tally()
    tally.add(case(), compared(EQUAL, claimed_exact=False))
    tally.add(case(), compared(NEAR))
    assert not tally.claimed_exact


def test_inputs_count_for_the_size():
    small = Case(operator="ADD", dtype="int8", content=b"", inputs=(np.zeros(1),))
    tally = Tally()
    tally.add(Case(operator="ADD", dtype="int8", content=b"", inputs=(np.zeros(2),)), compared(FAR))
    tally.add(small, compared(FAR))
    assert tally.worst is small


def test_what_nothing_runs_is_red_only_if_that_is_so_of_all_cases():
    tally = Tally()
    refused = Verdict(kind="refused", reason="a size of 0", is_run_elsewhere=False)
    tally.add(case(), refused)
    assert tally.finding == "refused"
    tally.add(case(), compared(EQUAL))
    assert tally.finding == "exact"
    assert tally.refused_by_all == {"a size of 0": 1}
