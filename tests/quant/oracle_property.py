"""The property that holds oracles and kernels together, for tests that check it and tests that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from qbench.quant.bindings import claims_exact
from qbench.quant.graph import run_graph
from qbench.tflite.reader import read_model
from quant.kernel_lab import RESOLVERS

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.quant.strategies import OperatorModel


def hold(model: OperatorModel, family: Family) -> bool:
    """Assert that the oracle is what the kernels give: to the bit where it claims so, else within one step.

    Returns whether the kernels of `family` took the model at all.
    """
    graph = read_model(model.content)
    interpreter = Interpreter(model_content=model.content, experimental_op_resolver_type=RESOLVERS[family])
    interpreter.allocate_tensors()
    if family == "xnnpack" and "DELEGATE" not in {operator["op_name"] for operator in interpreter._get_ops_details()}:
        return False
    for detail, stored in zip(interpreter.get_input_details(), model.inputs, strict=True):
        interpreter.set_tensor(detail["index"], stored)
    interpreter.invoke()
    (operator,) = graph.subgraphs[0].operators
    exact = claims_exact(graph.subgraphs[0], operator, family)
    for detail, oracle in zip(
        interpreter.get_output_details(), run_graph(graph, model.inputs, family=family), strict=True
    ):
        kernels = interpreter.get_tensor(detail["index"])
        if exact:
            np.testing.assert_array_equal(oracle, kernels)
            assert oracle.dtype == kernels.dtype
        elif kernels.dtype == np.float32:
            (scale,) = graph.subgraphs[0].tensors[operator.inputs[0]].scales
            assert np.max(np.abs(oracle - kernels), initial=0) <= scale
        else:
            assert np.max(np.abs(oracle.astype(np.int64) - kernels), initial=0) <= 1
    return True
