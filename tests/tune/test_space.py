from __future__ import annotations

import pytest

from qbench.errors import ConfigError
from qbench.tune.points import PLAIN
from qbench.tune.space import restrict, whole_space

_WHOLE = whole_space(calibration_examples=100)


def test_nothing_is_fixed_at_first():
    assert _WHOLE.fixed == ()
    assert _WHOLE.allows(None)
    assert _WHOLE.allows(
        PLAIN.changed(float_operators=tuple("abcdefghijkl"), percentile=99.0, calibration="percentile")
    )
    assert _WHOLE.values["calibration_examples"] == (0, 50, 20)


def test_what_is_fixed_alone_is_held():
    space = restrict(_WHOLE, ["granularity=tensor"], None)
    assert space.allows(PLAIN.changed(granularity="tensor", activations="int16", calibration_examples=7))
    assert not space.allows(PLAIN)
    assert not space.allows(None)
    assert space.nearest(PLAIN.changed(symmetric=True)) == PLAIN.changed(symmetric=True, granularity="tensor")
    assert space.nearest(None) == PLAIN.changed(granularity="tensor")


def test_integer_arithmetic_alone():
    space = restrict(_WHOLE, [], "int8")
    assert space.allows(PLAIN)
    assert not space.allows(PLAIN.changed(float_operators=("a",)))
    assert not space.allows(PLAIN.changed(activations="int16"))
    assert space.nearest(PLAIN.changed(float_operators=("a",), activations="float")) == PLAIN
    assert restrict(_WHOLE, [], "int16").nearest(PLAIN) == PLAIN.changed(activations="int16")


def test_what_means_nothing_at_a_point_is_free():
    training = whole_space(calibration_examples=100, trains=True)
    space = restrict(training, ["percentile=99.9", "epochs=8", "symmetric=true"], None)
    assert space.allows(PLAIN.changed(symmetric=True))
    assert space.allows(PLAIN.changed(activations="int16"))
    assert not space.allows(PLAIN.changed(symmetric=True, calibration="percentile"))
    assert space.allows(PLAIN.changed(symmetric=True, calibration="percentile", percentile=99.9))
    assert not space.allows(PLAIN.changed(symmetric=True, quantization_aware=True))
    assert space.allows(PLAIN.changed(symmetric=True, quantization_aware=True, epochs=8))


def test_several_values_and_numbers():
    space = restrict(_WHOLE, ["activations=int16,int8", "float_operators=2", "symmetric=true"], None)
    assert space.values["activations"] == ("int16", "int8")
    assert space.values["symmetric"] == (True,)
    assert space.most_float_operators == 2
    assert not space.allows(PLAIN.changed(symmetric=True, float_operators=("a", "b", "c")))
    assert space.allows(PLAIN.changed(symmetric=True, float_operators=("a", "b")))
    assert restrict(_WHOLE, ["activations=int8,int16"], "int8").values["activations"] == ("int8",)


def test_blocks_bring_along_what_they_need():
    space = restrict(_WHOLE, ["granularity=block32"], None)
    assert space.nearest(PLAIN) == PLAIN.changed(weights="int4", activations="dynamic", granularity="block32")
    assert space.allows(space.nearest(None))
    impossible = restrict(_WHOLE, ["granularity=block32", "weights=int8"], None)
    assert not impossible.allows(impossible.nearest(PLAIN))


def test_others_differ_in_one_knob_and_are_recipes():
    others = _WHOLE.others(PLAIN, "granularity")
    # Blocks are for int4 weights under dynamic activations, and would be plain int8 again.
    assert others == [PLAIN.changed(granularity="tensor")]
    assert _WHOLE.others(PLAIN, "percentile") == []
    assert len(_WHOLE.others(PLAIN.changed(weights="int4", activations="dynamic"), "granularity")) == 5
    assert (
        restrict(_WHOLE, ["granularity=tensor"], None).others(PLAIN.changed(granularity="tensor"), "granularity") == []
    )


def test_nothing_is_trained_unless_that_is_asked_for():
    assert _WHOLE.values["quantization_aware"] == (False,)
    assert _WHOLE.values["channel_sparsity"] == (0.0,)
    training = whole_space(calibration_examples=100, trains=True)
    assert training.values["quantization_aware"] == (False, True)
    assert restrict(training, ["sparsity=0.8"], None).nearest(None) == PLAIN.changed(sparsity=0.8)


@pytest.mark.parametrize(
    ("fixes", "only", "message"),
    [
        (["granularity"], None, "--fix: found 'granularity', expected NAME=VALUE, with NAME one of weights,"),
        (["granularty=tensor"], None, "--fix: found 'granularty=tensor', expected NAME=VALUE"),
        (["granularity=row"], None, "--fix: found granularity=row, expected one of channel, tensor, block32"),
        (["percentile=50"], None, "--fix: found percentile=50, expected above 50 and at most 100"),
        (["percentile=nan"], None, "--fix: found percentile=nan, expected above 50 and at most 100"),
        (["float_operators=-1"], None, "--fix: found float_operators=-1, expected a whole number of at least 0"),
        (["symmetric=True"], None, "--fix: found symmetric=True, expected one of false, true"),
        (["sparsity=0.5"], None, "--fix: found sparsity=0.5, expected --train beside it"),
        (["epochs=8"], None, "--fix: found epochs=8, expected --train beside it"),
        (["epochs=0"], None, "--fix: found epochs=0, expected a whole number above 0"),
        (["channel_sparsity=1"], None, "--fix: found channel_sparsity=1, expected a share from 0 to 0.99"),
        (
            ["quantization_aware=true"],
            None,
            "--fix: found quantization_aware=true, expected one of false",
        ),
        (["activations=int16"], "int8", "--fix: found 'activations=int16' where activations may be int8 alone"),
    ],
)
def test_what_cannot_be_fixed_is_refused(fixes, only, message):
    with pytest.raises(ConfigError) as refused:
        restrict(_WHOLE, fixes, only)
    assert str(refused.value).startswith(message)
