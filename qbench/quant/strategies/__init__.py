"""Hypothesis strategies for quantized tensors and models: to test the specification, oracles, and your own kernels."""

from qbench.quant.strategies.graphs import GraphModel, graph_models
from qbench.quant.strategies.models import OPERATORS, OperatorModel, operator_models
from qbench.quant.strategies.parameters import multipliers, quantization_parameters, ranges
from qbench.quant.strategies.reals import calibration_sets, real_arrays
from qbench.quant.strategies.stored import channel_weights, quantized_arrays, stored_arrays

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
