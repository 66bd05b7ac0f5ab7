"""The README keeps its promises: its code runs, its commands exist, its links lead somewhere."""

import ast
import contextlib
import functools
import io
import math
import re
from pathlib import Path

import lnescape as ln
from report.studies import tables
from report.studies.judges import NEW_JUDGES, SCALE_SEEN
from report.studies.pairs import FASHION_ATTENTION, HELD_OUT, JUDGES, PAIRS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "site" / "guide.md").read_text()


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


def test_statements_of_another_framework_are_made_and_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, kept = re.findall(r"```python\n(.*?)```", GUIDE[GUIDE.index("**Networks of another") :], re.DOTALL)[:2]
    names = {"ln": ln}
    exec(made, names)
    exec(kept, names)
    assert str(ln.load_statement("progression.statement")) == str(names["stated"])
    assert {path.suffix for path in tmp_path.iterdir()} == {".statement", ".csv", ".pdf"}


def test_the_two_commands_are_there_and_the_makefile_knows_them():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"help", "report", "test", "notebooks", "bench", "lab", "lint"} <= set(targets)
    assert {"make report", "make test"} <= set(re.findall(r"make \w+", README))
    assert set(re.findall(r"`make (\w+)", README)) <= set(targets)


def test_links_lead_to_files():
    for page in (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "notebooks/README.md", "site/guide.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", page.read_text()):
            link = "".join(target)
            assert "://" in link or (page.parent / link).exists(), f"{page.name} links to {link}"


loaded = functools.cache(ln.load_result)
judged = functools.cache(tables.headline)


def row(key: str) -> str:
    shown = [judged(key)[mix]["3"] for mix in ("constant", tables.WITH_GRADIENT)]
    errors = [f"{error_of_u(one):.0f} %" for one in shown]
    ren = shown[-1]["ren"]
    high = f"{ren['high']:.0f}" if ren["high"] <= tables.HIGHEST_REN else f">\u00a0{tables.HIGHEST_REN}"
    name = f"{tables.HEADLINE[key]} ({loaded(f'{key}-geometry').numbers['accuracy'].value:.0f} %)"
    return f"| {name} | {' | '.join(errors)} | {ren['value']:.0f}\u00a0[{ren['low']:.0f},\u00a0{high}] |"


def worth_of_two(key: str, mix: str) -> str:
    """REN of two trainings, in whole trainings; on MNIST the free groups were judged in another study."""
    mixes = judged(key) if mix in judged(key) else loaded(f"{key}-uncertainty").numbers["mixes"]
    return f"{mixes[mix]['2']['ren']['value']:.0f}"


MEASURED = ("mnist-mlp", "mnist-cnn", "cifar10-fast-resnet", "cifar10-wide")  # gradient distance was developed on them
APART = tuple(pair.key for pair in (*HELD_OUT, *JUDGES, FASHION_ATTENTION))
TEXT, GUIDE_TEXT = " ".join(README.split()), " ".join(GUIDE.split())


def of_later_judges(members: str) -> list[dict]:
    """The rows of the nine networks that came last."""
    return [loaded(judge.key).numbers["per unit"][members] for judge in NEW_JUDGES.values()]


def error_of_u(row: dict) -> float:
    """Root mean square error of ln u, in %; squared errors are stored of ln u²."""
    return 50 * row["squared_error"] ** 0.5


def test_the_table_is_the_stored_one():
    table = "\n".join(map(row, tables.HEADLINE))
    assert table in README, f"the table should be\n{table}"
    assert list(tables.HEADLINE)[-len(APART) :] == list(APART)


def test_errors_of_u_from_three_are_the_stored_ones():
    plain = [loaded(f"{p.key}-uncertainty").numbers["mixes"]["none (plain Type A)"]["3"] for p in PAIRS]
    assert "Three trainings alone give u to within about 70 %" in TEXT
    assert all(abs(error_of_u(one) - 70) <= 5 for one in plain)
    for column, start in ((2, "brings this error to "), (3, "it is ")):
        errors = [int(line.split("|")[column].split()[0]) for line in map(row, tables.HEADLINE)]
        assert f"{start}{min(errors)} to {max(errors)} %" in TEXT
    worst = max(map(error_of_u, of_later_judges("3")))
    assert f"on nine later networks up to {worst:.0f} %" in TEXT


def test_the_worth_of_two_trainings_is_the_stored_one():
    alone, before = ([worth_of_two(key, mix) for key in MEASURED] for mix in ("gradient distance", tables.ALL_FREE))
    before.sort(key=int)
    claim = (
        f"It makes *two* trainings worth {alone[0]} and {alone[1]} plain ones on MNIST, and {alone[2]} and {alone[3]} "
        f"on the fast residual and the wide network. All else that is free makes them worth {before[0]} to "
        f"{before[-1]}."
    )
    assert claim in TEXT, f"the sentence should be: {claim}"
    held = [worth_of_two(key, "gradient distance") for key in APART]
    held_out = f"afterwards, it makes two trainings worth {', '.join(held[:-1])} and {held[-1]}."
    assert held_out in TEXT, f"the sentence should be: {held_out}"


def test_the_worth_of_one_training_with_a_companion_is_the_stored_one():
    singles = {key: one["ren"]["value"] for key, one in loaded("one-training").numbers["pairs"].items()}
    groups = [[ren for key, ren in singles.items() if ("fashion" in key) is fashion] for fashion in (False, True)]
    groups.append([row["ren"]["value"] for row in of_later_judges("1")])
    ends = [f"{min(rens):.0f} to {max(rens):.0f}" for rens in groups]
    claim = f"worth {ends[0]} plain ones on MNIST and CIFAR, {ends[1]} on FashionMNIST, {ends[2]} on nine others."
    assert claim in TEXT, f"the sentence should be: {claim}"


def test_the_guide_quotes_how_wrong_a_borrowed_scale_was():
    lent = [loaded(f"{key}-geometry").numbers["one network, borrowed scale"] for key in (*MEASURED, *APART)]
    worst = max(abs(row["bias"].value) for row in lent)
    assert f"(of up to {math.exp(worst / 2):.1f} on nine networks)" in GUIDE_TEXT
    off, _ = tables.yardsticks()
    later = of_later_judges("1")
    factors = [*off["a companion"].values(), *(math.exp(row["bias"].value / 2) for row in later)]
    farthest = max(max(factor, 1 / factor) for factor in factors)
    n = loaded("one-training").numbers["n"] + len(later) - len(SCALE_SEEN)
    assert f"at most a factor of {farthest:.1f} on {n} networks" in GUIDE_TEXT


def test_it_has_900_words_at_most_and_narrow_tables():
    words = [word for word in README.split("MIT licence")[0].split() if re.search(r"\w", word)]
    assert len(words) <= 900
    assert max(line.count("|") for line in README.splitlines()) <= 6, "a table of more than five columns"
