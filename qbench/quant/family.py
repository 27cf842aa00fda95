"""The families of kernels that one runtime has for one operator, and that need not round alike."""

from __future__ import annotations

from typing import Literal, get_args

#: ``reference``: the plain loops that define the operator. ``builtin``: the optimized kernels of the
#: runtime itself. ``xnnpack``: those of its default delegate.
Family = Literal["reference", "builtin", "xnnpack"]

FAMILIES: tuple[Family, ...] = get_args(Family)
