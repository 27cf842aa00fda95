"""What must hold for an artifact after its conversion, whatever the converter said.

A conversion can end without an exception and still have lost the weights, quantized nothing, or handed
a quantized file on as the float one. Each check takes what `qbench.models.structure` read and raises
the error that names the defect, or warns of what may be meant so; none of them reads a file or runs a model.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from qbench.errors import ArtifactError, NotFloatError, NothingQuantizedError, QbenchWarning, WeightsLostError
from qbench.models.operators import DTYPE_BITS, is_float_dtype, is_moving, is_quantized_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.models.structure import Structure

#: The recipe that must leave a model as it is.
FLOAT_RECIPE = "fp32"

# What dynamic-range quantization leaves float in TensorFlow's converter, by default.
_DYNAMIC_RANGE_LEAST_ELEMENTS = 1024

_FULL_PRECISION = frozenset({"float32", "float64", "complex64", "complex128"})


def check_weights_present(structure: Structure, size_bytes: int, expected_weight_elements: int | None) -> None:
    """Check that an artifact can hold the weights of its model.

    Parameters
    ----------
    structure
        What is inside the artifact.
    size_bytes
        Size of the artifact.
    expected_weight_elements
        Number of weights (not bytes) in the source that the outputs depend on; None if it is not known.
        Constants must take at least half a byte for each, the width of int4 (a quarter if the file holds
        int2). Converters fold batch normalizations and leave out zero biases, but never half of int8 weights.

    Raises
    ------
    WeightsLostError
        If an operator has no weights, or fewer than its shape needs, or all constants together are too small.
    """
    if structure.missing_weights:
        raise WeightsLostError(
            f"found no weights, or fewer than their shape needs, for {_enumerate(structure.missing_weights)} "
            f"in an artifact of {size_bytes} bytes, expected them in the file: "
            "the conversion lost them; convert again, from a source that has its weights loaded"
        )
    if expected_weight_elements is None:
        return
    narrowest_bits = DTYPE_BITS["int2"] if "int2" in structure.weight_bytes else DTYPE_BITS["int4"]
    stored_bytes = sum(structure.weight_bytes.values())
    needed_bytes = -(-expected_weight_elements * narrowest_bits // 8)
    if stored_bytes < needed_bytes:
        raise WeightsLostError(
            f"found {stored_bytes} bytes of constants in an artifact of {size_bytes} bytes, expected at least "
            f"{needed_bytes} for the {expected_weight_elements} weights of its source ({narrowest_bits} bits each): "
            "the conversion lost weights; convert again, from a source that has its weights loaded"
        )


def check_quantized(structure: Structure, float_structure: Structure, recipe: str) -> None:
    """Check that a quantizing recipe changed something.

    Parameters
    ----------
    structure
        What is inside the artifact of `recipe`.
    float_structure
        What is inside the fp32 artifact of the same model.
    recipe
        Name of the recipe; nothing is checked for ``fp32``.

    Raises
    ------
    NothingQuantizedError
        If both hold the same bytes of constants by dtype and the same operators in the same dtypes.
    """
    if recipe == FLOAT_RECIPE:
        return
    if structure.weight_bytes != float_structure.weight_bytes or structure.operators != float_structure.operators:
        return
    raise NothingQuantizedError(
        f"found the same operators and the same constants ({_list_bytes(structure.weight_bytes)}) after the recipe "
        f"{recipe!r} as in {FLOAT_RECIPE}, expected weights or activations in another dtype: dynamic-range "
        f"quantization leaves weights of fewer than {_DYNAMIC_RANGE_LEAST_ELEMENTS} elements float; for a model this "
        "small use a recipe with calibration (int8), or take the recipe off its list"
    )


def check_float(structure: Structure) -> None:
    """Check that an artifact called fp32 is float: what every other recipe is compared with.

    Integers that are no weights (int32 and int64 shapes and indices, truth values, strings) are fine.

    Raises
    ------
    NotFloatError
        If it stores weights in integers or in half precision, or computes in them.
    """
    constants = {dtype: size for dtype, size in structure.weight_bytes.items() if _is_reduced(dtype)}
    operators = [key for key in structure.operators if _computes_reduced(key)]
    found = [_list_bytes(constants)] if constants else []
    found += [f"the operators {_enumerate(operators)}"] if operators else []
    if found:
        raise NotFloatError(
            f"found {' and '.join(found)} in an artifact called {FLOAT_RECIPE}, expected float32 throughout: "
            "name the float model as its source, or declare the file under the recipe that made it"
        )


def warn_of_saturated_biases(structure: Structure, name: str) -> None:
    """Warn of biases that are stored as the end of their integers' range.

    No error: the artifact runs, its accuracy is judged as of any other, and who masks a class on purpose stores
    such a bias too.

    Parameters
    ----------
    name
        The artifact, as the user knows it.

    Raises
    ------
    ArtifactError
        If there are any and the user's filter makes warnings errors: that artifact's alone, not the run's.
    """
    if not structure.saturated_biases:
        return
    said = (
        f"{name}: found the end of an int32's range in the bias {_enumerate(structure.saturated_biases)}, expected "
        "values that fit: what these channels give is wrong, whatever the example; a weight scale is too small for "
        "its bias, as where pruning left only zeros: convert again with a larger scale, or without these channels"
    )
    try:
        warnings.warn(said, QbenchWarning, stacklevel=2)
    except QbenchWarning as warning:
        raise ArtifactError(said) from warning


def _is_reduced(dtype: str) -> bool:
    return is_quantized_dtype(dtype) or (is_float_dtype(dtype) and dtype not in _FULL_PRECISION)


def _computes_reduced(key: str) -> bool:
    """Whether an entry of `Structure.operators` stands for reduced precision; images may be moved as uint8."""
    operator, _, label = key.rpartition(" ")
    if operator == "QUANTIZE":
        # It reads float, but what it makes is quantized.
        return True
    return not is_moving(operator) and any(_is_reduced(dtype) for dtype in label.split("x"))


def _list_bytes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{size} bytes of {dtype}" for dtype, size in sizes.items()) or "none"


def _enumerate(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are: a broken conversion of a large model has hundreds."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
