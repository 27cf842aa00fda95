from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from qbench.runtime import stopwatch


class _FakeClocks:
    """A wall clock and a processor's; to read either takes a moment on both."""

    def __init__(self, monkeypatch):
        self.wall, self.cpu = 5_000_000, 1_000_000
        monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter_ns=lambda: self.read("wall")))
        monkeypatch.setattr(stopwatch, "_cpu_time_ns", lambda: self.read("cpu"))

    def read(self, clock):
        self.go_on(1, 1)
        return getattr(self, clock)

    def go_on(self, wall, cpu):
        self.wall += wall
        self.cpu += cpu


@pytest.fixture
def clocks(monkeypatch):
    return _FakeClocks(monkeypatch)


def test_a_block_is_timed_on_both_clocks(clocks):
    calls = []

    def invoke():
        calls.append(1)
        clocks.go_on(3_000, 1_000)

    wall, cpu, _ = stopwatch.time_block(invoke, 7)
    assert len(calls) == 7
    assert wall == pytest.approx(21_000, abs=10)
    assert cpu == pytest.approx(7_000, abs=10)


@pytest.mark.parametrize("share", [0.05, 0.5, 3.0])
@pytest.mark.parametrize(("wall", "cpu"), [(10_000, 10_000), (12_000, 10_000)])
def test_a_stretched_block_takes_as_much_longer_on_the_clock_that_it_keeps_busy(clocks, share, wall, cpu):
    calls = []
    took_wall, took_cpu, _ = stopwatch.time_block(lambda: calls.append(clocks.go_on(wall, cpu)), 5, stretch=share)
    assert len(calls) == 5
    assert took_wall == pytest.approx(5 * (1 + share) * wall, rel=0.01)
    # Of a thread that waits, processor time is stretched by at least as much: it is spent while the wall clock runs.
    assert took_cpu >= 5 * (1 + share) * cpu * 0.999
    if wall == cpu:
        assert took_cpu == pytest.approx(5 * (1 + share) * cpu, rel=0.01)


def test_a_block_of_short_invokes_is_stretched_by_no_more_than_its_share(clocks):
    wall, cpu, _ = stopwatch.time_block(lambda: clocks.go_on(2_000, 2_000), 125, stretch=0.01)
    assert wall == pytest.approx(252_500, rel=0.0005)
    assert cpu == pytest.approx(252_500, rel=0.0005)


@pytest.mark.skipif(sys.platform != "linux", reason="waits are counted on Linux alone")
def test_waits_are_counted():
    # Each sleep gives way once, at least.
    assert stopwatch.time_block(lambda: time.sleep(0.001), 20)[2] >= 20


def test_waits_are_not_seen_where_the_system_does_not_count_them(monkeypatch):
    monkeypatch.setattr(stopwatch, "_THREAD", None)
    assert stopwatch.time_block(lambda: time.sleep(0.001), 2)[2] == 0
