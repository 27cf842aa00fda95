"""Contests of real workers. No verdict here depends on time: thresholds are a hundred times off."""

from __future__ import annotations

import os
import sys
from itertools import pairwise

import models_zoo as zoo
import pytest
from scipy.stats import binom
from system_processes import children, lives, on_linux, session, status, wait_until

from qbench.errors import ArtifactError, InvalidArtifactError, WorkerCrashedError, WorkerError
from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.measure.sides import Contestant, pair_opener
from qbench.records import RuntimeOptions
from qbench.runtime.process import RuntimeProcess

#: Two groups that agree decide, and no machine is too slow for the limit.
_RULES = ContestRules(threshold=100.0, alpha=0.2, limit_s=600.0)


def _contestant(name, content=None, **more):
    content = zoo.dense_int8() if content is None else content
    return Contestant(content=content, options=RuntimeOptions(), name=name, **more)


def _rules(**changes):
    return ContestRules(threshold=changes.pop("threshold", 100.0), alpha=0.2, limit_s=600.0, **changes)


def _player(side):
    return side._couple.player(side._side)


def _worker(side):
    """Number of the worker that plays a side in the present group."""
    return _player(side)._process._child._process.pid


def _renew(sides):
    """A new group, in which both sides have been loaded and run."""
    for side in sides:
        side.renew()
    for side in sides:
        side.time(invokes=1)


def _output(side):
    return _player(side)._process.ask({"do": "get", "index": 0}, name="it", doing="reading an output")[1]


