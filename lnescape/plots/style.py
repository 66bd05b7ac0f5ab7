"""The house's style of figures, and how they are written.

One colour, one marker and one kind of line belong to each method through the whole course, safe for
colour-blind readers and distinct in grey. Every figure shows the name of its data (`source`).
"""

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from lnescape.results import figures_folder, live_folder

# Okabe and Ito's palette; line and marker carry the same distinction in grey.
STYLE = {
    "line": {"color": "#000000", "linestyle": ":", "marker": "x"},
    "curve": {"color": "#D55E00", "linestyle": "-", "marker": "D"},
    "simplex": {"color": "#0072B2", "linestyle": "--", "marker": "^"},
    "simplex midpoint": {"color": "#56B4E9", "linestyle": (0, (7, 2)), "marker": "v"},
    "deep ensemble": {"color": "#009E73", "linestyle": "-.", "marker": "o"},
    "single network": {"color": "#999999", "linestyle": (0, (1, 3)), "marker": "s"},
}
WIDTH = 6.3  # inches: the text width of the report
_SETTINGS = {
    "font.family": "DejaVu Sans",  # carried by matplotlib, so the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "svg.hashsalt": "lnescape",  # the same picture gives the same file
    "svg.fonttype": "path",
}


@contextmanager
def canvas(columns: int, height: float, source: str, *, width: float = WIDTH, rows: int = 1):
    """Open a figure in the house's style, and name the data in its corner."""
    import matplotlib.pyplot as plt
    from seaborn import axes_style

    with plt.rc_context(axes_style("ticks") | _SETTINGS):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
        yield figure, axes if rows > 1 else axes[0]
        figure.supxlabel(f"Data: {source}", x=0.995, ha="right", fontsize=7, color="#555555")
        plt.close(figure)  # a notebook then shows it once, as the value of its cell


def legend_below(figure: Figure, marks: Sequence[Artist], labels: Sequence[str], *, columns: int) -> None:
    """Put a legend between the panels and the name of the data, where it can lie on nothing; the panels make room.

    Args:
        figure: The figure.
        marks: One for each label.
        labels: What they stand for.
        columns: Of the legend.
    """
    line = 0.17 / figure.get_figheight()  # one row of the legend, in parts of the figure
    room = line * (-(-len(labels) // columns) + 0.4)
    figure.get_layout_engine().set(rect=(0, room, 1, 1 - room))
    close = {"fontsize": 7.5, "handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 1.2, "borderaxespad": 0}
    figure.legend(marks, labels, loc="lower right", bbox_to_anchor=(0.995, 1.2 * line), ncols=columns, **close)


def _write(figure: Figure, folder: Path, name: str) -> None:
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.part"
    with plt.rc_context(_SETTINGS):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    temporary.replace(folder / f"{name}.svg")


def save(figure: Figure, name: str) -> Figure:
    """Write a figure of the report to report/figures/NAME.svg, byte for byte the same each time.

    Args:
        figure: The figure.
        name: Number of its notebook and a word, such as "03_barrier".

    Returns:
        The figure, to be shown.
    """
    _write(figure, figures_folder(), name)
    return figure


def save_live(figure: Figure, name: str) -> Figure:
    """Write a figure of what was trained just now to report/live/NAME.svg, for the run sheet.

    Args:
        figure: The figure.
        name: Number of its notebook and a word, such as "03_barrier".

    Returns:
        The figure, to be shown.
    """
    _write(figure, live_folder(), name)
    return figure
