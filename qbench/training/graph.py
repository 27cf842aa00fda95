"""The float `.tflite` as a graph that TensorFlow can differentiate, weight by weight and tensor by tensor.

Training the file instead of the network it was converted from means that batch normalization is folded as the
converter folds it, that activations are fused where the runtime fuses them, and that each weight and each range
belongs to the very tensor of the artifact. Trained weights go back into the file to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.reader import read_model
from qbench.tflite.rewrite import with_constants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.models.datasets import Array
    from qbench.tflite.graph import Operator, Tensor

#: Operators whose second operand is weights and whose third is a bias; the dimension of the output channels.
CHANNEL_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}

#: Operators that hand on values of their input, in its scale.
KEEPS_SCALE = frozenset({"MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD"})

#: Operators that turn scores into probabilities.
PROBABILITIES = frozenset({"SOFTMAX", "LOGISTIC"})


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights or bias of one operator: its tensor in the file, and the dimension of its channels."""

    tensor: int
    operator: int
    axis: int
    is_bias: bool


class TrainingGraph:
    """The main subgraph of a float `.tflite`, with its weights and biases as values that can be trained.

    Parameters
    ----------
    content
        The file. Its first dimension is that of examples, whatever size it states.

    Raises
    ------
    ValueError
        If it holds an operator that cannot be trained here.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        model = read_model(content)
        if len(model.subgraphs) != 1:
            raise ValueError("training needs a model without loops and branches, found several subgraphs")
        self.subgraph = model.subgraphs[0]
        self.parameters = tuple(self._parameters())

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors of the file."""
        return self.subgraph.tensors

    @property
    def weight_tensors(self) -> frozenset[int]:
        """Tensors that are weights, not biases."""
        return frozenset(each.tensor for each in self.parameters if not each.is_bias)

    def named_inputs(self) -> dict[str, int]:
        """Input tensors by their names in the model's signature, or by those of the tensors if it has none."""
        model = schema.ModelT.InitFromPackedBuf(self._content, 0)
        if not model.signatureDefs:
            return {self.tensors[index].name: index for index in self.subgraph.inputs}
        return {end.name.decode(): end.tensorIndex for end in model.signatureDefs[0].inputs}

    def initial(self, parameter: Weights) -> Array:
        """Values of weights or a bias in the file, in its layout."""
        constant = self.tensors[parameter.tensor].constant()
        if constant is None:
            raise ValueError(f"the weights {self.tensors[parameter.tensor].name!r} are not in the file")
        return np.array(constant)

    def with_values(self, values: Mapping[int, Array]) -> bytes:
        """The file with other weights and biases, by tensor; nothing else in it changes."""
        return with_constants(self._content, values)

    def run(
        self, inputs: Mapping[int, Any], parameters: Mapping[int, Any], observe: Callable[[int, Any], Any]
    ) -> dict[int, Any]:
        """Compute all tensors.

        Parameters
        ----------
        inputs, parameters
            TensorFlow values by tensor.
        observe
            Called with each tensor of float32 that is computed (inputs too) and its value; what it returns is
            what operators read.
        """
        values = {index: observe(index, value) for index, value in inputs.items()}
        for operator in self.subgraph.operators:
            (output, *_) = operator.outputs
            if self.tensors[output].dtype != "float32":
                continue  # Computes the shape for a RESHAPE, whose result is known.
            operands = [self._operand(index, values, parameters) for index in operator.inputs]
            values[output] = observe(output, _compute(operator, operands, self.tensors[output]))
        return values

    def producer(self, tensor: int) -> Operator | None:
        """The operator that makes a tensor; None for inputs and constants."""
        return next((item for item in self.subgraph.operators if tensor in item.outputs), None)

    def _operand(self, index: int, values: Mapping[int, Any], parameters: Mapping[int, Any]) -> Any:
        if index in values:
            return values[index]
        if index in parameters:
            return parameters[index]
        return None if index < 0 else self.tensors[index].constant()

    def _parameters(self) -> list[Weights]:
        found: dict[int, Weights] = {}
        for number, operator in enumerate(self.subgraph.operators):
            if self.tensors[operator.outputs[0]].dtype == "float32" and operator.name not in _COMPUTE:
                raise ValueError(
                    f"training cannot compute the operator {operator.name}, which makes "
                    f"{self.tensors[operator.outputs[0]].name!r}; it can: {', '.join(sorted(_COMPUTE))}"
                )
            axis = CHANNEL_AXES.get(operator.name)
            if axis is None:
                continue
            for position, index in enumerate(operator.inputs[1:3]):
                if index >= 0 and self.tensors[index].constant() is not None:
                    is_bias = position == 1
                    item = Weights(tensor=index, operator=number, axis=0 if is_bias else axis, is_bias=is_bias)
                    found.setdefault(index, item)
        return list(found.values())


