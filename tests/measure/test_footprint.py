from __future__ import annotations

import zlib

import models_zoo
import numpy as np
import pytest

from qbench.measure.footprint import compressed_bytes, size_metrics
from qbench.models.structure import read_structure
from qbench.records import Artifact, RuntimeOptions, Subject
from qbench.runtime.interpreter import open_interpreter


@pytest.mark.parametrize("content", [b"", b"a" * 5000, np.random.default_rng(1).bytes(5000)])
def test_compressed_is_what_deflate_makes_at_its_best(content):
    assert compressed_bytes(content) == len(zlib.compress(content, 9))


def test_zeros_take_no_space_when_compressed():
    noise = np.random.default_rng(1).integers(1, 256, 8000).astype(np.uint8)
    sparse = noise * (np.arange(8000) % 20 == 0)
    assert compressed_bytes(noise.tobytes()) > 7900
    assert compressed_bytes(sparse.astype(np.uint8).tobytes()) < 1000


def test_sizes_of_an_artifact(tmp_path):
    content = models_zoo.conv_int8()
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    artifact = Artifact(
        subject=Subject(model="net", recipe="int8"), path=path, sha256="0" * 64, size_bytes=len(content)
    )
    interpreter = open_interpreter(content, RuntimeOptions())
    metrics = size_metrics(artifact, content, read_structure(content), interpreter)
    assert metrics["size_bytes"] == len(content)
    assert metrics["compressed_bytes"] == compressed_bytes(content) < len(content)
    assert metrics["weight_bytes"] == 3 * 3 * 3 * 4 + 4 * 4
    assert "peak_memory_bytes" not in metrics
