"""The tools that execute notebooks and typeset documents, on notebooks and records small enough to read."""

import io
import re
import shutil

import nbformat
import pytest
from pypdf import PdfReader

import report.build
from notebooks import build
from notebooks.execution import Outcome, execute, find_sources
from report.build import TypesettingError, compile_pdf, write_index

GOOD = """# %% [markdown]
# # Two threes

# %% tags=["parameters"]
profile = ""

# %%
import os, sys
print(profile)
print(os.environ["OMP_NUM_THREADS"], "thread")
print("noise", file=sys.stderr)
object()

# %%
object()
"""
BAD = GOOD + '\n# %%\n# the cell that fails\nraise ValueError("no")\n'


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "notebooks"
    folder.mkdir()
    (folder / "00_good.py").write_text(GOOD)
    (folder / "01_bad.py").write_text(BAD)
    return folder


def test_a_failed_notebook_is_named_with_its_cell_and_the_others_are_built(course, capsys):
    assert build.main(["--folder", str(course), "--profile", "quick"]) == 1
    said = capsys.readouterr().out
    assert "01_bad" in said
    assert re.search(r"cell \d+ \(# the cell that fails\): ValueError: no\n", said)
    assert "1 of 2 notebooks built" in said
    assert not (course / "01_bad.ipynb").exists()

    built = (course / "00_good.ipynb").read_bytes()
    notebook = nbformat.reads(built.decode(), as_version=4)
    assert [cell.source for cell in notebook.cells][1] == 'profile = ""'
    text = notebook.cells[2].outputs[0].text
    assert text == "quick\n1 thread\n"
    assert [output.get("name", "result") for output in notebook.cells[2].outputs] == ["stdout", "result"]
    assert b" at 0x" not in built
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)

    assert build.main(["00_good", "--folder", str(course), "--profile", "quick"]) == 0
    assert (course / "00_good.ipynb").read_bytes() == built


def test_an_unknown_parameter_or_name_is_refused(course, tmp_path):
    outcome = execute(course / "00_good.py", tmp_path / "out.ipynb", {"porfile": "quick"})
    assert "porfile" in outcome.error
    with pytest.raises(SystemExit, match="00_good"):
        find_sources(["02_none"], course)


def test_a_document_with_an_error_or_a_warning_is_refused(tmp_path):
    document = tmp_path / "x.typ"
    document.write_text("#set document(date: none)\nHello")
    assert compile_pdf(document) == compile_pdf(document)
    for wrong in ('#image("absent.svg")', "#nothing", "@nobody", '#set text(font: "No such font")\nHello'):
        document.write_text(wrong)
        with pytest.raises(TypesettingError, match=r"x\.typ"):
            compile_pdf(document)


def test_the_run_sheet_shows_this_run_beside_references_and_names_failures(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from lnescape.results import Estimate
    from notebooks.course import keep_reference, record

    folder = tmp_path / "report"
    (folder / "results").mkdir(parents=True)
    for name in ("template.typ", "run_sheet.typ"):
        shutil.copy(report.build.HERE / name, folder / name)
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path))
    monkeypatch.setattr(report.build, "LIVE", folder / "live")
    (folder / "live" / "training").mkdir(parents=True)
    (folder / "live" / "99_stale.json").write_text("{}")
    report.build.clear()
    assert [path.name for path in (folder / "live").iterdir()] == ["training"]
    data = SimpleNamespace(name="mnist5k", title="MNIST, 5 000 images", checksum="0" * 64, stand_in=False)
    record("03_paths", "quick", {"barrier": Estimate(0.484, 0.021, unit="nat")}, data=data)
    keep_reference("03_paths")
    now = {"barrier": Estimate(0.584, 0.021, unit="nat"), "accuracy": Estimate(98.31, 0.12, unit="%")}
    record("03_paths", "quick", now, data=data, figures=["03_barrier"])
    (folder / "live" / "03_barrier.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20"/></svg>'
    )
    failed = Outcome("00_start_here", tmp_path, 3.0, "cell 2 (x = #y): NameError: y")
    write_index([failed, Outcome("03_paths", tmp_path, 9.0)], profile="quick", jobs=2, seconds=12.0)

    pages = PdfReader(io.BytesIO(compile_pdf(folder / "run_sheet.typ"))).pages
    text = " ".join("\n".join(page.extract_text() for page in pages).replace("\u00a0", " ").split())
    for expected in ("0.584(21) nat", "0.484(21) nat", "98.31(12) %", "1.68", "MNIST, 5 000 images", "NameError: y"):
        assert expected in text
    assert "1 have a stored reference and 0 agree" in text


def test_changed_prose_is_taken_in_without_a_run_and_changed_code_is_refused(course):
    source = course / "00_good.py"
    assert build.main(["00_good", "--folder", str(course), "--profile", "quick"]) == 0
    executed = nbformat.read(course / "00_good.ipynb", as_version=4)
    source.write_text(GOOD + "\n# %% [markdown]\n# **Next.** Something else.\n")
    assert build.main(["00_good", "--folder", str(course), "--prose"]) == 0
    notebook = nbformat.read(course / "00_good.ipynb", as_version=4)
    assert notebook.cells[:-1] == executed.cells
    assert notebook.cells[-1].source == "**Next.** Something else."
    source.write_text(GOOD.replace("\nprint(profile)", "  # a comment is prose\nprint(profile)"))
    assert build.main(["00_good", "--folder", str(course), "--prose"]) == 0
    notebook = nbformat.read(course / "00_good.ipynb", as_version=4)
    assert "# a comment is prose" in notebook.cells[2].source
    assert [cell.get("outputs") for cell in notebook.cells] == [cell.get("outputs") for cell in executed.cells]
    source.write_text(GOOD + "\n# %%\n1 + 1\n")
    with pytest.raises(SystemExit, match="00_good: code has changed"):
        build.main(["00_good", "--folder", str(course), "--prose"])
    source.write_text(GOOD)
