from __future__ import annotations

from qbench.tune.explanation import why_none_passes
from qbench.tune.points import PLAIN
from qbench.tune.run import Question, Study
from qbench.tune.space import restrict, whole_space
from tune.outcomes import TOLERANCE, failed, outcome


def _why(outcomes, near, *, ended="searched", fixes=()):
    study = Study(outcomes=outcomes, ended=ended)
    question = Question(
        space=restrict(whole_space(calibration_examples=0), fixes, None),
        declared={},
        start=None,
        method="greedy",
        prefer="size",
        seed=0,
    )
    return why_none_passes(study, question, near)


def test_weights_are_blamed_that_lose_too_much_alone():
    near = outcome(PLAIN.changed(activations="float"), drop=2 * TOLERANCE)
    assert "weights alone lose too much" in _why([near], near)[0]


def test_activations_are_blamed_where_weights_alone_pass():
    near = outcome(drop=2 * TOLERANCE)
    said = _why([near, outcome(PLAIN.changed(activations="float"))], near, fixes=["activations=int8"])
    assert said[0].startswith("weights alone pass (int8 per channel, float activations)")
    assert said[1].startswith(
        "the search was restricted to activations = int8; int8 per channel, float activations pass"
    )


def test_errors_and_a_spent_budget_are_reasons():
    near = outcome(drop=2 * TOLERANCE)
    said = _why([near, failed()], near, ended="budget")
    assert said[-2] == "1 of 2 recipes could not be built or run"
    assert said[-1].startswith("the search was ended before it had tried everything")
    assert _why([failed()], None) == ("no recipe could be measured: no weights that it fits",)
    assert _why([], None) == ("nothing was tried",)
