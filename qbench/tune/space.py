"""What a search may try: for each knob the values to choose from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from qbench.errors import ConfigError
from qbench.models import quantization
from qbench.tune.points import PLAIN, Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Only = Literal["int8", "int16"]

_FLOAT_OPERATORS = "float_operators"

#: Knobs that every artifact has turned some way; others may mean nothing beside these.
_ALWAYS_MEANT = ("weights", "granularity", "activations", "quantization_aware")

#: A network of which more operators stay float is hardly quantized any more.
_MOST_FLOAT_OPERATORS = 8

#: What `--only` allows: arithmetic on integers alone, with activations of so many bits.
_ONLY: Mapping[Only, Mapping[str, tuple[Any, ...]]] = {
    "int8": {"activations": ("int8",), _FLOAT_OPERATORS: (0,)},
    "int16": {"activations": ("int16",), _FLOAT_OPERATORS: (0,)},
}


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """What a search may try.

    Attributes
    ----------
    values
        For each knob the values to choose from, the plainest first; of `float_operators`, how many there may be.
    fixed
        The knobs that were restricted, which a recipe from elsewhere has to keep to as well.
    """

    values: dict[str, tuple[Any, ...]]
    fixed: tuple[str, ...] = ()

    @property
    def most_float_operators(self) -> int:
        """How many operators may stay float."""
        return int(max(self.values[_FLOAT_OPERATORS]))

    def allows(self, point: Point | None) -> bool:
        """Whether a point keeps to what is fixed; None, a recipe that is no point, only where nothing is."""
        if point is None:
            return not self.fixed
        return all(self._keeps(point, name) for name in self.fixed)

    def _keeps(self, point: Point, name: str) -> bool:
        if name == _FLOAT_OPERATORS:
            return len(point.float_operators) <= self.most_float_operators
        if name in _ALWAYS_MEANT:
            return getattr(point, name) in self.values[name]
        # A percentile without percentiles, or epochs without training, keep to whatever is fixed.
        return any(point.changed(**{name: value}) == point for value in self.values[name])

    def nearest(self, point: Point | None) -> Point:
        """The point with each value that the space does not have replaced by the plainest that it has."""
        point = point or PLAIN
        moved = {
            name: self.values[name][0]
            for name in self.fixed
            if name != _FLOAT_OPERATORS and getattr(point, name) not in self.values[name]
        }
        if str(moved.get("granularity", "")).startswith("block"):
            # Nothing else has blocks; where these are not allowed, no point is.
            wanted = {"weights": "int4", "activations": "dynamic"}
            moved = {**{name: value for name, value in wanted.items() if value in self.values[name]}, **moved}
        return point.changed(**moved, float_operators=point.float_operators[: self.most_float_operators])

    def others(self, point: Point, name: str) -> list[Point]:
        """The points of the space that differ from `point` in the knob `name`, as `values` has them."""
        moved = dict.fromkeys(point.changed(**{name: value}) for value in self.values[name])
        return [each for each in moved if each != point and self.allows(each)]


def whole_space(*, calibration_examples: int, trains: bool = False) -> Space:
    """Everything that can be tried with so many calibration examples, and with training or without."""
    sizes = (0, calibration_examples // 2, calibration_examples // 5)
    return Space(
        values={
            "weights": get_args(quantization.Weights),
            "granularity": get_args(quantization.Granularity),
            "weight_ranges": get_args(quantization.WeightRanges),
            "activations": get_args(quantization.Activations),
            "symmetric": (False, True),
            "calibration": get_args(quantization.Calibration),
            "percentile": (99.99, 99.9, 99.999),
            "calibration_examples": tuple(dict.fromkeys(sizes)),
            _FLOAT_OPERATORS: (0, _MOST_FLOAT_OPERATORS),
            "quantization_aware": (False, True) if trains else (False,),
            "channel_sparsity": (0.0, 0.25, 0.5, 0.75) if trains else (0.0,),
            "sparsity": (0.0,),
            "epochs": (2, 8) if trains else (2,),
            "learning_rate": (1e-3, 5e-3) if trains else (1e-3,),
        }
    )


def restrict(space: Space, fixes: Iterable[str], only: Only | None) -> Space:
    """The space that ``--fix NAME=VALUE[,VALUE...]`` and ``--only`` leave.

    Raises
    ------
    ConfigError
        For a name that is no knob, a value that the knob cannot have, or restrictions that leave nothing.
    """
    given: dict[str, tuple[Any, ...]] = dict(_ONLY[only]) if only else {}
    for fix in fixes:
        name, _, text = fix.partition("=")
        if name not in space.values or not text:
            known = ", ".join(space.values)
            raise ConfigError("--fix", found=repr(fix), expected=f"NAME=VALUE, with NAME one of {known}")
        chosen = tuple(_value(name, each, space) for each in text.split(","))
        if name in given:
            before = given[name]
            chosen = tuple(value for value in chosen if value in before)
            if not chosen:
                listed = ", ".join(map(_text, before))
                raise ConfigError("--fix", found=f"{fix!r} where {name} may be {listed} alone", expected="one of those")
        given[name] = chosen
    return Space(values={**space.values, **given}, fixed=tuple(dict.fromkeys((*space.fixed, *given))))


def _value(name: str, text: str, space: Space) -> Any:
    """What `text` means as a value of a knob."""
    known = space.values[name]
    if name in _NUMBERS:
        return _number(name, text, trains=len(space.values["quantization_aware"]) > 1)
    by_text = {_text(value): value for value in known}
    if text not in by_text:
        more = " without --train" if name == "quantization_aware" else ""
        raise ConfigError("--fix", found=f"{name}={text}", expected=f"one of {', '.join(by_text)}{more}")
    return by_text[text]


#: Knobs that take numbers: whether a whole one, above what, and at most what.
_NUMBERS: Mapping[str, tuple[bool, float, float]] = {
    "percentile": (False, 50, 100),
    "calibration_examples": (True, -1, math.inf),
    _FLOAT_OPERATORS: (True, -1, math.inf),
    "channel_sparsity": (False, -1e-9, 0.99),
    "sparsity": (False, -1e-9, 0.99),
    "epochs": (True, 0, math.inf),
    "learning_rate": (False, 0, 1),
}


_EXPECTED = {
    "percentile": "above 50 and at most 100",
    "epochs": "a whole number above 0",
    "learning_rate": "above 0 and at most 1",
}


def _number(name: str, text: str, *, trains: bool) -> float:
    """A number that the knob can have, whether or not a search would come upon it."""
    whole, above, most = _NUMBERS[name]
    try:
        value: float = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not above < value <= most:  # NaN is not either
        expected = _EXPECTED.get(name, "a whole number of at least 0" if whole else "a share from 0 to 0.99")
        raise ConfigError("--fix", found=f"{name}={text}", expected=expected)
    if value and not trains and name in {"channel_sparsity", "sparsity", "epochs", "learning_rate"}:
        raise ConfigError("--fix", found=f"{name}={text}", expected="--train beside it: nothing is trained without")
    return value


def _text(value: Any) -> str:
    """A value as TOML has it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)
