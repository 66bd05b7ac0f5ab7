"""The README keeps its promises: its code runs, its commands exist, its links lead somewhere."""

import ast
import contextlib
import io
import re
from pathlib import Path

import lnescape as ln
from report.studies.pairs import PAIRS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_story_runs_and_prints_an_estimate():
    story = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    names, ran, said = {}, [], io.StringIO()
    with contextlib.redirect_stdout(said):
        for statement in ast.parse(story).body:
            code = ast.unparse(statement)
            absent = {name for name in re.findall(r"\bln\.(\w+)", code) if not hasattr(ln, name)}
            assert not absent, f"the package has no {absent}"
            exec(compile(code, "README.md", "exec"), names)
            ran.append(code)
    assert {"data", "net", "runs", "path", "logp"} <= names.keys()
    assert len(ran) >= 7
    assert re.search(r"^\d+\.\d+\(\d+\) nat$", said.getvalue(), re.MULTILINE)


def test_the_two_commands_are_there_and_the_makefile_knows_them():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"help", "report", "test", "notebooks", "bench", "lab", "lint"} <= set(targets)
    assert {"make report", "make test"} <= set(re.findall(r"make \w+", README))
    assert set(re.findall(r"`make (\w+)", README)) <= set(targets)


def test_links_lead_to_files():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "notebooks" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", page.read_text()):
            link = "".join(target)
            assert "://" in link or (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_number_of_the_table_of_scores_is_a_stored_one():
    (table,) = re.findall(r"\| prediction \| cost.*?along the learned curve[^\n]*\n", README, re.DOTALL)
    printed = set(re.findall(r"\d+\.\d+(?:\(\d+(?:\.\d+)?\))?", table))
    stored = "".join(path.read_text() for path in (ROOT / "report" / "results").glob("mnist-*-paths.json"))
    estimates = set(re.findall(r'"text": "([\d.()]+) ', stored))
    plain = {f"{float(value):.{digits}f}" for value in re.findall(r": (\d+\.\d+)", stored) for digits in (2, 4)}
    assert len(printed) >= 10
    assert printed <= estimates | plain


def test_every_number_of_the_table_of_worth_is_a_stored_one():
    (table,) = re.findall(r"\| worth, in plain retrainings.*?\n\n", README, re.DOTALL)
    printed = set(re.findall(r"\d+\.\d", table))
    known = set()
    for pair in (pair.key for pair in PAIRS):
        one = ln.load_result(f"{pair}-single").numbers["rules"]["factor and slope"]
        mixes = ln.load_result(f"{pair}-uncertainty").numbers["mixes"].values()
        rens = [one["ren"], *(own[m]["ren"] for own in mixes for m in ("3", "4"))]
        known |= {f"{ren[end]:.1f}" for ren in rens for end in ren}
        known |= {f"{one['trainings']:.1f}", *(f"{3 + own['3']['further']:.1f}" for own in mixes)}
    assert len(printed) > 30
    assert printed <= known
