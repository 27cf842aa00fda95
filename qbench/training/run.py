"""Pruning and quantization-aware training of a float `.tflite`, by TensorFlow in the conversion child.

Training has three parts. First weights are pruned, ever more of them, and what was pruned may come back while it
lasts; ranges follow what they see. Then everything that decides how values are stored is settled: masks, ranges of
activations, bounds of weights. The rest of the time weights learn to live with that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.training.channels import without_channels
from qbench.training.fake_quantization import ActivationRange, ranges_to_hand_over
from qbench.training.graph import KEEPS_SCALE, PROBABILITIES, TrainingGraph
from qbench.training.pruning import masks_of, scheduled
from qbench.training.weights import quantized_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.models.datasets import Array
    from qbench.models.quantization import Quantization
    from qbench.models.training import Training
    from qbench.models.training_set import Lesson
    from qbench.quant.parameters import QuantizationParameters

#: Parts of all steps at which pruning has reached its share, and at which masks and ranges are settled.
_PRUNED, _SETTLED = 0.4, 0.65
#: Steps from one choice of masks, bounds and scales to the next.
_INTERVAL = 40
#: Of a moving average of extremes, for each step.
_MEMORY = 0.98


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model.

    Parameters
    ----------
    content
        The float `.tflite` with trained weights, pruned ones 0.
    parameters
        How activations were rounded in training, by the tensor's name; empty without quantization-aware training.
    ranges
        The same as ranges for litert-quantizer.
    """

    content: bytes
    parameters: Mapping[str, QuantizationParameters]
    ranges: Mapping[str, Any]


def train(
    content: bytes, training: Training, lesson: Lesson, choices: Quantization | None, ranges: Mapping[str, Any]
) -> Trained:
    """Train the float `.tflite` `content`.

    Parameters
    ----------
    choices
        How it will be quantized; None for not at all, or if that is not to be known in training.
    ranges
        Ranges of activations to begin with, by the tensor's name, as calibration found them; needed where `choices`
        quantize activations.

    Raises
    ------
    ValueError
        If the model has operators that cannot be trained, or labels and outputs do not fit together.
    """
    import tensorflow as tf  # noqa: PLC0415 - seconds to import, and only in the conversion child

    # One machine trains the same weights twice.
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(training.seed)
    run = _Run(content, training, lesson, choices if training.quantization_aware else None, ranges)
    run.go()
    return run.result()


