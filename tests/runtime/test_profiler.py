from __future__ import annotations

import ctypes
import ctypes.util
import sys
from pathlib import Path

import models_zoo as zoo
import numpy as np
import pytest
from accepted import accepted_artifact

from qbench.errors import InvalidArtifactError
from qbench.records import RuntimeOptions
from qbench.runtime import native_library, native_profiler, profiler
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.process import RuntimeProcess
from qbench.runtime.profiler import UNKNOWN, Profile, profile

_FEW = {"invokes": 60, "limit_s": 0.5}


def _profiled(content, options=None, inputs=None, **how):
    found = profile(content, options or RuntimeOptions(), inputs, **{**_FEW, **how})
    assert isinstance(found, Profile), found
    return found


def _numbers(found, *, delegated):
    return [kernel.number for kernel in found.kernels if kernel.delegated == delegated]


@pytest.fixture(scope="module")
def dscnn():
    return {recipe: _profiled(accepted_artifact("mnist-dscnn", recipe)) for recipe in ("fp32", "int8")}


class TestRealNetworks:
    def test_kernels_have_their_names_and_dtypes(self, dscnn):
        named = {kernel.number: kernel.kernel for kernel in dscnn["int8"].kernels}
        assert named[0].startswith("Convolution (NHWC, QC8)")
        assert named[1].startswith("Convolution (NHWC, QC8)")
        assert named[2].startswith("Fully Connected (NC, QS8, QC8W)")  # A pointwise convolution.
        floats = {kernel.number: kernel.kernel for kernel in dscnn["fp32"].kernels}
        assert floats[0].startswith("Convolution (NHWC, F32)")

    def test_every_operator_is_told_of_and_softmax_fell_off(self, dscnn):
        assert _numbers(dscnn["int8"], delegated=False) == [11]
        assert [number for number in _numbers(dscnn["int8"], delegated=True) if number != UNKNOWN] == list(range(11))
        assert _numbers(dscnn["fp32"], delegated=False) == []
        assert set(range(12)) <= set(_numbers(dscnn["fp32"], delegated=True))

    def test_kernels_of_less_than_a_microsecond_can_be_told_apart(self, dscnn):
        """The profiler says 0 or 1 us of them in every invoke of one example."""
        for found in dscnn.values():
            assert found.examples > 1
            assert found.is_tried
            assert max(kernel.resolution_ns for kernel in found.kernels) <= 500 / found.examples

    def test_kernels_add_up_to_no_more_than_the_invoke(self, dscnn):
        for found in dscnn.values():
            added = sum(kernel.nanoseconds - kernel.resolution_ns for kernel in found.kernels)
            assert 0 < added <= found.invoke_ns

    def test_two_partitions_of_the_delegate_with_shapes_computed_between_them(self):
        found = _profiled(accepted_artifact("mnist-cnn", "int8-symmetric"))
        # The runtime would write past the end of an output whose shape it learns when it runs.
        assert found.examples > 1
        assert _numbers(found, delegated=False) == [5, 6, 7, 8, 10]
        assert {0, 1, 2, 3, 4, 9, 11} <= set(_numbers(found, delegated=True))

    def test_nothing_is_delegated_where_no_delegate_is_asked_for(self):
        found = _profiled(accepted_artifact("mnist-mlp", "int8"), RuntimeOptions(kernels="no-delegates"))
        assert _numbers(found, delegated=False) == list(range(7))
        assert _numbers(found, delegated=True) == []

    def test_dynamic_range_quantization_shows_its_conversions_as_nobodys(self):
        found = _profiled(accepted_artifact("mnist-cnn", "dynamic"))
        conversions = [kernel for kernel in found.kernels if kernel.kernel.startswith("Convert (NC, F32, QD")]
        assert conversions
        assert {kernel.number for kernel in conversions} == {UNKNOWN}

    def test_real_inputs_and_a_number_of_examples(self):
        stored = np.arange(784, dtype=np.float32).tobytes()
        content = accepted_artifact("mnist-mlp", "fp32")
        (spec,) = open_interpreter(content, RuntimeOptions()).inputs
        found = _profiled(content, None, {spec.name: stored}, examples=4)
        assert found.examples == 4


class TestSmallModels:
    @pytest.mark.parametrize(
        "make",
        [zoo.dense_float, zoo.dense_hybrid, zoo.dense_int8, zoo.dynamic_batch_int8, zoo.conv_int8, zoo.dense_int4],
    )
    def test_one_operator(self, make):
        found = _profiled(make())
        assert 0 in _numbers(found, delegated=True)
        # Of which the profiler says 0 us in every invoke, and nothing takes no time.
        assert all(kernel.nanoseconds >= kernel.resolution_ns for kernel in found.kernels)

    def test_16_bit_activations_are_left_to_the_runtime(self):
        assert _numbers(_profiled(zoo.dense_int16()), delegated=False) == [0]

    def test_several_inputs_and_outputs(self):
        assert _numbers(_profiled(zoo.two_inputs_two_outputs()), delegated=True) == [0, 1]

    def test_an_artifact_that_allows_no_other_batch_is_run_with_its_own(self):
        found = _profiled(zoo.float_island())
        assert found.examples == 1
        assert _numbers(found, delegated=True) == list(range(6))
        assert {kernel.resolution_ns for kernel in found.kernels} == {500.0}


