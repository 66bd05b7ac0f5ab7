# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Simplexes: how large is the region in which networks are good?
#
# **Question.** A trained network is one point of weight space. Others around it are as good. How large is that region? Does a
# *reward* for volume enlarge it? How useful is it for predictions?
#
# **What you will learn**
# - the volume of a simplex in 199 210 dimensions, by hand and without loss of precision;
# - to draw points evenly from a simplex (the obvious way is wrong);
# - to grow a simplex around a network, vertex by vertex, and to join networks;
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
# We add −λ ln V to the loss. V is the volume of a triangle with one corner at a trained network: the larger the triangle,
# the lower the sum. The authors of the method [1] use λ of about 10⁻⁸.
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
by_library = math.exp(ln.Simplex(corners, 3).log_volume())
print(f"area by hand {by_hand:.6f}, by library {by_library:.6f}")
assert math.isclose(by_hand, by_library, rel_tol=1e-12)

# %% [markdown]
# The library gives ln V, since volumes in weight space are astronomically small or large. It uses a QR decomposition: |R₁₁|
# is the length of the first edge, |R₂₂| the *height* of the next corner above it, and so on. So
#
# $$ \ln V = \sum_k \ln h_k - \ln d! $$
#
# **A volume is a product of heights.** This explains nearly all that follows.
#
# ### Points drawn evenly
#
# Coefficients $\alpha_1, \dots, \alpha_K \ge 0$ with sum 1 give a point of the simplex, $\sum_i \alpha_i v_i$ with corners $v_i$. To draw them evenly, take K
# exponential numbers and divide them by their sum. This law is called Dirichlet(1, …, 1). For a triangle $\mathrm{E}[\alpha_i^2] = 1/6$. The
# obvious way, uniform numbers divided by their sum, puts too many points into the middle.

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
    title="Normalised uniform numbers crowd the middle",
)
course.save_live(figure, "04_even")

# %% [markdown]
# ## What a reward for volume does, in one dimension
#
# Let the loss rise as k h²/2 with the height h of the new corner (k: curvature), and add −λ ln V. In ln V, only the term ln h
# depends on h:
#
# $$ \frac{d}{dh}\Big(\tfrac{k}{2} h^2 - \lambda \ln h\Big) = k h - \frac{\lambda}{h} = 0 \quad\Rightarrow\quad h^\ast = \sqrt{\lambda / k} . $$
#
# At small heights the reward always wins, since its slope λ/h has no bound there. At large heights it always loses. **Ten times
# the reward gives $\sqrt{10}$ times the height**, for each new corner. We check the formula by gradient descent, with a slope
# written by hand and with the library's.

# %%
k, weight = 2.0, 0.08
base = torch.tensor([[0.0, 0.0], [1.0, 0.0]])  # two frozen corners; the third stands above them
slope_of_volume = ln.training.GrowingVolume([base], weight).slope
by_hand, corner = 0.1, torch.tensor([0.5, 0.1])
for _ in range(400):
    by_hand -= 0.05 * (k * by_hand - weight / by_hand)
    corner -= 0.05 * (torch.stack([torch.zeros(()), k * corner[1]]) + slope_of_volume(corner))
print(f"height by hand {by_hand:.6f}, with the library's slope {corner[1]:.6f}")
print(f"height by the formula {math.sqrt(weight / k):.6f}")
assert math.isclose(by_hand, math.sqrt(weight / k), rel_tol=1e-5)
assert math.isclose(float(corner[1]), by_hand, rel_tol=1e-5)

# %% [markdown]
# **What we see.** All three agree. A triangle around a network has two new corners, each with its height. So we expect
# $V \propto \sqrt{\lambda}\cdot\sqrt{\lambda} = \lambda$: ten times the λ, ten times the area. This holds unless something other than the reward decides the height.
# What could that be?
#
# ## The real case: a triangle around a trained network
#
# One call trains the network and grows the triangle [1]. The budget is a *cost*, counted in trainings: two thirds of it go
# to the network, one third to the two new corners.

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=6 if profile == "standard" else 10, precision="float32")
grown = ln.simplex_ensemble(net, data, budget=1.5, seed=0, recipe=recipe, progress=False)
print(grown)

# %%
seen = ln.triangle(grown, grown.subspace, data.test, n=7)
figure = ln.plots.triangle_map(
    seen.coordinates,
    seen.loss,
    source=f"{data.title}, MLP",
    title="Around vertex 1, the trained network, hardly any loss is lost",
)
course.save_live(figure, "04_triangle")

