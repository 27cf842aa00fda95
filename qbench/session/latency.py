"""Latency of a run's subjects: what is unchanged is not measured again, and what changed is contested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.errors import BaselineError
from qbench.files import digest_bytes
from qbench.judge.gate import judge_contest, not_judged
from qbench.judge.metrics import LATENCY, SPEEDUP
from qbench.measure.sides import Contestant
from qbench.models.cache import cache_folder
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.records import LatencySample, Subject
from qbench.runtime.environments import build_environment, inspect_python
from qbench.runtime.fingerprint import python_version, runtime_package, runtime_version
from qbench.session.contests import Contests
from qbench.verdicts import MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.baseline.schema import Baseline
    from qbench.judge.tolerance import Tolerance
    from qbench.models.config import Config
    from qbench.progress import Progress
    from qbench.session.preparation import Datasets, Prepared
    from qbench.session.references import References

#: `LatencyOptions.base_python` that asks for the environment to be built.
BUILD_ENVIRONMENT = "auto"

_BASE_PYTHON = (
    "give --qbench-base-python PATH, a Python with the runtime of the baseline, or `--qbench-base-python auto` to "
    "have it built; or accept the new one with --qbench-accept"
)


class LatencyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked to do about latency.

    Attributes
    ----------
    always_contest
        Contest unchanged subjects too.
    base_python
        The Python to run what was accepted in; ``auto`` to build it; None for this one.
    seed
        Of the order of all blocks.
    """

    always_contest: bool = False
    base_python: str | None = None
    seed: int = 0


