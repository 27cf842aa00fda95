from __future__ import annotations

from contextlib import contextmanager

import pytest

from qbench.records import BlockTime
from qbench.trial.slow_side import SlowSide, slowed


class _Side:
    """An invoke takes 100 ns, and `stretch` is believed."""

    def __init__(self):
        self.asked = []

    def renew(self):
        self.asked.append("renew")

    def limit(self, limit_s):
        self.asked.append(("limit", limit_s))

    def time(self, *, invokes, blocks=1, discard=0, stretch=0.0):
        self.asked.append((invokes, discard, stretch))
        took = round(100 * invokes * (1 + stretch))
        return (BlockTime(wall_ns=took, cpu_ns=took, waits=0),) * blocks


@pytest.mark.parametrize("slowdown", [0.01, 0.03, 0.05, 0.1, 0.15, 1.0])
@pytest.mark.parametrize("invokes", [1, 7, 10, 20, 100, 300])
def test_a_block_takes_exactly_as_much_longer(slowdown, invokes):
    blocks = SlowSide(_Side(), slowdown).time(invokes=invokes, blocks=2)
    assert [block.wall_ns for block in blocks] == [round(100 * invokes * (1 + slowdown))] * 2


def test_a_whole_number_of_invokes_is_run_and_nothing_is_stretched():
    side = _Side()
    SlowSide(side, 0.1).time(invokes=30, discard=3)
    assert side.asked == [(33, 3, 0.0)]


def test_a_single_invoke_is_stretched():
    side = _Side()
    SlowSide(side, 0.1).time(invokes=1, discard=1)
    assert side.asked == [(1, 1, 0.1)]


def test_the_rest_is_passed_on():
    side = _Side()
    slow = SlowSide(side, 0.1)
    slow.renew()
    slow.limit(3.0)
    assert side.asked == ["renew", ("limit", 3.0)]


def test_only_the_candidate_is_slowed_down_and_rounds_keep_their_number():
    numbers, closed = [], []

    @contextmanager
    def open_pair(number):
        numbers.append(number)
        yield _Side(), _Side()
        closed.append(number)

    with slowed(open_pair, 0.1)(3) as (baseline, candidate):
        assert baseline.time(invokes=10)[0].wall_ns == 1000
        assert candidate.time(invokes=10)[0].wall_ns == 1100
    assert numbers == closed == [3]
