"""How many examples a property gets: in proportion to the profile of hypothesis that a run is under."""

from __future__ import annotations

from hypothesis import settings

_QUICK = 50


def examples(quick: int) -> settings:
    """Settings for `quick` examples under the profile ``quick``, and in proportion under any other."""
    return settings(max_examples=max(1, quick * settings().max_examples // _QUICK), deadline=None)
