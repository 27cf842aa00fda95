"""Recipes by way of litert-quantizer, which works on a float `.tflite` without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.conversion.activation_values import signature
from qbench.conversion.calibrated_ranges import CalibratedRanges
from qbench.conversion.quantizer_rules import quantizer_rules
from qbench.models.quantization import Quantization
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.conversion.activation_values import Samples

    Ranges = Callable[[], CalibratedRanges]

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
    return _quantize(float_tflite, make(), lambda quantizer: _calibrate(quantizer, float_tflite, samples))


def quantize_by_choice(choices: Quantization, float_tflite: bytes, ranges: Ranges) -> bytes:
    """Quantize as `choices` say; `ranges` gives those of the same model, and is called only if they are needed.

    Raises
    ------
    ValueError
        If the model has nothing that could be quantized so, or an operator that shall stay float is not there.
    """
    return _quantize(float_tflite, quantizer_rules(choices, float_tflite), lambda _: ranges().find(choices))


def quantize_with_ranges(choices: Quantization, float_tflite: bytes, ranges: dict[str, Any]) -> bytes:
    """Quantize as `choices` say with ranges by tensor that are known already, in litert-quantizer's form.

    Raises
    ------
    ValueError
        As `quantize_by_choice`.
    """
    return _quantize(float_tflite, quantizer_rules(choices, float_tflite), lambda _: ranges)


def quantize_mode(mode: str, float_tflite: bytes, samples: Samples, ranges: Ranges | None = None) -> bytes:
    """Quantize with one of the built-in modes other than fp32, and with true minima and maxima over all samples.

    `ranges` of the same model and samples spare finding them again.
    """

    def find(quantizer: Any) -> dict[str, Any]:
        if len(read_model(float_tflite).subgraphs) > 1:
            # Inside a loop only the library's own calibration follows.
            return _calibrate(quantizer, float_tflite, samples)
        return (ranges() if ranges else CalibratedRanges(float_tflite, samples)).find(Quantization())

    return _quantize(float_tflite, _mode_rules(mode), find)


def _mode_rules(mode: str) -> Any:
    """A recipe of litert-quantizer that does what a built-in mode says."""
    from litert_quantizer import qtyping, recipe, recipe_manager  # noqa: PLC0415 - an optional dependency

    if mode == "dynamic":
        return recipe.dynamic_legacy_wi8_afp32()
    if mode == "int8":
        return recipe.static_wi8_ai8()
    if mode == "int16x8":
        return recipe.static_wi8_ai16()
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
    return manager.get_quantization_recipe()


def _symmetric_activations(qtyping: Any) -> Any:
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(num_bits=8, symmetric=True),
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
        ),
        compute_precision=qtyping.ComputePrecision.INTEGER,
        explicit_dequantize=False,
    )


def _quantize(float_tflite: bytes, recipe: Any, find: Callable[[Any], dict[str, Any]]) -> bytes:
    """Carry a recipe of litert-quantizer out; `find` gives the ranges of activations if it needs them."""
    from litert_quantizer.quantizer import Quantizer  # noqa: PLC0415 - an optional dependency

    from qbench.conversion.biases import with_fitting_biases  # noqa: PLC0415 - loads the runtime

    quantizer = Quantizer(float_tflite, recipe)
    ranges = find(quantizer) if quantizer.need_calibration else None
    made = quantizer.quantize(ranges, enable_progress_report=False).quantized_model
    if made is None:
        raise ValueError("litert-quantizer returned no model")
    return with_fitting_biases(bytes(made), float_tflite)


def _calibrate(quantizer: Any, float_tflite: bytes, samples: Samples) -> dict[str, Any]:
    """True minimum and maximum of every tensor over all samples.

    The library's own update is a moving average that depends on the order of the samples; each sample
    is therefore calibrated by itself and the ranges are merged, as the TFLiteConverter does.
    """
    from litert_quantizer.utils import qsv_utils  # noqa: PLC0415 - an optional dependency

    key, names = signature(float_tflite)
    merged: dict[str, Any] = {}
    for sample in samples():
        named = dict(zip(names, sample.values(), strict=True)) if len(names) == 1 else sample
        for tensor, range_ in quantizer.calibrate({key: [named]}, num_threads=1).items():
            known = merged.get(tensor)
            merged[tensor] = qsv_utils.min_max_update(known, range_) if known and range_ else (range_ or known)
    return merged
