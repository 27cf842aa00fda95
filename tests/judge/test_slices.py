"""Slices: which are tested, how that is corrected, and how often any is called worse by mistake."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.judge.slices import ALPHA, LEAST_FLIPS, compare_slices, holm


def flips(*slices: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, was right and slice of examples, from (examples, lost, won) of each slice."""
    right, was_right, groups = [], [], []
    for name, (examples, lost, won) in enumerate(slices):
        same = examples - lost - won
        right += [False] * lost + [True] * won + [True] * same
        was_right += [True] * lost + [False] * won + [True] * same
        groups += [name] * examples
    return np.array(right), np.array(was_right), np.array(groups)


def test_the_worst_is_named_with_its_flips_and_its_corrected_p_value():
    found = compare_slices(*flips((1000, 5, 5), (974, 31, 10), (900, 8, 8)), by="class")
    assert found is not None
    assert (found.by, found.slices, found.tested) == ("class", 3, 3)
    assert (found.worst.name, found.worst.examples, found.worst.lost, found.worst.won) == ("1", 974, 31, 10)
    assert found.worst.drop == pytest.approx(21 / 974)
    assert found.worst.p_value == pytest.approx(0.00145, abs=1e-5)
    assert found.worst.corrected_p_value == pytest.approx(3 * found.worst.p_value)
    assert found.worse == (found.worst,)


def test_looking_at_many_needs_more_evidence():
    alone = compare_slices(*flips((100, 12, 3)), by="class")
    among = compare_slices(*flips((100, 12, 3), *[(100, 5, 5)] * 9), by="class")
    assert alone is not None
    assert among is not None
    assert alone.worst.p_value == among.worst.p_value
    assert len(alone.worse) == 1
    assert among.worse == ()
    assert among.worst.name == "0"
    assert among.worst.corrected_p_value == pytest.approx(10 * alone.worst.p_value)


def test_a_slice_that_cannot_be_significant_is_not_tested_and_does_not_cost_the_others():
    found = compare_slices(*flips((100, 12, 3), *[(4, 2, 0)] * 500), by="class")
    assert found is not None
    assert (found.slices, found.tested) == (501, 1)
    assert found.worst.name == "0"
    assert len(found.worse) == 1


def test_all_of_a_few_examples_do_not_scream():
    found = compare_slices(*flips((5, 5, 0), (1000, 20, 18)), by="class")
    assert found is not None
    assert found.worse == ()
    assert found.worst.name == "0"  # It is where there is most evidence, which is not enough.
    assert found.worst.corrected_p_value == 1.0


@pytest.mark.parametrize(("lost", "worse"), [(LEAST_FLIPS - 1, 0), (LEAST_FLIPS, 1)])
def test_the_least_number_of_flips_is_the_least_that_can_be_evidence(lost: int, worse: int):
    found = compare_slices(*flips((50, lost, 0)), by="class")
    assert found is not None
    assert (found.worst.p_value <= ALPHA) == bool(worse)
    assert len(found.worse) == worse


def test_one_that_gained_is_not_worse_however_sure_that_is():
    found = compare_slices(*flips((100, 1, 40), (100, 2, 1)), by="class")
    assert found is not None
    assert (found.worst.name, found.worse) == ("1", ())
    assert compare_slices(*flips((100, 0, 40), (100, 0, 0)), by="class") is None


def test_of_several_worse_ones_the_largest_drop_comes_first():
    # The second has more evidence, the first and smaller the larger drop.
    found = compare_slices(*flips((50, 10, 0), (5000, 60, 0), (100, 0, 0)), by="group")
    assert found is not None
    assert [change.name for change in found.worse] == ["0", "1"]
    assert found.worst.name == "0"
    assert found.worse[1].p_value < found.worse[0].p_value


def test_groups_may_be_text():
    right, was_right, groups = flips((100, 20, 0), (100, 0, 0))
    found = compare_slices(right, was_right, np.array(["night", "day"])[groups], by="light")
    assert found is not None
    assert (found.by, found.worst.name) == ("light", "night")


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), min_size=1, max_size=200), st.randoms())
def test_the_order_of_examples_and_the_names_of_slices_do_not_matter(examples: list[tuple[bool, bool, int]], random):
    def look(given: list[tuple[bool, bool, int]]) -> tuple[object, ...] | None:
        right, was_right, groups = (np.array(column) for column in zip(*given, strict=True))
        found = compare_slices(right, was_right, groups * 7 - 3, by="class")
        return found and (found.worst.examples, found.worst.lost, found.worst.won, found.tested, len(found.worse))

    shuffled = list(examples)
    random.shuffle(shuffled)
    assert look(shuffled) == look(examples)
    losing = {group for group in range(5) if sum(was - now for now, was, place in examples if place == group) > 0}
    assert (look(examples) is None) == (not losing)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_is_the_step_down_method(p_values: list[float]):
    corrected = holm(p_values)
    ordered = sorted(p_values)
    for p, found in zip(p_values, corrected, strict=True):
        # By its definition: rejected at a level iff it and every smaller one are below their shares of the level.
        level = max(min(1.0, (len(ordered) - rank) * q) for rank, q in enumerate(ordered) if q <= p)
        assert found == pytest.approx(level)
        assert p <= found <= 1


def test_where_nothing_changed_any_slice_is_called_worse_in_at_most_five_per_cent():
    generator = np.random.default_rng(4)
    trials, wrong, uncorrected = 400, 0, 0
    groups = np.repeat(np.arange(20), 150)
    for _ in range(trials):
        flipped = generator.random(len(groups)) < 0.12
        was_right = generator.random(len(groups)) < 0.5
        found = compare_slices(was_right ^ flipped, was_right, groups, by="class")
        assert found is not None
        wrong += bool(found.worse)
        uncorrected += found.worst.p_value <= ALPHA
    assert wrong <= trials * (ALPHA + 0.02)
    assert uncorrected >= trials * 0.15  # So often luck alone would have been an alarm.


@pytest.mark.parametrize("names", [["a", "b"], [b"a", b"b"]])
def test_names_of_bytes_are_the_text_that_they_are(names: list[object]):
    groups = np.repeat(np.array(names), 10)
    found = compare_slices(np.zeros(20, bool), groups == names[1], groups, by="camera")
    assert found is not None
    assert found.worst.name == "b"