# %%
unit = torch.nn.functional.normalize(grown.vectors)
lengths = torch.pdist(grown.vectors)
norm = grown.vectors[0].norm()
print(
    f"lengths of the edges {[round(x, 2) for x in lengths.tolist()]}; ‖θ‖ = {norm:.1f}"
)
print(f"longest edge / norm of the network: {lengths.max() / norm:.2f}")
print(
    f"ln V = {grown.subspace.log_volume():.2f}; cosine between corners {(unit @ unit.T)[0, 1]:.3f}"
)

# %% [markdown]
# **What we see.** The map is one triangle, and its whole scale is about as wide as the standard uncertainty of the test loss. Its
# longest edge is about a tenth of ‖θ‖ with all of MNIST, and about a fiftieth with 5
# 000 images. Two retrainings are $\sqrt{2}\,\lVert\theta\rVert$ apart (`01_weight_space`). Seen from the origin the corners are close
# to each other: the cosine is near 1. The triangle of `03_paths`, learned from scratch, had corners nearly at right angles. A simplex
# *grown around* a network explores one valley. One learned *from scratch* spans several directions, and has a higher loss.
#
# What is the triangle worth? Its law draws networks evenly from it, and we average their predictions.

# %%
alone = ln.members(net, [grown.vectors[0]], data)
predicted = {
    "the network alone": alone.predict(data.test.images),
    "20 in the triangle": grown.predict(data.test.images, n=20, seed=0),
}
scores, rows = {}, {}
for name, logp in predicted.items():
    scores[name] = ln.score(logp, data.test.labels)
    right = scores[name]["accuracy"].scaled(100, "%")
    rows[name] = {"test loss": str(scores[name]["nll"]), "right": str(right)}
apart = scores["20 in the triangle"]["disagreement"].scaled(100, "%")
print(f"two networks of the triangle decide differently on {apart} of the images")
course.table(rows)

# %% [markdown]
# The triangle adds little here. The twenty together predict like the network alone, and two of them decide differently on a few
# images in a thousand.
#
# ### Two networks joined
#
# The same method can join *two* trained networks. A *connector* is a corner that the simplexes of both networks share. Here
# there are two connectors, so each simplex is a triangle. They grow where the loss of both simplexes is low. Several simplexes that
# share corners are a *simplicial complex*.

# %%
joined = ln.simplicial_complex(net, data, budget=3, seed=0, recipe=recipe, progress=False)
line = ln.Segment.between(joined.vectors[0], joined.vectors[1])
part = data.test.subset(slice(0, 2000))
over = ln.PolyChain.between(joined.vectors[0], joined.vectors[1]).with_vertices(
    joined.vectors[[0, 3, 1]]
)
for name, way in (("the line", line), ("the way over the second connector", over)):
    loss = ln.along(joined, way, part, n=11).loss
    print(
        f"highest test loss on {name}: {loss.max():.2f} nat; "
        f"at its ends {loss[0]:.2f} and {loss[-1]:.2f} nat"
    )

# %% [markdown]
# **What we see.** The line crosses the hill of `03_paths`. The path over the connector follows one edge of each simplex, and
# stays far below the hill. Each connector acts like the control point of a curve. Together they cost one training. This is one
# pair, n = 1.

# %% [markdown]
# ## At full size: λ over seven decades
#
# A stored study has the MLP on all of MNIST, one base network, and a budget of 1.5 for each triangle. Every λ was used once
# with one point per step and once with five (like the authors [1]). The cost is equal, so five points mean a fifth of the
# steps. There is one base network, n = 1: look for trends over decades, not for differences between neighbours.

# %%
stored = ln.load_result("mnist-mlp-volume")
rows = stored.numbers["rows"]
weights = np.array([row["weight"] for row in rows if row["points"] == 1])
by_points = {}
for points, name in ((1, "1 point a step"), (5, "5 points a step")):
    by_points[name] = [row for row in rows if row["points"] == points]
quantities = {
    "ln V": ("log_volume", 1),
    "test loss (nat)": ("nll", 1),
    "two disagree on (%)": ("disagreement", 100),
}
panels = {}
for label, (key, factor) in quantities.items():
    panels[label] = {
        name: np.array([factor * row[key] for row in found]) for name, found in by_points.items()
    }
figure = figures.weight_sweep(
    weights,
    panels,
    label="weight λ of ln V",
    source=stored.provenance["data"]["title"] + ", MLP, n = 1 base",
    title="Volume follows λ only where λ is large; the prediction gains nothing from it",
)
course.save(figure, "04_volume")

