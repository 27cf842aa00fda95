from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from qbench.errors import ConfigError
from qbench.report import pictures
from qbench.trial.plot import plot_trial
from trial.examples import contest, three_slowdowns, trial


def _texts(svg):
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_is_svg_that_says_what_it_shows():
    texts = _texts(plot_trial(three_slowdowns()))
    assert "qbench trial: 60 contests of 1 subject against themselves, slowed down by known shares" in texts
    for wanted in ("quiet", "a busy neighbour on the same processor", "slower", "not slower", "inconclusive"):
        assert wanted in texts
    for wanted in ("measured = injected", "tolerance 5%", "injected slowdown", "measured slowdown", "10%"):
        assert wanted in texts
    assert texts.count("findings of 10 contests each, exact 95% intervals") == 2


def test_the_same_trial_is_the_same_file():
    assert plot_trial(three_slowdowns()) == plot_trial(three_slowdowns())


def test_one_slowdown_and_a_contest_without_a_ratio_can_be_drawn():
    assert "0%" in _texts(plot_trial(trial([contest(), contest(ratio=None, finding="inconclusive")])))
    assert "0%" in _texts(plot_trial(trial([contest(ratio=None, finding="inconclusive")])))


def test_nothing_cannot_be_drawn():
    with pytest.raises(ConfigError, match="found no contest"):
        plot_trial(trial())


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pictures, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'qbench\[trial\]'"):
        plot_trial(three_slowdowns())