def _other_python(path):
    """The Python of this process under another name."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def started(monkeypatch):
    """Pythons and numbers of the workers in the order in which they were started."""
    started = []
    start = RuntimeProcess.start

    def note(process):
        start(process)
        started.append((process.python, process._child._process.pid))

    monkeypatch.setattr(RuntimeProcess, "start", note)
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
        # Each round has workers of its own.
        assert len({pid for _, pid in started}) == len(started) == 4

    def test_workers_are_started_in_turns(self, started, tmp_path):
        accepted, new = (_other_python(tmp_path / name) for name in ("accepted", "new"))
        result = run_contest(
            pair_opener(_contestant("accepted", python=accepted), _contestant("new", python=new)), _RULES
        )
        assert result.rounds == ("not slower", "not slower")
        assert [python for python, _ in started] == [accepted, new, new, accepted]
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
        wait_until(lambda: not any(session(pid) for _, pid in started))

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
        # Of the other side nobody may have read the answer.
        wait_until(lambda: not any(session(pid) for _, pid in started))


class TestPairs:
    @on_linux
    @pytest.mark.parametrize("waited_for", [0, 1, 2])
    def test_they_end_with_the_round_also_when_it_breaks_off(self, waited_for):
        class BrokenOffError(Exception):
            pass

        open_pair = pair_opener(_contestant("accepted"), _contestant("new"))
        running = []

        def break_off():
            with open_pair(0) as sides:
                for side in sides:
                    side.renew()
                for side in sides[:waited_for]:
                    side.time(invokes=1)
                for side in sides:
                    wait_until(lambda side=side: len(children(_worker(side))) == 1)
                    running.extend([_worker(side), *children(_worker(side))])
                raise BrokenOffError

        with pytest.raises(BrokenOffError):
            break_off()
        assert len(set(running)) == 4
        wait_until(lambda: not any(map(lives, running)))
        assert not any(map(session, running))

    def test_the_baseline_comes_first_whoever_was_started_first(self, started):
        open_pair = pair_opener(_contestant("accepted"), _contestant("new"))
        for number, direction in ((0, 1), (1, -1), (2, 1)):
            started.clear()
            with open_pair(number) as sides:
                workers = [worker._child._process.pid for worker in sides[0]._couple._workers]
                for _ in range(10):
                    _renew(sides)
                    assert [_player(side).name for side in sides] == ["accepted", "new"]
            assert [pid for _, pid in started] == workers[::direction]

    @pytest.mark.parametrize("number", [0, 1])
    def test_either_worker_plays_either_side(self, number):
        groups, played = 60, []
        with pair_opener(_contestant("accepted"), _contestant("new"))(number) as sides:
            workers = [worker._child._process.pid for worker in sides[0]._couple._workers]
            for _ in range(groups):
                _renew(sides)
                played.append([_worker(side) for side in sides])
        # Both work in each group, and a fair coin says which is whose.
        assert all(sorted(group) == sorted(workers) for group in played)
        assert binom.ppf(0.001, groups, 0.5) <= played.count(workers) <= binom.ppf(0.999, groups, 0.5)
        # It is drawn for each group: what was drawn before says nothing about it.
        changes = sum(before != after for before, after in pairwise(played))
        assert binom.ppf(0.001, groups - 1, 0.5) <= changes <= binom.ppf(0.999, groups - 1, 0.5)

    def test_another_round_draws_another_lot(self):
        drawn = set()
        for number in (0, 1, 2):
            with pair_opener(_contestant("accepted"), _contestant("new"))(number) as sides:
                workers = [worker._child._process.pid for worker in sides[0]._couple._workers]
                lot = []
                for _ in range(20):
                    _renew(sides)
                    lot.append(workers.index(_worker(sides[0])))
            drawn.add(tuple(lot))
        assert len(drawn) == 3

    @pytest.mark.parametrize("other", ["accepted", "new"])
    def test_each_keeps_its_worker_if_their_pythons_differ(self, tmp_path, other):
        python = _other_python(tmp_path / "python")
        pythons = {"accepted": sys.executable, "new": sys.executable} | {other: python}
        played = set()
        with pair_opener(*(_contestant(name, python=path) for name, path in pythons.items()))(0) as sides:
            for _ in range(20):
                _renew(sides)
                played.add(tuple(_worker(side) for side in sides))
                assert [_player(side)._process.python for side in sides] == list(pythons.values())
        assert len(played) == 1
        assert len(set(*played)) == 2

    def test_the_same_other_python_is_no_reason_to_keep_it(self, tmp_path):
        python = _other_python(tmp_path / "python")
        with pair_opener(*(_contestant(name, python=python) for name in ("accepted", "new")))(0) as sides:
            played = set()
            for _ in range(20):
                _renew(sides)
                played.add(tuple(_worker(side) for side in sides))
        assert len(played) == 2

    def test_whoever_plays_a_side_loads_its_artifact_and_sets_its_inputs(self):
        stored = {"accepted": bytes([1, 2, 3, 4]), "new": bytes([5, 6, 7, 8])}
        seen = {}
        with pair_opener(*(_contestant(name, inputs=(content,)) for name, content in stored.items()))(0) as sides:
            for _ in range(20):
                _renew(sides)
                for side, name in zip(sides, stored, strict=True):
                    seen.setdefault((name, _worker(side)), set()).add(_output(side))
        # Two sides, and either in two workers.
        assert len(seen) == 4
        outputs = {name: set.union(*(seen[key] for key in seen if key[0] == name)) for name in stored}
        assert len(outputs["accepted"]) == len(outputs["new"]) == 1
        assert outputs["accepted"] != outputs["new"]

    @pytest.mark.parametrize("bad", ["accepted", "new"])
    def test_whoever_plays_a_side_that_is_refused_names_it(self, bad):
        contestants = [_contestant(name, zoo.string_input() if name == bad else None) for name in ("accepted", "new")]
        workers = set()
        with pair_opener(*contestants)(0) as sides:
            for _ in range(12):
                for side in sides:
                    side.renew()
                for side, contestant in zip(sides, contestants, strict=True):
                    if contestant.name == bad:
                        workers.add(_worker(side))
                        with pytest.raises(ArtifactError, match=f"^{bad}: its input 'x' holds strings"):
                            side.time(invokes=1)
                    else:
                        assert len(side.time(invokes=1)) == 1
        assert len(workers) == 2

    @on_linux
    def test_both_stay_on_the_same_processor(self):
        with pair_opener(_contestant("accepted"), _contestant("new"))(0) as sides:
            for _ in range(4):
                _renew(sides)
                for side in sides:
                    (fork,) = children(_worker(side))
                    assert status(fork, "Cpus_allowed_list") == str(max(os.sched_getaffinity(0)))

    @on_linux
    @pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
    def test_there_are_as_many_processors_as_threads_of_either(self):
        two = Contestant(content=zoo.dense_int8(), options=RuntimeOptions(threads=2), name="new")
        with pair_opener(_contestant("accepted"), two)(0) as sides:
            _renew(sides)
            for side in sides:
                (fork,) = children(_worker(side))
                assert int(status(fork, "Cpus_allowed").replace(",", ""), 16).bit_count() == 2

    def test_inputs_are_those_of_the_contestant(self):
        stored = {"accepted": bytes([1, 2, 3, 4]), "new": bytes([5, 6, 7, 8])}
        contestants = [_contestant(name, inputs=(content,)) for name, content in stored.items()]
        with pair_opener(*contestants)(0) as sides:
            _renew(sides)
            outputs = [_output(side) for side in sides]
        assert outputs[0] != outputs[1]

    def test_each_has_a_python_of_its_own(self, tmp_path):
        missing = str(tmp_path / "python")
        with (
            pytest.raises(WorkerError, match=f"cannot start '{missing}'"),
            pair_opener(_contestant("accepted", python=missing), _contestant("new", python=sys.executable))(0),
        ):
            pass
