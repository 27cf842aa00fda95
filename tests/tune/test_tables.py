from __future__ import annotations

import msgspec
import pytest

from qbench.tune.result import Price
from qbench.tune.tables import markdown, sentences, shown
from tune.outcomes import TOLERANCE, contest, failed, outcome, passing_tuning, tuning_of


def test_the_cheapest_is_said_with_what_it_costs():
    said = sentences(passing_tuning())
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
    assert text in sentences(msgspec.structs.replace(passing_tuning(), price=price))[1]


def test_the_table_lists_the_front_and_with_verbose_all():
    tuning = passing_tuning()
    assert shown(tuning, verbose=False) == [1, 2]
    assert shown(tuning, verbose=True) == [1, 2, 3, 4]


def test_the_page_has_all_trials_and_the_lines_to_paste():
    page = markdown(passing_tuning())
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
    said = sentences(tuning_of([near, failed()], nearest=1, why=("the search was restricted to x = y",)))
    assert said[0].startswith("No recipe passes. The nearest is #1: int8 per channel")
    assert said[1] == (
        "Its accuracy_drop is 0.0150 where 0.0050 is allowed, 0.0100 too much, or 3.0 times the tolerance."
    )
    assert said[2] == "The search was restricted to x = y."
