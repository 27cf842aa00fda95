"""What is done with the runtime's own interpreter, in this process or in a worker.

Imports nothing but the standard library, numpy and the runtime: a worker loads this file by its path in a
Python environment that has no qbench.
"""

from __future__ import annotations

from typing import Any

#: What the runtime calls an operator that stands for those that a delegate took.
_DELEGATE = "DELEGATE"


def open_native(request: dict[str, Any], content: bytes) -> Any:
    """The runtime's own interpreter for the artifact `content`.

    Parameters
    ----------
    request
        The fields of `qbench.records.RuntimeOptions`: runtime, threads, kernels, delegate; and whether to
        ``preserve`` the values of all tensors, which otherwise share memory and are overwritten.
    """
    make, resolvers, load_delegate = import_runtime(request)
    resolver = {
        "builtin": resolvers.BUILTIN,
        "reference": resolvers.BUILTIN_REF,
        "no-delegates": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }[request["kernels"]]
    delegates = None
    if delegate := request.get("delegate"):
        try:
            delegates = [load_delegate(delegate)]
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"the delegate {delegate!r} cannot be loaded: {error}") from error
    return make(
        model_content=content,
        num_threads=request["threads"],
        experimental_op_resolver_type=resolver,
        experimental_delegates=delegates,
        experimental_preserve_all_tensors=request.get("preserve", False),
    )


def import_runtime(request: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The class of interpreters, the kinds of kernels, and what loads a delegate, of the runtime asked for."""
    if request["runtime"] == "tf.lite":
        import tensorflow as tf  # noqa: PLC0415 - seconds to import, and only for who asks for it

        return tf.lite.Interpreter, tf.lite.experimental.OpResolverType, tf.lite.experimental.load_delegate
    from ai_edge_litert import interpreter as litert  # noqa: PLC0415 - the runtime is chosen here

    return litert.Interpreter, litert.OpResolverType, litert.load_delegate


def describe(detail: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    """A tensor as the fields of `qbench.records.TensorSpec`; `names` are those of the signature, by index."""
    import numpy as np  # noqa: PLC0415 - not needed to answer that the runtime is missing

    quantization = detail["quantization_parameters"]
    return {
        "name": names.get(int(detail["index"]), str(detail["name"])),
        "dtype": np.dtype(detail["dtype"]).name,
        "shape": [int(size) for size in detail["shape"]],
        "scales": [float(scale) for scale in quantization["scales"]],
        "zero_points": [int(point) for point in quantization["zero_points"]],
        "quantized_dimension": int(quantization["quantized_dimension"]),
    }


def described(arrays: list[Any]) -> list[dict[str, Any]]:
    """Shapes and dtypes, so that the arrays' bytes can be read again."""
    return [{"shape": list(array.shape), "dtype": array.dtype.name} for array in arrays]


def tensor_values(interpreter: Any, indices: list[int]) -> dict[int, Any]:
    """Values of the tensors at `indices`; without those that have none, or that hold no numbers."""
    dtypes = {int(detail["index"]): detail["dtype"] for detail in interpreter.get_tensor_details()}
    values = {}
    for index in indices:
        if index not in dtypes or dtypes[index] in _text_types():
            continue  # To ask for strings ends the process.
        try:
            values[index] = interpreter.get_tensor(index)
        except ValueError:  # A delegate has swallowed it.
            continue
    return values


def signature_names(interpreter: Any) -> dict[int, str]:
    """Names that the only signature gives to tensors; tensor names are converters' inventions."""
    signatures = interpreter._get_full_signature_list()  # noqa: SLF001 - the public list has no tensor indices
    if len(signatures) != 1:
        return {}
    (signature,) = signatures.values()
    return {int(index): name for part in ("inputs", "outputs") for name, index in signature[part].items()}


def resize_batch(interpreter: Any, examples: int) -> None:
    """Make the first axis of every input `examples` long."""
    for spec in interpreter.get_input_details():
        interpreter.resize_tensor_input(spec["index"], [examples, *(int(size) for size in spec["shape"][1:])])
    interpreter.allocate_tensors()


def resize_inputs(interpreter: Any, shapes: list[list[int]]) -> None:
    """Give the inputs these shapes, where they have others."""
    details = interpreter.get_input_details()
    wrong = [pair for pair in zip(details, shapes) if [int(size) for size in pair[0]["shape"]] != pair[1]]  # noqa: B905 - as many as inputs
    for detail, shape in wrong:
        interpreter.resize_tensor_input(detail["index"], shape)
    if wrong:
        interpreter.allocate_tensors()


def operator_names(interpreter: Any) -> list[str]:
    """Names of what runs, in order; ``DELEGATE`` for operators that a delegate took."""
    return [str(operator["op_name"]) for operator in interpreter._get_ops_details()]  # noqa: SLF001 - nothing public names the operators


def undelegated_operators(interpreter: Any) -> list[int]:
    """Places of the main subgraph's operators that no delegate took, of those whose outputs something reads.

    The runtime lists the operators of the artifact and behind them its delegates, each with the tensors that it reads
    and writes, and does not tell which operators a delegate took. But what one reads, it does not make itself; so going
    back from what it writes to what it reads leads to all of them.
    """
    details = interpreter._get_ops_details()  # noqa: SLF001 - as above
    operators = [detail for detail in details if detail["op_name"] != _DELEGATE]
    maker = {int(tensor): place for place, operator in enumerate(operators) for tensor in operator["outputs"]}
    taken = set()
    for delegate in (detail for detail in details if detail["op_name"] == _DELEGATE):
        given = {int(tensor) for tensor in delegate["inputs"]}
        made = [int(tensor) for tensor in delegate["outputs"]]
        while made:
            place = maker.get(made.pop())
            if place is not None and place not in taken:
                taken.add(place)
                made += [int(tensor) for tensor in operators[place]["inputs"] if int(tensor) not in given]
    read = {int(tensor) for operator in operators for tensor in operator["inputs"]}
    read |= {int(detail["index"]) for detail in interpreter.get_output_details()}
    return [
        place
        for place, operator in enumerate(operators)
        if place not in taken and not read.isdisjoint(int(tensor) for tensor in operator["outputs"])
    ]


def string_inputs(interpreter: Any) -> list[str]:
    """Names of the inputs that hold strings; to run an artifact on strings that nobody set ends the process."""
    text = _text_types()
    return [spec["name"] for spec in interpreter.get_input_details() if spec["dtype"] in text]


def fill_with_zero(interpreter: Any) -> None:
    """Set every input to the real value 0."""
    import numpy as np  # noqa: PLC0415 - as above

    for spec in interpreter.get_input_details():
        zero_point = spec["quantization"][1]
        interpreter.set_tensor(spec["index"], np.full(spec["shape"], zero_point, dtype=spec["dtype"]))


def try_batch(interpreter: Any) -> bool:
    """Whether the artifact also runs with two examples at once; a crash here is better than one later."""
    specs = interpreter.get_input_details()
    if not specs or any(len(spec["shape"]) == 0 or spec["shape"][0] != 1 for spec in specs):
        return False
    try:
        resize_batch(interpreter, 2)
        fill_with_zero(interpreter)
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return False
    return all(len(spec["shape"]) and spec["shape"][0] == 2 for spec in interpreter.get_output_details())  # noqa: PLR2004 - the batch above


def _text_types() -> tuple[Any, ...]:
    import numpy as np  # noqa: PLC0415 - as above

    return np.bytes_, np.object_, np.str_
