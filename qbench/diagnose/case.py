"""What is to be explained, and how far to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.models.datasets import Dataset
    from qbench.records import RuntimeOptions, Subject

    Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """What is to be explained.

    Parameters
    ----------
    float_content, content
        The float model, and the artifact that was made of it.
    dataset
        What both are evaluated on.
    options
        How the artifact is deployed.
    float_output, output
        Index of the output that predictions are read from, on both sides.
    retrained
        Whether the artifact was made of weights that were trained further.
    calibrated
        Whether the artifact's ranges come from the dataset's calibration examples.
    predictions
        Of the float model and of the artifact on all examples, where they are known; shape (examples,).
    undelegated
        Places of the artifact's operators that no delegate took, where that is known.
    changes
        What differs from what was accepted.
    """

    subject: Subject
    float_content: bytes
    content: bytes
    dataset: Dataset
    options: RuntimeOptions
    float_output: int = 0
    output: int = 0
    retrained: bool = False
    calibrated: bool = True
    predictions: tuple[Array, Array] | None = None
    undelegated: tuple[int, ...] | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How far to look.

    Parameters
    ----------
    examples
        How many are looked at closely.
    flips_alone
        For how many operators it is counted what they flip alone.
    kernels
        Whether other kernels and the profiler are asked too.
    calibration
        Whether the ranges of the float model are watched on the calibration examples.
    limit_s
        Seconds after which the operators are left as they are; None for no limit. With one, examples that flip are not
        searched for where predictions are not known.
    """

    examples: int = 256
    flips_alone: int = 40
    kernels: bool = True
    calibration: bool = True
    limit_s: float | None = None
