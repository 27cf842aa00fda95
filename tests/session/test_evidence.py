"""What a drop of accuracy means beyond the evaluation set, and when that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo
import msgspec
import numpy as np
import pytest

from qbench.judge.paired import PairedCounts, summarize
from qbench.models.datasets import Dataset
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, examples, labels_of, of

if TYPE_CHECKING:
    from session.lab import Lab

WORSE = zoo.dense_int8(seed=1)


def labels_with(*, lost: int, won: int) -> np.ndarray:
    """Labels under which `WORSE` loses and wins so many examples against the accepted artifact."""
    before, after = labels_of(zoo.dense_int8(), examples()), labels_of(WORSE, examples())
    differ = np.flatnonzero(before != after)
    assert len(differ) >= lost + won
    labels = (before + 1) % 3
    labels[before == after] = before[before == after]
    labels[differ[:lost]] = before[differ[:lost]]
    labels[differ[lost : lost + won]] = after[differ[lost : lost + won]]
    third = differ[lost + won :]
    labels[third] = 3 - before[third] - after[third]  # the class that neither predicts
    return labels


@pytest.fixture
def close(lab: Lab) -> Lab:
    """A lab whose int8 loses 6 and wins 4 of 64 examples against what was accepted."""
    lab.dataset = Dataset(inputs=examples(), labels=labels_with(lost=6, won=4), name="close")
    lab.accept()
    lab.source("int8", WORSE)
    return lab


def test_on_the_evaluation_set_the_drop_is_a_fact_and_fails(close: Lab):
    verdict = of(close.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.FAIL
    assert verdict.change == 2 / 64
    assert verdict.paired is not None
    assert (verdict.paired.lost, verdict.paired.won, verdict.paired.finding) == (6, 4, "inconclusive")
    assert verdict.paired.p_value == pytest.approx(0.754, abs=1e-3)


def test_where_evidence_is_asked_for_it_is_inconclusive_and_says_what_would_decide(close: Lab):
    close.table["accuracy_evidence"] = "significant"
    inventory = close.gate()
    verdict = of(inventory.verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.paired is not None
    assert verdict.paired.needed is not None
    assert verdict.paired.needed > 64
    assert "evaluate on more examples" in verdict.advice
    # The power is that of the gate that is asked for, which finds less.
    pair = PairedCounts(examples=64, lost=6, won=4)
    assert verdict.paired.found == summarize(pair, 0.002, evidence="significant").found
    assert verdict.paired.found > summarize(pair, 0.002, evidence="exact").found
    assert verdict not in inventory.failed
    assert verdict in inventory.incomplete


def test_a_drop_beyond_chance_fails_under_both(lab: Lab):
    lab.dataset = Dataset(inputs=examples(), labels=labels_with(lost=20, won=0), name="far")
    lab.table["accuracy_evidence"] = "significant"
    lab.accept()
    lab.source("int8", WORSE)
    verdict = of(lab.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.FAIL
    assert verdict.paired is not None
    assert verdict.paired.low > 0.1


def test_a_pass_stays_one_whatever_is_asked_for(close: Lab):
    close.table |= {"accuracy_evidence": "significant", "tolerance": {"latency": 1000.0, "accuracy_regression": 0.2}}
    verdict = of(close.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.PASS
    assert verdict.paired is not None


def test_fp32_is_compared_example_by_example_too(close: Lab):
    drop = of(close.gate().verdicts, INT8, "accuracy_drop")
    right = labels_of(WORSE, examples()) == close.dataset.labels
    was_right = labels_of(zoo.dense_float(), examples()) == close.dataset.labels
    assert drop.paired is not None
    assert (drop.paired.lost, drop.paired.won) == ((was_right & ~right).sum(), (right & ~was_right).sum())


def test_after_a_change_of_the_dataset_the_accepted_artifact_is_the_reference(lab: Lab):
    lab.accept()
    lab.dataset = Dataset(inputs=examples(), labels=labels_with(lost=6, won=4), name="other labels")
    lab.source("int8", WORSE)
    verdict = of(lab.gate().verdicts, INT8, "accuracy")
    assert verdict.paired is not None
    assert (verdict.paired.lost, verdict.paired.won) == (6, 4)


def test_evidence_survives_the_way_to_another_process(close: Lab):
    verdict = of(close.gate().verdicts, INT8, "accuracy")
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict)) == verdict


def test_without_flips_there_is_nothing_to_weigh(lab: Lab):
    lab.accept()
    lab.source("int8", zoo.dense_int8() + bytes(4))
    verdict = of(lab.gate().verdicts, FP32, "accuracy")
    assert verdict.paired is not None
    assert (verdict.paired.lost, verdict.paired.won, verdict.paired.p_value) == (0, 0, 1.0)
