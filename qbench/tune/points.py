"""A recipe as a search sees it: a value for each knob."""

from __future__ import annotations

from typing import Any

import msgspec

from qbench.models.quantization import Quantization
from qbench.models.recipes import RecipeSpec
from qbench.models.training import Training

#: Activations of these types have ranges that calibration finds.
_CALIBRATED = ("int8", "int16")

#: What a point says of training.
_TRAINING = ("quantization_aware", "channel_sparsity", "sparsity", "epochs", "learning_rate")


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value for each knob; the names are those of `Quantization`, and the last five those of `Training`."""

    weights: str = "int8"
    granularity: str = "channel"
    weight_ranges: str = "min-max"
    activations: str = "int8"
    symmetric: bool = False
    calibration: str = "min-max"
    percentile: float = 99.99
    calibration_examples: int = 0
    float_operators: tuple[str, ...] = ()
    quantization_aware: bool = False
    channel_sparsity: float = 0.0
    sparsity: float = 0.0
    epochs: int = 2
    learning_rate: float = 1e-3

    @property
    def trains(self) -> bool:
        """Whether the model is trained before it is quantized."""
        return bool(self.quantization_aware or self.channel_sparsity or self.sparsity)

    def changed(self, **values: Any) -> Point:
        """The point with other values, where a knob that then means nothing goes back to its default.

        Two points that say the same are equal, so that they are measured once, and each is a recipe.
        """
        point = msgspec.structs.replace(self, **values)
        reset: set[str] = set()
        if point.granularity.startswith("block"):
            if (point.weights, point.activations) != ("int4", "dynamic"):
                reset |= {"granularity"}
            else:
                reset |= {"quantization_aware", *(("weight_ranges",) if point.weight_ranges == "mse" else ())}
        if point.activations not in _CALIBRATED:
            reset |= {"calibration", "percentile", "calibration_examples"}
        if point.activations != "int8":
            reset |= {"symmetric"}
        if point.calibration != "percentile":
            reset |= {"percentile"}
        if not msgspec.structs.replace(point, **{name: getattr(PLAIN, name) for name in reset}).trains:
            reset |= {"epochs", "learning_rate"}
        # Training with quantization rounds every operator.
        aware = point.quantization_aware and "quantization_aware" not in reset
        names = () if aware else tuple(sorted(set(point.float_operators)))
        return msgspec.structs.replace(point, **{name: getattr(PLAIN, name) for name in reset}, float_operators=names)

    def recipe(self) -> RecipeSpec:
        """What the point stands for in `[tool.qbench.recipe.<name>]`."""
        # A default that is said and one that is not are the same recipe, and should have one digest.
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value != getattr(PLAIN, name)}
        trained = {name: said.pop(name) for name in _TRAINING if name in said}
        return RecipeSpec(
            quantization=msgspec.convert(said, Quantization), training=Training(**trained) if trained else None
        )


#: Plain int8.
PLAIN = Point()


def point_of(recipe: RecipeSpec) -> Point | None:
    """The point that a recipe is, None if it is none: fp16, a function, settings of the TFLiteConverter.

    A built-in mode is the point that says the same, although another converter may make it.
    """
    if recipe.choices is None or recipe.converter:
        return None
    values = msgspec.structs.asdict(recipe.choices)
    if recipe.training is not None:
        values |= {name: getattr(recipe.training, name) for name in _TRAINING}
    return PLAIN.changed(**values)


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
        said = _describe(recipe.quantization)
    else:
        said = [recipe.base or recipe.quantizer or recipe.function or ""]
        said += [f"{name}={value}" for name, value in recipe.converter.items()]
    return ", ".join([*said, *(_describe_training(recipe.training) if recipe.training else ())])


def _describe_training(chosen: Training) -> list[str]:
    said = ["trained with it" if chosen.quantization_aware else "trained"]
    for share, of in ((chosen.channel_sparsity, "in channels"), (chosen.sparsity, "of the weights")):
        if share:
            said.append(f"{share:.0%} pruned {of}")
    if chosen.epochs != PLAIN.epochs:
        said.append(f"{chosen.epochs} epochs")
    return said


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
