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
# **Question.** A trained network is a point in a space of some 200 000 dimensions. Train it again with another seed, and
# the point is elsewhere. How far away, in which direction, and does that distance say anything about how differently the
# two networks decide?
#
# **What you will learn**
# - to turn a network into one vector θ and back, and what stands in it;
# - two ways to move θ far away without changing a single prediction;
# - how far apart retrainings lie, and why a right angle between them tells little;
# - to renumber the hidden units of one network so that it lies as near as possible to another, and what becomes of the
#   hill between the two;
# - what all this means for u(x), the standard uncertainty of a prediction due to retraining.
#
# **Before you start.** `00_start_here`. You should know the length of a vector and the angle between two.
#
# **Minutes.** 25 minutes to read. To compute: under half a minute in the profile `quick`, some two minutes in `standard`,
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

import lnescape as ln
from lnescape.plots import canvas
from lnescape.weights import build
from notebooks import course

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. Two retrainings are two vectors from the origin. **What is the angle between them: 10°, 45°, or 90°?**
# 2. Give the hidden units of one network new numbers by lot: unit 17 becomes unit 103, and takes all its weights along.
#    How far does θ move, compared with the distance to another retraining: **a tenth, a half, or as far?**
# 3. On the straight line between two retrainings the loss has a hill (`00_start_here`). How much of it is left if the units
#    of the second network are first renumbered so that they fit those of the first: **all, half, or nearly nothing?**

# %% [markdown]
# ## The smallest case: two weights
#
# One input x, one hidden unit, one output: f(x) = a · max(0, b x). Two weights, θ = (b, a), so that weight space is a plane.
# For b > 0 the unit lets positive x pass, and f(x) = a b x there. Only the *product* a b enters the function: all points of the
# curve a b = 1 are one and the same network.

# %%
places = {"A": (1.0, 1.0), "B": (4.0, 0.25), "C": (1.3, 1.5)}
f = {name: a * max(0.0, b * 2.0) for name, (b, a) in places.items()}  # at x = 2
for one, other in (("A", "B"), ("A", "C")):
    print(f"{one} and {other}: {math.dist(places[one], places[other]):.2f} apart in weights, "
          f"f(2) = {f[one]:.2f} and {f[other]:.2f}")

# %%
b = np.linspace(0.15, 4.6, 200)
with canvas(1, 2.9, "computed, f(x) = a · max(0, b x)", width=4.6) as (figure, (axis,)):
    for product, line in ((0.5, ":"), (1, "-"), (2, "--")):
        axis.plot(b, product / b, color="#0072B2", linestyle=line, linewidth=1.4, label=f"a b = {product}")
    for name, spot in places.items():
        axis.plot(*spot, "o", color="black", markersize=6)
        axis.annotate(name, spot, (6, 5), textcoords="offset points", fontweight="bold")
    axis.set(xlim=(0, 4.6), ylim=(0, 3), xlabel="incoming weight b", ylabel="outgoing weight a")
    axis.legend(title="one function each")
    figure.suptitle("A and B are one function; A and C, much nearer, are two", x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "01_one_function")

# %% [markdown]
# **What we see.** Each curve is one function. From A to B it is far, and nothing changes; from A to C it is near, and the
# output nearly doubles. *Distance between points and difference between functions are two different things*, from two weights on.
#
# ### A network as a vector, by hand and by library
#
# With two hidden units there are four weights. We read them out of a module in their order and join them; the library's
# `theta_of` does the same. Then the two units change places: each takes its incoming and its outgoing weight along.

# %%
tiny = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False), torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False))
tiny[0].weight.data, tiny[2].weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[3.0, 0.5]])
x = torch.linspace(-2, 2, 9)[:, None]
theta, before = torch.cat([p.detach().flatten() for p in tiny.parameters()]), tiny(x)
assert torch.equal(theta, ln.weights.theta_of(tiny))

tiny[0].weight.data, tiny[2].weight.data = tiny[0].weight.data[[1, 0]], tiny[2].weight.data[:, [1, 0]]
swapped = ln.weights.theta_of(tiny)
assert torch.equal(tiny(x), before)
print(f"θ = {theta.tolist()}, with the units swapped {swapped.tolist()}: {(theta - swapped).norm():.2f} apart, same function")

