"""The entry of the conversion child: the only code of qbench that imports TensorFlow.

Requests (see `qbench/frames.py`): ``load`` names a source, ``calibrate`` brings its calibration arrays
as `.npy` blobs; ``convert`` names a recipe and is answered by the artifact's bytes.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from qbench.conversion import quantizer
from qbench.conversion.calibrated_ranges import CalibratedRanges
from qbench.frames import read_frame, write_frame
from qbench.models.recipes import RecipeSpec
from qbench.models.structure import read_structure
from qbench.models.training_set import Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qbench.models.datasets import Array
    from qbench.models.training import Training


@dataclass
class LoadedSource:
    """A source in the child's memory: a TensorFlow model, or the bytes of a float `.tflite`."""

    keras_model: Any = None
    saved_model: str = ""
    float_tflite: bytes | None = None
    calibration: dict[str, Array] = field(default_factory=dict)
    lesson: Lesson | None = None
    _ranges: CalibratedRanges | None = None

    def weight_elements(self) -> int | None:
        """Number of weights of the source, where it can tell."""
        return None if self.keras_model is None else int(self.keras_model.count_params())

    def float_artifact(self) -> bytes:
        """The model as a float `.tflite`, converted once."""
        if self.float_tflite is None:
            self.float_tflite = bytes(self.tensorflow_converter().convert())
        return self.float_tflite

    def calibrate(self, calibration: dict[str, Array]) -> None:
        """Take these calibration arrays, by input name, from now on."""
        self.calibration, self._ranges = calibration, None

    def calibrated_ranges(self) -> CalibratedRanges:
        """Ranges of the float `.tflite`'s activations, kept from one recipe to the next."""
        if self._ranges is None:
            self._ranges = CalibratedRanges(self.float_artifact(), self.samples)
        return self._ranges

    def tensorflow_converter(self) -> Any:
        """A fresh `TFLiteConverter` of the source."""
        import tensorflow as tf  # noqa: PLC0415 - seconds to import, not needed for a float .tflite

        if self.keras_model is not None:
            return tf.lite.TFLiteConverter.from_keras_model(self.keras_model)
        return tf.lite.TFLiteConverter.from_saved_model(self.saved_model)

    def samples(self) -> Iterator[dict[str, Array]]:
        """Calibration examples one by one, as arrays of shape (1, ...) by input name."""
        count = min((len(array) for array in self.calibration.values()), default=0)
        for index in range(count):
            yield {name: array[index : index + 1] for name, array in self.calibration.items()}

    def representative_dataset(self) -> Iterator[Any]:
        """Calibration examples in the form that the `TFLiteConverter` wants."""
        for sample in self.samples():
            yield list(sample.values()) if len(sample) == 1 else sample


def load_source(request: dict[str, Any]) -> LoadedSource:
    """Load what `request` names: a `.keras` file, a SavedModel, a float `.tflite` or a function's result."""
    kind, path = request["kind"], request["path"]
    if kind == "function":
        result = import_function(request["function"], request["root"])()
        return _from_result(result, request["function"], request["root"])
    if kind == "keras":
        return LoadedSource(keras_model=_keras().models.load_model(path, compile=False))
    if kind == "saved_model":
        return LoadedSource(saved_model=path)
    return _from_tflite(Path(path).read_bytes())


def read_calibration(names: list[str], blobs: tuple[bytes, ...]) -> dict[str, Array]:
    """Calibration arrays by input name."""
    return {name: np.load(io.BytesIO(blob), allow_pickle=False) for name, blob in zip(names, blobs, strict=True)}


def read_lesson(request: dict[str, Any], blobs: tuple[bytes, ...]) -> Lesson:
    """What a model is trained on: inputs by name, and labels last."""
    *inputs, labels = (np.load(io.BytesIO(blob), allow_pickle=False) for blob in blobs)
    return Lesson(
        inputs=dict(zip(request["names"], inputs, strict=True)),
        labels=labels,
        loss=request["loss"],
        scale=request["scale"],
        zero_point=request["zero_point"],
    )


def convert(source: LoadedSource, spec: RecipeSpec, *, root: str) -> bytes:
    """Make the artifact that the recipe `spec` says."""
    if spec.function is not None:
        made = import_function(spec.function, root)(source.float_artifact(), source.samples())
        if not isinstance(made, (bytes, bytearray)):
            raise TypeError(f"{spec.function} returned {type(made).__name__}, expected the bytes of a .tflite")
        return bytes(made)
    if spec.quantizer is not None:
        return quantizer.quantize_with(spec.quantizer, source.float_artifact(), source.samples)
    if spec.quantization is not None:
        return quantizer.quantize_by_choice(spec.quantization, source.float_artifact(), source.calibrated_ranges)
    if spec.base == "fp32" and not spec.converter:
        return source.float_artifact()
    from_tensorflow = source.keras_model is not None or source.saved_model
    if spec.base == "int8-symmetric" or not from_tensorflow:
        if spec.converter:
            raise ValueError(
                "`converter` settings need a .keras or SavedModel source and a mode of the TFLiteConverter"
            )
        return quantizer.quantize_mode(
            spec.base or "", source.float_artifact(), source.samples, source.calibrated_ranges
        )
    import tensorflow as tf  # noqa: PLC0415 - seconds to import, not needed for a float .tflite

    converter = source.tensorflow_converter()
    _set_mode(converter, spec.base or "", source.representative_dataset)
    for name, value in spec.converter.items():
        if not hasattr(converter, name):
            raise ValueError(f"the TFLiteConverter has no attribute {name!r}")
        # TOML has no dtypes: "float32" stands for one where the converter has one.
        is_dtype = isinstance(getattr(converter, name), tf.DType)
        setattr(converter, name, tf.as_dtype(value) if is_dtype else value)
    return bytes(converter.convert())


