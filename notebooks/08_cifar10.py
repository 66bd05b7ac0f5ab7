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
# **Question.** On MNIST the networks learn their images nearly by heart, and exploring near a solution told little of u(x). On CIFAR-10 [1]
# they don't: at the end of training the gradients still push. Does what MNIST taught hold there, and does exploring pay now?
#
# **What you will learn**
# - what lies between two *residual* networks, and why batch normalisation sets a trap for whoever looks;
# - what retraining moves where many decisions are close;
# - whether two or three trainings know u(x) as well as on MNIST, and what covariates bring;
# - what one can look at beforehand to know whether exploring near a solution will tell anything.
#
# **Before you start.** `03_paths` (lines, curves, barriers), `05_mnist` (scouts, flips, gates) and `07_retraining_uncertainty` (moderation, REN, covariates).
#
# **Minutes.** 30 minutes to read. To compute: half a minute in the profile `quick`, some three minutes in `standard`, on one thread.

# %% tags=["parameters"]
profile = ""

# %%
from dataclasses import replace

import numpy as np
import torch
from scipy.stats import spearmanr
from scipy.stats import t as student
from torch.nn.functional import avg_pool2d, cross_entropy

import lnescape as ln
from lnescape.retraining import RetrainingEquivalent
from notebooks import course
from report.studies import figures
from report.studies.dispersion import dithered
from report.studies.gates import Verdict, g4, over_pairs
from report.studies.pairs import PAIRS

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. Twenty-four small convolutional networks (CNN) are trained on CIFAR-10. Of 7 000 images that they never saw, on how many does at least one of them decide
#    otherwise than the class that was fixed beforehand: **one in 25** (as for the perceptron on MNIST, with 128 retrainings), **one in 10**, or **four in 10**?
# 2. Three trainings and all that can be looked at for nothing: are they worth *more* or *fewer* plain retrainings than on MNIST?

# %% [markdown]
# ## The landscape of a residual network
#
# ### Two trainings, live
#
# A ResNet [2] carries its input along and only adds to it. Ours has eight layers, so that it trains in a minute, with a *batch normalisation* [3] before each activation.
# In `standard` the images are the first thousands of CIFAR-10's training images. In `quick` they are drawn shapes that stand in for them, at half their size: good for trying
# the code, not for conclusions.

# %%
real = profile == "standard"
full = ln.load("cifar10" if real else "shapes")
n_images = 8000 if real else 2000


def first(split, n):
    pixels = split.pixels[:n]
    return pixels if real else avg_pool2d(pixels.float(), 2).round().byte(), split.labels[:n]


sizes = {"train": n_images, "validation": 500, "calibration": 500, "test": 1000}
data = ln.dataset(
    **{part: first(getattr(full, part), n) for part, n in sizes.items()},
    name=full.title + f", {n_images} images" + ("" if real else " of half size"),
    classes=full.classes,
    normalise=True,
    stand_in=full.stand_in,
)
net = ln.network("resnet", data, depth=8, width=8)
recipe = ln.Recipe(epochs=6, batch=64, precision="bfloat16" if real else "float32")
runs = ln.fit(net, data, seeds=[0, 1], recipe=recipe, progress=False)
data

# %%
some = data.train.subset(slice(0, 500))
logp = runs.predict(data.test.images)
single = ln.score(logp[:1], data.test.labels)
print(f"{runs.n_parameters} weights; share of the test images right {single['accuracy']}, loss {single['nll']}, one network "
      f"after {recipe.epochs} epochs on {n_images} images: a short schedule")