# %% [markdown]
# ## The real case: eight retrainings
#
# `fit(…, path=True)` also keeps where each training stood at the end of every epoch. We shall need that below.

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
for name, p in module.named_parameters():
    share = float(p.detach().square().sum() / theta.square().sum())
    print(f"{name:9} shape {list(p.shape)!s:11} {p.numel():7} numbers, {100 * share:5.2f} % of ‖θ‖²")
print(f"together P = {P} numbers, ‖θ‖ = {theta.norm():.2f}")

# %% [markdown]
# That is the whole network: three matrices and three rows of biases, one after another. Weights have no unit.
#
# And the *function*? It is what θ makes of images. We describe it, as everywhere in this course, by the log-odds
#
# $$ q(x; \theta) = \ln p_c - \ln (1 - p_c) \quad\text{in nat,} $$
#
# for one class c(x) fixed beforehand for each image (here the one that the mean of the eight prefers). So there are two
# coordinate systems: θ, a row of P numbers, and q, one number for each of the test images. To tell how far two networks
# are apart one can take either
#
# $$ \lVert \theta - \theta' \rVert \quad\text{(weights, Euclidean), or}\quad
#    D(\theta, \theta') = \operatorname{mean}_x \lvert q(x;\theta) - q(x;\theta') \rvert \quad\text{(function, nat of log-odds).} $$

# %%
images, labels = data.test.images, data.test.labels
logp = runs.predict(images)  # [members, images, classes]
chosen = ln.mean_prediction(logp).argmax(1).numpy()
q = ln.log_odds(logp.numpy(), chosen)  # [members, images]
u = q.std(0, ddof=1)
print(f"q has shape {list(q.shape)}; one network is right on {ln.accuracy(logp[0], labels).scaled(100, '%')} of the test images")

apart = np.mean([np.abs(q[i] - q[j]).mean() for i, j in itertools.combinations(range(8), 2)])
print(f"mean D over the 28 pairs {apart:.2f} nat; mean of u(x) {u.mean():.2f} nat, times 2/√π {2 / math.sqrt(math.pi) * u.mean():.2f} nat")

# %% [markdown]
# The last line ties D to what we are after. Two independent draws from a normal law of standard deviation u differ by 2u/√π
# on average, and the retrainings do so nearly (a standard deviation from n = 8 comes out 3.5 % too low on average):
# **distance in function between retrainings is u(x) in another dress.**
#
# ## Two ways to go far without moving the function
#
# *Renumbering.* Put the units of a hidden layer in another order: rows of its matrix and its biases, and in the same order
# the columns of the next matrix.
#
# *Rescaling.* Multiply what comes into a unit, bias included, by c > 0, and divide what goes out of it by c. As
# max(0, c z) = c max(0, z), nothing else changes.

# %%
sizes, shapes = [p.numel() for p in module.parameters()], [p.shape for p in module.parameters()]


def layers(theta):
    return [part.view(shape) for part, shape in zip(theta.split(sizes), shapes, strict=True)]


def joined(*parts):
    return torch.cat([part.flatten() for part in parts])


def renumber(theta, first, second):
    """The same network, its hidden units in the given orders."""
    W1, b1, W2, b2, W3, b3 = layers(theta)
    return joined(W1[first], b1[first], W2[second][:, first], b2[second], W3[:, second], b3)


def rescale(theta, c1, c2):
    """The same network, what comes into its hidden units multiplied by c, what goes out divided by it."""
    W1, b1, W2, b2, W3, b3 = layers(theta)
    return joined(c1[:, None] * W1, c1 * b1, c2[:, None] * W2 / c1, c2 * b2, W3 / c2, b3)


# %%
chance = torch.Generator().manual_seed(0)
orders = [(torch.randperm(200, generator=chance), torch.randperm(200, generator=chance)) for _ in range(4)]
renumbered = [renumber(runs[0], *order) for order in orders]
powers = [2.0 ** torch.randint(-k, k + 1, (2, 200), generator=chance) for k in (1, 2, 3)]  # c = 2^±k: no rounding at all
rescaled = [rescale(runs[0], *c) for c in powers]

