"""Faulty artifacts of `mnist-dscnn`, one for each kind of fault, made of what is committed and without TensorFlow.

Faults of an artifact are set in the accepted int8 file; faults of a calibration and of the float weights go through
litert-quantizer.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.data import mnist
from qbench.conversion.quantizer import quantize_mode
from qbench.models.datasets import Dataset
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.tflite.graph import Array

_BASELINES = Path(__file__).parents[2] / "baselines"
_MODEL = "mnist-dscnn"
#: Enough for the ranges of MNIST, and quick.
_CALIBRATION_EXAMPLES = 48

#: Places in `mnist-dscnn`: pairs of depthwise and pointwise convolutions with ReLU6, MEAN, FULLY_CONNECTED, SOFTMAX.
DEPTHWISE, POINTWISE, SPREAD_DEPTHWISE, MEAN = 5, 6, 7, 9


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An artifact, what is wrong with it, and who should be named.

    Parameters
    ----------
    causes
        Names that the first finding may have.
    operator
        The guilty operator's place in the artifact; None if it is the model as a whole.
    """

    content: bytes
    float_content: bytes
    dataset: Dataset
    causes: tuple[str, ...]
    operator: int | None = None
    changed: dict[str, Any] = field(default_factory=dict)


@cache
def committed(recipe: str, model: str = _MODEL) -> bytes:
    """The accepted artifact of a model and recipe of this repository."""
    accepted = json.loads((_BASELINES / model / f"{recipe}.json").read_bytes())
    return (_BASELINES / "artifacts" / f"{accepted['artifact']['sha256']}.tflite").read_bytes()


@cache
def digits(examples: int = 1500) -> Dataset:
    """The first MNIST test images in real values from 0 to 1, and calibration examples."""
    whole = mnist()
    assert whole.labels is not None
    return Dataset(
        inputs=whole.real_values(whole.input_arrays[""][:examples]),
        labels=whole.labels[:examples],
        calibration=whole.real_values(whole.calibration_arrays[""]),
        name="mnist",
    )


def healthy(model: str = _MODEL, recipe: str = "int8") -> Fault:
    """Nothing is wrong with it."""
    return Fault(content=committed(recipe, model), float_content=committed("fp32", model), dataset=digits(), causes=())


def saturated_weights(operator: int = POINTWISE, factor: int = 6) -> Fault:
    """Stored weights of one layer multiplied, so that most lie beyond what int8 can hold."""
    model = _read(committed("int8"))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[operator].inputs[1]]
    stored = _constant(model, tensor, np.int8).astype(np.int32)
    _store(model, tensor, np.clip(stored * factor, -127, 127).astype(np.int8))
    return replace(healthy(), content=_written(model), causes=("weights differ",), operator=operator)


def unequal_channels(operator: int = POINTWISE, factor: float = 200.0) -> Fault:
    """A float model that computes the same, with one channel scaled down before `operator` and up in it.

    Batch normalization leaves such channels behind. Each output channel of the operator has one scale for its
    weights, which the one large weight then takes for itself.
    """
    model = _read(committed("fp32"))
    graph = model.subgraphs[0]
    before, after = graph.operators[operator - 1], graph.operators[operator]
    channel = _never_at_six(operator - 1)
    for tensor in (graph.tensors[index] for index in before.inputs[1:3]):
        _store(model, tensor, _scaled(_constant(model, tensor, np.float32), channel, 1 / factor))
    weights = graph.tensors[after.inputs[1]]
    _store(model, weights, _scaled(_constant(model, weights, np.float32), channel, factor))
    changed = _written(model)
    return replace(
        healthy(),
        content=_quantized(changed, _calibration()),
        float_content=changed,
        causes=("unequal channels",),
        operator=operator,
    )


def shifted_zero_point(operator: int = POINTWISE, by: int = 96) -> Fault:
    """The zero point of one activation moved: as many steps as before, of which many lie where no value is."""
    model = _read(committed("int8"))
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[operator].outputs[0]].quantization.zeroPoint = [by - 128]
    return replace(healthy(), content=_written(model), causes=("zero point",), operator=operator)


def constant_calibration() -> Fault:
    """Calibrated on one grey image, again and again."""
    images = np.full_like(_calibration(), 0.5)
    return _calibrated_on(images, causes=("calibration differs",))


