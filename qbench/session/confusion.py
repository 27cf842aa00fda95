"""How often the examples of each class are given each class, before and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.report.gallery import Confusion

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.session.compared import Compared

    Array = npt.NDArray[Any]

#: A table of more classes is read by nobody.
MOST_CLASSES = 50
_LEAST_CLASSES = 2


def confusion(found: Compared, *, most: int = MOST_CLASSES) -> Confusion | None:
    """Count predictions by class; None if there is neither a label nor a prediction before.

    Of more than `most` classes, those are counted that have most flips, and of equals those with most examples.
    """
    rows = found.before if found.labels is None else found.labels
    if rows is None or most < _LEAST_CLASSES:
        return None
    before = () if found.before is None else (found.before,)
    columns = (*before, found.now)
    classes = 1 + max(int(each.max()) for each in (rows, *columns))
    chosen = _chosen(found, rows, classes, most)
    counts = [_counts(rows, column, chosen, classes) for column in columns]
    return Confusion(
        classes=tuple(str(index) for index in chosen),
        before=counts[0] if before else (),
        now=counts[-1],
        rows="before" if found.labels is None else "label",
        left_out=classes - len(chosen),
    )


def _chosen(found: Compared, rows: Array, classes: int, most: int) -> Array:
    """The classes to show, in order."""
    if classes <= most:
        return np.arange(classes)
    examples = np.bincount(rows, minlength=classes)
    flips = np.zeros(classes, np.int64)
    if found.before is not None:
        flipped = np.flatnonzero(found.before != found.now)
        # A class counts once for an example, whether it is its label or one of its two predictions.
        involved = np.stack([each[flipped] for each in (rows, found.before, found.now)], axis=1)
        for column in range(involved.shape[1]):
            new = ~(involved[:, :column] == involved[:, column : column + 1]).any(axis=1)
            flips += np.bincount(involved[new, column], minlength=classes)
    return np.sort(np.lexsort((np.arange(classes), -examples, -flips))[:most])


def _counts(rows: Array, columns: Array, chosen: Array, classes: int) -> tuple[tuple[int, ...], ...]:
    place = np.full(classes, -1)
    place[chosen] = np.arange(len(chosen))
    row, column = place[rows], place[columns]
    shown = (row >= 0) & (column >= 0)
    counted = np.bincount(row[shown] * len(chosen) + column[shown], minlength=len(chosen) ** 2)
    return tuple(tuple(map(int, each)) for each in counted.reshape(len(chosen), len(chosen)))
