"""What every notebook does: choose its size, show and write figures and tables, record its live numbers."""

from __future__ import annotations

import html
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from IPython import get_ipython
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lnescape.checks import one_of
from lnescape.data import Dataset, dataset
from lnescape.results import (
    Estimate,
    ResultError,
    load_result,
    normalised_error,
    project_folder,
    provenance,
    results_folder,
    save_result,
)
from lnescape.results.kept import title_of
from report.studies import svg

__all__ = [
    "alternative",
    "first_images",
    "keep_reference",
    "live_folder",
    "profile",
    "record",
    "save",
    "save_live",
    "some_classes",
    "table",
]

_STARTED = time.time()  # this is imported in a kernel's first cell: the time since then is the kernel's
PROFILES = ("quick", "standard")
MOST_COLUMNS = 6  # of a table, beside the names of its rows
LONG_TEXT = 40  # characters of a cell of a table; longer ones are wrapped, and read from the left
_HEADER = ("quantity", "here", "stored reference", "E_n", "agrees")


def profile(parameter: str = "") -> str:
    """Return the size of the live part: the notebook's parameter, else `$LNESCAPE_PROFILE`, else "quick"."""
    origin = "the notebook's parameter" if parameter else "LNESCAPE_PROFILE"
    chosen = parameter or os.environ.get("LNESCAPE_PROFILE") or PROFILES[0]
    return one_of(chosen, PROFILES, f"profile (from {origin})")


def live_folder() -> Path:
    """Name the folder of what was computed on this machine just now; git ignores it."""
    return project_folder() / "report" / "live"


def save(figure: Figure, name: str) -> Figure:
    """Write a figure of the report, drawn from stored results, to report/figures/NAME.svg."""
    return _described(svg.save(figure, name))


def save_live(figure: Figure, name: str) -> Figure:
    """Write a figure of what was trained just now to report/live/NAME.svg, for the run sheet."""
    return _described(svg.write(figure, live_folder() / f"{name}.svg"))


def first_images(full: Dataset, sizes: Mapping[str, int], *, halved: bool) -> Dataset:
    """Return the first images of each split of a data set, so many as `sizes` says, at half their size if `halved`."""
    parts = {part: (getattr(full, part).pixels[:n], getattr(full, part).labels[:n]) for part, n in sizes.items()}
    return _smaller(full, parts, f"{sizes['train']} images", full.classes, halved=halved)


def some_classes(full: Dataset, classes: Sequence[str], *, halved: bool) -> Dataset:
    """Return the images of some classes of a data set, numbered anew, at half their size if `halved`."""
    number, known = torch.full((full.n_classes,), -1), [name.replace("_", " ") for name in full.classes]
    for new, name in enumerate(classes):
        number[known.index(name)] = new
    parts = {}
    for part in ("train", "validation", "calibration", "test"):
        labels = number[getattr(full, part).labels]
        parts[part] = (getattr(full, part).pixels[labels >= 0], labels[labels >= 0])
    return _smaller(full, parts, f"{len(classes)} of the classes", classes, halved=halved)


def _smaller(full: Dataset, parts: Mapping[str, tuple], words: str, classes: Sequence[str], *, halved: bool) -> Dataset:
    """Return a part of a data set."""
    if halved:
        pool = torch.nn.functional.avg_pool2d
        parts = {part: (pool(pixels.float(), 2).round().byte(), labels) for part, (pixels, labels) in parts.items()}
    name = f"{full.title}, {words}" + (" of half size" if halved else "")
    return dataset(**parts, name=name, classes=classes, normalise=True, stand_in=full.stand_in)


def alternative(figure: Figure) -> str:
    """Describe a figure in words: its claim, what each panel shows, its marks and its data."""
    panels, marks = [], []
    for axis in figure.axes:
        heading = next(filter(None, (axis.get_title(side) for side in ("left", "center", "right"))), "")
        if not axis.axison and heading:
            panels.append(heading)  # a picture
        if not axis.axison or not (axis.get_xlabel() or axis.get_ylabel()):
            continue
        quantities = " against ".join(filter(None, (axis.get_ylabel(), axis.get_xlabel())))
        written = ", ".join(filter(None, (text.get_text() for text in axis.texts)))
        panels.append(": ".join(filter(None, (heading, quantities))) + (f" ({written})" if written else ""))
    for legend in filter(None, [*figure.legends, *(axis.get_legend() for axis in figure.axes)]):
        marks += [text.get_text() for text in legend.get_texts()]
    parts = [figure.get_suptitle(), "Panels: " + "; ".join(panels) if panels else ""]
    parts += ["Marks: " + ", ".join(dict.fromkeys(filter(None, marks))) if marks else "", figure.get_supxlabel()]
    return " ".join(". ".join(filter(None, parts)).split())


def _described(figure: Figure) -> Figure:
    """Let the notebook show figures with an alternative text, in the metadata of the output; return the figure."""
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, _png)
    return figure


def _png(figure: Figure) -> tuple[bytes, dict[str, str]]:
    """Return a figure as the notebook shows it, and its alternative text."""
    from IPython.core.pylabtools import print_figure

    return print_figure(figure, fmt="png", bbox_inches="tight"), {"alt": alternative(figure)}


