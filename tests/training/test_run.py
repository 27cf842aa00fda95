"""Training by the real TensorFlow, all in one process beside this one: it takes seconds to start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small_network import CONV, DENSE, DEPTHWISE, FILTERS, examples, network, weights

from qbench.quant.affine import QuantizationParameters, fake_quantize
from qbench.tflite.reader import read_model

_HERE = Path(__file__).parent
_LAYERS = (CONV, DEPTHWISE, DENSE)
_AWARE = ("aware", "pruned-aware", "per-tensor", "int4-symmetric", "int16", "fewer-channels")


def _cases():
    """Arrays to round: ties, ends, values beyond, tiny ones and negative zeros, per tensor and per channel."""
    generator = np.random.default_rng(3)
    cases = {}
    for number, params in enumerate(
        [
            QuantizationParameters(0.5, 3),
            QuantizationParameters(np.float32(0.1), -128),
            QuantizationParameters(np.float32(1 / 255), 127),
            QuantizationParameters(np.float32(0.0071), narrow_range=True),
            QuantizationParameters(np.float32(3e-5), dtype="int16", narrow_range=True),
            QuantizationParameters(np.float32(0.3), dtype="int4", narrow_range=True),
            QuantizationParameters(np.array([0.5, 0.01, 3.0], np.float32), quantized_dimension=0, narrow_range=True),
        ]
    ):
        scale = params.scale.reshape(-1, 1)
        steps = generator.uniform(params.qmin - 20, params.qmax + 20, (3, 4000))
        ties = np.arange(-300, 300) + 0.5
        special = np.array([0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 0.499999997, -0.5, 0.5, 1.5, 2.5, -2.5])
        real = np.concatenate([steps, np.tile(ties, (3, 1)), np.tile(special, (3, 1))], axis=1) * scale
        cases[f"case{number}"] = (real.astype(np.float32), params)
    return cases


_CASES = _cases()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the child wrote."""
    folder = tmp_path_factory.mktemp("training")
    given = {"weights/real": np.random.default_rng(4).normal(size=(5, 3, 3, 4)).astype(np.float32)}
    given["weights/real"][2] = 0
    given |= {f"weights/{part}": np.float32(value) for part, value in (("scale", 1), ("low", -9), ("high", 9))}
    for name, (real, params) in _CASES.items():
        given[f"{name}/real"] = real
        given[f"{name}/scale"] = params.scale.reshape(-1, 1)
        given[f"{name}/low"] = np.float32(params.qmin - params.zero_point.max())
        given[f"{name}/high"] = np.float32(params.qmax - params.zero_point.max())
    np.savez(folder / "rounding.npz", **given)
    paths = os.pathsep.join([str(_HERE.parent), str(_HERE.parents[1])])
    subprocess.run(
        [sys.executable, str(_HERE / "training_child.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
        timeout=300,
    )
    return SimpleNamespace(folder=folder, weights=given["weights/real"], rounded=dict(np.load(folder / "rounded.npz")))


def _read(made, name):
    return (made.folder / f"{name}.tflite").read_bytes()


def _told(made, name):
    return msgspec.json.decode((made.folder / f"{name}.json").read_bytes())


def _tensors(content):
    return {tensor.name: tensor for tensor in read_model(content).subgraphs[0].tensors}


def _accuracy(content):
    images, labels = examples(9, 400)
    interpreter = Interpreter(model_content=content)
    (given,), (gotten,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], images.shape)
    interpreter.allocate_tensors()
    real = (images / 255).astype(np.float32)
    if given["dtype"] != np.float32:
        scale, zero_point = given["quantization"]
        low, high = np.iinfo(given["dtype"]).min, np.iinfo(given["dtype"]).max
        real = np.clip(np.rint(real / np.float32(scale)) + zero_point, low, high).astype(given["dtype"])
    interpreter.set_tensor(given["index"], real)
    interpreter.invoke()
    return float((interpreter.get_tensor(gotten["index"]).argmax(axis=1) == labels).mean())


class TestRounding:
    @pytest.mark.parametrize("name", _CASES)
    def test_it_is_that_of_the_specification_to_the_bit(self, made, name):
        real, params = _CASES[name]
        assert made.rounded[name].tobytes() == fake_quantize(real, params).tobytes()

    @pytest.mark.parametrize("name", _CASES)
    def test_another_rounding_would_be_seen(self, made, name):
        real, params = _CASES[name]
        assert made.rounded[name].tobytes() != fake_quantize(real, params, rounding="half_away").tobytes()

    @pytest.mark.parametrize(("most", "dtype", "axis"), [(127, "int8", 0), (7, "int4", 0), (127, "int8", 3)])
    def test_scales_of_weights_are_those_of_the_specification(self, made, most, dtype, axis):
        params = QuantizationParameters.from_values(made.weights, quantized_dimension=axis, dtype=dtype, symmetric=True)
        assert made.rounded[f"scale/{most}/{axis}"].ravel().tobytes() == params.scale.tobytes()

    def test_the_gradient_goes_to_what_is_inside_and_for_weights_to_all(self, made):
        assert made.rounded["gradient/clipped"].tolist() == [0, 1, 1, 1, 0]
        assert made.rounded["gradient/through"].tolist() == [1, 1, 1, 1, 1]
        assert made.rounded["through"].tolist() == [-1.0, -0.5, 0.5, 1.0, 1.0]


class TestPruning:
    @pytest.mark.parametrize(("name", "sparsity"), [("pruned", 0.7), ("pruned-aware", 0.7), ("per-tensor", 0.5)])
    def test_just_the_share_of_all_weights_is_zero(self, made, name, sparsity):
        tensors = _tensors(_read(made, f"{name}.float"))
        total = sum(array.size for layer, array in weights().items() if layer in _LAYERS)
        zeros = sum(int((tensors[layer].constant() == 0).sum()) for layer in _LAYERS)
        # Rounding to few levels makes some more weights 0.
        assert zeros == int(sparsity * total) if name != "per-tensor" else zeros >= int(sparsity * total)
        assert all((tensors[layer].constant() != 0).any() for layer in _LAYERS)

    @pytest.mark.parametrize("name", ["pruned-aware", "per-tensor"])
    def test_zeros_are_zeros_after_quantizing(self, made, name):
        real, stored = _tensors(_read(made, f"{name}.float")), _tensors(_read(made, name))
        for layer in _LAYERS:
            assert stored[layer].dtype == "int8"
            assert (stored[layer].constant()[real[layer].constant() == 0] == 0).all()

    def test_no_output_channel_is_all_zeros(self, made):
        # Its scale would be so small that its bias, in int32, would be cut off.
        for name in ("pruned.float", "pruned-aware", "per-tensor"):
            tensors = _tensors(_read(made, name))
            for layer in _LAYERS:
                channels = np.moveaxis(tensors[layer].constant(), 3 if layer == DEPTHWISE else 0, 0)
                assert (channels.reshape(len(channels), -1) != 0).any(axis=1).all()

    def test_biases_are_not_pruned(self, made):
        tensors = _tensors(_read(made, "pruned.float"))
        assert all((tensors[f"{layer}/bias"].constant() != 0).all() for layer in _LAYERS)


class TestQuantizationAware:
    @pytest.mark.parametrize("name", _AWARE)
    def test_scales_and_zero_points_of_activations_are_those_of_training_to_the_bit(self, made, name):
        tensors, told = _tensors(_read(made, name)), _told(made, name)
        assert set(told) == {"image", "first", "second", "pooled", "flat", "scores"}
        for tensor, (scale, zero_point) in told.items():
            assert tensors[tensor].scales.tolist() == [scale]
            assert tensors[tensor].zero_points.tolist() == [zero_point]

    @pytest.mark.parametrize("name", _AWARE)
    def test_weights_in_the_artifact_are_those_of_training_to_the_bit(self, made, name):
        real, stored = _tensors(_read(made, f"{name}.float")), _tensors(_read(made, name))
        for layer in _LAYERS:
            tensor, axis = stored[layer], 3 if layer == DEPTHWISE else 0
            params = QuantizationParameters.from_values(
                real[layer].constant(),
                quantized_dimension=None if name == "per-tensor" else axis,
                dtype=tensor.dtype,
                symmetric=True,
            )
            assert tensor.scales.tolist() == params.scale.ravel().tolist()
            expected = fake_quantize(real[layer].constant(), params) / params.scale.reshape(
                [-1 if each == axis and params.is_per_channel else 1 for each in range(len(tensor.shape))]
            )
            np.testing.assert_array_equal(tensor.constant(), np.rint(expected))

    def test_weights_take_no_more_values_than_levels(self, made):
        tensors = _tensors(_read(made, "per-tensor"))
        assert all(len(np.unique(tensors[layer].constant())) <= 7 for layer in _LAYERS)

    def test_int4_is_for_those_operators_that_can_have_it(self, made):
        tensors = _tensors(_read(made, "int4-symmetric"))
        assert [tensors[layer].dtype for layer in _LAYERS] == ["int4", "int8", "int4"]

    @pytest.mark.parametrize("name", ["pruned.float", *_AWARE])
    def test_the_task_is_learnt(self, made, name):
        assert _accuracy(network()) < 0.5
        assert _accuracy(_read(made, name)) > 0.9

    def test_whole_channels_are_gone_from_the_artifact(self, made):
        channels = _tensors(_read(made, "fewer-channels"))[CONV].shape[0]
        assert 1 <= channels < FILTERS


def test_one_machine_trains_the_same_twice_and_another_seed_something_else(made):
    assert _read(made, "aware") == _read(made, "aware-again")
    assert _read(made, "aware") != _read(made, "other-seed")
