"""The choices of a recipe as rules for litert-quantizer, which go by operator and by name.

The library skips a rule that its policy does not allow for an operator, and the operator then stays float
without a word. Every operator with weights is therefore given the first setting, from what the recipe asks
for down to int8 with min-max ranges, that the library allows for it and that its weights can bear.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qbench.models.quantization import Quantization
    from qbench.tflite.graph import Array, Operator, Subgraph

_ALL = ".*"

#: Operators whose second operand is weights, with the dimension of the weights' channels (None: not always the same).
_CHANNEL_AXES: dict[str, int | None] = {
    "FULLY_CONNECTED": 0,
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "TRANSPOSE_CONV": 0,
    "EMBEDDING_LOOKUP": 0,
    "BATCH_MATMUL": None,
}
_WEIGHTS_OPERAND = 1

#: Where the library calls an operator by another name than the schema.
_LIBRARY_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}

_BITS = {"int4": 4, "int8": 8, "int16": 16}
_GRANULARITIES = {"channel": "CHANNELWISE", "tensor": "TENSORWISE"}
_ALGORITHMS = {"min-max": "min_max_uniform_quantize", "mse": "MSE", "octav": "OCTAV"}

# With min-max, the library takes a range to be at least this; its other two methods divide by a scale of 0.
_LEAST_RANGE = 1e-9
# Scales of blocks are stored in float16, in which smaller ones are 0.
_LEAST_BLOCK_SCALE = 2.0**-24


@dataclass(frozen=True)
class _Setting:
    """How the weights of one operator are quantized."""

    bits: int
    granularity: str
    ranges: str

    @property
    def block(self) -> int:
        return int(self.granularity.removeprefix("block")) if self.granularity.startswith("block") else 0


def quantizer_rules(choices: Quantization, float_tflite: bytes) -> Any:
    """A recipe of litert-quantizer that does what `choices` say to the model `float_tflite`.

    Raises
    ------
    ValueError
        If an operator that shall stay float is not there, or no operator can take what was asked for.
    """
    from litert_quantizer import qtyping, recipe_manager  # noqa: PLC0415 - an optional dependency

    subgraphs = read_model(float_tflite).subgraphs
    floats = _named_operators(choices.float_operators, subgraphs)
    manager = recipe_manager.RecipeManager()
    usual = _settings(choices)[-1]
    manager.add_quantization_config(_ALL, qtyping.TFLOperationName.ALL_SUPPORTED, _configuration(choices, usual))
    allowed = {name: _allowed(choices, name) for name in _CHANNEL_AXES}
    for name, settings in allowed.items():
        if settings and settings[0] != usual:
            _add(manager, choices, _ALL, name, settings[0])
    chosen: list[_Setting] = []
    for scope, operator, weights in _weighted(subgraphs):
        if scope in floats:
            continue
        fitting = [item for item in allowed[operator.name] if _bears(operator.name, weights, item)]
        chosen += fitting[:1]
        if fitting and fitting[0] != allowed[operator.name][0]:
            _add(manager, choices, _exactly(scope), operator.name, fitting[0])
    _check_asked_for(choices, chosen, subgraphs)
    for scope, operator in floats.items():
        # By the operator's kind, or the model's output would stay float with the operator that makes it.
        name = _library_name(operator.name)
        if name is not None:
            manager.add_quantization_config(_exactly(scope), name, None, "no_quantize")
    return manager.get_quantization_recipe()


def _settings(choices: Quantization) -> list[_Setting]:
    """What to try for weights, from what was asked for to what every operator can do."""
    asked = _Setting(_BITS[choices.weights], choices.granularity, choices.weight_ranges)
    wide = replace(asked, granularity="channel") if asked.block else asked
    tried = [replace(base, bits=bits) for bits in (asked.bits, 8) for base in (asked, wide)]
    both = [replace(setting, ranges=ranges) for setting in tried for ranges in (choices.weight_ranges, "min-max")]
    return list(dict.fromkeys(both))


def _allowed(choices: Quantization, name: str) -> list[_Setting]:
    """Those settings that the library's policy has for the operators `name`."""
    from litert_quantizer import algorithm_manager  # noqa: PLC0415 - an optional dependency

    allowed = []
    for setting in _settings(choices):
        try:
            algorithm_manager.check_op_quantization_config(
                _ALGORITHMS[setting.ranges], _library_name(name), _configuration(choices, setting)
            )
        except ValueError:
            continue
        if not (setting.block and setting.ranges == "mse"):
            allowed.append(setting)
    return allowed


def _add(manager: Any, choices: Quantization, scope: str, name: str, setting: _Setting) -> None:
    manager.add_quantization_config(
        scope, _library_name(name), _configuration(choices, setting), _ALGORITHMS[setting.ranges]
    )


