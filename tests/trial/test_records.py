from __future__ import annotations

import json
import math

import pytest

from qbench.errors import ConfigError
from qbench.trial.records import decode_trial, encode_trial, finite
from trial.examples import three_slowdowns


def test_a_trial_survives_its_file():
    trial = three_slowdowns()
    content = encode_trial(trial)
    assert decode_trial(content, name="it") == trial
    assert encode_trial(decode_trial(content, name="it")) == content


def test_the_file_says_where_and_how_it_was_measured():
    read = json.loads(encode_trial(three_slowdowns()))
    assert read["version"] == 1
    assert read["machine"]["cpu"] == "a processor"
    assert read["settings"]["tolerance"] == 0.05
    assert len(read["contests"]) == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found something else"),
        (b"[]", "found something else"),
        (b'{"machine_info": {}, "version": "5.1"}', "found something else"),
        (b'{"version": 2}', "found version 2, expected what `qbench trial --json` wrote, of version 1; measure again"),
        (b'{"version": 1}', "missing required field"),
    ],
)
def test_another_file_is_refused(content, message):
    with pytest.raises(ConfigError, match=message):
        decode_trial(content, name="--from some.json")


def test_json_has_no_infinity():
    assert (finite(math.inf), finite(1.5)) == (None, 1.5)