# %%
one = by_points["1 point a step"]
rows = {}
steps = np.diff([row["log_volume"] for row in one[1:]])  # from decade to decade; λ = 0 is none
for step, row in zip([None, None, *steps], one, strict=True):
    rows[f"λ = {row['weight']:.0e}"] = {
        "ln V": row["log_volume"],
        "more than the decade below": step,
        "test loss (nat)": f"{row['nll']:.4f}",
    }
course.table(rows, f"V ∝ λ would give {math.log(10):+.2f} for each decade", digits=2)

# %% [markdown]
# **What we see.** From 0 to 10⁻⁶ nothing changes: the curves are flat, and the values of ln V agree to a hundredth. At the
# authors' 10⁻⁸ the reward has *no effect*. Stochastic gradients move a corner, and decide the heights. The slope λ/h of the
# reward is small compared with them. From about 10⁻³ on the triangle grows, and the steps per decade approach those of V ∝ λ,
# as in our formula ($\sqrt{\lambda}$ for each of two heights). (The separate points at the left have no reward: a logarithmic
# axis cannot show 0.) This answers the guess. The first factor is 1. The second is $e^{2.03} \approx 7.6$, not yet the 10 of
# the formula.
#
# The larger triangle holds networks that differ more. Yet the test loss of 30 of them together changes by about 0.0001 nat (the whole axis
# spans 0.0003 nat): the region is larger, and predicts no better. At equal cost, five points per step give a smaller triangle, since they leave a fifth of the
# steps. The test loss is lower by 0.0001 to 0.0003 nat, too little for one base to show.
#
# ### And the penalty that keeps corners apart: β
#
# A line learned from scratch [2] is trained with β cos²(v₁, v₂) added to the loss. This keeps its ends v₁ and v₂ apart.

# %%
turning = ln.load_result("mnist-mlp-cosine").numbers["rows"]
betas = np.array([row["weight"] for row in turning])
panels = {
    "cosine between the ends": {"line": np.array([row["cosine"] for row in turning])},
    "test loss (nat)": {"line": np.array([row["nll"] for row in turning])},
    "two disagree on (%)": {"line": np.array([100 * row["disagreement"] for row in turning])},
}
figure = figures.weight_sweep(
    betas,
    panels,
    label="weight β of cos²",
    source=stored.provenance["data"]["title"] + ", MLP, n = 1 base",
    title="The penalty turns the ends apart; the loss of the line follows no clear trend",
)
course.save(figure, "04_cosine")

# %% [markdown]
# **What we see.** Without the penalty (β = 0, again the separate points) the cosine of the two ends is well above a half at the
# end of training, although they began at right angles. Training both at once moves them together. The published β = 1 keeps
# them nearly at right angles, and the networks of the line differ more. One base shows no clear trend of the loss. Networks of
# such a line disagree far more than those of a grown triangle, and predict worse.
#
# ## Trap: the volume of a flat simplex in float32
#
# The released code computes V² as the *Cayley–Menger determinant* of squared distances, in float32. We take a triangle of
# base 1 and height h in 200 000 dimensions. Its area is h/2. We compute it in both ways, the determinant by hand.

# %%
def cayley_menger(vertices):
    squares = torch.cdist(vertices, vertices) ** 2
    bordered = torch.ones(len(vertices) + 1, len(vertices) + 1)
    bordered[:-1, :-1], bordered[-1, -1] = squares, 0
    return -float(torch.det(bordered)) / 16  # for a triangle


normalize = torch.nn.functional.normalize
base, side = normalize(torch.randn(2, 200_000, generator=torch.Generator().manual_seed(3)))
side = normalize(side - torch.dot(side.double(), base.double()).float() * base, dim=0)
rows = {}
for height in (1.0, 1e-2, 1e-4):
    flat = torch.stack([torch.zeros(200_000), base, 0.5 * base + height * side])
    squared = cayley_menger(flat)
    rows[f"h = {height:g}"] = {
        "h/2": f"{height / 2:.1e}",
        "V² by the determinant": f"{squared:.2e}",
        "V by the determinant": f"{math.sqrt(squared):.3e}" if squared > 0 else "undefined",
        "V by QR, float64": f"{math.exp(ln.Simplex(flat, 3).log_volume()):.3e}",
    }
course.table(rows)

# %% [markdown]
# The determinant is a small difference of large numbers. For a flat triangle no correct digit is left in float32, and a
# negative V² has no logarithm. **The cure.** Take the edges first, then an orthogonal decomposition in float64. The vertices
# may stay in float32.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# How many forward and backward passes does one step of growing cost with one point, and with five? At the same budget, what
# must shrink? Check that the cost is the same.

