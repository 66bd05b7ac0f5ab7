# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here: would it say the same if it were trained again?
#
# **Question.** A network reads a digit and says "7, with probability 0.81". Train the same network once more, on the
# same images, with another seed: what would it say then, and must we really train it many times to know?
#
# **What you will learn**
# - why one trained network is one *observation*, not the truth;
# - what a deep ensemble is, and what it costs;
# - that two trained networks lie in two valleys with a hill between them, and that a curved road goes around the hill;
# - what the networks met along that road can do for you, and what they can't.
#
# **Before you start.** Some Python; PyTorch helps but isn't needed. Everything is explained once here and at length in
# the later notebooks. Words in *italics* are terms of the field.
#
# **Minutes.** 10 minutes to read. To compute: under half a minute in the profile `quick` (5 000 images that come with the
# installation), some minutes in `standard` (all of MNIST), on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import torch

import lnescape as ln

profile = ln.profile(profile)
profile

# %% [markdown]
# ## The images
#
# MNIST: grey pictures of handwritten digits, 28 × 28 pixels. The data object says what it is; no stand-in is ever taken
# silently.

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
data

# %% [markdown]
# A *multilayer perceptron*: two hidden layers of 200 units. `net` is a **builder**, a function that makes one fresh
# network each time it is called. Any function of your own that returns an `nn.Module` would do.

# %%
net = ln.network("mlp", data)
net()

# %% [markdown]
# ## A guess to write down
#
# We shall train this network three times; only the *seed* differs, which sets the initial weights and the order of
# the images. Each of the three will be right on more than nine test images in ten.
#
# Before you go on, write down a number: **of 1 000 test images, on how many will the three networks not all give the
# same digit?**

# %% [markdown]
# ## Three retrainings
#
# `fit` trains one network for each seed. What it returns is a *law*: a way to many networks. This one is the simplest
# there is, a list of three, called a **deep ensemble** [1].

# %%
recipe = ln.Recipe(epochs=10 if profile == "quick" else 5)
runs = ln.fit(net, data, seeds=range(3), recipe=recipe)
runs

# %% [markdown]
# ### By hand
#
# A trained network is one point θ in weight space: all its weights in one long row of numbers. To see that there is no
# magic in it, we put the first θ back into a fresh network, number by number, and ask that network for probabilities.

# %%
module, start = net(), 0
for weights in module.parameters():
    stop = start + weights.numel()
    weights.data = runs[0][start:stop].view(weights.shape)
    start = stop
with torch.no_grad():
    by_hand = module(data.test.images).softmax(1)
by_hand[0].round(decimals=3)

# %% [markdown]
# ### By library
#
# `predict` does the same for every member of a law: logarithms of probabilities, in a block of shape
# [members, images, classes].

# %%
logp = runs.predict(data.test.images)
assert torch.allclose(logp[0].exp(), by_hand, atol=1e-5)
logp.shape

# %% [markdown]
# How good is one network, and how good is the mean of the three? The *log-loss* (NLL) is the mean of −ln p(right digit): 0
# is perfect, and being sure and wrong is punished hard. The bracket is the standard uncertainty of the reported score in
# its last digits, here because the test images are a sample: 0.195(37) means 0.195 ± 0.037.

# %%
one, three = ln.score(logp[0], data.test.labels), ln.score(logp, data.test.labels)
for name in ("accuracy", "nll"):
    print(f"{name:10} one network {one[name]!s:>18}    mean of three {three[name]!s:>18}")

# %% [markdown]
# The mean of the three probabilities again, by hand, to be sure that we know what was averaged:

# %%
mean = logp.exp().mean(0)
own_nll = -mean[torch.arange(len(mean)), data.test.labels].log().mean()
assert abs(float(own_nll) - three["nll"].value) < 1e-5

# %% [markdown]
# ## Where they disagree

# %%
decisions = logp.argmax(2)
disputed = (decisions != decisions[0]).any(0).nonzero().squeeze(1)
print(f"{1000 * len(disputed) / len(data.test):.0f} of 1 000 test images are disputed")

# %% [markdown]
# Compare with your guess. Here are some of them: above, the image; below, the probability that each of the three
# networks (three shades) gives to the three likeliest digits.

# %%
show = disputed[:5]
figure = ln.plots.disputed_images(
    data.test.images[show, 0].numpy(),
    logp[:, show].exp().transpose(0, 1).numpy(),
    classes=data.classes,
    source=data.title,
    title="On some images the seed decides",
)
ln.plots.save_live(figure, "00_disputed")

