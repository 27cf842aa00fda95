from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from qbench import Dataset
from qbench.errors import ConfigError
from qbench.session.preparation import Datasets
from qbench.tune.log import Log, log_key, open_log
from qbench.tune.points import PLAIN
from tune import lab
from tune.outcomes import outcome


def _log(path):
    return Log(path, key="k" * 64, model="net")


def test_what_was_added_is_found_again_by_recipe_bytes_and_kernels(tmp_path):
    log = _log(tmp_path / "deep" / "log.json")
    plain, tensor = outcome(ratio=0.5), outcome(PLAIN.changed(granularity="tensor"))
    log.add(plain)
    log.add(tensor)
    again = _log(tmp_path / "deep" / "log.json")
    assert again.outcomes == (plain, tensor)
    assert again.find(tensor.recipe) == tensor
    assert again.find(PLAIN.changed(activations="int16").recipe()) is None
    assert again.of_bytes(plain.sha256) == plain
    assert again.timed(plain.kernels) == plain
    assert again.timed(tensor.kernels) is None


def test_a_later_outcome_of_a_recipe_takes_the_place_of_the_earlier(tmp_path):
    log = _log(tmp_path / "log.json")
    log.add(outcome())
    log.add(outcome(PLAIN.changed(granularity="tensor")))
    log.add(outcome(ratio=0.5))
    assert [each.ratio for each in _log(tmp_path / "log.json").outcomes] == [0.5, None]


def test_a_log_of_something_else_is_refused(tmp_path):
    _log(tmp_path / "log.json").add(outcome())
    with pytest.raises(ConfigError, match="found a log of something else"):
        Log(tmp_path / "log.json", key="other", model="net")


def test_the_log_lies_in_the_cache_and_is_named_by_what_it_is_of(project):
    config = lab.config_of(project)
    dataset = Datasets(config).of(lab.MODEL)
    log = open_log(config, lab.MODEL, dataset, recipe="tuned")
    key = log_key(config, lab.MODEL, dataset, recipe="tuned")
    assert log.path == project / "cache" / "tune" / f"net-{key[:12]}.json"
    assert log_key(lab.config_of(project), lab.MODEL, dataset, recipe="tuned") == key


def _changed_dataset(**changed):
    def change(_, config, dataset):
        kept = {"inputs": dataset.inputs, "labels": dataset.labels, "calibration": dataset.calibration}
        return config, Dataset(**{**kept, **{name: kept[name] + 1 for name in changed}})

    return change


def _declared(**declared):
    def change(project, _, dataset):
        lab.declare(project, **declared)
        return lab.config_of(project), dataset

    return change


def _source(project, config, dataset):
    (project / "net.tflite").write_bytes(lab.hard_model(seed=4))
    return config, dataset


def _threads(_, config, dataset):
    return msgspec.structs.replace(config, options=msgspec.structs.replace(config.options, threads=2)), dataset


@pytest.mark.parametrize(
    "change",
    [
        _changed_dataset(inputs=1),
        _changed_dataset(labels=1),
        _changed_dataset(calibration=1),
        _declared(accuracy_drop=0.03),
        _source,
        _threads,
    ],
)
def test_whatever_an_outcome_depends_on_makes_a_new_log(project, change):
    before = lab.config_of(project)
    dataset = Datasets(before).of(lab.MODEL)
    key = log_key(before, lab.MODEL, dataset, recipe="tuned")
    content = Path("net.tflite").read_bytes()
    try:
        config, changed = change(project, before, dataset)
        assert log_key(config, lab.MODEL, changed, recipe="tuned") != key
    finally:
        Path("net.tflite").write_bytes(content)
