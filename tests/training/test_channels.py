from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from small_network import CONV, DENSE, DEPTHWISE, FILTERS, SIZE, examples, network, weights

from qbench.tflite.builder import Graph
from qbench.tflite.reader import read_model
from qbench.training.channels import without_channels

_IMAGES = examples(1, 5)[0].astype(np.float32) / 255


def _outputs(content):
    interpreter = Interpreter(model_content=content)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], _IMAGES.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], _IMAGES)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _constants(content):
    tensors = read_model(content).subgraphs[0].tensors
    return {tensor.name: tensor.constant() for tensor in tensors if tensor.data is not None}


def _with_small_channels(*channels):
    """The network's weights with channels of the convolution that count least."""
    values = weights()
    for channel in channels:
        values[CONV][channel] *= 0.01
    return values


def _share(count):
    """What `count` channels take with them."""
    of_one = 9 + 9 + 4 * (SIZE // 2) ** 2
    return count * of_one / sum(array.size for name, array in weights().items() if "bias" not in name)


@pytest.mark.parametrize("gone", [(1,), (0, 4), (0, 2, 3, 5)])
def test_what_is_left_computes_what_the_network_does_without_what_the_channels_give(gone):
    values = _with_small_channels(*gone)
    smaller = without_channels(network(values), _share(len(gone)))
    silenced = {name: array.copy() for name, array in values.items()}
    columns = np.isin(np.arange(values[DENSE].shape[1]) % FILTERS, gone)
    silenced[DENSE][:, columns] = 0
    np.testing.assert_allclose(_outputs(smaller), _outputs(network(silenced)), rtol=1e-5, atol=1e-6)
    left = _constants(smaller)
    assert left[CONV].shape == (FILTERS - len(gone), 3, 3, 1)
    assert left[DEPTHWISE].shape == (1, 3, 3, FILTERS - len(gone))
    assert left[DENSE].shape == (4, (FILTERS - len(gone)) * (SIZE // 2) ** 2)
    np.testing.assert_array_equal(left[f"{CONV}/bias"], np.delete(values[f"{CONV}/bias"], gone))


def test_a_share_is_not_exceeded_and_a_layer_keeps_a_channel():
    total = sum(array.size for name, array in weights().items() if "bias" not in name)
    for share in (0.2, 0.5, 0.7, 0.999):
        left = _constants(without_channels(network(), share))
        size = sum(array.size for name, array in left.items() if name in {CONV, DEPTHWISE, DENSE})
        assert size >= (1 - share) * total
        assert len(left[CONV]) >= 1


def test_the_shapes_that_the_file_states_are_those_of_its_tensors():
    smaller = without_channels(network(), _share(2))
    shapes = {tensor.name: tensor.signature for tensor in read_model(smaller).subgraphs[0].tensors}
    assert shapes["first"] == shapes["second"] == (-1, SIZE, SIZE, FILTERS - 2)
    assert shapes["flat"] == (-1, (FILTERS - 2) * (SIZE // 2) ** 2)
    assert shapes["probabilities"] == (-1, 4)


def test_channels_that_something_else_reads_stay():
    graph = Graph()
    image, made, summed = (graph.tensor(name, [1, 4, 4, 2]) for name in ("image", "made", "sum"))
    kernel = graph.constant("kernel", np.ones((2, 1, 1, 2), np.float32))
    bias = graph.constant("bias", np.zeros(2, np.float32))
    options = schema.Conv2DOptionsT(padding=schema.Padding.SAME, strideH=1, strideW=1)
    graph.operator("CONV_2D", [image, kernel, bias], [made], options)
    graph.operator("ADD", [made, image], [summed], schema.AddOptionsT())
    with pytest.raises(ValueError, match="no channel that can go"):
        without_channels(graph.build([image], [summed]), 0.9)


def test_a_share_too_small_for_any_channel_says_what_the_first_takes():
    with pytest.raises(ValueError, match=r"the first of them takes 1[0-9]\.\d%"):
        without_channels(network(), 0.05)
