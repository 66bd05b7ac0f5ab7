"""Estimates as they print and agree; where results lie and where they come from."""

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
import torch

from lnescape import results
from lnescape.results import Estimate, load_result, normalised_error, save_result
from lnescape.results import provenance as provenance_of


@dataclass(frozen=True)
class Data:
    """What results use of a `Dataset`."""

    name: str = "shapes"
    title: str = "drawn shapes, 10 classes"
    checksum: str = "c0ffee"
    stand_in: bool = True


@pytest.mark.parametrize(
    ("value", "u", "unit", "printed"),
    [
        (0.48412, 0.0213, "nat", "0.484(21) nat"),
        (98.31, 1.21, "%", "98.3(1.2) %"),
        (100.02147, 0.00035, "g", "100.02147(35) g"),  # GUM 7.2.2
        (50.000838, 0.000032, "mm", "50.000838(32) mm"),  # GUM H.1
        (98.31, 12.4, "%", "98(12) %"),
        (9831, 124, "", "9830(120)"),
        (0.5, 0.0996, "", "0.50(10)"),  # rounding up u must not bring a third digit
        (0.99996, 0.0012, "", "1.0000(12)"),
        (-0.0001, 0.0213, "", "0.000(21)"),
        (-1.5, 0.25, "", "-1.50(25)"),
        (0.0, 0.0213, "", "0.000(21)"),
        (0.0, 2e-5, "", "0.0(2.0)e-05"),
        (3e-7, 0.5, "", "0.00(50)"),
        (1.23436e-7, 5.64e-9, "", "1.234(56)e-07"),
        (123456789.0, 1234.0, "s", "1.234568(12)e+08 s"),
        (0.5, 0.0, "nat", "0.5 nat"),
        (-0.0, 0.0, "", "0"),
        (1.0, 1e-20, "", "1"),
        (math.nan, 0.1, "nat", "nan"),
        (0.5, math.nan, "nat", "0.5(nan) nat"),
        (math.inf, math.nan, "nat", "inf nat"),
    ],
)
def test_an_estimate_prints_two_digits_of_its_uncertainty(value, u, unit, printed):
    assert str(Estimate(value, u, unit=unit)) == printed


@pytest.mark.parametrize(
    ("ends", "printed"),
    [((-3.2, 0.9), "[-3.2, 0.9]"), ((999999.9975, 1000000.0019), "[999999.9975, 1000000.0019]"),
     ((1e6, 1.2e6), "[1.00e+06, 1.20e+06]"), ((-math.inf, 2), "[-inf, 2]")],
)  # fmt: skip
def test_both_ends_of_an_interval_have_one_notation(ends, printed):
    assert results.estimate.interval_text(*ends) == printed


def test_shares_and_probabilities_keep_two_digits_of_what_is_small():
    shares = [results.estimate.percent(p) for p in (0.005, 0.014, 0.5, 0.985, 0.995)]
    assert shares == ["< 1 %", "1.4 %", "50.0 %", "98.5 %", "> 99 %"]
    assert [results.estimate.probability_text(p) for p in (0.5, 0.00124, 0.99876)] == ["0.50", "0.0012", "0.9988"]


def test_a_mean_has_the_uncertainty_and_the_degrees_of_freedom_of_its_sample():
    sample = [0.46, 0.48, 0.50, 0.55]
    for values in (sample, tuple(sample), iter(sample), np.array(sample), torch.tensor(sample, dtype=torch.float64)):
        mean = Estimate.mean(values, unit="nat")
        assert (mean.value, mean.u) == pytest.approx((np.mean(sample), scipy.stats.sem(sample)), rel=1e-12)
        assert (mean.dof, mean.n, mean.unit) == (3, 4, "nat")
    alone = Estimate.mean([0.5])
    assert (alone.value, alone.dof) == (0.5, 0)
    assert math.isnan(alone.u)
    assert Estimate.mean([1.0, math.inf]).value == math.inf
    with pytest.raises(ValueError, match="the sample is empty"):
        Estimate.mean([])


def test_expanded_uncertainty_has_the_factors_of_gum_table_g2():
    for dof, coverage, factor in [(3, 0.95, 3.18), (10, 0.9545, 2.28), (16, 0.99, 2.92), (math.inf, 0.95, 1.96)]:
        assert Estimate(7, 0.5, dof=dof).expanded(coverage) == pytest.approx(0.5 * factor, abs=0.005 * 0.5)
    assert math.isnan(Estimate.mean([0.5]).expanded())
    with pytest.raises(ValueError, match="isn't a probability between 0 and 1"):
        Estimate(1, 0.1).expanded(95)


