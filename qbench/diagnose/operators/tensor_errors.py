"""The error of one tensor over all examples, summed up batch by batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.operators.records import TensorError
from qbench.diagnose.operators.values import is_quantized
from qbench.quant.call import parameters_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.tflite.graph import Tensor

    Array = npt.NDArray[Any]

#: Said of an error where the float values are all 0: JSON has no infinity.
_NO_SIGNAL_DB = -100.0


class TensorErrors:
    """Sums over batches, in float64; what they are sums of is not kept.

    Parameters
    ----------
    tensor
        The quantized side's, whose scale and zero point say what a step is and what can be represented.
    channels
        How many channels there are, each of which has every so manieth value; None for the size of the last axis.

    Raises
    ------
    UnspecifiedError
        If its parameters cannot be.
    """

    def __init__(self, tensor: Tensor, channels: int | None = None) -> None:
        self._step: float | None = None
        self._low, self._high = -math.inf, math.inf
        if is_quantized(tensor):
            params = parameters_of(tensor)
            if not params.is_per_channel:
                scale, point = float(params.scale), int(params.zero_point)
                self._step = scale
                self._low, self._high = (params.qmin - point) * scale, (params.qmax - point) * scale
        self._values = self._saturated = self._not_finite = self._float_not_finite = 0
        self._sum = self._squares = self._largest = self._float_squares = self._saturated_squares = 0.0
        self._range = _Range(1)
        width = channels or max(1, tensor.shape[-1] if tensor.shape else 1)
        self._channels = _Range(width), _Range(width)

    def add(self, quantized: Array, floats: Array) -> None:
        """Add the real values of a batch: as many on both sides, in the same order, the channels last.

        Raises
        ------
        ValueError
            If they are not as many, or do not fill the channels.
        """
        width = self._channels[0].size
        if quantized.size != floats.size or quantized.size % width:
            raise ValueError(
                f"found {quantized.size} values, the float model has {floats.size}; expected as many in rows of {width}"
            )
        left, right = (array.astype(np.float64).reshape(-1, width) for array in (quantized, floats))
        fine, float_fine = np.isfinite(left), np.isfinite(right)
        self._not_finite += int(left.size - np.count_nonzero(fine))
        self._float_not_finite += int(right.size - np.count_nonzero(float_fine))
        both = fine & float_fine
        for side, values in zip(self._channels, (left, right), strict=True):
            side.add(values, both)
        self._add_finite(left[both], right[both])

    def _add_finite(self, left: Array, right: Array) -> None:
        error = left - right
        self._values += error.size
        self._sum += float(error.sum())
        self._squares += float(np.square(error).sum())
        self._largest = max(self._largest, float(np.abs(error).max(initial=0.0)))
        self._float_squares += float(np.square(right).sum())
        self._range.add(right.reshape(-1, 1), np.ones((right.size, 1), bool))
        if self._step is not None:
            beyond = (right < self._low - self._step) | (right > self._high + self._step)
            self._saturated += int(np.count_nonzero(beyond))
            self._saturated_squares += float(np.square(error[beyond]).sum())

    def result(self) -> TensorError:
        """What came together; all errors are 0 if no value was finite on both sides."""
        values = max(self._values, 1)
        rmse, mean = math.sqrt(self._squares / values), self._sum / values
        channels = self._channels
        dead = channels[0].is_constant & ~channels[1].is_constant
        return TensorError(
            values=self._values,
            rmse=rmse,
            mean_error=mean,
            rmse_in_steps=self._in_steps(rmse),
            mean_error_in_steps=self._in_steps(mean),
            max_error_in_steps=self._in_steps(self._largest),
            sqnr_db=self._sqnr_db(),
            saturated=self._saturated / values,
            range_use=self._range_use(),
            channels=channels[0].size,
            dead_channels=int(np.count_nonzero(dead)),
            not_finite=self._not_finite,
            float_not_finite=self._float_not_finite,
            float_low=float(self._range.low[0]) if self._values else None,
            float_high=float(self._range.high[0]) if self._values else None,
            saturated_error=self._saturated_squares / self._squares if self._squares else 0.0,
        )

    def _in_steps(self, real: float) -> float | None:
        return None if self._step is None else real / self._step

    def _sqnr_db(self) -> float | None:
        if not self._squares:
            return None
        if not self._float_squares:
            # Within a step of 0 it is what rounding may do; beyond, something is where there should be nothing.
            is_rounding = self._step is not None and self._largest <= self._step
            return None if is_rounding else _NO_SIGNAL_DB
        return 10 * math.log10(self._float_squares / self._squares)

    def _range_use(self) -> float | None:
        if self._step is None:
            return None
        low, high = max(self._range.low[0], self._low), min(self._range.high[0], self._high)
        return max(0.0, float(high - low) / (self._high - self._low))


class _Range:
    """Smallest and largest value of each channel."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.low, self.high = np.full(size, math.inf), np.full(size, -math.inf)

    def add(self, values: Array, counted: Array) -> None:
        """Add `values` of shape (n, channels), as far as they are `counted`."""
        np.minimum(self.low, values.min(axis=0, initial=math.inf, where=counted), out=self.low)
        np.maximum(self.high, values.max(axis=0, initial=-math.inf, where=counted), out=self.high)

    @property
    def is_constant(self) -> npt.NDArray[np.bool_]:
        """Whether a channel has one value alone."""
        constant: npt.NDArray[np.bool_] = self.low == self.high
        return constant
