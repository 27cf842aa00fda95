"""What a recipe may choose when it quantizes a float `.tflite`, and which choices go together.

`qbench.conversion.quantizer` carries it out through litert-quantizer; what is refused here is what that library, or the
runtime's kernels, cannot do for any model.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Weights = Literal["int8", "int4"]
Granularity = Literal["channel", "tensor", "block32", "block64", "block128", "block256"]
WeightRanges = Literal["min-max", "mse", "octav"]
Activations = Literal["int8", "int16", "dynamic", "float"]
Calibration = Literal["min-max", "moving-average", "percentile", "mse", "octav"]

_LEAST_PERCENTILE, _DEFAULT_PERCENTILE, _MOST_PERCENTILE = 50.0, 99.99, 100.0
_CALIBRATED: tuple[Activations, ...] = ("int8", "int16")


class Quantization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[tool.qbench.recipe.<name>] quantization`: how weights and activations are quantized.

    Attributes
    ----------
    weights
        Width of the weights. int4 is for FULLY_CONNECTED, CONV_2D and EMBEDDING_LOOKUP (weight-only also for
        BATCH_MATMUL); the weights of other operators are int8.
    granularity
        What shares one scale: an output channel, a tensor, or a block of that many weights of an output channel.
        Blocks are for int4 weights of FULLY_CONNECTED and EMBEDDING_LOOKUP whose channels are a multiple of the
        block, with dynamic activations; others have one scale for each channel.
    weight_ranges
        How the range of weights is found: ``min-max``; ``mse``, litert-quantizer's multiple of the root mean
        square, which is best for normally distributed weights; ``octav``, the clipping of least squared error.
    activations
        ``int8`` and ``int16`` are quantized with ranges from calibration; ``dynamic`` ones are float in the file
        and quantized by the runtime as they come; ``float`` quantizes the weights alone.
    symmetric
        Give int8 activations the zero point 0. int16 activations always have it.
    calibration
        How the range of an activation is found from its values on the calibration examples; see
        `qbench.conversion.activation_ranges`.
    percentile
        With calibration ``percentile``: the range reaches from this percentile's mirror (0.01 for 99.99) to it.
    calibration_examples
        Calibrate on the first so many calibration examples; 0 stands for all.
    float_operators
        Operators that stay float, by the names of their output tensors in the float `.tflite`.
    """

    weights: Weights = "int8"
    granularity: Granularity = "channel"
    weight_ranges: WeightRanges = "min-max"
    activations: Activations = "int8"
    symmetric: bool = False
    calibration: Calibration = "min-max"
    percentile: float = _DEFAULT_PERCENTILE
    calibration_examples: int = 0
    float_operators: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_weights()
        self._check_activations()

    @property
    def calibrated(self) -> bool:
        """Whether the artifact depends on calibration examples."""
        return self.activations in _CALIBRATED

    @property
    def block_size(self) -> int:
        """Number of weights that share a scale within a channel; 0 without blocks."""
        return int(self.granularity.removeprefix("block")) if self.granularity.startswith("block") else 0

    def _check_numbers(self) -> None:
        if not _LEAST_PERCENTILE < self.percentile <= _MOST_PERCENTILE:
            raise ValueError(f"`percentile` above 50 and at most 100, found {self.percentile}")
        if self.calibration_examples < 0:
            raise ValueError(f"`calibration_examples` of at least 1, or 0 for all, found {self.calibration_examples}")
        if twice := sorted({name for name in self.float_operators if self.float_operators.count(name) > 1}):
            raise ValueError(f"each name once in `float_operators`, found {twice[0]!r} twice")

    def _check_weights(self) -> None:
        if not self.block_size:
            return
        if self.weights != "int4" or self.activations != "dynamic":
            raise ValueError(
                f'granularity = "{self.granularity}" with weights = "int4" and activations = "dynamic" only, '
                f'found weights = "{self.weights}" and activations = "{self.activations}"'
            )
        if self.weight_ranges == "mse":
            raise ValueError(
                f'weight_ranges = "min-max" or "octav" with granularity = "{self.granularity}", found "mse"'
            )

    def _check_activations(self) -> None:
        if self.symmetric and self.activations != "int8":
            why = " (int16 is symmetric anyway)" if self.activations == "int16" else ""
            raise ValueError(
                f'`symmetric` with activations = "int8" only, found activations = "{self.activations}"{why}'
            )
        if self.percentile != _DEFAULT_PERCENTILE and self.calibration != "percentile":
            raise ValueError(
                f'`percentile` with calibration = "percentile" only, found calibration = "{self.calibration}"'
            )
        if self.calibrated:
            return
        for name, value, default in (
            ("calibration", self.calibration, "min-max"),
            ("calibration_examples", self.calibration_examples, 0),
        ):
            if value != default:
                raise ValueError(
                    f'`{name}` with activations = "int8" or "int16" only, found activations = "{self.activations}"'
                )
