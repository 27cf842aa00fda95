"""A failing case as files: a `.tflite`, its inputs, what was expected, and a script of plain LiteRT that shows it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from qbench.conform.kernels import KERNEL_SETS
from qbench.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qbench.conform.case import Array, Case
    from qbench.conform.comparison import Comparison

_RESOLVERS = {
    "reference": "BUILTIN_REF",
    "no-delegates": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "builtin": "BUILTIN",
}

_SCRIPT = '''"""{title}"""
from pathlib import Path
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
folder = Path(__file__).parent
interpreter = Interpreter(str(folder / "model.tflite"), num_threads={threads},
                          experimental_op_resolver_type=OpResolverType.{resolver})
arrays = np.load(folder / "arrays.npz")
for number, detail in enumerate(interpreter.get_input_details()):
    interpreter.resize_tensor_input(detail["index"], arrays[f"input_{{number}}"].shape)
interpreter.allocate_tensors()
for number, detail in enumerate(interpreter.get_input_details()):
    interpreter.set_tensor(detail["index"], arrays[f"input_{{number}}"])
interpreter.invoke()
for number, detail in enumerate(interpreter.get_output_details()):
    found, expected = interpreter.get_tensor(detail["index"]), arrays[f"expected_{{number}}"]
    if found.shape != expected.shape:
        raise SystemExit(f"output {{number}}: found the shape {{found.shape}}, expected {{expected.shape}}")
    for place in np.argwhere(found != expected)[:10].tolist():
        at = tuple(place)
        print(f"output {{number}} at {{place}}: found {{found[at]}}, expected {{expected[at]}}")
    print(f"output {{number}}: {{np.count_nonzero(found != expected)}} of {{found.size}} values differ")
'''


def example_folder(folder: Path, section: str, case: Case, comparison: Comparison) -> Path:
    """Where the smallest failing case of a row goes, below `folder`."""
    parts = (section, f"{case.operator}-{case.dtype}-{comparison.name}")
    return folder.joinpath(*(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-.") or "-" for part in parts))


def save_example(folder: Path, case: Case, comparison: Comparison, expected: Sequence[Array]) -> None:
    """Write a failing case to `folder`.

    Parameters
    ----------
    expected
        What each output should be; none where that cannot be told, as of a crash.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    kernels, against = comparison.kernels, comparison.against
    title = f"{case.operator} {case.dtype}: {kernels.family} kernels against {_described(comparison)}."
    script = _SCRIPT.format(title=title, threads=kernels.threads, resolver=_RESOLVERS[KERNEL_SETS[kernels.family]])
    if against is not None and against.python != kernels.python:
        script += f"# Expected is what {against.python} gives.\n"
    replace_file(folder / "model.tflite", case.content)
    replace_file(folder / "arrays.npz", _arrays(case, expected))
    replace_file(folder / "reproduce.py", script.encode())


def _described(comparison: Comparison) -> str:
    against = comparison.against
    if against is None:
        return "the specification"
    threads = f" on {against.threads} threads" if against.threads != comparison.kernels.threads else ""
    return f"{against.family} kernels{threads} ({comparison.name})"


def _arrays(case: Case, expected: Sequence[Array]) -> bytes:
    arrays = {f"input_{number}": stored for number, stored in enumerate(case.inputs)}
    arrays |= {f"expected_{number}": stored for number, stored in enumerate(expected)}
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]  # the stub takes a keyword of savez for one of the arrays
    return stream.getvalue()
