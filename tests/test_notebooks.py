"""Every notebook of the course: paired, executed, clean, and in the form that its student expects."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from notebooks.build import normalise
from notebooks.execution import HERE as FOLDER
from notebooks.execution import read_parameters

SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
CARD = ("question", "what you will learn", "before you start", "minutes")
MEBIBYTE = 2**20
SCREEN = 40  # lines of code that one sees at once
WIDTH = 100  # characters of a printed line


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request) -> Path:
    return request.param


@pytest.fixture
def notebook(source):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_course_is_here():
    assert len(SOURCES) >= 14
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in SOURCES}


def test_source_and_executed_notebook_are_one(source, notebook):
    written = [(cell.cell_type, cell.source) for cell in jupytext.read(source).cells]
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == written
    tags = [cell.metadata.get("tags", []) for cell in jupytext.read(source).cells]
    assert [cell.metadata.get("tags", []) for cell in notebook.cells] == tags


def test_it_was_executed_in_order_without_error(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs, "nothing was printed or drawn: it was never executed"
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []


def test_the_file_is_what_the_build_writes(source, notebook):
    path = source.with_suffix(".ipynb")
    assert path.stat().st_size <= MEBIBYTE
    assert path.read_text(encoding="utf-8") == nbformat.writes(normalise(notebook)) + "\n"


def test_it_opens_with_a_card(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert [entry for entry in CARD if entry not in first.source.lower()] == []
    assert re.search(r"\d+ (minutes|min)\b", first.source)


def test_exercises_have_folded_solutions_that_run(notebook):
    exercises = re.findall(r"^#+ Exercise \d", prose(notebook), re.MULTILINE)
    solutions = [cell for cell in code_cells(notebook) if "solution" in cell.metadata.get("tags", [])]
    assert 3 <= len(exercises) <= 5
    assert len(solutions) >= len(exercises)
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in solutions)


def test_parameters_are_literals_and_the_profile_has_its_fallback(notebook):
    cells = code_cells(notebook)
    places = [index for index, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert len(places) == 1
    assert next(iter(read_parameters(notebook).items())) == ("profile", "")
    assert "profile = course.profile(profile)" in cells[places[0] + 1].source


def test_it_records_what_it_computed(source, notebook):
    assert f'record("{source.stem}"' in "".join("".join(cell.source.split()) for cell in code_cells(notebook))


def test_no_plumbing_and_no_long_cell(notebook):
    for cell in code_cells(notebook):
        assert not re.search(r"^\s*[!%]|sys\.path|os\.chdir|rcParams|pip install", cell.source, re.MULTILINE)
        assert len(cell.source.splitlines()) <= SCREEN


def outputs(notebook) -> list:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_every_picture_is_shown_and_has_an_alternative_text(notebook):
    pictures = 0
    for output in outputs(notebook):
        for form in {"image/png", "image/svg+xml"} & set(output.get("data", {})):
            pictures += 1
            assert output.metadata.get(form, {}).get("alt")
    assert pictures >= sum("course.save" in cell.source for cell in code_cells(notebook))


def test_tables_are_narrow_and_printed_lines_short(notebook):
    for output in outputs(notebook):
        tables = re.findall(r"<table.*?</table>", output.get("data", {}).get("text/html", ""), re.DOTALL)
        rows = [row for table in tables for row in table.split("</tr>")]
        assert all(len(re.findall(r"<t[hd][ >]", row)) <= 7 for row in rows)  # six, and the name of the row
        data = output.get("data", {})  # what has a table isn't shown as text
        shown = output.get("text", "") + ("" if "text/html" in data else data.get("text/plain", ""))
        assert [line for line in shown.splitlines() if len(line) > WIDTH] == []


def test_one_table_documents_every_parameter():
    table = (FOLDER / "README.md").read_text().split("## Parameters")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    declared = {name for path in SOURCES for name in read_parameters(jupytext.read(path))}
    assert documented == declared


def test_each_notebook_leads_to_the_following_one(source):
    following = [path.stem for path in SOURCES if path.stem > source.stem][:1]
    last = jupytext.read(source).cells[-1].source.split("**Next:**")[-1]
    assert f"`{following[0]}`" in last if following else "**The end.**" in last


def test_the_glossary_is_complete_and_lists_no_word_that_nobody_uses():
    lines = (FOLDER / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    rows = [row for row in rows if row[0] != "symbol"]
    course = " ".join(path.read_text(encoding="utf-8") for path in SOURCES).lower()
    assert len(rows) >= 40
    assert [row for row in rows if len(row) != 4 or not all(row)] == []
    entries = [row[1] if row[0] == "–" else row[0] for row in rows]
    assert len(set(entries)) == len(entries)
    words = [row[1].lower() for row in rows if row[0] == "–"]
    assert [word for word in words if word not in course] == []