def _configuration(choices: Quantization, setting: _Setting) -> Any:
    from litert_quantizer import qtyping  # noqa: PLC0415 - an optional dependency

    granularity = _GRANULARITIES.get(setting.granularity, f"BLOCKWISE_{setting.block}")
    activations = None
    if choices.calibrated:
        bits = _BITS[choices.activations]
        symmetric = choices.symmetric or choices.activations == "int16"
        activations = qtyping.TensorQuantizationConfig(num_bits=bits, symmetric=symmetric)
    weights_only = choices.activations == "float"
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=activations,
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=setting.bits, symmetric=True, granularity=qtyping.QuantGranularity(granularity)
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT if weights_only else qtyping.ComputePrecision.INTEGER,
        explicit_dequantize=weights_only,
    )


def _library_name(name: str) -> Any:
    """What the library calls an operator of the schema; None if it knows it not, and leaves it float."""
    from litert_quantizer import qtyping  # noqa: PLC0415 - an optional dependency

    try:
        return qtyping.TFLOperationName(_LIBRARY_NAMES.get(name, name))
    except ValueError:
        return None


def _bears(name: str, weights: Array, setting: _Setting) -> bool:
    """Whether every scale of `weights` would be a number above 0."""
    if setting.block:
        if weights.ndim != 2 or weights.shape[1] % setting.block:  # noqa: PLR2004 - rows of blocks
            return False
        ranges = np.abs(weights).reshape(len(weights), -1, setting.block).max(axis=2)
        return bool((ranges / 7 >= _LEAST_BLOCK_SCALE).all())
    if setting.ranges == "min-max":
        return True
    if setting.granularity == "tensor":
        return bool(np.abs(weights).max() >= _LEAST_RANGE)
    axis = _CHANNEL_AXES[name]
    axes = [axis] if axis is not None else [weights.ndim - 2, weights.ndim - 1]
    return all(bool((_ranges(weights, each) >= _LEAST_RANGE).all()) for each in axes)


def _ranges(weights: Array, axis: int) -> Array:
    """Largest magnitude of each channel along `axis`."""
    return np.asarray(np.abs(weights).max(axis=tuple(each for each in range(weights.ndim) if each != axis)))


def _weighted(subgraphs: Sequence[Subgraph]) -> Iterator[tuple[str, Operator, Array]]:
    """Scopes of operators with constant float weights, the operators, and the weights."""
    for scope, operator, subgraph in _operators(subgraphs):
        if operator.name not in _CHANNEL_AXES or len(operator.inputs) <= _WEIGHTS_OPERAND:
            continue
        tensor = subgraph.tensors[operator.inputs[_WEIGHTS_OPERAND]]
        if tensor.dtype == "float32" and (weights := tensor.constant()) is not None and weights.size:
            yield scope, operator, weights


def _operators(subgraphs: Sequence[Subgraph]) -> Iterator[tuple[str, Operator, Subgraph]]:
    """All operators, each with what the library calls its scope: the names of its outputs, a semicolon behind each."""
    for subgraph in subgraphs:
        for operator in subgraph.operators:
            names = [subgraph.tensors[index].name for index in operator.outputs if index >= 0]
            yield "".join(f"{name};" for name in names if name), operator, subgraph


def _exactly(scope: str) -> str:
    return rf"\A{re.escape(scope)}\Z"


def _named_operators(names: Sequence[str], subgraphs: Sequence[Subgraph]) -> dict[str, Operator]:
    """The operators that have an output of one of these names, by scope."""
    found: dict[str, tuple[str, Operator]] = {}
    for scope, operator, subgraph in _operators(subgraphs):
        for index in operator.outputs:
            if index >= 0:
                found[subgraph.tensors[index].name] = (scope, operator)
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, found, n=3, cutoff=0.3) or list(found)[:3]
            raise ValueError(
                f"float_operators: found {name!r}, which no operator of the float model has as its output; "
                f"expected the name of an output tensor, such as {', '.join(map(repr, near))}"
            )
    return dict(found[name] for name in names)


def _check_asked_for(choices: Quantization, chosen: Sequence[_Setting], subgraphs: Sequence[Subgraph]) -> None:
    """A recipe of which nothing can be done is a mistake, not a milder recipe."""
    asked = _settings(choices)[0]
    kinds = sorted({operator.name for _, operator, _ in _weighted(subgraphs)}) or ["none"]
    if asked.block and not any(setting.block for setting in chosen):
        raise ValueError(
            f'found granularity = "{choices.granularity}" and no weights that it fits; expected a FULLY_CONNECTED or '
            f"EMBEDDING_LOOKUP with a multiple of {asked.block} weights for each channel and no block of zeros: "
            'use smaller blocks, or granularity = "channel"'
        )
    if asked.bits < 8 and not any(setting.bits == asked.bits for setting in chosen):  # noqa: PLR2004 - int8
        raise ValueError(
            f'found weights = "{choices.weights}" and no operator that can have them (those with weights are: '
            f"{', '.join(kinds)}); expected a FULLY_CONNECTED, CONV_2D or EMBEDDING_LOOKUP among those to be quantized"
        )
