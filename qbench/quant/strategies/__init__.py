"""Hypothesis strategies for quantized tensors and models: to test the specification, oracles, and your own kernels."""

from qbench.quant.strategies.arrays import (
    calibration_sets,
    channel_weights,
    quantized_arrays,
    real_arrays,
    stored_arrays,
)
from qbench.quant.strategies.graphs import GraphModel, graph_models
from qbench.quant.strategies.models import OPERATORS, OperatorModel, operator_models
from qbench.quant.strategies.parameters import multipliers, quantization_parameters, ranges

__all__ = [
    "OPERATORS",
    "GraphModel",
    "OperatorModel",
    "calibration_sets",
    "channel_weights",
    "graph_models",
    "multipliers",
    "operator_models",
    "quantization_parameters",
    "quantized_arrays",
    "ranges",
    "real_arrays",
    "stored_arrays",
]