# %% [markdown]
# ### Batch normalisation: weights are not the whole network
#
# In training, a batch normalisation takes mean and variance of each channel *from the batch*. A trained network that is asked about a single image has no batch; it uses
# *running statistics*, averages that were collected on the way. They are no weights: no gradient moves them. They belong to *these* weights and to no others.
#
# Now walk along the straight line between two networks. The weights half-way are the mean of the weights. And the statistics? It is tempting to take the mean of
# those, too: that is what averaging two saved networks entry by entry does.

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
# The other way: let the images pass once more through *each* network on the line, and take the statistics anew. By hand:

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
# By library: every law refreshes the statistics at each θ that it is asked about; `along` needs no more than the law.

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
print("t                         ", "  ".join(f"{t:5.1f}" for t in line.coordinates))
for name, seen in (("line", line), ("curve", curve)):
    print(f"{name:5} mixed statistics     ", "  ".join(f"{loss:5.2f}" for loss in mixed[name]))
    print(f"{name:5} refreshed statistics ", "  ".join(f"{loss:5.2f}" for loss in seen.loss))

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
# **What we see.** On the left both ways lead over a high hill, and the learned curve is no better than the line. A reader would conclude that learning it has failed. On the right the
# *same weights*, with statistics of their own: the line still has its hill, narrower, and the curve runs nearly level from one network to the other. At both ends left and right
# agree, so that a check of the ends finds nothing wrong.
#
# Why? Look at the variances that the layers need, beside those that mixing gives them:

# %%
for name, way in (("line", segment), ("curve", path.subspace)):
    loss_with_refreshed_statistics(way.at(0.5))  # leaves its statistics in the module
    needed = {buffer: value for buffer, value in module.named_buffers() if buffer.endswith("running_var")}
    ratios = [(value / torch.lerp(ends[0][buffer], ends[1][buffer], 0.5)).median().item() for buffer, value in needed.items()]
    print(f"{name:5} half-way, variance needed / variance mixed, median of each layer's channels:", ", ".join(f"{ratio:.2f}" for ratio in ratios))
    loss = {"mixed": mixed[name], "refreshed": {"line": line, "curve": curve}[name].loss}
    print("      barrier:", ", ".join(f"{way} statistics {ln.barrier(line.coordinates, values):.2f} nat" for way, values in loss.items()))

# %% [markdown]
# In a mean of independently trained weights, sums of unrelated terms partly cancel: the signals are weaker, and every layer needs a much *smaller* variance than the ends had. Who divides by theirs
# lets what comes from the image fade, layer after layer [6], while the constants that each normalisation adds remain: a likely reason why such a network decides with confidence, and wrongly. That holds half-way on the curve as well, which is a mixture of three points. Neither the mean of
# two saved networks nor any other point of a path can be judged with borrowed statistics [4, 5].
#
# **The cure is in the package, and it isn't free.** Every law passes a fixed set of training images through each network that it draws, before that network predicts anything. `ln.training.refresh_cost` counts it, in
# trainings as everything else:

# %%
print(f"refreshing 20 networks, {len(path.normalisation_images)} images each: {ln.training.refresh_cost(path, data, 20).trainings:.2f} trainings of this short schedule")

# %% [markdown]
# With twenty epochs instead of six, or more images, a training costs more and this share falls. In this notebook's maps, fewer images are passed than in a study.
#
# ### The same on a map, and a triangle

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

# %%
if real:
    slower = replace(recipe, learning_rate=0.2, weight_decay=2e-4)  # a corner moves by its share of each gradient only
    triangle = ln.fit_subspace(net, data, ln.Simplex.from_scratch(3), recipe=slower, cosine_weight=0.1, progress=False)
    inside = ln.triangle(law, triangle.subspace, data.test.subset(slice(0, 500)), n=6)
    print(f"test loss in the triangle from {inside.loss.min():.2f} to {inside.loss.max():.2f} nat; "
          f"of one network trained alone {single['nll']}")
    figure = ln.plots.triangle_map(inside.coordinates, inside.loss, source=data.title, title="A triangle learned from scratch: no hill")
    course.save_live(figure, "08_triangle")
else:
    figure = None
    print("The drawn shapes are too few to learn a whole triangle from scratch: see the profile `standard`.")
figure

# %% [markdown]
# **What we see.** The map repeats what MNIST taught: two networks in low ground, a hill on the straight way, a learned curve around it. All that with statistics that were taken anew at every
# point of the map. In `standard`, the triangle [7] has no hill either (the range of its losses is narrow), and the known price: with so short a training its networks are worse than those that were trained alone.
# One pair, one triangle, n = 1 each.

