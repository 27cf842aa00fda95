"""Baselines read from a commit: a pull request cannot bless itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest
from baseline.scratch_git import commit, git, init

from qbench.baseline.sources import BaseCommit
from qbench.errors import BaselineError
from qbench.models.config import parse_config
from qbench.models.datasets import Dataset
from qbench.records import Subject
from qbench.session.declared_changes import decides
from qbench.session.references import References
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


def _declare(lab: Lab, text: str) -> None:
    (lab.root / "pyproject.toml").write_text(f"[tool.qbench]\n{text}\n")


def test_a_pull_request_that_names_another_folder_is_judged_by_the_one_that_the_commit_declares(committed: Lab):
    _declare(committed, "")
    commit(committed.root, "declared")
    committed.table["baselines"] = "elsewhere"
    _declare(committed, 'baselines = "elsewhere"')
    shutil.move(committed.root / "baselines", committed.root / "elsewhere")
    worsen_and_bless(committed)
    inventory = committed.gate(base_ref="HEAD")
    assert of(inventory.verdicts, INT8, "accuracy").verdict is Verdict.FAIL
    assert inventory.baselines.startswith("baselines/ at HEAD (")
    assert 'tool.qbench.baselines is "elsewhere"; it was not there' in inventory.declared_changes


def test_a_folder_that_the_commit_declares_and_that_is_gone_is_found(committed: Lab):
    shutil.move(committed.root / "baselines", committed.root / "deep")
    (committed.root / "ci").mkdir()
    shutil.move(committed.root / "deep", committed.root / "ci" / "accepted")
    _declare(committed, 'baselines = "ci/accepted"')
    commit(committed.root, "moved")
    shutil.rmtree(committed.root / "ci")
    worsen_and_bless(committed)
    inventory = committed.gate(base_ref="HEAD")
    assert of(inventory.verdicts, INT8, "accuracy").verdict is Verdict.FAIL


def test_what_a_pull_request_changes_of_what_it_is_judged_by_is_said(committed: Lab):
    _declare(committed, "[tool.qbench.tolerance]\nsize = 0.01")
    (committed.root / "conftest.py").write_text("")
    commit(committed.root, "declared")
    assert committed.gate(base_ref="HEAD").declared_changes == ()
    _declare(committed, "[tool.qbench.tolerance]\nsize = 0.5")
    (committed.root / "conftest.py").write_text("# skip all")
    committed.dataset = Dataset(inputs=committed.dataset.inputs[:32], labels=committed.dataset.labels[:32])
    committed.accept("because")
    committed.table["models"]["other"] = {**committed.model}
    changes = committed.gate(base_ref="HEAD").declared_changes
    assert changes[0].startswith("HEAD (")
    assert changes[0].endswith(") has no baseline of other-fp32, other-int8: judged by what this change accepts itself")
    assert changes[1] == "the examples that tiny is evaluated on are others than those of its baseline"
    assert changes[2] == "tests are changed: conftest.py"
    assert changes[3].startswith("baselines are changed, and do not count before this is merged: baselines/tiny/")
    assert changes[4] == "tool.qbench.tolerance.size is 0.5; it was 0.01"
    assert len(changes) == 5


def test_a_declaration_that_cannot_be_read_is_said(committed: Lab):
    (committed.root / "pyproject.toml").write_text("[")
    commit(committed.root, "broken")
    _declare(committed, "")
    inventory = committed.gate(base_ref="HEAD")
    assert "pyproject.toml at HEAD (" in inventory.declared_changes[0]
    assert of(inventory.verdicts, INT8, "accuracy").verdict is Verdict.UNCHANGED


def test_without_a_commit_nothing_is_a_change(committed: Lab):
    _declare(committed, "[tool.qbench.tolerance]\nsize = 0.5")
    assert committed.gate().declared_changes == ()


def test_a_nearer_declaration_leaves_no_baseline_behind_unsaid(committed: Lab):
    _declare(committed, "")
    commit(committed.root, "declared")
    nearer = committed.root / "benchmarks"
    shutil.copytree(committed.root, nearer, ignore=shutil.ignore_patterns(".git", "benchmarks"))
    (nearer / "pyproject.toml").write_text("[tool.qbench]\n")
    left = References(parse_config(committed.table, root=nearer), "HEAD").left_behind()
    assert left == {FP32: "../pyproject.toml", INT8: "../pyproject.toml"}
    committed.root = nearer
    inventory = committed.gate(base_ref="HEAD")
    verdict = of(inventory.verdicts, INT8, "declaration")
    assert verdict.verdict is Verdict.MISSING
    assert "belongs to ../pyproject.toml of the commit" in verdict.reason
    commit(nearer.parent, "merged")
    assert committed.gate(base_ref="HEAD").incomplete == ()


def test_neither_does_one_further_up(committed: Lab):
    sub = committed.root / "sub"
    sub.mkdir()
    shutil.move(committed.baselines, sub / "baselines")
    (sub / "pyproject.toml").write_text("[tool.qbench]\n")
    commit(committed.root, "below")
    _declare(committed, "")
    assert References(parse_config(committed.table, root=committed.root), "HEAD").left_behind() == {}, "another project"
    (sub / "pyproject.toml").write_text("[tool.other]\n")
    left = References(parse_config(committed.table, root=committed.root), "HEAD").left_behind()
    assert left == {FP32: "sub/pyproject.toml", INT8: "sub/pyproject.toml"}


def test_a_folder_that_became_a_link_is_read_where_the_commit_has_it(committed: Lab):
    (committed.root / "ci").mkdir()
    shutil.move(committed.baselines, committed.root / "ci" / "accepted")
    _declare(committed, 'baselines = "ci/accepted"')
    commit(committed.root, "moved")
    shutil.move(committed.root / "ci", committed.root / "mine")
    (committed.root / "ci").symlink_to("mine")
    worsen_and_bless(committed)
    assert of(committed.gate(base_ref="HEAD").verdicts, INT8, "accuracy").verdict is Verdict.FAIL


def test_a_replaced_commit_is_the_one_that_its_name_says(committed: Lab):
    before = commit(committed.root, "before")
    worsen_and_bless(committed)
    after = commit(committed.root, "after")
    git(committed.root, "replace", before, after)
    assert of(committed.gate(base_ref=before).verdicts, INT8, "accuracy").verdict is Verdict.FAIL


def test_settings_of_folders_above_and_code_beside_tests_are_said(committed: Lab):
    project = committed.root
    commit(project, "declared")
    base = BaseCommit(project, "HEAD")
    (project / "tox.ini").write_text("[pytest]\n")
    (project / "sub").mkdir()
    (project / "sub" / "tox.ini").write_text("[pytest]\n")
    git(project, "add", "--all")
    assert base.changed() == ("sub/tox.ini", "tox.ini")
    below = BaseCommit(project / "sub", "HEAD").changed()
    assert below == ("tox.ini", "../tox.ini")
    tests = frozenset({"benchmarks/test_models.py"})
    told = [name for name in (*below, "../other/conftest.py", "benchmarks/help.py", "help.py") if decides(name, tests)]
    assert told == ["tox.ini", "../tox.ini", "benchmarks/help.py"]
