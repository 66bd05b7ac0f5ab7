# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · CIFAR-10: where training loss is not zero
#
# **Question.** On MNIST the networks learn their images nearly by heart. On CIFAR-10 [1] they don't: at the end of training the
# loss and its gradients are not near zero. Do the MNIST results still hold?
#
# **What you will learn**
# - what lies between two *residual* networks, and which trap batch normalisation sets;
# - what retraining changes if many decisions are close;
# - whether three trainings give u(x) as well as on MNIST;
# - how to see beforehand whether exploring near a solution will help.
#
# **Before you start.** `03_paths` (lines, curves, barriers) and `07_retraining_uncertainty` (prior, covariates, REN).
#
# **Minutes.** 15 minutes to read. To compute: half a minute in the profile `quick`, about three minutes in `standard`, on one
# thread.

# %% tags=["parameters"]
profile = ""

# %%
from dataclasses import replace

import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy

import lnescape as ln
from notebooks import course
from report.studies import figures, lessons, tables
from report.studies.classes import CIFAR10
from report.studies.dispersion import dithered
from report.studies.pairs import FURTHER, PAIRS, SHORT

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. Twenty-four residual networks are trained on CIFAR-10; each gets 90 % right. There are 7 000 images that they never saw, each
#    with a class that was fixed beforehand. On how many does at least one network decide otherwise: **one in 25** (as for MNIST's
#    perceptron), **one in 10**, or **one in four**?
# 2. Take three trainings and all free covariates. Are they worth *more* or *fewer* plain retrainings than on MNIST?

# %% [markdown]
# ## The landscape of a residual network
#
# Each block of a ResNet [2] adds something to its input. Ours has eight layers, so that it trains in a minute, and a *batch
# normalisation* [3] before each activation. In `standard` it gets the first 8 000 training images of CIFAR-10. In `quick` drawn
# shapes stand in for them: good for trying the code, not for conclusions.

# %%
real = profile == "standard"
sizes = {"train": 8000 if real else 2000, "validation": 500, "calibration": 500, "test": 1000}
data = course.first_images(ln.load("cifar10" if real else "shapes"), sizes, halved=not real)
net = ln.network("resnet", data, depth=8, width=8)
recipe = ln.Recipe(epochs=6, batch=64, precision="float32")
runs = ln.fit(net, data, seeds=[0, 1], recipe=recipe, progress=False)
data

# %%
some = data.train.subset(slice(0, 500))
logp = runs.predict(data.test.images)
single = ln.score(logp[:1], data.test.labels)
print(f"{runs.n_parameters} weights; one network: {single['accuracy']} right, loss {single['nll']}")

# %% [markdown]
# ### Batch normalisation: weights are not the whole network
#
# In training, a batch normalisation takes the mean and variance of each channel *from the batch*. For a single image a trained
# network has no batch. It uses *running statistics*, averages that were collected during training. They are not weights: no
# gradient changes them. They are valid for *these* weights only.
#
# Now go along the straight line between two networks. The weights half-way are the mean of the weights. Which statistics belong
# to them? It is tempting to average these, too: this happens if you average two saved networks entry by entry.

# %%
module = net().eval()
# statistics of each end
ends = [dict(runs.module(theta).named_buffers()) for theta in runs.vectors]


def loss_with_mixed_statistics(theta, t):
    torch.nn.utils.vector_to_parameters(theta, module.parameters())
    mixed = {name: torch.lerp(ends[0][name].float(), ends[1][name].float(), t) for name in ends[0]}
    with torch.no_grad():
        logits = torch.func.functional_call(module, mixed, (some.images,))
    return cross_entropy(logits, some.labels).item()


# %% [markdown]
# The other way is to pass some images through *each* network on the line, and to compute its statistics from them. By hand:

# %%
fixed = data.normalisation_images[: 1000 if real else 500]  # training images, the same for all


def refresh(theta):
    """Give `module` the weights θ and the statistics that belong to them."""
    torch.nn.utils.vector_to_parameters(theta, module.parameters())
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over the batches that follow
    module.train()
    with torch.no_grad():
        for batch in fixed.split(500):
            module(batch)
    module.eval()


def loss():
    with torch.no_grad():
        return cross_entropy(module(some.images), some.labels).item()


