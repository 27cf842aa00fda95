"""Pictures of examples whose prediction flips, as many as a page has room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.records import Subject
    from qbench.report.gallery import FlipPicture, SubjectGallery

#: Of all pictures of a page, as PNG; base64 adds a third. The page stays below 6 MB.
MOST_PICTURE_BYTES = 3_300_000


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An example that flips: `png` is empty where there is no picture of it; `how` says what became of it."""

    example: int
    how: str
    kind: str
    text: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Some of the examples of a subject that flip, of `total`; `without_room` have a picture that is not shown."""

    shown: tuple[Flip, ...]
    total: int
    against: str
    without_room: int


def flips_by_subject(gallery: Sequence[SubjectGallery]) -> Mapping[Subject, Flips]:
    """The flips of all subjects; pictures go round, one for each subject, until there is no room for more."""
    kept: set[tuple[int, int]] = set()
    room = MOST_PICTURE_BYTES
    for place in range(max((len(each.flips) for each in gallery), default=0)):
        for index, each in enumerate(gallery):
            size = len(each.flips[place].png) if place < len(each.flips) else 0
            if 0 < size <= room:
                kept.add((index, place))
                room -= size
    return {each.subject: _flips(each, index, kept) for index, each in enumerate(gallery)}


def _flips(gallery: SubjectGallery, index: int, kept: set[tuple[int, int]]) -> Flips:
    shown = tuple(_flip(flip, with_picture=(index, place) in kept) for place, flip in enumerate(gallery.flips))
    return Flips(
        shown=shown,
        total=max(gallery.flips_total, len(shown)),
        against={"baseline": "what was accepted"}.get(gallery.against, gallery.against),
        without_room=sum(bool(flip.png) and (index, place) not in kept for place, flip in enumerate(gallery.flips)),
    )


def _flip(flip: FlipPicture, *, with_picture: bool) -> Flip:
    if flip.label is None:
        how, kind = "changed", "changed"
    elif flip.before == flip.label:
        how, kind = "became wrong", "worse"
    elif flip.now == flip.label:
        how, kind = "became right", "better"
    else:
        how, kind = "stays wrong", "changed"
    label = "" if flip.label is None else f", label {flip.label}"
    return Flip(
        example=flip.example,
        how=how,
        kind=kind,
        text=f"{flip.before} \N{RIGHTWARDS ARROW} {flip.now}{label}",
        png=flip.png if with_picture else b"",
        width=flip.width,
        height=flip.height,
    )
