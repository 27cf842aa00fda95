"""Running a trial: contest after contest, with a stored run of the same subject beside each."""

from __future__ import annotations

import os
import time
from itertools import groupby
from typing import TYPE_CHECKING

from qbench.judge.sequential import RatioTest
from qbench.measure.contest import LEAD, run_contest
from qbench.measure.contest_records import ContestRules
from qbench.measure.sides import contest_processors, pair_opener
from qbench.trial.noise import neighbour
from qbench.trial.plan import invoke_multiple, plan
from qbench.trial.records import ContestRecord, StoredComparison, Trial, finite
from qbench.trial.slow_side import slowed
from qbench.trial.stored import StoredRun, compare, measure_stored_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qbench.measure.contest_records import Clock, ContestResult, Finding, Group
    from qbench.measure.sides import Contestant
    from qbench.records import Fingerprint
    from qbench.trial.plan import PlannedContest
    from qbench.trial.records import TrialSettings


def run_trial(
    contestants: Mapping[str, Contestant],
    settings: TrialSettings,
    *,
    machine: Fingerprint,
    version: str,
    on_contest: Callable[[Trial, int], None],
) -> Trial:
    """Run all contests of a trial.

    Parameters
    ----------
    contestants
        By the names of `TrialSettings.subjects`.
    machine, version
        Where it runs, and by which qbench.
    on_contest
        Called after each contest with all that was measured so far, and how many contests there will be.

    Raises
    ------
    QbenchError
        If a subject or a neighbour crashes, hangs or is refused.
    """
    started = time.monotonic()
    planned = plan(settings)
    contests: list[ContestRecord] = []
    stored: list[StoredComparison] = []
    trial = Trial(qbench=version, machine=machine, processors=os.cpu_count() or 1, settings=settings)
    threads = max(contestant.options.threads for contestant in contestants.values())
    for noise, same_noise in groupby(planned, key=lambda each: each.noise):
        runs: dict[str, StoredRun] = {}
        with neighbour(noise, contest_processors(threads)):
            for each in same_noise:
                at_s = time.monotonic() - started
                contests.append(_contest(contestants[each.subject], each, settings, at_s))
                if settings.stored_s:
                    run = measure_stored_run(contestants[each.subject], settings.stored_s)
                    stored += _against_the_one_before(runs.get(each.subject), run, each, settings.slowdowns)
                    runs[each.subject] = run
                trial = Trial(
                    qbench=version,
                    machine=machine,
                    processors=trial.processors,
                    settings=settings,
                    contests=tuple(contests),
                    stored=tuple(stored),
                )
                on_contest(trial, len(planned))
    return trial


def _contest(contestant: Contestant, planned: PlannedContest, settings: TrialSettings, at_s: float) -> ContestRecord:
    rules = ContestRules(
        threshold=1 + settings.tolerance,
        improved_below=1 - settings.tolerance,
        alpha=settings.alpha,
        limit_s=settings.limit_s,
        clock=settings.clock,
        seed=planned.seed,
        invoke_multiple=invoke_multiple(planned.slowdown),
    )
    opener = pair_opener(contestant, contestant, seed=planned.seed)
    result = run_contest(slowed(opener, planned.slowdown) if planned.slowdown else opener, rules)
    return contest_record(result, rules, planned, at_s=at_s)


def contest_record(
    result: ContestResult, rules: ContestRules, planned: PlannedContest, *, at_s: float
) -> ContestRecord:
    """What is kept of a contest."""
    other: Clock = "wall" if result.clock == "cpu" else "cpu"
    return ContestRecord(
        subject=planned.subject,
        noise=planned.noise,
        slowdown=planned.slowdown,
        seed=result.seed,
        at_s=at_s,
        finding=result.finding,
        faster=result.faster,
        rounds=result.rounds,
        ratio=result.ratio,
        low=(result.interval.low or None) if result.interval else None,
        high=finite(result.interval.high) if result.interval else None,
        decided_pass_at=finite(result.decided_pass_at),
        decided_fail_at=result.decided_fail_at or None,
        clock=result.clock,
        invokes=result.invokes,
        baseline_ns=result.baseline_ns,
        groups=len(result.groups),
        above=_above(result.groups, result.clock, rules),
        other_above=_above(result.groups, other, rules),
        other_clock_ratio=result.other_clock_ratio,
        other_clock_finding=finding_on(other, result.groups, rules),
        seconds=result.seconds,
        starting_s=result.starting_s,
        needed_s=finite(result.needed_s),
    )


def finding_on(clock: Clock, groups: Iterable[Group], rules: ContestRules) -> Finding:
    """What a contest finds that sees these groups in this order on `clock`."""
    test, lead = RatioTest(rules.threshold, rules.alpha), 0
    for group in groups:
        if decision := test.add(group.ratio(clock)):
            lead += 1 if decision == "above" else -1
            if abs(lead) == LEAD:
                return "slower" if lead > 0 else "not slower"
            test = RatioTest(rules.threshold, rules.alpha)
    return "inconclusive"


def _above(groups: Iterable[Group], clock: Clock, rules: ContestRules) -> int:
    return sum(group.ratio(clock) > rules.threshold for group in groups)


def _against_the_one_before(
    before: StoredRun | None, run: StoredRun, planned: PlannedContest, slowdowns: Iterable[float]
) -> list[StoredComparison]:
    """Comparisons of a run with the one before it under every slowdown; none for the first run of a subject."""
    if before is None:
        return []
    return [
        compare(before, run, subject=planned.subject, noise=planned.noise, slowdown=slowdown) for slowdown in slowdowns
    ]
