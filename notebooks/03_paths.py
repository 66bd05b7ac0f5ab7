# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · Paths: is there a road between two trained networks?
#
# **Question.** Two networks, trained with different seeds, are both good. Do they lie in two separate valleys, or in one
# connected region? How can one find a way from one to the other?
#
# **What you will learn**
# - to measure the *barrier* between two networks, on a line and along any path;
# - to learn a Bézier curve around the barrier, by hand in a dozen lines, then with the library;
# - to read a map of the loss on a plane through weight space, and inside a triangle;
# - why a barrier does **not** mean that two networks compute different functions.
#
# **Before you start.** `00_start_here`. You should know what a gradient is.
#
# **Minutes.** 25 minutes to read. To compute: under half a minute in the profile `quick`, some minutes in `standard`,
# on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
import torch

import lnescape as ln
from notebooks import course
from report.studies import lessons

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# Two networks reach a training loss of about 0.01 nat (the unit of natural logarithms). A network that gives each digit the
# same probability has ln 10 ≈ 2.30 nat.
#
# **What loss do you expect half-way on the straight line between the two: 0.01, 0.5, or 2.3?** What loss do you expect at
# the worst point of the best curved path between them?

# %% [markdown]
# ## The smallest case: a ring-shaped valley
#
# There are only two "weights", w = (w₁, w₂), and the loss is $L(w) = (\lVert w\rVert^2 - 1)^2$. It is zero on the unit circle: a valley in
# the shape of a ring, around a hill of height 1. Two solutions lie on the ring. The straight line between them leaves the
# valley.

# %%
def ring_loss(w):
    return (w.square().sum(-1) - 1) ** 2


w1, w2 = torch.tensor([-1.0, 0.0]), torch.tensor([0.8, 0.6])
t = torch.linspace(0, 1, 101)[:, None]
line_loss = ring_loss((1 - t) * w1 + t * w2)
print(f"loss at the ends {line_loss[0]:.3f} and {line_loss[-1]:.3f}")
print(f"highest loss on the line {line_loss.max():.3f}")

# %% [markdown]
# The **barrier** of a path γ is the largest rise of its loss above the *chord*, the straight line between the losses at its two
# ends (after [3]):
#
# $$ B = \sup_t \big[ L(\gamma(t)) - \big((1-t)\,L(\gamma(0)) + t\,L(\gamma(1))\big) \big] $$
#
# We take the highest value on a grid of t, so the printed value is never more than the true barrier.
#
# ### A curve, by hand
#
# A *quadratic Bézier curve* [1] bends the line with one control point φ:
#
# $$ \gamma(t) = (1-t)^2\, w_1 + 2t(1-t)\, \varphi + t^2\, w_2 . $$
#
# The ends are fixed. Gradient descent moves φ to where the *mean* loss over the curve is low: draw a t, take the loss at
# that point, make a step. Such low curves join trained networks. This finding is called *mode connectivity* [1, 4].

# %%
def bezier(t, phi):
    return (1 - t) ** 2 * w1 + 2 * t * (1 - t) * phi + t**2 * w2


torch.manual_seed(0)
phi = ((w1 + w2) / 2).clone().requires_grad_()
for _ in range(500):
    batch_of_t = torch.rand(20, 1)
    (slope,) = torch.autograd.grad(ring_loss(bezier(batch_of_t, phi)).mean(), phi)
    phi.data -= 0.05 * slope
curve_loss = ring_loss(bezier(t, phi.data))
print(f"control point {phi.data.numpy().round(2)}")
print(f"highest loss on the curve {curve_loss.max():.3f}")

# %%
figure = lessons.ring_valley(
    ((1 - t) * w1 + t * w2).numpy(),
    bezier(t, phi.data).numpy(),
    phi.data.numpy(),
    source="computed, two weights",
    title="The line crosses the hill, the curve keeps to the ring",
)
course.save_live(figure, "03_ring")

# %% [markdown]
# ### By library
#
# `ln.Bezier` holds the vertices w₁, φ, w₂ and turns times into points; `ln.barrier` takes times and losses. Both agree
# with our calculation by hand.

# %%
curve = ln.Bezier.between(w1, w2).with_vertices(torch.stack([w1, phi.data, w2]))
assert torch.allclose(curve.at(t[:, 0]), bezier(t, phi.data), atol=1e-6)
chord = (1 - t[:, 0]) * line_loss[0] + t[:, 0] * line_loss[-1]
of_line, of_curve = (ln.barrier(t[:, 0].numpy(), loss.numpy()) for loss in (line_loss, curve_loss))
assert np.isclose(of_line, float((line_loss - chord).max()))
print(f"barrier of the line {of_line:.3f}, of the curve {of_curve:.3f}")

