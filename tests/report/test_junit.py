"""Properties of JUnit's XML: names that are one for each value, whatever a test measures."""

from __future__ import annotations

import re

from qbench.records import Metric, Subject
from qbench.report.junit import measured_properties
from qbench.verdicts import MeasuringTest, SubjectResult

_TEST = MeasuringTest(id="a.py::test_all", file="a.py", line=1)
_UNITS = {name: Metric(name=name, unit="px", direction="lower") for name in ("err\x07", "err ", "size_bytes")}


def _result(recipe: str, *kinds: str, **metrics: float) -> SubjectResult:
    subject = Subject(model="tiny", recipe=recipe)
    return SubjectResult(subject=subject, metrics=metrics, tests=dict.fromkeys(kinds, _TEST))


def test_a_test_of_another_id_has_none():
    assert measured_properties([_result("int8", "size", size_bytes=1.0)], "a.py::test_other", _UNITS) == []


def test_a_test_that_measures_more_than_once_says_of_what():
    results = [_result("fp32", "size", size_bytes=592.0), _result("int8", "size", "structure", size_bytes=784.0)]
    properties = measured_properties(results, _TEST.id, _UNITS)
    assert len(dict(properties)) == len(properties)
    assert dict(properties)["qbench.tiny-fp32.size.metric.size_bytes"] == "592"
    assert dict(properties)["qbench.tiny-int8.size.metric.size_bytes"] == "784"
    assert dict(properties)["qbench.tiny-int8.structure.verdict"] == "measured"


def test_names_hold_nothing_that_xml_does_not_and_stay_different():
    properties = measured_properties([_result("int8", "accuracy", **{"err\x07": 1.0, "err ": 2.0})], _TEST.id, _UNITS)
    found = {name: value for name, value in properties if "err" in name}
    assert found == {
        "qbench.metric.err%07": "1",
        "qbench.unit.err%07": "px",
        "qbench.metric.err%20": "2",
        "qbench.unit.err%20": "px",
    }
    assert all(re.fullmatch(r"[\w.%-]+", name) for name in found)