class Latency:
    """Judges the latency of subjects.

    Parameters
    ----------
    prepared
        Gives the artifact of a subject; raises `QbenchError` if there is none.
    """

    def __init__(
        self,
        config: Config,
        references: References,
        datasets: Datasets,
        prepared: Callable[[Subject], Prepared],
        options: LatencyOptions,
        progress: Progress,
    ) -> None:
        self._config = config
        self._references = references
        self._prepared = prepared
        self._options = options
        self._progress = progress
        self._environments: dict[str, dict[str, str]] = {}
        self._contests = Contests(config, datasets, progress, seed=options.seed)

    def judge(self, subject: Subject, sample: LatencySample, tolerance: Tolerance) -> MetricVerdict | None:
        """Judge a subject's latency against its baseline; None if it has no tolerance.

        Raises
        ------
        QbenchError
            If a side of the contest crashes, hangs or cannot be fed.
        """
        if tolerance.latency is None:
            return None
        try:
            baseline = self._references.baseline(subject)
        except BaselineError as error:
            return not_judged(subject, LATENCY, Verdict.ERROR, str(error))
        if baseline is None:
            return self._references.no_baseline(subject, LATENCY)
        candidate = self._contestant(subject)
        changes = self._changes(candidate, baseline)
        if not changes and not self._options.always_contest:
            reason = "the artifact, its options and the runtime are those that were accepted"
            if (was := baseline.provenance.tools.get("python", python_version())) != python_version():
                reason += f" (under Python {was}; --qbench-base-python judges what Python itself changed)"
            return not_judged(subject, LATENCY, Verdict.UNCHANGED, reason, now=sample.median_ns)
        return self._contested(subject, baseline, candidate, changes, sample, tolerance.latency)

    def speedup(
        self, subject: Subject, sample: LatencySample, tolerance: Tolerance
    ) -> tuple[dict[str, float], MetricVerdict | None]:
        """How many times as fast as fp32 of the same run a subject is, and the verdict on that.

        Both are empty for a subject without a `min_speedup`, and for fp32 itself.

        Raises
        ------
        QbenchError
            If a side of the contest crashes, hangs or cannot be fed.
        """
        floor = tolerance.min_speedup
        if not floor or subject.recipe == REFERENCE_RECIPE:
            return {}, None
        fp32 = self._contestant(Subject(model=subject.model, recipe=REFERENCE_RECIPE))
        summary = self._contests.run(
            subject, fp32, self._contestant(subject), 1 / floor, SPEEDUP, expected_ns=sample.median_ns
        )
        # The ratio is fp32's time in the denominator; an end of the interval may be open after a few groups.
        ends = {SPEEDUP: summary.ratio, f"{SPEEDUP}_low": summary.high, f"{SPEEDUP}_high": summary.low}
        metrics = {name: 1 / ratio for name, ratio in ends.items() if ratio is not None}
        return metrics, judge_contest(subject, SPEEDUP, summary, tolerance=floor, against="fp32")

    def _contested(
        self,
        subject: Subject,
        baseline: Baseline,
        candidate: Contestant,
        changes: dict[str, str],
        sample: LatencySample,
        tolerance: float,
    ) -> MetricVerdict:
        """Run what was accepted beside what there is now."""
        accepted = self._accepted(subject, baseline, candidate)
        if isinstance(accepted, str):
            advice = "restore it with `git checkout` (or `git lfs pull`), or accept again with --qbench-accept"
            return not_judged(subject, LATENCY, Verdict.NOT_COMPARABLE, accepted, advice=advice, now=sample.median_ns)
        python = self._base_python(baseline)
        upgraded = changes.pop("runtime", "")
        if python is None and upgraded and not changes:
            return not_judged(
                subject, LATENCY, Verdict.NOT_COMPARABLE, upgraded, advice=_BASE_PYTHON, now=sample.median_ns
            )
        if python is not None:
            accepted = msgspec.structs.replace(accepted, python=python)
            if wrong := self._wrong_environment(python, baseline):
                return not_judged(
                    subject, LATENCY, Verdict.NOT_COMPARABLE, wrong, advice=_BASE_PYTHON, now=sample.median_ns
                )
        summary = self._contests.run(
            subject,
            accepted,
            candidate,
            1 + tolerance,
            LATENCY,
            expected_ns=sample.median_ns,
            improved_below=max(0.0, 1 - tolerance),
        )
        reason = "; ".join(changes.values()) or upgraded or "nothing changed, so a fail is the measurement's fault"
        reason = reason[0].upper() + reason[1:]
        verdict = judge_contest(subject, LATENCY, summary, tolerance=tolerance, against="baseline", reason=reason)
        if python is None and upgraded and verdict.verdict.green:
            # The artifact alone is no slower, which says nothing about the runtime that both sides ran in.
            reason = f"{upgraded[0].upper()}{upgraded[1:]}; both ran in the new one, where the artifact is not slower"
            return msgspec.structs.replace(verdict, verdict=Verdict.NOT_COMPARABLE, reason=reason, advice=_BASE_PYTHON)
        return verdict

    def _contestant(self, subject: Subject) -> Contestant:
        return Contestant(content=self._prepared(subject).content, options=self._config.options, name=subject.id)

    def _accepted(self, subject: Subject, baseline: Baseline, candidate: Contestant) -> Contestant | str:
        """What was accepted, as a side of a contest; why there is none, if there is none."""
        content: bytes | None = candidate.content
        if digest_bytes(candidate.content) != baseline.artifact.sha256:
            content = self._references.artifact(subject)
        if content is None:
            return (
                f"the accepted artifact {baseline.artifact.sha256[:12]}.tflite is not in baselines/artifacts, or is "
                "not the file that was accepted, so it cannot be run beside this one"
            )
        return Contestant(content=content, options=baseline.options, name=f"{subject.id} as accepted")

    def _changes(self, candidate: Contestant, baseline: Baseline) -> dict[str, str]:
        """What is not as it was accepted, in words, by what it is."""
        changes = {}
        if digest_bytes(candidate.content) != baseline.artifact.sha256:
            changes["artifact"] = "the artifact changed"
        if candidate.options != baseline.options:
            was, now = msgspec.to_builtins(baseline.options), msgspec.to_builtins(candidate.options)
            differing = [f"{key} from {was[key]!r} to {now[key]!r}" for key in now if was[key] != now[key]]
            changes["options"] = f"options changed: {', '.join(differing)}"
        package = runtime_package(baseline.options)
        was, now = baseline.provenance.tools.get(package, "an unknown version"), runtime_version(baseline.options)
        if was != now:
            changes["runtime"] = f"the runtime changed: {package} was {was} and is {now or 'not installed'}"
        elif self._options.base_python is not None:
            python = baseline.provenance.tools.get("python", "")
            if python and python != python_version():
                changes["python"] = f"Python changed: it was {python} and is {python_version()}"
        return changes

    def _base_python(self, baseline: Baseline) -> str | None:
        """The Python to run what was accepted in, built if that was asked for; None for this one."""
        python = self._options.base_python
        if python != BUILD_ENVIRONMENT:
            return python
        folder = cache_folder(self._config.cache) / "environments"
        with self._progress.task("building the environment of the baseline") as report:
            return build_environment(
                baseline.provenance.tools, baseline.options, folder=folder, say=lambda doing: report(0, 0, doing)
            )

    def _wrong_environment(self, python: str, baseline: Baseline) -> str:
        """Why `python` is not what the baseline was accepted in; empty if it is."""
        if python not in self._environments:
            self._environments[python] = inspect_python(python, baseline.options)
        found = self._environments[python]
        for name in (runtime_package(baseline.options), "python"):
            accepted = baseline.provenance.tools.get(name, found[name] if name == "python" else "an unknown version")
            if found[name] != accepted:
                return f"the baseline was accepted with {name} {accepted}, and {python} has {found[name]}"
        return ""
