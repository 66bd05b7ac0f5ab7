# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Methods: three trainings' worth of budget, and ten ways to spend it
#
# **Question.** You can afford one training, or one and a half, or three. Which way of making *many networks* from it
# predicts best, and is any of them worth more than simply training again?
#
# **What you will learn**
# - to put every method on one scale: how many members of a deep ensemble is it worth (DEE)?
# - why a temperature must be fitted before predictions are compared, and on which images;
# - SWAG and Laplace by hand, on problems small enough to check;
# - what the field's claims become at equal cost, on MNIST, with an MLP and a CNN.
#
# **Before you start.** `02_uncertainty` (NLL, temperature, calibration error, AUROC), `03_paths` and `04_simplexes`.
#
# **Minutes.** 30 minutes to read. To compute: under half a minute in the profile `quick`, four minutes in `standard`, on one
# thread.

# %% tags=["parameters"]
profile = ""

# %%
import textwrap

import numpy as np
import torch
from torch import nn

import lnescape as ln
from notebooks import course
from report.studies import figures, lessons, tables

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# A deep ensemble of three members costs three trainings. **For one and a half trainings, how many members can the cleverest
# method be worth: 1, 2, or 5?** On CIFAR-10 others have read values around 3 off large experiments [1].

# %% [markdown]
# ## The scale: deep-ensemble equivalent
#
# Take the mean log-likelihood of the test labels, higher is better. Plot it for deep ensembles of 1, 2, 3 … members: a rising
# curve. A method that costs whatever it costs reaches some height; the number of members at which the curve reaches the same
# height is its **deep-ensemble equivalent** [1]:
#
# $$ \mathrm{DEE} = \min\{\, l \ge 1 : \mathrm{CLL_{DE}}(l) \ge \mathrm{CLL_{method}} \,\} $$
#
# linear between whole numbers. By hand, on a curve of three points:

# %%
curve, spread = np.array([-0.050, -0.045, -0.043]), np.array([0.001, 0.0007, 0.0005])
method = -0.046
left = int(np.flatnonzero(curve >= method)[0])  # the first size that is as good has index `left`, that is left + 1 members
by_hand = left + (method - curve[left - 1]) / (curve[left] - curve[left - 1])
worth = ln.scores.deep_ensemble_equivalent(method, curve, spread)
print(f"by hand {by_hand:.2f}, by library {worth}")
assert np.isclose(by_hand, worth.value)

# %%
figure = lessons.read_equivalent(
    curve, method, by_hand, source="three made-up numbers", title="Across to the curve, and down to the members"
)
course.save_live(figure, "06_dee")

# %% [markdown]
# The band in brackets is what the scale itself leaves open: the equivalents for an ensemble curve one standard deviation
# higher and lower. Below one network it says "< 1", beyond the largest ensemble, of ten say, "≥ 10".
#
# ### First a temperature
#
# A method may rank images well and be too sure of itself. One number cures that, the *temperature* T: predict
# softmax(ln p̄ / T). If we skip it, we compare how over-confident methods are, not how much they know. T must be fitted on other
# images than it is scored on: here each half of the test images takes the other half's. The result is the **calibrated
# log-likelihood**, CLL.

# %%
said = torch.tensor([[0.99, 0.01]] * 8).log()  # very sure; of each four, three are right
labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
half = torch.tensor([0, 1] * 4)
temperature = np.log(99) / np.log(3)  # by hand: softmax(ln p / T) = (3/4, 1/4) where 99^(1/T) = 3
assert np.isclose(ln.fit_temperature(said, labels), temperature, rtol=1e-4)
print(f"log-likelihood {-ln.nll(said, labels).value:.3f}; with T = {temperature:.2f}: "
      f"{ln.scores.calibrated_log_likelihood(said, labels, half).value:.3f}, and ¾ ln ¾ + ¼ ln ¼ = {0.75 * np.log(0.75) + 0.25 * np.log(0.25):.3f}")

