"""The entry of a worker process: it loads and runs artifacts, so that this process may die instead of another.

It is started by path and imports nothing but the standard library, numpy and the runtime, so that it
also runs in a Python environment that has no qbench.

Requests and answers are frames (see `qbench/frames.py`): ``{"do": "preflight", ...}`` with the
artifact's bytes as a blob is answered by ``{"ok": true, ...}``, ``{"refused": "..."}`` for what qbench
does not run, or ``{"error": "..."}``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any


def _load_frames() -> Any:
    path = Path(__file__).resolve().parent.parent / "frames.py"
    spec = importlib.util.spec_from_file_location("qbench_frames", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def preflight(request: dict[str, Any], content: bytes) -> dict[str, Any]:
    """Load, allocate and invoke an artifact once with all-zero real inputs, also in a batch of two.

    The answer says whether a batch can be run, or why the artifact is refused without running it.
    """
    interpreter = open_runtime(request, content)
    interpreter.allocate_tensors()
    strings = _string_inputs(interpreter)
    if strings:
        # To run it on strings that nobody set ends the process.
        return {"refused": f"its input {strings[0]!r} holds strings, which qbench cannot feed"}
    _fill(interpreter)
    interpreter.invoke()
    for output in interpreter.get_output_details():
        interpreter.get_tensor(output["index"])
    return {"ok": True, "batched": _try_batch(interpreter)}


def open_runtime(request: dict[str, Any], content: bytes) -> Any:
    """An interpreter of the runtime named in `request`, with its threads and kernels."""
    if request["runtime"] == "tf.lite":
        import tensorflow as tf  # noqa: PLC0415 - seconds to import, and only for who asks for it

        make, resolvers = tf.lite.Interpreter, tf.lite.experimental.OpResolverType
    else:
        from ai_edge_litert import interpreter as litert  # noqa: PLC0415 - the runtime is chosen here

        make, resolvers = litert.Interpreter, litert.OpResolverType
    resolver = {
        "builtin": resolvers.BUILTIN,
        "reference": resolvers.BUILTIN_REF,
        "no-delegates": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }[request["kernels"]]
    return make(model_content=content, num_threads=request["threads"], experimental_op_resolver_type=resolver)


def _string_inputs(interpreter: Any) -> list[str]:
    import numpy as np  # noqa: PLC0415 - not needed to answer that the runtime is missing

    text = (np.bytes_, np.object_, np.str_)
    return [spec["name"] for spec in interpreter.get_input_details() if spec["dtype"] in text]


def _fill(interpreter: Any) -> None:
    import numpy as np  # noqa: PLC0415 - as above

    for spec in interpreter.get_input_details():
        zero_point = spec["quantization"][1]
        interpreter.set_tensor(spec["index"], np.full(spec["shape"], zero_point, dtype=spec["dtype"]))


def _try_batch(interpreter: Any) -> bool:
    """Whether the artifact also runs with two examples at once; a crash here is better than one later."""
    specs = interpreter.get_input_details()
    if not specs or any(len(spec["shape"]) == 0 or spec["shape"][0] != 1 for spec in specs):
        return False
    try:
        for spec in specs:
            interpreter.resize_tensor_input(spec["index"], [2, *(int(size) for size in spec["shape"][1:])])
        interpreter.allocate_tensors()
        _fill(interpreter)
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return False
    return all(len(spec["shape"]) and spec["shape"][0] == 2 for spec in interpreter.get_output_details())  # noqa: PLR2004 - the batch above


def main() -> None:
    """Answer requests until the input ends."""
    frames = _load_frames()
    with os.fdopen(int(sys.argv[1]), "wb") as replies:
        while (frame := frames.read_frame(sys.stdin.buffer)) is not None:
            request, blobs = frame
            try:
                answer = preflight(request, blobs[0])
            except Exception as error:  # noqa: BLE001 - whatever a runtime raises is an answer
                answer = {"error": f"{type(error).__name__}: {error}"}
            frames.write_frame(replies, answer)


if __name__ == "__main__":
    main()
