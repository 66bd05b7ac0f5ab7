"""What the cells of a study compute, held against plain training and plain arithmetic."""

import numpy as np
import pytest
import torch

import lnescape as ln
from lnescape.covariates.explore import MOMENT_RIDGE, NOISE, _noisy, moved, neighbourhood, outputs, under_noise
from lnescape.study.cells import KINDS, trainings
from lnescape.study.observation import PARTS, data_and_panel
from lnescape.study.retrainings import threads_of, train
from lnescape.study.store import study_named
from lnescape.training import count_operations
from report.studies import literature

SCOUTS = study_named("digits-mlp").cells[0].but(epochs=3)
DATA, PANEL = data_and_panel("digits", "cpu")
NET = SCOUTS.builder(DATA)


@pytest.fixture(scope="module")
def chosen():
    return KINDS["scouts"].experiment(SCOUTS, DATA, PANEL, None).arrays["chosen"]


def of(method: str, chosen, seeds, keep=("test",), **settings):
    cell = SCOUTS.but(method=method, scouts=SCOUTS, seeds=seeds, keep=keep, settings=settings)
    return KINDS[method].experiment(cell, DATA, PANEL, chosen).arrays


def q_of(law, chosen) -> np.ndarray:
    return ln.log_odds(law.predict(PANEL.images).numpy(), chosen)


def test_the_panel_holds_what_the_plan_says():
    assert PARTS[:3] == ("calibration", "test", "rotation 1")
    assert len(PARTS) == 12
    counts = np.bincount(PANEL.part)
    assert list(counts) == [200] * 12  # all that this small set has
    assert torch.equal(PANEL.images[PANEL.test], DATA.test.images)
    assert (PANEL.labels[PANEL.part == 11] == -1).all()


def test_the_scouts_choose_what_their_mean_decides(chosen):
    runs = ln.fit(NET, DATA, seeds=range(1000, 1005), recipe=SCOUTS.recipe, progress=False)
    assert np.array_equal(chosen, ln.mean_prediction(runs.predict(PANEL.images)).argmax(1).numpy())


def test_retrainings_are_those_of_fit_and_are_kept_within_half_a_step(chosen):
    seen = of("retrainings", chosen, (0, 1), keep=("panel", "log_probabilities"))
    runs = ln.fit(NET, DATA, seeds=(0, 1), recipe=SCOUTS.recipe, progress=False)
    q = q_of(runs, chosen)
    assert (np.abs(seen["log_odds"] - q) <= 0.5 * np.spacing(np.abs(q).astype(np.float16)).astype(float) + 1e-9).all()
    logp = runs.predict(DATA.evaluation.images)
    assert seen["accuracy"][1] == float(ln.accuracy(logp[1], DATA.evaluation.labels))
    assert seen["nll"][1] == pytest.approx(float(ln.nll(logp[1], DATA.evaluation.labels)))


def test_the_path_ends_at_the_trained_network(chosen):
    seen = of("retrainings", chosen, (0, 1), keep=("panel", "covariates"))
    assert seen["path_log_odds"].shape == (2, 3, 2400)
    np.testing.assert_allclose(seen["path_log_odds"][:, -1], seen["log_odds"], rtol=2**-8)  # 7 bits of the mantissa
    assert not np.array_equal(seen["path_log_odds"][:, 0], seen["path_log_odds"][:, 1])


def test_watching_the_path_does_not_move_it(chosen):
    watched = of("retrainings", chosen, (0, 1), keep=("panel", "covariates"))
    assert np.array_equal(watched["log_odds"], of("retrainings", chosen, (0, 1), keep=("panel",))["log_odds"])