# %% [markdown]
# **What we see.** The line goes over the hill. The curve nearly follows the ring. It can't follow the ring exactly (a
# parabola is no arc of a circle), so a small barrier remains. A curve with more control points would come closer.
#
# Note that t is not distance. The curve has an uneven speed, so "uniform in t" is not "uniform along its length".

# %%
speeds = curve.at(t[:, 0]).diff(dim=0).norm(dim=1) * 100
print(
    f"length {curve.length():.2f}; speed {speeds.min():.2f} to {speeds.max():.2f} per unit of t"
)

# %% [markdown]
# ## The real case: 199 210 weights
#
# Now we take two real networks on real digits: w₁, w₂ and φ are weight vectors θ. Two things change: the number of
# dimensions, and each step computes the loss on a fresh batch of images.

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=10 if profile == "quick" else 5)
runs = ln.fit(net, data, seeds=[0, 1], recipe=recipe)
some = data.train.subset(slice(0, 2000))
data

# %%
line = ln.along(runs, ln.Segment.between(runs[0], runs[1]), some)
print(f"training loss at the ends {line.loss[0]:.4f} and {line.loss[-1]:.4f} nat, "
      f"half-way {line.loss[15]:.2f} nat")

# %% [markdown]
# Compare with your guess. The mean of two good networks is a bad network, though not quite as bad as one that knows nothing.
# A likely reason: the two networks number their hidden units differently, and the mean mixes unrelated units. The trap
# below comes back to this.
#
# ### The curve, by hand
#
# The loop is the same as on the ring. `functional_call` runs a module with given weights. The gradient with respect to φ is
# 2t(1 − t) times that of the network; autograd computes it. The 270 steps are ten epochs of the small data set, and less
# than one epoch of all of MNIST.

# %%
module = net()
names = [name for name, _ in module.named_parameters()]
sizes = [p.numel() for p in module.parameters()]
shapes = [p.shape for p in module.parameters()]


def loss_at(theta, images, labels):
    weights = {n: v.view(s) for n, v, s in zip(names, theta.split(sizes), shapes, strict=True)}
    logits = torch.func.functional_call(module, weights, (images,))
    return torch.nn.functional.cross_entropy(logits, labels)


# %%
w1, w2 = runs[0], runs[1]
phi = ((w1 + w2) / 2).clone().requires_grad_()
optimiser = torch.optim.SGD([phi], lr=0.1, momentum=0.9)
stream = torch.Generator().manual_seed(0)
for _step in range(270):
    rows = torch.randint(len(data.train), (128,), generator=stream)
    theta = bezier(torch.rand(1, generator=stream), phi)
    optimiser.zero_grad()
    loss_at(theta, data.train.images[rows], data.train.labels[rows]).backward()
    optimiser.step()
bent = ln.Bezier.between(w1, w2).with_vertices(torch.stack([w1, phi.detach(), w2]))
by_hand = ln.along(runs, bent, some)

# %% [markdown]
# ### The curve, by library
#
# `fit_subspace` is that loop for any network and any curve or simplex. It uses the learning-rate schedule of the recipe,
# and counts the cost.

# %%
path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe)
on_curve = ln.along(runs, path.subspace, some)
assert torch.equal(path.at(0.0), runs[0])
assert torch.equal(path.at(1.0), runs[1])
assert max(by_hand.loss.max(), on_curve.loss.max()) < 0.5 * line.loss.max()
path

# %%
barriers = {
    name: ln.barrier(seen.coordinates, seen.loss)
    for name, seen in (("line", line), ("curve by hand", by_hand), ("curve by library", on_curve))
}
for name, height in barriers.items():
    print(f"{name:17} barrier {height:.3f} nat")

# %%
figure = ln.plots.path_losses(
    {
        "training images": {
            "line": (line.coordinates, line.loss),
            "curve": (on_curve.coordinates, on_curve.loss),
        }
    },
    source=data.title,
    title="One pair of networks: the curve stays far below the line",
)
course.save_live(figure, "03_path")

# %% [markdown]
# **What we see.** The ends of both paths are the same two networks, bit for bit. Between them the line rises to many times the
# loss of its ends. The mode curve rises to three or four times that loss with all of MNIST (five epochs; eight times after the
# longer trainings below), and to about ten times with 5 000 images. This answers the second part of the guess. The axis is logarithmic, so that the rise of the curve is visible: it
# is low beside the hill, but not flat. The curve by hand (not drawn) has neither schedule nor weight decay, and may be higher
# or lower than the library's. All this is one pair, n = 1. The result may be luck.