# %% [markdown]
# ## At full size: 24 retrainings of a small CNN, 12 of a residual network
#
# The rest are stored studies, on all of CIFAR-10's training images, with random shifts and reflections. The CNN has three convolutions without normalisation,
# so that θ is the whole network; the ResNet has twenty layers, at half their usual width. **Short schedules**: a few epochs that fit on two cores of a common machine. Their accuracy is that of a short schedule, far from the best that is known. (A control at full width, trained three times as long, comes further down.)
#
# ```text
# lnescape study cifar10-cnn --dry-run       # what there is to compute, and how long it will take
# lnescape study cifar10-cnn
# lnescape study cifar10-cnn-uncertainty     # with bursts and proxies, and what is judged on them
# lnescape study cifar10-resnet              # and the same for the residual network
# ```

# %%
two = [pair for pair in PAIRS if pair.data in ("mnist", "cifar10")]
reference = {pair.label: pair.key for pair in two}
middle = {}
for pair in two:
    n, study = ln.load_result(pair.key).numbers, pair.key
    print(f"{pair.label}{', ' + pair.remark if pair.remark else ''}: {n['accuracy']} of the official test images right, loss {n['nll']}, n = {n['n']} retrainings")
    q = ln.read_study(study)["log_odds"].astype(float)
    q_mean = middle[study] = q[:, q["part"] == "test"].mean("retraining")
    print(f"   median u(x) on the test images {n['u']['test']['median']:.2f} nat, median q̄ {float(q_mean.median()):.1f} nat; decided otherwise by at least one retraining: "
          f"{n['flips']['ever']} of {n['images']} images, by more than a quarter of them: {n['flips']['quarter']}")
    print(f"   G0, ceiling of a rank correlation with the true u(x): {n['G0']['ceiling of a rank correlation']}; "
          f"G2, normal over retrainings: {'passed' if n['G2']['passed'] else 'FAILED'}")

# %%
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
seen = ln.read_study("cifar10-cnn")
everything, contrast = dithered(seen["log_odds"].values), seen["contrast"].values
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

# %% [markdown]
# **What we see.** Your first guess: it is the last of the three. And a surprise: on CIFAR-10 the log-odds scatter about as widely as on MNIST, by about one nat. What differs is where the means lie: much nearer
# to zero (for this CNN the median of q̄ is 2.9 nat, for the perceptron on MNIST 10.1 nat), so that the same scatter changes far more decisions. Again the scatter is normal, as far as one or two dozen retrainings can tell. Twelve retrainings of the ResNet are a poor judge: the ceiling says how poor. The eight images are those whose flip share is
# nearest to a half; above each stands the class that the scouts chose, hatched bars are retrainings that decide otherwise.
#
# ## u(x) from two or three trainings
#
# As in `07_retraining_uncertainty`: three of the retrainings are the method, all others the judge. First the naive way, Student's t on three numbers.

# %%
q = everything[:, np.isin(seen["part"], ["test"])]
mine, others = q[:3], q[3:]
s = mine.std(0, ddof=1)
half = student.ppf(0.975, 2) * s * np.sqrt(1 + 1 / 3)


def told(low, high, order):
    covered = (others >= low) & (others <= high)
    parts = np.array_split(np.argsort(order), 10)
    return f"{covered.mean():.1%} inside; by decile: " + ", ".join(f"{100 * covered[:, part].mean():.0f}" for part in parts)


print(f"naive: rank correlation of s with s of the others {spearmanr(s, others.std(0)).statistic:.2f}")
print("naive:    ", told(mine.mean(0) - half, mine.mean(0) + half, s))

# %% [markdown]
# Then moderation [8]: all images together say how variances scatter, the prior is fitted on calibration images, without labels. One step further than a constant: s₀²(x) may depend on x through the
# mean log-odds, which costs nothing.

