# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Weight space: where is a trained network, and what is near it?
#
# **Question.** A trained network is a point in a space of about 200 000 dimensions. Another seed gives another point. How
# far away is it, and in which direction? Does that distance show how differently the two networks decide?
#
# **What you will learn**
# - to turn a network into one vector θ and back, and what this vector holds;
# - two ways to move θ far away without changing a single prediction;
# - how far apart retrainings lie, and why a right angle between them means little;
# - to renumber the hidden units of one network so that it lies as near as possible to another, and what becomes of the
#   hill between the two;
# - what all this means for u(x), the standard uncertainty of a prediction due to retraining.
#
# **Before you start.** `00_start_here`. You should know the length of a vector and the angle between two.
#
# **Minutes.** 40 minutes to read. To compute: under half a minute in the profile `quick`, about two minutes in `standard`,
# on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import itertools
import math

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from torch.nn.functional import cosine_similarity

import lnescape as ln
from lnescape.weights import build
from notebooks import course
from report.studies import lessons

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. Two retrainings are two vectors from the origin. **What is the angle between them: 10°, 45°, or 90°?**
# 2. Give the hidden units of one network new numbers at random: unit 17 becomes unit 103, with all its weights. How far
#    does θ move, compared with the distance to another retraining: **a tenth, a half, or as far?**
# 3. On the straight line between two retrainings the loss has a hill (`00_start_here`). First renumber the units of the
#    second network so that they fit those of the first. How much of the hill is left: **all, half, or nearly nothing?**

# %% [markdown]
# ## The smallest case: two weights
#
# One input x, one hidden unit, one output: f(x) = a · max(0, b x). There are two weights, θ = (b, a), so weight space is a
# plane. For b > 0 and x > 0 the function is f(x) = a b x. Only the *product* a b enters it: all points of the curve a b = 1
# are one and the same function.

# %%
places = {"A": (1.0, 1.0), "B": (4.0, 0.25), "C": (1.25, 1.6)}
f = {name: a * max(0.0, b * 2.0) for name, (b, a) in places.items()}  # at x = 2
for one, other in (("A", "B"), ("A", "C")):
    print(f"{one} and {other}: {math.dist(places[one], places[other]):.2f} apart in weights, "
          f"f(2) = {f[one]:.2f} and {f[other]:.2f}")

# %%
figure = lessons.one_function(
    places,
    source="computed, f(x) = a · max(0, b x)",
    title="A and B are one function; A and C, much nearer, are two",
)
course.save_live(figure, "01_one_function")

# %% [markdown]
# **What we see.** Each curve is one function. A and B are far apart and are the same function. A and C are near, and the
# output doubles from A to C. *Distance between points and difference between functions are two different things*,
# even with two weights.
#
# ### A network as a vector, by hand and by library
#
# With two hidden units there are four weights. We read them from a module in order and join them; the library's `theta_of` does
# the same. Then the two units change places, each with its incoming and its outgoing weight.

# %%
into, out = torch.nn.Linear(1, 2, bias=False), torch.nn.Linear(2, 1, bias=False)
tiny = torch.nn.Sequential(into, torch.nn.ReLU(), out)
into.weight.data, out.weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[3.0, 0.5]])
x = torch.linspace(-2, 2, 9)[:, None]
theta, before = torch.cat([p.detach().flatten() for p in tiny.parameters()]), tiny(x)
assert torch.equal(theta, ln.weights.theta_of(tiny))

into.weight.data, out.weight.data = into.weight.data[[1, 0]], out.weight.data[:, [1, 0]]
swapped = ln.weights.theta_of(tiny)
assert torch.equal(tiny(x), before)
print(f"θ = {theta.tolist()}, with the units swapped {swapped.tolist()}")
print(f"{(theta - swapped).norm():.2f} apart, same function")

# %% [markdown]
# ## The real case: eight retrainings
#
# `fit(…, path=True)` also keeps the weights at the end of every epoch. We need them below.

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=10 if profile == "quick" else 5)
runs = ln.fit(net, data, seeds=range(8), recipe=recipe, path=True, progress=False)
data

