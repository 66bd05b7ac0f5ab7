"""Networks, laws, data and names that don't belong together are refused; those that do are found again."""

import numpy as np
import pandas
import pytest
import torch
from torch import nn

import lnescape as ln
from lnescape.weights import build
from tests.test_silent_changes import DATA, IMAGES, LABELS, chain, fit

OTHER = ln.dataset(train=(IMAGES[80:], LABELS[80:]), test=(IMAGES[:80], LABELS[:80]))


@pytest.mark.parametrize("method", ["laplace", "swag", "mode_curve", "simplex_ensemble"])
def test_methods_refuse_runs_of_other_data_and_of_other_networks(method):
    runs = fit(chain, seeds=range(2))
    with pytest.raises(ValueError, match="trained on other inputs"):
        ln.METHODS[method](chain, OTHER, budget=9, runs=runs)
    with pytest.raises(ValueError, match="another network than those of runs"):
        ln.METHODS[method](lambda: chain(nn.Tanh), DATA, budget=9, runs=runs)


def test_a_kept_law_knows_the_network_it_was_made_with(tmp_path):
    fit(chain).save(tmp_path / "law")
    assert ln.load_law(tmp_path / "law", lambda: chain()).n_parameters == 67
    for other in (lambda: chain(nn.Tanh), lambda: nn.Sequential(nn.ReLU(), nn.Linear(4, 8), nn.Linear(8, 3))):
        with pytest.raises(ln.ResultError, match="other layers"):
            ln.load_law(tmp_path / "law", other)


def test_a_pair_that_teaches_a_prior_belongs_together():
    runs = fit(chain, seeds=range(12))
    with pytest.raises(ValueError, match="trained on other inputs"):
        ln.covariates.known_pair(runs, OTHER)
    pair = ln.covariates.known_pair(runs, DATA)
    with pytest.raises(ValueError, match="Pair 1 is a copy"):
        ln.retraining.learn_prior([pair, pair])


def test_networks_of_a_kept_group_are_found_one_by_one(tmp_path, monkeypatch):
    whole = fit(chain, seeds=range(4), folder=tmp_path)
    monkeypatch.setattr("lnescape.training.runs.train_group", None)  # nothing is trained again
    some = fit(chain, seeds=[2, 0], folder=tmp_path)
    assert some.seeds == (2, 0)
    assert torch.equal(some.thetas, whole.thetas[[2, 0]])
    with pytest.raises(TypeError):  # one by one they would differ by rounding, and are trained
        fit(chain, seeds=[2], folder=tmp_path, group=1)


def test_a_builder_that_no_seed_governs_is_refused():
    def wild():
        net, rng = chain(), np.random.default_rng()
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(torch.from_numpy(rng.normal(size=p.shape)))
        return net

    with pytest.raises(ValueError, match="other weights when it is called again under seed 0"):
        fit(wild)


def test_identifiers_may_be_those_of_the_whole_test_set():
    data = ln.dataset(train=(IMAGES[:120], LABELS[:120]), test=(IMAGES[120:], LABELS[120:]))
    names = [f"patient {row}" for row in range(120)]
    runs = fit(chain, data, seeds=range(2))
    shuffled = pandas.Series(names, index=np.random.default_rng(0).permutation(120))  # as after df.sample(frac=1)
    for ids in (names, iter(names), shuffled):  # by position
        stated = ln.state(chain, data, runs=runs, ids=ids, covariates="outputs", progress=False)
        assert stated.ids == tuple(names[row] for row in data.test.rows)


def test_features_of_zeros_and_ones_are_no_pixels():
    with pytest.raises(ln.DataError, match="give features as floats"):
        ln.dataset(train=((IMAGES > 0).to(torch.uint8), LABELS), test=(IMAGES, LABELS))


def test_a_statement_knows_networks_that_keep_their_statistics_and_return_more_than_logits(data):
    class Pair(nn.Sequential):
        def forward(self, x):
            return super().forward(x), x

    net = lambda: Pair(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))  # noqa: E731
    runs = ln.members(net, [build(net, seed).eval() for seed in range(2)], data, statistics="kept")
    assert ln.state(net, data, runs=runs, covariates="outputs", progress=False).evaluation.n == 2


def test_some_of_the_networks_are_retrainings_with_their_seeds_and_their_share_of_the_cost():
    data = ln.load("digits")
    net = ln.network("mlp", data, width=8)
    runs = ln.fit(net, data, seeds=range(4), recipe=ln.Recipe(epochs=1), progress=False)
    some = runs.subset([3, 1])
    assert torch.equal(some.thetas, runs.thetas[[3, 1]])
    assert (some.seeds, some.cost.trainings) == ((3, 1), pytest.approx(2))
    stated = ln.state(net, data, runs=some, progress=False)
    assert stated.trainings == 2
    assert "seeds 3, 1" in stated.origin["trained"]
    for rows, message in (([], "one or more"), ([1, 1], "each once"), ([4], "from 0 to 3, not 4")):
        with pytest.raises(IndexError, match=message):
            runs.subset(rows)
    with pytest.raises(ValueError, match="leave one of them out"):
        ln.state(net, data, runs=some, seeds=range(3))
    with pytest.raises(ValueError, match=r"'c.txt' doesn't end in .pdf"):
        stated.certificate("c.txt", date="30 November 2026")
