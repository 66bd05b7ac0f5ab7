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
# **Question.** On MNIST the networks learn their images nearly by heart. On CIFAR-10 [1] they don't: at the end of training the gradients
# still push. Does what MNIST taught hold there?
#
# **What you will learn**
# - what lies between two *residual* networks, and why batch normalisation sets a trap for whoever looks;
# - what retraining moves where many decisions are close;
# - whether three trainings know u(x) as well as on MNIST;
# - what one can look at beforehand to know whether exploring near a solution will tell anything.
#
# **Before you start.** `03_paths` (lines, curves, barriers) and `07_retraining_uncertainty` (prior, covariates, REN).
#
# **Minutes.** 15 minutes to read. To compute: half a minute in the profile `quick`, some three minutes in `standard`, on one thread.

# %% tags=["parameters"]
profile = ""

# %%
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import cross_entropy

import lnescape as ln
from notebooks import course
from report.studies import figures, lessons, tables
from report.studies.dispersion import dithered

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. Twenty-four small convolutional networks (CNN) are trained on CIFAR-10. Of 7 000 images that they never saw, on how many does at least
#    one of them decide otherwise than the class that was fixed beforehand: **one in 25** (as for MNIST's perceptron), **one in 10**, or **four in 10**?
# 2. Three trainings and all that can be looked at for nothing: are they worth *more* or *fewer* plain retrainings than on MNIST?

# %% [markdown]
# ## The landscape of a residual network
#
# A ResNet [2] carries its input along and only adds to it. Ours has eight layers, so that it trains in a minute, with a *batch normalisation* [3]
# before each activation. In `standard` it sees the first thousands of CIFAR-10's training images. In `quick` drawn shapes stand in for them: good for
# trying the code, not for conclusions.

# %%
real = profile == "standard"
sizes = {"train": 8000 if real else 2000, "validation": 500, "calibration": 500, "test": 1000}
data = course.first_images(ln.load("cifar10" if real else "shapes"), sizes, halved=not real)
net = ln.network("resnet", data, depth=8, width=8)
recipe = ln.Recipe(epochs=6, batch=64, precision="bfloat16" if real else "float32")
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
# In training, a batch normalisation takes mean and variance of each channel *from the batch*. A trained network that is asked about a single image has
# no batch; it uses *running statistics*, averages that were collected on the way. They are no weights: no gradient moves them. They belong to *these*
# weights and to no others.
#
# Now walk along the straight line between two networks. The weights half-way are the mean of the weights. And the statistics? It is tempting to take
# the mean of those, too: that is what averaging two saved networks entry by entry does.

# %%
module = net().eval()
ends = [dict(runs.module(theta).named_buffers()) for theta in runs.vectors]  # the statistics that belong to each end


def loss_with_mixed_statistics(theta, t):
    torch.nn.utils.vector_to_parameters(theta, module.parameters())
    mixed = {name: torch.lerp(ends[0][name].float(), ends[1][name].float(), t) for name in ends[0]}
    with torch.no_grad():
        logits = torch.func.functional_call(module, mixed, (some.images,))
    return cross_entropy(logits, some.labels).item()


# %% [markdown]
# The other way: let some images pass once more through *each* network on the line, and take the statistics anew. By hand:

# %%
fixed = data.normalisation_images[: 1000 if real else 500]  # some training images, the same for every network


def loss_with_refreshed_statistics(theta):
    torch.nn.utils.vector_to_parameters(theta, module.parameters())
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over the batches that follow
    with torch.no_grad():
        module.train()
        for batch in fixed.split(500):
            module(batch)
        module.eval()
        return cross_entropy(module(some.images), some.labels).item()


# %% [markdown]
# By library: every law refreshes the statistics at each θ that it is asked about.

# %%
law = replace(runs, normalisation_images=fixed)  # fewer than the 5 000 of a study: this is a map, not a measurement
segment = ln.Segment.between(runs[0], runs[1])
line = ln.along(law, segment, some, n=11)
assert np.isclose(loss_with_refreshed_statistics(segment.at(0.5)), line.loss[5], rtol=1e-3)

path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe, progress=False)
curve = ln.along(law, path.subspace, some, n=11)
mixed = {
    name: np.array([loss_with_mixed_statistics(way.at(float(t)), float(t)) for t in line.coordinates])
    for name, way in (("line", segment), ("curve", path.subspace))
}

# %%
figure = ln.plots.path_losses(
    {
        "statistics mixed from the ends": {name: (line.coordinates, loss) for name, loss in mixed.items()},
        "statistics refreshed": {"line": (line.coordinates, line.loss), "curve": (curve.coordinates, curve.loss)},
    },
    source=data.title + ", training images",
    title="The same weights: stale statistics invent a hill on the curve",
    logarithmic=False,
)
for axis in figure.axes:
    axis.set_ylim(0, 1.4 * max(loss.max() for loss in mixed.values()))
course.save_live(figure, "08_statistics")

