"""qbench: a pytest plugin that tells whether a quantized model got worse.

`Dataset`, `TrainingSet` and `metric` are what a project's own code needs; everything else is reached through pytest's
fixtures, or through `qbench.session` without pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qbench.measure.metrics import metric
    from qbench.models.datasets import Dataset
    from qbench.models.training_set import TrainingSet

__all__ = ["Dataset", "TrainingSet", "metric"]


def __getattr__(name: str) -> Any:
    """Import on first use: pytest imports this package at every start, and numpy is not free."""
    if name == "Dataset":
        from qbench.models.datasets import Dataset  # noqa: PLC0415 - see above

        return Dataset
    if name == "TrainingSet":
        from qbench.models.training_set import TrainingSet  # noqa: PLC0415 - see above

        return TrainingSet
    if name == "metric":
        from qbench.measure.metrics import metric  # noqa: PLC0415 - see above

        return metric
    raise AttributeError(f"module 'qbench' has no attribute {name!r}")