def _compute(operator: Operator, operands: list[Any], output: Tensor) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - seconds to import, and only in the conversion child

    made = _COMPUTE[operator.name](tf, operator.options, operands, output)
    return _activate(tf, operator.options.get("fused_activation_function", "NONE"), made)


def _activate(tf: Any, name: str, value: Any) -> Any:
    if name == "NONE":
        return value
    functions = {
        "RELU": tf.nn.relu,
        "RELU6": tf.nn.relu6,
        "RELU_N1_TO_1": lambda real: tf.clip_by_value(real, -1.0, 1.0),
        "TANH": tf.tanh,
    }
    if name not in functions:
        raise ValueError(f"training cannot compute the activation {name}")
    return functions[name](value)


def _strides(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"strides": (1, options["stride_h"], options["stride_w"], 1), "padding": options["padding"]}


def _conv(tf: Any, options: Mapping[str, Any], operands: list[Any], _: Tensor) -> Any:
    kernel = tf.transpose(operands[1], (1, 2, 3, 0))
    dilations = (1, options["dilation_h_factor"], options["dilation_w_factor"], 1)
    return _plus(tf.nn.conv2d(operands[0], kernel, **_strides(options), dilations=dilations), operands)


def _depthwise(tf: Any, options: Mapping[str, Any], operands: list[Any], _: Tensor) -> Any:
    height, width, channels = operands[1].shape[1:]
    kernel = tf.reshape(operands[1], (height, width, operands[0].shape[3], channels // operands[0].shape[3]))
    dilations = (options["dilation_h_factor"], options["dilation_w_factor"])
    return _plus(tf.nn.depthwise_conv2d(operands[0], kernel, **_strides(options), dilations=dilations), operands)


def _dense(tf: Any, options: Mapping[str, Any], operands: list[Any], _: Tensor) -> Any:
    value, weights = operands[:2]
    if not options["keep_num_dims"]:
        value = tf.reshape(value, (-1, weights.shape[1]))
    return _plus(tf.linalg.matmul(value, weights, transpose_b=True), operands)


def _plus(value: Any, operands: list[Any]) -> Any:
    bias = operands[2] if len(operands) > 2 else None  # noqa: PLR2004 - input, weights, bias
    return value if bias is None else value + bias


def _pool(tf: Any, options: Mapping[str, Any], operands: list[Any], kind: str) -> Any:
    window = (options["filter_height"], options["filter_width"])
    strides = (options["stride_h"], options["stride_w"])
    return tf.nn.pool(operands[0], window, kind, strides=strides, padding=options["padding"])


#: (tensorflow, options, operands, output tensor) -> value, by operator; a fused activation comes on top.
_COMPUTE: dict[str, Callable[[Any, Mapping[str, Any], list[Any], Tensor], Any]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": lambda _tf, _options, operands, _: operands[0] + operands[1],
    "SUB": lambda _tf, _options, operands, _: operands[0] - operands[1],
    "MUL": lambda _tf, _options, operands, _: operands[0] * operands[1],
    "MAX_POOL_2D": lambda tf, options, operands, _: _pool(tf, options, operands, "MAX"),
    "AVERAGE_POOL_2D": lambda tf, options, operands, _: _pool(tf, options, operands, "AVG"),
    "MEAN": lambda tf, options, operands, _: tf.reduce_mean(
        operands[0], axis=[int(axis) for axis in np.ravel(operands[1])], keepdims=options["keep_dims"]
    ),
    "RESHAPE": lambda tf, _options, operands, output: tf.reshape(operands[0], (-1, *output.shape[1:])),
    "SQUEEZE": lambda tf, _options, operands, output: tf.reshape(operands[0], (-1, *output.shape[1:])),
    "EXPAND_DIMS": lambda tf, _options, operands, output: tf.reshape(operands[0], (-1, *output.shape[1:])),
    "PAD": lambda tf, _options, operands, _: tf.pad(operands[0], operands[1]),
    "CONCATENATION": lambda tf, options, operands, _: tf.concat(operands, axis=options["axis"]),
    "RELU": lambda tf, _options, operands, _: tf.nn.relu(operands[0]),
    "RELU6": lambda tf, _options, operands, _: tf.nn.relu6(operands[0]),
    "SOFTMAX": lambda tf, options, operands, _: tf.nn.softmax(operands[0] * options["beta"]),
    "LOGISTIC": lambda tf, _options, operands, _: tf.sigmoid(operands[0]),
    "TANH": lambda tf, _options, operands, _: tf.tanh(operands[0]),
}