# %% [markdown]
# ## Trap: the hill that isn't there
#
# **What we see.** Left, both ways lead over a high hill, and the learned curve is no better than the line. Right, the *same weights*, with statistics that
# are theirs: the line still has its hill, narrower, and the curve runs nearly level from one network to the other. At both ends left and right
# agree, so that a check of the ends finds nothing wrong.

# %%
rows = {}
for name, way, loss in (("line", segment, line.loss), ("curve", path.subspace, curve.loss)):
    loss_with_refreshed_statistics(way.at(0.5))  # leaves its statistics in the module
    needed = {buffer: value for buffer, value in module.named_buffers() if buffer.endswith("running_var")}
    ratios = [(value / torch.lerp(ends[0][buffer], ends[1][buffer], 0.5)).median().item() for buffer, value in needed.items()]
    rows[name] = {
        "barrier, mixed (nat)": ln.barrier(line.coordinates, mixed[name]),
        "barrier, refreshed (nat)": ln.barrier(line.coordinates, loss),
        "variance needed / mixed: first layer": ratios[0],
        "last layer": ratios[-1],
    }
course.table(rows, digits=2)

# %% [markdown]
# Why? In a mean of independently trained weights, sums of unrelated terms partly cancel. The signals are weaker, and a layer needs a *smaller* variance
# than the ends had. Who divides by theirs lets what comes from the image fade, layer after layer [6]. **The cure is in the
# package, and it isn't free.** Every law passes a fixed set of training images through each network that it draws [4, 5], and counts the cost:

# %%
cost = ln.training.refresh_cost(path, data, 20).trainings
print(f"refreshing 20 networks, {len(path.normalisation_images)} images each: {cost:.2f} trainings of this short schedule")

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
# **What we see.** With refreshed statistics the map repeats what MNIST taught: two networks in low ground, a hill on the straight way, a learned curve
# around it. It is one pair, n = 1.

# %% [markdown]
# ## At full size: what retraining moves
#
# The rest are stored studies, on all of CIFAR-10's training images. The CNN has three convolutions without normalisation. The ResNet has twenty layers,
# at half their usual width. **Short schedules**: few epochs, so that a training takes minutes. Their accuracy is that of a short schedule.

# %%
reference, stored = tables.stored_of_pairs(), tables.stored_of_pairs("-uncertainty")
names = [name for name in reference if "100" not in name]  # MNIST and CIFAR-10
course.table(tables.references({name: reference[name] for name in names}))

# %%
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
seen = ln.read_study("cifar10-cnn")
q, contrast = dithered(seen["log_odds"].values), seen["contrast"].values
result = ln.load_result("cifar10-cnn")
undecided = result.arrays["undecided"]
figure = figures.undecided_images(
    result.arrays["undecided_pixels"].transpose(0, 2, 3, 1),
    contrast[:, undecided],
    names=[f"“{CLASSES[c]}”" for c in seen["chosen"].values[undecided]],
    source=result.provenance["data"]["title"] + ", CNN, short schedule, 24 retrainings",
    title="On these test images the seed decides",
)
course.save(figure, "08_undecided")

# %%
n = result.numbers
print(f"CNN: {n['flips']['ever']} of {n['images']} images are decided otherwise by at least one retraining")

# %% [markdown]
# **What we see.** Your first guess: it is the last of the three. And a surprise: the log-odds scatter about as widely as on MNIST, by about one nat. What differs is
# where their means lie: much nearer to zero, so that the same scatter changes far more decisions. Above each image stands the class that the scouts chose;
# hatched bars are retrainings that decide otherwise.
#
# ## Three trainings, before and after
#
# As in `07_retraining_uncertainty`: three retrainings of the CNN are ours, the other 21 judge. The covariate is the simplest that there is, the mean
# log-odds of the three: is the scatter larger where the network is sure?

# %%
part = seen["part"].values
calibration, test = part == "calibration", part == "test"
ours, judges = q[:3], q[3:]
s2, true_u = ours.var(0, ddof=1), judges.std(0, ddof=1)[test]
ways = {"plain": ln.type_a(ours)}
for name, h in (("constant prior", np.empty((len(q[0]), 0))), ("prior with mean log-odds", ours.mean(0)[:, None])):
    ways[name] = ln.moderated(ours, ln.fit_prior(s2[calibration], 2, h[calibration]), h)
stated = {name: one.scale[test] for name, one in ways.items()}

# %%
figure = lessons.stated_against_true(
    stated,
    true_u,
    {name: 100 * np.mean(np.log(u / true_u) ** 2) ** 0.5 for name, u in stated.items()},
    source=f"CIFAR-10, CNN, {test.sum()} test images, three retrainings judged by {len(judges)}",
    title="On CIFAR-10, too, three trainings and a prior know u(x) far better than three alone",
)
course.save_live(figure, "08_before_after")

# %% [markdown]
# **What we see.** The constant prior takes the large step, as on MNIST. (The errors hold the noise of the 21 judges, 16 %.) The mean log-odds adds a little.
# What do all groups of free covariates make of it? From the stored studies, freed of the judges' noise:

