"""The certificate of a statement: one page, A4, as a vector PDF with the same bytes for the same content."""

import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from lnescape.results.estimate import interval_text, percent, share_text, value_and_u
from lnescape.statement.page import NAMING, RISKS, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 54.0  # points: A4 and its margins
COLUMN = 92.0  # points: where the text begins beside its heading
SIZES, LEAD = (7.6, 7.0, 6.4, 5.8), 1.37  # points: letters, the largest that leave room; lines, in parts of them
MOST_LETTERS = 40  # of a name in the table
FEWEST = 8  # inputs in the table that smaller letters make room for
GREY, RULE, ACCENT = "#555555", "#BBBBBB", "#0072B2"
ASSUMPTIONS = (
    "Retrainings differ in the seed alone. Over them the measurand of an input is normal with variance σ²; over inputs "
    "1/σ² follows χ² with d₀ degrees of freedom around 1/s₀², and ln s₀² a regression on the covariates. "
    "q̄ and s are mean and standard deviation over the M networks, ν = M − 1. σ̃² = (d₀ s₀² + ν s²)/(d₀ + ν), "
    "u = σ̃ √(ν_eff/(ν_eff − 2)) (JCGM 101); the interval of one further retraining is q̄ ± U, "
    "U = t(ν_eff) √(1 + 1/M) σ̃. In a budget, σ̃ stands with ν_eff (JCGM 100, G.4)."
)
DECIDES = (
    " The risk of another decision is that of a contrast below 0: the logit of the class less the largest other one, "
    "evaluated in the same way, with ν_eff = {:.1f}."
)


def _fonts() -> tuple[str, ...]:
    """Return the font of the page, and those of matplotlib's settings for letters that it lacks."""
    from matplotlib import rcParams

    return "DejaVu Sans", *rcParams["font.family"]


