# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Methods: a budget of three trainings, and ten ways to spend it
#
# **Question.** You can afford one training, or one and a half, or three. Which way of making *many networks* from it predicts
# best? Is any better than training again?
#
# **What you will learn**
# - to put every method on one scale: how many members of a deep ensemble is it worth (DEE)?
# - why a temperature must be fitted before predictions are compared, and on which images;
# - SWAG and Laplace by hand, on problems small enough to check;
# - which published claims hold at equal cost, on MNIST, with an MLP and a CNN.
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
# A deep ensemble of three members costs three trainings. **For one and a half trainings, how many members can the best
# method be worth: 1, 2, 3, or 5?** Large experiments on CIFAR-10 gave values around 3 [1].

# %% [markdown]
# ## The scale: deep-ensemble equivalent
#
# Take the mean log-likelihood of the test labels; higher is better. Plot it for deep ensembles of 1, 2, 3 … members. The curve
# rises. A method reaches some height on this axis. The number of members at which the curve reaches the same height is its
# **deep-ensemble equivalent** [1]:
#
# $$ \mathrm{DEE} = \min\{\, l \ge 1 : \mathrm{CLL_{DE}}(l) \ge \mathrm{CLL_{method}} \,\} $$
#
# linear between whole numbers. By hand, on a curve of three points:

# %%
curve, spread = np.array([-0.050, -0.045, -0.043]), np.array([0.001, 0.0007, 0.0005])
method = -0.046
left = int(np.flatnonzero(curve >= method)[0])  # the first size that is as good: left + 1 members
by_hand = left + (method - curve[left - 1]) / (curve[left] - curve[left - 1])
worth = ln.scores.deep_ensemble_equivalent(method, curve, spread)
print(f"by hand {by_hand:.2f}, by library {worth}")
assert np.isclose(by_hand, worth.value)

# %%
figure = lessons.read_equivalent(
    curve,
    method,
    by_hand,
    source="three made-up numbers",
    title="Across to the curve, and down to the members",
)
course.save_live(figure, "06_dee")

# %% [markdown]
# The band in brackets is the uncertainty of the scale: the equivalents for an ensemble curve one standard deviation higher and
# lower. A method below one network has "< 1". A method beyond the largest ensemble, for instance of ten, has "≥ 10".
#
# ### First a temperature
#
# A method may rank images well and be too sure. The *temperature* T corrects this: predict softmax(ln p̄ / T). Without it we
# would compare over-confidence. T must be fitted on other images than those it is scored on. Here each half of the test images
# uses the temperature of the other half. The result is the **calibrated log-likelihood**, CLL.

# %%
logp = torch.tensor([[0.99, 0.01]] * 8).log()  # very sure; of each four, three are right
labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
half = torch.tensor([0, 1] * 4)
T = np.log(99) / np.log(3)  # by hand: softmax(ln p / T) = (3/4, 1/4) where 99^(1/T) = 3
assert np.isclose(ln.fit_temperature(logp, labels), T, rtol=1e-4)
calibrated = ln.scores.calibrated_log_likelihood(logp, labels, half).value
by_hand = 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
print(f"log-likelihood {-ln.nll(logp, labels).value:.3f}")
print(f"with T = {T:.2f}: {calibrated:.3f}, and ¾ ln ¾ + ¼ ln ¼ = {by_hand:.3f}")

# %% [markdown]
# ## Two methods by hand
#
# **SWAG** [2] continues training at a constant learning rate and collects snapshots $\theta_k$. It draws new networks from a Gaussian
# with the mean of the snapshots. Half of the variance comes from the spread of each single weight, half from the common
# movements of the snapshots. We simulate snapshots of two weights that move together.

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
covariances = {
    "snapshots": apart.T.cov(),
    "SWAG, by formula": stated,
    "SWAG, 20 000 draws": drawn.T.cov(),
}
rows = {}
for name, found in covariances.items():
    rows[name] = {
        "variance of weight 1": found[0, 0],
        "of weight 2": found[1, 1],
        "covariance": found[0, 1],
    }
course.table({name: {k: float(v) for k, v in row.items()} for name, row in rows.items()}, digits=3)