# %%
calibration = everything[:3, np.isin(seen["part"], ["calibration"])]
for name, covariates in (
    ("constant", lambda q: np.empty((q.shape[1], 0))),
    ("outputs", lambda q: np.stack([q.mean(0), np.abs(q.mean(0))], 1)),
):
    prior = ln.fit_prior(calibration.var(0, ddof=1), 2, covariates(calibration))
    together = ln.moderated(mine, prior, covariates(mine))
    print(f"{name + ':':10}", told(*together.interval(), together.scale), f"(d₀ = {prior.dof:.0f})")
    print(f"           rank correlation of σ̃ with s of the others: {spearmanr(together.scale, others.std(0)).statistic:.2f}")

# %% [markdown]
# **What we see.** What `07_retraining_uncertainty` found: on average the naive interval covers, image by image it does not. A constant prior mends that, and can't mend the order of the images, which is still that of three
# numbers. The outputs improve the order as well.
#
# ## What each covariate is worth
#
# The full account: REN, the number of plain retrainings that would err as much (see `07_retraining_uncertainty`). Eight networks (on MNIST twelve) play the method in thirty draws; in each draw all others judge.

# %%
stored = {name: ln.load_result(f"{study}-uncertainty") for name, study in reference.items()}
mixes = {name: result.numbers["mixes"] for name, result in stored.items()}
order = sorted(mixes["CIFAR-10 CNN"], key=lambda row: mixes["CIFAR-10 CNN"][row]["3"]["ren"]["value"])
beside = {name: mixes[name] for name in ("MNIST MLP", *(name for name in mixes if name.startswith("CIFAR")))}


def worth(row):
    return {int(m): tuple(row[m]["ren"][end] for end in ("value", "low", "high")) for m in ("2", "3")}


source = "MNIST and CIFAR-10 (short schedules), test images, held-out retrainings; bars: 95 % intervals"
figure = figures.covariate_worth(
    {name: {row: worth(table[row]) for row in order if row in table} for name, table in beside.items()},
    source=source,
    title="What covariates make of two and of three retrainings",
)
course.save(figure, "08_covariates")

# %%
for name, table in mixes.items():
    print(f"{name}: covariates               further  passes   M = 2                M = 3                M = 4              coverage, M = 3")
    for row in (row for row in order if row in table):
        rens = [f"{own['ren']['value']:4.1f} [{own['ren']['low']:4.1f}, {own['ren']['high']:4.1f}]" for own in table[row].values()]
        own = table[row]["3"]
        print(f"   {row:37} {own['further']:4.2f}    {own['passes']:3.0f}    ", "   ".join(rens), f"   {own['coverage']} %")

# %% [markdown]
# **What we see.** (Order of the rows: what three retrainings of the CIFAR-10 CNN are worth.)
#
# - A *constant* prior does the first and largest step on CIFAR-10 as on MNIST. The pooling of images is no speciality of MNIST.
# - *All free groups* together are worth about as much on the CNN as for the perceptron, and more than for MNIST's CNN. The ResNet lies between, and its interval is wide: twelve retrainings judge it. That answers the second guess: about as many.
# - What carries it has changed. *Outputs* were the strongest free group for the perceptron; on the CNN here it is the *differences*: how the networks differ in other quantities than q. They have much to
#   differ in, and their worth grows with M faster than that of any other single group. *Neighbourhood* and *training path*, which brought the perceptron little, bring much here. On the ResNet *outputs* tell next to nothing.
# - *Bursts*, which in this cheap form told little on MNIST, about double what a constant prior is worth, on the CNN and on the ResNet. Short restarts near a solution carry the pattern of retraining, where something still moves. On the ResNet
#   they alone are worth as much as all free groups together.
# - *Lines*, *curves* and *simplexes* tell a little here, for a training and more. Laws around *one* network, *SWAG* and *FGE*, tell much more: nearly as much as bursts from both, at M = 2.
# - And yet: *beside* the free groups, bursts and proxies add little, a curve and a simplex next to nothing. What they see of the images, the free groups have seen already.
#
# ## What it costs

# %%
def entries(pair):
    rows, names = [], {"constant": "constant", "all free groups": "all free"}
    for entry in stored[pair].numbers["entries"]:
        name, m = entry["name"].rsplit(", M = ", 1)
        told = names.get(name, "") if m == "2" else ""
        rows.append((int(m), entry["trainings"], entry["ren"], told))
    return rows