def wrong_normalisation(scale: float, shift: float) -> Fault:
    """Calibrated on ``scale * image + shift`` of images from 0 to 1."""
    return _calibrated_on(_calibration() * np.float32(scale) + np.float32(shift), causes=("calibration differs",))


def per_tensor(operator: int = SPREAD_DEPTHWISE) -> Fault:
    """One operator whose weights have one scale for all channels, as an exporter's setting makes it."""
    model = _read(committed("int8"))
    graph = model.subgraphs[0]
    operands = graph.operators[operator].inputs
    weights, bias = graph.tensors[operands[1]], graph.tensors[operands[2]]
    real = _real(model, weights, np.int8)
    scale = float(np.abs(real).max() / 127)
    _store(model, weights, np.rint(real / scale).astype(np.int8))
    input_scale = graph.tensors[operands[0]].quantization.scale[0]
    _store(model, bias, np.rint(_real(model, bias, np.int32) / (input_scale * scale)).astype(np.int32))
    for tensor, each in ((weights, scale), (bias, input_scale * scale)):
        tensor.quantization = schema.QuantizationParametersT(scale=[each], zeroPoint=[0])
    return replace(healthy(), content=_written(model), causes=("weights per tensor",), operator=operator)


def rescaled_output(operator: int = POINTWISE, factor: float = 3.0) -> Fault:
    """The scale of one activation changed, and no bias stored anew: who reads it adds a bias that is as much larger."""
    model = _read(committed("int8"))
    graph = model.subgraphs[0]
    parameters = graph.tensors[graph.operators[operator].outputs[0]].quantization
    parameters.scale = [float(parameters.scale[0]) * factor]
    return replace(healthy(), content=_written(model), causes=("bias scale",), operator=operator + 1)


def swapped_scales(operator: int = 4, other: int = 10) -> Fault:
    """The scales of two activations swapped: a range that is too wide, and behind it a bias that is too large."""
    model = _read(committed("int8"))
    graph = model.subgraphs[0]
    one, two = (graph.tensors[graph.operators[each].outputs[0]].quantization for each in (operator, other))
    one.scale, two.scale = two.scale, one.scale
    return replace(healthy(), content=_written(model), causes=("bias scale",), operator=operator + 1)


def other_option(operator: int, **changed: int) -> Fault:
    """One operator with options that the float model's has not; fields and numbers are those of the schema's classes.

    Shapes of tensors stay as they are in the file.
    """
    model = _read(committed("int8"))
    options = model.subgraphs[0].operators[operator].builtinOptions
    for name, value in changed.items():
        setattr(options, name, value)
    return replace(healthy(), content=_written(model), causes=("options differ",), operator=operator)


def with_output_scale(content: bytes, operator: int, factor: float) -> bytes:
    """An artifact in which one activation's scale is changed, and the bias of who reads it stored for that."""
    model = _read(content)
    graph = model.subgraphs[0]
    parameters = graph.tensors[graph.operators[operator].outputs[0]].quantization
    parameters.scale = [float(parameters.scale[0]) * factor]
    bias = graph.tensors[graph.operators[operator + 1].inputs[2]]
    _store(model, bias, np.rint(_constant(model, bias, np.int32) / factor).astype(np.int32))
    bias.quantization.scale = [float(scale) * factor for scale in bias.quantization.scale]
    return _written(model)


def with_bias(content: bytes, operator: int, *, record: float = 1.0, limit: int | None = None) -> bytes:
    """An artifact in which the bias of one operator is recorded with another scale, or one channel is at a limit.

    Parameters
    ----------
    record
        What the recorded scale is multiplied by; what is stored stays.
    limit
        The channel of which the largest int32 is stored, with scales that make it a quarter of the bias before.
    """
    model = _read(content)
    graph = model.subgraphs[0]
    weights, bias = (graph.tensors[index] for index in graph.operators[operator].inputs[1:3])
    stored = _constant(model, bias, np.int32).copy()
    if limit is not None:
        shrunk = abs(int(stored[limit])) / (4 * np.iinfo(np.int32).max)
        for tensor in (weights, bias):
            scales = np.array(tensor.quantization.scale)
            scales[limit] *= shrunk
            tensor.quantization.scale = scales.tolist()
        stored[limit] = np.sign(stored[limit]) * np.iinfo(np.int32).max
        _store(model, bias, stored)
    bias.quantization.scale = [float(scale) * record for scale in bias.quantization.scale]
    return _written(model)


