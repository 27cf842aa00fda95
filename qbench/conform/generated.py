"""Cases that hypothesis makes up: many to count, and the smallest that fails."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import NoSuchExample, Unsatisfiable

from qbench.conform.case import Case
from qbench.quant.strategies import operator_models
from qbench.quant.strategies.models import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from qbench.quant.strategies import OperatorModel


def generated_operators() -> dict[str, tuple[str, ...]]:
    """Names of the operators that can be generated, sorted, and the dtypes of activations that each knows."""
    return {name: tuple(REGISTRY[name].dtypes) for name in sorted(REGISTRY)}


def for_each_case(operator: str, dtype: str, use: Callable[[Case], None], *, cases: int, seed: int) -> None:
    """Call `use` with `cases` generated cases of an operator; the same ones for the same seed."""

    @hypothesis.seed(seed)
    @_settings(cases, Phase.generate)
    @hypothesis.given(_cases(operator, dtype))
    def generate(case: Case) -> None:
        use(case)

    generate()


def smallest(operator: str, dtype: str, fails: Callable[[Case], bool], *, cases: int, seed: int) -> Case | None:
    """The smallest generated case for which `fails` is true, if one of `cases` is; hypothesis shrinks it."""
    try:
        return hypothesis.find(
            _cases(operator, dtype),
            fails,
            settings=_settings(cases, Phase.generate, Phase.shrink),
            random=random.Random(seed),  # noqa: S311 - repeatable on purpose
        )
    except (NoSuchExample, Unsatisfiable):
        return None


def _cases(operator: str, dtype: str) -> SearchStrategy[Case]:
    return operator_models([operator], dtypes=[dtype]).map(_case)


def _case(model: OperatorModel) -> Case:
    return Case(operator=model.operator, dtype=model.dtype, content=model.content, inputs=model.inputs)


def _settings(cases: int, *phases: Phase) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        derandomize=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),  # a kernel's speed is nobody's health here
    )
