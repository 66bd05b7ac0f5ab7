"""Build the site: the committed notebooks and the reference of the package, to be read without a network.

Run from the root of the clone: `python site/build.py`, or `make site`. The sources of the pages are laid out in a
temporary folder like the clone itself, so that the links of the README hold, and Sphinx makes HTML of them. Nothing is
executed.
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

from reference import commands_page, reference_pages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IN_BACKTICKS = re.compile(r"(?<!\[)`(?:notebooks/)?(\d\d)(?:_\w+)?(?:\.ipynb)?`")  # `03_paths`, `03`: not yet a link
IN_PACKAGE = re.compile(r"(?<!\[)`(ln\.(\w+(?:\.\w+)*)[^`<>]*)`")  # `ln.fit`, `ln.fit(net, data)`
# Anything that a browser fetches by itself, in a page or a style sheet, from an address with // or http://
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"'](?:https?:)?//[^\"'>]+|url\([\"']?(?:https?:)?//[^)]+"
)


def linked(text: str, names: set[str], folder: str = "") -> str:
    """Make links of names in backticks: of notebooks that have a page, `folder` away, and of `ln.name`."""
    numbered = {name[:2]: name for name in names}
    text = IN_BACKTICKS.sub(lambda m: f"[{m[0]}]({folder}{numbered[m[1]]}.ipynb)" if m[1] in numbered else m[0], text)
    return IN_PACKAGE.sub(r"{py:obj}`\1 <lnescape.\2>`", text)


def notebook_page(path: Path, names: set[str]) -> str:
    """Return the JSON of an executed notebook with links in its prose and its solutions folded."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), names - {path.stem})
        elif "solution" in cell["metadata"].get("tags", []):
            cell["metadata"]["tags"].append("hide-cell")
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
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "notebooks").glob("*.md")):
        way = "notebooks/" if path.parent == ROOT else ""
        written[path.relative_to(ROOT).as_posix()] = linked(path.read_text(encoding="utf-8"), names, way)
    written |= reference_pages() | {"commands.md": commands_page()}
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