# %% [markdown]
# ## At full size, and more than once
#
# We computed the same once on all of MNIST, for an MLP and a CNN, with five pairs of each, and stored it with its provenance.
# Each value is a mean over five pairs. The bracket is the standard uncertainty of that mean, from a Type A evaluation.

# %%
stored = {"MLP": ln.load_result("mnist-mlp-paths"), "CNN": ln.load_result("mnist-cnn-paths")}
rows = {}
for name, result in stored.items():
    n = result.numbers
    for kind in ("line", "curve"):
        rows[f"{name}, {kind}"] = {
            "barrier, training images": str(n[f"{kind}_train_barrier"]),
            "highest loss, training images": str(n[f"{kind}_train_maximum"]),
            "barrier, test images": str(n[f"{kind}_test_barrier"]),
            "highest loss, test images": str(n[f"{kind}_test_maximum"]),
        }
    print(f"{name}: one network classifies {n['single_accuracy']} of the test images correctly")
course.table(rows)

# %%
panels = {}
for name, result in stored.items():
    a = result.arrays
    panels[f"{name}, training images"] = {
        kind: (a["t"][0], a[f"{kind}_train_loss"]) for kind in ("line", "curve")
    }
figure = ln.plots.path_losses(
    panels,
    source=stored["MLP"].provenance["data"]["title"],
    title="Every pair has a barrier on the line, and a road around it",
)
course.save(figure, "03_barrier")

# %% [markdown]
# **What we see.** Thin lines are single pairs, thick ones their mean. All five pairs of each kind of network behave alike, so
# the barrier isn't the bad luck of one pair. The curve isn't flat either: a rise remains after a training as long as that of
# one network. A claim such as "the curve has no barrier" should state how small "no" is.
#
# ### The same on a map
#
# Three points span a plane: the two networks and the control point. We draw the loss on that plane, like heights on a map.

# %%
a = stored["MLP"].arrays
corners = torch.from_numpy(a["plane_anchors"])
bend = ln.Bezier.between(corners[0], corners[1]).with_vertices(corners[[0, 2, 1]])
figure = ln.plots.plane_map(
    a["plane_positions"],
    a["plane_loss"],
    anchors=a["plane_anchors"],
    curve=bend.at(torch.linspace(0, 1, 50)).numpy(),
    source=stored["MLP"].provenance["data"]["title"] + ", MLP, pair 1",
    title="The curve passes through low ground, the line over the hill",
)
course.save(figure, "03_plane")

# %% [markdown]
# **What we see.** Both networks lie in dark, low ground. The darkest lies a little further out: their training stopped before a
# minimum. The dotted line between them crosses the bright hill, and the mode curve bends around it. The control point does *not* lie on the curve. Both axes have the same scale, so distances
# can be read off. Weights have no unit. The lengths below are Euclidean distances between θ, means over the five pairs: the
# curve is only a little longer than the line.

# %%
for name, result in stored.items():
    n = result.numbers
    print(f"{name}: length of the line {n['line_length']}, of the curve {n['curve_length']}, "
          f"ratio {n['length_ratio']}")

# %% [markdown]
# ## A whole triangle of networks
#
# A path has one dimension. One can also learn a **simplex**, here a triangle. Its three corners (*vertices*) start at three
# independent initialisations and are trained *together, from scratch*: each batch trains one random point of the triangle [2].
# Whatever the number of corners, this costs one training, since each step passes one network forward and backward.

# %%
figure = ln.plots.triangle_map(
    a["triangle_coefficients"],
    a["triangle_loss"],
    source=stored["MLP"].provenance["data"]["title"] + ", MLP, triangle 1",
    title="No hill anywhere inside a learned triangle",
)
course.save(figure, "03_triangle")

# %%
rows = {}
for name, result in stored.items():
    n = result.numbers
    rows[name] = {
        "one network": str(n["single_nll"]),
        "the triangle's midpoint": str(n["simplex_midpoint_nll"]),
        "20 networks in it": str(n["simplex_ensemble_nll"]),
        "cosine between corners": str(n["simplex_cosine"]),
    }
course.table(rows, "Test loss")

# %% [markdown]
# **What we see.** On this grid (white points) there is no hill, although the corners are in nearly orthogonal directions. The
# lowest ground is in the middle, and the corners are the worst places. A likely reason: training draws its points evenly over
# the triangle, and few of them fall close to a corner. The map is one triangle; the values in the table are means over five and
# show the price: with this recipe, a network in the triangle is not as good as one that was trained alone. A training aims
# either at a large flat region or at the lowest point.

