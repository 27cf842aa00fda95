"""A trial as a picture: measured ratios against injected slowdowns, and what was found."""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from qbench.errors import ConfigError
from qbench.report.pictures import FAINT, INK, draw_picture, require_matplotlib
from qbench.trial.summary import counted, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.trial.records import Noise, Trial
    from qbench.trial.summary import Row, Share

_WIDTH_IN, _ROW_HEIGHT_IN = 11.0, 4.2

# Okabe and Ito's colours, which also colour-blind readers tell apart.
_SLOWER, _NOT_SLOWER, _INCONCLUSIVE = "#D55E00", "#0072B2", "#999999"
_POINTS = "#56B4E9"

_TITLES = {
    "quiet": "quiet",
    "core": "a busy neighbour on the same processor",
    "memory": "a neighbour that streams through memory",
}

#: Half the width of a cloud of points, in steps.
_JITTER = 0.18

#: However few slowdowns there are, marks lie as close together as if there were so many.
_MOST_STEPS = 6


def require_plot() -> None:
    """Say what to install before anything is measured in vain; errors as in `require_matplotlib`."""
    require_matplotlib("qbench trial --plot", instead="leave --plot out, keep --json, and draw it later with --from")


def plot_trial(trial: Trial) -> bytes:
    """The picture as SVG: a row for each noise.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or nothing was measured.
    """
    require_plot()
    rows = summarize(trial)
    noises = [noise for noise in trial.settings.noises if any(row.noise == noise for row in rows)]
    if not noises:
        raise ConfigError("qbench trial --plot", found="no contest", expected="at least one")

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(noises), 2, squeeze=False)
        for (left, right), noise in zip(axes, noises, strict=True):
            chosen = [row for row in rows if row.noise == noise]
            _draw_ratios(left, trial, noise, chosen)
            _draw_findings(right, trial, chosen)
        figure.suptitle(
            f"qbench trial: {counted(len(trial.contests), 'contest')} of "
            f"{counted(len(trial.settings.subjects), 'subject')} against themselves, slowed down by known shares",
            fontsize=12,
        )

    return draw_picture(draw, width_in=_WIDTH_IN, height_in=_ROW_HEIGHT_IN * len(noises) + 0.5, creator="qbench trial")


def _draw_ratios(axes: Any, trial: Trial, noise: Noise, rows: Sequence[Row]) -> None:
    """Each contest's ratio above the slowdown that was injected, with the line on which all should lie."""
    slowdowns = [row.slowdown * 100 for row in rows]
    step = _step(slowdowns)
    tolerance = trial.settings.tolerance * 100
    lot = random.Random(0)  # noqa: S311 - where a point lies beside the others means nothing
    for row in rows:
        measured = [
            (each.ratio - 1) * 100
            for each in trial.contests
            if (each.noise, each.slowdown) == (noise, row.slowdown) and each.ratio is not None
        ]
        if not measured:
            continue
        at = row.slowdown * 100
        spread = [at + step * _JITTER * lot.uniform(-1, 1) for _ in measured]
        axes.scatter(spread, measured, s=12, color=_POINTS, alpha=0.55, linewidths=0, zorder=2)
        axes.plot(at, median(measured), marker="_", markersize=16, markeredgewidth=2, color=INK, zorder=4)
    ends = (min(slowdowns) - step / 2, max(slowdowns) + step / 2)
    axes.plot(ends, ends, color=FAINT, linewidth=1.2, zorder=1, label="measured = injected")
    axes.axhline(tolerance, color=_SLOWER, linewidth=1.2, linestyle="--", zorder=1, label=f"tolerance {tolerance:g}%")
    axes.plot([], [], linestyle="", marker="o", markersize=4, color=_POINTS, label="a contest")
    axes.plot([], [], linestyle="", marker="_", markersize=12, markeredgewidth=2, color=INK, label="median")
    axes.set_xlim(*ends)
    axes.set_xticks(slowdowns, [f"{each:g}%" for each in slowdowns])
    axes.yaxis.set_major_formatter("{x:g}%")
    axes.set_xlabel("injected slowdown")
    axes.set_ylabel("measured slowdown")
    _head(axes, _TITLES[noise])


def _draw_findings(axes: Any, trial: Trial, rows: Sequence[Row]) -> None:
    """Shares of what was found, with exact intervals."""
    slowdowns = [row.slowdown * 100 for row in rows]
    step, tolerance = _step(slowdowns), trial.settings.tolerance * 100
    lines: tuple[tuple[str, str, str, list[Share]], ...] = (
        ("slower", _SLOWER, "o", [row.slower for row in rows]),
        ("not slower", _NOT_SLOWER, "s", [row.not_slower for row in rows]),
        ("inconclusive", _INCONCLUSIVE, "^", [row.inconclusive for row in rows]),
    )
    for shift, (name, colour, marker, shares) in enumerate(lines, start=-1):
        rates = [share.rate * 100 for share in shares]
        ends = [share.interval for share in shares]
        errors = [
            [rate - low * 100 for rate, (low, _) in zip(rates, ends, strict=True)],
            [high * 100 - rate for rate, (_, high) in zip(rates, ends, strict=True)],
        ]
        # Side by side, so that intervals at 0 and at 100% do not hide each other.
        at = [each + shift * step * 0.1 for each in slowdowns]
        axes.errorbar(
            at, rates, yerr=errors, color=colour, marker=marker, markersize=5, linewidth=1.8, capsize=2.5, label=name
        )
    axes.axvline(tolerance, color=_SLOWER, linewidth=1.2, linestyle="--", zorder=1)
    axes.set_xlim(min(slowdowns) - step / 2, max(slowdowns) + step / 2)
    axes.set_xticks(slowdowns, [f"{each:g}%" for each in slowdowns])
    axes.set_ylim(-3, 103)
    axes.yaxis.set_major_formatter("{x:g}%")
    axes.set_xlabel("injected slowdown")
    axes.set_ylabel("contests")
    contests = " or ".join(str(count) for count in sorted({row.slower.of for row in rows}))
    _head(axes, f"findings of {contests} contests each, exact 95% intervals")


def _head(axes: Any, title: str) -> None:
    """A title, and the legend in a line between it and the data, where it hides nothing."""
    axes.set_title(title, loc="left", fontsize=11, pad=26)
    legend = axes.legend(
        frameon=False,
        fontsize=9,
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        columnspacing=1.4,
        handlelength=1.8,
        handletextpad=0.5,
    )
    legend.set_in_layout(False)


def _step(slowdowns: Sequence[float]) -> float:
    """Room for one slowdown on the axis, in per cent: the least distance between two, and not too much of the whole."""
    if len(slowdowns) == 1:
        return 1.0
    nearest = min(after - before for before, after in pairwise(slowdowns))
    return min(nearest, (slowdowns[-1] - slowdowns[0]) / _MOST_STEPS)