# %% [markdown]
# ## Two methods by hand
#
# **SWAG** [2] goes on training at a constant learning rate, collects snapshots θ_k, and draws new networks from a Gaussian with
# their mean. Half of the variance comes from each weight's own spread, half from the snapshots' common movements D. We simulate
# snapshots of two weights that move together.

# %%
points = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5])
points += 0.2 * torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
apart = points - points.mean(0)
by_hand = 0.5 * torch.diag(apart.square().mean(0)) + 0.5 * apart.T @ apart / 499

mean, scale, factors = ln.methods.gaussian_of(points)
law = ln.laws.GaussianLaw(lambda: nn.Linear(1, 1), mean, scale=scale, factors=factors)
stated = law.moments(torch.eye(2))[1]
drawn = torch.cat(list(law.sample(20_000, seed=0)))
assert torch.allclose(by_hand.double(), stated, atol=1e-4)
print("covariance of the snapshots", apart.T.cov().double().numpy().round(3).tolist())
print("of SWAG, as stated         ", stated.double().numpy().round(3).tolist())
print("of 20 000 draws            ", drawn.T.cov().double().numpy().round(3).tolist())

# %% [markdown]
# **What we see.** The variances are those of the snapshots, the covariance is *half* of theirs: SWAG is not the covariance of
# the snapshots, and says so in its own formula.
#
# **Laplace's approximation** [3] asks how sharply the loss is curved: where it is flat, weights may move. On the last layer the
# curvature is Σ_i (diag(p_i) − p_i p_iᵀ) ⊗ φ_i φ_iᵀ, with probabilities p and the layer's inputs φ, its *features* (no control
# points here; ⊗ is the Kronecker product). Automatic differentiation gives the same numbers.

# %%
phi, target = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)), torch.arange(50) % 4
weights = torch.randn(12, generator=torch.Generator().manual_seed(3))


def summed_loss(w):
    return nn.functional.cross_entropy(phi @ w.view(4, 3).T, target, reduction="sum")


by_hand = torch.autograd.functional.hessian(summed_loss, weights)
by_library = ln.methods.softmax_curvature(phi @ weights.view(4, 3).T, phi, bias=False)
assert torch.allclose(by_hand.double(), by_library, atol=1e-4)
print("the same 12 × 12 curvature; largest difference", f"{(by_hand - by_library).abs().max():.0e}")

# %% [markdown]
# ## The real case: the same three lines for every method
#
# A *law* is any way to many networks. Whatever made it, it predicts by the same call, and knows its cost in trainings. You know seven
# of the ten: the deep ensemble, SWAG and Laplace from above, the `mode_curve` and the `learned_subspace` of `03_paths`, and from
# `04_simplexes` the `simplex_ensemble`, grown around a network (its authors say ESPRO), and the `simplicial_complex` that joins
# networks (SPRO). New are three:
#
# - *snapshot ensemble* [5]: one training in cycles, at the end of each of which the learning rate is near zero and the network is kept;
# - *fast geometric ensemble* (FGE) [6]: the same in short cycles, from a trained network;
# - *dropout* [10]: each network drawn has other units switched off. The network has dropout layers for its sake.

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
net = ln.network("mlp", data, dropout=0.1, **({} if profile == "standard" else {"width": 100}))
recipe = ln.Recipe(epochs=4, batch=256 if profile == "standard" else 64, learning_rate=0.2, precision="float32")

live = {}
for name, make in ln.METHODS.items():
    law = make(net, data, budget=3, seed=0, recipe=recipe, progress=False)
    logp = law.predict(data.test.images, n=None if isinstance(law, ln.Members) else 20)
    live[name] = ln.score(logp, data.test.labels)
    right = live[name]["accuracy"].scaled(100, "%")
    print(f"{name:24} {law.cost.trainings:5.2f} trainings, {len(logp):2} networks: {right}, loss {live[name]['nll']}")