# %%
module = runs.module(runs[0])
theta = torch.cat([p.detach().flatten() for p in module.parameters()])
assert torch.equal(theta, runs[0])
assert torch.equal(theta, ln.weights.theta_of(module))
P = len(theta)
rows = {}
for name, p in module.named_parameters():
    share = float(p.detach().square().sum() / theta.square().sum())
    rows[name] = {
        "shape": str(list(p.shape)),
        "numbers": p.numel(),
        "share of ‖θ‖² (%)": 100 * share,
    }
course.table(rows, f"Together P = {P} numbers, ‖θ‖ = {theta.norm():.2f}", digits=2)

# %% [markdown]
# That is the whole network: three matrices and three rows of biases, one after another. Weights have no unit.
#
# The *function* of the network maps images to predictions. We describe it, as everywhere in this course, by the log-odds
#
# $$ q(x; \theta) = \ln p_c - \ln (1 - p_c) \quad\text{in nat,} $$
#
# for one class c(x) fixed beforehand for each image (here the one that the mean of the eight prefers). So there are two
# coordinate systems: θ, a row of P numbers, and q, one number for each test image. There are also two distances between
# two networks:
#
# $$ \begin{aligned}
#    \lVert \theta - \theta' \rVert & \quad\text{(weights, Euclidean)}, \\
#    D(\theta, \theta') = \operatorname{mean}_x \lvert q(x;\theta) - q(x;\theta') \rvert & \quad\text{(function, nat of log-odds)}.
#    \end{aligned} $$

# %%
images, labels = data.test.images, data.test.labels
logp = runs.predict(images)  # [members, images, classes]
chosen = ln.mean_prediction(logp).argmax(1).numpy()
q = ln.log_odds(logp.numpy(), chosen)  # [members, images]
u = q.std(0, ddof=1)
right = ln.accuracy(logp[0], labels).scaled(100, "%")
print(f"q has shape {list(q.shape)}; one network is right on {right} of the test images")

apart = np.mean([np.abs(q[i] - q[j]).mean() for i, j in itertools.combinations(range(8), 2)])
expected = 2 / math.sqrt(math.pi) * u.mean()
print(f"mean D over the 28 pairs {apart:.2f} nat")
print(f"mean of u(x) {u.mean():.2f} nat, times 2/√π {expected:.2f} nat")

# %% [markdown]
# The last line connects D with u(x). Two independent draws from a normal law of standard deviation u differ by $2u/\sqrt{\pi}$ on
# average. The retrainings nearly do so (a standard deviation from n = 8 is 3.5 % too low on average). So **the distance in
# function between retrainings measures u(x), up to a factor.**
#
# ## Two ways to go far without moving the function
#
# *Renumbering.* Put the units of a hidden layer in another order: rows of its matrix and its biases, and in the same order
# the columns of the next matrix.
#
# *Rescaling.* Multiply the incoming weights and the bias of a unit by c > 0, and divide its outgoing weights by c. As
# max(0, c z) = c max(0, z), nothing else changes.
#
# Both are written by hand here, for a network with two hidden layers. `layers` cuts θ into matrices and biases, and `joined`
# puts them back.

# %%
shapes = [p.shape for p in module.parameters()]


def layers(theta, shapes=shapes):
    parts = theta.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def joined(*parts):
    return torch.cat([part.flatten() for part in parts])


def renumber(theta, first, second, shapes=shapes):
    """Return the same network with its hidden units in the given orders."""
    W1, b1, W2, b2, W3, b3 = layers(theta, shapes)
    return joined(W1[first], b1[first], W2[second][:, first], b2[second], W3[:, second], b3)


def rescale(theta, c1, c2):
    """Return the same network, weights into hidden units times c, weights out divided."""
    W1, b1, W2, b2, W3, b3 = layers(theta)
    return joined(c1[:, None] * W1, c1 * b1, c2[:, None] * W2 / c1, c2 * b2, W3 / c2, b3)


# %%
chance = torch.Generator().manual_seed(0)
renumbered, rescaled = [], []
for _ in range(4):
    orders = torch.randperm(200, generator=chance), torch.randperm(200, generator=chance)
    renumbered.append(renumber(runs[0], *orders))
for k in (1, 2, 3):  # factors c = 2^±k, which round nothing
    rescaled.append(rescale(runs[0], *2.0 ** torch.randint(-k, k + 1, (2, 200), generator=chance)))

