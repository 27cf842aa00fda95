"""Chains of QUANTIZE and DEQUANTIZE, run by the real kernels of a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qbench.tflite.builder import Graph
from quant.kernel_lab import RESOLVERS, _affine

if TYPE_CHECKING:
    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array


def convert(values: Array, *stations: QuantizationParameters | None, family: Family) -> list[Array]:
    """What `values` become at each station of ``real -> ... -> ...``, all in one graph.

    Parameters
    ----------
    values
        float32, or stored values of the first station.
    stations
        Parameters of each tensor, None where it is of real values. If `values` are stored, the first is theirs.
    family
        Kernels to run; ``xnnpack`` fails if the delegate left an operator of 8 bits to the runtime.

    Returns
    -------
    list of arrays
        The values at each station but one that `values` are of.
    """
    path = list(stations) if values.dtype != "float32" else [None, *stations]
    graph = Graph()
    tensors = [
        graph.tensor(f"t{place}", values.shape, params.dtype if params else "float32", _affine(params))
        for place, params in enumerate(path)
    ]
    for source, target, params in zip(tensors, tensors[1:], path[1:], strict=False):
        name = "QUANTIZE" if params else "DEQUANTIZE"
        options = schema.QuantizeOptionsT() if params else schema.DequantizeOptionsT()
        graph.operator(name, [source], [target], options, version=2)
    interpreter = Interpreter(
        model_content=graph.build(tensors[:1], tensors[1:]), experimental_op_resolver_type=RESOLVERS[family]
    )
    interpreter.allocate_tensors()
    if family == "xnnpack" and not any(params and params.dtype == "int16" for params in path):
        (delegated,) = [step for step in interpreter._get_ops_details() if step["op_name"] == "DELEGATE"]
        assert len(delegated["outputs"]) == len(path) - 1
    interpreter.set_tensor(tensors[0], values)
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in tensors[1:]]
