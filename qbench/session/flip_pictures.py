"""Examples that flip, with a picture of each as long as there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.gallery import FlipPicture
from qbench.session.example_images import example_images

if TYPE_CHECKING:
    from qbench.session.compared import Compared

#: Nobody looks at more of one subject.
MOST_FLIPS = 24


def flip_pictures(found: Compared, *, room: int) -> tuple[FlipPicture, ...]:
    """The first examples that flip.

    Parameters
    ----------
    room
        Bytes that their pictures may have in all. Once one does not fit, it and those behind it have none.
    """
    if found.before is None:
        return ()
    images = example_images(found.dataset) if found.dataset else None
    flips = []
    for example in map(int, found.flipped[:MOST_FLIPS]):
        png, width, height = images.png(example) if images else (b"", 0, 0)
        if len(png) > room:
            images, png, width, height = None, b"", 0, 0
        room -= len(png)
        flip = FlipPicture(
            example=example,
            label=None if found.labels is None else int(found.labels[example]),
            before=int(found.before[example]),
            now=int(found.now[example]),
            png=png,
            width=width,
            height=height,
        )
        flips.append(flip)
    return tuple(flips)