with torch.no_grad():
    original = runs.module(runs[0])(images)
    for name, copy in (("renumbered", renumbered[0]), ("rescaled", rescaled[0])):
        change = float((runs.module(copy)(images) - original).abs().max())
        away = float((copy - runs[0]).norm() / runs[0].norm())
        print(f"{name:10} {away:.2f} ‖θ‖ away, largest change of a logit {change:.0e}")
        assert change < 1e-3

# %% [markdown]
# A renumbered network adds up the same numbers in another order, which changes the last digits. A factor of two changes no
# digit. How many such copies are there?

# %%
digits = 2 * math.lgamma(201) / math.log(10)
print(f"200! · 200! = 10^{digits:.0f} renumberings; and {2 * 200} factors c, each free")

# %% [markdown]
# **What we see.** Every function that a network can learn has that many places in weight space. Rescaling extends each
# place to a sheet of 400 dimensions. So a function has no single place. The initial weights decide which copy a
# training reaches.
#
# ## How far apart are retrainings?
#
# First the lengths. `build(net, s)` makes the network from which the training with seed s started.

# %%
starts = torch.stack([ln.weights.theta_of(build(net, s)) for s in range(8)])
ends = runs.vectors
first, second = np.array(list(itertools.combinations(range(8), 2))).T  # 28 pairs
steps = ends - starts
compared = {
    "a start and its end": (starts, ends),
    "two starts": (starts[first], starts[second]),
    "two ends": (ends[first], ends[second]),
    "two steps, end − start": (steps[first], steps[second]),
    "an end and its renumbered copy": (ends[:1], torch.stack(renumbered)),
}
rows = {}
for name, (a, b) in compared.items():
    cosine = cosine_similarity(a, b)
    angle = torch.rad2deg(torch.arccos(cosine))
    rows[name] = {
        "distance": float((a - b).norm(dim=1).mean()),
        "cosine": f"{cosine.min():+.3f} to {cosine.max():+.3f}",
        "angle": f"{angle.min():.0f}° to {angle.max():.0f}°",
    }
norms = [float(points.norm(dim=1).mean()) for points in (starts, ends)]
course.table(rows, f"Mean length of a start {norms[0]:.1f}, of an end {norms[1]:.1f}")

# %% [markdown]
# **What we see.** A training ends closer to its start than to any other network: it keeps much of its random
# start. Two ends are nearly at right angles (the first guess), just as two starts are. By Pythagoras, the distance between
# two ends is then about $\sqrt{2}$ times their length. So this distance shows nothing but their *norm*. The network and its
# renumbered copy are at a right angle as well.
#
# ### What is a right angle worth in P dimensions?
#
# Draw two directions at random, each as n independent numbers of mean 0 and variance 1. Both vectors have a length of about
# $\sqrt{n}$. So their cosine is about the mean of n independent products of variance 1. Its mean is 0 and its standard deviation is
# $1/\sqrt{n}$. A test:

# %%
for n in (2, 100, 10_000, P):
    a, b = torch.randn(2, 60, n, generator=chance)
    scatter = cosine_similarity(a, b).std()
    print(f"{n:6} dimensions: standard deviation of the cosine {scatter:.4f}, 1/√n = {n**-0.5:.4f}")
cosine = cosine_similarity(ends[first], ends[second])
print(
    f"the 28 pairs of ends: mean cosine {cosine.mean():+.4f}, standard deviation {cosine.std():.4f}"
)

# %% [markdown]
# **What we see.** In two dimensions a right angle between two random directions is a coincidence. In 200 000 dimensions it
# is the rule. So "retrainings are orthogonal" is no finding about training. It follows from the random numbering of the
# units and shows almost nothing about functions. (The cosines of ends scatter a few times as widely as
# $1/\sqrt{P}$, and are tiny all the same. A few large weights dominate the product, so fewer dimensions than P matter.)
#
# ## Distance in weights against distance in function
#
# Now we take both distances from network 0 to many others:
#
# - its copies;
# - network 0 with Gaussian noise on all weights, whose length is given as a fraction of ‖θ‖;
# - the earlier epochs of its training;
# - the seven other retrainings.

