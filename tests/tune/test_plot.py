from __future__ import annotations

import pytest

from qbench.errors import ConfigError
from qbench.tune.plot import plot_tuning
from tune.outcomes import failed, passing_tuning, tuning_of

pytest.importorskip("matplotlib")


def test_the_picture_is_the_same_twice_and_has_its_legend():
    picture = plot_tuning(passing_tuning())
    assert picture == plot_tuning(passing_tuning())
    text = picture.decode()
    assert text.startswith("<?xml")
    for label in ("passes", "fails", "the front", "cheapest that passes", "start", "tolerance 0.5"):
        assert f">{label}<" in text


def test_without_anything_measured_there_is_no_picture():
    with pytest.raises(ConfigError, match="found no recipe that could be measured"):
        plot_tuning(tuning_of([failed()]))
