"""The report is made from files: no typed number, no stray figure, the same bytes everywhere."""

import io
import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from report.build import HERE as FOLDER
from report.build import compile_pdf
from report.studies import pairs

SOURCES = [FOLDER / "report.typ", FOLDER / "facts.typ", *sorted((FOLDER / "parts").glob("*.typ"))]
TEXT = re.sub(r"(?m)//[^\n]*$", "", "\n".join(path.read_text() for path in SOURCES))
PAIRS = [pair.key for pair in pairs.PAIRS]
ESTIMATE = re.compile(r"(?:[−-](?=\d))?\d+(?:\.\d+)?\(\d+(?:\.\d+)?\)")


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return compile_pdf(FOLDER / "report.typ")


@pytest.fixture(scope="module")
def printed(pdf) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return "\n".join(page.extract_text() for page in pages).replace("\u00a0", " ")


def estimates(node) -> set[str]:
    """The printed form of every estimate in a stored result, without its unit."""
    if isinstance(node, dict):
        own = {node["text"].split(" ")[0]} if {"value", "u", "text"} <= node.keys() else set()
        return own.union(*map(estimates, node.values()))
    return set().union(*map(estimates, node)) if isinstance(node, list) else set()


def test_no_number_is_typed():
    assert re.findall(r"\d[.,]\d", TEXT) == []
    assert re.findall(r"\d+\s*(?:%|nat\b)", TEXT) == []


def test_every_result_it_reads_is_stored():
    names = re.findall(r'(?:result|origin)\("([^"]+)"\)', TEXT)
    assert names, "the report reads no result"
    names += [pair + end for pair in PAIRS for end in ("", *re.findall(r'keyed\("([^"]+)"\)', TEXT))]
    assert len(set(names)) >= 3 * len(PAIRS)
    assert [name for name in names if not (FOLDER / "results" / f"{name}.json").is_file()] == []


def test_every_estimate_in_the_pdf_is_a_stored_one(printed):
    stored = set().union(*(estimates(json.loads(path.read_text())) for path in (FOLDER / "results").glob("*.json")))
    shown = {found.replace("−", "-") for found in ESTIMATE.findall(printed)}
    assert "-" not in "".join(ESTIMATE.findall(printed)), "a hyphen stands for a minus sign"
    assert len(shown) >= 10, "a report of results shows estimates"
    assert shown <= stored


def test_every_figure_is_there_and_a_notebook_of_its_number_writes_it():
    names = re.findall(r'plot\(\s*"([^"]+)"', TEXT)
    assert names, "the report shows no figure"
    for name in names:
        assert (FOLDER / "figures" / f"{name}.svg").is_file()
        writers = FOLDER.parent.glob(f"notebooks/{name.split('_')[0]}_*.py")
        assert any(f'"{name}"' in path.read_text() for path in writers), f"no notebook writes {name}"


def test_no_figure_is_left_over():
    written = {path.stem for path in (FOLDER / "figures").glob("*.svg")}
    sources = "".join(path.read_text() for path in FOLDER.parent.glob("notebooks/[0-9]*.py"))
    assert [name for name in sorted(written) if f'"{name}"' not in sources] == []
    dated = [path.name for path in (FOLDER / "figures").glob("*.svg") if "<dc:date>" in path.read_text()]
    assert dated == []


def test_the_committed_pdf_is_what_its_sources_give(pdf):
    assert (FOLDER / "report.pdf").read_bytes() == pdf


def test_it_carries_no_clock(pdf):
    metadata = PdfReader(io.BytesIO(pdf)).metadata
    assert "/CreationDate" not in metadata
    assert "/ModDate" not in metadata


def test_it_has_its_parts(printed):
    text = " ".join(printed.split())
    body = ("Introduction", "Related work", "Method", "Experiments", "Results", "Discussion", "Limits", "Conclusion")
    for part in ("Abstract", "Résumé", *body, "References", "Gates", "Verification", "Résumé étendu"):
        assert part in text


def test_the_body_has_few_tables_and_the_algorithms_are_there(printed):
    body = (FOLDER / "parts" / "results.typ").read_text()
    assert len(re.findall(r"ruled\(", body)) <= 4
    assert all(f"Algorithm {k}:" in printed for k in (1, 2, 3))


def test_every_part_is_read():
    assert sorted(re.findall(r'#include "parts/([^"]+)"', TEXT)) == sorted(path.name for path in SOURCES[2:])


def test_published_accuracies_have_a_source():
    known = re.findall(r"(?m)^@\w+\{([^,]+),", (FOLDER / "references.bib").read_text())
    assert {pair.published["source"] for pair in pairs.PAIRS} <= set(known)


def test_every_reference_has_title_author_and_year():
    entries = re.split(r"(?m)^@", Path(FOLDER / "references.bib").read_text())[1:]
    assert len(entries) >= 10
    for entry in entries:
        assert all(re.search(rf"\b{field} = {{", entry) for field in ("title", "author", "year")), entry


def test_the_words_on_the_gates_over_pairs_are_those_of_the_gates():
    from lnescape.results import load_result
    from report.studies.gates import over_pairs
    from report.studies.tables import ratios_of_bursts

    numbers = {pair: load_result(f"{pair}-uncertainty").numbers for pair in PAIRS}
    *_, g4, g7, g8 = over_pairs(numbers, ratios_of_bursts())

    def told_of(numbers) -> dict:
        return {verdict.claim.split(":")[0]: verdict for verdict in over_pairs(numbers, ratios_of_bursts())[:-3]}

    told = told_of(numbers)
    holding = {what: verdict.numbers["pairs that hold"] for what, verdict in told.items()}
    assert holding == {"training path": 4, "bursts": 4, "proxies": 5, "line": 0, "curve": 1, "simplex": 3}
    assert [told[what].word for what in ("line", "curve", "simplex")] == ["FAILED", "FAILED", "passed"]
    assert "Lines hold on none of the five pairs, and curves on CIFAR-10’s fast CNN alone, so that both fail" in TEXT
    assert "Simplexes hold on the three pairs of CIFAR, and pass" in TEXT
    assert "G3 is passed by the proxies on five pairs, by the training path on four and by the bursts on four" in TEXT
    former = {pair: load_result(f"{pair}-uncertainty").numbers for pair in (*PAIRS[:2], *(p.key for p in pairs.SHORT))}
    before = {what: verdict.numbers["pairs that hold"] for what, verdict in told_of(former).items()}
    assert [before[what] for what in ("line", "curve", "simplex")] == [1, 1, 2]
    assert "lines held on one, curves on one and simplexes on two, and all three failed" in TEXT
    assert "G4 fails over the" in TEXT
    assert not g4.passed
    assert (g7.word, g8.word) == ("FAILED", "FAILED")
    assert "G7 and G8 fail in the point estimates" in TEXT
    assert "G1 passes on four pairs" in TEXT
    assert sum(own["G1"]["passed"] for own in numbers.values()) == 4
