"""What was asked of a search, what each trial gave, and the log that keeps it."""

from __future__ import annotations

import math

import msgspec

from qbench.errors import ConfigError
from qbench.files import digest_bytes
from qbench.judge.metrics import ACCURACY, ACCURACY_DROP
from qbench.models.recipes import RecipeSpec
from qbench.verdicts import ContestSummary, MetricVerdict

#: Of the log; raised when an older qbench could misread a newer one.
VERSION = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one recipe.

    Attributes
    ----------
    name
        The recipe's in `[tool.qbench]`; empty for one that the search made up.
    sha256, size_bytes
        Of its artifact; empty and 0 if there is none.
    metrics
        What accuracy is judged by, by the metric's name.
    verdicts
        Of the gate: each drop against fp32, with its evidence, and the speedup where a floor is declared.
    kernels
        Digest of what decides how fast an artifact is: two that agree in it have the same latency.
    latency
        The contest of fp32 against it; None if its latency was not measured.
    error
        Why there is no artifact, or none that can be used.
    seconds
        That building and measuring took.
    """

    recipe: RecipeSpec
    name: str = ""
    sha256: str = ""
    size_bytes: int = 0
    metrics: dict[str, float] = {}
    verdicts: tuple[MetricVerdict, ...] = ()
    kernels: str = ""
    latency: ContestSummary | None = None
    error: str = ""
    seconds: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether there is an artifact whose accuracy is known."""
        return not self.error

    @property
    def passes(self) -> bool:
        """Whether the gate would let it through."""
        return self.measured and bool(self.verdicts) and all(verdict.verdict.green for verdict in self.verdicts)

    @property
    def accuracy(self) -> float | None:
        """Top-1 accuracy, None if the model has none."""
        return self.metrics.get(ACCURACY)

    @property
    def drops(self) -> tuple[MetricVerdict, ...]:
        """The verdicts on what was lost against fp32."""
        return tuple(verdict for verdict in self.verdicts if verdict.contest is None)

    @property
    def worst(self) -> MetricVerdict | None:
        """The verdict on a drop that is furthest beyond its tolerance, or nearest to it."""
        return max(self.drops, key=_excess, default=None)

    @property
    def main(self) -> MetricVerdict | None:
        """The verdict that stands for all in tables and pictures: on accuracy, or the worst where there is none."""
        return next((verdict for verdict in self.drops if verdict.metric == ACCURACY_DROP.name), self.worst)

    @property
    def excess(self) -> float:
        """How many tolerances its worst drop is beyond its tolerance, at most 0 within it; infinite if unknown."""
        worst = self.worst
        return math.inf if worst is None or not self.measured else _excess(worst)

    @property
    def drop(self) -> float:
        """The drop of `main` in its metric's unit; infinite if unknown."""
        main = self.main
        return math.inf if main is None or main.change is None or not self.measured else main.change

    @property
    def ratio(self) -> float | None:
        """Its latency as a share of fp32's, None if that was not measured."""
        return self.latency.ratio if self.latency else None


def _excess(verdict: MetricVerdict) -> float:
    """Metrics have different units, and their tolerances say what matters in each."""
    if verdict.change is None or verdict.tolerance is None:
        return math.inf
    return (verdict.change - verdict.tolerance) / (verdict.tolerance or 1.0)


class TrialLog(msgspec.Struct, kw_only=True):
    """Everything that was measured for one `key`: a model, its dataset, its tolerances, a runtime and a machine."""

    version: int = VERSION
    key: str
    model: str
    qbench: str
    outcomes: list[Outcome] = []


def recipe_digest(recipe: RecipeSpec) -> str:
    """SHA-256 of what a recipe says."""
    return digest_bytes(msgspec.json.encode(recipe, order="sorted"))


def encode_log(log: TrialLog) -> bytes:
    """The file of a log."""
    return msgspec.json.format(msgspec.json.encode(log), indent=1) + b"\n"


def decode_log(content: bytes, *, name: str) -> TrialLog:
    """The log in a file.

    Raises
    ------
    ConfigError
        If it is none, or of a version that this qbench does not know.
    """
    advice = "a log of `qbench tune`; delete it to begin anew"
    try:
        version = msgspec.json.decode(content, type=_Version).version
        if version != VERSION:
            raise ConfigError(name, found=f"version {version}", expected=f"version {VERSION}; delete it to begin anew")
        return msgspec.json.decode(content, type=TrialLog)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(name, found=f"a damaged file ({error})", expected=advice) from error


class _Version(msgspec.Struct):
    version: int
