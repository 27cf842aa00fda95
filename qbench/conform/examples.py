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
here = Path(__file__).parent
interpreter = Interpreter(str(here / "model.tflite"), num_threads={threads},
                          experimental_op_resolver_type=OpResolverType.{resolver})
arrays = np.load(here / "arrays.npz")
for detail in interpreter.get_input_details():
    interpreter.resize_tensor_input(detail["index"], arrays[f"input_{{detail['index']}}"].shape)
interpreter.allocate_tensors()
for detail in interpreter.get_input_details():
    interpreter.set_tensor(detail["index"], arrays[f"input_{{detail['index']}}"])
interpreter.invoke()
for number, detail in enumerate(interpreter.get_output_details()):
    print("found", interpreter.get_tensor(detail["index"]), "expected", arrays[f"expected_{{number}}"], sep="\\n")
'''


def save_example(folder: Path, case: Case, comparison: Comparison, expected: Sequence[Array]) -> Path:
    """Write a failing case below `folder` and return the folder that it is in.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", f"{case.operator}-{case.dtype}-{comparison.name}").strip("-")
    kernels = comparison.kernels
    against = "the specification" if comparison.against is None else f"{comparison.against.family} kernels"
    script = _SCRIPT.format(
        title=f"{case.operator} {case.dtype}: {kernels.family} kernels against {against} ({comparison.name}).",
        threads=kernels.threads,
        resolver=_RESOLVERS[KERNEL_SETS[kernels.family]],
    )
    replace_file(folder / name / "model.tflite", case.content)
    replace_file(folder / name / "arrays.npz", _arrays(case, expected))
    replace_file(folder / name / "reproduce.py", script.encode())
    return folder / name


def _arrays(case: Case, expected: Sequence[Array]) -> bytes:
    from qbench.tflite.reader import read_model  # noqa: PLC0415

    inputs = read_model(case.content).subgraphs[0].inputs
    arrays = {f"input_{index}": stored for index, stored in zip(inputs, case.inputs, strict=True)}
    arrays |= {f"expected_{number}": stored for number, stored in enumerate(expected)}
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]  # the stub takes a keyword of savez for one of the arrays
    return stream.getvalue()
