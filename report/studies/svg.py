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


def path_of(name: str) -> Path:
    """Name the file of a figure."""
    return project_folder() / "report" / "figures" / f"{name}.svg"


def save(figure: Figure, name: str) -> Figure:
    """Write a figure of the report, drawn from stored results, to report/figures/NAME.svg."""
    return write(figure, path_of(name))


def write(figure: Figure, path: Path) -> Figure:
    """Write a figure as SVG, complete or not at all, byte for byte the same each time."""
    import matplotlib.pyplot as plt

    drawn = StringIO()
    with plt.rc_context(SETTINGS):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    files.write(path, stable(drawn.getvalue()).encode())
    return figure


def stable(svg: str) -> str:
    """Round the coordinates of an SVG file to a hundredth of a point, and number its ids as they appear."""

    def rounded(number: re.Match) -> str:
        # Halves of a hundredth are common, in eighths of a point for one. Rounding therefore goes up from 0.47 on.
        return f"{math.floor(100 * float(number[0]) + 0.53) / 100:.2f}".rstrip("0").rstrip(".")

    svg = _COORDINATES.sub(lambda part: _DECIMAL.sub(rounded, part[0]), svg)
    numbers: dict[str, int] = {}
    return _HASHED.sub(lambda name: f"{name[1]}{numbers.setdefault(name[0], len(numbers) + 1)}", svg)