# %% tags=["solution"] jupyter={"source_hidden": true}
tiny = ln.load("digits")
small = ln.network("mlp", tiny, width=16)
for points in (1, 5):
    brief = ln.Recipe(epochs=20, batch=64)
    law = ln.simplex_ensemble(small, tiny, budget=1.5, points=points, recipe=brief, progress=False)
    print(f"points per step: {points}, cost {law.cost.trainings:.2f} trainings")
# One forward and one backward pass for each point. At equal cost five points leave a fifth of the
# steps.

# %% [markdown]
# ### Exercise 2
#
# What is $\mathrm{E} \sum_i \alpha_i^2$ for a uniform point of a simplex with K corners? Derive it from $\mathrm{E}[\alpha_i^2] = 2/(K(K + 1))$. How much of the
# variance of independent corners does an average point keep?

# %% tags=["solution"] jupyter={"source_hidden": true}
for n_corners in (2, 3, 10):
    a = ln.Simplex.from_scratch(n_corners).draw(50_000, torch.Generator().manual_seed(1)).double()
    print(f"{n_corners} corners: {a.square().sum(1).mean():.3f} ≈ {2 / (n_corners + 1):.3f}")
# K · 2/(K(K + 1)) = 2/(K + 1). A point is a weighted mean of corners. The more corners there are,
# the closer the points are to the middle. So a simplex of many corners does not give many different
# networks.

# %% [markdown]
# ### Exercise 3
#
# The authors use λ = 10⁻⁸ so that the simplex does not collapse. Look at the table above: does the triangle collapse at
# λ = 0? What keeps it open?

# %% tags=["solution"] jupyter={"source_hidden": true}
print("ln V at λ = 0 and 1e-8:", [round(row["log_volume"], 2) for row in one[:2]])
# It doesn't collapse. A new corner starts at a distance of 1 % of the norm from the centroid, and
# stochastic gradients move it away. The loss is flat between the corners, so nothing pulls it back.

# %% [markdown]
# ### Exercise 4
#
# Draw 20 networks from the complex of the real case and 20 from the triangle. In which do two networks disagree more? What do
# you have to know before you call it the better law?

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, law in (("triangle", grown), ("complex", joined)):
    found = ln.score(law.predict(part.images, n=20, seed=0), part.labels)
    print(
        f"{name}: disagreement {found['disagreement'].scaled(100, '%')}, test loss {found['nll']}"
    )
# In the complex: it reaches from one training to another. But it costs three trainings, the
# triangle one and a half. So compare its loss with that of other ways to spend three trainings
# (06_methods).
# Disagreement alone proves nothing: networks also differ if they are wrong more often.

# %% [markdown]
# ### Exercise 5: your own network
#
# Take a builder and data of your own: `ln.dataset(train=(images, labels), test=(images, labels))`. Grow a triangle around your
# network. How long is its longest edge, as a fraction of ‖θ‖? Does the triangle predict better than the network alone? Here, a small
# perceptron on small digits stands in for yours.

# %% tags=["solution"] jupyter={"source_hidden": true}
recipe = ln.Recipe(epochs=20, batch=64)
mine = ln.simplex_ensemble(small, tiny, budget=1.5, seed=0, recipe=recipe, progress=False)
alone = ln.members(small, [mine.vectors[0]], tiny).predict(tiny.test.images)
together = mine.predict(tiny.test.images, n=20, seed=0)
edge = torch.pdist(mine.vectors).max() / mine.vectors[0].norm()
print(f"longest edge {edge:.2f} ‖θ‖")
for name, logp in (("alone", alone), ("20 together", together)):
    print(f"test loss, {name}: {ln.nll(logp, tiny.test.labels)}")
# Compare the difference of the two losses with their brackets before you call one better.

# %% [markdown]
# ## Summary
#
# The volume of a simplex is a product of heights. QR in float64 computes ln V safely. A reward −λ ln V pushes a corner out to
# the height $\sqrt{\lambda/k}$. Where training moves it further anyway, the reward has no effect. Above some λ the volume grows like λ.
# On MNIST the published 10⁻⁸ is far below that, and no λ of seven decades made the prediction of the triangle better. A grown
# simplex explores one valley (the cosine of its corners is near 1). One learned from scratch spans several directions, and
# has a higher loss.
#
# How large is the region in which networks are good? The live triangle, with edges of about a tenth of ‖θ‖ or less, predicts
# like the network alone. In the study λ changed ln V from −3.71 to 1.95. The area became 290 times as large, and the test loss
# hardly changed. Both sizes are lower bounds, in two of 199 210 directions. On the straight line to another retraining,
# $\sqrt{2}\,\lVert\theta\rVert$ away, there is a hill.

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
# **Next:** `05_mnist` trains the same network a hundred times and compares the predictions.