# %% [markdown]
# By library: every law refreshes the statistics for each θ.

# %%
law = replace(runs, normalisation_images=fixed)  # fewer than the 5 000 of a study: enough for a map
segment = ln.Segment.between(runs[0], runs[1])
line = ln.along(law, segment, some, n=11)
refresh(segment.at(0.5))
assert np.isclose(loss(), line.loss[5], rtol=1e-3)

path = ln.fit_subspace(
    net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe, progress=False
)
curve = ln.along(law, path.subspace, some, n=11)
mixed = {
    name: np.array(
        [loss_with_mixed_statistics(way.at(float(t)), float(t)) for t in line.coordinates]
    )
    for name, way in (("line", segment), ("curve", path.subspace))
}

# %%
figure = ln.plots.path_losses(
    {
        "statistics mixed from the ends": {
            name: (line.coordinates, losses) for name, losses in mixed.items()
        },
        "statistics refreshed": {
            "line": (line.coordinates, line.loss),
            "curve": (curve.coordinates, curve.loss),
        },
    },
    source=data.title + ", training images",
    title="The same weights: stale statistics invent a hill on the curve",
    logarithmic=False,
)
for axis in figure.axes:
    axis.set_ylim(0, 1.4 * max(losses.max() for losses in mixed.values()))
course.save_live(figure, "08_statistics")

# %% [markdown]
# ## Trap: the hill that isn't there
#
# **What we see.** On the left, both paths lead over a high hill, and the mode curve is no better than the line. On the right,
# the *same weights* have refreshed statistics. The line still has a hill, though a narrower one, and the curve is nearly level from
# one network to the other. The two panels agree at both ends, so a check of the ends finds nothing wrong.

# %%
rows = {}
for name, way, losses in (("line", segment, line.loss), ("curve", path.subspace, curve.loss)):
    refresh(way.at(0.5))
    ratios = []
    for buffer, value in module.named_buffers():
        if buffer.endswith("running_var"):
            mean = torch.lerp(ends[0][buffer], ends[1][buffer], 0.5)
            ratios.append((value / mean).median().item())
    rows[name] = {
        "barrier, mixed (nat)": ln.barrier(line.coordinates, mixed[name]),
        "barrier, refreshed (nat)": ln.barrier(line.coordinates, losses),
        "variance needed / mixed: first layer": ratios[0],
        "last layer": ratios[-1],
    }
course.table(rows, digits=2)

# %% [markdown]
# Why? In a mean of independently trained weights, sums of unrelated terms partly cancel. The signals are weaker, and a layer needs
# a *smaller* variance than the ends had. With the variances of the ends, the signal of the image fades from layer to layer [6].
# **The cure.** Every law of the package passes a fixed set of training images through each network that it draws [4, 5]. This is
# not free, and the cost is counted:

# %%
cost = ln.training.refresh_cost(path, data, 20).trainings
n_images = len(path.normalisation_images)
print(
    f"refreshing 20 networks, {n_images} images each: {cost:.2f} trainings of this short schedule"
)

# %%
corners = torch.stack([runs[0], runs[1], path.vectors[1]])
area = ln.plane(law, corners, some.subset(slice(0, 250)), n=9 if real else 7, margin=0.4)
anchors = torch.from_numpy(area.anchors)
bend = ln.Bezier.between(anchors[0], anchors[1]).with_vertices(anchors[[0, 2, 1]])
figure = ln.plots.plane_map(
    area.coordinates,
    area.loss,
    anchors=area.anchors,
    curve=bend.at(torch.linspace(0, 1, 50)).numpy(),
    source=data.title,
    title="Residual networks: around the hill, through low ground",
)
course.save_live(figure, "08_plane")

# %% [markdown]
# **What we see.** With refreshed statistics the map is like that of MNIST: two networks in low ground, a hill on the straight
# line, and a mode curve around it. This is one pair, n = 1.

# %% [markdown]
# ## At full size: what retraining changes
#
# The rest of this notebook reads stored studies, with all training images of CIFAR-10. The *fast* networks learn in few operations
# [7]: a training takes minutes on one core, and 85 to 93 % of the decisions are right. Two networks with standard recipes are included
# for comparison: a CNN without normalisation, and a ResNet of twenty layers and half the usual width. Their schedules
# are **short**, so that
# their accuracy is lower than it could be.