# %%
noise = torch.randn(6, P, generator=chance)
lengths = torch.tensor([0.003, 0.01, 0.03, 0.1, 0.3, 1.0])[:, None] * runs[0].norm()
noise *= lengths / noise.norm(dim=1, keepdim=True)
others = {
    "renumbered copy": torch.stack(renumbered),
    "rescaled copy": torch.stack(rescaled),
    "with noise": runs[0] + noise,
    "earlier epoch": runs.path[0, :-1],
    "other retraining": ends[1:],
}
seen, rows = {}, {}
for kind, thetas in others.items():
    predicted = ln.members(net, list(thetas), data).predict(images)
    gap = np.abs(ln.log_odds(predicted.numpy(), chosen) - q[0]).mean(1)
    otherwise = 100 * (predicted.argmax(2) != logp[0].argmax(1)).double().mean(1)
    far = (thetas - runs[0]).norm(dim=1) / runs[0].norm()
    seen[kind] = far.numpy(), gap, otherwise.numpy()
    rows[kind] = {
        "away (‖θ‖)": f"{far.min():.2g} to {far.max():.2g}",
        "D (nat)": f"{gap.min():.1e} to {gap.max():.1e}",
        "decided otherwise (%)": f"{otherwise.min():.2f} to {otherwise.max():.2f}",
    }
assert seen["renumbered copy"][1].max() < 1e-4
assert seen["rescaled copy"][1].max() < 1e-4
course.table(rows)

# %%
figure = lessons.weights_and_function(
    seen,
    floor=1e-7,
    source=f"{data.title}, MLP, {len(labels)} test images",
    title="A renumbered copy is as far away as another retraining, and the same function",
)
course.save_live(figure, "01_distances")

# %% [markdown]
# **What we see.** All distances are from one network, n = 1. The copies lie at the bottom of the left panel, at the level of
# rounding (exact zeros are drawn at 10⁻⁷ nat), at any distance in weights. Renumbered copies are as far away as
# another retraining (the second guess). The first epoch of the training is less than half as far away as the other
# retrainings, yet it disagrees on more images than any of
# them. *Along random directions*, with noise, the difference in
# function does grow with the distance. But at one and the same distance, the difference depends entirely on the direction.
# No distance between weights measures the distance between functions.
#
# ## Can the numbering be undone?
#
# Two retrainings have their units in unrelated places. To compare them, we renumber the second so that θ′ lies as near as
# possible to θ (*weight matching* [1]). We have $\lVert\theta - \theta'\rVert^2 = \lVert\theta\rVert^2 + \lVert\theta'\rVert^2 - 2\,\theta\cdot\theta'$, and the norms do not change. So θ·θ′ has
# to be as large as possible. For *one* layer this is the well-known **assignment problem**: give each unit i of one
# network a partner j in the other, so that the sum of the scores $G_{ij}$ is largest.
#
# ### By hand, five units
#
# Five units have 120 orders, and we try them all. The library's algorithm needs about n³ steps instead of n! trials.

# %%
G = torch.randn(5, 5, generator=chance).numpy()
best = max(itertools.permutations(range(5)), key=lambda order: G[range(5), order].sum())
by_library = linear_sum_assignment(G, maximize=True)[1]
assert tuple(by_library) == best
print(f"best order {best}, sum of scores {G[range(5), best].sum():.3f}")

# %% [markdown]
# ### Two hidden layers
#
# The score of a pair of units is the scalar product of all their weights: incoming, bias and outgoing. The score of the
# second layer depends on the order of the first, and vice versa. So we take the layers in turn until nothing changes. The
# function below does this by hand. It ends at a *local* optimum. A better order may exist, so our distance is an upper
# bound on the smallest one.

# %%
def match(theta, other, shapes=shapes):
    """Renumber the hidden units of `other` so that it lies near `theta`."""
    W1, b1, W2, b2, W3, _ = layers(theta, shapes)
    V1, c1, V2, c2, V3, _ = layers(other, shapes)
    first = second = torch.arange(len(b1))
    for _ in range(50):
        before = first, second
        score = W1 @ V1.T + torch.outer(b1, c1) + W2.T @ V2[second]
        first = torch.as_tensor(linear_sum_assignment(score.numpy(), maximize=True)[1])
        score = W2 @ V2[:, first].T + torch.outer(b2, c2) + W3.T @ V3
        second = torch.as_tensor(linear_sum_assignment(score.numpy(), maximize=True)[1])
        if torch.equal(first, before[0]) and torch.equal(second, before[1]):
            break
    return renumber(other, first, second, shapes)