# %% [markdown]
# **What we see.** Ten ways, one protocol. The brackets are large: they are standard uncertainties for *these* test images, one
# run each, short trainings. Most of the differences can't be told from chance. Laplace pays for its curvature by training its
# networks a little shorter; on tiny data it costs more than was asked, and says so (Exercise 1). For a decision we need full
# trainings, more than one base, and the scale.
#
# ## At full size: thirteen ways at equal cost
#
# All of MNIST, MLP and CNN, budgets of 1, 1.5 and 3 trainings, two *bases* (disjoint networks), settings chosen on validation
# images from three candidates each, the same effort for every method. Two methods come in several ways: learned subspaces as line, curve and
# triangle; the deep ensemble also as a *short ensemble*, twice as many members of half a training. SWAG around several networks is
# called MultiSWAG [7]. From a law without members of its own, 30 networks are drawn.

# %%
for name in ("mlp", "cnn"):
    print(f"{name}: what the validation images chose, of three candidates in a row")
    for way, row in ln.load_result(f"mnist-{name}-settings").numbers.items():
        if way != "n":
            where = "" if row["chosen"] == 1 else ", at the end of the row"
            losses = ", ".join(f"{loss:.4f}" for loss in row["validation_nll"])
            print(f"   {way:17} {row['candidates'][row['chosen']]}{where} (losses {losses} nat)")

# %% [markdown]
# The deep ensemble's own row tells how fair the yardstick is: it keeps the recipe of the reference, whatever its row says. Where a choice
# lies at the end of its row, a still better setting may lie beyond; one seed stands behind each loss.

# %%
stored = {"MLP": ln.load_result("mnist-mlp-methods"), "CNN": ln.load_result("mnist-cnn-methods")}
ways = {name: {way: r.numbers["ways"][way] for way in r.numbers["order"]} for name, r in stored.items()}
source = stored["MLP"].provenance["data"]["title"] + ", official test images, n = 2 bases"
figure = figures.equivalents(
    ways, ["1", "1.5", "3"], largest=10, source=source,
    single={name: float(result.arrays["yardstick_cll_mean"][0]) for name, result in stored.items()},
    title="At equal cost, training the network again is hard to beat on MNIST",
)
course.save(figure, "06_equivalents")

# %%
for name, table in ways.items():
    print(f"{name}: deep-ensemble equivalent (band); yardstick of {stored[name].numbers['yardstick_networks']} networks")
    for way, rows in table.items():
        told = [f"{rows[b]['dee']['text'] if 'dee' in rows[b] else 'diverged':22}" for b in ("1", "1.5", "3")]
        print(f"   {way:17}", *told)

# %% [markdown]
# **What we see.** The dashed line is what the same cost buys by plain retraining; a method that pays stands on it or to its right.
# Bars are the bands of the scale, ticks the two bases. Numbers at the left of the grey field say how far below one network a way
# stays, in mnat, thousandths of a nat, of CLL.
#
# - *From scratch or between* (learned lines, curves and triangles, mode curves, SPRO, snapshots): below one network at nearly every budget.
#   The budget went into networks that are worse one by one, and on the CNN some of these
#   trainings collapsed although none of them became NaN. On the MLP the three short subspaces of budget 3 are worse than the one that
#   budget 1.5 trains for longer.
# - *Around trained networks* (FGE, ESPRO, SWAG): at budget 3 they hold two networks, and are worth about two. What they add to a
#   network is small.
# - *Laplace and dropout* stay near the line or pass it. The one comes after plain training, the other is part of it. Laplace's height on the
#   CNN at budget 3 has no counterpart at 1 and 1.5: its three networks are other ones than the ensemble's, trained a little shorter to
#   pay for the curvature, and three networks may be lucky.
#
# The ticks often lie as far apart as the methods do: with n = 2, an order among neighbours would be an order of luck.
#
# ### Are the members different, and is that enough?
#
# Fort et al. [4] ask two things of an ensemble: how good is one member, and on how many images do two members decide
# differently? Members may differ by being wrong. Best is high and to the right.