with torch.no_grad():
    original, new_order, new_scale = (runs.module(t)(images) for t in (runs[0], renumbered[0], rescaled[0]))
assert torch.allclose(original, new_order, atol=1e-4)
assert torch.allclose(original, new_scale, atol=1e-4)
for name, logits, copy in (("renumbered", new_order, renumbered[0]), ("rescaled", new_scale, rescaled[0])):
    print(f"{name:10} {float((copy - runs[0]).norm() / runs[0].norm()):.2f} ‖θ‖ away, largest change of a logit "
          f"{float((logits - original).abs().max()):.0e}")

# %% [markdown]
# A renumbered network adds up the same numbers in another order, which changes the last digits; a factor of two changes
# none. How many such copies are there?

# %%
digits = 2 * math.lgamma(201) / math.log(10)
print(f"200! · 200! = 10^{digits:.0f} renumberings; and {2 * 200} factors c, each free")

# %% [markdown]
# **What we see.** Every network that can be trained stands in weight space that many times over: copies at other places,
# each drawn out to a sheet of 400 dimensions by rescaling. Whoever looks for "the" place of a function looks for
# something that doesn't exist. Which of the copies a training ends at is left to its initial weights.
#
# ## How far apart are retrainings?
#
# First the lengths. `build(net, s)` makes the network from which the training under seed s started.

# %%
starts = torch.stack([ln.weights.theta_of(build(net, s)) for s in range(8)])
ends = runs.vectors
pairs = np.array(list(itertools.combinations(range(8), 2))).T  # [2, 28]


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a, b, dim=-1)


print(f"norm: starts {starts.norm(dim=1).mean():.1f}, ends {ends.norm(dim=1).mean():.1f}")
for name, a, b in (
    ("a start and its own end", starts, ends),
    ("two starts", starts[pairs[0]], starts[pairs[1]]),
    ("two ends", ends[pairs[0]], ends[pairs[1]]),
    ("two steps, end − start", (ends - starts)[pairs[0]], (ends - starts)[pairs[1]]),
    ("an end, renumbered", ends[:1], torch.stack(renumbered)),
):
    apart, c = (a - b).norm(dim=1), cosine(a, b)
    assert torch.allclose(apart**2, a.norm(dim=1) ** 2 + b.norm(dim=1) ** 2 - 2 * a.norm(dim=1) * b.norm(dim=1) * c, rtol=1e-3)
    angles = torch.rad2deg(torch.arccos(c))
    print(f"{name:24} {apart.mean():5.1f} apart; cosine {c.min():+.3f} to {c.max():+.3f}, angle {angles.min():.0f}° to {angles.max():.0f}°")

# %% [markdown]
# **What we see.** A training ends closer to its own start than to any other network: it keeps much of the random numbers
# that it began with. Two ends are as good as at right angles (the first guess), just as two starts are. The distance
# between two ends is then what Pythagoras says, about √2 times their length; so it tells their *norm* and nothing else.
# And the network and its own renumbered copy are at a right angle as well.
#
# ### What is a right angle worth in P dimensions?
#
# Draw two directions blindly, each as n independent numbers of mean 0 and variance 1. Both vectors have a length of about √n,
# so that their cosine is about the mean of n independent products of variance 1: its own mean is 0, its standard deviation
# 1/√n. Tried:

# %%
for n in (2, 100, 10_000, P):
    a, b = torch.randn(2, 60, n, generator=chance)
    print(f"{n:6} dimensions: standard deviation of the cosine {cosine(a, b).std():.4f}, 1/√n = {1 / math.sqrt(n):.4f}")
of_ends = cosine(ends[pairs[0]], ends[pairs[1]])
print(f"the 28 pairs of ends: mean cosine {of_ends.mean():+.4f}, standard deviation {of_ends.std():.4f}")

# %% [markdown]
# **What we see.** In two dimensions a right angle between two directions would be a coincidence; in 200 000 it is what
# happens whenever nothing is arranged. So "retrainings are orthogonal" is no discovery about training. It says that the
# numbering of the units was drawn by lot, and next to nothing about functions. (The cosines of ends scatter more widely
# than 1/√P, though still by hundredths. Large weights count for more and are few, so that fewer dimensions than P matter.)
#
# ## Distance in weights against distance in function
#
# Now both distances of network 0 from many others: its copies; itself with a little noise on all weights (Gaussian, of a given
# share of ‖θ‖); the earlier epochs of its own training; the seven other retrainings.

