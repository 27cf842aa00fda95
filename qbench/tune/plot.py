"""A search as a picture: what each recipe loses, against its size and its latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.errors import ConfigError
from qbench.judge.metrics import ACCURACY_DROP
from qbench.report.pictures import FAINT, INK, draw_picture, require_matplotlib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qbench.tune.records import Outcome
    from qbench.tune.result import Tuning
    from qbench.verdicts import MetricVerdict

_WIDTH_IN, _HEIGHT_IN = 11.0, 4.6

# Okabe and Ito's colours, which also colour-blind readers tell apart.
_PASSES, _FAILS, _CHOSEN = "#0072B2", "#999999", "#D55E00"

#: Drops this many times the tolerance are drawn at the edge: a recipe that lost everything says no more than that.
_MOST_TOLERANCES = 4.0

#: Latencies that are so many times apart are drawn on a logarithmic axis.
_FAR_APART = 8.0


def require_plot() -> None:
    """Say what to install before anything is measured in vain; errors as in `require_matplotlib`."""
    require_matplotlib("qbench tune --plot", instead="leave --plot out and keep --json")


def plot_tuning(tuning: Tuning) -> bytes:
    """The picture as SVG: the drop against bytes, and against microseconds.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or nothing was measured.
    """
    require_plot()
    if not any(outcome.measured for outcome in tuning.outcomes):
        raise ConfigError("qbench tune --plot", found="no recipe that could be measured", expected="at least one")
    return draw_picture(
        lambda figure: _draw_both(figure, tuning), width_in=_WIDTH_IN, height_in=_HEIGHT_IN, creator="qbench tune"
    )


def _draw_both(figure: Any, tuning: Tuning) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, tuning, lambda outcome: outcome.size_bytes / 1000)
    left.set_xlabel("artifact in kB")
    main = next(each.main for each in tuning.outcomes if each.measured)
    unit = "accuracy lost against fp32, in points" if _in_points(main) else f"{main.metric if main else ''}"
    left.set_ylabel(f"{unit} (less is better)")
    _draw(right, tuning, _microseconds)
    right.set_xlabel("invoke in us, where it was measured")
    latencies = [ns for each in tuning.outcomes if (ns := _microseconds(each)) is not None]
    if latencies and max(latencies) > _FAR_APART * min(latencies):
        right.set_xscale("log")
        right.xaxis.set_major_formatter("{x:g}")
    figure.legend(*left.get_legend_handles_labels(), frameon=False, ncols=5, loc="outside upper center", fontsize=9)


def _draw(axes: Any, tuning: Tuning, cost: Callable[[Outcome], float | None]) -> None:
    tolerance, drop, most = _scale(tuning.outcomes)
    for passes, colour, label in ((False, _FAILS, "fails"), (True, _PASSES, "passes")):
        points = [
            (x, min(drop(each), most))
            for each in tuning.outcomes
            if each.measured and each.passes == passes and (x := cost(each)) is not None
        ]
        axes.scatter(*_columns(points), s=26, color=colour, alpha=0.8, linewidths=0, zorder=2, label=label)
    front = sorted(
        (x, min(drop(each), most)) for each in map(tuning.outcome, tuning.front) if (x := cost(each)) is not None
    )
    axes.scatter(*_columns(front), s=70, facecolors="none", edgecolors=INK, linewidths=1, zorder=3, label="the front")
    for number, colour, marker, label in (
        (tuning.start, INK, "s", "start"),
        (tuning.cheapest, _CHOSEN, "*", "cheapest that passes"),
    ):
        if number is not None and (x := cost(tuning.outcome(number))) is not None:
            y = min(drop(tuning.outcome(number)), most)
            axes.scatter([x], [y], s=120 if marker == "*" else 40, color=colour, marker=marker, zorder=4, label=label)
    if tolerance is not None:
        axes.axhline(tolerance, color=_CHOSEN, linewidth=1.2, linestyle="--", zorder=1)
        axes.annotate(f"tolerance {tolerance:g}", (1, tolerance), xycoords=("axes fraction", "data"), ha="right")
    if any(each.measured and drop(each) > most for each in tuning.outcomes):
        axes.annotate(f"{most:g} or more", (0.99, most), xycoords=("axes fraction", "data"), ha="right", va="top")
    axes.grid(color=FAINT, linewidth=0.4, zorder=0)


def _microseconds(outcome: Outcome) -> float | None:
    if outcome.latency is None or outcome.latency.candidate_ns is None:
        return None
    return outcome.latency.candidate_ns / 1000


def _scale(outcomes: Sequence[Outcome]) -> tuple[float | None, Callable[[Outcome], float], float]:
    """The tolerance as it is drawn, a drop as it is drawn, and the most that is."""
    main = next((each.main for each in outcomes if each.measured and each.main is not None), None)
    factor = 100 if _in_points(main) else 1
    tolerance = None if main is None or main.tolerance is None else factor * main.tolerance
    drops = [factor * each.drop for each in outcomes if each.measured]
    most = _MOST_TOLERANCES * tolerance if tolerance else max(drops, default=1.0)
    return tolerance, lambda outcome: factor * outcome.drop, most


def _in_points(verdict: MetricVerdict | None) -> bool:
    return verdict is not None and verdict.metric == ACCURACY_DROP.name


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
