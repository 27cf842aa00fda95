"""Recipes: named ways to quantize a model. What they say is here; `qbench.conversion` carries it out."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from qbench.models.quantization import Quantization
from qbench.models.training import Training

#: Part of every cache key: a change of what a mode means must not find artifacts of the old meaning.
RECIPE_VERSION = "2"

Mode = Literal["fp32", "fp16", "dynamic", "int8", "int8-per-tensor", "int8-symmetric", "int16x8"]

_CHOICES = ("base", "quantizer", "function", "quantization")

#: What the quantizing modes choose, for those that litert-quantizer carries out as well.
MODE_CHOICES: dict[str, Quantization] = {
    "dynamic": Quantization(activations="dynamic"),
    "int8": Quantization(),
    "int8-per-tensor": Quantization(granularity="tensor"),
    "int8-symmetric": Quantization(symmetric=True),
    "int16x8": Quantization(activations="int16"),
}

_CALIBRATED_MODES = ("int8", "int8-per-tensor", "int8-symmetric", "int16x8")


class RecipeSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One recipe, built in or from `[tool.qbench.recipe.<name>]`; exactly one of the first four is given.

    Attributes
    ----------
    base
        One of the built-in modes.
    quantizer
        The name of a recipe function of litert-quantizer, such as ``static_wi8_ai8``, applied to the float
        `.tflite`.
    function
        ``module:function``, called with the bytes of the float `.tflite` and the calibration samples (an
        iterable of mappings from input names to arrays of shape (1, ...)); returns the artifact's bytes.
    quantization
        How weights and activations of the float `.tflite` are quantized, choice by choice.
    training
        With `base` or `quantization`: how the float `.tflite` is trained before it is quantized.
    converter
        With `base`: attributes to set on the `TFLiteConverter`, after those that the mode sets.
    calibration
        Whether calibration samples are needed; derived from the rest where it is not said, and always for
        `quantization`.
    """

    base: Mode | None = None
    quantizer: str | None = None
    function: str | None = None
    quantization: Quantization | None = None
    training: Training | None = None
    converter: dict[str, Any] = {}
    calibration: bool | None = None

    def __post_init__(self) -> None:
        given = [name for name in _CHOICES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of base, quantizer, function and quantization, found {' and '.join(given) or 'none'}"
            )
        if self.converter and self.base is None:
            raise ValueError(f"`converter` settings beside `base` only, found them beside `{given[0]}`")
        if self.function is not None and not all(self.function.partition(":")):
            raise ValueError(f"function = 'module:function', found {self.function!r}")
        if self.quantization is not None and self.calibration is not None:
            raise ValueError("`calibration` within `quantization`, found it beside `quantization`")
        self._check_training(given[0])

    @property
    def choices(self) -> Quantization | None:
        """How weights and activations are quantized, for `quantization` and the modes that it can say; else None."""
        return self.quantization if self.quantization is not None else MODE_CHOICES.get(self.base or "")

    @property
    def calibrated(self) -> bool:
        """Whether the artifact depends on calibration samples."""
        if self.calibration is not None:
            return self.calibration
        if self.quantization is not None:
            return self.quantization.calibrated
        if self.base is not None:
            return self.base in _CALIBRATED_MODES
        return self.function is not None or (self.quantizer or "").startswith("static")

    @property
    def quantizes(self) -> bool:
        """Whether an artifact that equals the float one is a mistake."""
        return self.base != "fp32" or bool(self.converter)

    def _check_training(self, given: str) -> None:
        if self.training is None:
            return
        if given not in {"base", "quantization"}:
            raise ValueError(f"`training` beside `base` or `quantization` only, found it beside `{given}`")
        if self.converter:
            raise ValueError(
                "`training` without `converter` settings, because what is trained is the float .tflite, found both"
            )
        if self.training.quantization_aware and self.choices is None:
            raise ValueError(
                f'`training.quantization_aware` with a recipe that makes integers, found it with base = "{self.base}"'
            )
        if self.training.quantization_aware and self.choices and self.choices.float_operators:
            raise ValueError(
                "`training.quantization_aware` without `float_operators`, because it rounds every operator, found "
                f"{list(self.choices.float_operators)}"
            )
        if self.training.quantization_aware and self.choices and self.choices.block_size:
            raise ValueError(
                '`training.quantization_aware` with granularity = "channel" or "tensor", found granularity = '
                f'"{self.choices.granularity}"'
            )


#: The recipes that every project has.
BUILTIN_RECIPES: dict[str, RecipeSpec] = {
    "fp32": RecipeSpec(base="fp32"),
    "fp16": RecipeSpec(base="fp16"),
    "dynamic": RecipeSpec(base="dynamic"),
    "int8": RecipeSpec(base="int8"),
    "int8-per-tensor": RecipeSpec(base="int8-per-tensor"),
    "int8-symmetric": RecipeSpec(base="int8-symmetric"),
    "int16x8": RecipeSpec(base="int16x8"),
}

#: The recipe that all others are compared with.
REFERENCE_RECIPE = "fp32"
