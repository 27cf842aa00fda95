"""Generated models, run by the real kernels."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from qbench.tflite.reader import read_model

FAMILIES = {
    "reference": OpResolverType.BUILTIN_REF,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.BUILTIN,
}


def run(model, family="reference"):
    """The stored output of a model on its inputs, and the interpreter's description of it."""
    interpreter = Interpreter(model_content=model.content, experimental_op_resolver_type=FAMILIES[family])
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), model.inputs, strict=True):
        assert array.dtype == detail["dtype"]
        assert array.shape == tuple(detail["shape"])
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    (detail,) = interpreter.get_output_details()
    return interpreter.get_tensor(detail["index"]), detail


def written_shape(model):
    """The shape of the output that the file says; the runtime finds its own."""
    (subgraph,) = read_model(model.content).subgraphs
    return tuple(subgraph.tensors[subgraph.outputs[0]].shape)


def saturates(output):
    """Where stored values are the ends of their type."""
    limits = np.iinfo(output.dtype)
    return (output == limits.min) | (output == limits.max)
