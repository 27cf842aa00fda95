"""What numbers on a command line may be; a wrong one is said in the words of all other errors."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number")
    return value


def share(text: str) -> float:
    """A share, such as 0.05."""
    if (value := _number(text)) < 0:
        raise argparse.ArgumentTypeError(f"found {text}, expected a share of at least 0, such as 0.05")
    return value


def shares(text: str) -> Sequence[float]:
    """Several shares with commas between."""
    return [share(part) for part in text.split(",")]


def positive(text: str) -> float:
    """A number above 0."""
    if (value := _number(text)) <= 0:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number above 0")
    return value


def probability(text: str) -> float:
    """A number between 0 and 1, and neither."""
    if not 0 < (value := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number between 0 and 1")
    return value


def natural(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 0")
    return int(text)


def count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number above 0")
    return int(text)