# %%
noise = torch.randn(6, P, generator=chance)
noise *= torch.tensor([0.003, 0.01, 0.03, 0.1, 0.3, 1.0])[:, None] * runs[0].norm() / noise.norm(dim=1, keepdim=True)
others = {
    "renumbered copy": torch.stack(renumbered),
    "rescaled copy": torch.stack(rescaled),
    "with noise": runs[0] + noise,
    "own earlier epoch": runs.path[0, :-1],
    "other retraining": ends[1:],
}
seen, rows = {}, {}
for kind, thetas in others.items():
    law = ln.members(net, list(thetas), data)
    said = law.predict(images)
    gap = np.abs(ln.log_odds(said.numpy(), chosen) - q[0]).mean(1)
    otherwise = 100 * (said.argmax(2) != logp[0].argmax(1)).double().mean(1)
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
looks = {
    "renumbered copy": ("x", "#000000"), "rescaled copy": ("+", "#000000"), "with noise": ("s", "#999999"),
    "own earlier epoch": ("^", "#0072B2"), "other retraining": ("o", "#009E73"),
}
with canvas(2, 3.1, f"{data.title}, MLP, {len(labels)} test images") as (figure, axes):
    for kind, (far, gap, otherwise) in seen.items():
        marker, colour = looks[kind]
        for axis, values in zip(axes, (np.maximum(gap, 1e-7), otherwise), strict=True):
            axis.plot(far, values, marker, color=colour, markersize=6, fillstyle="none", markeredgewidth=1.3, label=kind)
    axes[0].set(yscale="log", ylabel="distance D in function (nat)")
    axes[1].set(ylabel="images decided otherwise (%)")
    for axis in axes:
        axis.set(xscale="log", xlabel="distance in weights (in ‖θ‖)")
    axes[0].legend(loc="lower left", fontsize=8)
    title = "A renumbered copy is as far away as another retraining, and the same function"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "01_distances")

# %% [markdown]
# **What we see.** All distances are from one network, n = 1. The copies lie on the floor of the left panel, at rounding
# errors (exact zeros are drawn at 10⁻⁷ nat), whatever their distance: renumbered ones as far as another retraining (the second
# guess). The first epoch of its own training is less than half as far as the other retrainings, and decides more images
# otherwise than any of them. And the noise: *along random directions* function does follow distance. But at one and the same
# distance it matters entirely in which direction one goes. No ruler laid on θ measures the distance of functions.
#
# ## Can the numbering be undone?
#
# Two retrainings have their units in unrelated places. To compare them, we renumber the second so that θ′ lies as near as
# possible to θ (*weight matching* [1]). As ‖θ − θ′‖² = ‖θ‖² + ‖θ′‖² − 2 θ·θ′ and norms stay, that means: make θ·θ′ as
# large as possible. For *one* layer this is a well-known task, the **assignment problem**. Give each unit i of the one network a
# partner j of the other, so that the sum of the scores G_ij is largest.
#
# ### By hand, five units
#
# Five units have 120 orders, and we try them all. The library's algorithm needs some n³ steps in place of n! orders.

# %%
G = torch.randn(5, 5, generator=chance).numpy()
best = max(itertools.permutations(range(5)), key=lambda order: G[range(5), order].sum())
by_library = linear_sum_assignment(G, maximize=True)[1]
assert tuple(by_library) == best
print(f"best order {best}, sum of scores {G[range(5), best].sum():.3f}")

# %% [markdown]
# ### Two hidden layers
#
# The score of a pair of units is the scalar product of all their weights, incoming, bias and outgoing. In the second layer
# these depend on how the first was ordered, and the other way round; so we take the layers in turn until nothing moves any
# more. That ends at a *local* optimum, and a better order may exist: the distance that we find is an upper bound of the
# smallest one.