figure = figures.frontier(
    {name: entries(name) for name in beside},
    source="MNIST and CIFAR-10 (short schedules), test images",
    title="Against cost: free covariates first, one more training next, exploring last",
)
course.save(figure, "08_frontier")

# %%
print("beside the free groups: REN won, trainings paid, REN a training; and how far one more plain training is ahead of it, a training")
for name in ("CIFAR-10 CNN", "CIFAR-10 ResNet"):
    for m, rows in stored[name].numbers["gains"].items():
        for what, own in rows.items():
            print(f"{name:15} M = {m}, {what:18} {own['gain']!s:>9}  {own['price']:5.2f}  {own['rate']!s:>9}", "" if what.startswith("one") else f"   {own['ahead']}")

# %% [markdown]
# **What we see.** Whoever has nothing but a constant prior gains more from bursts, for a fraction of a training, than from one training more. Whoever uses what is free gains several
# times as much, per training, by training once more: by the values on both networks, and on the CNN at M = 2 by more than twice the uncertainty of the difference. On the ResNet, which few retrainings judge, the question is open. The line to beat is no longer the dashed one: it is
# *one more training together with the free groups*, and exploring stays below it, on these two networks.
#
# ## Is the statement true?

# %%
shown = {"plain, M = 3": ("none (plain Type A)", "3"), "all free, M = 2": ("all free groups", "2"), "all free, M = 3": ("all free groups", "3")}
figure = figures.coverage(
    {name: {label: [d.value for d in table[row][m]["deciles"]] for label, (row, m) in shown.items()} for name, table in beside.items()},
    {name: tuple(np.array([[r["said"], r["happened"].value] for r in stored[name].numbers["flips"]]).T) for name in beside},
    source=source.split(";")[0] + "; grey: 93 to 97 %",
    title="Moderated intervals keep their promise on CIFAR-10, too",
)
course.save(figure, "08_coverage")

# %%
print("prior fitted in distribution:             REN at M = 2, 3        coverage at M = 2, 3")
for part, rows in stored["CIFAR-10 CNN"].numbers["shift"].items():
    for row in ("constant", "outputs", "differences", "all free groups"):
        own = rows[row].values()
        print(f"   {part:9} {row:16}           ", "   ".join(f"{one['ren']['value']:5.1f}" for one in own),
              "        ", "   ".join(f"{one['coverage']!s:>10} %" for one in own))

# %% [markdown]
# **What we see.** Plain Type A breaks its promise on CIFAR-10 as on MNIST, by decile; moderated intervals keep it, from the surest images to the least sure. Risks to flip are foreseen fairly well up to a
# third, and too high above one half, as on MNIST.
#
# Under shift the picture has turned. *Lowered contrast* was the hard case of MNIST; here the free groups keep more than half of their worth there, and *noise* is hard: intervals cover too little, whatever the
# covariates, since images of strong noise scatter more widely than those that the prior was fitted on. *Differences* carry over to rotated images as if nothing had happened; *outputs* do so nearly, and lose most of their worth on faint and noisy
# images. Foreign images (CIFAR-100) are covered, other than clothes among digits; they are photographs, too. (The table is that of the CNN. The ResNet of the short schedule stays within the limits of gate G5 under every shift.)
#
# ## Does exploring near a solution pay, and how would one know?
#
# A *burst* restarts from a trained network at a raised learning rate for a quarter of an epoch. What it finds depends on what still moves there. Three facts about a trained network can be
# measured before any exploring: the training loss that remains, the scatter of the gradients from batch to batch, and how far the networks lie from each other. (Partial R²: as in `07_retraining_uncertainty`.)