# %%
figure = figures.diversity(
    {
        name: {
            way: (100 * rows["3"]["member_accuracy"].value, 100 * rows["3"]["disagreement"].value)
            for way, rows in table.items() if "dee" in rows["3"]
        }
        for name, table in ways.items()
    },
    least=97,
    source=source + ", budget 3",
    title="Members that differ are worse one by one, or were trained apart",
)
course.save(figure, "06_diversity")

# %% [markdown]
# The same question as a table of two times two: one trained network or two, each alone or with SWAG around it.

# %%
rows = {}
for name, table in ways.items():
    for m, number, budget in ((1, "one network", "1.5"), (2, "two networks", "3")):
        alone = float(stored[name].arrays["yardstick_cll_mean"][m - 1])
        rows[f"{name}, {number}"] = {"alone": alone, "SWAG around it": str(table["SWAG"][budget]["cll"])}
course.table(rows, "CLL in nat", digits=4)

# %% [markdown]
# **What we see.** A second training brings more than SWAG around the first, on both networks, and SWAG around both adds nothing to
# the two that could be seen. That is what Fort et al. found: one valley holds less variety than two. In the figure the deep ensemble
# stands at the right, good members that differ. What lies above it lies further to the left: it differs more by being wrong more often.
# The members of ESPRO, which stay closest to their networks, are as good, and differ least.
#
# ### Other scores, once
#
# Average probabilities or logits? Which foreign images (clothes instead of digits) are noticed by their entropy?

# %%
SCORES = {
    "loss of mean p": "nll",
    "of mean logit": "logit_nll",
    "AUROC foreign": "auroc",
    "calibration error": "calibration_error",
    "of it by chance": "calibration_bias",
}
course.table({
    f"{name}, {way}": {words: table[way]["3"][score].value for words, score in SCORES.items()}
    for name, table in ways.items()
    for way in ("deep ensemble", "FGE", "SWAG", "learned line", "dropout")
}, "Budget 3", digits=4)

# %% [markdown]
# **What we see.** On the MLP it hardly matters whether logits or probabilities are averaged: two bases differ by more. On the CNN the mean of
# logits has the lower loss in each row, for FGE by more than luck. So the choice must be made beforehand, and be the same for all: we average
# probabilities. Clothes are noticed about equally well by all five. The calibration errors are about one per cent or less, and a part
# of that is chance: compare the last two columns before you call a prediction miscalibrated.
#
# ## Which claims hold here?
#
# An honest table: what a paper says of its method, in its own setting (mostly CIFAR and residual networks), and what the stored
# results say on MNIST. The verdict is computed, not typed: *open*, where the difference is below the standard deviation of a mean of two
# networks' CLL, what two bases may differ by through luck. A claim that fails here isn't refuted there.

# %%
ONE = ("one network", "1")
claims = {
    "short ensemble beats one network at 1 training": (("short ensemble", "1"), ONE),
    "snapshots beat one network at 1 training [5]": (("snapshots", "1"), ONE),
    "FGE beats one network at 1.5 trainings [6]": (("FGE", "1.5"), ONE),
    "FGE beats one longer training at 1.5 [6]": (("FGE", "1.5"), ("deep ensemble", "1.5")),
    "SWAG beats one network at 1.5 trainings [2]": (("SWAG", "1.5"), ONE),
    "MultiSWAG beats the deep ensemble at 3 [7]": (("SWAG", "3"), ("deep ensemble", "3")),
    "a learned line beats one network at 1 training [8]": (("learned line", "1"), ONE),
    "ESPRO beats one network at 1.5 trainings [9]": (("ESPRO", "1.5"), ONE),
    "SPRO beats the deep ensemble at 3 [9]": (("SPRO", "3"), ("deep ensemble", "3")),
    "the curve beats the deep ensemble at 3 [6]": (("mode curve", "3"), ("deep ensemble", "3")),
    "Laplace beats the network it is put on, at 1 [3]": (("Laplace", "1"), ("deep ensemble", "1")),
    "dropout beats one network at 1 training [10]": (("dropout", "1"), ONE),
}
course.table(tables.claims(stored, claims), "CLL, ours less theirs; n = 2 bases, official test images")