class _Run:
    """One training, with everything that changes in it."""

    def __init__(
        self,
        content: bytes,
        training: Training,
        lesson: Lesson,
        choices: Quantization | None,
        ranges: Mapping[str, Any],
    ) -> None:
        import tensorflow as tf  # noqa: PLC0415 - imported by `train` already

        self._tf = tf
        self._training, self._lesson = training, lesson
        if training.channel_sparsity:
            content = without_channels(content, training.channel_sparsity)
        self._graph = TrainingGraph(content)
        self._weights, self._biases = quantized_weights(self._graph, choices, training.weight_levels)
        self._activations = {} if choices is None else _activation_ranges(self._graph, choices, ranges)
        self._variables = [each.variable for each in self._weights] + list(self._biases.values())
        # A network that has just lost weights learns to do without them before it learns to be coarse.
        loses = training.sparsity or training.channel_sparsity or training.weight_levels
        self._rounds_from = _PRUNED if loses else 0.0
        self._steps = max(1, training.epochs * len(lesson.labels) // training.batch_size)
        self._rate = tf.Variable(0.0)
        self._moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in self._variables]
        self._inputs = _input_tensors(self._graph, lesson)
        # Nothing in it depends on values: autograph, which reads source files, has nothing to do.
        self._step = tf.function(self._one_step, autograph=False)

    def go(self) -> None:
        """Take all steps."""
        size, order = self._training.batch_size, np.random.default_rng(self._training.seed)
        chosen: Array = np.empty(0, np.int64)
        settled = int(self._steps * _SETTLED)
        for number in range(self._steps):
            while len(chosen) < size:
                chosen = np.concatenate([chosen, order.permutation(len(self._lesson.labels))])
            batch, chosen = np.sort(chosen[:size]), chosen[size:]
            progress = number / self._steps
            if number == settled:
                self._choose(1.0)
            elif number < settled and number % _INTERVAL == 0:
                self._choose(progress / _PRUNED)
            self._rate.assign(self._training.learning_rate * (1 + np.cos(np.pi * progress)) / 2)
            self._step(
                {index: self._lesson.real(array[batch]) for index, array in self._inputs.items()},
                self._lesson.labels[batch],
                np.float32(number + 1),
                growing=number < settled,
                rounding=progress >= self._rounds_from,
            )

    def result(self) -> Trained:
        """The file with what was learned."""
        values = {each.parameter.tensor: each.written().numpy() for each in self._weights}
        values |= {index: variable.numpy() for index, variable in self._biases.items()}
        parameters = self._activation_parameters()
        ranks = {tensor.name: len(tensor.shape) for tensor in self._graph.tensors}
        return Trained(
            content=self._graph.with_values(values),
            parameters=parameters,
            ranges=ranges_to_hand_over(parameters, ranks),
        )

    def _choose(self, progress: float) -> None:
        """Decide anew which weights stay, where they are clipped and how activations are rounded."""
        if self._training.sparsity:
            values = [each.values() for each in self._weights]
            axes = [each.parameter.axis for each in self._weights]
            masks = masks_of(values, axes, scheduled(self._training.sparsity, progress))
            for each, mask in zip(self._weights, masks, strict=True):
                each.mask.assign(mask)
        self._choose_bounds()

    def _choose_bounds(self) -> None:
        for each in self._weights:
            each.choose_bound()
        for item in self._activations.values():
            item.settle()

    def _one_step(self, inputs: Mapping[int, Any], labels: Any, number: Any, *, growing: bool, rounding: bool) -> Any:
        tf = self._tf
        with tf.GradientTape() as tape:
            loss = self._loss(self._outputs(inputs, growing=growing, rounding=rounding), labels)
        gradients = tape.gradient(loss, self._variables)
        for variable, gradient, (mean, square) in zip(self._variables, gradients, self._moments, strict=True):
            # Adam (Kingma and Ba 2015), written out: that of Keras takes no bare variables.
            mean.assign(mean * 0.9 + gradient * 0.1)
            square.assign(square * 0.999 + gradient * gradient * 0.001)
            size = tf.sqrt(square / (1 - 0.999**number)) + 1e-7
            variable.assign_sub(self._rate * mean / (1 - 0.9**number) / size)
        return loss

    def _outputs(self, inputs: Mapping[int, Any], *, growing: bool, rounding: bool) -> dict[int, Any]:
        parameters = {
            each.parameter.tensor: each.value(growing=growing, rounding=rounding) for each in self._weights
        } | self._biases

        def observe(index: int, value: Any) -> Any:
            item = self._activations.get(index)
            if item is None:
                return value
            if growing:
                item.follow(value, np.float32(_MEMORY))
            return item.round(value) if rounding else value

        return self._graph.run(inputs, parameters, observe)

    def _loss(self, values: Mapping[int, Any], labels: Any) -> Any:
        tf = self._tf
        (output,) = self._graph.subgraph.outputs
        producer = self._graph.producer(output)
        if self._lesson.loss == "mean_squared_error":
            return tf.reduce_mean(tf.square(values[output] - labels))
        # Scores before they become probabilities: the logarithm of a small probability is lost in float32.
        scores = values[producer.inputs[0]] if producer and producer.name in PROBABILITIES else values[output]
        if self._lesson.loss == "binary_crossentropy":
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, tf.float32), scores))
        if self._lesson.loss == "categorical_crossentropy":
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.cast(labels, tf.float32), scores))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int64), scores))

    def _activation_parameters(self) -> dict[str, QuantizationParameters]:
        """Of every tensor that has some, also of those that pass on what they read."""
        return {self._graph.tensors[index].name: item.parameters() for index, item in self._activations.items()}


def _input_tensors(graph: TrainingGraph, lesson: Lesson) -> dict[int, Array]:
    """Training inputs, as stored, by tensor; several by the names in the model's signature."""
    ends = graph.subgraph.inputs
    if len(lesson.inputs) == len(ends) == 1:
        return dict(zip(ends, lesson.inputs.values(), strict=True))
    named = graph.named_inputs()
    if set(named) != set(lesson.inputs):
        raise ValueError(f"found training inputs {sorted(lesson.inputs)}, expected {sorted(named)}")
    return {named[name]: array for name, array in lesson.inputs.items()}


def _activation_ranges(
    graph: TrainingGraph, choices: Quantization, ranges: Mapping[str, Any]
) -> dict[int, ActivationRange]:
    """One range for each activation that is quantized with one of its own or with its input's."""
    found: dict[int, ActivationRange] = {}
    if not choices.calibrated:
        return found
    symmetric = choices.symmetric or choices.activations == "int16"
    made = [index for operator in graph.subgraph.operators for index in operator.outputs]
    for index in (*graph.subgraph.inputs, *made):
        tensor, producer = graph.tensors[index], graph.producer(index)
        if tensor.dtype != "float32" or (producer and producer.name in PROBABILITIES):
            continue
        if producer and producer.name in KEEPS_SCALE:
            if producer.inputs[0] in found:
                found[index] = found[producer.inputs[0]]
            continue
        known = ranges[tensor.name]
        found[index] = ActivationRange.of(
            float(np.min(known["min"])), float(np.max(known["max"])), dtype=choices.activations, symmetric=symmetric
        )
    return found
