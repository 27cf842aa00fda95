"""What differs between two artifacts of one recipe, by exact comparison: no kernel is run, nothing is estimated."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.causes.operator_evidence import represented, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.tflite.graph import Model, Operator, Subgraph, Tensor

_MOST = 3


def artifact_changes(accepted: Model, now: Model) -> tuple[str, ...]:
    """What `now` has otherwise than `accepted`, as clauses; empty if nothing that can be named differs.

    Operators and tensors are compared place by place where both have the same operators in the same order; else the
    operators alone are.
    """
    before, after = accepted.subgraphs[0], now.subgraphs[0]
    names = [operator.name for operator in before.operators], [operator.name for operator in after.operators]
    if names[0] != names[1]:
        return tuple(_operator_counts(Counter(names[0]), Counter(names[1])))
    changed: dict[str, list[str]] = {}
    for old, new in zip(before.operators, after.operators, strict=True):
        for kind, clause in _operator_changes(before, old, after, new):
            changed.setdefault(kind, []).append(clause)
    return tuple(_shortened(kind, clauses) for kind, clauses in changed.items())


def _operator_counts(before: Counter[str], after: Counter[str]) -> Iterator[str]:
    differing = sorted(name for name in before | after if before[name] != after[name])
    if not differing:
        yield "its operators are in another order"
    for name in differing:
        yield f"{after[name]} {name}, accepted {before[name]}"


def _operator_changes(before: Subgraph, old: Operator, after: Subgraph, new: Operator) -> Iterator[tuple[str, str]]:
    where = f"{new.name} {short_name(after.tensors[new.outputs[0]].name)!r}" if new.outputs else new.name
    for old_index, new_index in zip(old.outputs, new.outputs, strict=False):
        yield from _activation_changes(before.tensors[old_index], after.tensors[new_index], where)
    for old_index, new_index in zip(old.inputs, new.inputs, strict=False):
        if min(old_index, new_index) >= 0:
            yield from _constant_changes(before.tensors[old_index], after.tensors[new_index], where)
    if len(old.inputs) != len(new.inputs):
        yield "another number of inputs", where
    if (old.version, dict(old.options)) != (new.version, dict(new.options)):
        yield "other options or versions", where


def _activation_changes(old: Tensor, new: Tensor, where: str) -> Iterator[tuple[str, str]]:
    if old.dtype != new.dtype:
        yield "other dtypes", f"{where} gives {new.dtype}, was {old.dtype}"
    elif _parameters(old) != _parameters(new):
        now, was = represented(new), represented(old)
        if now is None or was is None:
            yield "other ranges", where
        else:
            yield "other ranges", f"{where} represents {now[0]:.4g}..{now[1]:.4g}, was {was[0]:.4g}..{was[1]:.4g}"


def _constant_changes(old: Tensor, new: Tensor, where: str) -> Iterator[tuple[str, str]]:
    if old.data is None or new.data is None:
        return
    if old.dtype != new.dtype:
        yield "other dtypes", f"weights of {where} are {new.dtype}, were {old.dtype}"
    elif old.scales.size != new.scales.size:
        yield "other granularity", f"scales of weights of {where}: {new.scales.size}, were {old.scales.size}"
    elif not np.array_equal(old.zero_points, new.zero_points):
        yield "other zero points", f"weights of {where}"
    elif not (np.array_equal(old.data, new.data) and np.array_equal(old.scales, new.scales)):
        yield "other weights", where


def _parameters(tensor: Tensor) -> tuple[bytes, bytes]:
    return tensor.scales.tobytes(), tensor.zero_points.tobytes()


def _shortened(kind: str, clauses: list[str]) -> str:
    listed = list(dict.fromkeys(clauses))
    more = f" and {len(listed) - _MOST} more" if listed[_MOST:] else ""
    return f"{kind}: {', '.join(listed[:_MOST])}{more}"