# %% [markdown]
# **What we see.** The variances are those of the snapshots. The covariance is *half* of theirs: by its definition, SWAG does
# not have the covariance of the snapshots.
#
# **Laplace's approximation** [3] uses the curvature of the loss: where the loss is flat, weights may move. On the last layer the
# curvature is $\sum_i (\operatorname{diag} p_i - p_i p_i^\mathsf{T}) \otimes \varphi_i \varphi_i^\mathsf{T}$, with probabilities p and the inputs φ of the layer, its *features* (⊗ is
# the Kronecker product). Automatic differentiation of the loss, written by hand here, gives the same numbers.

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
# The law of Laplace is normal, with the trained weights as mean and (curvature + λ I)⁻¹ as covariance: where the curvature is
# small, the variance is large. λ is the precision of a prior; it bounds the variance where the curvature is zero. That is so in
# some directions here: if all four classes get the same weights in addition, no probability changes.

# %%
precision = 1.0
covariance = torch.linalg.inv(by_library + precision * torch.eye(12))
directions = {
    "the same for all four classes": torch.ones(4, 1),
    "class 1 against class 2": torch.tensor([[1.0], [-1.0], [0.0], [0.0]]),
}
for name, d in directions.items():
    d = nn.functional.normalize((d * torch.tensor([[1.0, 0.0, 0.0]])).flatten().double(), dim=0)
    print(f"variance of the first weight, {name}: {d @ covariance @ d:.2f}")

# %% [markdown]
# ## The real case: the same three lines for every method
#
# Every method returns a *law*, which predicts and knows its cost in trainings. A law of members predicts with all of them; for
# other laws, you state how many networks to draw. You know seven of the ten methods: the deep ensemble; SWAG and Laplace from
# above; the `mode_curve` and the `learned_subspace` of `03_paths`; and from `04_simplexes` the `simplex_ensemble`, grown around
# a network (its authors call it ESPRO), and the `simplicial_complex` that joins networks (SPRO). Three are new:
#
# - *snapshot ensemble* [5]: one training in cycles. At the end of each cycle the learning rate is near zero and the network is
#   kept;
# - *fast geometric ensemble* (FGE) [6]: the same in short cycles, from a trained network;
# - *dropout* [10]: each network that is drawn has other units switched off. Our network has dropout layers for this method.

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
real = profile == "standard"
net = ln.network("mlp", data, dropout=0.1, width=200 if real else 100)
batch = 256 if real else 64
recipe = ln.Recipe(epochs=4, batch=batch, learning_rate=0.2, precision="float32")

live, rows = {}, {}
for name, make in ln.METHODS.items():
    law = make(net, data, budget=3, seed=0, recipe=recipe, progress=False)
    drawn = None if isinstance(law, ln.Members) else 20
    logp = law.predict(data.test.images, n=drawn)
    live[name] = ln.score(logp, data.test.labels)
    rows[name] = {
        "cost (trainings)": law.cost.trainings,
        "networks": len(logp),
        "right": str(live[name]["accuracy"].scaled(100, "%")),
        "loss": str(live[name]["nll"]),
    }
course.table(rows, digits=2)

# %% [markdown]
# **What we see.** The same protocol serves all ten methods. The brackets are standard uncertainties over *these* test images,
# for one run of each method with short trainings. They are large: most differences between neighbours may be chance. Laplace
# spends part of its budget on the curvature and trains its networks for a little less time. A decision needs full trainings,
# more than one base, and the scale.
#
# ## At full size: fourteen ways at equal cost
#
# The stored study has all of MNIST, an MLP and a CNN, budgets of 1, 1.5 and 3 trainings, and two *bases* (disjoint networks). For
# each method the settings were chosen on validation images from three candidates. Two methods have several variants. Learned
# subspaces are a line, a curve or a triangle; a budget of 3 trains three of them, one of 1.5 trains one for longer. The *short ensemble* is a deep ensemble with twice as many members, each trained
# for half as long; the *long ensemble*, at three trainings, has two members, each trained half as long again. SWAG around several
# networks is called MultiSWAG [7]. If a law has no fixed members, 30 networks are drawn from it. For some methods the
# chosen candidate was the first or the last of the three, so a better setting may lie beyond
# (`13_appendix`). The deep ensemble of the yardstick always keeps the recipe of the reference.

