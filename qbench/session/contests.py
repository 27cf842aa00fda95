"""The contests of a run: they share its time and its error rate, and each has a seed of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from qbench.files import digest_bytes
from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.measure.inputs import input_bytes
from qbench.measure.sides import Contestant, pair_opener
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.report.contests import standing_clause
from qbench.runtime.process import RuntimeProcess, WorkerInterpreter

if TYPE_CHECKING:
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.records import Subject
    from qbench.session.preparation import Datasets
    from qbench.verdicts import ContestSummary

_SEED_BITS = 31


class Contests:
    """Runs contests.

    Parameters
    ----------
    seed
        Of the order of all blocks.
    """

    def __init__(self, config: Config, datasets: Datasets, progress: Progress, *, seed: int) -> None:
        self._config = config
        self._datasets = datasets
        self._progress = progress
        self._seed = seed
        self._spent_s = 0.0
        # An error rate is promised for the whole run, and shared out over all contests that it may come to.
        with_floor = [
            subject
            for subject in config.subjects
            if subject.recipe != REFERENCE_RECIPE and config.tolerance_of(subject).min_speedup
        ]
        self._alpha = config.contest.alpha / max(1, len(config.subjects) + len(with_floor))

    def run(
        self,
        subject: Subject,
        baseline: Contestant,
        candidate: Contestant,
        threshold: float,
        metric: str,
        *,
        expected_ns: float = 0.0,
        improved_below: float = 0.0,
    ) -> ContestSummary:
        """Contest a baseline and a candidate, on the first example of the subject's dataset.

        Parameters
        ----------
        threshold, improved_below
            As `ContestRules`.
        metric
            What is asked, which with the subject gives the contest a seed of its own.
        expected_ns
            About how long an invoke takes, if that is known: what cannot be decided in time is then not begun.

        Raises
        ------
        QbenchError
            If a side crashes, hangs or cannot be fed.
        """
        limits = self._config.contest
        rules = ContestRules(
            threshold=threshold,
            improved_below=improved_below,
            alpha=self._alpha,
            limit_s=max(0.0, min(limits.limit_s, limits.run_limit_s - self._spent_s)),
            clock=self._clock(baseline, candidate),
            # A seed of its own, whichever tests run before.
            seed=int(digest_bytes(f"{self._seed} {subject.id} {metric}".encode()), 16) % (1 << _SEED_BITS),
            expected_invoke_s=expected_ns * 1e-9,
        )
        dataset = self._datasets.of(subject.model)
        sides = [self._with_inputs(side, dataset) for side in (baseline, candidate)]
        started = time.monotonic()
        try:
            with self._progress.task(f"contest of {subject.id}", timed=True) as report:
                result = run_contest(
                    pair_opener(sides[0], sides[1], seed=rules.seed),
                    rules,
                    tell=lambda standing: report(0, 0, standing_clause(standing)),
                )
        finally:
            self._spent_s += time.monotonic() - started
        return result.summary(run_limited=rules.limit_s < limits.limit_s)

    def _clock(self, *sides: Contestant) -> Any:
        if self._config.contest.clock != "auto":
            return self._config.contest.clock
        # One thread's processor time says nothing about what the others did meanwhile.
        return "wall" if any(side.options.threads > 1 for side in sides) else None

    def _with_inputs(self, side: Contestant, dataset: Dataset | None) -> Contestant:
        """The same with the first example as its inputs, about which its own runtime is asked."""
        if dataset is None:
            return side
        process = RuntimeProcess(limit_s=self._config.preflight_timeout_s, python=side.python)
        try:
            with WorkerInterpreter(side.content, side.options, name=side.name, process=process) as interpreter:
                return msgspec.structs.replace(side, inputs=input_bytes(interpreter, dataset))
        finally:
            process.stop()
