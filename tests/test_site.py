"""The site: a page for every notebook and every public name, nothing from a network, formulas included."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lnescape as ln

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(scope="module")
def build():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "site"))
        yield importlib.import_module("build")
    for name in ("build", "reference"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pages(build, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    build.lay_out(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if importlib.util.find_spec("sphinx") is None or importlib.util.find_spec("myst_nb") is None:
        pytest.skip("Sphinx is not installed; `make site` installs it")
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, str(ROOT / "site" / "build.py"), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_notebook_is_laid_out_with_its_solutions_folded(pages):
    assert len(NOTEBOOKS) >= 9
    for path in NOTEBOOKS:
        cells = json.loads((pages / "notebooks" / path.name).read_text())["cells"]
        tags = [cell["metadata"].get("tags", []) for cell in cells]
        assert sum("hide-cell" in own for own in tags) >= 3
        assert all(("hide-cell" in own) == ("solution" in own) for own in tags)


def test_every_public_name_and_command_has_its_entry_once(pages):
    text = "".join(path.read_text() for path in (pages / "reference").glob("*.rst"))
    entries = re.findall(r"^\.\. auto(?!summary)\w+:: lnescape\.([\w.]+)$", text, re.MULTILINE)
    assert sorted(name for name in entries if "." not in name) == sorted(ln.__all__)
    assert {f"plots.{name}" for name in ln.plots.__all__} <= set(entries)
    assert len(entries) == len(set(entries))
    commands = (pages / "commands.md").read_text()
    assert all(f"Usage: lnescape {name}" in commands for name in ("study", "status", "data", "report"))


def test_names_in_backticks_become_links_where_there_is_a_page(build):
    known = {"03_paths", "06_methods"}
    assert build.linked("see `03_paths`, `06`", known) == "see [`03_paths`](03_paths.ipynb), [`06`](06_methods.ipynb)"
    assert build.linked("in `notebooks/03_paths.ipynb`", known, "notebooks/").endswith("(notebooks/03_paths.ipynb)")
    assert build.linked("`99_later`, [`03_paths`](x), `1`", known) == "`99_later`, [`03_paths`](x), `1`"
    assert build.linked("`ln.fit(net)`", known) == "{py:obj}`ln.fit(net) <lnescape.fit>`"


def test_what_a_page_fetches_by_itself_is_seen(build, tmp_path):
    fetched = ['<script src="https://a.b/c.js">', '<link rel="x" href="//a.b/c.css">', '<img src="http://a.b/c.png">']
    harmless = '<a href="https://a.b/">read</a> <script src="_static/c.js">'
    (tmp_path / "page.html").write_text(harmless + "".join(fetched))
    (tmp_path / "page.css").write_text("p { background: url(https://a.b/c.png) }")
    assert len(build.loaded_from_elsewhere(tmp_path)) == 4


def test_a_folder_that_holds_something_else_is_left_alone(build, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit):
        build.main(["--folder", str(tmp_path)])
    assert (tmp_path / "thesis.txt").exists()


def test_the_built_site_is_whole_and_needs_no_network(site, build):
    built = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert {f"notebooks/{path.stem}.html" for path in NOTEBOOKS} <= built
    assert {"index.html", "guide.html", "commands.html", "CHANGELOG.html"} <= built
    assert any(name.endswith("/report.pdf") for name in built)
    assert build.loaded_from_elsewhere(site) == []
    assert os.path.getsize(site / "_static" / "tex-svg-full.js") > 1e6


def test_notebook_pages_show_formulas_figures_and_links(site):
    page = (site / "notebooks" / "03_paths.html").read_text()
    assert re.search(r'<script[^>]+src="\.\./_static/tex-svg-full\.js', page)
    assert 'class="math' in page
    assert "<img" in page
    assert 'href="00_start_here.html"' in page
    assert page.count("Show the solution") >= 3
    assert re.search(r'href="\.\./reference/\w+\.html#lnescape\.Bezier"', page)