# %%
def match(theta, other):
    """Renumber the hidden units of `other` so that it lies near `theta`."""
    W1, b1, W2, b2, W3, _ = layers(theta)
    V1, c1, V2, c2, V3, _ = layers(other)
    first = second = torch.arange(len(b1))
    for _ in range(50):
        before = first, second
        score = W1 @ V1.T + torch.outer(b1, c1) + W2.T @ V2[second]
        first = torch.as_tensor(linear_sum_assignment(score.numpy(), maximize=True)[1])
        score = W2 @ V2[:, first].T + torch.outer(b2, c2) + W3.T @ V3
        second = torch.as_tensor(linear_sum_assignment(score.numpy(), maximize=True)[1])
        if torch.equal(first, before[0]) and torch.equal(second, before[1]):
            break
    return renumber(other, first, second)


found = match(runs[0], renumbered[0])  # the copy of which we know the order
assert torch.equal(found, runs[0])
print("a renumbered copy comes back to its original, number by number")

# %% [markdown]
# Now pairs of *retrainings*. We take four pairs that share no network, so that they are four independent observations. As
# a control, the starts of the same trainings are matched as well: random numbers, which have nothing in common to be found.

# %%
separate = [(0, 1), (2, 3), (4, 5), (6, 7)]
matched = [match(runs[i], runs[j]) for i, j in separate]
assert np.allclose(ln.log_odds(ln.members(net, matched, data).predict(images).numpy(), chosen), q[1::2], atol=1e-2)
rows = {
    "ends as trained": (ends[::2], ends[1::2]),
    "ends, matched": (ends[::2], torch.stack(matched)),
    "starts as drawn": (starts[::2], starts[1::2]),
    "starts, matched": (starts[::2], torch.stack([match(starts[i], starts[j]) for i, j in separate])),
}
distances, cosines = {}, {}
for name, (a, b) in rows.items():
    distances[name], cosines[name] = ln.Estimate.mean((a - b).norm(dim=1)), ln.Estimate.mean(cosine(a, b))
    print(f"{name:16} distance {distances[name]!s:>11}, cosine {cosines[name]}")

# %% [markdown]
# **What we see.** Means over n = 4 pairs, with their standard uncertainties. Matching brings retrainings closer and turns the
# right angle into an acute one; yet most of the distance stays. Mind the last row: even random numbers gain, as the best
# of so many orders is picked *because* it fits. Only what the ends gain beyond the starts is owed to training. (The
# assertion says that matching changed no prediction.)
#
# ### And the hill?

# %%
some = data.train.subset(slice(0, 2000))
hills = {}
for split_name, split in (("training images", some), ("test images", data.test)):
    for name, targets in (("as trained", ends[1::2]), ("matched", matched)):
        surveys = [ln.along(runs, ln.Segment.between(a, b), split, n=11) for a, b in zip(ends[::2], targets, strict=True)]
        hills[split_name, name] = surveys[0].coordinates, np.stack([survey.loss for survey in surveys])
barriers = {}
for (split_name, name), (t, loss) in hills.items():
    height = ln.Estimate.mean([ln.barrier(t, one) for one in loss], unit="nat")
    barriers[split_name, name] = height
    print(f"{split_name:15} {name:10} barrier {height!s:>15}; mean loss of the ends {loss[:, [0, -1]].mean():.4f} nat")

# %%
with canvas(2, 2.9, f"{data.title}, MLP, n = 4 pairs") as (figure, axes):
    for axis, split_name in zip(axes, ("training images", "test images"), strict=True):
        for name, colour, line in (("as trained", "#000000", ":"), ("matched", "#D55E00", "-")):
            t, loss = hills[split_name, name]
            axis.plot(t, loss.T, color=colour, linestyle=line, linewidth=0.7, alpha=0.6)
            axis.plot(t, loss.mean(0), color=colour, linestyle=line, linewidth=2.2, label=name)
        axis.set(yscale="log", title=split_name, xlabel="time t along the straight line")
    highest = max(loss.max() for _, loss in hills.values())
    lowest = min(loss.min() for _, loss in hills.values())
    for axis in axes:
        axis.set_ylim(0.7 * lowest, 1.5 * highest)
    axes[0].set_ylabel("mean loss (nat)")
    axes[1].legend(loc="lower center")
    gone = 100 * (1 - barriers["training images", "matched"].value / barriers["training images", "as trained"].value)
    title = f"Renumbering takes away {gone:.0f} % of the barrier on the training images, not all of it"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "01_matching")

