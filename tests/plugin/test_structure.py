"""What a pull request changes inside an artifact fails on that fact, and nothing has to be timed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
from small_project import failures, outcomes, sentences

if TYPE_CHECKING:
    from small_project import Project

_ADVICE = (
    'What to do: if this is meant, accept it with --qbench-accept "why"; else undo what changed, '
    "or widen the tolerance."
)


def _one_more(name: str, count: int, reason: str) -> str:
    return f"{name} is {count}, {count} worse than 0 of the baseline (beyond the tolerance of 0). {reason}. {_ADVICE}"


def test_each_change_fails_its_test_and_names_the_operator(project: Project):
    changes = {
        "slower": models_zoo.undelegated_int8(),
        "island": models_zoo.dense_int8_and_back("MAXIMUM"),
        "pair": models_zoo.dense_int8_and_back(),
    }
    project.declare("tiny", *changes)
    project.accept()
    for model, content in changes.items():
        project.write(f"{model}.int8.tflite", content)
    result = project.run("--benchmark-compare", "-v", "-k", "structure or accuracy")

    assert result.ret == 1
    failed = {test for test, outcome in outcomes(result).items() if outcome != "PASSED"}
    assert failed == {f"test_structure[{model}-int8]" for model in changes}, "predictions are the same"
    # What led to it is said below.
    messages = {
        test: [line for line in sentences(said) if not line.startswith("Why: ")]
        for test, said in failures(result).items()
    }
    pair = "DEQUANTIZE int8 'real', QUANTIZE float32 'y' are new"
    off = "FULLY_CONNECTED int8 'y' is no longer run by XNNPACK"
    assert messages["test_structure[slower-int8]"] == [_one_more("slower-int8: undelegated_operators", 1, off)]
    assert messages["test_structure[island-int8]"] == [
        _one_more("island-int8: float_islands", 1, "MAXIMUM float32 'maximum_of_5' computes in float among integers"),
        _one_more("island-int8: quantize_dequantize", 2, pair),
    ]
    assert messages["test_structure[pair-int8]"] == [_one_more("pair-int8: quantize_dequantize", 2, pair)]