found = match(runs[0], renumbered[0])  # the copy of which we know the order
assert torch.equal(found, runs[0])
print("a renumbered copy comes back to its original, number by number")

# %% [markdown]
# Now pairs of *retrainings*. We take four pairs that share no network, so that they are four independent observations. As
# a control, we also match the starts of the same trainings: random numbers, which have nothing in common.

# %%
separate = [(0, 1), (2, 3), (4, 5), (6, 7)]
matched = [match(runs[i], runs[j]) for i, j in separate]
predicted = ln.members(net, matched, data).predict(images).numpy()
assert np.allclose(ln.log_odds(predicted, chosen), q[1::2], atol=1e-2)  # no prediction changes
compared = {
    "ends as trained": (ends[::2], ends[1::2]),
    "ends, matched": (ends[::2], torch.stack(matched)),
    "starts as drawn": (starts[::2], starts[1::2]),
    "starts, matched": (
        starts[::2],
        torch.stack([match(starts[i], starts[j]) for i, j in separate]),
    ),
}
distances, cosines = {}, {}
for name, (a, b) in compared.items():
    distances[name] = ln.Estimate.mean((a - b).norm(dim=1))
    cosines[name] = ln.Estimate.mean(cosine_similarity(a, b))
course.table(
    {name: {"distance": str(distances[name]), "cosine": str(cosines[name])} for name in compared}
)

# %% [markdown]
# **What we see.** The values are means over n = 4 pairs, with their standard uncertainties. Matching brings retrainings
# closer and makes the right angle acute; yet most of the distance stays. The last row is a control: even random numbers
# come closer, since the best of very many orders is picked *because* it fits. Only the gain of the ends beyond that of the
# starts comes from training.
#
# ### Does the hill disappear?

# %%
some = data.train.subset(slice(0, 2000))
hills, barriers, rows = {}, {}, {}
for kind, split in (("training images", some), ("test images", data.test)):
    hills[kind], rows[kind] = {}, {}
    for name, targets in (("line", ends[1::2]), ("matched line", matched)):
        lines = [ln.Segment.between(a, b) for a, b in zip(ends[::2], targets, strict=True)]
        surveys = [ln.along(runs, line, split, n=11) for line in lines]
        t, loss = surveys[0].coordinates, np.stack([survey.loss for survey in surveys])
        hills[kind][name] = t, loss
        barriers[kind, name] = ln.Estimate.mean([ln.barrier(t, one) for one in loss], unit="nat")
        rows[kind][f"barrier of the {name}"] = str(barriers[kind, name])
    rows[kind]["mean loss of the ends (nat)"] = loss[:, [0, -1]].mean()
course.table(rows, digits=4)

# %%
left = barriers["training images", "matched line"].value / barriers["training images", "line"].value
figure = ln.plots.path_losses(
    hills,
    source=f"{data.title}, MLP, n = 4 pairs",
    title=f"Renumbering removes {1 - left:.0%} of the barrier on the training images",
)
for axis in figure.axes:
    axis.set_ylim(0.001, 2)  # one scale, with room for the legend
course.save_live(figure, "01_matching")

# %% [markdown]
# **What we see.** Thin lines are single pairs, thick ones their mean; the axis is logarithmic. Nearly the whole hill between
# two retrainings comes from the numbering of their units (the third guess), though most of the *distance* doesn't. This is
# why the mean of two good networks is a bad one: it mixes units that do different things.
#
# A part of the barrier remains. On the training images this part is higher than the loss of the ends. There are three
# possible reasons, and these pairs can't distinguish them:
#
# - our order is only a local optimum, and one for distance, not for loss;
# - some units may have no counterpart in the other network;
# - the mean of two units that are alike but not equal has less variance than either [3].
#
# Narrow networks keep more of the barrier (exercise 3). *Wide* ones are conjectured to keep nothing [2].
#
# ### Does u(x) change?
#
# No. Replace the second network of each pair by its matched twin, and evaluate u(x) again:

# %%
regular = [theta for i, (a, _) in enumerate(separate) for theta in (runs[a], matched[i])]
u_again = ln.log_odds(ln.members(net, regular, data).predict(images).numpy(), chosen).std(0, ddof=1)
print(f"u(x) of {len(u)} images: {u.min():.2f} to {u.max():.2f} nat")
print(f"largest change: {np.abs(u_again - u).max():.0e} nat")
assert np.allclose(u, u_again, atol=1e-2)

