"""The history of baselines as a run sees it: anchors, and what cannot be looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from baseline.scratch_git import commit, init

from qbench.baseline.schema import encode_baseline
from qbench.session.drift import Drifts, Histories
from session.lab import FP32, INT8

if TYPE_CHECKING:
    from session.lab import Lab

_LONG_AGO, _TOMORROW = "1999-12-31", "2999-12-31"


@pytest.fixture
def shallow(lab: Lab) -> Lab:
    """A project with an accepted state, in a clone that left out what was before it."""
    lab.table["metrics"] = ["size"]
    assert lab.accept(kinds=("size",)).refused == {}
    init(lab.root)
    commit(lab.root)
    last = commit(lab.root)
    (lab.root / ".git" / "shallow").write_text(f"{last}\n")
    return lab


def test_what_was_before_an_anchor_need_not_be_seen(shallow: Lab):
    assert Histories(shallow.config, None).of(INT8).gap
    shallow.model["anchor"] = _TOMORROW
    past = Histories(shallow.config, None).of(INT8)
    assert (past.anchor, past.gap) == (0, "")
    shallow.model["anchor"] = _LONG_AGO
    assert Histories(shallow.config, None).of(INT8).gap, "an anchor that itself is not there"


def test_a_limit_is_judged_from_an_anchor_that_a_shallow_clone_has(shallow: Lab):
    shallow.model["tolerance"] = {"drift": {"size": 0.05}}
    shallow.model["anchor"] = _TOMORROW
    verdicts = [verdict for verdict in shallow.gate(kinds=("size",)).verdicts if verdict.against == "anchor"]
    assert {(verdict.subject, str(verdict.verdict)) for verdict in verdicts} == {(FP32, "pass"), (INT8, "pass")}


def test_an_anchor_that_nobody_knows_hides_no_drift_of_other_models(lab: Lab):
    lab.table["metrics"] = ["size"]
    lab.table["tolerance"]["size"] = 0.01
    lab.table["models"] = {"stray": {**lab.model, "anchor": "nowhere"}, "tiny": lab.model}
    session = lab.session(gate=False, accept="first")
    lab.run(session, kinds=("size",))
    assert lab.accept_results(session).refused == {}
    accepted = lab.baseline(INT8)
    init(lab.root)
    for share in (0.95, 0.97, 0.99):
        sizes = {"size_bytes": share * accepted.metrics["size_bytes"]}
        past = msgspec.structs.replace(accepted, metrics={**accepted.metrics, **sizes})
        (lab.baselines / "tiny" / "int8.json").write_bytes(encode_baseline(past))
        commit(lab.root)
    said = Drifts(lab.config, None).notes(session.results, accepting=False)
    assert [re.split(" of its anchor|; fetch", line)[0] for line in said] == [
        "drift: tiny-int8: size_bytes is 784 B, 5.26% worse than 745 B",
        "drift: not looked for: [tool.qbench.models.stray] anchor: git knows no commit 'nowhere' here",
    ]