# %%
for name, result in stored.items():
    n, facts = result.numbers, result.numbers["facts"]
    burst = next(row for row in n["bursts"] if (row["epochs"], row["rate"]) == (0.25, 1.0))
    print(f"{name}: training loss {facts['training_loss']} nat, scatter of the gradients {facts['gradient_scatter']}, distance {facts['distance']}")
    print(f"   a quarter of an epoch: goes {burst['distance']} of that distance, retraining variance / its variance {burst['ratio']}")
    print(f"   alone, M = 3: REN {burst['alone']['ren']:.1f}, constant prior {n['mixes']['constant']['3']['ren']['value']:.1f}")
    print("   beyond constant and outputs, partial R²:", ", ".join(f"{what} {n['partial_r2'][what]}" for what in ("training path", "bursts", "proxies")))

# %%
print("CIFAR-10 CNN, bursts of …              cost a network   goes        variance ratio   from network to network   alone   with all free groups")
for row in stored["CIFAR-10 CNN"].numbers["bursts"]:
    print(f"   {row['n']} of {row['epochs']:4} epochs, rate × {row['rate']:3}      {row['trainings']:5.2f}          {row['distance']}  {row['ratio']}"
          f"        {row['ratio_by_network']:4.0%}                 {row['alone']['ren']:6.1f}       {row['with_free']['ren']:6.1f}")
print(f"nothing but the free groups:{stored['CIFAR-10 CNN'].numbers['free']['ren']:89.1f}")

# %% [markdown]
# **What we see.** From the perceptron to MNIST's CNN to CIFAR-10's CNN to the ResNet, the training loss that remains grows, and in the same order grows what bursts tell beyond constant and outputs, and the part of the way between solutions
# that a burst goes. So there is something to look at *beforehand*: where the training loss is nearly zero, nothing pushes a network away from where it stands, and restarts hardly
# leave it. (The scatter of the gradients and the distance between solutions don't give that order: both are larger on the CNN than on the ResNet.) Four pairs show an order, no law: architecture and data have changed together.
#
# Pattern and size are two things. On CIFAR-10 the variance of bursts is smaller than that of retraining, by a factor that hardly differs from one network to the next, but does with the settings of the burst: at half the rate it is
# another one. (These ratios are taken on calibration images. Gate G4, below, takes test images, and its ratios differ a little.) With one fixed setting, the factors of the four pairs lie within a factor of two. That is closer than one might have feared, and too far apart for whoever must defend a number: the real trainings must set the scale.
#
# ## A control: full width, three times as long
#
# All networks so far had short schedules. So sixteen ResNets of *full* width were trained for thirty epochs, on an accelerator (`lnescape study cifar10-resnet20 --device cuda`, then `…-bursts`, `…-proxies`, `…-uncertainty`). They are no further pair: the gates don't count them, and what was said above was said
# before they were trained.
#
# **A guess.** They learn their images better: little more than a quarter of the training loss remains. Will u(x) be smaller or larger than after a short schedule? And will bursts tell more of it, or less?

# %%
schedules = {"10 epochs, half width": "cifar10-resnet", "30 epochs, full width": "cifar10-resnet20"}
q = ln.read_study("cifar10-resnet20")["log_odds"].astype(float)
middle["cifar10-resnet20"] = q[:, q["part"] == "test"].mean("retraining")
for name, study in schedules.items():
    n, own = ln.load_result(study).numbers, ln.load_result(f"{study}-uncertainty").numbers
    burst, ahead = own["bursts"][0], own["gains"]["2"]["bursts"]
    print(f"ResNet, {name}: {n['accuracy']} right, n = {n['n']} retrainings; training loss left {own['facts']['training_loss']} nat")
    print(f"   on test images median u(x) {n['u']['test']['median']:.2f} nat, median q̄ {float(middle[study].median()):.1f} nat, a retraining decides {n['u']['test']['flips']:.1%} otherwise")
    print(f"   beyond constant and outputs, partial R²: bursts {own['partial_r2']['bursts']}, proxies {own['partial_r2']['proxies']}, training path {own['partial_r2']['training path']}")
    print(f"   bursts go {burst['distance']} of the distance between solutions; retraining variance over theirs {own['ratio']}")
    for m in ("2", "3"):
        shown = {mix: RetrainingEquivalent(**own["mixes"][mix][m]["ren"]) for mix in ("constant", "bursts", "all free groups")}
        print(f"   M = {m}, REN:", "; ".join(f"{mix} {ren}" for mix, ren in shown.items()))
    print(f"   beside the free groups one more training is ahead of bursts (cost {ahead['price']:.1f}) by {ahead['ahead']} REN a training")
    g5 = Verdict.from_dict("G5", own["G5"])
    under = {kind: own["shift"][kind]["all free groups"]["2"] for kind in ("rotation", "noise", "contrast")}
    print(f"   G5 {g5.word}, fails: {g5.failing or 'nothing'};", "; ".join(f"{kind} REN {RetrainingEquivalent(**row['ren'])}, {row['coverage']} % inside" for kind, row in under.items()))
