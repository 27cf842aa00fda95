"""Random operands for the operators that move or pick stored values, and what makes an example of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qbench.quant.affine import QuantizationParameters
from quant.kernel_lab import Operand

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array


class Case(NamedTuple):
    """An operator with operands, and what its oracle says."""

    operands: list[Operand]
    options: Any
    expected: list[Array]
    params: QuantizationParameters


class Draw:
    """Random operands of one dtype for the kernels of one family."""

    def __init__(self, seed: int, dtype: str, family: Family = "reference") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.family = family
        self.params = self.new_params()

    def new_params(self) -> QuantizationParameters:
        limits = np.iinfo(self.dtype)
        points = [0] if self.dtype == "int16" else [limits.min, limits.max, self.int(limits.min, limits.max)]
        return QuantizationParameters(2.0 ** self.rng.uniform(-20, 10), self.rng.choice(points), dtype=self.dtype)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def bool(self) -> bool:
        return bool(self.rng.integers(2))

    def shape(self, rank: int | None = None, largest: int = 6) -> tuple[int, ...]:
        return tuple(self.rng.integers(1, largest + 1, self.int(1, 4) if rank is None else rank).tolist())

    def stored(self, shape: tuple[int, ...], params: QuantizationParameters | None = None) -> Operand:
        limits = np.iinfo(self.dtype)
        values = self.rng.integers(limits.min, limits.max + 1, shape).astype(self.dtype)
        return Operand(values, params or self.params)

    def case(self, operands: list[Operand], options: Any, *expected: Array) -> Case:
        return Case(operands, options, list(expected), self.params)


def constant(values: Any) -> Operand:
    return Operand(np.array(values, np.int32), is_constant=True)
