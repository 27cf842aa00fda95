"""What results are compared with: the baselines of a run, each read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.baseline.sources import BaseCommit, BaselineFiles, FolderFiles, GitFiles
from qbench.baseline.store import BaselineReader
from qbench.errors import BaselineError
from qbench.files import rounded
from qbench.judge.gate import judge, not_judged
from qbench.models.declaration import baselines_folder, declaration
from qbench.runtime.fingerprint import runtime_package, runtime_version
from qbench.session.counted import with_names
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from qbench.baseline.schema import Baseline
    from qbench.judge.metrics import GatedMetric
    from qbench.judge.tolerance import Tolerance
    from qbench.models.config import Config
    from qbench.records import Subject

_GONE = 'measure it again, or accept with --qbench-accept "why" that it is gone'
_ACCEPT = 'run `pytest benchmarks/ --qbench-accept "why"` and commit baselines/'


class References:
    """The baselines that a run compares with.

    A subject that the commit `base_ref` does not know is new: it is compared with the working tree's
    baseline, which its pull request brings along and its reviewer sees. Which folder of the commit has
    baselines, its own pyproject.toml says: a pull request that names another folder is not a new project.

    Parameters
    ----------
    files
        Where accepted results are, if not in the folder that `config` names.

    Attributes
    ----------
    base
        The commit `base_ref`; None without one.
    """

    def __init__(self, config: Config, base_ref: str | None, files: BaselineFiles | None = None) -> None:
        self._config = config
        tree = BaselineReader(files or FolderFiles(config.baselines))
        self._readers = [tree]
        self.base: BaseCommit | None = None
        if base_ref is not None:
            self.base = BaseCommit(config.root, base_ref)
            self._readers.insert(0, BaselineReader(GitFiles(_folder_at(self.base, config), base_ref, root=config.root)))
        self._read: dict[Subject, tuple[Baseline, BaselineReader] | BaselineError | None] = {}

    @property
    def files(self) -> BaselineFiles:
        """Where baselines are read from first."""
        return self._readers[0].files

    def accepted_subjects(self) -> tuple[Subject, ...]:
        """Every subject that was accepted, where baselines are read from first."""
        return self._readers[0].subjects()

    def left_behind(self) -> dict[Subject, str]:
        """Subjects that `base` accepted for a pyproject.toml that this run does not read, with that file's path.

        The nearest pyproject.toml is read: a pull request that adds a nearer one, or removes the nearest, moves the
        whole project to where nothing was accepted. Where `base` declares models in the file that is read now, other
        projects of the repository are not this run's.

        Raises
        ------
        BaselineError
            If git cannot tell.
        """
        if self.base is None or _declares(self.base, "pyproject.toml"):
            return {}
        found: dict[Subject, str] = {}
        for folder in self.base.projects():
            file, above = f"{folder}/pyproject.toml", set(folder.split("/")) == {".."}
            if (above or _removed(self._config.root, folder)) and _declares(self.base, file):
                accepted = self._config.root / folder / (baselines_folder(declaration(self.base.read(file))) or "")
                files = GitFiles(accepted, self.base.commit, root=self._config.root)
                found |= dict.fromkeys(BaselineReader(files).subjects(), file)
        return found

    def baseline(self, subject: Subject) -> Baseline | None:
        """The baseline of a subject, None if it has none.

        Raises
        ------
        BaselineError
            If it cannot be read.
        """
        found = self._find(subject)
        return None if found is None else found[0]

    def predictions(self, subject: Subject) -> npt.NDArray[Any] | None:
        """The accepted per-example predictions of a subject, None if none were kept."""
        found = self._find(subject)
        return None if found is None else found[1].predictions(found[0])

    def artifact(self, subject: Subject) -> bytes | None:
        """The bytes of the accepted artifact of a subject, None if they are missing."""
        found = self._find(subject)
        return None if found is None else found[1].artifact(found[0])

    def judge(
        self,
        subject: Subject,
        metrics: Sequence[GatedMetric],
        result: SubjectResult,
        tolerance: Tolerance,
        *,
        kind: str,
        reevaluated: dict[str, float] | None = None,
    ) -> list[MetricVerdict]:
        """Judge the measured metrics that have a tolerance against the subject's baseline.

        Parameters
        ----------
        reevaluated
            Values of the accepted artifact measured in this run, to compare with in place of those kept.
        """
        try:
            baseline = self.baseline(subject)
        except BaselineError as error:
            return [not_judged(subject, kind, Verdict.ERROR, str(error))]
        if baseline is None:
            return [self.no_baseline(subject, kind)]
        same = self._same_subject(result, baseline)
        accepted = baseline.metrics if reevaluated is None else reevaluated
        verdicts = []
        for gated in metrics:
            name, allowed = gated.metric.name, tolerance.for_metric(gated.tolerance_key)
            if allowed is None or not (name in result.metrics or name in baseline.metrics):
                continue
            if name not in result.metrics:
                reason = "the baseline has a value of it, and this run has none"
                verdicts.append(not_judged(subject, name, Verdict.MISSING, reason, advice=_GONE))
                continue
            now = rounded(result.metrics[name])
            if name not in accepted:
                # The same words for every subject, which makes it one sentence of all that lack a metric that is new.
                reason = "this run has a value of it, and the baseline has none"
                verdicts.append(not_judged(subject, name, Verdict.MISSING, reason, advice=_ACCEPT, now=now))
                continue
            verdict = judge(
                subject,
                gated.metric,
                now=now,
                reference=rounded(accepted[name]),
                tolerance=allowed,
                same_artifact=same,
            )
            verdicts.append(with_names(verdict, gated.metric, result, baseline))
        return verdicts

    def no_baseline(self, subject: Subject, what: str) -> MetricVerdict:
        """The verdict on a subject of which nothing was ever accepted."""
        reason = f"{self.files.describe()} has no baseline"
        return not_judged(subject, what, Verdict.MISSING, reason, advice=_ACCEPT)

    def _same_subject(self, result: SubjectResult, baseline: Baseline) -> bool:
        """Whether what was measured is what was accepted: the same bytes in the same runtime."""
        return (
            result.artifact is not None
            and result.artifact.sha256 == baseline.artifact.sha256
            and baseline.options == self._config.options
            and baseline.provenance.tools.get(runtime_package(self._config.options))
            == runtime_version(self._config.options)
        )

    def _find(self, subject: Subject) -> tuple[Baseline, BaselineReader] | None:
        if subject not in self._read:
            self._read[subject] = self._look(subject)
        found = self._read[subject]
        if isinstance(found, BaselineError):
            raise found
        return found

    def _look(self, subject: Subject) -> tuple[Baseline, BaselineReader] | BaselineError | None:
        for reader in self._readers:
            try:
                baseline = reader.read(subject)
            except BaselineError as error:
                return error
            if baseline is not None:
                return baseline, reader
        return None


def _folder_at(base: BaseCommit, config: Config) -> Path:
    """The folder of baselines that a commit declares; today's if it declares none, or nothing that can be read."""
    try:
        name = baselines_folder(declaration(base.read("pyproject.toml")))
    except ValueError:
        name = None  # Said with what else is declared otherwise.
    return config.baselines if name is None else config.root / name


def _declares(base: BaseCommit, file: str) -> bool:
    """Whether a pyproject.toml of a commit has a `[tool.qbench]`; one that cannot be read has none."""
    try:
        return "qbench" in declaration(base.read(file))
    except ValueError:
        return False


def _removed(root: Path, folder: str) -> bool:
    """Whether a folder below `root` has no `[tool.qbench]` any more."""
    file = root / folder / "pyproject.toml"
    try:
        return not folder.startswith("..") and "qbench" not in declaration(
            file.read_bytes() if file.is_file() else None
        )
    except (OSError, ValueError):
        return True
