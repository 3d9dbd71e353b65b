"""The charts of the report's page: SVG by pygal, made safe to stand in the page.

Pygal puts a script, a style sheet and comments with addresses into what it draws.  None of them
gets into the page: what remains is shapes and text, and the page's own style sheet gives them
their colours.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from headend.costs.words import shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

COLOURS: Final = 6
"""How many colours the style sheet has; a chart with more series uses them again."""

_WIDTH: Final = 1000
"""In pixels of the chart's own; the page scales it."""
_HEIGHT: Final = 280
_ROW: Final = 32
"""For one bar that lies."""
_AXIS: Final = 40
_TEXT: Final = 13
_LONGEST_LABEL: Final = 28
_STEPS: Final = 4
"""About how many steps an axis has."""

_SHAPES: Final = frozenset({"g", "rect", "path", "line", "circle", "text"})
_ATTRIBUTES: Final = frozenset(
    {"class", "d", "height", "r", "rx", "ry", "transform", "viewBox", "width", "x", "y"}
    | {"cx", "cy", "x1", "x2", "y1", "y2", "xmlns"}
)


_COLOUR: Final = re.compile(r"\bcolor-(\d+)\b")


class Library(Protocol):
    """What is used of pygal, which has no types."""

    StackedBar: Callable[..., Chart]
    HorizontalStackedBar: Callable[..., Chart]
    Line: Callable[..., Chart]


class Chart(Protocol):
    """What is used of its charts."""

    x_labels: Sequence[str]
    y_labels: Sequence[float]

    def add(self, title: str, values: Sequence[float | None]) -> object:
        """Add a series."""
        ...

    def render_tree(self) -> Element:
        """Return what it draws."""
        ...


def load_pygal() -> Library:
    """Import pygal, which takes a while.

    Raises:
        ImportError: it is not installed.
    """
    import pygal  # type: ignore[import-untyped]  # it has no types

    # For its maps it puts a finder of an old kind among Python's own, and Python 3.11 warns of that
    # at every import from then on.
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != pygal.__name__]
    library: Library = pygal
    return library


@frozen
class Series:
    """Numbers that belong together.

    Attributes:
        name: as the legend has it.
        values: one for each label; `None` draws nothing.
    """

    name: str
    values: Sequence[Decimal | None]


def standing_bars(
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Callable[[float], str],
) -> str:
    """Draw one bar for each label, the series on top of each other.

    Args:
        description: for those who cannot see it.
        labels: below the bars.
        series: what the bars are made of.
        show: how a number is written at the axis.
    """
    steps = _steps(_sums(series))
    chart = load_pygal().StackedBar(**_look(show, steps), height=_HEIGHT)
    return _draw(chart, description, labels, series, steps)


def lying_bars(
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Callable[[float], str],
) -> str:
    """Draw one bar for each label from the left to the right, the first label on top."""
    steps = _steps(_sums(series))
    chart = load_pygal().HorizontalStackedBar(
        **_look(show, steps), height=_AXIS + _ROW * len(labels)
    )
    # The library begins at the bottom.
    turned = [Series(one.name, tuple(reversed(one.values))) for one in series]
    return _draw(
        chart,
        description,
        [shorten(one, _LONGEST_LABEL) for one in reversed(labels)],
        turned,
        steps,
    )


def lines(
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Callable[[float], str],
) -> str:
    """Draw each series as a line over the labels."""
    steps = _steps([float(value) for one in series for value in one.values if value is not None])
    chart = load_pygal().Line(**_look(show, steps), height=_HEIGHT, show_dots=False)
    return _draw(chart, description, labels, series, steps)


def _look(show: Callable[[float], str], steps: Sequence[float]) -> dict[str, object]:
    from pygal.style import Style  # type: ignore[import-untyped]  # it has no types

    return {
        # By the sizes the library knows how much room texts take.
        "style": Style(
            font_family="sans-serif", label_font_size=_TEXT, major_label_font_size=_TEXT
        ),
        "css": [],
        "js": [],
        "classes": ["chart"],
        "no_prefix": True,
        "width": _WIDTH,
        "margin": 4,
        "spacing": 8,
        "show_legend": False,
        "truncate_label": -1,
        "range": (steps[0], steps[-1]),
        "value_formatter": show,
    }


def _draw(
    chart: Chart,
    description: str,
    labels: Sequence[str],
    series: Sequence[Series],
    steps: Sequence[float],
) -> str:
    from xml.etree.ElementTree import tostring

    chart.x_labels = list(labels)
    chart.y_labels = list(steps)
    for one in series:
        chart.add(one.name, [None if value is None else float(value) for value in one.values])
    drawn = _shapes_of(chart.render_tree())
    drawn.set("role", "img")
    drawn.set("aria-label", description)
    return tostring(drawn, encoding="unicode")


def _sums(series: Sequence[Series]) -> list[float]:
    return [
        float(sum(value or 0 for value in values))
        for values in zip(*(one.values for one in series), strict=True)
    ]


def _steps(values: Sequence[float]) -> list[float]:
    """Return where an axis from zero has its numbers, also where everything is zero."""
    highest = max(values, default=0.0) or 1.0
    rough = highest / _STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= rough)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _shapes_of(element: Element) -> Element:
    """Return a copy with nothing in it but shapes and text, and what places them."""
    from xml.etree.ElementTree import Element as NewElement

    copy = NewElement(
        element.tag, {name: value for name, value in element.items() if name in _ATTRIBUTES}
    )
    if "class" in copy.attrib:
        copy.set("class", _COLOUR.sub(_colour, copy.attrib["class"]))
    copy.text = element.text
    # The tag of a comment is a function.
    copy.extend(_shapes_of(child) for child in element if child.tag in _SHAPES)
    return copy


def _colour(match: re.Match[str]) -> str:
    return f"color-{int(match[1]) % COLOURS}"
