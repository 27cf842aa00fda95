"""Names of what stands in an operator's table of options, as the schema has them.

Python's generated classes write ``strideW`` and hold a number for what the schema gives a name; everything
above this room reads ``stride_w`` and ``SAME``.
"""

from __future__ import annotations

import re
from typing import Any

#: Enumerations of the schema by the field that holds one of their numbers.
_ENUMERATIONS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "quantized_bias_type": "TensorType",
}
_MIRROR_PAD = ("MirrorPadOptions", "mode", "MirrorPadMode")


def field_names(schema: Any, options_type: str) -> dict[str, str]:
    """Attributes of the generated class for `options_type`, by the names that the schema gives the fields."""
    attributes = vars(getattr(schema, f"{options_type}T")())
    return {re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name): name for name in attributes}


def named(schema: Any, options_type: str, field: str, value: float) -> bool | float | str:
    """What `value` means: the name where it is the number of one that the schema knows."""
    return _codes(schema, options_type, field).get(value, value)


def options_table(schema: Any, options_type: str, values: dict[str, Any]) -> Any:
    """The generated object for `options_type` that holds `values`; the opposite of reading.

    Raises
    ------
    ValueError
        If a field is unknown.
    """
    table = getattr(schema, f"{options_type}T")()
    attributes = field_names(schema, options_type)
    for field, value in values.items():
        if field not in attributes:
            raise ValueError(f"{options_type} has no field {field!r}; it has {', '.join(attributes)}")
        numbers = {name: number for number, name in _codes(schema, options_type, field).items()}
        setattr(table, attributes[field], numbers.get(value, value) if isinstance(value, str) else value)
    return table


def _codes(schema: Any, options_type: str, field: str) -> dict[float, str]:
    enumeration = _MIRROR_PAD[2] if (options_type, field) == _MIRROR_PAD[:2] else _ENUMERATIONS.get(field)
    if enumeration is None:
        return {}
    return {number: name for name, number in vars(getattr(schema, enumeration)).items() if not name.startswith("_")}