class TestNotAvailable:
    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (RuntimeOptions(kernels="reference"), "cannot run reference kernels"),
            (RuntimeOptions(runtime="tf.lite"), "the artifact is run in tf.lite"),
            (RuntimeOptions(delegate="libnpu.so"), "cannot load the delegate libnpu.so"),
        ],
    )
    def test_options_that_the_profiler_does_not_have(self, options, reason):
        assert reason in profile(zoo.dense_int8(), options, **_FEW)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (zoo.string_input, "gave the status 3"),
            (zoo.unresolved_custom_operator, "gave the status 3"),
            (zoo.empty_weights, "gave the status 3"),
        ],
    )
    def test_a_status_that_is_not_0(self, make, reason):
        said = profile(make(), RuntimeOptions(), **_FEW)
        assert said.startswith("the profiler of ai-edge-litert ")
        assert reason in said

    def test_an_input_of_the_wrong_size(self):
        said = profile(zoo.dense_int8(), RuntimeOptions(), {"x": bytes(9)}, examples=1, **_FEW)
        assert "the input 'x' takes 4 bytes, not 9" in said

    def test_inputs_are_told_apart_by_their_names(self):
        """Those of a signature have an order of their own."""
        said = profile(
            zoo.two_inputs_two_outputs(), RuntimeOptions(), {"right": bytes(17), "left": bytes(16)}, examples=1, **_FEW
        )
        assert "the input 'right' takes 16 bytes, not 17" in said

    def test_a_crash_is_a_reason_and_the_next_one_is_profiled(self):
        process = RuntimeProcess(limit_s=60.0)
        assert "SIGABRT" in profile(zoo.aborting(), RuntimeOptions(), process=process, **_FEW)
        assert not process.running
        assert isinstance(profile(zoo.dense_int8(), RuntimeOptions(), process=process, **_FEW), Profile)

    def test_an_artifact_that_never_ends(self):
        said = profile(zoo.hanging(), RuntimeOptions(), process=RuntimeProcess(limit_s=1.0), **_FEW)
        assert "no answer within 1 s" in said

    def test_a_python_that_has_no_runtime(self, tmp_path):
        missing = RuntimeProcess(limit_s=60.0, python=str(tmp_path / "python"))
        assert "cannot start" in profile(zoo.dense_int8(), RuntimeOptions(), process=missing, **_FEW)

    def test_what_is_no_artifact_is_an_error(self):
        with pytest.raises(InvalidArtifactError):
            profile(b"no artifact", RuntimeOptions(), **_FEW)

    def test_another_version_is_tried_and_said_to_be_another(self, monkeypatch):
        monkeypatch.setattr(profiler, "TRIED_VERSIONS", ("0.0.1",))
        assert not _profiled(zoo.dense_int8()).is_tried


class TestLibrary:
    def test_a_library_without_the_functions(self):
        # Any other library, as the one of another version would be.
        other = next(Path(sys.prefix).rglob("_pywrap_string_util.so"))
        with pytest.raises(native_library.NotAvailableError, match=r"lacks LiteRtCreateEnvironment \(and \d+ more"):
            native_library.Library(other)

    def test_a_file_that_is_no_library(self, tmp_path):
        (tmp_path / "libLiteRt.so").write_bytes(b"no library")
        with pytest.raises(native_library.NotAvailableError, match="cannot be loaded"):
            native_library.Library(tmp_path / "libLiteRt.so")

    def test_a_package_that_is_not_installed(self, monkeypatch):
        monkeypatch.setattr(native_library, "_PACKAGE", "no_such_package")
        with pytest.raises(native_library.NotAvailableError, match="is not installed"):
            native_library.Library()

    def test_a_package_that_brings_no_library(self, monkeypatch):
        monkeypatch.setattr(native_library, "_FILE", "libOther.so")
        with pytest.raises(native_library.NotAvailableError, match=r"brings no libOther\.so"):
            native_library.Library()

    def test_an_event_of_another_size_is_noticed(self, monkeypatch):
        """A field more, as an earlier version had: reading on would follow pointers that are none."""
        fields = (*native_library.Event._fields_, ("more", ctypes.c_uint64))
        monkeypatch.setattr(native_library, "Event", type("Event", (ctypes.Structure,), {"_fields_": fields}))
        request = {"kernels": "builtin", "threads": 1, "examples": 1, "names": [], **_FEW}
        with pytest.raises(native_library.NotAvailableError, match="events are not of 112 bytes"):
            native_profiler.profile(native_library, request, zoo.dense_int8(), [])
