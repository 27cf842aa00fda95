"""Hypothesis strategies for quantized tensors and models."""

from qbench.quant.strategies.models import OPERATORS, OperatorModel, operator_models
from qbench.quant.strategies.parameters import multipliers, quantization_parameters, ranges

__all__ = [
    "OPERATORS",
    "OperatorModel",
    "multipliers",
    "operator_models",
    "quantization_parameters",
    "ranges",
]
