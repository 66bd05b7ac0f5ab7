# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Simplexes: how large is the place where a network is good?
#
# **Question.** A trained network is one point of weight space. Around it lie others that are as good. How large is that
# place, can one be *paid* to find more of it, and what is it worth?
#
# **What you will learn**
# - the volume of a simplex in 199 210 dimensions, by hand and without losing its digits;
# - to draw points evenly from it (the obvious way is wrong);
# - to grow a simplex around a network, vertex by vertex, and to join networks by one;
# - what the weight λ of the volume does, from nothing to too much.
#
# **Before you start.** `03_paths`. You should know what a determinant is.
#
# **Minutes.** 25 minutes to read. To compute: under half a minute in the profile `quick`, two minutes in `standard`, on
# one thread.

# %% tags=["parameters"]
profile = ""

# %%
import math

import numpy as np
import torch

import lnescape as ln
from notebooks import course
from report.studies import figures, lessons

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# We shall add −λ ln V to the loss, V the volume of a triangle with one corner at a trained network: the larger the
# triangle, the lower the sum. The authors of the method [1] use λ of about 10⁻⁸.
#
# **From λ = 0 to λ = 10⁻⁸, by what factor will the triangle's volume grow: 1, 10, or 1 000? And from 10⁻³ to 10⁻²?**

# %% [markdown]
# ## The smallest case: a triangle of sides 3, 4, 5
#
# Its area is 6. With the edges from one corner as the columns of E, a simplex of d edges has the volume
#
# $$ V = \frac{1}{d!}\sqrt{\det E^\top E} . $$
#
# The triangle may lie anywhere, in any number of dimensions; only the angles and lengths of its edges enter.

# %%
corners = torch.zeros(3, 1000)
corners[1, 7], corners[2, 20] = 3.0, 4.0
edges = (corners[1:] - corners[0]).double().T
by_hand = math.sqrt(float(torch.det(edges.T @ edges))) / math.factorial(2)
print(f"area by hand {by_hand:.6f}, by library {math.exp(ln.Simplex(corners, 3).log_volume()):.6f}")
assert math.isclose(by_hand, math.exp(ln.Simplex(corners, 3).log_volume()), rel_tol=1e-12)

# %% [markdown]
# The library gives ln V, since volumes in weight space are astronomically small or large, and computes it by a QR
# decomposition: |R₁₁| is the length of the first edge, |R₂₂| the *height* of the next corner above it, and so on. So
#
# $$ \ln V = \sum_k \ln h_k - \ln d! $$
#
# **A volume is a product of heights.** Keep that; it explains nearly all that follows.
#
# ### Points drawn evenly
#
# Coefficients α₁ … α_K ≥ 0 with sum 1 name a point of the simplex, Σ αᵢ vᵢ with corners vᵢ. To draw
# them evenly: take K exponential numbers, divide them by their sum. That law is called Dirichlet(1, …, 1), and for a triangle E[αᵢ²] = 1/6. The obvious way, uniform
# numbers divided by their sum, crowds the middle.

# %%
rng = np.random.default_rng(0)
even, obvious = rng.exponential(size=(100_000, 3)), rng.uniform(size=(100_000, 3))
drawn = ln.Simplex(corners, 3).draw(100_000, torch.Generator().manual_seed(0)).double().numpy()
for name, numbers in (("exponential", even), ("uniform (wrong)", obvious), ("library", drawn)):
    square = ln.Estimate.mean((numbers / numbers.sum(1, keepdims=True))[:, 0] ** 2)
    print(f"{name:16} E[α₁²] = {square}, should be {1 / 6:.5f}")

# %%
clouds = {"exponential: even": even, "uniform: crowds the middle": obvious}
figure = lessons.even_points(
    {name: (numbers / numbers.sum(1, keepdims=True))[:3000] for name, numbers in clouds.items()},
    source="simulated, 3 000 points each",
    title="The obvious way is not the even one",
)
course.save_live(figure, "04_even")

# %% [markdown]
# ## What a reward for volume does, in one dimension
#
# Let the loss rise as k h²/2 with the height h of the new corner (k: curvature), and add −λ ln V. Of ln V only ln h moves:
#
# $$ \frac{d}{dh}\Big(\tfrac{k}{2} h^2 - \lambda \ln h\Big) = k h - \frac{\lambda}{h} = 0 \quad\Rightarrow\quad h^\ast = \sqrt{\lambda / k} . $$
#
# The reward always wins at small heights, since its slope λ/h has no bound there, and always loses at large ones. **Ten
# times the reward buys √10 times the height**, for each new corner. We try it: gradient descent by hand, then with the slope
# that the library uses in training, and both against the formula.

