from __future__ import annotations

import io

from rich.console import Console

from qbench.trial.tables import print_trial
from trial.examples import comparison, contest, three_slowdowns, trial


def _printed(shown, *, verbose=False):
    console = Console(file=io.StringIO(), width=160)
    print_trial(shown, console, verbose=verbose)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_row_for_each_noise_and_slowdown():
    lines = _printed(three_slowdowns())
    assert "quiet 0% 10 0 (0.0..30.8%) 10 (69.2..100.0%) 0 (0.0..30.8%) 20 0.50, 0.50 0.75, 0.75" in lines
    assert "core 10% 10 10 (69.2..100.0%) 0 (0.0..30.8%) 0 (0.0..30.8%) 20 0.50, 0.50 0.75, 0.75" in lines


def test_the_sums_at_the_end():
    lines = _printed(three_slowdowns())
    assert lines[-4:] == [
        "False alarms: 0 of 40, 0.0% (0.0..8.8%)",
        "Misses: 0 of 20, 0.0% (0.0..16.8%)",
        "Caught: 20 of 20, 100.0% (83.2..100.0%)",
        "Inconclusive: 20 of 60, 33.3% (21.7..46.7%)",
    ]


def test_stored_runs_stand_beside_it():
    stored = [comparison(medians=1.2), comparison(), comparison(slowdown=0.1, medians=1.04)]
    lines = _printed(trial([contest()], stored))
    wrong = "false alarms: 1 of 2, 50.0% (1.3..98.7%)"
    assert f"quiet 0% --benchmark-compare-fail=median:5% 1 of 2 {wrong}" in lines
    missed = "misses: 1 of 1, 100.0% (2.5..100.0%)"
    assert f"quiet 10% --benchmark-compare-fail=median:5% 0 of 1 {missed}" in lines


def test_no_stored_runs_are_not_spoken_of():
    assert not [line for line in _printed(trial([contest()])) if "stored" in line.lower()]


def test_subjects_and_the_other_clock_when_asked():
    contests = [contest(subject="a"), contest(subject="b", other_clock_finding="slower", above=5)]
    plain, verbose = _printed(trial(contests)), _printed(trial(contests), verbose=True)
    assert not [line for line in plain if line.startswith(("a ", "b "))]
    assert [line for line in verbose if line.startswith("a quiet 0% 1")]
    assert "b cpu 20 25% 5% 0 0 1" in verbose


def test_what_was_found_faster_is_named():
    assert "Found faster, and never is: 1 of 2, 50.0% (1.3..98.7%)" in _printed(
        trial([contest(faster=True), contest()])
    )


def test_what_is_wrong_is_red():
    contests = [contest(finding="slower"), *[contest(slowdown=0.1)] * 2, *[contest(slowdown=0.1, finding="slower")] * 3]
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    print_trial(trial(contests), console, verbose=False)
    red = [part.split("\x1b")[0] for part in console.file.getvalue().split("\x1b[1;31m")[1:]]
    assert [part.split()[0] for part in red] == ["1", "2", "False", "Misses:"]