wide = ln.load_result("cifar100-wide-resnet").numbers
print(f"(A wide ResNet [9] on CIFAR-100, trained as long: {wide['accuracy']} right, n = {wide['n']}; for u(x) too few.)")

# %% [markdown]
# **What we see.** The accuracy is within a point of what is published for this network after many more epochs. Schedule and width have changed together; which of the two does what follows can't be told.
#
# The first half of the main result stands, and more: a constant prior alone makes two trainings worth more than on any of the pairs. What is free adds less than on any pair, and at M = 2 the intervals overlap. u(x) is *larger* than after ten epochs, and yet decisions are safer, since q̄ has grown more:
# a network can be better and have the larger u(x).
#
# Bursts tell less by value, and stand where the training loss would place them: clearly above MNIST's CNN, not clearly below CIFAR-10's. The order that was read off four pairs isn't contradicted. It isn't proven either: all other covariates tell less, too, proxies nearly nothing. And one thing that was said above fails here:
# these bursts go *farther* than on any pair. What they tell followed the loss, how far they go did not. A quarter of an epoch is a small part of a long training, so that bursts are cheap: beside the free groups they are level with one more training, and the two can't be told apart.
#
# Under noise the REN is smaller by value, and badly known. Intervals cover under every shift: here noise makes u(x) smaller. What G5 misses is printed.
#
# ## Gates, over all pairs that are stored

# %%
for verdict in over_pairs({name: result.numbers for name, result in stored.items()}):
    print(verdict)
for name, result in stored.items():
    g1, g5 = (Verdict.from_dict(gate, result.numbers[gate]) for gate in ("G1", "G5"))
    print(f"G1 on {name} {g1.word}: {g1.claim}; measured {g1.numbers['worth']:.1f} [{g1.numbers['low']:.1f}, {g1.numbers['high']:.1f}]")
    print(f"G5 on {name} {g5.word}: {g5.claim}; fails: {g5.failing or 'nothing'}")

# %% [markdown]
# **What we see.** Proxies pass G3 on every pair: cheap retrainings carry pattern. The training path and the bursts pass it as well, with both networks of CIFAR-10 and one of MNIST; the gate is decided.
# Lines and curves hold on CIFAR-10's CNN alone, and have failed whatever the fifth pair says: on the ResNet both are above 0.02, but with an interval that holds zero, the curve by a hair (few networks judge there). Simplexes hold on both networks of CIFAR-10, on the ResNet by a hair, too: the fifth pair decides. G4's ratios vary by hardly less than the gate allows: the last pair decides (`09_cifar100`). One pair that fails is enough to refute G7,
# and MNIST's CNN does, and the ResNet as well; G8 fails on all four. G1 passes on CIFAR-10. G5 fails on the CNN for the noisy images; on the ResNet every REN and every shift holds, and one decile covers *more* than the gate allows.
#
# ## Exercises
#
# ### Exercise 1: the wrong statistics, once more
#
# Somebody keeps the running statistics of network 1 all along the line, and refreshes nothing. What is the loss at the other end, which is a good network? Check the third possibility.

# %% tags=["solution"] jupyter={"source_hidden": true}
own = dict(runs.module(runs[0]).named_buffers())
torch.nn.utils.vector_to_parameters(runs[1], module.parameters())
with torch.no_grad():
    strange = cross_entropy(torch.func.functional_call(module.eval(), own, (some.images,)), some.labels).item()
