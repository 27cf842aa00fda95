"""Evidence as a diagnosis has it, made up: chains of operators, errors of a healthy one, and what differs from that."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbench.diagnose.evidence.records import InputReport, WeightReport
from qbench.diagnose.operators.records import OperatorReport, TensorError
from qbench.diagnose.records import Diagnosis
from qbench.records import Subject
from qbench.tflite.graph import Operator, Subgraph, Tensor

#: What int8 tensors of the chains represent: 0 to 6 in 255 steps.
SCALE, ZERO_POINT = 6 / 255, -128
EXAMPLES = 100


def tensor(name: str, dtype: str = "int8", scale: float = SCALE, zero_point: int = ZERO_POINT) -> Tensor:
    """An activation."""
    return Tensor(
        name=name,
        dtype=dtype,
        shape=(1, 4),
        signature=(1, 4),
        scales=np.array([scale], np.float32),
        zero_points=np.array([zero_point], np.int64),
        quantized_dimension=0,
        stored_bytes=None,
        data=None,
        storage=("buffer", 0),
        is_variable=False,
        is_sparse=False,
    )


def chain(length: int = 3, **changed: Tensor) -> Subgraph:
    """`length` convolutions one behind the other; tensors `t0` (the input) to `t<length>`, some `changed`."""
    tensors = tuple(changed.get(f"t{index}", tensor(f"t{index}")) for index in range(length + 1))
    operators = tuple(Operator(name="CONV_2D", inputs=(index,), outputs=(index + 1,)) for index in range(length))
    return Subgraph(tensors=tensors, operators=operators, inputs=(0,), outputs=(length,))


def error(**changed: Any) -> TensorError:
    """The error of a healthy operator."""
    healthy: dict[str, Any] = {
        "values": 1000,
        "rmse": 0.007,
        "mean_error": 0.0,
        "rmse_in_steps": 0.3,
        "mean_error_in_steps": 0.0,
        "max_error_in_steps": 1.0,
        "sqnr_db": 42.0,
        "saturated": 0.0,
        "range_use": 1.0,
        "channels": 16,
        "dead_channels": 0,
        "not_finite": 0,
        "float_not_finite": 0,
        "float_low": 0.0,
        "float_high": 6.0,
    }
    return TensorError(**{**healthy, **changed})


def report(number: int, *, flips_alone: int | None = 0, **changed: Any) -> OperatorReport:
    """An operator of a chain, healthy but for what is `changed`."""
    return OperatorReport(
        number=number,
        operator="CONV_2D int8",
        output=f"t{number + 1}",
        float_number=number,
        float_output=f"t{number + 1}",
        isolated=error(**changed),
        cumulative=error(**changed),
        flips_alone=flips_alone,
    )


def weights(number: int, **changed: Any) -> WeightReport:
    """Weights of an operator that lost no more than rounding takes."""
    healthy: dict[str, Any] = {
        "number": number,
        "operator": "CONV_2D int8",
        "weights": f"w{number}",
        "float_weights": f"w{number}",
        "rmse_in_steps": 0.29,
        "max_error_in_steps": 0.5,
        "worst_channel_sqnr_db": 42.0,
        "per_tensor": False,
        "channel_spread": 2.0,
    }
    return WeightReport(**{**healthy, **changed})


def fed(**changed: Any) -> InputReport:
    """An input whose calibration, range and evaluation are of one kind."""
    healthy: dict[str, Any] = {
        "name": "x",
        "low": 0.0,
        "high": 1.0,
        "mean": 0.13,
        "deviation": 0.3,
        "calibration_low": 0.0,
        "calibration_high": 1.0,
        "calibration_mean": 0.12,
        "represents_low": 0.0,
        "represents_high": 1.0,
    }
    return InputReport(**{**healthy, **changed})


def diagnosis(**changed: Any) -> Diagnosis:
    """A healthy diagnosis of a chain of three, but for what is `changed`."""
    healthy: dict[str, Any] = {
        "subject": Subject(model="net", recipe="int8"),
        "examples": EXAMPLES,
        "flips": 1,
        "evaluated": 1000,
        "evaluated_flips": 1,
        "inputs": (fed(),),
        "operators": tuple(report(number) for number in range(3)),
        "weights": tuple(weights(number) for number in range(3)),
    }
    return Diagnosis(**{**healthy, **changed})