# %%
stored = {"MLP": ln.load_result("mnist-mlp-methods"), "CNN": ln.load_result("mnist-cnn-methods")}
ways = {
    name: {way: r.numbers["ways"][way] for way in r.numbers["order"]} for name, r in stored.items()
}
source = stored["MLP"].provenance["data"]["title"] + ", official test images, n = 2 bases"
figure = figures.equivalents(
    ways,
    ["1", "1.5", "3"],
    largest=10,
    source=source,
    single={name: float(result.arrays["yardstick_cll_mean"][0]) for name, result in stored.items()},
    title="At equal cost, training the network again is hard to beat on MNIST",
)
course.save(figure, "06_equivalents")

# %%
rows = {}
for name, table in ways.items():
    for way, row in table.items():
        for budget in ("1", "1.5", "3"):
            cell = row.get(budget, {"dee": {"text": "–"}})
            text = cell["dee"]["text"] if "dee" in cell else "diverged"
            rows.setdefault(way, {})[f"{name}, {budget}"] = text
course.table(rows, "Deep-ensemble equivalent (band) for each network and budget")

# %% [markdown]
# **What we see.** The dashed line is plain retraining at the same cost. A method that is worth its price lies on it or to its
# right. Bars are the bands of the scale, ticks the two bases. A number in the grey field at the left shows how far a method is
# below one network, in mnat of CLL (thousandths of a nat). A deep ensemble of cost 1 is one network. It may differ from 1,
# since its learning rate was chosen anew and two bases are few.
#
# - *From scratch or between networks* (learned lines, curves and triangles, mode curves, SPRO, snapshots): they are below one
#   network at nearly every budget. Their single networks are worse. On the CNN some of these trainings failed to learn, without
#   becoming NaN. On the MLP the three short subspaces of budget 3 are worse than the one longer subspace of budget 1.5.
# - *Around trained networks* (FGE, ESPRO, SWAG): at budget 3 they hold two networks, and are worth about two. They add little
#   to a network.
# - *Fewer and longer* (long ensemble): two networks, each trained half as long again, are worth about three.
# - *Laplace and dropout* lie near the line or beyond it. Laplace is added after plain training; dropout is a part of it. The
#   high value of Laplace on the CNN at budget 3 has no counterpart at 1 and 1.5. Its three networks are not those of the
#   ensemble; they may be lucky.
#
# The ticks are often as far apart as the methods. With n = 2, the order of neighbours is a matter of luck.
#
# ### Are the members different, and is that enough?
#
# Fort et al. [4] look at two properties of an ensemble: how good one member is, and on how many images two members decide
# differently. Members may also differ because they are wrong. The best place is high and to the right.

# %%
figure = figures.diversity(
    {
        name: {
            way: tuple(100 * row["3"][key].value for key in ("member_accuracy", "disagreement"))
            for way, row in table.items()
            if "dee" in row["3"]
        }
        for name, table in ways.items()
    },
    least=97,
    source=source + ", budget 3",
    title="No method lies above the deep ensemble and to its right",
)
course.save(figure, "06_diversity")

# %% [markdown]
# The next table asks the same question for one trained network and for two, each alone and with SWAG around it.

# %%
rows = {}
for name, table in ways.items():
    for m, number, budget in ((1, "one network", "1.5"), (2, "two networks", "3")):
        alone = float(stored[name].arrays["yardstick_cll_mean"][m - 1])
        rows[f"{name}, {number}"] = {
            "alone": alone,
            "SWAG around it": str(table["SWAG"][budget]["cll"]),
        }
course.table(rows, "CLL in nat", digits=4)

# %% [markdown]
# **What we see.** A second training gains more than SWAG around the first, for both kinds of network. SWAG around both adds
# nothing visible. Fort et al. found the same: one valley holds less variety than two. In the figure the deep ensemble is at the
# right: its members are good and differ. All that lies above it lies further to the left: these members differ more because
# they are wrong more often. The members of ESPRO stay closest to their networks. They are as good, and differ least.
#
# ### Other scores, once
#
# Should we average probabilities or logits? Does the entropy detect foreign images (clothes instead of digits)?

