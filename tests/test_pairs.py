"""The table of pairs and what follows from it: studies, cost, words."""

import subprocess
import sys

import numpy as np
import pytest

from lnescape.study import StudyError, register, trainings
from lnescape.study.cells import KINDS
from lnescape.study.observation import rounded
from lnescape.study.store import CellStore, study_named
from report.studies.catalogue import QUEUE, STUDIES, scouts_of
from report.studies.geometry import others
from report.studies.pairs import CIFAR10_RESNET20, FURTHER, PAIRS, RESTARTED, SHORT, WITH_GRADIENTS
from report.studies.queue import run_queue
from tests.tiny import TINY

EVERY = [*PAIRS, *SHORT, CIFAR10_RESNET20, *FURTHER]


@pytest.mark.parametrize("pair", EVERY, ids=lambda pair: pair.key)
def test_a_pair_has_its_studies_from_one_entry(pair):
    scouts = scouts_of(pair)
    reference = STUDIES[pair.key].cells
    assert reference[0] == scouts
    assert sorted(seed for cell in reference[1:] for seed in cell.seeds) == list(range(pair.n))
    more = [*(["class"] if pair.chooses else []), *(["single"] if pair in RESTARTED else [])]
    for what in ("bursts", "proxies", "uncertainty", "methods", *more):
        assert STUDIES[f"{pair.key}-{what}"].command == f"lnescape study {pair.key}-{what}"
    explored = {seed for cell in reference[1:] if "covariates" in cell.keep for seed in cell.seeds}
    assert explored == set(range(pair.explored))


def test_no_two_pairs_share_their_names():
    assert len({pair.key for pair in EVERY}) == len(EVERY)
    assert len({pair.label for pair in PAIRS}) == len(PAIRS)
    assert PAIRS[0].many == "perceptrons on MNIST"
    assert SHORT[1].one == "residual network of half width on CIFAR-10, short schedule"


def test_cells_cost_what_their_method_trains():
    assert sum(map(trainings, study_named("mnist-mlp-branches").cells)) == pytest.approx(73)
    assert sum(map(trainings, STUDIES["mnist-mlp-arithmetic"].cells[1:])) == 4 * (4 + 8)
    assert set(QUEUE) <= set(STUDIES)


def test_the_queue_of_an_accelerator_stops_in_time_and_goes_on(tmp_path, capsys):
    run_queue([TINY], minutes=1e-3, device="cpu", folder=tmp_path)
    # The first one begins: its pace isn't known.
    assert capsys.readouterr().out.splitlines()[-1].startswith("10 missing cells are waiting")
    run_queue([TINY], minutes=2.0, device="cpu", folder=tmp_path)
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 missing cells are waiting")
    assert CellStore(TINY, tmp_path / TINY.folder).missing() == []


def test_observations_are_rounded_by_bits_of_the_mantissa():
    assert rounded(np.array([10.03, -0.1]), 7).tolist() == [10.0, -0.10009765625]


def test_a_study_is_looked_for_where_its_name_says(tmp_path, monkeypatch):
    text = "from lnescape.study.store import study_named\nONE = study_named('digits-mlp')\nTWO = [ONE, ONE]\n"
    (tmp_path / "studies_of_mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert study_named("studies_of_mine:ONE").command == "lnescape study studies_of_mine:ONE"
    for name, words in (("TWO", "is no study but a list"), ("ABSENT", "names no study")):
        with pytest.raises(StudyError, match=words):
            study_named(f"studies_of_mine:{name}")


def test_a_method_of_ones_own_is_registered_with_what_it_asks(monkeypatch):
    monkeypatch.setattr("lnescape.study.cells.KINDS", dict(KINDS))
    scouts = study_named("digits-mlp").cells[0]
    with pytest.raises(StudyError, match="no method 'twice'"):
        scouts.but(method="twice")
    register("twice", KINDS["scouts"])
    assert scouts.but(method="twice").name.startswith("twice-")


def test_no_catalogue_is_built_before_a_study_is_named():
    code = """
import sys
from click.testing import CliRunner
from lnescape.cli import main
print(all(CliRunner().invoke(main, [*words, "--help"]).exit_code == 0 for words in ([], ["study"], ["status"])))
print([name for name in sys.modules if name.startswith("report")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[]"]


@pytest.mark.parametrize("pair", WITH_GRADIENTS, ids=lambda pair: pair.key)
def test_a_prior_is_judged_on_a_pair_that_it_was_not_learned_on(pair):
    taught = others(f"{pair.key}-geometry")
    assert pair not in taught
    assert len(taught) == len(WITH_GRADIENTS) - 1
