"""One operator, built as a `.tflite` of its own and run by the real kernels of a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from qbench.tflite.builder import Affine, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array

RESOLVERS = {
    "reference": OpResolverType.BUILTIN_REF,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.BUILTIN,
}


class Operand(NamedTuple):
    """An input of the operator: what is stored in it, and how; None for `params` if it is not quantized.

    A constant goes into the file. `dtype` ``int4`` packs two values in a byte.
    """

    stored: Array
    params: QuantizationParameters | None = None
    is_constant: bool = False
    dtype: str = ""


class Result(NamedTuple):
    """An output of the operator."""

    shape: Sequence[int]
    params: QuantizationParameters | None = None
    dtype: str = "float32"


def build_operator(
    name: str, operands: Sequence[Operand | None], results: Sequence[Result], options: Any = None, *, version: int = 1
) -> bytes:
    """The `.tflite` with this operator only; an operand of None is left out (index -1)."""
    graph = Graph()
    inputs, indices = [], []
    for number, operand in enumerate(operands):
        if operand is None:
            indices.append(-1)
        elif operand.is_constant:
            affine = _affine(operand.params)
            indices.append(graph.constant(f"constant{number}", operand.stored, affine, dtype=operand.dtype))
        else:
            dtype = operand.dtype or operand.stored.dtype.name
            indices.append(graph.tensor(f"input{number}", operand.stored.shape, dtype, _affine(operand.params)))
            inputs.append(indices[-1])
    outputs = [
        graph.tensor(
            f"output{number}",
            result.shape,
            result.params.dtype if result.params else result.dtype,
            _affine(result.params),
        )
        for number, result in enumerate(results)
    ]
    graph.operator(name, indices, outputs, options, version=version)
    return graph.build(inputs, outputs)


def run_operator(
    name: str,
    operands: Sequence[Operand | None],
    results: Sequence[Result],
    options: Any = None,
    *,
    family: Family = "reference",
    version: int = 1,
    threads: int = 1,
) -> list[Array]:
    """What the kernels of `family` give.

    With ``xnnpack``, fails if the delegate left the operator to the runtime.
    """
    content = build_operator(name, operands, results, options, version=version)
    interpreter = Interpreter(
        model_content=content, num_threads=threads, experimental_op_resolver_type=RESOLVERS[family]
    )
    interpreter.allocate_tensors()
    if family == "xnnpack":
        names = [operator["op_name"] for operator in interpreter._get_ops_details()]
        assert "DELEGATE" in names, f"XNNPACK does not take {name} with these operands: the builtin kernel would run"
    variable = [operand for operand in operands if operand is not None and not operand.is_constant]
    for detail, operand in zip(interpreter.get_input_details(), variable, strict=True):
        interpreter.set_tensor(detail["index"], operand.stored)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _affine(params: QuantizationParameters | None) -> Affine | None:
    if params is None:
        return None
    axis = params.quantized_dimension or 0
    scale = params.scale if params.is_per_channel else float(params.scale)
    points = np.unique(params.zero_point)
    assert len(points) == 1, "the builder knows one zero point for all channels"
    return Affine(scale, int(points[0]), axis)
