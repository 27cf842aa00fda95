"""What is concluded and said, from outcomes that are given."""

from __future__ import annotations

import msgspec
import pytest

from qbench.records import Fingerprint
from qbench.tune.explanation import why_none_passes
from qbench.tune.plot import plot_tuning
from qbench.tune.points import PLAIN
from qbench.tune.result import Price, Tuning
from qbench.tune.run import Question, Study
from qbench.tune.space import restrict, whole_space
from qbench.tune.tables import markdown, sentences, shown
from tune.outcomes import TOLERANCE, contest, failed, outcome

_MACHINE = Fingerprint(
    cpu="c",
    instruction_sets=(),
    system="Linux",
    python="3.11",
    runtime="litert",
    runtime_version="2",
    threads=1,
    kernels="builtin",
)
_TENSOR = PLAIN.changed(granularity="tensor")


def _tuning(outcomes, **changed):
    plain = {
        "model": "net",
        "machine": _MACHINE,
        "settings": {},
        "log": "log.json",
        "ended": "searched",
        "seconds": 12.0,
        "measured_now": len(outcomes),
        "reference_bytes": 4000,
        "outcomes": tuple(outcomes),
        "front": (),
    }
    return Tuning(**{**plain, **changed})


def _passing():
    outcomes = [
        outcome(_TENSOR, size=900, drop=0.5, ratio=0.5),
        outcome(size=1000, drop=0.001, ratio=0.6),
        failed(PLAIN.changed(weights="int4")),
        outcome(PLAIN.changed(activations="int16"), size=1100),
    ]
    price = Price(size_bytes=100, nanoseconds=1000.0, low_ns=800.0, high_ns=1200.0, contest=contest(1.1))
    return _tuning(
        outcomes,
        front=(1, 2),
        start=1,
        cheapest=2,
        price=price,
        recipes_line='recipes = ["fp32", "tuned"]\n',
        recipe_table="[tool.qbench.recipe.tuned.quantization]\n",
    )


def test_the_cheapest_is_said_with_what_it_costs():
    said = sentences(_passing())
    assert said[0] == (
        "The cheapest recipe that passes is #2: int8 per channel, int8 activations; accuracy 0.9890; 1,000 B; 6.00 us."
    )
    assert said[1] == (
        "Against #1, which fails, it costs +100 B (+11.1%) and +1.00 us an invoke (95% interval +0.80 to +1.20 us), "
        "and wins 49.90 points of accuracy."
    )
    assert said[-1] == "What was measured is kept in log.json; the same command goes on from there."


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (Price(size_bytes=-100, nanoseconds=0.0), "it costs -100 B (-11.1%) and no time: its kernels are the same"),
        (Price(size_bytes=0), "it costs +0 B (+0.0%) and a time that was not measured"),
        (
            Price(size_bytes=0, nanoseconds=-5000.0, high_ns=-100.0, contest=contest(0.5)),
            "-5.00 us an invoke (95% interval open to -0.10 us)",
        ),
    ],
)
def test_costs_that_are_not_known_are_not_made_up(price, text):
    assert text in sentences(msgspec.structs.replace(_passing(), price=price))[1]


def test_the_table_lists_the_front_and_with_verbose_all():
    tuning = _passing()
    assert shown(tuning, verbose=False) == [1, 2]
    assert shown(tuning, verbose=True) == [1, 2, 3, 4]


def test_the_page_has_all_trials_and_the_lines_to_paste():
    page = markdown(_passing())
    assert (
        "| #1 | int8 per tensor, int8 activations (start) | 0.4900 | +0.5000 | fail | 900 | 22% | 5.00 us | 0.50x |"
        in page
    )
    assert "| #3 | int4 per channel, int8 activations: no weights that it fits |" in page
    assert "| #4 | int8 per channel, int16 activations | 0.9900 | +0.0000 | pass | 1,100 | 28% | - | - |" in page
    assert '```toml\nrecipes = ["fp32", "tuned"]\n```' in page
    assert "```toml\n[tool.qbench.recipe.tuned.quantization]\n```" in page


def test_a_target_that_is_never_met_is_said_with_how_near_the_nearest_came():
    near = outcome(size=1000, drop=3 * TOLERANCE)
    said = sentences(_tuning([near, failed()], nearest=1, why=("the search was restricted to x = y",)))
    assert said[0].startswith("No recipe passes. The nearest is #1: int8 per channel")
    assert said[1] == (
        "Its accuracy_drop is 0.0150 where 0.0050 is allowed, 0.0100 too much, or 3.0 times the tolerance."
    )
    assert said[2] == "The search was restricted to x = y."


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


def test_the_picture_is_the_same_twice_and_has_its_legend():
    pytest.importorskip("matplotlib")
    picture = plot_tuning(_passing())
    assert picture == plot_tuning(_passing())
    text = picture.decode()
    assert text.startswith("<?xml")
    for label in ("passes", "fails", "the front", "cheapest that passes", "start", "tolerance 0.5"):
        assert f">{label}<" in text
