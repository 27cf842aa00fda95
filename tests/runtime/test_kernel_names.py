from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.runtime.kernel_names import match_kernels

_CONV, _DENSE = "Convolution (NHWC, QC8) IGEMM", "Fully Connected (NC, QS8, QC8W) GEMM"
_RESHAPE, _CONVERT = "Static Reshape (NC)", "Convert (NC, F32, QDU8)"


@pytest.mark.parametrize(
    ("kernels", "operators", "expected"),
    [
        ([], [], []),
        ([], ["CONV_2D"], []),
        ([_CONV], [], [None]),
        ([_CONV, _DENSE], ["CONV_2D", "FULLY_CONNECTED"], [0, 1]),
        # A pointwise convolution is a matrix product.
        ([_CONV, _DENSE, _DENSE], ["CONV_2D", "CONV_2D", "FULLY_CONNECTED"], [0, 1, 2]),
        # What the delegate adds belongs to nobody.
        ([_CONVERT, _DENSE, _RESHAPE], ["FULLY_CONNECTED"], [None, 0, None]),
        # What it merges into others runs no kernel.
        ([_CONV, _DENSE], ["PAD", "CONV_2D", "RELU", "FULLY_CONNECTED"], [1, 3]),
        # One of two ran, and nothing tells which.
        ([_CONV], ["CONV_2D", "CONV_2D"], [None]),
        # Two ran for one, and nothing tells which is it.
        ([_RESHAPE, _RESHAPE, _DENSE], ["RESHAPE", "FULLY_CONNECTED"], [None, None, 1]),
        (["Something New (NC)", _DENSE], ["ADD", "FULLY_CONNECTED"], [None, 1]),
    ],
)
def test_matches(kernels, operators, expected):
    assert match_kernels(kernels, operators) == expected


_KERNEL_OF = {"CONV_2D": _CONV, "FULLY_CONNECTED": _DENSE, "RESHAPE": _RESHAPE, "ADD": "Add (ND)"}


@given(st.lists(st.sampled_from(sorted(_KERNEL_OF)), max_size=12))
def test_one_kernel_for_each_operator_is_matched_whole(operators):
    assert match_kernels([_KERNEL_OF[name] for name in operators], operators) == list(range(len(operators)))


@given(st.lists(st.sampled_from(sorted(_KERNEL_OF)), max_size=8), st.data())
def test_what_is_said_is_true_whatever_was_left_out_and_added(operators, data):
    """Kernels are dropped and strange ones added: the rest is matched with its own operator, or not at all."""
    ran = [place for place in range(len(operators)) if data.draw(st.booleans())]
    kernels: list[str] = []
    truth: list[int | None] = []
    for place in ran:
        for _ in range(data.draw(st.integers(0, 1))):
            kernels.append("Copy (NC)")
            truth.append(None)
        kernels.append(_KERNEL_OF[operators[place]])
        truth.append(place)
    matched = match_kernels(kernels, operators)
    assert all(said in {None, true} for said, true in zip(matched, truth, strict=True))
