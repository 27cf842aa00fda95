"""Contests of real workers. No verdict here depends on time: thresholds are a hundred times off."""

from __future__ import annotations

import os
import sys

import models_zoo as zoo
import pytest
from system_processes import children, lives, on_linux, status, wait_until

from qbench.errors import InvalidArtifactError, WorkerCrashedError, WorkerError
from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.measure.sides import Contestant, pair_opener
from qbench.records import RuntimeOptions
from qbench.runtime.fresh import FreshProcesses

#: Two groups that agree decide, and no machine is too slow for the limit.
_RULES = ContestRules(threshold=100.0, alpha=0.2, limit_s=600.0)


def _contestant(name, content=None, **more):
    content = zoo.dense_int8() if content is None else content
    return Contestant(content=content, options=RuntimeOptions(), name=name, **more)


def _rules(**changes):
    return ContestRules(threshold=changes.pop("threshold", 100.0), alpha=0.2, limit_s=600.0, **changes)


def _worker(side):
    return side._process._child._process.pid


@pytest.fixture
def started(monkeypatch):
    """Names of the sides, and numbers of their workers, in the order in which they were started."""
    started = []
    enter = FreshProcesses.__enter__

    def note(side):
        entered = enter(side)
        started.append((side.name, _worker(side)))
        return entered

    monkeypatch.setattr(FreshProcesses, "__enter__", note)
    return started


class TestContests:
    @pytest.mark.parametrize(("threshold", "finding"), [(100.0, "not slower"), (0.01, "slower")])
    def test_a_subject_against_itself(self, started, threshold, finding):
        opener = pair_opener(_contestant("accepted"), _contestant("new"))
        result = run_contest(opener, _rules(threshold=threshold, invoke_multiple=2))
        assert result.finding == finding
        assert result.rounds == (finding, finding)
        assert 0.01 < result.ratio < 100
        assert 0.01 < result.other_clock_ratio < 100
        assert all(min(*group.baseline.values(), *group.candidate.values()) > 0 for group in result.groups)
        # Each round has workers of its own, started in turns.
        assert [name for name, _ in started] == ["accepted", "new", "new", "accepted"]
        assert len({pid for _, pid in started}) == 4

    def test_the_sides_are_not_mixed_up(self):
        # Hundreds of times as much to compute: a side is known by what it takes.
        small, large = _contestant("small"), _contestant("large", zoo.conv_int8(32))
        for baseline, candidate, finding in ((small, large, "slower"), (large, small, "not slower")):
            result = run_contest(pair_opener(baseline, candidate), _rules(threshold=1.0))
            assert result.finding == finding
            assert (result.candidate_ns > result.baseline_ns) == (finding == "slower")

    def test_clearly_faster_is_seen(self):
        opener = pair_opener(_contestant("accepted"), _contestant("new"))
        assert run_contest(opener, _rules(improved_below=50.0)).faster

    @on_linux
    def test_nothing_is_left_running(self, started):
        run_contest(pair_opener(_contestant("accepted"), _contestant("new")), _RULES)
        assert len(started) == 4
        wait_until(lambda: not any(lives(pid) for _, pid in started))

    @on_linux
    @pytest.mark.parametrize(
        ("content", "error"),
        [(zoo.aborting(), WorkerCrashedError), (b"this is no model" * 9, InvalidArtifactError)],
        ids=["crash", "refusal"],
    )
    @pytest.mark.parametrize("bad", ["accepted", "new"])
    def test_a_bad_side_is_named_and_both_end(self, started, content, error, bad):
        sides = {name: _contestant(name, content if name == bad else None) for name in ("accepted", "new")}
        with pytest.raises(error, match=rf"\b{bad}\b"):
            run_contest(pair_opener(sides["accepted"], sides["new"]), _RULES)
        assert len(started) == 2
        wait_until(lambda: not any(lives(pid) for _, pid in started))


class TestPairs:
    @on_linux
    def test_they_end_with_the_round_also_when_it_breaks_off(self):
        class BrokenOffError(Exception):
            pass

        open_pair = pair_opener(_contestant("accepted"), _contestant("new"))
        running = []

        def break_off():
            with open_pair(0) as sides:
                for side in sides:
                    side.renew()
                    running.extend([_worker(side), *children(_worker(side))])
                raise BrokenOffError

        with pytest.raises(BrokenOffError):
            break_off()
        assert len(set(running)) == 4
        wait_until(lambda: not any(map(lives, running)))

    def test_the_baseline_comes_first_whoever_was_started_first(self, started):
        open_pair = pair_opener(_contestant("accepted"), _contestant("new"))
        for number, order in ((0, ["accepted", "new"]), (1, ["new", "accepted"]), (2, ["accepted", "new"])):
            started.clear()
            with open_pair(number) as (baseline, candidate):
                assert (baseline.name, candidate.name) == ("accepted", "new")
            assert [name for name, _ in started] == order

    @on_linux
    def test_both_stay_on_the_same_processor(self):
        with pair_opener(_contestant("accepted"), _contestant("new"))(0) as sides:
            for side in sides:
                side.renew()
                (fork,) = children(_worker(side))
                assert status(fork, "Cpus_allowed_list") == str(max(os.sched_getaffinity(0)))

    @on_linux
    @pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
    def test_there_are_as_many_processors_as_threads_of_either(self):
        two = Contestant(content=zoo.dense_int8(), options=RuntimeOptions(threads=2), name="new")
        with pair_opener(_contestant("accepted"), two)(0) as sides:
            for side in sides:
                side.renew()
                (fork,) = children(_worker(side))
                assert int(status(fork, "Cpus_allowed").replace(",", ""), 16).bit_count() == 2

    def test_inputs_are_those_of_the_contestant(self):
        stored = {"accepted": bytes([1, 2, 3, 4]), "new": bytes([5, 6, 7, 8])}
        contestants = [_contestant(name, inputs=(content,)) for name, content in stored.items()]
        outputs = []
        with pair_opener(*contestants)(0) as sides:
            for side in sides:
                side.renew()
                side.time(invokes=1)
                outputs.append(side._ask({"do": "get", "index": 0}, doing="reading an output")[1])
        assert outputs[0] != outputs[1]

    def test_each_has_a_python_of_its_own(self, tmp_path):
        missing = str(tmp_path / "python")
        with (
            pytest.raises(WorkerError, match=f"cannot start '{missing}'"),
            pair_opener(_contestant("accepted", python=missing), _contestant("new", python=sys.executable))(0),
        ):
            pass
