"""Which operator of an artifact a kernel of XNNPACK was run for: the runtime tells a kernel's name and order alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNARY = {
    "Abs": "ABS",
    "ApproxGELU": "GELU",
    "Bankders Rounding": "ROUND",  # As XNNPACK spells it.
    "Ceiling": "CEIL",
    "Cosine": "COS",
    "ELU": "ELU",
    "Exp": "EXP",
    "Floor": "FLOOR",
    "GELU": "GELU",
    "HardSwish": "HARD_SWISH",
    "LeakyReLU": "LEAKY_RELU",
    "Log": "LOG",
    "Negate": "NEG",
    "Reciprocal Square Root": "RSQRT",
    "Sigmoid": "LOGISTIC",
    "Sign": "SIGN",
    "Sine": "SIN",
    "Square": "SQUARE",
    "Square Root": "SQRT",
    "TanH": "TANH",
}
_BINARY = {
    "Add": "ADD",
    "Divide": "DIV",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "Multiply": "MUL",
    "PReLU": "PRELU",
    "Squared Difference": "SQUARED_DIFFERENCE",
    "Subtract": "SUB",
}

#: Operators that XNNPACK runs with a kernel of this name (xnnpack/operator-type-defs.inc, and what the delegate defines
#: for an operator). Kernels that are not here belong to no operator for sure: copies, what a converted input needs.
_OPERATORS: dict[str, frozenset[str]] = {
    "Average Pooling": frozenset({"AVERAGE_POOL_2D", "MEAN"}),
    "Batch Matrix Multiply": frozenset({"BATCH_MATMUL"}),
    "Binary Elementwise": frozenset(_BINARY.values()),
    "Clamp": frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"}),
    "Constant Pad": frozenset({"PAD", "PADV2"}),
    "Convert": frozenset({"QUANTIZE", "DEQUANTIZE"}),
    "Convolution": frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"}),
    "Deconvolution": frozenset({"TRANSPOSE_CONV"}),
    "Depth To Space": frozenset({"DEPTH_TO_SPACE"}),
    "Dynamic Fully Connected": frozenset({"FULLY_CONNECTED", "BATCH_MATMUL"}),
    "Fully Connected": frozenset({"FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL"}),
    "Max Pooling": frozenset({"MAX_POOL_2D"}),
    "Mean": frozenset({"MEAN"}),
    "Reduce Max": frozenset({"REDUCE_MAX"}),
    "Reduce Min": frozenset({"REDUCE_MIN"}),
    "Resize Bilinear": frozenset({"RESIZE_BILINEAR"}),
    "Slice": frozenset({"SLICE", "STRIDED_SLICE"}),
    "Softmax": frozenset({"SOFTMAX"}),
    "Space To Depth": frozenset({"SPACE_TO_DEPTH"}),
    "Static Expand Dims": frozenset({"EXPAND_DIMS", "RESHAPE"}),
    "Static Reshape": frozenset({"RESHAPE", "EXPAND_DIMS", "SQUEEZE"}),
    "Sum": frozenset({"SUM"}),
    "Transpose": frozenset({"TRANSPOSE"}),
    "Unary Elementwise": frozenset(_UNARY.values()),
    **{kernel: frozenset({operator}) for kernel, operator in (_UNARY | _BINARY).items()},
}


def match_kernels(kernels: Sequence[str], operators: Sequence[str]) -> list[int | None]:
    """The place among `operators` of what each of `kernels` was run for, None where that is not certain.

    Both are in the order of execution. A delegate may run several kernels for one operator, and none for one that it
    merges into another. So as many as possible are paired in order (a longest common subsequence), and a kernel is
    said to belong to an operator only if every such pairing says so.

    Parameters
    ----------
    kernels
        Names such as ``Convolution (NHWC, QC8) IGEMM``.
    operators
        Names such as ``CONV_2D`` of the operators that the delegate took.
    """
    fits = [[operator in _OPERATORS.get(kernel.partition(" (")[0], ()) for operator in operators] for kernel in kernels]
    before = _longest(fits)
    after = [row[::-1] for row in _longest([row[::-1] for row in fits[::-1]])][::-1]
    most = before[-1][-1]
    matched: list[int | None] = []
    for kernel, row in enumerate(fits):
        at = [
            place
            for place, fit in enumerate(row)
            if fit and before[kernel][place] + 1 + after[kernel + 1][place + 1] == most
        ]
        can_be_left_out = any(
            before[kernel][place] + after[kernel + 1][place] == most for place in range(len(operators) + 1)
        )
        matched.append(at[0] if len(at) == 1 and not can_be_left_out else None)
    return matched


def _longest(fits: list[list[bool]]) -> list[list[int]]:
    """Most pairs of the first so many kernels with the first so many operators."""
    most = [[0] * (len(fits[0]) + 1 if fits else 1)]
    for row in fits:
        line, above = [0], most[-1]
        for place, fit in enumerate(row):
            line.append(max(line[-1], above[place + 1], above[place] + fit))
        most.append(line)
    return most