# %%
course.table(
    tables.worths({name: stored[name] for name in names}, "3", ("none (plain Type A)", "constant", "outputs", "differences", "bursts", "all free groups")),
    "REN of three trainings, with its 95 % interval",
)

# %% [markdown]
# **What we see.** All free groups are worth about as much on CIFAR-10's CNN as for MNIST's perceptron: that answers the second guess. What carries it has changed. *Outputs*
# were the strongest free group for the perceptron; here it is the *differences*, how the networks differ in other quantities than q. All groups, their
# cost, coverage and shifts are in `13_appendix`; gradient distance, which does better still, is in `11_local_geometry`.
#
# ## Does exploring near a solution pay, and how would one know?
#
# A *burst* restarts from a trained network at a raised learning rate for a quarter of an epoch. What it finds depends on what still moves there. The
# training loss that remains is known before any exploring. (*Go*: in parts of the distance between two solutions. *Partial R²*: the share that they explain of ln u², of what
# constant and outputs leave unexplained.)

# %%
course.table(tables.beforehand({name: stored[name] for name in names}), "Bursts of a quarter of an epoch, M = 3")

# %% [markdown]
# **What we see.** From top to bottom the training loss grows, and in the same order grows what bursts tell. Where training loss is nearly zero, nothing
# pushes a network away from where it stands, and restarts hardly leave it. Four pairs show an order, no law: architecture and data have changed together.
#
# And yet, *beside the free groups*, one more training is the better buy, by its value (`10_synthesis`): what bursts see of the images, the free groups have seen already.
#
# ## A control: full width, three times as long
#
# All networks so far had short schedules. So ResNets of *full* width were trained for thirty epochs. **A guess:** they learn their images better. Will u(x)
# be smaller or larger?

# %%
course.table(
    tables.schedules({"10 epochs, half width": "cifar10-resnet", "30 epochs, full width": "cifar10-resnet20"}), "ResNet, REN with M = 2"
)

# %% [markdown]
# **What we see.** u(x) is *larger* after the long schedule, and yet decisions are safer, since the mean log-odds have grown more: a network can be better and have the larger
# u(x). A constant prior is worth more than on any of the pairs, and what is free adds less.
#
# ## Exercises
#
# ### Exercise 1: the wrong statistics, once more
#
# Somebody keeps the running statistics of network 1 all along the line, and refreshes nothing. What is the loss at the other end, which is a good network?

# %% tags=["solution"] jupyter={"source_hidden": true}
own = dict(runs.module(runs[0]).named_buffers())
torch.nn.utils.vector_to_parameters(runs[1], module.parameters())
with torch.no_grad():
    strange = cross_entropy(torch.func.functional_call(module.eval(), own, (some.images,)), some.labels).item()
print(f"network 2 with its own statistics {line.loss[-1]:.2f} nat, with those of network 1 {strange:.2f} nat")
assert strange > line.loss[-1]
# A good network looks bad. Mixing at least is right at both ends, which hides the trap.

# %% [markdown]
# ### Exercise 2: break it
#
# Apply the prior with the mean log-odds, fitted on calibration images, to the *noisy* test images ("noise 3"). Do the intervals still cover?

# %% tags=["solution"] jupyter={"source_hidden": true}
noisy = part == "noise 3"
low, high = ways["prior with mean log-odds"].interval()
inside = (judges >= low) & (judges <= high)
print(f"inside: {inside[:, test].mean():.1%} on test images, {inside[:, noisy].mean():.1%} on noisy ones")
print(f"median s of the judges: {np.median(true_u):.2f} and {np.median(judges[:, noisy].std(0, ddof=1)):.2f} nat")
# No. Strong noise makes images scatter more widely than those that the prior was fitted on, and outputs don't tell it.

# %% [markdown]
# ### Exercise 3: your own network
#
# Has your network batch normalisation? Ask it for its buffers. Then choose another normalisation, or your own network, train it twice, and compare the barrier of the line
# with that of section 1. Here: *group normalisation*, which takes mean and variance from one image's own channels.

# %% tags=["solution"] jupyter={"source_hidden": true}
yours = ln.network("resnet", data, depth=8, width=8, norm="group")  # put your own builder here
print("buffers:", len(list(yours().named_buffers())), "against", len(list(net().named_buffers())))
print("refreshing 20 networks:", ln.training.refresh_cost(ln.members(yours, [yours()], data), data, 20))
# Nothing to refresh: θ is then the whole network, and the line between two of them is what it is.

# %% [markdown]
# ## Summary
#
# Most of what MNIST taught holds where training loss is not zero. u(x) is of the same size, and a prior that all images share makes three trainings
# worth many times their number. What has changed: exploring near a solution carries a pattern now, and the training loss that remains announces it. And
# who walks between networks with batch normalisation must take the statistics anew at each step, or finds hills that aren't there.

# %% [markdown]
# ## What was recorded

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
#
# **Next:** `09_cifar100`, with a hundred classes.