# %%
SCORES = {
    "loss of mean p": "nll",
    "of mean logit": "logit_nll",
    "AUROC foreign": "auroc",
    "calibration error": "calibration_error",
    "of it by chance": "calibration_bias",
}
rows = {}
for name, table in ways.items():
    for way in ("deep ensemble", "FGE", "SWAG", "learned line", "dropout"):
        scores = table[way]["3"]
        rows[f"{name}, {way}"] = {words: scores[score].value for words, score in SCORES.items()}
course.table(rows, "Budget 3", digits=4)

# %% [markdown]
# **What we see.** On the MLP the choice between logits and probabilities hardly matters: two bases differ by more. On the CNN
# the mean of logits has the lower loss in each row, for FGE by more than chance. So the choice must be made beforehand, and be
# the same for all methods. We average probabilities. All five detect clothes about equally well. The calibration errors are
# about one per cent or less, and a part of that is chance: compare the last two columns before you call a prediction
# miscalibrated.
#
# ## Which claims hold here?
#
# Each row is a claim of a paper, made in its setting (mostly CIFAR and residual networks). The columns show the stored results
# on MNIST. The verdict is computed. It is *open* if the difference is within two standard uncertainties (±): means of two
# networks differ by so much through luck, and of twenty claims of no difference about one is decided. A claim that fails here
# may still hold in its setting.

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
course.table(
    tables.claims(stored, claims),
    "CLL, ours less theirs (mnat); n = 2 bases, official test images",
)

# %%
for name, result in stored.items():
    gate = result.numbers["G6"]
    print(f"G6, {name}: {tables.WORDS[gate['passed']]}; best {gate['best']}, "
          f"equivalent {gate['its equivalent']:.1f}")

# %% [markdown]
# **What we see.** Most claims stay open: two bases can't decide a difference of one or two thousandths of a nat. Snapshots, the
# learned line and SPRO fail on both networks, and only the claim of dropout holds, on the perceptron. The claims *better than
# one network* compare with a network of cost 1. For 1.5 trainings one can also train one network for longer. FGE, SWAG and
# ESPRO have a lower likelihood than that, by about as much as luck allows. Compare with your guess: for one and a half trainings
# or fewer the best method is dropout, worth 1.7 members on either network. So the nearest answer is 2, and gate G6, which asked
# for 3, has failed (`05_mnist` explains gates). On the CNN plain training for one and a half times as long is as good. MNIST is
# easy: one network is right on more than 98 % of the images, so many networks can gain little. On CIFAR, with fewer methods, one
# longer plain training is the best of all (`09_cifar100`, `10_synthesis`).
#
# ## Trap: a comparison at unequal cost, without a temperature
#
# Two comparisons mislead. The first ranks by plain loss: an over-confident method ranks too low, though a temperature would
# correct it. The second uses a baseline that costs less. We look at FGE: its rank among the fourteen ways at budget 3, by
# plain loss and by CLL; then its CLL at 1.5 against a network of cost 1, and against one of cost 1.5.

# %%
rows = {}
for name, table in ways.items():
    at_three = [row["3"] for row in table.values() if "cll" in row["3"]]
    fge, longer = table["FGE"], table["deep ensemble"]["1.5"]["cll"].value
    short = float(stored[name].arrays["yardstick_cll_mean"][0])
    gain = 1000 * fge["1.5"]["cll"].value
    rows[name] = {
        "rank by loss": 1 + sum(row["nll"].value < fge["3"]["nll"].value for row in at_three),
        "rank by CLL": 1 + sum(row["cll"].value > fge["3"]["cll"].value for row in at_three),
        "gain over cost 1 (mnat)": f"{gain - 1000 * short:+.1f}",
        "gain over cost 1.5 (mnat)": f"{gain - 1000 * longer:+.1f}",
    }
course.table(rows, "FGE: rank at budget 3, and gain of CLL at budget 1.5")