# %%
for name, result in stored.items():
    gate = result.numbers["G6"]
    print(f"G6, {name}: {tables.WORDS[gate['passed']]}; best {gate['best']}, equivalent {gate['its equivalent']:.1f}")

# %% [markdown]
# **What we see.** Most claims fail here or stay open. The claims of *better than one network* compare with a network of cost 1; at 1.5 one can
# also train one network for longer, and that is the comparison they lose. Your guess: for one and a half trainings or fewer the best is
# dropout, worth 1.7 members on either network. So the nearest answer is 2, and gate G6, which asked for 3, has failed (gates: see `05_mnist`).
# On the CNN plain training for one and a half times as long comes as far. MNIST is easy: where one network is right on more than 98 % of
# the images, little is left for many to gain. On CIFAR, with fewer methods, the answer is the same (`09`, `10`).
#
# ## Trap: a comparison at unequal cost, without a temperature
#
# Two ways to fool oneself. First, ranking by plain loss: an over-confident method ranks too low, though one number would cure it. Second, a
# baseline that costs less. Below, FGE: its rank among the thirteen ways at budget 3 by plain loss and by CLL; then its CLL at 1.5
# against a network of cost 1, and against one of cost 1.5.

# %%
for name, table in ways.items():
    rank = {score: sorted(table, key=lambda way: sign * table[way]["3"][score].value if score in table[way]["3"] else 9)
            for score, sign in (("nll", 1), ("cll", -1))}
    told = {score: rank[score].index("FGE") + 1 for score in rank}
    ours, longer = (table[way]["1.5"]["cll"].value for way in ("FGE", "deep ensemble"))
    short = float(stored[name].arrays["yardstick_cll_mean"][0])
    print(f"{name}: rank by loss {told['nll']}, by CLL {told['cll']}; at 1.5 {1000 * (ours - short):+.1f} mnat against cost 1, "
          f"{1000 * (ours - longer):+.1f} mnat against cost 1.5")

# %% [markdown]
# On the CNN both traps close: a temperature lifts FGE by three ranks, and its gain over a network of cost 1 is a loss at equal cost.
# **The cure:** the same cost on both sides, and a temperature before any likelihood is compared.
#
# ## Exercises
#
# ### Exercise 1
#
# Use your own network. Write a builder with dropout, and run every method on it at a budget of 2. Which methods ask something of
# your network, and what do they say when it isn't there?

# %% tags=["solution"] jupyter={"source_hidden": true}
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Dropout(0.1))
        self.head = nn.Linear(6 * 2 * 2, 10)

    def forward(self, x):
        return self.head(self.body(x))


digits = ln.load("digits")
fast = ln.Recipe(epochs=8, batch=50, precision="float32")  # on data so small, Laplace's curvature is dear: see its cost
for name, make in ln.METHODS.items():
    law = make(Mine, digits, budget=2, recipe=fast, progress=False)
    logp = law.predict(digits.test.images, n=None if isinstance(law, ln.Members) else 10)
    print(f"{name:24} {law.cost.trainings:.2f} trainings, loss {ln.score(logp, digits.test.labels)['nll']}")
try:
    ln.dropout(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits)
except ValueError as refusal:
    print(textwrap.fill(f"without dropout: {refusal}", 100))
try:
    ln.laplace(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LogSoftmax(1)), digits)
except ValueError as refusal:
    print(textwrap.fill(f"without a linear last layer: {refusal}", 100))