@lru_cache(4096)
def _width(text: str, fonts: tuple[str, ...]) -> float:
    """Return the width of a line in letters of one point: several sizes are tried, and measuring takes long."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `as_pdf` names letters that are missing
        return float(text_to_path.get_text_width_height_descent(text, FontProperties(fonts, size=1), ismath=False)[0])


class _Sheet:
    """Set text on an A4 page from the top down; `y` is how far it has come, in points from the bottom."""

    def __init__(self, size: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        self.y, self.size, self.lead = HEIGHT - MARGIN, size, LEAD * size

    def put(self, x: float, text: str, *, y: float | None = None, size: float = 0, **style: Any) -> None:
        """Write one line."""
        at = (x / WIDTH, (self.y if y is None else y) / HEIGHT)
        self.figure.text(
            *at, text, fontsize=size or self.size, family=_fonts(), parse_math=False, va="baseline", **style
        )

    def rule(self, y: float, *, colour: str = RULE, width: float = 0.6) -> None:
        """Draw a line across the page."""
        from matplotlib.lines import Line2D

        ends = [MARGIN / WIDTH, 1 - MARGIN / WIDTH]
        self.figure.add_artist(Line2D(ends, [y / HEIGHT, y / HEIGHT], color=colour, linewidth=width))

    def wide(self, text: str, size: float = 0) -> float:
        """Return the width of a line in points, as the PDF sets it."""
        return (size or self.size) * _width(text, _fonts())

    def wrapped(self, text: str, width: float, size: float = 0) -> list[str]:
        """Break text into lines of at most `width` points, longer words anywhere."""
        lines = [""]
        for word in text.replace("\n", " ").split(" "):
            longer = f"{lines[-1]} {word}".lstrip()
            if not lines[-1] or self.wide(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
            while len(lines[-1]) > 1 and self.wide(lines[-1], size) > width:
                fits = next(n for n in range(len(lines[-1]) - 1, 0, -1) if self.wide(lines[-1][:n], size) <= width)
                lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
        return lines

    def beside(self, heading: str, text: str) -> tuple[list[str], list[str]]:
        """Return the lines of a heading in the margin column, and those of the text beside it."""
        return self.wrapped(heading, COLUMN - 6), self.wrapped(text, WIDTH - 2 * MARGIN - COLUMN)

    def entry(self, heading: str, text: str) -> None:
        """Write a heading in the margin column and its text beside it."""
        heading = heading[:1].upper() + heading[1:] if heading[1:2] != " " else heading
        for left, right in zip_longest(*self.beside(heading, text), fillvalue=""):
            self.put(MARGIN, left, color=GREY)
            self.put(MARGIN + COLUMN, right)
            self.y -= self.lead
        self.y -= 1.5

    def section(self, title: str, entries: Mapping[str, str]) -> None:
        """Write a section under its title."""
        self.y -= 5
        self.put(MARGIN, title, size=self.size + 1.4, color=ACCENT, weight="bold")
        self.y -= self.lead + 3
        for heading, text in entries.items():
            self.entry(heading, text)

    def height(self, entries: Mapping[str, str]) -> float:
        """Return how much of the page a section takes, in points."""
        lines = [max(map(len, self.beside(heading, text))) for heading, text in entries.items()]
        return 8 + self.lead + sum(self.lead * n + 1.5 for n in lines)


def certificate_of(stated: Statement, *, date: str, about: Mapping[str, str], n: int) -> "Figure":
    """Draw the certificate in the largest letters that leave room for some results; raise where none do."""
    enough = min(FEWEST, n, len(stated))
    for size in SIZES:
        sheet, rows = _drawn(stated, size, date=date, about=about, n=n)
        if rows >= enough:
            break
    if rows < 1:
        raise ValueError("The page has no room for a result; shorten what `about` says, or state fewer outputs.")
    return sheet.figure


def _drawn(stated: Statement, size: float, *, date: str, about: Mapping[str, str], n: int) -> tuple[_Sheet, int]:
    """Draw the page in letters of one size; return it and the number of inputs that fit its table."""
    sheet, facts = _Sheet(size), stated.facts()
    sheet.y -= 6
    sheet.put(MARGIN, "Statement of uncertainty due to retraining", size=15, weight="bold")
    sheet.y -= 17
    plural = "s" if len(stated) > 1 else ""
    for line in sheet.wrapped(f"{stated.title} · {len(stated)} input{plural} · {stated.kind}", WIDTH - 2 * MARGIN, 9):
        sheet.put(MARGIN, line, size=9, color=GREY)
        sheet.y -= 12
    sheet.y += 3
    sheet.rule(sheet.y, colour=ACCENT, width=1.6)
    sheet.y -= 9
    known = {name: text for name, text in stated.origin.items() if name not in about}
    sheet.section("Identification", {**about, "date": date, **known})
    sheet.section("Measurand", {"quantity": facts["measurand"], "covers": facts["covers"]})
    method = {"evaluation": facts["evaluation"], "prior": facts["prior"], "assumptions": ASSUMPTIONS}
    if stated.contrast is not None:
        method["assumptions"] += DECIDES.format(stated.contrast.dof)
    method |= {"coverage": facts["one set"]} if "one set" in facts else {}
    sheet.section("Method", method | {"cost": facts["cost"]})
    closing = {"Not covered": {"leaves out": facts["leaves out"]}}
    closing["Reservations"] = stated.reservations() or {"": "none found"}
    left = sheet.y - MARGIN - 2.6 * sheet.lead - sum(map(sheet.height, closing.values()))
    rows = _results(sheet, stated, facts, room=left, n=n)
    for title, entries in closing.items():
        sheet.section(title, entries)
    sheet.rule(MARGIN + sheet.lead)
    sheet.put(MARGIN, f"{date}    Signed: ", y=MARGIN - 2)
    sheet.put(WIDTH - MARGIN, "Page 1 of 1", y=MARGIN - 2, color=GREY, ha="right")
    return sheet, rows


def _results(sheet: _Sheet, stated: Statement, facts: Mapping[str, str], *, room: float, n: int) -> int:
    """Set the table of results in the form of the GUM; return the number of inputs that fit."""
    k, spread = len(stated.units), next(key for key in facts if key.startswith(("u", "σ")))
    over = {f"{spread.split(' (')[0]} over inputs": facts[spread]} if len(stated) > 1 else {}
    over |= {key: facts[key] for key in ("decisions", "limits") if key in facts}
    rows = int((room - sheet.height(over) - 3 * sheet.lead) / (sheet.lead * k))
    if rows < 1:
        return 0
    some = stated if len(stated) <= min(rows, n) else stated[stated.worst(min(rows, n))]
    if len(some) < len(stated):
        which = "largest u" if stated.risk is None else "highest risk"
        over |= {"table": f"the {len(some)} of {len(stated)} inputs with the {which}"}
    sheet.section("Results", over)
    sheet.y -= 3
    table = _table(some)
    # A column is as wide as its longest cell plus a share of the rest; text to the left, numbers to the right. Where
    # there is no room, the letters are smaller.
    wide = np.array([max(map(sheet.wide, column)) for column in zip(*table, strict=True)]) + sheet.size
    small = min(1.0, (WIDTH - 2 * MARGIN) / wide.sum())
    wide = small * wide + max(0.0, WIDTH - 2 * MARGIN - wide.sum()) / len(wide)
    ends = MARGIN + np.cumsum(wide)
    sheet.rule(sheet.y + sheet.lead - 2)
    for number, row in enumerate(table):
        for c, cell in enumerate(row):
            style: dict[str, Any] = {"size": small * sheet.size} | ({} if number else {"color": GREY})
            left = table[0][c] in NAMING.values() and c < 2
            x = (ends[c - 1] if c else MARGIN) if left else ends[c]
            sheet.put(x, cell, ha="left" if left else "right", **style)
        if not number:
            sheet.rule(sheet.y - 3.5)
            sheet.y -= 2
        sheet.y -= sheet.lead
    sheet.rule(sheet.y + sheet.lead - 4)
    sheet.y -= 5
    return rows


def _table(stated: Statement) -> list[list[str]]:
    """Return the results as text: value, u, ν_eff, U/u, interval, and the risk."""
    frame, one_unit = stated.to_dataframe(), len(set(stated.units)) == 1
    unit = f" / {stated.units[0]}" if one_unit and stated.units[0] else ""
    naming, risks = ({name: text for name, text in some.items() if name in frame} for some in (NAMING, RISKS))
    u, interval = "u" if stated.dof > 2 else "σ̃", f"{share_text(stated.level)} interval"
    heading = [f"{stated.quantity}{unit}", f"{u}{unit}", "ν_eff", f"U/{u}", interval]
    table = [[*naming.values(), *heading, *risks.values()]]
    for row, spread in zip(frame.to_dict("records"), stated.spread.ravel(), strict=True):
        value, about_it = (_minus(number) for number in value_and_u(row["q"], spread))
        unit = "" if one_unit or not row["unit"] else f" {row['unit']}"
        wide = f"{(row['high'] - row['low']) / 2 / spread:.2f}" if spread else "–"
        ends = _minus(interval_text(row["low"], row["high"]))
        numbers = [f"{value}{unit}", f"{about_it}{unit}", f"{stated.dof:.1f}", wide, ends]
        table.append([*(_cut(str(row[name])) for name in naming), *numbers, *(percent(row[name]) for name in risks)])
    return table


def _cut(name: str) -> str:
    """Cut a name for which a column has no room."""
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _minus(number: str) -> str:
    """Return a number with a sign of minus in the place of hyphens."""
    return number.replace("-", "−")


def as_pdf(figure: "Figure", title: str) -> bytes:
    """Return the page as PDF without a clock in it; raise where a letter is in none of its fonts."""
    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context({"pdf.fonttype": 42}), warnings.catch_warnings(record=True) as caught:  # letters to be searched
        warnings.simplefilter("always")
        figure.savefig(buffer, format="pdf", metadata={"Title": title, "CreationDate": None})
    found = {int(number) for one in caught for number in re.findall(r"Glyph (\d+) .*missing", str(one.message))}
    if missing := "".join(map(chr, sorted(found))):
        what = f"The fonts of the page lack {missing[:9]}; add one that has them"
        raise ValueError(f"{what}, matplotlib.rcParams['font.family'] = its name, or write them in other letters.")
    return buffer.getvalue()