# %%
k, weight = 2.0, 0.08
base = torch.tensor([[0.0, 0.0], [1.0, 0.0]])  # two frozen corners; the third stands above them
slope_of_volume = ln.training.GrowingVolume([base], weight).slope
by_hand, corner = 0.1, torch.tensor([0.5, 0.1])
for _ in range(400):
    by_hand -= 0.05 * (k * by_hand - weight / by_hand)
    corner -= 0.05 * (torch.stack([torch.zeros(()), k * corner[1]]) + slope_of_volume(corner))
print(f"height by hand {by_hand:.6f}, with the library's slope {corner[1]:.6f}, formula {math.sqrt(weight / k):.6f}")
assert math.isclose(by_hand, math.sqrt(weight / k), rel_tol=1e-5)
assert math.isclose(float(corner[1]), by_hand, rel_tol=1e-5)

# %% [markdown]
# **What we see.** All three agree. For a triangle grown around a network two corners are new, each with its height, so we
# expect V ∝ √λ·√λ = λ: ten times the λ, ten times the area. Unless something else than the reward decides the height. Can you
# think of what?
#
# ## The real case: a triangle around a trained network
#
# One call trains the network and grows the triangle [1]. The budget is a *cost*, counted in trainings: two thirds of it go
# to the network, a third to the two new corners.

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=6 if profile == "standard" else 10, precision="float32")
grown = ln.simplex_ensemble(net, data, budget=1.5, seed=0, recipe=recipe, progress=False)
print(grown)

# %%
seen = ln.triangle(grown, grown.subspace, data.test, n=7)
figure = ln.plots.triangle_map(
    seen.coordinates, seen.loss, source=f"{data.title}, MLP", title="A triangle grown around vertex 1, the trained network"
)
course.save_live(figure, "04_triangle")

# %%
unit = torch.nn.functional.normalize(grown.vectors)
lengths = torch.pdist(grown.vectors)
norm = grown.vectors[0].norm()
print(f"edges {[round(x, 2) for x in lengths.tolist()]} long; the network itself is {norm:.1f} from 0")
print(f"longest edge / norm of the network: {lengths.max() / norm:.2f}")
print(f"ln V = {grown.subspace.log_volume():.2f}; cosine between corners {(unit @ unit.T)[0, 1]:.3f}")

# %% [markdown]
# **What we see.** The map is one triangle. Its longest edge is a tenth of ‖θ‖ with all of MNIST, a fiftieth with 5 000
# images, where two retrainings lie √2 ‖θ‖ apart (`01`). Its corners are close to each other, seen from the origin: the cosine is near 1.
# Compare the triangle of `03`, learned from scratch, whose corners were nearly at right angles. A simplex *grown around* a
# network explores one valley; one learned *from scratch* spans several directions and pays for it in loss.
#
# What is the triangle worth? Its law draws networks evenly from it; they predict together.

# %%
scores = {}
for name, logp in (
    ("the network alone", ln.members(net, [grown.vectors[0]], data).predict(data.test.images)),
    ("20 in the triangle", grown.predict(data.test.images, n=20, seed=0)),
):
    scores[name] = ln.score(logp, data.test.labels)
    print(f"{name}: test loss {scores[name]['nll']}, {scores[name]['accuracy'].scaled(100, '%')} right")
print("two networks of the triangle decide differently:", scores["20 in the triangle"]["disagreement"].scaled(100, "%"))

# %% [markdown]
# Little, here: the twenty together predict like the network alone, and two of them decide differently on a few images in a
# thousand.
#
# ### Two networks joined
#
# The same idea between *two* trained networks: a *connector*, one corner shared by a simplex at each of them, grown where the
# loss of both simplexes is low. Several simplexes that share corners are a *simplicial complex*.

# %%
joined = ln.simplicial_complex(net, data, budget=3, seed=0, recipe=recipe, progress=False)
line = ln.Segment.between(joined.vectors[0], joined.vectors[1])
part = data.test.subset(slice(0, 2000))
over = ln.PolyChain.between(joined.vectors[0], joined.vectors[1]).with_vertices(joined.vectors[[0, 3, 1]])
for name, way in (("the line", line), ("the way over the last connector", over)):
    loss = ln.along(joined, way, part, n=11).loss
    print(f"highest test loss on {name}: {loss.max():.2f} nat; at its ends {loss[0]:.2f} and {loss[-1]:.2f} nat")

# %% [markdown]
# **What we see.** The line crosses the hill of `03`. The way over the connector, one edge of each simplex, stays far below it:
# the connector does what the control point of the curve did, at the same price, one training. One pair, n = 1.

# %% [markdown]
# ## At full size: λ over seven decades
#
# All of MNIST, the MLP, one base, budget 1.5 for each triangle. Every λ once with one point a step and once with five (as the
# authors do [1]) at equal cost, so that five points mean a fifth of the steps. n = 1: look for trends over decades, not for
# differences between neighbours.

