"""A diagnosis of real artifacts: each seeded fault is named first, and a healthy artifact has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
import pytest

from diagnose import faults
from qbench.diagnose import run
from qbench.diagnose.case import Case, Effort
from qbench.diagnose.matching.match import match_graphs
from qbench.diagnose.run import diagnose
from qbench.errors import DatasetError, InvalidArtifactError
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions, Subject
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.preflight import PreflightWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.diagnose.records import Diagnosis

#: Enough to tell, and quick.
QUICK = Effort(examples=48, flips_alone=3, kernels=False, calibration=False)

FAULTS: dict[str, Callable[[], faults.Fault]] = {
    "weights of one layer multiplied": faults.saturated_weights,
    "one channel scaled down and up": faults.unequal_channels,
    "zero point of one tensor": faults.shifted_zero_point,
    "calibration on constant images": faults.constant_calibration,
    "calibration on 0..255": lambda: faults.wrong_normalisation(255, 0),
    "calibration on -1..1": lambda: faults.wrong_normalisation(2, -1),
    "one operator per tensor": faults.per_tensor,
    "one operator off the delegate": faults.off_the_delegate,
    "one weight is NaN": faults.not_a_number,
    "scale of one tensor": faults.rescaled_output,
    "scales of two tensors swapped": faults.swapped_scales,
    "dilation of one operator": lambda: faults.other_option(3, dilationWFactor=2, dilationHFactor=2),
    "activation of one operator": lambda: faults.other_option(4, fusedActivationFunction=1),
    "beta of the softmax": lambda: faults.other_option(11, beta=0.1),
}


def explained(fault: faults.Fault, effort: Effort = QUICK, **changed) -> Diagnosis:
    given = {
        "subject": Subject(model="mnist-dscnn", recipe="int8"),
        "float_content": fault.float_content,
        "content": fault.content,
        "dataset": fault.dataset,
        "options": RuntimeOptions(),
    }
    return diagnose(Case(**{**given, **changed}), effort)


@pytest.fixture(scope="module")
def preflight():
    """Runs artifacts in a worker process, and says what no delegate took."""
    with PreflightWorker(RuntimeOptions(), limit_s=60) as worker:
        yield lambda content: worker.check(content, name="the artifact").undelegated


@pytest.mark.parametrize("kind", FAULTS)
def test_a_seeded_fault_is_named_first(kind, preflight):
    fault = FAULTS[kind]()
    found = explained(fault, undelegated=preflight(fault.content))
    first = found.findings[0]
    assert first.cause in fault.causes
    if fault.operator is not None:
        assert repr(faults.output_of(fault.content, fault.operator).partition(";")[0]) in first.where
    assert found.notes == ()


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("mnist-dscnn", "int8"),
        ("mnist-cnn", "int8"),
        ("mnist-mlp", "int8"),
        ("mnist-dscnn", "int8-symmetric"),
        ("mnist-dscnn", "int16x8"),
        ("mnist-dscnn", "dynamic"),
        ("mnist-dscnn", "fp16"),
    ],
)
def test_a_healthy_artifact_has_no_causes(model, recipe, preflight):
    fault = faults.healthy(model, recipe)
    found = explained(fault, undelegated=preflight(fault.content))
    assert found.findings == ()
    assert found.operators
    assert found.notes == ()


def test_the_range_of_the_input_tells_where_nobody_knows_the_calibration():
    fault = faults.wrong_normalisation(255, 0)
    without = Dataset(inputs=fault.dataset.inputs, labels=fault.dataset.labels)
    first = explained(fault, dataset=without).findings[0]
    assert (first.cause, first.where) == ("input range", "input 'input_layer_2'")
    assert "255 times as wide" in first.evidence


def test_examples_that_flip_are_looked_at_first_and_half_of_all_at_most():
    fault = faults.saturated_weights()
    ours, floats = np.zeros(1500, np.uint8), np.zeros(1500, np.uint8)
    floats[700:1400] = 1
    found = explained(
        fault, Effort(examples=20, flips_alone=0, kernels=False, calibration=False), predictions=(floats, ours)
    )
    assert (found.examples, found.flips, found.evaluated, found.evaluated_flips) == (20, 10, 1500, 700)


def test_ranges_of_the_float_model_are_watched_on_the_calibration_examples():
    found = explained(faults.healthy(), Effort(examples=8, flips_alone=0, kernels=False))
    assert found.calibration is not None
    assert found.calibration.digest == faults.digits().calibration_digest
    names = [each.tensor.partition(";")[0] for each in found.calibration.ranges]
    assert len(names) == 12
    # The logits are what no activation bounds.
    assert names[0] == "functional_11_1/dense_3_1/MatMul"
    assert 0 < found.calibration.ranges[0].moved_by_subset < 0.3


def test_other_kernels_and_the_profiler_are_asked_too():
    found = explained(faults.healthy(), Effort(examples=8, flips_alone=0, calibration=False))
    assert [each.family for each in found.families] == ["xnnpack", "builtin", "reference"]
    assert found.families[0].flips == 0
    # A delegate may run several kernels for one operator.
    assert min(len(found.times), len(found.float_times)) >= 12 or found.notes
    assert all(each.cause == "slow operator" for each in found.findings)


def test_operators_are_left_when_the_time_is_over_and_the_rest_is_said():
    found = explained(faults.saturated_weights(), Effort(examples=48, kernels=False, calibration=False, limit_s=0.0))
    assert found.operators == ()
    assert found.notes == ("operators: there was no more time for it",)
    assert found.out_of_time == ("operators",)
    # Weights are compared without running anything.
    assert [(each.cause, each.where) for each in found.findings] == [
        ("weights differ", "CONV_2D int8 'functional_11_1/re_lu_6_1/Relu6'")
    ]


def test_the_same_is_found_again():
    first, second = (explained(faults.per_tensor()) for _ in range(2))
    assert first.operators == second.operators
    assert first.findings == second.findings


def test_a_dataset_that_does_not_fit_is_refused():
    with pytest.raises(DatasetError, match="an example has the shape"):
        explained(faults.healthy(), dataset=Dataset(inputs=np.zeros((3, 4), np.float32)))


def test_what_is_no_artifact_is_refused():
    with pytest.raises(InvalidArtifactError):
        explained(faults.healthy(), content=b"nothing")


def test_outputs_that_are_no_classes_flip_nothing_and_are_explained_all_the_same():
    inputs = np.random.default_rng(0).uniform(-1, 1, (9, 4)).astype(np.float32)
    case = Case(
        subject=Subject(model="one", recipe="int8"),
        float_content=zoo.dense_float(4, 1),
        content=zoo.dense_int8(4, 1),
        dataset=Dataset(inputs=inputs),
        options=RuntimeOptions(),
    )
    found = diagnose(case, QUICK)
    assert (found.examples, found.flips, found.evaluated, found.classes) == (9, 0, 0, False)
    assert found.operators
    assert found.output_error == found.operators[-1].cumulative is not None


def test_within_a_limit_nothing_is_evaluated_to_find_what_flips(monkeypatch):
    monkeypatch.setattr("qbench.diagnose.evidence.examples.evaluate", None)
    found = explained(
        faults.healthy(), Effort(examples=5, flips_alone=0, kernels=False, calibration=False, limit_s=60.0)
    )
    assert (found.examples, found.evaluated, found.classes) == (5, 0, True)
    assert found.calibration is not None
    assert found.calibration.near_copies is None


def test_graphs_are_matched_once(monkeypatch):
    matched = []
    monkeypatch.setattr(run, "match_graphs", lambda *graphs, **more: matched.append(1) or match_graphs(*graphs, **more))
    monkeypatch.setattr("qbench.diagnose.operators.reports.match_graphs", None)
    assert explained(faults.healthy(), Effort(examples=4, flips_alone=0, kernels=False, calibration=False)).operators
    assert matched == [1]


def test_where_matching_takes_too_long_weights_and_operators_are_left(monkeypatch):
    def forever(*_, check):
        while True:
            check()

    monkeypatch.setattr(run, "match_graphs", forever)
    monkeypatch.setattr(run, "_OWN_S", 0.01)
    found = explained(faults.healthy(), Effort(examples=4, flips_alone=0, kernels=False, limit_s=0.0))
    assert "operators and weights" in found.out_of_time
    assert (found.operators, found.weights) == ((), ())


def test_one_calibration_example_has_no_stability():
    whole = faults.digits()
    dataset = Dataset(inputs=whole.inputs, labels=whole.labels, calibration=np.asarray(whole.calibration)[:1])
    found = explained(faults.healthy(), Effort(examples=4, flips_alone=0, kernels=False), dataset=dataset)
    assert found.calibration is not None
    assert (found.calibration.examples, found.calibration.ranges) == (1, ())
    (note,) = found.notes
    assert note.startswith("the calibration's ranges: found 1 calibration example, expected some hundred")


def test_infinite_examples_are_said_and_explained_all_the_same():
    inputs = np.array(np.asarray(faults.digits().inputs)[:20])
    inputs[3, 2, 2] = np.inf
    dataset = Dataset(inputs=inputs, calibration=faults.digits().calibration)
    found = explained(faults.healthy(), dataset=dataset)
    assert found.notes[0] == "1 evaluation value is infinite; ranges are those of the others"
    assert found.inputs[0].high == 1.0
    first = found.findings[0]
    assert (first.cause, first.where) == ("not finite", "the examples of input 'serving_default_input_layer_2:0'")


def test_of_an_artifact_without_ranges_the_calibration_is_not_looked_at():
    found = explained(faults.healthy("mnist-dscnn", "fp16"), Effort(examples=4, flips_alone=0, kernels=False))
    assert found.calibration is None


def test_several_inputs_and_outputs_are_explained():
    content = zoo.two_inputs_two_outputs()
    specs = open_interpreter(content, RuntimeOptions()).inputs
    inputs = {
        spec.name: np.random.default_rng(seed).uniform(-1, 1, (12, *spec.shape[1:])).astype(np.float32)
        for seed, spec in enumerate(specs)
    }
    case = Case(
        subject=Subject(model="two", recipe="same"),
        float_content=content,
        content=content,
        dataset=Dataset(inputs=inputs, calibration={name: -array for name, array in inputs.items()}),
        options=RuntimeOptions(),
    )
    found = diagnose(case, Effort(examples=12, flips_alone=2, kernels=False))
    assert [each.name for each in found.inputs] == [spec.name for spec in specs]
    # Neither has ranges that anybody would have calibrated.
    assert found.calibration is None
    assert found.findings == ()
    assert found.notes == ()
