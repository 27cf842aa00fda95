"""What a picture on the page consists of: places are shares of its width and height in per cent.

Shares instead of pixels, so that a picture fits a phone and a screen without text that becomes small or wide. The
templates make SVG of it. Classes name what a mark is, and the style gives it its colour in both themes.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What a picture's whole width and height are.
WHOLE = 100.0


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place on an axis, in per cent, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line between two places; with a `title`, it is something that a reader may ask about."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Area:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One observation: `shape` is ``circle``, ``diamond`` or ``below`` (it lies lower than the picture reaches)."""

    x: float
    y: float
    kind: str
    title: str
    shape: str = "circle"


@dataclass(frozen=True, kw_only=True)
class Label:
    """Text in the picture, `dx` and `dy` pixels from a place; `anchor` is its start, middle or end."""

    x: float
    y: float
    dx: float
    dy: float
    anchor: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a mark stands for; `mark` is ``line``, ``area``, ``circle`` or ``diamond``."""

    mark: str
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with two axes.

    Attributes
    ----------
    title
        What it shows, as its caption.
    summary
        What a reader who does not see it has to know; of what it shows, marks have titles.
    x_name, y_name
        What the axes are, with their units.
    remarks
        What stands below it, each as a sentence.
    """

    title: str
    summary: str
    x_name: str
    y_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    areas: tuple[Area, ...] = ()
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    labels: tuple[Label, ...] = ()
    keys: tuple[Key, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One row of a table of intervals: a picture between its name and its numbers.

    Attributes
    ----------
    title
        The picture in words.
    value, interval
        Its numbers as text.
    """

    name: str
    place: str
    title: str
    value: str
    interval: str
    areas: tuple[Area, ...] = ()
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Strips:
    """A table of intervals that share an axis; `value_name` and `interval_name` head their columns."""

    title: str
    axis: str
    value_name: str
    interval_name: str
    ticks: tuple[Tick, ...]
    rows: tuple[Strip, ...]
    remarks: tuple[str, ...] = ()