# %%
stored = ln.load_result("mnist-mlp-volume")
rows = stored.numbers["rows"]
weights = np.array([row["weight"] for row in rows if row["points"] == 1])
by_points = {f"{p} point{'s' if p > 1 else ''} a step": [row for row in rows if row["points"] == p] for p in (1, 5)}


def curves(name, factor=1.0):
    return {kind: np.array([factor * row[name] for row in own]) for kind, own in by_points.items()}


panels = {"ln V": curves("log_volume"), "test loss (nat)": curves("nll"), "two disagree on (%)": curves("disagreement", 100)}
figure = figures.weight_sweep(
    weights, panels, label="weight λ of ln V", source=stored.provenance["data"]["title"] + ", MLP, n = 1 base",
    title="Volume follows λ only where λ is large; the prediction gains nothing from it",
)
course.save(figure, "04_volume")

# %%
one = by_points["1 point a step"]
per_decade = np.diff([row["log_volume"] for row in one[1:]])
print("ln V without reward:", round(one[0]["log_volume"], 2))
for row, gain in zip(one[1:], [None, *per_decade], strict=True):
    more = "" if gain is None else f", {gain:+.2f} from the decade below"
    print(f"λ = {row['weight']:.0e}: ln V = {row['log_volume']:.2f}{more}; test loss {row['nll']:.4f} nat")
print(f"V ∝ λ would be {math.log(10):+.2f} for each decade")

# %% [markdown]
# **What we see.** From 0 to 10⁻⁶ nothing moves: the curves are flat to the eye, and the printed ln V agree to a
# hundredth. At the authors' 10⁻⁸ the reward is *inert*: the heights are set by where stochastic gradients carry a corner, and the
# reward's slope λ/h is lost beside them. From about 10⁻³ on the triangle swells, towards the slope of V ∝ λ that our formula
# gives (√λ for each of two heights): the printed steps for each decade come up to it. (The points apart at the left are those
# without reward: an axis of powers of ten has no place for 0.) So the guess: a factor of 1, then
# e^2.03 ≈ 7.6, not yet the 10 of the formula.
#
# The larger triangle holds networks that differ more. Yet the test loss of 30 of them together stays where it was: the place
# is larger, and predicts no better. Five points a step, at equal cost, give a smaller triangle, as they leave a fifth of the
# steps; the test loss is the same within what one base can tell.
#
# ### And the penalty that keeps corners apart: β
#
# A line learned from scratch [2] is trained with β cos²(v₁, v₂) added, so that its ends v₁ and v₂ do not fall together.

# %%
turning = ln.load_result("mnist-mlp-cosine").numbers["rows"]
betas = np.array([row["weight"] for row in turning])
panels = {
    "cosine between the ends": {"line": np.array([row["cosine"] for row in turning])},
    "test loss (nat)": {"line": np.array([row["nll"] for row in turning])},
    "two disagree on (%)": {"line": np.array([100 * row["disagreement"] for row in turning])},
}
figure = figures.weight_sweep(
    betas, panels, label="weight β of cos²", source=stored.provenance["data"]["title"] + ", MLP, n = 1 base",
    title="The penalty turns the ends apart; the loss of the line follows no clear trend",
)
course.save(figure, "04_cosine")

# %% [markdown]
# **What we see.** Without the penalty (β = 0, again the points apart) the two ends end at a cosine well above a half, although they began at right angles: training both
# at once draws them together. β = 1, as published, holds them nearly at right angles, and the networks of the line differ
# more. The loss shows no trend that one base could prove: a little better at 0.1 and 1, clearly worse at 10, ordinary again at 100. The networks
# of such a line disagree far more than those of a grown triangle, and predict worse.
#
# ## Trap: the volume of a flat simplex in float32
#
# The released code computes V² as the *Cayley–Menger determinant* of squared distances, in float32. We take the triangle of
# base 1 and height h in 200 000 dimensions, whose area is h/2, and compute it in both ways.

# %%
def cayley_menger(vertices):
    squares = torch.cdist(vertices, vertices) ** 2
    bordered = torch.ones(len(vertices) + 1, len(vertices) + 1)
    bordered[:-1, :-1], bordered[-1, -1] = squares, 0
    return -float(torch.det(bordered)) / 16  # for a triangle


base, side = torch.nn.functional.normalize(torch.randn(2, 200_000, generator=torch.Generator().manual_seed(3)))
side = torch.nn.functional.normalize(side - torch.dot(side.double(), base.double()).float() * base, dim=0)
for height in (1.0, 1e-2, 1e-4):
    flat = torch.stack([torch.zeros(200_000), base, 0.5 * base + height * side])
    squared = cayley_menger(flat)
    said = f"{math.sqrt(squared):.3e}" if squared > 0 else f"undefined, as V² = {squared:.1e}"
    print(f"h/2 = {height / 2:.1e}: float32 {said}, QR in float64 {math.exp(ln.Simplex(flat, 3).log_volume()):.3e}")