# %% [markdown]
# u(x) is a standard deviation of q, and q belongs to the function. Numbering, scale, distance, angle and barrier belong to
# the weights. They can't change u(x), and none of them measures it.
#
# ## Exploring means moving the function
#
# Here, *exploring* means looking at networks near the trained ones instead of training more. What must an exploration do? It
# need not go *far*. It must move q(x) on those images on which retraining moves it, and by about as much. We try three cheap
# ways, each with eight networks: noise on one training, the line between two, and the line after matching. For comparison we
# also take the two trainings alone. We compare each spread with u(x) from six other retrainings, by size and by *rank
# correlation* (Spearman's: 1 means that both put the images in the same order).

# %%
steps = torch.linspace(0, 1, 8)[:, None]
blind = torch.randn(8, P, generator=chance)
ways = {
    "noise on network 0": runs[0] + 0.6 * runs[0].norm() * blind / blind.norm(dim=1, keepdim=True),
    "line from 0 to 1": (1 - steps) * runs[0] + steps * runs[1],
    "line from 0 to 1, matched": (1 - steps) * runs[0] + steps * matched[0],
    "networks 0 and 1": runs[:2],
}
truth = q[2:].std(0, ddof=1)
spread, rows = {}, {}
for name, thetas in ways.items():
    predicted = ln.members(net, list(thetas), data).predict(images).numpy()
    spread[name] = ln.log_odds(predicted, chosen).std(0, ddof=1)
    rows[name] = {
        "size of the spread / size of u(x)": math.sqrt(
            np.mean(spread[name] ** 2) / np.mean(truth**2)
        ),
        "rank correlation with u(x)": spearmanr(spread[name], truth).statistic,
    }
halves = spearmanr(q[2:5].std(0, ddof=1), q[5:].std(0, ddof=1)).statistic
# of six, from halves of three (Spearman, Brown):
ceiling = math.sqrt(2 * max(halves, 0) / (1 + halves))
print(f"rank correlation of three of the six with the other three: {halves:+.2f}")
print(f"so a perfect exploration would reach about {ceiling:.2f}, not 1")
course.table(rows, digits=2)

# %%
shown = [name for name in ways if name != "line from 0 to 1"]
equal = np.array([0.2, 4.0])
figure = lessons.clouds(
    {name: (truth[:500], spread[name][:500]) for name in shown},
    {name: {"equal": (equal, equal)} for name in shown},
    x="u(x) (nat)",
    y="spread of q (nat)",
    log=True,
    source=f"{data.title}, MLP, 500 test images shown, u(x) from n = 6",
    title="A spread of the right size is not yet a spread on the right images",
)
course.save_live(figure, "01_explored")

# %% [markdown]
# **What we see.** We *chose* the size of the noise so that its spread is about that of u(x). The line between matched
# networks has nearly that spread by itself, and could pass for a success. But it moves different images from those that retraining moves:
# its rank correlation is close to zero. The plain line crosses the hill, and spreads far too widely. Noise shows more
# of the pattern than two real retrainings do here. The yardstick is rough: six retrainings give u(x) with a large
# uncertainty. Two halves of the six correlate
# weakly, so even a perfect exploration would show a low correlation. And n is 1: one pair, and one network with noise.
#
# So an exploration is judged by two questions, both about functions. Is its spread of the right *size*? Is it on the right
# *images*? `07_retraining_uncertainty` takes the size from two or three real retrainings, and measures the pattern in spite
# of a rough yardstick. `13_appendix` compares the explorations.

# %% [markdown]
# ## Trap: far apart, at right angles, and no uncertainty at all
#
# A colleague has "an ensemble of five diverse networks": all pairs are far apart, all angles are 90°. We compare it with
# five of our retrainings. *Disagreement* is the share of test images that two networks decide differently, averaged over
# all pairs.

# %%
ensembles = {
    "five retrainings": ends[:5],
    "the colleague's five": torch.stack([runs[0], *renumbered]),
}
rows, (i, j) = {}, np.triu_indices(5, 1)
for name, thetas in ensembles.items():
    predicted = ln.members(net, list(thetas), data).predict(images)
    spreads = ln.log_odds(predicted.numpy(), chosen).std(0, ddof=1)
    rows[name] = {
        "distance": float((thetas[i] - thetas[j]).norm(dim=1).mean()),
        "angle (°)": float(
            torch.rad2deg(torch.arccos(cosine_similarity(thetas[i], thetas[j]))).mean()
        ),
        "disagreement (%)": 100 * ln.scores.disagreement(predicted).value,
        "mean spread of q (nat)": f"{spreads.mean():.2g}",
    }