def convert_trained(source: LoadedSource, spec: RecipeSpec, training: Training) -> bytes:
    """Train the float `.tflite`, then make the artifact, with the ranges on which training settled if it did.

    Raises
    ------
    ValueError
        If the model cannot be trained.
    """
    from qbench.tflite.rewrite import without_descriptions  # noqa: PLC0415 - as above
    from qbench.training.run import train  # noqa: PLC0415 - loads the runtime

    choices = spec.choices
    if source.lesson is None:
        raise ValueError("a recipe with training needs a training set")
    is_calibrated = choices is not None and choices.calibrated
    before = source.calibrated_ranges().find(choices) if choices is not None and is_calibrated else {}
    trained = train(source.float_artifact(), training, source.lesson, choices, before)
    made = LoadedSource(float_tflite=trained.content, calibration=source.calibration)
    if choices is not None and trained.ranges:
        content = quantizer.quantize_with_ranges(choices, trained.content, {**before, **trained.ranges})
    elif choices is not None:
        content = quantizer.quantize_by_choice(choices, trained.content, made.calibrated_ranges)
    else:
        content = convert(made, msgspec.structs.replace(spec, training=None), root="")
    return without_descriptions(content) if training.strip else content


def import_function(name: str, root: str) -> Callable[..., Any]:
    """The function that ``module:function`` names, with the project's folder importable."""
    if root not in sys.path:
        sys.path.insert(0, root)
    module, _, function = name.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), function))


def _set_mode(converter: Any, mode: str, samples: Callable[[], Iterator[Any]]) -> None:
    """Tell the `TFLiteConverter` what the built-in `mode` means."""
    import tensorflow as tf  # noqa: PLC0415 - imported by the converter already

    if mode == "fp32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    elif mode == "int16x8":
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int16
    elif mode in {"int8", "int8-per-tensor"}:
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if mode == "int8-per-tensor":
            # The public converter has no setting for this; older NPUs and micro runtimes need it.
            converter._experimental_disable_per_channel = True  # noqa: SLF001
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001


def _from_result(result: Any, name: str, root: str) -> LoadedSource:
    """What a user's function returned: bytes of a float `.tflite`, a path below `root`, or a Keras model."""
    if isinstance(result, (bytes, bytearray)):
        return _from_tflite(bytes(result))
    if isinstance(result, (str, os.PathLike)):
        path = Path(root, result)
        if path.is_dir():
            return LoadedSource(saved_model=str(path))
        if path.suffix == ".keras":
            return LoadedSource(keras_model=_keras().models.load_model(path, compile=False))
        return _from_tflite(path.read_bytes())
    if hasattr(result, "count_params"):
        return LoadedSource(keras_model=result)
    raise TypeError(f"{name} returned {type(result).__name__}, expected a Keras model, a path, or .tflite bytes")


def _from_tflite(content: bytes) -> LoadedSource:
    """The bytes of a float `.tflite`, looked through first: tools that take them apart do not say what is wrong."""
    read_structure(content)
    return LoadedSource(float_tflite=content)


def _keras() -> Any:
    import keras  # noqa: PLC0415 - as TensorFlow

    return keras


def main() -> None:
    """Answer requests until the input ends."""
    source = LoadedSource()
    root = ""
    with os.fdopen(int(sys.argv[1]), "wb") as replies:
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            request, blobs = frame
            made: tuple[bytes, ...] = ()
            # A model that was meant to lose weights is not held against the number that it had.
            is_smaller = False
            try:
                if request["do"] == "load":
                    source, root = load_source(request), request["root"]
                elif request["do"] == "calibrate":
                    source.calibrate(read_calibration(request["names"], blobs))
                elif request["do"] == "teach":
                    source.lesson = read_lesson(request, blobs)
                else:
                    spec = msgspec.convert(request["recipe"], RecipeSpec)
                    if spec.training is None:
                        made = (convert(source, spec, root=root),)
                    else:
                        made = (convert_trained(source, spec, spec.training),)
                        is_smaller = spec.training.channel_sparsity > 0
                answer: dict[str, Any] = {
                    "ok": True,
                    "weight_elements": None if is_smaller else source.weight_elements(),
                }
            except Exception as error:  # noqa: BLE001 - whatever a converter raises is an answer
                answer = {"error": f"{type(error).__name__}: {error}"}
            write_frame(replies, answer, made)


if __name__ == "__main__":
    main()