# %% [markdown]
# The determinant is a small difference of large numbers; where the triangle is flat nothing is left of it in float32, and a
# negative V² has no logarithm. **The cure:** edges first, then an orthogonal decomposition in float64. The vertices themselves
# may stay in float32.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# In the real case, how many forward and backward passes does one step of growing cost with one point, and with five? Check
# with `grown.cost` and with `points=5` at the same budget: what must shrink?

# %% tags=["solution"] jupyter={"source_hidden": true}
tiny = ln.load("digits")
small = ln.network("mlp", tiny, width=16)
for points in (1, 5):
    law = ln.simplex_ensemble(small, tiny, budget=1.5, points=points, recipe=ln.Recipe(epochs=20, batch=64), progress=False)
    print(f"{points} points a step: {law.cost.trainings:.2f} trainings")
# One pass for each point. At equal cost five points leave a fifth of the steps.

# %% [markdown]
# ### Exercise 2
#
# A uniform point of a simplex of K corners: what is E Σ αᵢ²? Derive it from E[αᵢ²] = 2/(K(K + 1)), and say how much of the
# variance of independent corners an average point keeps.

# %% tags=["solution"] jupyter={"source_hidden": true}
for corners_ in (2, 3, 10):
    a = ln.Simplex.from_scratch(corners_).draw(50_000, torch.Generator().manual_seed(1)).double()
    print(corners_, "corners:", round(float(a.square().sum(1).mean()), 3), "≈", round(2 / (corners_ + 1), 3))
# K · 2/(K(K + 1)) = 2/(K + 1). A point is a weighted mean of corners, so the more corners, the closer to the middle the points
# are: a simplex of many corners is not a way to many different networks.

# %% [markdown]
# ### Exercise 3
#
# λ = 10⁻⁸ is said to be needed for the simplex not to collapse. From the rows above: does the triangle collapse at λ = 0? What
# holds it open?

# %% tags=["solution"] jupyter={"source_hidden": true}
print("ln V at λ = 0 and 1e-8:", [round(row["log_volume"], 2) for row in one[:2]])
# It doesn't collapse. A new corner starts 1 % of the norm off the centroid, and stochastic gradients carry it away from there.
# Nothing in the loss pulls it back, as long as the loss is flat between the corners.

# %% [markdown]
# ### Exercise 4
#
# Draw 20 networks from the complex of the real case and 20 from the triangle. In which do two networks disagree more? What would you
# have to know before you call it the better law?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, law in (("triangle", grown), ("complex", joined)):
    found = ln.score(law.predict(part.images, n=20, seed=0), part.labels)
    print(f"{name}: disagreement {found['disagreement'].scaled(100, '%')}, test loss {found['nll']}")
# The complex: it reaches from one training to another. But it costs three trainings, the triangle one and a half, so its loss must be
# held against what three trainings give otherwise (notebook 06). And disagreement alone proves nothing: two networks can
# also differ by being wrong more often.

# %% [markdown]
# ## Summary
#
# The volume of a simplex is a product of heights, and ln V is computed safely by QR in float64. A reward −λ ln V pushes a
# corner out to the height √(λ/k). Where training carries it further anyway the reward does nothing; above some λ it buys
# volume ∝ λ. On MNIST the published 10⁻⁸ lies far below, and no λ of seven decades made the prediction of the triangle
# better. A grown simplex explores one valley (cosine of its corners near 1), one learned from scratch spans directions and pays in loss.
#
# How large, then, is the place where a network is good? The live triangle, with edges of a tenth of ‖θ‖ or less, predicts like the
# network alone. In the study λ took ln V from −3.71 to 1.95, an area 290 times as large, and the test loss hardly moved. These
# are lower bounds, in two directions of 199 210. And on the straight line to another retraining, √2 ‖θ‖ away, stands a hill.

# %% [markdown]
# ## What was recorded

# %%
course.record(
    "04_simplexes",
    profile,
    {
        "NLL of the network alone": scores["the network alone"]["nll"],
        "NLL of 20 networks in the triangle": scores["20 in the triangle"]["nll"],
        "disagreement in the triangle": scores["20 in the triangle"]["disagreement"],
    },
    data=data,
    figures=["04_triangle"],
)

# %% [markdown]
# ## References
#
# 1. Benton, Maddox, Lotfi, Wilson 2021, arXiv 2102.13042: simplexes grown around networks, complexes that join them.
# 2. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: lines and simplexes learned from scratch, the cosine
#    penalty.
#
# **Next:** `05_mnist` trains the same network a hundred times, and looks at what the hundred say.
