"""The JSON of a run: written without NaN, read back, refused where it is something else."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import a_run, a_subject, a_verdict

from qbench.errors import RunRecordError
from qbench.records import LatencySample
from qbench.run_json import decode_record, encode_record
from qbench.run_record import FORMAT_VERSION
from qbench.verdicts import BootstrapSummary, ContestSummary


def strict(content: bytes) -> dict:
    """JSON as its standard has it: without the NaN and Infinity that Python reads as well."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    return json.loads(content, parse_constant=refuse)


def test_what_a_file_is_stands_first():
    content = encode_record(a_run())
    assert list(strict(content))[:2] == ["format", "format_version"]
    assert content.endswith(b"}\n")


def test_is_read_back_as_it_was():
    record = a_run(verdicts=(a_verdict(now=824.0, reference=784.0, change=40 / 784),), problems=("it broke",))
    assert decode_record(encode_record(record), name="run.json") == record


_numbers = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf])
_contests = st.builds(
    ContestSummary,
    finding=st.just("slower"),
    ratio=st.none() | _numbers,
    low=_numbers,
    confidence=_numbers,
    seconds=_numbers,
    rounds=st.just(("1",)),
    groups_ns=st.lists(st.tuples(_numbers, _numbers), max_size=3).map(tuple),
)
_bootstraps = st.builds(BootstrapSummary, low=_numbers, high=_numbers, confidence=_numbers, found=_numbers)
_verdicts = st.builds(
    a_verdict,
    now=_numbers,
    reference=_numbers,
    change=st.none() | _numbers,
    contest=st.none() | _contests,
    bootstrap=st.none() | _bootstraps,
)
_subjects = st.builds(
    a_subject,
    metrics=st.dictionaries(st.just("size_bytes"), _numbers),
    latency=st.none() | st.builds(LatencySample, median_ns=_numbers, outliers=st.just("0;0")),
    latency_percentiles_ns=st.lists(_numbers, max_size=3).map(tuple),
)


@given(st.lists(_subjects, max_size=2).map(tuple), st.lists(_verdicts, max_size=2).map(tuple))
def test_whatever_is_measured_is_json_that_is_read_back(subjects, verdicts):
    content = encode_record(a_run(subjects=subjects, verdicts=verdicts))
    strict(content)
    read = decode_record(content, name="run.json")
    assert len(read.subjects) == len(subjects), "what was measured of a subject is never left out for one number"
    for now, was in zip(read.verdicts, verdicts, strict=True):
        assert (now.metric, now.verdict, now.sentence) == (was.metric, was.verdict, was.sentence)


def test_only_what_is_no_number_is_left_out():
    verdict = a_verdict(now=824.0, reference=0.0, change=math.inf)
    bootstrap = BootstrapSummary(
        examples=9, resamples=9, low=math.nan, high=1.0, confidence=0.9, finding="within", needed=None, found=1.0
    )
    sample = LatencySample(**dict.fromkeys(LatencySample.__struct_fields__, 1.0) | {"stddev_ns": math.inf})
    subject = a_subject(
        metrics={"size_bytes": 784.0, "accuracy": math.nan}, latency=sample, latency_percentiles_ns=(1.0, math.inf)
    )
    record = a_run(subjects=(subject,), verdicts=(verdict, a_verdict(bootstrap=bootstrap)))
    read = decode_record(encode_record(record), name="run.json")
    assert read.verdicts == (msgspec.structs.replace(verdict, change=None), a_verdict())
    assert read.subjects == (a_subject(),)


def test_a_clock_that_shows_no_number_is_said():
    with pytest.raises(ValueError, match="seconds is nan, expected a finite number"):
        encode_record(a_run(seconds=math.nan))


_CONTENT = strict(encode_record(a_run()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not the record of a run"),
        (b"[]", "is not the record of a run"),
        (b'{"format": "\xff"}', "is not the record of a run"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is not the record of a run"),
        (b"{}", "found the format None, expected 'qbench-run'"),
        (b'{"format": "other", "format_version": 1}', "found the format 'other', expected 'qbench-run'"),
        (json.dumps({**_CONTENT, "format_version": FORMAT_VERSION + 1}).encode(), "install the qbench that wrote it"),
        (json.dumps({**_CONTENT, "format_version": 0}).encode(), "found format_version 0, this qbench reads 1; write"),
        (json.dumps({**_CONTENT, "format_version": "1"}).encode(), "found format_version '1', this qbench reads 1"),
        (json.dumps({**_CONTENT, "verdict": "great"}).encode(), r"Invalid enum value 'great' - at `\$.verdict`"),
        (json.dumps({**_CONTENT, "seconds": 1}).encode()[:-1], "is not the record of a run"),
        (json.dumps({**_CONTENT, "metrics": {}}).encode(), "found values of 'size_bytes', which its `metrics` do not"),
    ],
)
def test_what_is_no_record_is_refused_with_what_to_do(content, message):
    with pytest.raises(RunRecordError, match=message) as refused:
        decode_record(content, name="ci/run.json")
    assert str(refused.value).startswith("ci/run.json")
    assert str(refused.value).endswith(("--qbench-json", "--qbench-json wrote", "or a newer one"))


def test_keys_of_a_later_qbench_are_ignored():
    def grown(value):
        if isinstance(value, dict):
            return {**{key: grown(part) for key, part in value.items()}, "later": {"a": [1]}}
        return [grown(part) for part in value] if isinstance(value, list) else value

    document = strict(encode_record(a_run(verdicts=(a_verdict(now=1.0),))))
    metrics = document["metrics"]
    more = grown(document)
    # Keys of these are names of metrics, not of the format.
    more["metrics"] = {name: grown(metric) for name, metric in metrics.items()}
    for subject in more["subjects"]:
        for mapping in ("metrics", "operators", "counted", "weight_bytes_by_dtype", "tests", "causes"):
            subject[mapping].pop("later")
    assert decode_record(json.dumps(more).encode(), name="run.json") == decode_record(
        json.dumps(document).encode(), name="run.json"
    )
