"""What a recipe may choose when it trains before it quantizes: pruning and quantization-aware training.

`qbench.training.run` carries it out, in the conversion child.
"""

from __future__ import annotations

import math

import msgspec

_MOST_SPARSITY = 0.999
_FEWEST_LEVELS = 3


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[tool.qbench.recipe.<name>] training`: how a model is trained on before it is quantized.

    Attributes
    ----------
    sparsity
        Share of the weights that become 0, of those of all CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED operators
        together. The smallest go, compared by what they are in their layer. Biases are not pruned.
    channel_sparsity
        Share of the weights that whole output channels may take with them, out of the file; `sparsity` is of the rest.
    quantization_aware
        Whether weights and activations are rounded in training as the recipe will round them.
    weight_levels
        With `quantization_aware`: how many different values the weights of one scale may take, an odd number (3:
        minus, zero, plus); 0 for as many as their dtype has. Fewer compress better.
    epochs
        How often all examples are seen.
    learning_rate
        Of Adam at the first step; it falls to 0 along a half cosine.
    batch_size
        Examples in a step.
    seed
        Draws the order of the examples.
    strip
        Leave out of the artifact what only people read: names of inner tensors, the note of the converter.
        Signatures, and the names of inputs and outputs, stay.
    """

    sparsity: float = 0.0
    channel_sparsity: float = 0.0
    quantization_aware: bool = False
    weight_levels: int = 0
    epochs: int = 2
    learning_rate: float = 1e-3
    batch_size: int = 128
    seed: int = 1
    strip: bool = False

    def __post_init__(self) -> None:
        for name in ("sparsity", "channel_sparsity"):
            if not 0 <= (share := getattr(self, name)) <= _MOST_SPARSITY:
                raise ValueError(f"`{name}` from 0 to {_MOST_SPARSITY}, found {share}")
        for name in ("epochs", "batch_size"):
            if (count := getattr(self, name)) < 1:
                raise ValueError(f"`{name}` of at least 1, found {count}")
        if self.seed < 0:
            raise ValueError(f"`seed` of at least 0, found {self.seed}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"`learning_rate` as a finite number above 0, found {self.learning_rate}")
        self._check_levels()

    def _check_levels(self) -> None:
        if not self.weight_levels:
            return
        if not self.quantization_aware:
            raise ValueError(
                f"`weight_levels` with quantization_aware = true only, found weight_levels = {self.weight_levels}"
            )
        if self.weight_levels < _FEWEST_LEVELS or self.weight_levels % 2 == 0:
            raise ValueError(f"`weight_levels` as an odd number of at least 3, or 0, found {self.weight_levels}")