def test_the_diagonal_of_a_crossed_design_is_plain_retraining(chosen):
    seen = of("crossed", chosen, (0, 1), orders=[0, 1])
    assert list(zip(seen["initialisation"], seen["order"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    plain = of("retrainings", chosen, (0, 1))
    np.testing.assert_allclose(seen["log_odds"][[0, 3]], plain["log_odds"], atol=0.02)
    apart = np.abs(seen["log_odds"].astype(float)[0] - seen["log_odds"][1:]).mean(1)
    assert (apart > 0.1).all()  # another order, another initialisation, or both: another network


def test_a_branch_under_its_trunks_own_order_is_the_trunk():
    states = []
    trunk = train(SCOUTS, DATA, [0, 1], on_epoch=lambda state: states.append(state.branched(1)))
    for state in states[:-1]:
        assert torch.equal(train(SCOUTS, DATA, [0, 1], start=state).thetas, trunk.thetas)
    other = train(SCOUTS, DATA, [2, 3], start=states[0])
    assert not torch.equal(other.thetas, trunk.thetas)


def test_branches_that_leave_later_lie_closer_together(chosen):
    seen = of("branches", chosen, (0, 1), leaves=[1, 2], branches=3)
    assert list(seen["leaves"]) == [1] * 6 + [2] * 6
    assert list(seen["trunk"][:6]) == [0, 0, 0, 1, 1, 1]
    q = seen["log_odds"].astype(float).reshape(2, 2, 3, -1)
    within = q.var(2, ddof=1).mean((1, 2))
    assert within[1] < 0.7 * within[0]
    assert (q.mean(2).var(1, ddof=1).mean(1) > within / 3).all()  # trunks differ by more than chance


@pytest.mark.parametrize("recipe", [{"optimiser": "adamw", "learning_rate": 0.01}, {"momentum": 0.0}])
def test_branches_carry_the_state_of_every_optimiser(recipe):
    cell, states = SCOUTS.but(**recipe), []
    trunk = train(cell, DATA, [0, 1], on_epoch=lambda state: states.append(state.branched(1)))
    assert torch.equal(train(cell, DATA, [0, 1], start=states[0].rows(slice(0, 2))).thetas, trunk.thetas)


def test_branches_of_a_network_that_trains_alone():
    cell, states = SCOUTS.but(network="cnn", options={"width": 2}, epochs=2), []
    trunk = train(cell, DATA, [0, 1], on_epoch=lambda state: states.append(state.branched(1)))
    first = type(states[0]).joined([state for state in states if state.epoch == 1])
    assert torch.equal(train(cell, DATA, [0, 1], start=first).thetas, trunk.thetas)


def test_the_same_arithmetic_gives_the_same_bits(chosen):
    seen = of("arithmetic", chosen, (0,), runs=[(1, 1), (1, 1), (1, 3)])
    assert seen["same_bits_as"][1] == 0
    assert np.abs(seen["log_odds"][2].astype(float) - seen["log_odds"][0]).max() < 0.5  # arithmetic, not another seed
    with threads_of(1):
        assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("method", "settings", "cost"),
    [
        ("retrainings", {}, 2.0),
        ("crossed", {"orders": [5, 6, 7]}, 6.0),
        ("branches", {"leaves": [1, 2], "branches": 2}, 6.0),
        ("bursts", {"n": 3, "epochs": 1.0, "rate": 1.0}, 4.0),
    ],
)
def test_cost_is_what_was_trained(method, settings, cost, chosen, monkeypatch):
    cell = SCOUTS.but(method=method, scouts=SCOUTS, seeds=(0, 1), keep=("test",), settings=settings)
    seen, real = [], ln.engines.LinearChain.loss_and_gradient

    def counted(self, thetas, images, labels, loss):
        seen.append(labels.numel())
        return real(self, thetas, images, labels, loss)

    monkeypatch.setattr(ln.engines.LinearChain, "loss_and_gradient", counted)
    KINDS[method].experiment(cell, DATA, PANEL, chosen)
    step = count_operations(NET, DATA.train.images[0], 10)
    assert sum(seen) * step.step / step.training(cell.recipe, len(DATA.train)) == pytest.approx(cost)
    assert trainings(cell) == pytest.approx(cost)


# First and last number of what each method keeps; where one moves, stored cells are no longer what this code computes:
# raise RECIPE_VERSION (lnescape/study/cells.py), compute the studies again, then write the new numbers here.
GOLD = [
    ("retrainings", (0,), {}, "log_odds", (4.32, 4.816)),
    ("retrainings", (0,), {"network": "cnn", "options": {"width": 2}}, "log_odds", (-1.409, -1.719)),
    ("retrainings", (0,), {"network": "resnet", "options": {"depth": 8, "width": 2}}, "log_odds", (-1.005, 0.380)),
    ("crossed", (0, 1), {"settings": {"orders": [5, 6]}}, "log_odds", (3.594, 1.162)),
    ("branches", (0,), {"settings": {"leaves": [1], "branches": 2}}, "log_odds", (4.887, 3.428)),
    ("arithmetic", (0,), {"settings": {"runs": [[1, 1], [1, 2]]}}, "log_odds", (4.32, 4.816)),
    ("ensemble", (0, 1), {}, "ensemble_nll", (0.2549, 0.2347)),
    ("pair", (0, 1), {}, "curve_train_loss", (0.2172, 0.3300)),
    ("triangle", (0,), {}, "simplex_vertices", (0.32, 2.158)),
    ("law", (0,), {"settings": {"method": "swag", "budget": 1.5, "options": {"snapshots": 3}}}, "nll", (0.1546,) * 2),
    ("yardstick", (0, 1, 2, 3), {}, "cll_mean", (-0.2092, -0.1644)),
    ("bursts", (0, 1), {"settings": {"n": 3, "epochs": 0.5, "rate": 1.0}}, "burst_spread", (0.737, 0.276)),
    ("proxies", (0, 1, 2, 3, 4), {"options": {"width": 8}}, "proxy_spread", (2.088, 0.588)),
]


@pytest.mark.parametrize(("method", "seeds", "changes", "name", "gold"), GOLD)
def test_golden_numbers_of_every_method(method, seeds, changes, name, gold, chosen):
    cell = SCOUTS.but(method=method, scouts=SCOUTS, seeds=seeds, keep=("test",), epochs=2, **changes)
    found = KINDS[method].experiment(cell, DATA, PANEL, chosen).arrays[name].ravel()[[0, -1]]
    np.testing.assert_allclose(found, gold, atol=0.02)


def test_images_move_by_whole_pixels_and_the_border_is_repeated():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    assert moved(image, [(1, -1)])[0, 0, 0].tolist() == [[1, 2, 2], [1, 2, 2], [4, 5, 5]]
    assert torch.equal(moved(image, [(0, 0), (2, 1)])[0], image)


def test_neighbourhood_is_the_prediction_of_moved_images(chosen):
    law = ln.fit(NET, DATA, seeds=[0], recipe=SCOUTS.recipe, progress=False)
    seen = neighbourhood(law, law[0], PANEL.images[:20], chosen[:20])
    by_hand = ln.log_odds(law.predict(moved(PANEL.images[:20], [(3, 0)])[0]).numpy(), chosen[:20])
    assert seen.shape == (8, 20)
    np.testing.assert_allclose(seen[1], by_hand[0], rtol=1e-5)


def test_noise_has_the_stated_size_for_each_filter_and_leaves_vectors_alone(chosen):
    law = ln.fit(NET, DATA, seeds=[0], recipe=SCOUTS.recipe, progress=False)
    noisy = _noisy(law.module(law[0]), torch.Generator().manual_seed(0))
    before, after = (law.module(theta).state_dict() for theta in (law[0], noisy))
    for name, weight in before.items():
        if weight.ndim == 1:
            assert torch.equal(weight, after[name])
        else:
            size = (after[name] - weight).flatten(1).norm(dim=1) / weight.flatten(1).norm(dim=1)
            torch.testing.assert_close(size, torch.full_like(size, NOISE), rtol=1e-4, atol=0)
    q = under_noise(law, law[0], PANEL.images[:20], chosen[:20], n=4, seed=1)
    assert q.shape == (4, 20)
    assert np.array_equal(q, under_noise(law, law[0], PANEL.images[:20], chosen[:20], n=4, seed=1))


def test_outputs_are_log_sum_exp_spread_and_mahalanobis_of_the_last_layer():
    law = ln.fit(NET, DATA, seeds=[0], recipe=SCOUTS.recipe, progress=False)
    module, images, train_images = law.module(law[0]), PANEL.images[:30], DATA.train.images[:500]
    seen = outputs(law, law[0], images, train_images)
    with torch.no_grad():
        logits = module(images)
        features, trained = (module[:-1](x).double() for x in (images, train_images))
    moment = trained.T @ trained / 500
    moment = moment + MOMENT_RIDGE * moment.diagonal().mean() * torch.eye(32, dtype=torch.float64)
    distance = torch.einsum("ni,ij,nj->n", features, torch.linalg.inv(moment), features)
    expected = torch.stack([logits.exp().sum(1).log(), logits.std(1), distance.log().float()])
    np.testing.assert_allclose(seen, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_the_infinitesimal_jackknife_is_the_sum_of_the_squares_of_all_influences(chosen):
    # 650 parameters, of which none share a bucket of the sketch: every image is taken out by one Newton step.
    net = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))  # noqa: E731
    law, classes = ln.members(net, [net()], DATA), torch.as_tensor(chosen[:9].astype(np.int64))
    found = literature._by_gradients(law, law[0], DATA, PANEL.images[:9], chosen[:9], SCOUTS)
    module, train_images = law.module(law[0]), DATA.train.images
    gradients = literature.gradients
    g = gradients.sketched_gradients(module, PANEL.images[:9], classes, gradients.log_odds_of).double()
    loss = gradients.sketched_gradients(module, train_images, DATA.train.labels, gradients.log_probability_of).double()
    h = gradients.fisher_sketch(module, train_images, seed=0) + SCOUTS.recipe.weight_decay * torch.eye(loss.shape[1])
    influence = (g @ torch.linalg.solve(h, (loss - loss.mean(0)).T)) / len(loss)  # of each training image
    np.testing.assert_allclose(np.exp(found["jackknife"]), influence.square().sum(1).numpy(), rtol=1e-4)
    curvature = (g @ torch.linalg.solve(h, g.T)).diag() / len(loss)
    np.testing.assert_allclose(np.exp(found["curvature"]), curvature.numpy(), rtol=1e-4)
    batches = literature._by_batches(SCOUTS.but(epochs=1), DATA, PANEL.images[:9], chosen[:9], 0)
    assert batches.shape == (9,)
    assert (batches > 0).all()
