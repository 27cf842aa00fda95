"""Recipes by way of litert-quantizer, which works on a float `.tflite` without TensorFlow."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from qbench.models.quantizer_rules import quantizer_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qbench.models.datasets import Array
    from qbench.models.quantization import Quantization

    Samples = Callable[[], Iterator[dict[str, Array]]]

_ALL = ".*"


def quantize_with(name: str, float_tflite: bytes, samples: Samples) -> bytes:
    """Quantize with the recipe function `name` of litert-quantizer.

    Raises
    ------
    ValueError
        If litert-quantizer has no recipe of that name.
    """
    from litert_quantizer import recipe  # noqa: PLC0415 - an optional dependency

    make = getattr(recipe, name, None)
    if not callable(make) or name.startswith("_"):
        raise ValueError(f"litert-quantizer has no recipe {name!r}")
    return _quantize(float_tflite, make(), samples)


def quantize_by_choice(choices: Quantization, float_tflite: bytes, samples: Samples) -> bytes:
    """Quantize as `choices` say.

    Raises
    ------
    ValueError
        If the model has nothing that could be quantized so, or an operator that shall stay float is not there.
    """
    first = choices.calibration_examples or None
    return _quantize(float_tflite, quantizer_rules(choices, float_tflite), lambda: islice(samples(), first))


def quantize_mode(mode: str, float_tflite: bytes, samples: Samples) -> bytes:
    """Quantize with one of the built-in modes other than fp32."""
    from litert_quantizer import qtyping, recipe, recipe_manager  # noqa: PLC0415 - an optional dependency

    if mode == "dynamic":
        return _quantize(float_tflite, recipe.dynamic_legacy_wi8_afp32(), samples)
    if mode == "int8":
        return _quantize(float_tflite, recipe.static_wi8_ai8(), samples)
    if mode == "int16x8":
        return _quantize(float_tflite, recipe.static_wi8_ai16(), samples)
    manager = recipe_manager.RecipeManager()
    if mode == "fp16":
        manager.add_weight_only_config(
            _ALL,
            qtyping.TFLOperationName.ALL_SUPPORTED,
            num_bits=16,
            algorithm_key=recipe.AlgorithmName.FLOAT_CASTING,
        )
    elif mode == "int8-per-tensor":
        manager.add_static_config(
            _ALL,
            qtyping.TFLOperationName.ALL_SUPPORTED,
            activation_num_bits=8,
            weight_num_bits=8,
            weight_granularity=qtyping.QuantGranularity.TENSORWISE,
        )
    elif mode == "int8-symmetric":
        manager.add_quantization_config(_ALL, qtyping.TFLOperationName.ALL_SUPPORTED, _symmetric_activations(qtyping))
    else:
        raise ValueError(f"no mode {mode!r}")
    return _quantize(float_tflite, manager.get_quantization_recipe(), samples)


def _symmetric_activations(qtyping: Any) -> Any:
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(num_bits=8, symmetric=True),
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
        ),
        compute_precision=qtyping.ComputePrecision.INTEGER,
        explicit_dequantize=False,
    )


def _quantize(float_tflite: bytes, recipe: Any, samples: Samples) -> bytes:
    from litert_quantizer.quantizer import Quantizer  # noqa: PLC0415 - an optional dependency

    quantizer = Quantizer(float_tflite, recipe)
    ranges = _calibrate(quantizer, float_tflite, samples) if quantizer.need_calibration else None
    made = quantizer.quantize(ranges).quantized_model
    if made is None:
        raise ValueError("litert-quantizer returned no model")
    return bytes(made)


def _calibrate(quantizer: Any, float_tflite: bytes, samples: Samples) -> dict[str, Any]:
    """True minimum and maximum of every tensor over all samples.

    The library's own update is a moving average that depends on the order of the samples; each sample
    is therefore calibrated by itself and the ranges are merged, as the TFLiteConverter does.
    """
    from litert_quantizer.utils import qsv_utils  # noqa: PLC0415 - an optional dependency

    signature, names = _signature(float_tflite)
    merged: dict[str, Any] = {}
    for sample in samples():
        named = dict(zip(names, sample.values(), strict=True)) if len(names) == 1 else sample
        for tensor, range_ in quantizer.calibrate({signature: [named]}, num_threads=1).items():
            known = merged.get(tensor)
            merged[tensor] = qsv_utils.min_max_update(known, range_) if known and range_ else (range_ or known)
    return merged


def _signature(float_tflite: bytes) -> tuple[str, list[str]]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only in the conversion child

    signatures = Interpreter(model_content=float_tflite).get_signature_list()
    if len(signatures) != 1:
        raise ValueError(f"litert-quantizer needs a float .tflite with one signature, found {sorted(signatures)}")
    ((name, parts),) = signatures.items()
    return name, list(parts["inputs"])