# %%
reference, stored = tables.stored_of_pairs(), tables.stored_of_pairs("-uncertainty")
names = [name for name in reference if "100" not in name]  # MNIST and CIFAR-10
every = tables.stored_of_pairs(pairs=(*PAIRS, *FURTHER, *SHORT))
course.table(tables.references({name: row for name, row in every.items() if "100" not in name}))

# %% [markdown]
# *Decides otherwise* is the share of test images on which a random retraining decides for another class than the scouts. *Ceiling* is
# the highest rank correlation that an estimate of u(x) can have with a reference of so many retrainings.

# %%
seen = ln.read_study("cifar10-fast-resnet")
q, contrast = dithered(seen["log_odds"].values), seen["contrast"].values
result = ln.load_result("cifar10-fast-resnet")
undecided = result.arrays["undecided"]
figure = figures.undecided_images(
    result.arrays["undecided_pixels"].transpose(0, 2, 3, 1),
    contrast[:, undecided],
    names=[f"“{CIFAR10[c]}”" for c in seen["chosen"].values[undecided]],
    source=result.provenance["data"]["title"] + f", fast residual network, {len(q)} retrainings",
    title="On these test images the seed decides",
)
course.save(figure, "08_undecided")

# %%
n = result.numbers
print(f"Fast ResNet: {n['flips']['ever']} of {n['images']} images are decided otherwise "
      "by at least one retraining")
for name, study in (("MNIST MLP", ln.read_study("mnist-mlp")), ("Fast ResNet", seen)):
    of_test = study["log_odds"].values[:, study["part"].values == "test"]
    print(f"{name}: median over test images of the mean log-odds {np.median(of_test.mean(0)):.1f} nat")

# %% [markdown]
# **What we see.** The answer to the first guess is the last of the three. The log-odds scatter about as widely as on MNIST, by
# about one nat. But their means are much nearer to zero, so the same scatter changes far more decisions. (Read the figure like
# that of `05_mnist`.)
#
# ## Three trainings, before and after
#
# As in `07_retraining_uncertainty`, three retrainings of the fast ResNet are ours, and the other 21 judge. The covariate is the
# simplest one, the mean log-odds of the three. Is the scatter larger where the networks are surer of the class?

# %%
part = seen["part"].values
calibration, test = part == "calibration", part == "test"
ours, judges = q[:3], q[3:]
s2, true_u = ours.var(0, ddof=1), judges.std(0, ddof=1)[test]
ways = {"plain": ln.type_a(ours)}
covariates = {
    "constant prior": np.empty((len(q[0]), 0)),
    "prior with mean log-odds": ours.mean(0)[:, None],
}
for name, h in covariates.items():
    ways[name] = ln.moderated(ours, ln.fit_prior(s2[calibration], 2, h[calibration]), h)
stated = {name: one.scale[test] for name, one in ways.items()}
surer = spearmanr(ours.mean(0)[test], true_u).statistic
print(f"rank correlation of the mean log-odds with the u of the judges: {surer:+.2f}")

# %%
figure = lessons.stated_against_true(
    stated,
    true_u,
    {name: 100 * np.mean(np.log(u / true_u) ** 2) ** 0.5 for name, u in stated.items()},
    source=f"CIFAR-10, fast ResNet, {test.sum()} test images, three retrainings judged by {len(judges)}",
    title="On CIFAR-10, too, a prior makes u(x) from three trainings far more accurate",
)
course.save_live(figure, "08_before_after")

# %% [markdown]
# **What we see.** Yes, the scatter is a little larger where the networks are surer. The constant prior gains most, as on MNIST.
# (The errors include the noise of the 21 judges, 16 %.) The mean log-odds adds a little.
#
# ### All covariates that were tried
#
# | group | quantity | further trainings |
# |---|---|---|
# | outputs | mean log-odds, logits, distance in the last layer | 0 |
# | classes | the class of the image | 0 |
# | neighbourhood | spread of q when the image is moved by pixels | 0 |
# | training path | spread of q over the ends of the epochs | 0 |
# | noise | spread of q under noise on the weights | 0 |
# | differences | how the M networks differ in *other* quantities: moved images, other classes, earlier epochs | 0 |
# | bursts | spread of q over short restarts at a raised learning rate | some |
# | SWAG, FGE | spread of q over networks that are drawn around one, or collected from a cycling rate | some |
# | line, curve, simplex | spread of q along learned paths | 1 and more |
# | mode curve | spread of q along a curve between two trained networks | 3 |
# | ESPRO | spread of q over a simplex that is grown from one network | 1.5 |
# | proxies | spread of q over cheap retrainings of a *narrower* network | some |
#
# The first six groups are *free*: they need no further training. The next table has two of them, all six together, and bursts.
# It comes from the stored studies, without the noise of the judges.

