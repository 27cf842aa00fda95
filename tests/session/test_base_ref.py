"""Baselines read from a commit: a pull request cannot bless itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest
from baseline.scratch_git import commit, init

from qbench.errors import BaselineError
from qbench.models.datasets import Dataset
from qbench.records import Subject
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, of

if TYPE_CHECKING:
    from session.lab import Lab

OTHER = Subject(model="other", recipe="int8")


@pytest.fixture
def committed(accepted: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A project whose accepted state is committed."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    init(accepted.root)
    commit(accepted.root)
    return accepted


def worsen_and_bless(lab: Lab) -> None:
    """What a pull request does that wants to be green."""
    lab.model["tolerance"] = {"accuracy_drop": 1.0}
    lab.source("int8", zoo.dense_int8(seed=1))
    assert lab.accept("trust me").refused == {}


def test_what_was_accepted_in_the_working_tree_alone_does_not_bless(committed: Lab):
    worsen_and_bless(committed)
    blessed = of(committed.gate().verdicts, INT8, "accuracy")
    assert blessed.verdict is Verdict.UNCHANGED
    inventory = committed.gate(base_ref="HEAD")
    verdict = of(inventory.verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.reference) == (Verdict.FAIL, 1.0)
    assert verdict.now == blessed.now
    assert inventory.baselines.startswith("baselines/ at HEAD (")


def test_neither_does_a_commit_after_the_reference(committed: Lab):
    worsen_and_bless(committed)
    commit(committed.root, "bless")
    assert of(committed.gate(base_ref="HEAD").verdicts, INT8, "accuracy").verdict is Verdict.UNCHANGED
    assert of(committed.gate(base_ref="HEAD~1").verdicts, INT8, "accuracy").verdict is Verdict.FAIL


@pytest.mark.parametrize("damage", ["removed", "corrupt"])
def test_what_became_of_the_working_trees_baselines_does_not_matter(committed: Lab, damage: str):
    if damage == "removed":
        shutil.rmtree(committed.baselines)
    else:
        for path in committed.baselines.rglob("*.json"):
            path.write_bytes(b"{")
    committed.source("int8", zoo.dense_int8(seed=1))
    verdict = of(committed.gate(base_ref="HEAD").verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.reference) == (Verdict.FAIL, 1.0)


def test_the_accepted_artifact_and_predictions_come_from_the_commit_too(committed: Lab):
    shutil.rmtree(committed.baselines)
    unchanged = of(committed.gate(base_ref="HEAD").verdicts, INT8, "accuracy")
    assert unchanged.reason == "all predictions are those of the baseline"
    committed.dataset = Dataset(inputs=committed.dataset.inputs, labels=(committed.dataset.labels + 1) % 3)
    verdict = of(committed.gate(base_ref="HEAD").verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.now, verdict.reference) == (Verdict.UNCHANGED, 0.0, 0.0)
    assert verdict.reason.startswith("the dataset has changed")


def test_a_new_model_is_compared_with_the_baseline_it_brings_along(committed: Lab):
    committed.table["models"]["other"] = {**committed.model}
    first = committed.gate(base_ref="HEAD")
    assert of(first.verdicts, OTHER, "accuracy").verdict is Verdict.MISSING
    committed.accept("a new model")
    second = committed.gate(base_ref="HEAD")
    assert of(second.verdicts, OTHER, "accuracy").verdict is Verdict.UNCHANGED
    assert second.incomplete == ()


def test_a_baseline_that_only_the_commit_has_is_missed(committed: Lab):
    shutil.rmtree(committed.baselines)
    committed.model["source"] = {"fp32": "fp32.tflite"}
    verdict = of(committed.gate(base_ref="HEAD").verdicts, INT8, "declaration")
    assert verdict.verdict is Verdict.MISSING
    assert of(committed.gate(base_ref="HEAD").verdicts, FP32, "accuracy").verdict is Verdict.UNCHANGED


def test_a_commit_that_is_not_there_ends_the_run_before_anything_is_measured(committed: Lab):
    with pytest.raises(BaselineError, match="git knows no commit 'no-such-branch' here"):
        committed.session(base_ref="no-such-branch")


def test_accepting_names_the_commit_it_was_made_on(committed: Lab):
    committed.accept("again")
    first = committed.baseline(INT8).provenance.commit
    # The baselines that were just written differ from those of the commit, and so does the tree.
    committed.accept("and again")
    assert committed.baseline(INT8).provenance.commit == first.removesuffix("+") + "+"