def test_a_scaled_estimate_keeps_everything_but_its_unit():
    scaled = Estimate(0.983, 0.012, dof=4, evaluation="B", n=5).scaled(-100, "%")
    assert scaled == Estimate(-98.3, 1.2, dof=4, unit="%", evaluation="B", n=5)
    assert float(scaled) == -98.3


def test_what_is_no_uncertainty_is_refused():
    with pytest.raises(ValueError, match="is negative"):
        Estimate(1, -0.1)
    with pytest.raises(ValueError, match="no evaluation 'C'.*There are: A, B"):
        Estimate(1, 0.1, evaluation="C")


def test_normalised_error_uses_expanded_uncertainties():
    assert normalised_error(Estimate(1.0, 0.3), Estimate(2.0, 0.4)) == pytest.approx(1.0)
    assert normalised_error(Estimate(2.0, 0.4), Estimate(1.0, 0.3)) == pytest.approx(1.0)
    assert normalised_error(Estimate(1, 0), Estimate(1, 0)) == 0
    assert normalised_error(Estimate(1, 0), Estimate(2, 0)) == math.inf
    assert math.isnan(normalised_error(Estimate(1, math.nan), Estimate(2, 0)))
    with pytest.raises(ValueError, match="'%' cannot be compared"):
        normalised_error(Estimate(1, 0.1, unit="%"), Estimate(1, 0.1))


def test_folders_are_found_from_the_environment_then_upwards_then_here(tmp_path, monkeypatch):
    monkeypatch.delenv("LNESCAPE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert results.project_folder() == tmp_path
    deep = tmp_path / "notebooks" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "report" / "results").mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert results.results_folder() == tmp_path / "report" / "results"
    monkeypatch.setenv("LNESCAPE_HOME", str(tmp_path / "elsewhere"))
    assert results.results_folder() == tmp_path / "elsewhere" / "report" / "results"


@dataclass(frozen=True)
class Recipe:
    """A recipe with what JSON cannot hold."""

    epochs: int = 3
    loss: object = torch.nn.functional.cross_entropy
    steps: tuple = (1, 2)


def test_provenance_says_all_and_can_be_stored(home):
    origin = provenance_of(
        command="make report", seed=range(2), data=Data(), n=5, cost=1.5, seconds=2.0, recipe=Recipe(), pair="mlp"
    )
    save_result("a", numbers={}, provenance=origin)
    back = load_result("a").provenance
    assert back == origin
    assert back["data"] == {"name": "shapes", "title": Data.title, "checksum": "c0ffee", "stand_in": True}
    assert back["recipe"] == {"epochs": 3, "loss": "cross_entropy", "steps": [1, 2]}
    assert (back["seed"], back["n"], back["cost"], back["seconds"], back["pair"]) == ([0, 1], 5, 1.5, 2.0, "mlp")
    assert back["versions"]["torch"] == torch.__version__
    assert back["machine"]["threads"] == torch.get_num_threads()
    assert 1 <= back["machine"]["cores"] <= os.cpu_count()
    assert back["machine"]["cpu"]
    assert back["date"].endswith("+00:00")


def test_provenance_tells_sources_apart_and_knows_their_commit(tmp_path, monkeypatch):
    module = sys.modules[provenance_of.__module__]
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    sources = {"b.py": "x = 1\n", "room/a.py": "y = 2\n"}
    for name, text in sources.items():
        (package / name).write_text(text)
    monkeypatch.setattr(module, "PACKAGE", package)
    monkeypatch.setattr(module, "__file__", str(package / "b.py"))
    listed = "".join(f"{name}\0{len(text)}\0{text}" for name, text in sorted(sources.items()))
    assert module.code()["sha256"] == hashlib.sha256(listed.encode()).hexdigest()
    (tmp_path / "report" / "studies").mkdir(parents=True)
    (tmp_path / "report" / "studies" / "c.py").write_text("z = 3\n")
    listed = listed.replace("room/a.py", "report/studies/c.py\0006\0z = 3\nroom/a.py")
    assert module.code()["sha256"] == hashlib.sha256(listed.encode()).hexdigest()
    assert (module.code()["commit"], module.code()["uncommitted_changes"]) == (None, None)

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@y"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init")
    git("commit", "--no-verify", "--allow-empty", "-m", "of somebody else's repository, which does not track it")
    assert (module.code()["commit"], module.code()["uncommitted_changes"]) == (None, None)
    git("add", ".")
    git("commit", "--no-verify", "-m", "x")
    clean = module.code()
    assert (clean["commit"], clean["uncommitted_changes"]) == (git("rev-parse", "HEAD"), False)
    (package / "room" / "a.py").write_text("y = 3\n")
    assert module.code()["uncommitted_changes"] is True
    assert module.code()["sha256"] != clean["sha256"]
