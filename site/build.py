"""Build the site: the committed notebooks and the reference of the package, to be read without a network.

Run from the root of the clone: `python site/build.py`, or `make site`. The sources of the pages are laid out in a
temporary folder like the clone itself, so that the links of the README hold, and Sphinx makes HTML of them. No notebook
is executed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from docstrings import WHOLE
from reference import commands_page, reference_pages, tried_pages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT))  # for what the tests try
IN_BACKTICKS = re.compile(r"(?<!\[)`(?:notebooks/)?(\d\d)(?:_\w+)?(?:\.ipynb)?`")  # `03_paths`, `03`: not yet a link
IN_PACKAGE = re.compile(r"(?<!\[)`(ln\.(\w+(?:\.\w+)*)[^`<>]*)`")  # `ln.fit`, `ln.fit(net, data)`
LIVE = "application/vnd.vegalite.v5+json"  # a chart among the outputs of a notebook
# Draws every chart of a page, its two halves below each other where the window is narrow.
DRAW = """
for (const place of document.querySelectorAll(".chart")) {
  const chart = JSON.parse(place.querySelector("script").textContent);
  chart.columns = window.innerWidth < 800 ? 1 : chart.columns;
  vegaEmbed(place, chart, {mode: "vega-lite", actions: false, renderer: "svg"});
}
"""
STILL = re.compile(r"!\[[^\]]*\]\(report/figures/00_train_again\.svg\)")
CAPTION = re.compile(r"^\*(Left: [^*]+)\*$", re.MULTILINE)
# Anything that a browser fetches by itself, in a page or a style sheet, from an address with // or http://
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"'](?:https?:)?//[^\"'>]+|url\([\"']?(?:https?:)?//[^)]+"
)


def linked(text: str, names: set[str], folder: str = "") -> str:
    """Link names in backticks: of notebooks that have a page, `folder` away, of `ln.name`; keep numbers in one line."""
    text = WHOLE.sub("\N{NO-BREAK SPACE}", text)
    numbered = {name[:2]: name for name in names}
    text = IN_BACKTICKS.sub(lambda m: f"[{m[0]}]({folder}{numbered[m[1]]}.ipynb)" if m[1] in numbered else m[0], text)
    return IN_PACKAGE.sub(r"{py:obj}`\1 <lnescape.\2>`", text)


def held(chart: dict) -> str:
    """Return the place of a Vega-Lite chart on a page, with what is to be drawn."""
    chart = {name: part for name, part in chart.items() if name != "$schema"}  # of the version that JupyterLab draws
    data = json.dumps(chart, separators=(",", ":")).replace("</", "<\\/")
    return f'<div class="chart"><script type="application/json">{data}</script></div>'


def live(chart: dict, up: str = "") -> str:
    """Return the HTML of a chart on a page of the site, from which `up` leads to the root."""
    return f'{held(chart)}<script defer src="{up}_static/chart.js"></script>'


def drawing() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which draws the charts of its page without a network."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(DRAW, vl_version="6.4")
    return f"(() => {{{bundle}}})();"  # none of its names is known outside


def standalone(chart: dict) -> str:
    """Return a page that holds a chart, its caption in the README and all that draws it, to be kept anywhere."""
    (caption,) = CAPTION.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    style = f"<style>{(HERE / 'style.css').read_text(encoding='utf-8')}</style>"
    return f"{head}<title>Train again</title>{style}{held(chart)}<p>{caption}</p><script>{drawing()}</script>"


def charts_of(path: Path) -> list[dict]:
    """Return the Vega-Lite charts among the outputs of an executed notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [data[LIVE] for data in outputs if LIVE in data]


def notebook_page(path: Path, names: set[str]) -> str:
    """Return the JSON of an executed notebook with links in its prose and its solutions folded."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), names - {path.stem})
        elif "solution" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("hide-cell")
        for output in cell.get("outputs", []):
            if words := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell["metadata"]["mystnb"] = {"image": {"alt": words}}
            if LIVE in output.get("data", {}):
                output["data"] = {"text/html": live(output["data"][LIVE], "../")}
    return json.dumps(notebook)


def lay_out(pages: Path) -> list[str]:
    """Write the sources of every page below a new folder; return the names of the notebooks."""
    shutil.copytree(HERE, pages, ignore=shutil.ignore_patterns("*.py", "__pycache__", "style.css"))
    shutil.copytree(ROOT / "report" / "figures", pages / "report" / "figures")
    shutil.copy(ROOT / "report" / "report.pdf", pages / "report")
    (pages / "notebooks").mkdir()
    notebooks = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    names = {path.stem for path in notebooks}
    written = {f"notebooks/{path.name}": notebook_page(path, names) for path in notebooks}
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", HERE / "guide.md", *(ROOT / "notebooks").glob("*.md")):
        way = "" if path.parent.name == "notebooks" else "notebooks/"
        text = linked(path.read_text(encoding="utf-8"), names, way)
        if path.parent == HERE:
            written[path.name] = text.replace("](../", "](")
        else:
            written[path.relative_to(ROOT).as_posix()] = text.replace("](site/", "](")
    written |= reference_pages() | tried_pages() | {"commands.md": commands_page()}
    (chart,) = charts_of(ROOT / "notebooks" / "00_start_here.ipynb")
    written["README.md"] = STILL.sub(lambda _: f"```{{raw}} html\n{live(chart)}\n```", written["README.md"])
    for name, text in written.items():
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_text(text, encoding="utf-8")
    return sorted(names)


def loaded_from_elsewhere(site: Path) -> list[str]:
    """List scripts, styles and pictures that a page would fetch from a network by itself, one line for each."""
    files = sorted([*site.rglob("*.html"), *site.rglob("*.css")])
    return [f"{file.relative_to(site)}: {found}" for file in files for found in LOADED.findall(file.read_text("utf-8"))]


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return 0 if it was made without a warning and needs no network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "site", help="a former one is replaced")
    site = parser.parse_args(arguments).folder.resolve()
    if site.is_dir() and any(site.iterdir()) and not (site / ".buildinfo").is_file():
        parser.error(f"{site} holds something else than a site; name a folder that may be emptied.")

    from sphinx.cmd.build import build_main

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:  # also for what the tools leave beside a site
        pages, made = Path(scratch) / "pages", Path(scratch) / "site"
        names = lay_out(pages)
        flags = ["-W", "--keep-going", "-q", "-c", str(HERE), "-d", str(Path(scratch) / "doctrees")]
        status = build_main([*flags, str(pages), str(made)])
        (made / "_static" / "chart.js").write_text(drawing(), encoding="utf-8")
        (chart,) = charts_of(ROOT / "notebooks" / "00_start_here.ipynb")
        (made / "train_again.html").write_text(standalone(chart), encoding="utf-8")
        remote = loaded_from_elsewhere(made)
        for line in remote:
            print(f"loads from a network: {line}", file=sys.stderr)
        if status or remote:
            return 1
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(made, site)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 2**20
    seconds = time.perf_counter() - began
    print(f"{len(names)} notebooks, {size:.0f} MB, {seconds:.0f} s: {os.path.relpath(site / 'index.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
