"""Measures recipes of one model as the gate does, one after the other, in processes that stay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import ConfigError, QbenchError
from qbench.judge.gate import judge_contest
from qbench.judge.metrics import SPEEDUP
from qbench.measure.sides import Contestant
from qbench.models.cache import ArtifactCache, cache_folder
from qbench.models.convert import Builder
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.progress import NoProgress
from qbench.records import Subject
from qbench.runtime.preflight import PreflightWorker
from qbench.session.contests import Contests
from qbench.session.preparation import Datasets, Prepared, check_built
from qbench.session.quality import Quality
from qbench.session.references import References
from qbench.tune.front import SAME_LATENCY
from qbench.tune.kernels import kernels_digest
from qbench.tune.records import Outcome

if TYPE_CHECKING:
    from types import TracebackType

    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.models.recipes import RecipeSpec
    from qbench.tune.log import Log
    from qbench.verdicts import ContestSummary


class Bench:
    """Builds recipes, checks what comes of them, and measures it; a context manager that ends its processes.

    Parameters
    ----------
    name
        Of what is searched for: the recipe under which each trial is built and judged.
    log
        Where outcomes are found and kept.
    seed
        Of the order of blocks in contests.

    Raises
    ------
    QbenchError
        On entering, if the model has no fp32 that can be used.
    """

    def __init__(self, config: Config, model: str, datasets: Datasets, log: Log, *, name: str, seed: int) -> None:
        # The recipe of each trial takes its place among the declared ones, where builder and gate look for it.
        self._recipes = dict(config.recipes)
        unhurried = msgspec.structs.replace(config.contest, run_limit_s=float("inf"))
        self._config = msgspec.structs.replace(config, recipes=self._recipes, contest=unhurried)
        self._log = log
        self._subject = Subject(model=model, recipe=name)
        self._fp32 = Subject(model=model, recipe=REFERENCE_RECIPE)
        self._prepared: dict[Subject, Prepared] = {}
        self._builder = Builder(self._config, ArtifactCache(cache_folder(config.cache)), datasets.of)
        self._worker = PreflightWorker(config.options, limit_s=config.preflight_timeout_s)
        self._quality = Quality(
            self._config, References(self._config, None), datasets, self._prepared.__getitem__, NoProgress()
        )
        self._contests = Contests(self._config, datasets, NoProgress(), seed=seed)

    def __enter__(self) -> Bench:
        """Build and check fp32, with which everything is compared."""
        try:
            self._prepare(self._fp32)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the conversion child and the worker."""
        self._builder.__exit__(kind, error, trace)
        self._worker.__exit__(kind, error, trace)

    @property
    def reference(self) -> Prepared:
        """The fp32 artifact."""
        return self._prepared[self._fp32]

    def knows(self, recipe: RecipeSpec) -> bool:
        """Whether a recipe was measured before."""
        return self._log.find(recipe) is not None

    def outcome(self, recipe: RecipeSpec, *, name: str = "", timed: bool = True) -> tuple[Outcome, bool]:
        """What a recipe gives, and whether it was measured now.

        An artifact that another recipe made already is not measured again.

        Parameters
        ----------
        name
            Of a declared recipe.
        timed
            Whether the latency of one that passes is wanted; it is measured too where a floor is declared.

        Raises
        ------
        ConfigError
            If nothing judges what was measured.
        """
        known = self._log.find(recipe)
        timed = timed or bool(self._config.tolerance_of(self._subject).min_speedup)
        if known is not None and not (timed and known.passes and known.latency is None):
            return known, False
        found = known or self._measure(recipe, name)
        if timed and found.passes and found.latency is None:
            found = self._timed(found)
        self._log.add(found)
        return found, True

    def with_latency(self, outcome: Outcome) -> Outcome:
        """The same with its latency."""
        if outcome.latency is not None or not outcome.measured:
            return outcome
        timed = self._timed(outcome)
        self._log.add(timed)
        return timed

    def knows_latency(self, outcome: Outcome) -> bool:
        """Whether an outcome's latency is known without another contest."""
        return outcome.measured and self._log.timed(outcome.kernels) is not None

    def contest(self, baseline: Outcome, candidate: Outcome, *, threshold: float = 1.0) -> ContestSummary:
        """Run one outcome's artifact beside another's.

        Raises
        ------
        QbenchError
            If a side crashes, hangs or cannot be fed.
        """
        sides = [self._contestant(self.content(each), each) for each in (baseline, candidate)]
        return self._contests.run(self._subject, sides[0], sides[1], threshold, f"tune {candidate.sha256}")

    def content(self, outcome: Outcome) -> bytes:
        """The artifact of an outcome, built again if the cache has lost it.

        Raises
        ------
        QbenchError
            If it cannot be built any more.
        """
        self._recipes[self._subject.recipe] = outcome.recipe
        built = self._builder.build([self._subject])[self._subject]
        if isinstance(built, QbenchError):
            raise built
        return built.artifact.path.read_bytes()

    def _measure(self, recipe: RecipeSpec, name: str) -> Outcome:
        started = time.monotonic()
        try:
            found = self._judged(recipe)
        except ConfigError:
            raise
        except QbenchError as error:
            found = Outcome(recipe=recipe, error=str(error))
        return msgspec.structs.replace(found, recipe=recipe, name=name, seconds=time.monotonic() - started)

    def _judged(self, recipe: RecipeSpec) -> Outcome:
        subject = self._subject
        self._recipes[subject.recipe] = recipe
        prepared = self._prepare(subject)
        if isinstance(prepared, Outcome):
            return prepared
        measured = self._quality.measure(subject)
        tolerance = self._config.tolerance_of(subject)
        verdicts = self._quality.judge(subject, measured, tolerance, baseline=False)
        if not verdicts:
            raise ConfigError(
                f"tool.qbench.models.{subject.model}",
                found="nothing that judges what a recipe loses against fp32",
                expected="a dataset with labels, and a tolerance accuracy_drop",
            )
        return Outcome(
            recipe=recipe,
            sha256=prepared.artifact.sha256,
            size_bytes=prepared.artifact.size_bytes,
            metrics=measured.metrics,
            verdicts=tuple(verdicts),
            kernels=kernels_digest(prepared.content),
        )

    def _prepare(self, subject: Subject) -> Prepared | Outcome:
        """The artifact of a subject, or what is known of its bytes already."""
        built = self._builder.build([subject])[subject]
        if isinstance(built, QbenchError):
            raise built
        known = self._log.of_bytes(built.artifact.sha256)
        if known is not None and subject != self._fp32:
            return known
        self._prepared[subject] = check_built(self._config, built, self._prepared.get(self._fp32), self._worker)
        return self._prepared[subject]

    def _timed(self, outcome: Outcome) -> Outcome:
        """Contest fp32 and an outcome, unless that was done with the same kernels."""
        started = time.monotonic()
        floor = self._config.tolerance_of(self._subject).min_speedup
        known = self._log.timed(outcome.kernels)
        summary = known.latency if known else None
        if summary is None:
            # Asked so that a recipe as fast as fp32 is no long contest: a floor, or what counts as slower.
            threshold = 1 / floor if floor else 1 + SAME_LATENCY
            content = self.content(outcome)
            fp32 = Contestant(content=self.reference.content, options=self._config.options, name=self._fp32.id)
            try:
                summary = self._contests.run(
                    self._subject, fp32, self._contestant(content, outcome), threshold, outcome.kernels
                )
            except QbenchError as error:
                return msgspec.structs.replace(outcome, error=f"its latency cannot be measured: {error}")
        verdicts = outcome.verdicts
        if floor and not any(verdict.contest for verdict in verdicts):
            verdicts += (judge_contest(self._subject, SPEEDUP, summary, tolerance=floor, against="fp32"),)
        seconds = outcome.seconds + time.monotonic() - started
        return msgspec.structs.replace(outcome, latency=summary, verdicts=verdicts, seconds=seconds)

    def _contestant(self, content: bytes, outcome: Outcome) -> Contestant:
        return Contestant(content=content, options=self._config.options, name=f"the trial {outcome.sha256[:12]}")


def dataset_of(datasets: Datasets, model: str) -> Dataset:
    """The dataset of a model, which it must have.

    Raises
    ------
    ConfigError
        If it declares none.
    """
    dataset = datasets.of(model)
    if dataset is None:
        raise ConfigError(f"tool.qbench.models.{model}.dataset", found="nothing", expected="'module:function'")
    return dataset