print(f"network 2 with its own statistics {line.loss[-1]:.2f} nat, with those of network 1 {strange:.2f} nat")
assert strange > line.loss[-1]
# A good network looks bad. Mixing at least is right at both ends, which hides the trap.

# %% [markdown]
# ### Exercise 2: a network without the trap
#
# *Group normalisation* takes mean and variance from one image's own channels. What has to be refreshed, and at what cost? (Such networks at full size are the control `cifar10-resnet-groupnorm`; the report tells what it says.)

# %% tags=["solution"] jupyter={"source_hidden": true}
grouped = ln.network("resnet", data, depth=8, width=8, norm="group")
print("buffers:", len(list(grouped().named_buffers())), "against", len(list(net().named_buffers())))
print("refreshing 20 networks:", ln.training.refresh_cost(ln.members(grouped, [grouped()], data), data, 20))
# Nothing. θ is then the whole network, and the line between two of them is what it is.

# %% [markdown]
# ### Exercise 3: the fixed factor
#
# Gate G4 asks whether one factor turns the variance of bursts into that of retraining: its coefficient of variation over five pairs must be below a quarter. Compute it by hand for the pairs
# that are stored. Could a further pair still turn it?

# %% tags=["solution"] jupyter={"source_hidden": true}
ratios = np.array([result.numbers["ratio"].value for result in stored.values()])
by_hand = ratios.std(ddof=1) / ratios.mean()
missing = [ratios.mean()] * (5 - len(ratios))
print(f"coefficient of variation {by_hand:.2f}; with the missing pairs at the mean {np.std([*ratios, *missing], ddof=1) / ratios.mean():.2f}")
assert np.isclose(by_hand, g4({name: result.numbers["ratio"] for name, result in stored.items()}).numbers["coefficient of variation"])
# With the missing pair at the mean it passes, with one far off it fails: undecided.

# %% [markdown]
# ### Exercise 4: break it
#
# Apply the prior with outputs, fitted on calibration images, to the *noisy* test images. Do the intervals still cover? Compare with the table under shift, where all three strengths of noise stand together.

# %% tags=["solution"] jupyter={"source_hidden": true}
noisy = everything[:, np.isin(seen["part"], ["noise 3"])]
evaluation = ln.moderated(noisy[:3], prior, covariates(noisy[:3]))
low, high = evaluation.interval()
print(f"strongest noise: {((noisy[3:] >= low) & (noisy[3:] <= high)).mean():.1%} inside")
print(f"s of three {np.median(noisy[:3].std(0, ddof=1)):.2f} nat at the median, of the others {np.median(noisy[3:].std(0, ddof=1)):.2f}, "
      f"unaltered test images {np.median(others.std(0, ddof=1)):.2f}")
# No: fewer are covered than over the three strengths together. Strong noise makes images scatter more widely than those that the prior was
# fitted on, and outputs don't tell it. (s from three is low at the median, even without noise: 0.83 u for normal log-odds.)

# %% [markdown]
# ## Summary
#
# Most of what MNIST taught holds where training loss is not zero: u(x) is of the same size, log-odds are nearly normal over retrainings, a prior that all images share makes two or three trainings worth many times their number, and intervals keep their
# promise. What has changed is that exploring near a solution carries pattern now: training loss that remains at the end announces it. It is a pattern that
# the networks themselves show for nothing, in how they differ from each other, so that beside the free groups one more training is still the better buy, by its value. On the control, at full width and three times as long, bursts draw level with it: there a quarter of an epoch is a small part of a training.
# And who walks between networks with batch normalisation must take the statistics anew at each step, or finds hills that aren't there.

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
    figures=["08_statistics", "08_plane", *(["08_triangle"] if real else [])],
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
# 7. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: triangles learned from scratch.
# 8. Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3: moderated variances.
# 9. Zagoruyko, Komodakis 2016, arXiv 1605.07146: wide residual networks.
#
# **Next:** `09_cifar100`, with a hundred classes.