# %% [markdown]
# **What we see.** Thin lines are single pairs, thick ones their mean; the axis is logarithmic. Nearly the whole hill between
# two retrainings is owed to the numbering of their units (the third guess), though most of the *distance* isn't. That is
# the answer to why the mean of two good networks is a bad one: it mixes units that do different things.
#
# Something remains, and on the training images it is no trifle: the barrier that is left is higher than the loss of the ends
# itself. Three reasons come to mind, and these pairs can't tell them apart: our order is only a local
# optimum, and one for distance, not for loss; units of one network may have no counterpart in the other; and the mean of two
# units that are alike but not equal has less variance than either [3]. Narrow networks keep more of it (exercise 3). That *wide* ones keep nothing is a conjecture [2].
#
# ### And u(x)?
#
# It doesn't notice. Replace the second network of each pair by its matched twin, and evaluate u(x) again:

# %%
regular = [theta for i, (a, _) in enumerate(separate) for theta in (runs[a], matched[i])]
u_again = ln.log_odds(ln.members(net, regular, data).predict(images).numpy(), chosen).std(0, ddof=1)
print(f"largest change of u(x) over {len(u)} images: {np.abs(u_again - u).max():.0e} nat, of u(x) = {u.min():.2f} to {u.max():.2f} nat")
assert np.allclose(u, u_again, atol=1e-2)

# %% [markdown]
# u(x) is a standard deviation of q, and q belongs to the function. Numbering, scale, distance, angle, barrier: none of
# these can change it. For the same reason none of them *is* it.
#
# ## Exploring, then, means moving the function
#
# *Exploring* means here: look at networks near those that were trained, in place of training more. After all this, what must
# an exploration do? Not go *far*: it must move q(x), on those images on which retraining moves it, and by
# about as much. Three cheap ways to eight networks each, from one training (noise) or two (the lines); beside them the two
# trainings alone. All are held against u(x) from six other retrainings, by size and by *rank correlation* (Spearman's, that of
# the ranks; 1: both put the images in the same order):

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


def root_mean_square(values):
    return math.sqrt(np.mean(values**2))


spread, like = {}, {}
for name, thetas in ways.items():
    own = ln.log_odds(ln.members(net, list(thetas), data).predict(images).numpy(), chosen)
    spread[name] = own.std(0, ddof=1)
    like[name] = spearmanr(spread[name], truth).statistic
    size = root_mean_square(spread[name]) / root_mean_square(truth)
    print(f"{name:26} size of the spread / size of u(x) {size:.2f}; rank correlation with u(x) {like[name]:+.2f}")
halves = spearmanr(q[2:5].std(0, ddof=1), q[5:].std(0, ddof=1)).statistic
ceiling = math.sqrt(2 * max(halves, 0) / (1 + halves))  # Spearman and Brown: reliability of six from that of three
print(f"three of the six against the other three: {halves:+.2f}")
print(f"so a perfect exploration would reach about {ceiling:.2f}, not 1")

# %%
shown = {"noise on network 0": "#999999", "line from 0 to 1, matched": "#D55E00", "networks 0 and 1": "#009E73"}
some_of_them = slice(0, 500)  # more points would hide each other
with canvas(3, 2.5, f"{data.title}, MLP, 500 test images shown, u(x) from n = 6") as (figure, axes):
    for axis, (name, colour) in zip(axes, shown.items(), strict=True):
        axis.plot(truth[some_of_them], spread[name][some_of_them], ".", color=colour, markersize=3, alpha=0.5, rasterized=True)
        axis.plot([0.1, 10], [0.1, 10], color="black", linewidth=0.8)
        axis.set(xscale="log", yscale="log", xlim=(0.1, 10), ylim=(0.01, 10), xlabel="u(x) (nat)")
        axis.set_xticks([0.1, 1, 10], labels=["0.1", "1", "10"])
        axis.set_yticks([0.01, 0.1, 1, 10], labels=["0.01", "0.1", "1", "10"])
        axis.set_title(f"{name}\nrank correlation {like[name]:.2f}".replace("-", "−"), fontsize=8)
    axes[0].set_ylabel("spread of q (nat)")
    title = "A spread of the right size is not yet a spread on the right images"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "01_explored")

