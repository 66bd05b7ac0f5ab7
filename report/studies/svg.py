"""The report's figures as SVG files: the same bytes from the same numbers, whatever the processor."""

import math
import re
from io import StringIO
from pathlib import Path

from matplotlib.figure import Figure

from lnescape.plots import SETTINGS
from lnescape.results import files, project_folder

# What an SVG file of matplotlib holds that depends on the processor: coordinates, and ids that are hashes of them.
_COORDINATES = re.compile(r'(?<=\s)(?:d|x|y|width|height|viewBox|points)="[^"]*"|translate\([^)]*\)')
_DECIMAL = re.compile(r"-?\d+\.\d+")
_HASHED = re.compile(r'(?<=id="|rl\(#|f="#)(p|m|h|image|C\d+_\d+_)([0-9a-f]{10})\b')
CUT = 0.02  # inches that may lie beyond the edge of a figure: the rim of a marker


def path_of(name: str) -> Path:
    """Name the file of a figure."""
    return project_folder() / "report" / "figures" / f"{name}.svg"


def save(figure: Figure, name: str) -> Figure:
    """Write a figure of the report, drawn from stored results, to report/figures/NAME.svg."""
    return write(figure, path_of(name))


def write(figure: Figure, path: Path) -> Figure:
    """Write a figure as SVG, complete or not at all, byte for byte the same each time; raise where it is cut off."""
    import matplotlib.pyplot as plt

    drawn = StringIO()
    with plt.rc_context(SETTINGS):
        if not any(_fits(figure) for _ in range(3)):  # insets find their place when it is drawn again
            raise ValueError(f"{path.name} is cut off at its edges; shorten a title or a label, or make it larger.")
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    files.write(path, stable(drawn.getvalue()).encode())
    return figure


def _fits(figure: Figure) -> bool:
    """Lay a figure out; return whether nothing of it lies beyond its edges."""
    figure.draw_without_rendering()
    needed, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return bool(min(needed.x0, needed.y0, width - needed.x1, height - needed.y1) > -CUT)


def stable(svg: str) -> str:
    """Round the coordinates of an SVG file to a hundredth of a point, and number its ids as they appear."""

    def rounded(number: re.Match) -> str:
        # Halves of a hundredth are common, in eighths of a point for one. Rounding therefore goes up from 0.47 on.
        return f"{math.floor(100 * float(number[0]) + 0.53) / 100:.2f}".rstrip("0").rstrip(".")

    svg = _COORDINATES.sub(lambda part: _DECIMAL.sub(rounded, part[0]), svg)
    numbers: dict[str, int] = {}
    return _HASHED.sub(lambda name: f"{name[1]}{numbers.setdefault(name[0], len(numbers) + 1)}", svg)
