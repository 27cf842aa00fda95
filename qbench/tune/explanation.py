"""Why no recipe passes: what the trials say about that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.tune.front import cheapest, nearest
from qbench.tune.points import describe_recipe, point_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.tune.records import Outcome
    from qbench.tune.run import Question, Study


def why_none_passes(study: Study, question: Question, near: Outcome | None) -> tuple[str, ...]:
    """Sentences about why no recipe passes, what is surest first."""
    if near is None:
        errors = [each.error for each in study.outcomes if each.error]
        return (f"no recipe could be measured: {errors[0]}",) if errors else ("nothing was tried",)
    said = [*_guilty(study.outcomes), *_evidence(near)]
    outside = cheapest(study.outcomes, question.prefer)
    if question.space.fixed:
        fixed = ", ".join(f"{name} = {_values(question.space.values[name])}" for name in question.space.fixed)
        passing = f"; {describe_recipe(outside.recipe)} passes and is not allowed by that" if outside else ""
        said.append(f"the search was restricted to {fixed}{passing}")
    if failed := sum(not each.measured for each in study.outcomes):
        said.append(f"{failed} of {len(study.outcomes)} recipes could not be built or run")
    if study.ended in {"budget", "trials", "interrupted"}:
        said.append("the search was ended before it had tried everything: run it again to go on")
    return tuple(said)


def _guilty(outcomes: Iterable[Outcome]) -> list[str]:
    """Whether weights alone are too much already."""
    weights_alone = [
        each for each in outcomes if each.measured and (point := point_of(each.recipe)) and point.activations == "float"
    ]
    best = nearest(weights_alone)
    if best is None or best.worst is None:
        return []
    name = describe_recipe(best.recipe)
    if best.passes:
        return [f"weights alone pass ({name}): quantized activations are what costs too much"]
    return [
        (
            f"weights alone lose too much, even with float activations ({name} drops {best.drop:.4g}): a layer's "
            "channels may differ much in range, and training with quantization in the loop may help"
        )
    ]


def _evidence(near: Outcome) -> list[str]:
    """Whether the examples tell the nearest from one that passes."""
    paired = near.worst.paired if near.worst else None
    if paired is None or paired.finding == "beyond":
        return []
    needed = f"; about {paired.needed:,} would decide" if paired.needed else ""
    return [
        (
            f"on {paired.examples:,} examples a drop of the nearest beyond the tolerance is not sure "
            f"({paired.confidence:.0%} interval {paired.low:.4f} to {paired.high:.4f}){needed}"
        )
    ]


def _values(values: Iterable[object]) -> str:
    return " or ".join(str(value) for value in values)
