"""What a recipe costs and what it gives: cost against accuracy, and which recipes no other one beats in both."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import Dot, Key, Label, Line, Plot
from qbench.report.html.intervals import usual_count
from qbench.report.wording import format_size, format_time
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qbench.report.html.axis import Axis
    from qbench.run_record import SubjectRecord

#: Sizes in per cent of a picture as wide as a phone: of a letter, of a line of text, and around a mark.
_LETTER, _LINE, _AROUND = 2.3, 6.0, 3.0
_GAP_PX = 9
#: Where a label may stand beside its mark: its direction and its anchor.
_SIDES = ((1, 0, "start"), (-1, 0, "end"), (0, -1, "middle"), (0, 1, "middle"), (1, -1, "start"), (1, 1, "start"))
_RED = {Verdict.FAIL, Verdict.ERROR}
_FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A recipe with its cost (bytes or nanoseconds) and its accuracy."""

    recipe: str
    cost: float
    accuracy: float
    red: bool = False


def trade_offs(subjects: Sequence[SubjectRecord]) -> list[Plot]:
    """Size against accuracy and latency against accuracy of one model, where two recipes have both."""
    sizes = [_choice(subject, subject.size_bytes) for subject in subjects]
    times = [_choice(subject, subject.latency.median_ns if subject.latency else None) for subject in subjects]
    pictures = (("Size", "size", sizes, format_size), ("Latency", "median latency", times, format_time))
    return [
        trade_off([choice for choice in choices if choice], title, name, form)
        for title, name, choices, form in pictures
        if sum(choice is not None for choice in choices) >= _FEWEST
    ]


def trade_off(choices: Sequence[Choice], title: str, name: str, form: Callable[[float], str]) -> Plot:
    """Cost against accuracy, with the front marked and what lies far below it at the lower edge."""
    best = front(choices)
    x, y, lowest = _axes(choices)
    steps = tuple(_steps(best, x, y))
    dots = tuple(_dot(choice, x, y, lowest, form, on_front=choice in best) for choice in choices)
    beaten = [choice.recipe for choice in choices if choice not in best]
    summary = f"No other recipe is both cheaper and more accurate than: {', '.join(choice.recipe for choice in best)}."
    if beaten:
        summary += f" Another one is no worse in both than: {', '.join(beaten)}."
    remarks = [summary]
    if lowest is not None:
        remarks.append("An arrow at the lower edge: far less accurate than the axis reaches; its title says how much.")
    if x.log:
        remarks.append(f"The axis of {name} is logarithmic.")
    return Plot(
        title=f"{title} and accuracy",
        summary=summary,
        x_name=name,
        y_name="accuracy",
        x_ticks=x.marks(form),
        y_ticks=y.marks_down(_accuracy),
        lines=steps,
        dots=dots,
        labels=tuple(_labels([choice.recipe for choice in choices], dots, steps)),
        keys=(
            Key(mark="circle", kind="front", text="not beaten"),
            Key(mark="circle", kind="beaten", text="beaten by another"),
            Key(mark="diamond", kind="bad", text="fails"),
        ),
        remarks=tuple(remarks),
    )


def front(choices: Sequence[Choice]) -> list[Choice]:
    """Those that no other one beats: none is at most as expensive and at least as accurate, and better in one of both.

    The cheapest comes first.
    """
    return sorted(
        (choice for choice in choices if not any(_beats(other, choice) for other in choices)),
        key=lambda choice: (choice.cost, choice.accuracy),
    )


def _beats(other: Choice, choice: Choice) -> bool:
    no_worse = other.cost <= choice.cost and other.accuracy >= choice.accuracy
    return no_worse and (other.cost, other.accuracy) != (choice.cost, choice.accuracy)


def _choice(subject: SubjectRecord, cost: float | None) -> Choice | None:
    accuracy = subject.metrics.get("accuracy")
    if cost is None or accuracy is None:
        return None
    return Choice(recipe=subject.recipe, cost=cost, accuracy=accuracy, red=subject.verdict in _RED)


def _axes(choices: Sequence[Choice]) -> tuple[Axis, Axis, float | None]:
    """Axes of cost and of accuracy, and the accuracy below which recipes stand at the edge; None if none do."""
    most = max(choice.accuracy for choice in choices)
    drops = sorted(most - choice.accuracy for choice in choices)
    positive = [drop for drop in drops if drop > 0]
    usual = positive[: usual_count(positive, gap=10.0, least=0.5)]
    reach = usual[-1] if usual else 0.0
    y = axis_over([most, most - reach], log=False)
    x = axis_over([choice.cost for choice in choices], ticks=3, zero=True)
    return x, y, most - reach if len(usual) < len(positive) else None


def _dot(
    choice: Choice, x: Axis, y: Axis, lowest: float | None, form: Callable[[float], str], *, on_front: bool
) -> Dot:
    below = lowest is not None and choice.accuracy < lowest
    standing = "fails" if choice.red else "not beaten" if on_front else "beaten by another"
    shape = "below" if below else "diamond" if choice.red else "circle"
    kind = "bad" if choice.red else "front" if on_front else "beaten"
    title = f"{choice.recipe}: accuracy {choice.accuracy:.4f}, {form(choice.cost)}; {standing}"
    return Dot(x=x.at(choice.cost), y=96.0 if below else y.down(choice.accuracy), kind=kind, title=title, shape=shape)


def _steps(best: Sequence[Choice], x: Axis, y: Axis) -> list[Line]:
    """The front as steps: what a given cost buys."""
    lines = []
    for first, second in pairwise(best):
        here, there, level = x.at(first.cost), x.at(second.cost), y.down(first.accuracy)
        lines.append(Line(x1=here, y1=level, x2=there, y2=level, kind="front"))
        lines.append(Line(x1=there, y1=level, x2=there, y2=y.down(second.accuracy), kind="front"))
    return lines


def _labels(names: Sequence[str], dots: Sequence[Dot], lines: Sequence[Line]) -> list[Label]:
    """Names beside their marks where they hide nothing; a mark without one has its title."""
    taken = [(dot.x - _AROUND / 2, dot.y - _AROUND, dot.x + _AROUND / 2, dot.y + _AROUND) for dot in dots]
    # A line through a name strikes it out.
    taken += [(min(it.x1, it.x2), min(it.y1, it.y2), max(it.x1, it.x2), max(it.y1, it.y2)) for it in lines]
    labels = []
    for name, dot in zip(names, dots, strict=True):
        for across, down, anchor in _SIDES:
            box = _box(dot, len(name) * _LETTER, across, down)
            inside = box[0] >= 0 and box[2] <= 100 and box[1] >= -_LINE and box[3] <= 100  # noqa: PLR2004 - the picture
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                labels.append(Label(x=dot.x, y=dot.y, dx=across * _GAP_PX, dy=down * 14 + 4, anchor=anchor, text=name))
                break
    return labels


def _box(dot: Dot, width: float, across: int, down: int) -> tuple[float, float, float, float]:
    left = dot.x + (_AROUND if across > 0 else -_AROUND - width if across < 0 else -width / 2)
    middle = dot.y + down * _LINE
    return left, middle - _LINE / 2, left + width, middle + _LINE / 2


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _accuracy(value: float) -> str:
    return f"{100 * value:.5g}%"