# %%
pairs = {name: stored[name] for name in names}
SHOWN = (
    "none (plain Type A)",
    "constant",
    "outputs",
    "differences",
    "bursts",
    "all free groups",
)
course.table(tables.worths(pairs, "3", SHOWN), "REN of three trainings, with its 95 % interval")

# %% [markdown]
# **What we see.** All free groups are worth as much for both networks on CIFAR-10 as for MNIST's perceptron. This answers the
# second guess. But other covariates have caught up. For the perceptron, *outputs* are far ahead of *differences* and *bursts*. Here
# *differences* are as good as outputs, and *bursts* at least as good. `13_appendix` has all groups, with cost, coverage and
# shifts. The gradient distance is better still (`11_local_geometry`):

# %%
course.table(tables.with_gradients("CIFAR-10 "), "REN, with its 95 % interval")

# %% [markdown]
# ## Does exploring near a solution pay, and how could one know?
#
# A *burst* restarts from a trained network at a raised learning rate, for a quarter of an epoch. The training loss that remains is
# known before any exploring.

# %%
course.table(tables.beforehand(), "Bursts of a quarter of an epoch, M = 3")

# %% [markdown]
# - *Bursts cover*: the distance that a burst covers, as a fraction of the distance between two solutions.
# - *Their partial R²*: constant and outputs leave a part of ln u² unexplained; bursts explain this share of it.
# - *REN of bursts*: on the calibration images, on which the settings of bursts were compared. The table of REN above holds for test
#   images.
#
# **What we see.** From top to bottom the training loss grows. On CIFAR, where more of it remains, bursts explain about ten
# times as much as on MNIST; among the networks on CIFAR there is no such order. (The CNN without normalisation and the ResNets
# have short schedules. `13_appendix` names the pairs whose other tables have bursts of another setting.) If the training loss
# is nearly zero, the gradients are small, and restarts hardly leave the network. So few networks prove no law: network and data
# changed together.
#
# Yet *on top of the free groups* one more training gains more than bursts of the same price (`10_synthesis`). The free groups already
# contain most of the information in bursts.
#
# ## What does accuracy change?
#
# Here are all networks on CIFAR-10 whose bursts are stored, in the order of their accuracy. The last one is a control: a ResNet of
# full width that was trained for thirty epochs. **A guess:** is u(x) smaller or larger where more decisions are right?

# %%
networks = {
    "ResNet, half width": "cifar10-resnet",
    "CNN without normalisation": "cifar10-cnn",
    "fast CNN": "cifar10-fast-cnn",
    "fast ResNet": "cifar10-fast-resnet",
    "ResNet, full width": "cifar10-resnet20",
}
course.table(tables.schedules(networks), "Five networks, REN with M = 2")

# %% [markdown]
# **What we see.** u(x) follows no order. The most accurate networks have a *larger* u(x) than the fast CNN. Yet their decisions
# are safer, since their mean log-odds have grown more: a better network may have a larger u(x). A constant prior is worth a
# little more where more decisions are right; the other values of REN follow no order.
#
# ## Exercises
#
# ### Exercise 1: the wrong statistics, once more
#
# Somebody keeps the running statistics of network 1 all along the line, and refreshes nothing. What is the loss at the other end,
# which is a good network?

# %% tags=["solution"] jupyter={"source_hidden": true}
statistics = dict(runs.module(runs[0]).named_buffers())
torch.nn.utils.vector_to_parameters(runs[1], module.parameters())
with torch.no_grad():
    logits = torch.func.functional_call(module.eval(), statistics, (some.images,))
    strange = cross_entropy(logits, some.labels).item()