def with_constant(content: bytes, operator: int, operand: int, values: Array) -> bytes:
    """An artifact with another constant for one operand of one operator, of the same dtype."""
    model = _read(content)
    graph = model.subgraphs[0]
    _store(model, graph.tensors[graph.operators[operator].inputs[operand]], values)
    return _written(model)


def of_other_weights(recipe: str = "fp16") -> bytes:
    """A float artifact of a model of the same structure whose weights are others."""
    model = _read(committed(recipe))
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        dtype = {schema.TensorType.FLOAT16: np.float16, schema.TensorType.FLOAT32: np.float32}.get(tensor.type)
        if data is not None and dtype is not None:
            _store(model, tensor, -_constant(model, tensor, dtype))
    return _written(model)


def off_the_delegate(operator: int = DEPTHWISE) -> Fault:
    """A bias without quantization parameters: the kernels do not need them, and XNNPACK refuses the operator."""
    model = _read(committed("int8"))
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[operator].inputs[2]].quantization = None
    return replace(healthy(), content=_written(model), causes=("off the delegate",), operator=operator)


def not_a_number(operator: int = POINTWISE) -> Fault:
    """A float artifact with one weight that is NaN."""
    model = _read(committed("fp32"))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[operator].inputs[1]]
    weights = _constant(model, tensor, np.float32).copy()
    weights.flat[0] = np.nan
    _store(model, tensor, weights)
    return replace(healthy(), content=_written(model), causes=("not finite",), operator=operator)


def with_weight_zero_point(content: bytes, operator: int, zero_point: int) -> bytes:
    """An artifact in which the weights of one operator have a zero point, which the specification forbids."""
    model = _read(content)
    parameters = model.subgraphs[0].tensors[model.subgraphs[0].operators[operator].inputs[1]].quantization
    parameters.zeroPoint = [zero_point] * len(parameters.scale)
    return _written(model)


def output_of(content: bytes, operator: int) -> str:
    """Name of the output of an operator."""
    graph = read_model(content).subgraphs[0]
    return graph.tensors[graph.operators[operator].outputs[0]].name


def _calibrated_on(images: Array, causes: tuple[str, ...]) -> Fault:
    dataset = digits()
    given = Dataset(inputs=dataset.inputs, labels=dataset.labels, calibration=images, name="mnist")
    content = _quantized(committed("fp32"), images)
    return Fault(content=content, float_content=committed("fp32"), dataset=given, causes=causes)


def _calibration() -> Array:
    return digits().calibration_arrays[""][:_CALIBRATION_EXAMPLES]


def _quantized(float_content: bytes, images: Array) -> bytes:
    def samples() -> Iterator[dict[str, Array]]:
        return ({"x": image[np.newaxis]} for image in images)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns of its own use of the interpreter, and of values cast.
        return quantize_mode("int8", float_content, samples)


def _never_at_six(operator: int) -> int:
    """A channel of a ReLU6 output that is alive and stays below 6, so that it can be scaled down and up again."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - heavy, and for one fault

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns that keeping all tensors is for debugging.
        interpreter = Interpreter(model_content=committed("fp32"), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    graph = read_model(committed("fp32")).subgraphs[0]
    most = None
    for image in _calibration():
        interpreter.set_tensor(graph.inputs[0], image[np.newaxis])
        interpreter.invoke()
        found = interpreter.get_tensor(graph.operators[operator].outputs[0]).max(axis=(0, 1, 2))
        most = found if most is None else np.maximum(most, found)
    assert most is not None
    return int(np.argmax(np.where(most < 5.5, most, -1)))


def _scaled(values: Array, channel: int, factor: float) -> Array:
    scaled = values.copy()
    scaled[..., channel] *= np.float32(factor)
    return scaled


def _real(model: Any, tensor: Any, dtype: type) -> Array:
    """float64 values of a quantized constant, whose scales are those of its quantized dimension."""
    stored = _constant(model, tensor, dtype)
    shape = [1] * stored.ndim
    shape[tensor.quantization.quantizedDimension] = -1
    return stored * np.reshape(np.asarray(tensor.quantization.scale, np.float64), shape)


def _read(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def _written(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _constant(model: Any, tensor: Any, dtype: type) -> Array:
    return np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(dtype).reshape(tensor.shape)


def _store(model: Any, tensor: Any, values: Array) -> None:
    """Give a tensor a constant of its own: converters share equal ones."""
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    tensor.buffer = len(model.buffers) - 1
