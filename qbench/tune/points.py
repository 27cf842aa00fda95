"""A recipe as a search sees it: a value for each knob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qbench.models.quantization import Quantization
from qbench.models.recipes import RecipeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Activations of these types have ranges that calibration finds.
_CALIBRATED = ("int8", "int16")

#: The modes that a point can stand for, although another converter may make them.
_MODES: Mapping[str, Mapping[str, Any]] = {
    "int8": {},
    "int8-per-tensor": {"granularity": "tensor"},
    "int8-symmetric": {"symmetric": True},
    "int16x8": {"activations": "int16"},
    "dynamic": {"activations": "dynamic"},
}


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value for each knob; the names are those of `Quantization`."""

    weights: str = "int8"
    granularity: str = "channel"
    weight_ranges: str = "min-max"
    activations: str = "int8"
    symmetric: bool = False
    calibration: str = "min-max"
    percentile: float = 99.99
    calibration_examples: int = 0
    float_operators: tuple[str, ...] = ()

    def changed(self, **values: Any) -> Point:
        """The point with other values, where a knob that then means nothing goes back to its default.

        Two points that say the same are equal, so that they are measured once, and each is a recipe.
        """
        point = msgspec.structs.replace(self, **values)
        reset: set[str] = set()
        if point.granularity.startswith("block"):
            if (point.weights, point.activations) != ("int4", "dynamic"):
                reset |= {"granularity"}
            elif point.weight_ranges == "mse":
                reset |= {"weight_ranges"}
        if point.activations not in _CALIBRATED:
            reset |= {"calibration", "percentile", "calibration_examples"}
        if point.activations != "int8":
            reset |= {"symmetric"}
        if point.calibration != "percentile":
            reset |= {"percentile"}
        names = tuple(sorted(set(point.float_operators)))
        return msgspec.structs.replace(point, **{name: getattr(PLAIN, name) for name in reset}, float_operators=names)

    def recipe(self) -> RecipeSpec:
        """What the point stands for in `[tool.qbench.recipe.<name>]`."""
        # A default that is said and one that is not are the same recipe, and should have one digest.
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value != getattr(PLAIN, name)}
        return RecipeSpec(quantization=msgspec.convert(said, Quantization))


#: Plain int8.
PLAIN = Point()


def point_of(recipe: RecipeSpec) -> Point | None:
    """The point that a recipe is, None if it is none: fp16, a function, settings of the TFLiteConverter."""
    if recipe.base in _MODES and not recipe.converter:
        return PLAIN.changed(**_MODES[recipe.base or ""])
    if recipe.quantization is not None:
        return PLAIN.changed(**msgspec.structs.asdict(recipe.quantization))
    return None


def choices(recipe: RecipeSpec) -> int:
    """How many things a recipe chooses otherwise than plain int8 does; 0 for one that is no `quantization`."""
    point = None if recipe.quantization is None else point_of(recipe)
    if point is None:
        return 0
    differing = [name for name in Point.__struct_fields__ if getattr(point, name) != getattr(PLAIN, name)]
    return len(differing) + max(0, len(point.float_operators) - 1)


def describe_recipe(recipe: RecipeSpec) -> str:
    """A recipe in a few words, such as ``int8 per tensor, int8 activations, 2 float operators``."""
    if recipe.quantization is not None:
        return ", ".join(_describe(recipe.quantization))
    settings = [f"{name}={value}" for name, value in recipe.converter.items()]
    return ", ".join([recipe.base or recipe.quantizer or recipe.function or "", *settings])


def _describe(chosen: Quantization) -> list[str]:
    said = [f"{chosen.weights} per {chosen.granularity}"]
    if chosen.weight_ranges != PLAIN.weight_ranges:
        said.append(f"{chosen.weight_ranges} weights")
    said.append(f"{chosen.activations} activations")
    if chosen.symmetric:
        said.append("symmetric")
    if chosen.calibration == "percentile":
        said.append(f"percentile {chosen.percentile:g}")
    elif chosen.calibration != PLAIN.calibration:
        said.append(chosen.calibration)
    if chosen.calibration_examples:
        said.append(f"{chosen.calibration_examples} examples")
    if count := len(chosen.float_operators):
        said.append(f"{count} float operator{'s' if count > 1 else ''}")
    return said
