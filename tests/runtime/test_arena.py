from __future__ import annotations

import json

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from python_runs import printed_by

from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import _covered_bytes, open_interpreter
from qbench.tflite.builder import Affine, Graph


def _chain(length):
    """`length` operators one after the other on 4096 bytes each."""
    graph = Graph()
    first = tensor = graph.tensor("x", [1, 1024])
    for index in range(length):
        tensor, before = graph.tensor(f"y{index}", [1, 1024]), tensor
        graph.operator("EXP", [before], [tensor], schema.ExpOptionsT())
    return graph.build([first], [tensor])


def _two_layers(width):
    """4 to `width` to 4 features, so that there are 8 weights for each byte of the layer between."""
    graph = Graph()
    generator = np.random.default_rng(0)
    tensor, inputs = graph.tensor("x", [1, 4], "int8", Affine(0.1)), 4
    first = tensor
    for layer, outputs in enumerate((width, 4)):
        weights = generator.integers(-127, 128, (outputs, inputs)).astype(np.int8)
        operands = [tensor, graph.constant(f"weights{layer}", weights, Affine(0.1)), -1]
        tensor, inputs = graph.tensor(f"y{layer}", [1, outputs], "int8", Affine(0.1)), outputs
        graph.operator("FULLY_CONNECTED", operands, [tensor], schema.FullyConnectedOptionsT(), version=4)
    return graph.build([first], [tensor])


def _scalar():
    graph = Graph()
    x, y = graph.tensor("x", []), graph.tensor("y", [])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


def test_arena_is_what_lies_between_the_constants():
    assert open_interpreter(zoo.conv_int8(8), RuntimeOptions()).arena_bytes() == 8 * 8 * 3 + 8 * 8 * 4


def test_arena_grows_with_activations_and_not_with_weights():
    def arena(content):
        return open_interpreter(content, RuntimeOptions()).arena_bytes()

    assert arena(zoo.conv_int8(32)) == 16 * arena(zoo.conv_int8(8))
    small, large = _two_layers(8), _two_layers(1024)
    assert len(large) > 4 * len(small)
    assert arena(large) - arena(small) < 2 * 1024


def test_memory_that_tensors_share_counts_once():
    reference = RuntimeOptions(kernels="reference")
    sizes = [open_interpreter(_chain(length), reference).arena_bytes() for length in (4, 8)]
    assert sizes[0] == sizes[1] < 4 * 4096


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([(10_000, 10_100)], 100),
        ([(10_000, 10_100), (10_050, 10_200)], 200),
        ([(10_000, 10_200), (10_050, 10_100)], 200),
        ([(10_050, 10_100), (10_000, 10_060)], 100),
        ([(10_000, 10_100), (10_128, 10_228)], 200),
        ([(10_000, 10_100), (50_000, 50_010)], 110),
    ],
    ids=["one", "overlapping", "nested", "unsorted", "padded", "apart"],
)
def test_ranges_are_united(spans, covered):
    assert _covered_bytes(spans) == covered


def test_arena_is_the_same_in_every_process():
    script = (
        "import models_zoo as zoo\n"
        "from qbench.records import RuntimeOptions\n"
        "from qbench.runtime.interpreter import open_interpreter\n"
        "makes = [zoo.dense_float, zoo.dense_int8, zoo.conv_int8, zoo.float_island, zoo.two_inputs_two_outputs]\n"
        "print([open_interpreter(make(), RuntimeOptions()).arena_bytes() for make in makes])\n"
    )
    printed = {printed_by(script) for _ in range(4)}
    assert len(printed) == 1
    assert all(size > 0 for size in json.loads(printed.pop()))


@pytest.mark.parametrize("kernels", ["builtin", "reference", "no-delegates"])
@pytest.mark.parametrize("make", [zoo.dense_fp16, zoo.dense_hybrid, zoo.float_island])
def test_arena_is_the_same_in_a_process_that_has_run_for_long(make, kernels):
    """What lies between two allocations of the runtime is chance once memory is in pieces."""
    generator = np.random.default_rng(0)
    pieces, sizes = [], set()
    for _ in range(60):
        pieces += [bytes(size) for size in generator.integers(16, 5000, 30)]
        del pieces[:: generator.integers(2, 4)]
        sizes.add(open_interpreter(bytes(bytearray(make())), RuntimeOptions(kernels=kernels)).arena_bytes())
    assert len(sizes) == 1


def test_arena_asks_for_no_strings():
    assert open_interpreter(zoo.string_input(), RuntimeOptions()).arena_bytes() == 2


def test_arena_is_unknown_where_there_is_no_memory():
    assert open_interpreter(_scalar(), RuntimeOptions()).arena_bytes() is None