# %% [markdown]
# On the CNN both comparisons mislead: a temperature raises FGE by three ranks, and its gain over a network of cost 1 is a loss at
# equal cost. **The cure.** Compare at the same cost, and fit a temperature before you compare likelihoods.
#
# ## Exercises
#
# ### Exercise 1
#
# You have three trained networks. Put SWAG around them without training them again (`ln.swag(…, runs=…)`). What does it cost in
# all?

# %% tags=["solution"] jupyter={"source_hidden": true}
def small():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(3),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


digits = ln.load("digits")
fast = ln.Recipe(epochs=8, batch=50, precision="float32")
three = ln.fit(small, digits, seeds=range(3), recipe=fast, progress=False)
around = ln.swag(small, digits, runs=three, budget=4.5, recipe=fast, progress=False)
print(around.cost, "of which 3 are the networks that were there")
# In all that is the cost printed: three for the networks, the rest for the further steps of SWAG.

# %% [markdown]
# ### Exercise 2
#
# *Batch normalisation* keeps the means and variances of a layer's inputs. They belong to one θ only (`08_cifar10` shows it), and
# must be refreshed for each network that is drawn. What does that cost for 20 networks, in trainings
# (`ln.training.refresh_cost`)? Why is it not part of `law.cost`?

# %% tags=["solution"] jupyter={"source_hidden": true}
refresh = ln.training.refresh_cost(around, digits, 20)
print(f"{refresh.trainings:.2f} trainings' worth of operations")
# It is a cost of prediction: it grows with the number of networks that are drawn, and is the same
# for all methods. On this tiny set it looks expensive, since the fixed images are a large part of
# all images. On MNIST it is small.

# %% [markdown]
# ### Exercise 3
#
# The curve of the yardstick is a mean over ensembles. For both networks, how much does the second member gain, and how much the
# tenth? Why is the band of a DEE wide for large ensembles?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, result in stored.items():
    height, sd = result.arrays["yardstick_cll_mean"], result.arrays["yardstick_cll_sd"]
    gains = 1000 * np.diff(height)
    print(
        f"{name}: second member {gains[0]:+.2f} mnat, tenth {gains[8]:+.2f} mnat, "
        f"scatter of one ensemble of ten {1000 * sd[9]:.2f} mnat"
    )
# The curve flattens. For large ensembles a small difference in likelihood is a large one in
# members.

# %% [markdown]
# ### Exercise 4: your own network
#
# Take your own network and your own data, `ln.dataset(train=(images, labels), test=(images, labels))`. Write a builder with
# dropout, and run every method on it at a budget of 2. Which methods need a special layer in your network, and which error do
# they raise without it? Here, a small convolution on small digits stands in for yours.

# %% tags=["solution"] jupyter={"source_hidden": true}
def mine():
    return nn.Sequential(*list(small())[:-1], nn.Dropout(0.1), nn.Linear(24, 10))


rows = {}
for name, make in ln.METHODS.items():
    law = make(mine, digits, budget=2, recipe=fast, progress=False)
    logp = law.predict(digits.test.images, n=None if isinstance(law, ln.Members) else 10)
    loss = ln.score(logp, digits.test.labels)["nll"]
    rows[name] = {"cost (trainings)": f"{law.cost.trainings:.2f}", "loss": str(loss)}
display(course.table(rows))
try:
    ln.dropout(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits)
except ValueError as refusal:
    print(textwrap.fill(f"without dropout: {refusal}", 100))
try:
    ln.laplace(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.LogSoftmax(1)), digits)
except ValueError as refusal:
    print(textwrap.fill(f"without a linear last layer: {refusal}", 100))

# %% [markdown]
# ## Summary
#
# DEE puts every method on one scale: members of a deep ensemble, after a temperature. At equal cost on MNIST no method is clearly
# better than plain training and retraining on both networks. Dropout comes nearest. Subspaces learned from scratch are clearly
# worse, and exploring around a network adds little to its prediction. Can exploring show how large the *uncertainty* u(x) is?
# That is the other question of this course.

# %% [markdown]
# ## What was recorded

# %%
course.record(
    "06_methods",
    profile,
    {
        f"NLL of {name}": live[name]["nll"]
        for name in ("deep_ensemble", "swag", "simplex_ensemble", "dropout")
    },
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