# %% [markdown]
# **What we see.** The noise was *given* a size at which its spread is about that of u(x). The line between matched networks
# comes out near that size by itself, which could pass for a success; but it moves other images than retraining does: its rank
# correlation is close to zero. The plain line crosses the hill, and spreads far too widely. Noise, of all things, knows a
# little of the pattern. Mind the yardstick: u(x) from so few retrainings is itself known badly. Two halves of the six
# correlate weakly, and the last line says what that leaves to be reached. And n is 1: one pair, one network to put noise on.
#
# So an exploration is judged by two questions, both about functions: is its spread of the right *size*, and on the right
# *images*? How to measure the second in spite of a rough yardstick, how to take the size from two or three real
# retrainings, and which exploration then helps, is the subject of `07_retraining_uncertainty`.

# %% [markdown]
# ## Trap: far apart, at right angles, and no uncertainty at all
#
# A colleague has "an ensemble of five diverse networks": all pairs far apart, all angles 90°. We compare it with five of our
# retrainings. *Disagreement* is the share of test images that two networks decide differently, averaged over all pairs.

# %%
ensembles = {"five retrainings": ends[:5], "the colleague's five": torch.stack([runs[0], *renumbered])}
for name, thetas in ensembles.items():
    i, j = np.triu_indices(5, 1)
    said = ln.members(net, list(thetas), data).predict(images)
    spread_of_q = ln.log_odds(said.numpy(), chosen).std(0, ddof=1)
    print(f"{name:20} distance {(thetas[i] - thetas[j]).norm(dim=1).mean():.1f}, "
          f"angle {torch.rad2deg(torch.arccos(cosine(thetas[i], thetas[j]))).mean():.0f}°, "
          f"disagreement {100 * ln.scores.disagreement(said).value:.2f} %, mean spread of q {spread_of_q.mean():.2g} nat")

# %% [markdown]
# Seen from weight space there is no difference. The colleague's five are copies of *one* network under other numbers. The
# trap is to take diversity of weights for diversity of predictions, and to state the one as the uncertainty due to the
# other. **The cure:** whatever is to be said about predictions is measured on predictions.
#
# The trap has a reverse side. A method that pushes networks *apart in weights*, by a penalty on their cosine or a reward
# for volume, may buy nothing but distance; `04_simplexes` looks at two such.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# Weight decay pulls at ‖θ‖². For one hidden unit, which factor c makes the sum of squares of its incoming weights (with
# bias) and outgoing weights smallest? Are the trained units of the first layer there, and were they at the start?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, theta in (("start", starts[0]), ("end", runs[0])):
    W1, b1, W2, *_ = layers(theta)
    incoming, outgoing = (W1.square().sum(1) + b1.square()).sqrt(), W2.square().sum(0).sqrt()
    low, middle, high = (incoming / outgoing).quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    balanced = rescale(theta, (outgoing / incoming).sqrt(), torch.ones(200))
    print(f"{name:5}: incoming/outgoing norm {middle:.2f}, nine in ten between {low:.2f} and {high:.2f}; "
          f"‖θ‖ {theta.norm():.3f}, balanced {balanced.norm():.3f}")
    assert balanced.norm() <= theta.norm()
# c² v² + w²/c² is smallest where both parts are equal, c = √(w/v): incoming and outgoing norm alike. PyTorch's initial
# weights happen to be close to it; trained units have moved off it, by little: balanced, ‖θ‖ shrinks by a few per cent at most.
# So weight decay prefers one place on each sheet of rescaled copies. Between renumbered copies it has no preference at all.

# %% [markdown]
# ### Exercise 2
#
# Units could also be matched by what they *do*: by the correlation of their activations over some training images. Match
# the first pair that way. Which of the two rules gives the smaller distance, which the smaller barrier?

# %% tags=["solution"] jupyter={"source_hidden": true}
def activations(theta):
    W1, b1, W2, b2, *_ = layers(theta)
    first = (some.images.flatten(1) @ W1.T + b1).relu()
    return [(h - h.mean(0)) / (h.std(0) + 1e-6) for h in (first, (first @ W2.T + b2).relu())]


