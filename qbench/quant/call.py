"""One operator of a graph with the values that it reads: what a binding hands to an oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from qbench.quant.family import Family
    from qbench.tflite.graph import Operator, Tensor

    Array = npt.NDArray[Any]

#: What computes an operator; it returns the output, or a tuple of all outputs.
Oracle = Callable[["Call"], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """An operator, and what goes into it.

    Parameters
    ----------
    operator
        As the file has it.
    inputs
        Stored values, one array for each of the operator's inputs; None for one that is left out.
    input_tensors, output_tensors
        The tensors that they stand in.
    family
        Whose kernels the oracle is asked for.
    """

    operator: Operator
    inputs: tuple[Array | None, ...]
    input_tensors: tuple[Tensor | None, ...]
    output_tensors: tuple[Tensor, ...]
    family: Family

    def array(self, index: int) -> Array:
        """The input at `index`.

        Raises
        ------
        UnspecifiedError
            If it is left out.
        """
        found = self.optional(index)
        if found is None:
            raise UnspecifiedError(f"{self.operator.name} has no input {index}, which it needs")
        return found

    def optional(self, index: int) -> Array | None:
        """The input at `index`; None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def integers(self, index: int) -> tuple[int, ...]:
        """The input at `index` as numbers: axes, sizes and the like."""
        return tuple(int(value) for value in self.array(index).reshape(-1))

    def params(self, index: int = 0) -> QuantizationParameters:
        """Quantization parameters of the input at `index`."""
        tensor = self.input_tensors[index]
        if tensor is None:
            raise UnspecifiedError(f"{self.operator.name} has no input {index}, which it needs")
        return parameters_of(tensor)

    def output_params(self, index: int = 0) -> QuantizationParameters:
        """Quantization parameters of the output at `index`."""
        return parameters_of(self.output_tensors[index])

    def option(self, name: str) -> Any:
        """A value of the operator's table of options.

        Raises
        ------
        UnspecifiedError
            If the operator has no such option.
        """
        try:
            return self.operator.options[name]
        except KeyError:
            raise UnspecifiedError(f"{self.operator.name} has no option {name!r}") from None

    def pair(self, first: str, second: str) -> tuple[int, int]:
        """Two options together, such as the strides of both axes."""
        return int(self.option(first)), int(self.option(second))

    @property
    def activation(self) -> str:
        """The fused activation, by its name in the schema."""
        return str(self.option("fused_activation_function"))


def parameters_of(tensor: Tensor) -> QuantizationParameters:
    """The quantization parameters of `tensor`.

    One scale in the file means per tensor, whatever the quantized dimension says.

    Raises
    ------
    UnspecifiedError
        If the tensor has none, or such as the specification does not know.
    """
    if not tensor.scales.size:
        raise UnspecifiedError(f"the tensor {tensor.name!r} ({tensor.dtype}) is not quantized")
    points = _points(tensor)
    try:
        if tensor.scales.size == 1:
            return QuantizationParameters(tensor.scales[0], points[0], dtype=tensor.dtype)
        return QuantizationParameters(
            tensor.scales, points, quantized_dimension=tensor.quantized_dimension, dtype=tensor.dtype
        )
    except ValueError as error:
        raise UnspecifiedError(f"the tensor {tensor.name!r}: {error}") from error


def _points(tensor: Tensor) -> npt.NDArray[np.int64]:
    """Zero points, one for each scale; a file may leave them out where they are 0."""
    return tensor.zero_points if tensor.zero_points.size else (tensor.scales * 0).astype("int64")
