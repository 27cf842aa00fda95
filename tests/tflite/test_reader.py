from __future__ import annotations

import random
import struct

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import InvalidArtifactError
from qbench.models.structure import Structure, read_structure
from qbench.tflite.builder import Graph


def _read(content: bytes) -> Structure | None:
    """The structure, or None if the content is refused; whatever else is raised fails the test."""
    try:
        return read_structure(content)
    except InvalidArtifactError:
        return None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"TFL3", "a file of 4 bytes"),
        (b"hello, this is a text", "b'hello, t'"),
        (b"PK\x03\x04" + bytes(100), r"\.keras"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (zoo.dense_float().replace(b"TFL3", b"TFL2"), "expected a .tflite"),
    ],
)
def test_what_is_no_tflite_is_named(content, found):
    with pytest.raises(InvalidArtifactError, match=found):
        read_structure(content)


@pytest.mark.parametrize("make", [zoo.dense_float, zoo.dense_int8, zoo.two_inputs_two_outputs, zoo.float_island])
def test_every_truncation_is_refused(make):
    content = make()
    whole = [size for size in range(0, len(content), 7) if _read(content[:size])]
    assert whole == []
    with pytest.raises(InvalidArtifactError, match="truncated or damaged"):
        read_structure(content[: len(content) // 2])


def test_flipped_bits_give_a_structure_or_are_refused():
    content, generator = zoo.float_island(), random.Random(7)
    outcomes = []
    for _ in range(500):
        position = generator.randrange(len(content))
        damaged = bytearray(content)
        damaged[position] ^= 1 << generator.randrange(8)
        outcomes.append(_read(bytes(damaged)))
    # A constant or a scale may be anything, an offset may not.
    assert 50 < sum(outcome is None for outcome in outcomes) < 450


def test_random_bytes_are_refused_or_give_a_structure():
    content, generator = zoo.two_inputs_two_outputs(), random.Random(11)
    for _ in range(300):
        start, size = generator.randrange(8, len(content)), generator.randrange(1, 64)
        _read(content[:start] + generator.randbytes(size) + content[start + size :])
    assert not any(_read(content[:8] + generator.randbytes(800)) for _ in range(100))


@pytest.mark.parametrize("value", [0xFFFFFFFF, 0x7FFFFFFF, 100_000, 0])
def test_no_length_or_offset_is_trusted(value):
    # Each number in the file takes the value once, so each length and each offset does.
    content = zoo.two_inputs_two_outputs()
    outcomes = [
        _read(content[:position] + struct.pack("<I", value) + content[position + 4 :])
        for position in range(8, len(content) - 3, 4)
    ]
    assert None in outcomes


def _with_subgraphs(length: int, entry: int | None) -> bytes:
    """A file whose vector of subgraphs lies in a large constant: each entry is at `entry`, or a zero if None."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 300]), graph.tensor("y", [1, 300])
    graph.operator("FULLY_CONNECTED", [x, graph.constant("w", np.zeros((300, 300), np.float32)), -1], [y])
    content = bytearray(graph.build([x], [y]))
    root, vector = struct.unpack_from("<I", content)[0], content.index(bytes(4000)) + 2000
    # Field 2 of the root is its vector of subgraphs.
    field = root + struct.unpack_from("<H", content, root - struct.unpack_from("<i", content, root)[0] + 4 + 2 * 2)[0]
    if entry is not None:
        positions = vector + 4 + 4 * np.arange(length)
        subgraph = _position(schema.Model.GetRootAs(bytes(content)).Subgraphs(0))
        content[vector + 4 : vector + 4 + 4 * length] = (subgraph + entry - positions).astype("<u4").tobytes()
    struct.pack_into("<I", content, vector, length)
    struct.pack_into("<I", content, field, vector - field)
    return bytes(content)


def _position(table) -> int:
    return getattr(table, "_tab", table).Pos


def test_zeros_are_not_taken_for_thousands_of_empty_tables():
    # A large constant of zeros is where a damaged offset likely points to.
    with pytest.raises(InvalidArtifactError, match="field list of 0 bytes"):
        read_structure(_with_subgraphs(40_000, None))


def test_one_table_is_not_read_thousands_of_times():
    assert read_structure(_with_subgraphs(2, 0)).subgraphs == 2
    with pytest.raises(InvalidArtifactError, match="does not fit in"):
        read_structure(_with_subgraphs(40_000, 0))


@pytest.mark.parametrize(
    "table",
    [
        lambda model: model,
        lambda model: model.OperatorCodes(0),
        lambda model: model.Buffers(1),
        lambda model: model.Subgraphs(0),
        lambda model: model.Subgraphs(0).Operators(0),
        lambda model: model.Subgraphs(0).Operators(0).BuiltinOptions(),
        lambda model: model.Subgraphs(0).Tensors(0),
        lambda model: model.Subgraphs(0).Tensors(0).Quantization(),
    ],
)
def test_each_table_must_lie_inside_the_file(table):
    content = zoo.dense_int8()
    position = _position(table(schema.Model.GetRootAs(content)))
    fields = position - struct.unpack_from("<i", content, position)[0]
    for damage, at, value, found in [
        ("<i", position, position + 2, "field list at byte -2"),
        ("<i", position, position - len(content) + 2, f"field list at byte {len(content) - 2}"),
        ("<H", fields, 2, "field list of 2 bytes"),
        ("<H", fields + 2, 0xFFFF, "has 65535 bytes"),
    ]:
        damaged = bytearray(content)
        struct.pack_into(damage, damaged, at, value)
        with pytest.raises(InvalidArtifactError, match=found):
            read_structure(bytes(damaged))


def _relu(change) -> bytes:
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    graph.operator("RELU", [x], [y])
    change(graph)
    return graph.build([x], [y])


def _unfinished(graph: Graph) -> None:
    graph.model.buffers[0].offset, graph.model.buffers[0].size = 4000, 64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda graph: setattr(graph.model, "version", 2), "schema version is 2"),
        (lambda graph: setattr(graph.model, "subgraphs", []), "no subgraph"),
        (lambda graph: setattr(graph.model.operatorCodes[0], "builtinCode", 1000), "operator code 1000"),
        (lambda graph: setattr(graph.subgraph.operators[0], "opcodeIndex", 3), "operator code 3"),
        (lambda graph: setattr(graph.subgraph.operators[0], "inputs", [9]), "tensor index 9"),
        (lambda graph: setattr(graph.subgraph.operators[0], "outputs", [-2]), "tensor index -2"),
        (lambda graph: setattr(graph.subgraph.tensors[0], "type", 99), "dtype code 99"),
        (lambda graph: setattr(graph.subgraph.tensors[0], "buffer", 5), "buffer 5 of 1"),
        (lambda graph: setattr(graph.subgraph.tensors[0], "shape", [1, -5]), r"shape \(1, -5\)"),
        (lambda graph: setattr(graph.subgraph.tensors[0], "shape", [1] * 65), "65 numbers"),
        (lambda graph: setattr(graph.subgraph.tensors[0], "name", "x" * 70_000), "70000 bytes"),
        (_unfinished, "64 bytes at byte 4000"),
    ],
)
def test_what_makes_no_sense_is_named(change, reason):
    assert read_structure(_relu(lambda _: None)).operators == {"RELU float32": 1}
    with pytest.raises(InvalidArtifactError, match=reason):
        read_structure(_relu(change))


@pytest.mark.parametrize("dimensions", [3, 60])
def test_shapes_beyond_any_memory_are_refused(dimensions):
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [2**31 - 1] * dimensions)
    graph.operator("FULLY_CONNECTED", [x, graph.constant("w", np.ones((4, 4), np.float32)), -1], [y])
    with pytest.raises(InvalidArtifactError, match="multiply-accumulates"):
        read_structure(graph.build([x], [y]))


def test_operators_with_too_few_operands_are_read():
    for name in ("CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "TRANSPOSE_CONV", "DEQUANTIZE", "QUANTIZE"):
        graph = Graph()
        x = graph.tensor("x", [1, 4])
        for inputs, outputs in [([], []), ([], [x]), ([x], []), ([-1, -1], [x]), ([x, x], [-1])]:
            graph.operator(name, inputs, outputs)
        structure = read_structure(graph.build([x], [x]))
        assert structure.macs == 0
        assert structure.dequantize_count == (5 if name == "DEQUANTIZE" else 0)
        assert structure.weight_dequantize_count == 0