# %% [markdown]
# **What we see.** Each network alone sounds sure of itself: many bars are near 0 or 1. Yet the networks contradict each
# other. What a network says of its own doubt is not the doubt about the network. The spread of predictions over
# retrainings is a component of uncertainty of its own, the **uncertainty due to retraining**, and it is what this course
# is about. A metrologist would call three retrainings three repeated observations, and their evaluation *Type A*.
#
# The honest way to know that spread is to retrain often: ten times, a hundred times. For a network that takes a week,
# that is out of reach. Is there a cheaper way to many networks?

# %% [markdown]
# ## The landscape between two networks
#
# Here is a tempting shortcut. We have two trained networks, two points in weight space. Why not take their mean, and
# all points on the line between them, for free?
#
# **Guess:** both ends are right on more than 90 % of the images. What about the point half-way?

# %%
line = ln.Segment.between(runs[0], runs[1])
on_line = ln.along(runs, line, data.test)
print(f"accuracy at the ends {on_line.accuracy[0]:.3f} and {on_line.accuracy[-1]:.3f}, half-way {on_line.accuracy[15]:.3f}")

# %% [markdown]
# Worse than its ends: between the two there is a hill, a *barrier*. But weight space has some 200 000 dimensions, and a
# hill can be walked around. `fit_subspace` learns a curve [2]: both ends stay exactly where they are, and one *control
# point* between them is pulled, by ordinary training, to where the loss is low **along the whole way**.

# %%
path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe)
path

# %%
on_curve = ln.along(runs, path.subspace, data.test)
figure = ln.plots.path_losses(
    {
        "test images": {"line": (on_line.coordinates, on_line.loss), "curve": (on_curve.coordinates, on_curve.loss)},
    },
    logarithmic=False,
    source=data.title,
    title="The straight line crosses a hill, the learned curve goes around it",
)
ln.plots.save_live(figure, "00_path")

# %% [markdown]
# **What we see.** On the line (dotted) the test loss climbs to several times that of its ends; along the learned curve it
# stays near them. Every point of that curve is a network, and a good one. Note the price in the output above: the curve
# cost as much as one more training, so two ends and a curve make three.

# %% [markdown]
# ## Many networks from one road
#
# A learned curve is a law as well: draw a time t at random, take the network there. Twenty of them, and their mean:

# %%
on_road = path.predict(data.test.images, n=20, seed=0)
road = ln.score(on_road, data.test.labels)
print("three retrainings          ", three["nll"])
print("20 networks along the curve", road["nll"])

# %% [markdown]
# ## Trap: the spread along the road is not the spread of retraining
#
# Twenty networks for the price of three: is their spread the uncertainty due to retraining? Let us look, at the log-odds
# of the class that the ensemble prefers, q = ln p − ln(1 − p), and its standard deviation over networks.

# %%
def spread_of_log_odds(logp):
    chosen = ln.mean_prediction(logp).argmax(1).expand(len(logp), -1).unsqueeze(2)
    inside = logp.double().gather(2, chosen).squeeze(2)
    outside = logp.double().scatter(2, chosen, -torch.inf).logsumexp(2)
    return (inside - outside).std(0)


ratio = (spread_of_log_odds(on_road) ** 2).mean().sqrt() / (spread_of_log_odds(logp) ** 2).mean().sqrt()
print(f"spread along the curve / spread of the retrainings: {ratio:.2f}")

# %% [markdown]
# It differs from 1, and nothing says that it should be 1: the law "uniform along the curve" is not the law of
# retraining. Whoever quotes the first as the second states an uncertainty that is wrong by an unknown factor. How the
# cheap spread can still be put to use, *with a few real retrainings to set its scale*, is the subject of later
# notebooks. For now: call it **local spread**, never u(x).

# %% [markdown]
# ## The same at full size
#
# Everything above was small, so that it runs while you read. The same on all of MNIST, for two architectures, five
# pairs of networks each, was computed once and stored, with its provenance. We read it back.

# %%
mlp, cnn = ln.load_result("mnist-mlp-paths"), ln.load_result("mnist-cnn-paths")
for name, stored in (("MLP", mlp), ("CNN", cnn)):
    n = stored.numbers
    print(f"{name}: one network {n['single_accuracy']} right, n = {len(stored.arrays['single'])}")
    print(f"   training loss, highest on the line {n['line_train_maximum']}, on the curve {n['curve_train_maximum']}")

