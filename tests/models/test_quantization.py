from __future__ import annotations

import itertools
from typing import get_args

import msgspec
import pytest

from qbench.models.quantization import Activations, Granularity, Quantization, WeightRanges, Weights
from qbench.models.recipes import RecipeSpec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"percentile": 50.0}, "`percentile` above 50 and at most 100, found 50.0"),
        ({"percentile": 100.5}, "`percentile` above 50 and at most 100, found 100.5"),
        ({"percentile": float("nan")}, "`percentile` above 50 and at most 100, found nan"),
        ({"percentile": 99.0}, '`percentile` with calibration = "percentile" only, found calibration = "min-max"'),
        ({"calibration_examples": -1}, "`calibration_examples` of at least 1, or 0 for all, found -1"),
        ({"float_operators": ("a", "b", "a")}, "each name once in `float_operators`, found 'a' twice"),
        (
            {"granularity": "block32"},
            'granularity = "block32" with weights = "int4" and activations = "dynamic" only, found weights = "int8"',
        ),
        ({"granularity": "block32"}, 'found weights = "int8" and activations = "int8"'),
        ({"granularity": "block64", "weights": "int4"}, 'found weights = "int4" and activations = "int8"'),
        ({"granularity": "block64", "activations": "dynamic"}, 'found weights = "int8" and activations = "dynamic"'),
        (
            {"granularity": "block64", "weights": "int4", "activations": "dynamic", "weight_ranges": "mse"},
            'weight_ranges = "min-max" or "octav" with granularity = "block64", found "mse"',
        ),
        ({"symmetric": True, "activations": "int16"}, 'found activations = "int16" .int16 is symmetric anyway.'),
        ({"symmetric": True, "activations": "float"}, '`symmetric` with activations = "int8" only'),
        (
            {"calibration": "octav", "activations": "dynamic"},
            '`calibration` with activations = "int8" or "int16" only, found activations = "dynamic"',
        ),
        ({"calibration_examples": 10, "activations": "float"}, "`calibration_examples` with activations"),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(values, message):
    with pytest.raises(ValueError, match=message):
        Quantization(**values)


def test_what_is_the_default_may_be_said():
    assert Quantization(percentile=99.99, calibration="min-max", activations="float") == Quantization(
        activations="float"
    )


def test_only_what_is_not_default_is_written():
    chosen = Quantization(weights="int4", calibration="percentile", percentile=99.9, float_operators=("a",))
    written = msgspec.to_builtins(RecipeSpec(quantization=chosen))
    assert written == {
        "quantization": {
            "weights": "int4",
            "calibration": "percentile",
            "percentile": 99.9,
            "float_operators": ("a",),
        }
    }
    assert msgspec.convert(written, RecipeSpec).quantization == chosen


def test_a_key_that_is_not_known_is_refused():
    with pytest.raises(msgspec.ValidationError, match="unknown field `bits`"):
        msgspec.convert({"bits": 8}, Quantization)


def test_blocks_are_the_only_granularity_that_depends_on_the_rest():
    """Whatever can be said is either refused or has a size of its blocks that its granularity names."""
    allowed = set()
    for granularity, weights, activations, ranges in itertools.product(
        *map(get_args, (Granularity, Weights, Activations, WeightRanges))
    ):
        try:
            chosen = Quantization(
                granularity=granularity, weights=weights, activations=activations, weight_ranges=ranges
            )
        except ValueError:
            continue
        allowed.add((granularity, weights, activations, ranges))
        assert granularity in {"channel", "tensor", f"block{chosen.block_size}"}
    blocks = {each for each in allowed if each[0].startswith("block")}
    assert {each[1:] for each in blocks} == {("int4", "dynamic", "min-max"), ("int4", "dynamic", "octav")}
    assert len(blocks) == 4 * 2
    assert len(allowed - blocks) == 2 * 2 * 4 * 3