scores = [h.T @ k / len(some) for h, k in zip(activations(runs[0]), activations(runs[1]), strict=True)]
by_activity = renumber(runs[1], *(torch.as_tensor(linear_sum_assignment(s.numpy(), maximize=True)[1]) for s in scores))
for name, other in (("as trained", runs[1]), ("by weights", matched[0]), ("by activations", by_activity)):
    line = ln.along(runs, ln.Segment.between(runs[0], other), some, n=11)
    print(f"{name:14} distance {(other - runs[0]).norm():.1f}, barrier {ln.barrier(line.coordinates, line.loss):.3f} nat")
# By weights the distance is smaller: that is what it was made for. Both rules take nearly the whole hill away. Whichever
# barrier is the lower one here, one pair doesn't make a rule.

# %% [markdown]
# ### Exercise 3
#
# Repeat the matching with 25 and with 100 hidden units in each layer. What share of the barrier remains?

# %% tags=["solution"] jupyter={"source_hidden": true}
for width in (25, 100):
    narrow = ln.network("mlp", data, width=width)
    two = ln.fit(narrow, data, seeds=[0, 1], recipe=recipe, progress=False)
    shapes = [p.shape for p in narrow().parameters()]
    sizes = [shape.numel() for shape in shapes]  # `layers` reads these two
    heights = []
    for other in (two[1], match(two[0], two[1])):
        line = ln.along(two, ln.Segment.between(two[0], other), some, n=11)
        heights.append(ln.barrier(line.coordinates, line.loss))
    print(f"{width:3} units: barrier {heights[0]:.3f} nat, matched {heights[1]:.3f} nat, that is {100 * heights[1] / heights[0]:.1f} %")
sizes, shapes = [p.numel() for p in module.parameters()], [p.shape for p in module.parameters()]
# The narrower, the more remains. A likely reason: in a crowd a unit finds another like it, among 25 often none does. One pair each.

# %% [markdown]
# ### Exercise 4
#
# Match all seven others to network 0 and take the mean *of the weights* of the eight. Is that one network as good as the mean *of
# the predictions* of the eight? And without matching?

# %% tags=["solution"] jupyter={"source_hidden": true}
together = torch.stack([runs[0], *(match(runs[0], theta) for theta in ends[1:])])
means = ln.members(net, [ends.mean(0), together.mean(0)], data).predict(images)
for name, p in (("one network", logp[0]), ("mean of weights, as trained", means[0]),
                ("mean of weights, matched", means[1]), ("mean of predictions", logp)):
    print(f"{name:27} test loss {ln.nll(p, labels)}, right on {ln.accuracy(p, labels).scaled(100, '%')}")
# As trained: ruined. Matched: a usable network, but here no better than a single one, at the price of eight trainings; the mean
# of predictions is. And one network has no spread, so it says nothing about u(x).

# %% [markdown]
# ## Summary
#
# A network is a vector θ, and the same function stands in weight space an astronomical number of times, by renumbering and
# rescaling its hidden units. Retrainings lie at right angles and as far apart as a network from its own copy; in so many
# dimensions neither is remarkable. Renumbering one of two retrainings to fit the other takes most of the barrier away, not
# most of the distance, and leaves a barrier that is small and real. u(x) knows nothing of all that, as it is made of
# predictions. So an exploration of the landscape is judged by how it moves the *function*: by how much, and on which images.

# %% [markdown]
# ## What was recorded
#
# The live numbers beside the stored reference, as explained in `00_start_here`. The first two brackets are over test images,
# the others over n = 4 pairs of retrainings that share no network.

# %%
course.record(
    "01_weight_space",
    profile,
    {
        "accuracy, one network": ln.accuracy(logp[0], labels),
        "disagreement of eight retrainings": ln.scores.disagreement(logp),
        "distance between two retrainings": distances["ends as trained"],
        "cosine of two retrainings, matched": cosines["ends, matched"],
        "barrier on the line, training images": barriers["training images", "as trained"],
        "barrier on the line, matched": barriers["training images", "matched"],
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
# **Next:** `02_uncertainty` asks what a prediction's uncertainty is; `03_paths` goes around the hill in place of renumbering it.