course.table(rows, digits=2)

# %% [markdown]
# Weight space shows no difference. The colleague's five are copies of *one* network with renumbered units.
# The trap is to take diversity of weights for diversity of predictions. **The cure.** Measure predictions if you want to
# know something about predictions.
#
# The trap has another side. Some methods push networks *apart in weights*, by a penalty on their cosine or a reward for
# volume. They may only gain distance. `04_simplexes` looks at two of them.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# Weight decay makes ‖θ‖² smaller. For one hidden unit, which factor c makes the sum of squares of its incoming weights
# (with bias) and outgoing weights smallest? Do the trained units of the first layer have it, and did they at the start?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, theta in (("start", starts[0]), ("end", runs[0])):
    W1, b1, W2, *_ = layers(theta)
    incoming, outgoing = (W1.square().sum(1) + b1.square()).sqrt(), W2.square().sum(0).sqrt()
    low, middle, high = (incoming / outgoing).quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    balanced = rescale(theta, (outgoing / incoming).sqrt(), torch.ones(200))
    print(
        f"{name:5}: incoming/outgoing norm {middle:.2f}, nine in ten from {low:.2f} to {high:.2f}"
    )
    print(f"       ‖θ‖ = {theta.norm():.3f}, balanced {balanced.norm():.3f}")
    assert balanced.norm() <= theta.norm()
# c² v² + w²/c² is smallest where both parts are equal, c = √(w/v): incoming and outgoing norm are
# equal. PyTorch's initial weights are close to that. Trained units are farther from it, but
# balancing them makes ‖θ‖ smaller by a few per cent at most. So weight decay prefers one place on
# each sheet of rescaled copies. It has no preference between renumbered copies.

# %% [markdown]
# ### Exercise 2
#
# Units can also be matched by their *activations*: by the correlation of these over some training images. Match the first
# pair that way. Which of the two rules gives the smaller distance, which the smaller barrier?

# %% tags=["solution"] jupyter={"source_hidden": true}
standard = []  # activations of both hidden layers, with mean 0 and standard deviation 1
for theta in runs[:2]:
    W1, b1, W2, b2, *_ = layers(theta)
    h1 = (some.images.flatten(1) @ W1.T + b1).relu()
    h2 = (h1 @ W2.T + b2).relu()
    standard.append([(h - h.mean(0)) / (h.std(0) + 1e-6) for h in (h1, h2)])
orders = []
for h, k in zip(*standard, strict=True):
    score = (h.T @ k / len(some)).numpy()
    orders.append(torch.as_tensor(linear_sum_assignment(score, maximize=True)[1]))
by_activity = renumber(runs[1], *orders)

for name, other in (
    ("as trained", runs[1]),
    ("by weights", matched[0]),
    ("by activity", by_activity),
):
    line = ln.along(runs, ln.Segment.between(runs[0], other), some, n=11)
    height = ln.barrier(line.coordinates, line.loss)
    print(f"{name:11} distance {(other - runs[0]).norm():.1f}, barrier {height:.3f} nat")
# Matching by weights gives the smaller distance, as it should: it minimises the distance, though
# only to a local optimum. Both rules remove nearly the whole hill. One pair can't tell which rule
# gives the lower barrier.

# %% [markdown]
# ### Exercise 3
#
# Repeat the matching with 25 and with 100 hidden units in each layer. What share of the barrier remains?

# %% tags=["solution"] jupyter={"source_hidden": true}
for width in (25, 100):
    narrow = ln.network("mlp", data, width=width)
    two = ln.fit(narrow, data, seeds=[0, 1], recipe=recipe, progress=False)
    heights, of_narrow = [], [p.shape for p in narrow().parameters()]
    for other in (two[1], match(two[0], two[1], of_narrow)):
        line = ln.along(two, ln.Segment.between(two[0], other), some, n=11)
        heights.append(ln.barrier(line.coordinates, line.loss))
    print(f"{width:3} units: barrier {heights[0]:.3f} nat, matched {heights[1]:.3f} nat, "
          f"that is {100 * heights[1] / heights[0]:.1f} %")
