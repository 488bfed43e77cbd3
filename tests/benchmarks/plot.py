# Copyright (c) 2026, hwaccel.virt maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plot docs/benchmarks.svg: each figure with a goal, as a share of that goal."""

from __future__ import annotations

import math
import typing as t
from xml.sax.saxutils import escape

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.hwaccel.virt.tests.benchmarks.figures import Figure

WIDTH, LABELS, RIGHT = 860, 440, 60
TOP, ROW, BOTTOM = 56, 24, 40
# Shares of the goal: the scale is logarithmic, and goes as far as the figures do.
TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)

STYLE = """\
  svg { font: 13px system-ui, sans-serif; }
  .back { fill: #ffffff; } text { fill: #1f2328; }
  .grid { stroke: #d1d9e0; } .goal { stroke: #59636e; stroke-width: 2; }
  .met { fill: #1a7f37; stroke: #1a7f37; } .missed { fill: #bc4c00; stroke: #bc4c00; }
  .range { stroke-width: 4; stroke-opacity: 0.4; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } text { fill: #f0f6fc; }
    .grid { stroke: #3d444d; } .goal { stroke: #9198a1; }
    .met { fill: #3fb950; stroke: #3fb950; } .missed { fill: #f0883e; stroke: #f0883e; }
  }
"""


class Scale(t.NamedTuple):
    """Where shares of a goal lie on the page."""

    low: float
    high: float

    @classmethod
    def over(cls, shares: Sequence[float]) -> Scale:
        """Return the scale from tick to tick that has all of them."""
        low = max((tick for tick in TICKS if tick <= min([*shares, 1])), default=TICKS[0])
        high = min((tick for tick in TICKS if tick >= max([*shares, 1])), default=TICKS[-1])
        return cls(low / 1.2, high * 1.2)

    def at(self, share: float) -> float:
        """Return the place of a share; one beyond the scale stands at its end."""
        inside = min(max(share, self.low), self.high)
        part = math.log(inside / self.low) / math.log(self.high / self.low)
        return LABELS + part * (WIDTH - LABELS - RIGHT)

    def ticks(self) -> list[float]:
        """Return those that lie on it."""
        return [tick for tick in TICKS if self.low <= tick <= self.high]


def shares(figure: Figure) -> tuple[float, float, float]:
    """Return quartile, median and quartile by the goal."""
    ratio, goal = figure.ratio, figure.goal or 1
    return ratio.low / goal, ratio.median / goal, ratio.high / goal


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f' <text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def plot(figures: Sequence[Figure]) -> str:
    """Return the plot of the figures that have goals; those that are met lie left of the line."""
    shown = [figure for figure in figures if figure.goal is not None]
    scale = Scale.over([share for figure in shown for share in shares(figure)])
    bottom = TOP + ROW * len(shown)
    height = bottom + BOTTOM
    title = "Figures as shares of their goals: median and quartiles"
    size = f'width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {height}"',
        f' role="img" aria-label="{title}">',
        f" <style>\n{STYLE} </style>",
        f' <rect class="back" {size}/>',
        f' <text x="16" y="24" font-weight="600">{title}</text>',
        _text("goal", scale.at(1), TOP - 10, "middle"),
    ]
    for tick in scale.ticks():
        x = f"{scale.at(tick):.1f}"
        kind = "goal" if tick == 1 else "grid"
        lines += [
            f' <line class="{kind}" x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{bottom}"/>',
            _text(f"{tick:g}", scale.at(tick), bottom + 20, "middle"),
        ]
    for number, figure in enumerate(shown):
        y = TOP + ROW * number + ROW / 2
        low, median, high = map(scale.at, shares(figure))
        kind = "met" if figure.met else "missed"
        lines += [
            _text(f"{figure.name}, {figure.at}", LABELS - 12, y + 4, "end"),
            f' <line class="{kind} range" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
            f' <circle class="{kind}" cx="{median:.1f}" cy="{y}" r="5"/>',
            _text(f"{figure.ratio.median:.2f}", WIDTH - 12, y + 4, "end"),
        ]
    return "\n".join([*lines, "</svg>\n"])