# %%
panels = {}
for name, stored in (("MLP", mlp), ("CNN", cnn)):
    a = stored.arrays
    methods = {"curve": (3, a["curve_ensemble"][:, 1]), "simplex": (1, a["simplex_ensemble"][:, 1])}
    panels[name] = (a["ensemble_nll"], methods)
figure = ln.plots.score_against_cost(
    panels, source=mlp.provenance["data"]["title"], title="At equal cost, on MNIST, plain retrainings predict best"
)
ln.plots.save(figure, "00_score_against_cost")

# %% [markdown]
# **What we see.** The line to beat is the deep ensemble: its loss falls as members are added, most of it early. Pale
# symbols are single repetitions, full ones their mean with one standard uncertainty of it. A curve with its two ends has
# cost three trainings and is to be compared with the ensemble of three; a triangle learned from scratch has cost one and
# is to be compared with one network. On MNIST, *as a way to better predictions*, neither beats plain retraining at its
# own cost. That is a result, and it is published as it fell. The better question, whether the landscape can tell how
# *uncertain* a prediction is, comes later and has another answer.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# A colleague saves work: she "retrains" with `seeds=[0, 0, 0]`. What spread would she find, and what does the library say?

# %% tags=["solution"] jupyter={"source_hidden": true}
try:
    ln.fit(net, data, seeds=[0, 0, 0])
except ValueError as error:
    print(error)
# The same seed gives the same network, bit for bit: a spread of exactly 0, which says nothing about retraining.

# %% [markdown]
# ### Exercise 2
#
# Is the barrier as high for the *training* images as for test images? Survey the line on `data.train` and compare the
# highest loss with the one on `data.test`.

# %% tags=["solution"] jupyter={"source_hidden": true}
some = data.train.subset(slice(0, 2000))
highest = ln.along(runs, line, some, n=11).loss.max()
print(f"training images {highest:.2f} nat, test images {on_line.loss.max():.2f} nat")
# Much the same: the hill is not a matter of overfitting, the half-way network has simply not been trained.

# %% [markdown]
# ### Exercise 3
#
# Take a network of your own: one hidden layer, `tanh` in place of the rectified unit, dropout. Train it under two seeds,
# learn a curve between the two, and compare the highest loss on the line with the highest on the curve.

# %% tags=["solution"] jupyter={"source_hidden": true}
class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(784, 50), torch.nn.Linear(50, 10)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.hidden(x.flatten(1)))))



own = ln.fit(Own, data, seeds=[0, 1], recipe=recipe)
own_path = ln.fit_subspace(Own, data, ln.Bezier.between(own[0], own[1]), recipe=recipe)
for name, way in (("line", ln.Segment.between(own[0], own[1])), ("curve", own_path.subspace)):
    print(name, ln.along(own, way, data.test, n=11).loss.max().round(3))
# No layer had to be rewritten: a builder is all that the library asks for.

# %% [markdown]
# ## Summary
#
# One trained network is one observation: trained again with another seed it decides otherwise on some images, however
# sure it sounds. Independent trainings end in valleys that a straight line leaves and a learned curve joins, at the price
# of about one training. Networks along the curve are good, but their spread is not the spread of retraining: to state
# that one from few trainings is what the rest of the course works towards.

# %% [markdown]
# ## What was recorded
#
# The live numbers of this run, beside the reference that was stored when these notebooks were committed, with the
# normalised error E_n = |a − b| / (2√(u²(a) + u²(b))). Agreement means E_n ≤ 1. On the same machine and versions the
# numbers are the same; elsewhere the arithmetic differs in the last digits, and they agree within their uncertainty.

# %%
ln.record(
    "00_start_here",
    profile,
    {
        "accuracy, one network": one["accuracy"],
        "NLL, one network": one["nll"],
        "NLL, mean of three retrainings": three["nll"],
        "NLL, 20 networks along the curve": road["nll"],
    },
    data=data,
    figures=["00_disputed", "00_path"],
)

# %% [markdown]
# ## References
#
# 1. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, the line to beat.
# 2. Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, arXiv 1802.10026: curves of low loss between two networks.
# 3. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: the triangle learned from scratch.
# 4. JCGM 100:2008 (GUM), section 4.2: Type A evaluation of standard uncertainty.
#
# **Next:** `03_paths` walks the road between two networks slowly, by hand first.