# The narrower, the more remains. A likely reason: among 200 units each finds one like it, among 25
# often not. This is one pair for each width.

# %% [markdown]
# ### Exercise 4
#
# Match all seven others to network 0 and take the mean *of the weights* of the eight. Is that one network as good as the mean *of
# the predictions* of the eight? And without matching?

# %% tags=["solution"] jupyter={"source_hidden": true}
together = torch.stack([runs[0], *(match(runs[0], theta) for theta in ends[1:])])
means = ln.members(net, [ends.mean(0), together.mean(0)], data).predict(images)
ways = {
    "one network": logp[0],
    "mean of weights, as trained": means[0],
    "mean of weights, matched": means[1],
    "mean of predictions": logp,
}
course.table(
    {
        name: {
            "test loss": str(ln.nll(p, labels)),
            "right": str(ln.accuracy(p, labels).scaled(100, "%")),
        }
        for name, p in ways.items()
    }
)
# The mean of weights as trained is useless. After matching it is a usable network, but not better
# than a single one, and it costs eight trainings. The mean of predictions is better. One network
# has no spread, so it shows nothing about u(x).

# %% [markdown]
# ### Exercise 5: your own data
#
# Take images and labels of your own, `ln.dataset(train=(images, labels), test=(images, labels))`. Train two networks on
# them. What is the angle between the two, and on how many test images do they disagree? Here, small digits stand in for
# your data.

# %% tags=["solution"] jupyter={"source_hidden": true}
yours = ln.load("digits")  # put your own data here
brief = ln.Recipe(epochs=10, batch=64)
two = ln.fit(ln.network("mlp", yours, width=32), yours, seeds=[0, 1], recipe=brief, progress=False)
angle = torch.rad2deg(torch.arccos(cosine_similarity(two[0], two[1], dim=0)))
differ = ln.scores.disagreement(two.predict(yours.test.images)).scaled(100, "%")
print(
    f"angle {angle:.0f}° in {two.n_parameters} dimensions; they disagree on {differ} of the images"
)
# The angle is near 90° here, too. It does not show the disagreement.

# %% [markdown]
# ## Summary
#
# A network is a vector θ. The same function has an astronomical number of places in weight space, by renumbering and
# rescaling the hidden units. Retrainings are at right angles, and as far apart as a network and its renumbered copy. In
# so many dimensions neither is
# remarkable. When one of two retrainings is renumbered to fit the other, most of the barrier
# disappears, but most of the distance stays. A small barrier remains. All this leaves u(x) unchanged, since u(x) is computed
# from predictions. So an exploration of the landscape must be judged by its effect on the *function*: how large, and on
# which images.

# %% [markdown]
# ## What was recorded
#
# Live numbers and stored reference, as explained in `00_start_here`. The first two brackets are over test images, the
# others over n = 4 pairs of retrainings that share no network.

# %%
course.record(
    "01_weight_space",
    profile,
    {
        "accuracy, one network": ln.accuracy(logp[0], labels),
        "disagreement of eight retrainings": ln.scores.disagreement(logp),
        "distance between two retrainings": distances["ends as trained"],
        "cosine of two retrainings, matched": cosines["ends, matched"],
        "barrier on the line, training images": barriers["training images", "line"],
        "barrier on the line, matched": barriers["training images", "matched line"],
    },
    data=data,
    figures=["01_distances", "01_matching", "01_explored"],
)

# %% [markdown]
# ## References
#
# 1. Ainsworth, Hayase, Srinivasa 2022, arXiv 2209.04836: matching units by weights or activations, lines without barriers.
# 2. Entezari, Sedghi, Saukh, Neyshabur 2021, arXiv 2110.06296: the conjecture that permutations account for the barriers of
#    wide networks.
# 3. Jordan, Sedghi, Saukh, Entezari, Neyshabur 2022, arXiv 2211.08403: why the variances of interpolated networks collapse.
# 4. Fort, Hu, Lakshminarayanan 2019, arXiv 1912.02757: weights and predictions of retrainings compared.
#
# **Next:** `02_uncertainty` asks what the uncertainty of a prediction is. `03_paths` goes around the hill, without
# renumbering.
