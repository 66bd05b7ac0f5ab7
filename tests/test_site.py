"""The site: a page for every notebook and every public name, nothing from a network, formulas included."""

import ast
import importlib.util
import json
import os
import re
import shutil
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


def test_no_docstring_opens_an_emphasis_that_it_does_not_close():
    """A bare [*n, k] stops the build of the site; it is found here without Sphinx, too."""
    opened = re.compile(r"(?:^|[\s(\[{<'\"/:-])\*(?=[^\s*])(?![^*\n]*[^\s*]\*)")
    stray = []
    for path in sorted((ROOT / "lnescape").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                prose = re.sub(r"`[^`]*`", "", (ast.get_docstring(node) or "").split(">>>")[0])
                stray += [f"{path.name}: {getattr(node, 'name', 'module')}"] if opened.search(prose) else []
    assert stray == []


def test_a_folder_that_holds_something_else_is_left_alone(build, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit):
        build.main(["--folder", str(tmp_path)])
    assert (tmp_path / "thesis.txt").exists()


def test_the_built_site_is_whole_and_needs_no_network(site, build):
    built = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert {f"notebooks/{path.stem}.html" for path in NOTEBOOKS} <= built
    assert {f"{page}.html" for page in ("index", "guide", "networks", "refusals", "commands", "CHANGELOG")} <= built
    assert any(name.endswith("/report.pdf") for name in built)
    assert "train_again.html" in built
    for name in ("index.html", "notebooks/00_start_here.html"):
        assert '<div class="chart">' in (site / name).read_text(), f"{name} does not show the chart"
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


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with api.sync_playwright() as driver:
        names = ("chromium", "chromium-browser", "google-chrome")
        found = [driver.chromium.executable_path, *filter(None, map(shutil.which, names))]
        found = [path for path in found if Path(path).is_file()]
        if not found:
            pytest.skip("there is no browser: `apt install chromium` or `playwright install chromium` brings one")
        opened = driver.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def chart(build) -> dict:
    (chart,) = build.charts_of(ROOT / "notebooks" / "00_start_here.ipynb")
    return chart


@pytest.fixture(params=[1280, 390], ids=["desktop", "telephone"])
def opened(request, browser, build, chart, tmp_path):
    pytest.importorskip("vl_convert", reason="vl-convert-python carries Vega")
    (tmp_path / "page.html").write_text(build.standalone(chart))
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.fetched = []
    page.on("request", lambda asked: page.fetched.append(asked.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(".chart svg")
    yield page
    page.close()


def move(page, name: str, value: int) -> None:
    page.locator(f"input[name={name}]").evaluate(f"e => {{ e.value = {value}; e.dispatchEvent(new Event('input')) }}")
    page.wait_for_timeout(100)


def sizes(page, marks: str) -> list[float]:
    return page.eval_on_selector_all(f".chart svg .{marks} path", "all => all.map(e => e.getBBox().width)")


def test_train_again_moves_with_its_controls_and_fetches_nothing(opened):
    dots = "concat_0_layer_1_marks"
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    for n in (1, 7, 128):
        move(opened, "trained", n)
        assert len(sizes(opened, dots)) == n
    bands = []  # [draw, (plain, moderated)]: the first jumps from draw to draw, the second hardly does
    for draw in range(1, 11):
        move(opened, "draw", draw)
        bands.append(sizes(opened, "mark-rect"))
    plain, moderated = zip(*bands, strict=True)
    assert max(plain) / min(plain) > 2 > 1.5 > max(moderated) / min(moderated)
    picture = opened.locator(".chart svg image").get_attribute("href")
    opened.locator("select[name=image]").select_option(index=5)
    opened.wait_for_timeout(100)
    assert opened.locator(".chart svg image").get_attribute("href") != picture
    errors = []
    for button in opened.locator("input[type=radio]").all():
        button.check()
        opened.wait_for_timeout(100)
        errors.append(int(re.search(r"error (\d+)\s%", opened.locator(".chart svg").text_content())[1]))
    plain, constant, free, alone = errors
    assert 4 * free < 2 * constant < plain
    assert free < alone < plain
    assert [url for url in opened.fetched if not url.startswith(("file:", "data:"))] == []


def test_train_again_states_the_stored_errors(chart):
    stored = ln.load_result("mnist-mlp-geometry").numbers["test"]
    written = json.dumps(chart)
    for mix in ("constant", "prior of other pairs"):
        assert f"error {50 * stored[mix]['3']['squared_error'] ** 0.5:.0f} %" in written
    assert "https://" not in written.replace(chart["$schema"], "")
