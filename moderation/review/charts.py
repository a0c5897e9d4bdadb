"""Charts as places of marks: pure arithmetic from figures to the coordinates that an SVG draws.

The SVG carries marks only; every letter is HTML beside it, so that text never shrinks with the drawing. Coordinates are
whole numbers: x grows by `STEP` a slot, y goes down from 0 to `HEIGHT`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STEP = 10
HEIGHT = 1000
GAP = 6
"""Between the parts of a bar."""
MARGIN = 1
"""Left free on either side of a bar, where bars are not too many."""
CROWD = 60
EACH = 14
"""Up to so many slots each has its name under it; of more only the first, the middle and the last."""

COUNT_TOPS = (2, 4, 6, 8, 10, 20)
"""Upper ends of an axis of numbers, times a power of ten: half of each is a whole number, too."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SPAN_TOPS = (
    *(10.0, 20.0, 40.0, MINUTE, 2 * MINUTE, 4 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE),
    *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 10 * DAY, 20 * DAY, 40 * DAY, 100 * DAY),
)
"""Upper ends of an axis of times, in seconds."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a bar; `kind` is its class."""

    kind: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What one SVG draws. `ticks`: the values on the left from the top down. `labelled`: the slots that are named."""

    width: int
    height: int
    marks: Sequence[Mark]
    line: str
    goal: str
    grid: str
    ticks: tuple[float, float, float]
    labelled: Sequence[int]
    each: bool


def bars(series: Sequence[tuple[str, Sequence[int]]], top: int | None = None) -> Chart:
    """Stacked bars: (class, a number for each slot), the lowest part first. `top`: where the axis ends, if it is not
    to end above the highest bar."""
    n = len(series[0][1])
    if top is None:
        top = count_top(max((sum(parts) for parts in zip(*(numbers for _, numbers in series), strict=True)), default=0))
    margin = MARGIN if n <= CROWD else 0
    marks = []
    for slot in range(n):
        stacked = 0
        for kind, numbers in series:
            low, high = _y(stacked, top), _y(stacked + numbers[slot], top)
            if numbers[slot]:
                gap = GAP if stacked and low - high > 2 * GAP else 0
                marks.append(Mark(kind, slot * STEP + margin, high, STEP - 2 * margin, max(low - high - gap, 1)))
            stacked += numbers[slot]
    return _chart(n, float(top), marks=marks)


def line(points: Sequence[float | None], top: float, goal: float | None = None) -> Chart:
    """A line through the middles of the slots; where a value is not known the line is broken, and a single point is a
    dot. `goal`: a level drawn across, where it is not above the top."""
    path, joined = [], False
    for slot, value in enumerate(points):
        if value is None:
            joined = False
            continue
        # A move alone draws nothing: the stroke of no length is the dot.
        path.append(f"{'L' if joined else 'M'}{slot * STEP + STEP // 2} {_y(value, top)}" + ("" if joined else "h0"))
        joined = True
    level = "" if goal is None or goal > top else f"M0 {_y(goal, top)}H{len(points) * STEP}"
    return _chart(len(points), top, line="".join(path), goal=level)


def count_top(most: int) -> int:
    """Where an axis of numbers ends: at or above `most`, with a whole number in its middle."""
    scale = 1
    while True:
        for top in COUNT_TOPS:
            if top * scale >= most:
                return top * scale
        scale *= 10


def span_top(longest: float) -> float:
    """Where an axis of times (s) ends."""
    return next((top for top in SPAN_TOPS if top >= longest), longest)


def _y(value: float, top: float) -> int:
    return HEIGHT - round(HEIGHT * min(value, top) / top)


def _chart(n: int, top: float, *, marks: Sequence[Mark] = (), line: str = "", goal: str = "") -> Chart:
    each = n <= EACH
    return Chart(
        width=n * STEP,
        height=HEIGHT,
        marks=marks,
        line=line,
        goal=goal,
        grid=f"M0 0H{n * STEP}M0 {HEIGHT // 2}H{n * STEP}",
        ticks=(top, top / 2, 0.0),
        labelled=range(n) if each else (0, n // 2, n - 1),
        each=each,
    )