# %% [markdown]
# ### Exercise 2
#
# Your three networks are trained already. Put SWAG around them without training them again. What does it cost in all?

# %% tags=["solution"] jupyter={"source_hidden": true}
mine = ln.fit(Mine, digits, seeds=range(3), recipe=fast, progress=False)
around = ln.swag(Mine, digits, runs=mine, budget=4.5, recipe=fast, progress=False)
print(around.cost, "of which 3 are the networks that were there")

# %% [markdown]
# ### Exercise 3
#
# *Batch normalisation* keeps means and variances of what passes through a layer; they belong to one θ only (`08_cifar10` shows it), and
# must be refreshed for each network drawn. What does that cost for 20 networks of yours (`ln.training.refresh_cost`), in trainings, and why is it
# not part of `law.cost`?

# %% tags=["solution"] jupyter={"source_hidden": true}
refresh = ln.training.refresh_cost(around, digits, 20)
print(f"{refresh.trainings:.2f} trainings' worth of operations, {refresh.seconds:.2f} s here")
# It is a cost of prediction: it grows with the number of networks drawn, not with the training, and is the same for all methods.
# On this tiny set the fixed images are a large part of all images, so that it looks dear; on MNIST it is small.

# %% [markdown]
# ### Exercise 4
#
# The yardstick's own curve is a mean over ensembles. Read off, for both networks, how much a second member brings, and the tenth. Why
# is the band of a DEE wide for large ensembles?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, result in stored.items():
    height, sd = result.arrays["yardstick_cll_mean"], result.arrays["yardstick_cll_sd"]
    print(f"{name}: second member {1000 * (height[1] - height[0]):+.2f} mnat, tenth {1000 * (height[9] - height[8]):+.2f} mnat, "
          f"scatter of one ensemble of ten {1000 * sd[9]:.2f} mnat")
# The curve flattens: far out, a small difference in likelihood is a large one in members.

# %% [markdown]
# ## Summary
#
# DEE puts every method on one scale: members of a deep ensemble, after a temperature. At equal cost on MNIST no way of making many
# networks is clearly ahead of plain training and retraining on both networks (dropout comes nearest), and subspaces learned from scratch are
# clearly worse; exploring around a network adds little to its prediction. That says nothing yet about what exploring tells of the *uncertainty* u(x), the other axis of this course.

# %% [markdown]
# ## What was recorded

# %%
course.record(
    "06_methods",
    profile,
    {f"NLL of {name}": live[name]["nll"] for name in ("deep_ensemble", "swag", "simplex_ensemble", "dropout")},
    data=data,
)

# %% [markdown]
# ## References
#
# 1. Ashukha, Lyzhov, Molchanov, Vetrov 2020, arXiv 2002.06470: DEE, calibrated log-likelihood, and the comparison on CIFAR.
# 2. Maddox, Garipov, Izmailov, Vetrov, Wilson 2019, arXiv 1902.02476: SWAG.
# 3. Daxberger, Kristiadi, Immer, Eschenhagen, Bauer, Hennig 2021, arXiv 2106.14806: Laplace's approximation, on the last layer.
# 4. Fort, Hu, Lakshminarayanan 2019, arXiv 1912.02757: disagreement against accuracy, subspaces against ensembles.
# 5. Huang, Li, Pleiss, Liu, Hopcroft, Weinberger 2017, arXiv 1704.00109: snapshot ensembles.
# 6. Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, arXiv 1802.10026: curves and fast geometric ensembles.
# 7. Wilson, Izmailov 2020, arXiv 2002.08791: MultiSWAG.
# 8. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: learned lines, curves and simplexes.
# 9. Benton, Maddox, Lotfi, Wilson 2021, arXiv 2102.13042: ESPRO and SPRO.
# 10. Gal, Ghahramani 2016, arXiv 1506.02142: dropout as a law over networks.
#
# **Next:** `07_retraining_uncertainty` asks not how good a prediction is, but how far another training would move it.