# %% [markdown]
# ## Trap: a barrier does not mean a different function
#
# Take network 1 and renumber its hidden units: rows of one layer and columns of the next change places together. No
# prediction changes; the function is *the same*. In weight space, however, the renumbered network is far away. What is the
# loss on the straight line between the two?

# %%
order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
twin = net()
torch.nn.utils.vector_to_parameters(w1.clone(), twin.parameters())
first, second, _ = (layer for layer in twin if isinstance(layer, torch.nn.Linear))
with torch.no_grad():
    first.weight.copy_(first.weight[order])
    first.bias.copy_(first.bias[order])
    second.weight.copy_(second.weight[:, order])
renumbered = ln.weights.theta_of(twin)

twins = ln.members(net, [w1, renumbered], data)
same = twins.predict(data.test.images)
assert torch.allclose(same[0], same[1], atol=1e-4)
to_twin = ln.along(twins, ln.Segment.between(w1, renumbered), some)
height = ln.barrier(to_twin.coordinates, to_twin.loss)
print(f"same function, yet a barrier of {height:.2f} nat on the line")

# %% [markdown]
# There is a barrier between a network and its renumbered twin. So a barrier belongs to two *points* and the path between them.
# It does not show that two *functions* differ. **The cure.** Compare functions by their predictions, for instance by the share
# of test images that two networks decide differently. The bracket below is the standard uncertainty of that share, since test
# images are a sample.

# %%
of_seeds = ln.scores.disagreement(runs.predict(data.test.images))
print(f"decided differently: twin {ln.scores.disagreement(same)}, other seed {of_seeds}")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# Softmax regression (`depth=0`, no hidden layer) has a convex loss. What must the barrier between two of its solutions
# be? Check it.

# %% tags=["solution"] jupyter={"source_hidden": true}
convex = ln.network("mlp", data, depth=0)
two = ln.fit(convex, data, seeds=[0, 1], recipe=ln.Recipe(epochs=2))
seen = ln.along(two, ln.Segment.between(two[0], two[1]), some)
print(f"{ln.barrier(seen.coordinates, seen.loss):.6f} nat")
assert ln.barrier(seen.coordinates, seen.loss) < 1e-6
# A convex function never rises above its chord, so the barrier is zero. (The ends count, so it
# can't be less.)

# %% [markdown]
# ### Exercise 2
#
# Replace the Bézier curve by a chain of two straight segments, `ln.PolyChain`. Is its highest loss lower or higher than
# the line's?

# %% tags=["solution"] jupyter={"source_hidden": true}
chain = ln.fit_subspace(
    net, data, ln.PolyChain.between(runs[0], runs[1]), recipe=ln.Recipe(epochs=5)
)
seen = ln.along(runs, chain.subspace, some)
print(f"chain {seen.loss.max():.3f} nat, line {line.loss.max():.3f} nat")
assert seen.loss.max() < line.loss.max()
# Lower than the line: one bend suffices to go around the hill. One pair can't rank chain and Bézier curve.

# %% [markdown]
# ### Exercise 3
#
# Two networks may share the first part of their training and separate only then. They are *linearly connected* if the line
# between them has no barrier [3]. Make two such networks: train one network, then train two segments from it with
# `Simplex.around` and different seeds, and look at the line between their new corners. (`Simplex.around(θ, 2)` is a
# segment that begins at θ; its other corner is trained.) Let them separate after the first epoch, and after the last. How far
# apart do they end, and on how many images do they decide differently? Compare with two seeds.

# %% tags=["solution"] jupyter={"source_hidden": true}
again = ln.Recipe(epochs=5)
trunk = ln.fit(net, data, seeds=[0], recipe=again, path=True, progress=False).path[0]
pairs = {"two seeds": [runs[0], runs[1]]}
for name, start in (("after the first epoch", trunk[0]), ("after the last epoch", trunk[-1])):
    pairs[name] = [
        ln.fit_subspace(
            net, data, ln.Simplex.around(start, 2), seed=seed, recipe=again, progress=False
        ).vectors[1]
        for seed in (1, 2)
    ]
rows = {}
for name, ends in pairs.items():
    seen = ln.along(runs, ln.Segment.between(*ends), some, n=11)
    both = ln.members(net, ends, data).predict(data.test.images)
    rows[name] = {
        "distance / ‖θ‖": f"{(ends[0] - ends[1]).norm() / ends[0].norm():.2f}",
        "barrier (nat)": f"{ln.barrier(seen.coordinates, seen.loss):.4f}",
        "decide differently": str(ln.scores.disagreement(both).scaled(100, "%")),
    }
