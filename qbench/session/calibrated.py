"""Which calibration examples the artifact of a subject depends on, as far as anybody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.models.config import Config
    from qbench.records import Subject
    from qbench.session.preparation import Datasets


def is_calibrated(config: Config, subject: Subject) -> bool:
    """Whether the artifact's ranges come from its dataset; nobody knows where those of a given file come from."""
    return not config.models[subject.model].source.given_recipes and config.recipes[subject.recipe].calibrated


def calibration_digest(config: Config, datasets: Datasets, subject: Subject) -> str:
    """SHA-256 of the calibration examples that the artifact depends on; empty if it depends on none."""
    dataset = datasets.of(subject.model)
    return dataset.calibration_digest if dataset is not None and is_calibrated(config, subject) else ""