print(f"network 2 with its own statistics {line.loss[-1]:.2f} nat")
print(f"with those of network 1 {strange:.2f} nat")
assert strange > line.loss[-1]
# A good network looks bad. Mixed statistics are right at both ends, which hides the trap.

# %% [markdown]
# ### Exercise 2: break it
#
# Apply the prior with the mean log-odds, fitted on calibration images, to the *noisy* test images ("noise 3"). Do the
# intervals still cover? Judge eight sets of three networks, and compare with plain intervals.

# %% tags=["solution"] jupyter={"source_hidden": true}
noisy, rows = part == "noise 3", {}
for name, images in (("test images", test), ("noisy images", noisy)):
    shares = {"plain": [], "prior with mean log-odds": []}
    for first in range(0, len(q) - 2, 3):  # eight sets of three
        mine, others = q[first : first + 3], np.delete(q, range(first, first + 3), 0)
        h = mine.mean(0)[:, None]
        prior = ln.fit_prior(mine[:, calibration].var(0, ddof=1), 2, h[calibration])
        for way, one in (("plain", ln.type_a(mine)), ("prior with mean log-odds", ln.moderated(mine, prior, h))):
            low, high = one.interval()
            shares[way].append(100 * ((others >= low) & (others <= high))[:, images].mean())
    for way, found in shares.items():
        rows[f"{name}, {way}"] = {
            "inside, mean of eight sets (%)": np.mean(found),
            "lowest set (%)": min(found),
            "highest set (%)": max(found),
        }
course.table(rows, digits=1)
# Less well. Noisy images scatter more widely than those that the prior was fitted on, and the mean
# log-odds doesn't show it. All noisy images move together, so that single sets are far off, even
# those of plain intervals.

# %% [markdown]
# ### Exercise 3: your own network
#
# Does your network have batch normalisation? Look at its buffers. What does it cost to refresh 20 of your networks? Here, a
# network with *group normalisation* stands in for yours. It computes mean and variance from the channels of a single image.

# %% tags=["solution"] jupyter={"source_hidden": true}
yours = ln.network("resnet", data, depth=8, width=8, norm="group")  # put your own builder here
print("buffers:", len(list(yours().named_buffers())), "against", len(list(net().named_buffers())))
law = ln.members(yours, [yours()], data)
print("refreshing 20 networks:", ln.training.refresh_cost(law, data, 20))
# There is nothing to refresh: θ is the whole network.

# %% [markdown]
# ## Summary
#
# Most results from MNIST also hold where the training loss is not zero. u(x) has about the same size, and a prior that all
# images share makes three trainings worth many times their number. One thing is new: exploring near a solution shows more of a
# pattern on CIFAR, where training loss remains, than on MNIST. Between networks with batch normalisation the statistics must be
# refreshed at each point. Otherwise, hills appear that don't exist.

# %% [markdown]
# ## What was recorded
#
# The brackets are over images. On another machine the same seeds give other networks, whose scatter the brackets exclude:
# *no* marks sets of networks that differ by more than the brackets allow.

# %%
course.record(
    "08_cifar10",
    profile,
    {
        "accuracy of one network": single["accuracy"],
        "NLL of one network": single["nll"],
        "disagreement of two retrainings": ln.scores.disagreement(logp),
    },
    data=data,
    figures=["08_statistics", "08_plane"],
)

# %% [markdown]
# ## References
#
# 1. Krizhevsky 2009, Learning multiple layers of features from tiny images: CIFAR-10.
# 2. He, Zhang, Ren, Sun 2016, arXiv 1603.05027: residual networks with activation before the weights.
# 3. Ioffe, Szegedy 2015, arXiv 1502.03167: batch normalisation.
# 4. Izmailov, Podoprikhin, Garipov, Vetrov, Wilson 2018, arXiv 1803.05407, section 3.2: statistics must be recomputed for averaged weights.
# 5. Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, arXiv 1802.10026: curves between networks, with the statistics recomputed.
# 6. Jordan, Sedghi, Saukh, Entezari, Neyshabur 2022, arXiv 2211.08403: why the variances of interpolated networks collapse.
# 7. Jordan 2024, arXiv 2404.00498: networks for CIFAR that learn in few operations.
#
# **Next:** `09_cifar100`, with a hundred classes.