course.table(rows)
# The branches share the units of their trunk, so the line between them has next to no barrier, even
# if they separated early and decide as differently as other seeds. No barrier isn't one function.

# %% [markdown]
# ### Exercise 4
#
# How much does the highest training loss on the MLP's curve vary from *pair* to *pair*? What is n in the stored result, how is
# the bracket in `curve_train_maximum` computed, and does it answer the first question?

# %% tags=["solution"] jupyter={"source_hidden": true}
maxima = stored["MLP"].arrays["curve_train_loss"].max(1)
print(f"mean of n = {len(maxima)} pairs: {ln.Estimate.mean(maxima, unit='nat')}")
print(f"standard deviation of a single pair: {maxima.std(ddof=1):.5f} nat")
# The bracket is the standard uncertainty of the mean, s/√5. It doesn't answer the question: a
# further pair varies by s. Five pairs give s with a relative standard uncertainty of about 36 %
# (GUM, annex E.4).

# %% [markdown]
# ### Exercise 5: your own network
#
# Take a builder and data of your own: `ln.dataset(train=(images, labels), test=(images, labels))`. Train twice, and learn a
# curve. How high is the barrier of the line, and how much of it is left on the curve? Here, a small convolution on small
# digits stands in for yours.

# %% tags=["solution"] jupyter={"source_hidden": true}
def yours():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 10)
    )


small, brief = ln.load("digits"), ln.Recipe(epochs=15, batch=64)
two = ln.fit(yours, small, seeds=[0, 1], recipe=brief, progress=False)
between = ln.Bezier.between(two[0], two[1])
learned = ln.fit_subspace(yours, small, between, recipe=brief, progress=False)
for name, way in (("line", ln.Segment.between(two[0], two[1])), ("curve", learned.subspace)):
    seen = ln.along(two, way, small.train, n=21)
    print(f"{name:5} barrier {ln.barrier(seen.coordinates, seen.loss):.3f} nat")
# A small network may have a small barrier, too. It depends on the network and its training.

# %% [markdown]
# ## Summary
#
# On the straight line between two independently trained networks there is a barrier, for every pair that we looked at. A
# mode curve joins them. Its loss is low, not flat; it costs about one training and is hardly longer than the line. So the
# two lie in separate valleys along the line, and in one connected region of low loss along the curve. A
# triangle trained from scratch shows no hill on our grid, but has a higher loss. Barriers are properties of points in weight
# space, not of functions: renumbered twins have one, too.

# %% [markdown]
# ## What was recorded
#
# Live numbers and stored reference, as explained in `00_start_here`. If sums are rounded differently, the same seeds give
# different networks. So the bracket of the first two numbers also covers the choice of the pair, estimated from the five stored
# pairs. The others cover only the choice of the test images.

# %%
scores, worst = {}, {}
ways = {"line": (ln.Segment.between(w1, w2), line), "curve": (path.subspace, on_curve)}
for kind, (way, seen) in ways.items():
    theta = way.at(float(seen.coordinates[seen.loss.argmax()]))
    logp = ln.members(net, [theta], data).predict(data.test.images)
    scores[kind] = ln.score(logp, data.test.labels)
    of_pairs = stored["MLP"].numbers[f"{kind}_test_maximum"].u * np.sqrt(5)  # sd of one pair
    nll = scores[kind]["nll"]
    worst[kind] = ln.Estimate(nll.value, np.hypot(nll.u, of_pairs), unit="nat")
course.record(
    "03_paths",
    profile,
    {
        "NLL at the worst point of the line": worst["line"],
        "NLL at the worst point of the curve": worst["curve"],
        "accuracy at the worst point of the curve": scores["curve"]["accuracy"],
        "disagreement of two retrainings": of_seeds,
    },
    data=data,
    figures=["03_path"],
)

# %% [markdown]
# ## References
#
# 1. Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, arXiv 1802.10026: the curve and its training.
# 2. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: lines and simplexes learned from scratch.
# 3. Frankle, Dziugaite, Roy, Carbin 2020, arXiv 1912.05671: the barrier (there above the mean of the ends), and when two
#    branches are linearly connected.
# 4. Draxler, Veschgini, Salmhofer, Hamprecht 2018, arXiv 1803.00885: another way to paths without barriers.
#
# **Next:** `04_simplexes` asks how large the region is in which networks are good.
