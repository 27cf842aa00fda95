"""Measuring recipes of the small project as the gate does."""

from __future__ import annotations

import models_zoo as zoo
import msgspec
import pytest

import qbench.tune.bench as module
from qbench.errors import ConfigError, NotFloatError
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.runtime.preflight import PreflightWorker
from qbench.session.preparation import Datasets
from qbench.tune.bench import Bench, dataset_of
from qbench.tune.log import Log
from qbench.tune.points import PLAIN
from qbench.tune.ranking import Ranking
from tune import lab

_TENSOR = PLAIN.changed(granularity="tensor")


def _bench(project, config=None):
    config = config or lab.config_of(project)
    log = Log(project / "cache" / "tune" / "log.json", key="k", model=lab.MODEL)
    return Bench(config, lab.MODEL, Datasets(config), log, name="tuned", seed=0)


def test_what_cannot_be_built_or_run_is_an_outcome_and_the_next_is_measured(project, monkeypatch):
    with _bench(project) as bench:
        cannot, _ = bench.outcome(PLAIN.changed(float_operators=("nothing of that name",)).recipe())
        assert not cannot.measured
        assert "nothing of that name" in cannot.error
        real = PreflightWorker.check

        def crashes(self, content, *, name):
            return real(self, zoo.aborting() if "tensor" in str(bench._recipes["tuned"]) else content, name=name)

        monkeypatch.setattr(PreflightWorker, "check", crashes)
        crashed, _ = bench.outcome(_TENSOR.recipe())
        assert "SIGABRT" in crashed.error
        sound, measured_now = bench.outcome(PLAIN.recipe(), timed=False)
        assert sound.passes
        assert measured_now
        again, measured_now = bench.outcome(PLAIN.recipe(), timed=False)
        assert again == sound
        assert not measured_now


def test_a_floor_of_speed_is_part_of_passing(project):
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(
        text.replace("accuracy_drop = 0.02", "accuracy_drop = 0.02, min_speedup = 90")
    )
    with _bench(project) as bench:
        slow, _ = bench.outcome(PLAIN.recipe(), timed=False)
    assert slow.drop <= 0.02
    assert slow.latency is not None
    assert [verdict.metric for verdict in slow.verdicts] == ["accuracy_drop", "speedup"]
    assert not slow.passes


def test_an_exception_that_is_declared_for_one_recipe_does_not_count(project):
    lab.declare(project, more="[tool.qbench.models.net.tolerance.recipes.int8-per-tensor]\naccuracy_drop = 0.9\n")
    with _bench(project) as bench:
        found, _ = bench.outcome(BUILTIN_RECIPES["int8-per-tensor"], name="int8-per-tensor", timed=False)
    assert 0.02 < found.drop < 0.9
    assert not found.passes


def test_the_same_kernels_are_timed_once(project, monkeypatch):
    contests = []
    real = module.Contests.run

    def run(self, *arguments, **options):
        contests.append(arguments[0])
        return real(self, *arguments, **options)

    monkeypatch.setattr(module.Contests, "run", run)
    with _bench(project) as bench:
        first, _ = bench.outcome(PLAIN.recipe())
        second, _ = bench.outcome(PLAIN.changed(calibration="percentile", percentile=99.0).recipe())
    assert first.sha256 != second.sha256
    assert first.latency == second.latency is not None
    assert len(contests) == 1


def test_a_source_that_is_not_float_is_refused(project):
    content = (project / "net.tflite").read_bytes()
    try:
        (project / "net.tflite").write_bytes(zoo.dense_int8())
        with pytest.raises(NotFloatError), _bench(project):
            pass
    finally:
        (project / "net.tflite").write_bytes(content)


def test_a_model_without_a_dataset_is_refused(project):
    config = lab.config_of(project)
    model = msgspec.structs.replace(config.models[lab.MODEL], dataset=None)
    config = msgspec.structs.replace(config, models={lab.MODEL: model})
    with pytest.raises(ConfigError, match=r"models\.net\.dataset: found nothing, expected 'module:function'"):
        dataset_of(Datasets(config), lab.MODEL)


def test_the_layer_that_has_one_scale_for_all_is_ranked_first(project):
    config = lab.config_of(project)
    datasets = Datasets(config)
    with _bench(project, config) as bench:
        failing, _ = bench.outcome(_TENSOR.recipe())
        rank = Ranking(bench, dataset_of(datasets, lab.MODEL), config.options)
        assert list(rank(failing)) == ["hidden", "y"]
        assert rank.notes == []
        repaired, _ = bench.outcome(_TENSOR.changed(float_operators=("hidden",)).recipe(), timed=False)
        kept, _ = bench.outcome(RecipeSpec(base="fp16"), timed=False)
        assert rank(kept) is not None
    assert failing.excess > 0
    assert repaired.passes