def table(rows: pd.DataFrame | Mapping[str, Mapping[str, Any]], caption: str = "", *, digits: int = 1) -> Styler:
    """Show rows as a table of at most six columns: {name of the row: {column: value}}, or a data frame."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame.from_dict(dict(rows), orient="index")
    if frame.shape[1] > MOST_COLUMNS:
        raise ValueError(f"This table has {frame.shape[1]} columns; show at most {MOST_COLUMNS}, or split it.")
    long = [k for k, name in enumerate(frame) if frame[name].astype(str).str.len().max() > LONG_TEXT]
    kind, align = ("texts", "left") if long else ("table", "right")  # the styles of a page go by these names
    styler = Styler(frame, uuid=kind, cell_ids=False, caption=caption or None)

    def shown(value: object) -> str:
        return _typeset(f"{value:.{digits}f}" if pd.api.types.is_float(value) else str(value))

    styler.format(shown, na_rep="–", escape="html")
    left = {"selector": "th, caption", "props": "text-align: left; caption-side: top; font-weight: bold"}
    cells = {"selector": "td", "props": f"text-align: {align}; padding-left: 1.5em"}
    return styler.set_table_styles(
        [left, cells, *({"selector": f"td.col{k}", "props": "min-width: 16em"} for k in long)]
    )


def _typeset(text: str) -> str:
    """Write the sign of negative numbers as a minus, as the report does."""
    return re.sub(r"(?<![\w.])-(?=[\d.])|(?<=\de)-(?=\d)", "−", text)


@dataclass(frozen=True)
class Record:
    """Show the estimates of a notebook beside their stored reference: the file written, one row each, and a note."""

    path: Path
    rows: tuple[dict[str, Any], ...]
    note: str = ""

    def __str__(self) -> str:
        """Print the table as text, in columns."""
        table = [_HEADER, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([*lines, *filter(None, [self.note])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        rows = (("th", _HEADER), *(("td", map(_typeset, _cells(row))) for row in self.rows))
        head, *body = ("".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) for tag, cells in rows)
        lines = "".join(f"<tr>{line}</tr>" for line in body)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{note}"


def record(
    notebook: str,
    profile: str,
    estimates: Mapping[str, Estimate],
    *,
    data: Any,
    figures: Sequence[str] = (),
) -> Record:
    """Write a notebook's live numbers to report/live/NOTEBOOK.json, and compare them with the stored reference."""
    # `estimates` are in reading order; `data` is the `Dataset` that they were computed from, None where no image was
    # looked at; `figures` names the live figures. The reference is the result live-PROFILE-NOTEBOOK, if any.
    for quantity, estimate in estimates.items():
        if not isinstance(estimate, Estimate):
            raise TypeError(
                f"{quantity!r} is a {type(estimate).__name__}, not an Estimate; wrap it: "
                "Estimate(value, u) or Estimate.mean(values)."
            )
    reference, note = _reference(notebook, profile)
    rows = tuple(_row(name, here, reference.get(name)) for name, here in estimates.items())
    numbers = {
        "profile": profile,
        "rows": rows,
        "note": note,
        "figures": list(figures),
        **({"title": "none", "stand_in": False} if data is None else title_of(data)),
    }
    command, seconds = f"make report PROFILE={profile}", round(time.time() - _STARTED, 1)
    origin = provenance(command=command, seed=None, data=data, n=None, seconds=seconds)
    path = save_result(notebook, numbers=numbers, provenance=origin, folder=live_folder())
    return Record(path, rows, note)


def keep_reference(notebook: str) -> Path:
    """Make the live numbers of a notebook that was run on this machine the stored reference of its profile."""
    live = load_result(notebook, folder=live_folder())
    estimates = {row["quantity"]: row["here"] for row in live.numbers["rows"]}
    name = _reference_name(notebook, live.numbers["profile"])
    numbers = {"profile": live.numbers["profile"], "estimates": estimates}
    return save_result(name, numbers=numbers, provenance=live.provenance, folder=results_folder())


def _reference_name(notebook: str, profile: str) -> str:
    return f"live-{profile}-{notebook}"


def _reference(notebook: str, profile: str) -> tuple[dict[str, Estimate], str]:
    """Load the reference; without one, say why."""
    name = _reference_name(notebook, profile)
    if not (results_folder() / f"{name}.json").is_file():
        return {}, f"No reference is stored for this notebook in the profile {profile!r}."
    try:
        return load_result(name).numbers["estimates"], ""
    except ResultError as error:  # damaged: named and left aside, the notebook goes on
        return {}, f"The stored reference was left aside: {error}"


def _row(quantity: str, here: Estimate, reference: Estimate | None) -> dict[str, Any]:
    comparable = reference if reference is not None and reference.unit == here.unit else None
    error = normalised_error(here, comparable) if comparable is not None else math.nan
    known = not math.isnan(error)
    return {
        "quantity": quantity,
        "here": here,
        "reference": reference,
        "normalised_error": error if known else None,
        "agrees": error <= 1 if known else None,
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    reference, error, agrees = row["reference"], row["normalised_error"], row["agrees"]
    return (
        row["quantity"],
        str(row["here"]),
        "–" if reference is None else str(reference),
        "–" if error is None else f"{error:.2f}",
        "–" if agrees is None else "yes" if agrees else "no",
    )
