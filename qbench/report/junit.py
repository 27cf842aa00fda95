"""What a JUnit XML file says of measurements beside passed and failed: names and values of properties.

Names begin with ``qbench.``. pytest escapes what XML cannot hold in values, and not in names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qbench.judge.gate import worst
from qbench.judge.metrics import LATENCY, kind_of, verdict_kind
from qbench.report.wording import sentence, sentences
from qbench.verdicts import SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qbench.records import Metric
    from qbench.run_record import RunRecord

PREFIX = "qbench."

#: Properties of a test in the order of the names that follow.
Properties = list[tuple[str, str]]


def measured_properties(results: Iterable[SubjectResult], test_id: str, metrics: Mapping[str, Metric]) -> Properties:
    """What the test `test_id` measured and what was judged of it; empty if it measured nothing.

    The names of a test that measured more than once hold what each is about: ``qbench.tiny-int8.size.verdict``.

    Parameters
    ----------
    metrics
        Definitions by name, for units.
    """
    measured = [(result, kind) for result in results for kind, test in result.tests.items() if test.id == test_id]
    properties: Properties = []
    for result, kind in measured:
        about = f"{PREFIX}{result.subject.id}.{kind}." if len(measured) > 1 else PREFIX
        properties += [(about + name, value) for name, value in _measurement(result, kind, metrics)]
    return properties


def subject_properties(result: SubjectResult) -> Properties:
    """What is known of the subject of a test that measured nothing: which it is, and what is wrong with it."""
    known = [(f"{PREFIX}model", result.subject.model), (f"{PREFIX}recipe", result.subject.recipe)]
    errors = [verdict for verdict in result.verdicts if verdict.verdict == Verdict.ERROR]
    reason = " ".join([text for _, text in sentences(errors)] or result.problems)
    return [*known, (f"{PREFIX}reason", reason)] if reason else known


def suite_properties(record: RunRecord) -> Properties:
    """How the run ended, and what no test stands for: each verdict of a subject and kind that no test measured."""
    tested = {(subject.model, subject.recipe, kind) for subject in record.subjects for kind in subject.tests}
    untested = [
        verdict
        for verdict in record.verdicts
        if (verdict.subject.model, verdict.subject.recipe, verdict.kind) not in tested
    ]
    return [
        (f"{PREFIX}verdict", record.verdict),
        (f"{PREFIX}headline", record.headline),
        (f"{PREFIX}baselines", record.baselines),
        (f"{PREFIX}commit", record.commit),
        *(
            (_in_a_name(f"{PREFIX}{verdict.verdict}.{verdict.subject.id}.{verdict.metric}".replace(" ", "-")), text)
            for verdict in untested
            for text in (verdict.sentence,)
        ),
    ]


def _measurement(result: SubjectResult, kind: str, metrics: Mapping[str, Metric]) -> Properties:
    verdicts = [verdict for verdict in result.verdicts if verdict_kind(verdict.metric) == kind]
    word = str(worst(verdict.verdict for verdict in verdicts)) if verdicts else "measured"
    said: Properties = [
        ("model", result.subject.model),
        ("recipe", result.subject.recipe),
        ("kind", kind),
        ("verdict", word),
        *_values(result, kind, metrics),
    ]
    # What is as it was needs no reason; what got better has to be accepted.
    reasons = [sentence(each) for each in verdicts if not each.verdict.green or each.verdict == Verdict.IMPROVED]
    if reasons:
        said.append(("reason", " ".join(reasons)))
    if cause := result.causes.get(kind):
        said.append(("cause", cause))
    return said


def _values(result: SubjectResult, kind: str, metrics: Mapping[str, Metric]) -> Properties:
    """Each metric of a kind that has a value, and its unit if it has one."""
    values = {name: value for name, value in result.metrics.items() if kind_of(name) == kind}
    if kind == "latency" and result.latency:
        values[LATENCY] = result.latency.median_ns
    said: Properties = []
    for name, value in values.items():
        called = _in_a_name(name)
        said.append((f"metric.{called}", f"{value:.10g}"))
        if name in metrics and metrics[name].unit:
            said.append((f"unit.{called}", metrics[name].unit))
    return said


def _in_a_name(text: str) -> str:
    """`text` as part of a property's name: what is no letter, digit, ``_``, ``.`` or ``-`` as ``%`` and its number."""
    return re.sub(r"[^\w.-]", lambda found: f"%{ord(found.group()):02X}", text)
