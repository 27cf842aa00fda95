"""What a page about a run shows beside its record: pictures' data that is too large, or too costly, for the record."""

from __future__ import annotations

from typing import Literal

import msgspec

from qbench.baseline.history import AcceptedChange
from qbench.diagnose.evidence.records import OperatorTime
from qbench.diagnose.operators.records import OperatorReport
from qbench.diagnose.records import Finding
from qbench.records import Subject


class FlipPicture(msgspec.Struct, frozen=True, kw_only=True):
    """An example whose prediction differs from the accepted one, or, where none was accepted, from fp32's.

    Attributes
    ----------
    example
        Its index in the dataset.
    label
        Its label as the dataset has it, None without labels.
    before, now
        Predicted classes.
    png
        The example as a PNG; empty where it is no image, or there was no room for it.
    width, height
        Of the PNG in pixels; 0 without one.
    """

    example: int
    label: int | None
    before: int
    now: int
    png: bytes = b""
    width: int = 0
    height: int = 0


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """How often examples of one class (row) were given each class (column), before and now.

    Attributes
    ----------
    classes
        Their names, or numbers, in order.
    before, now
        Counts of shape (classes, classes) as rows. `before` is what `SubjectGallery.against` names; empty if there is
        nothing that predictions are held against.
    rows
        What the class of a row is: the example's ``label``, or, without labels, its prediction ``before``.
    left_out
        How many more classes there are. Those shown have most flips; examples of others, or taken for others, are in no
        count.
    """

    classes: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    now: tuple[tuple[int, ...], ...]
    rows: Literal["label", "before"] = "label"
    left_out: int = 0


class SubjectGallery(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one subject.

    Attributes
    ----------
    against
        What flips are counted against: ``baseline``; where nothing was accepted ``fp32``, or the recipe that the model
        declares in its place; empty where there is nothing to hold predictions against, or there are none.
    flips
        Some of them: first those that became wrong, then those that stayed wrong, then those that became right, each by
        their index. `flips_total` is how many there are.
    operators, times, float_times, findings
        Of a diagnosis; empty where none was made, and `notes` says why. Of fp32 there are `times` alone.
    history
        Commits that changed its baseline, the oldest first.
    drift
        Sentences about slow change over that history.
    """

    subject: Subject
    against: str = "baseline"
    flips: tuple[FlipPicture, ...] = ()
    flips_total: int = 0
    confusion: Confusion | None = None
    operators: tuple[OperatorReport, ...] = ()
    times: tuple[OperatorTime, ...] = ()
    float_times: tuple[OperatorTime, ...] = ()
    findings: tuple[Finding, ...] = ()
    history: tuple[AcceptedChange, ...] = ()
    drift: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
