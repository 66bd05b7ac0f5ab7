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
# the later notebooks. Words in *italics* are mostly terms of the field; those that return stand in the [glossary](glossary.md), in
# English and French.
#
# **Minutes.** 10 minutes to read. To compute: under half a minute in the profile `quick` (5 000 images that come with the
# installation), some minutes in `standard` (all of MNIST), on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import torch

import lnescape as ln
from notebooks import course
from report.studies import again, figures, lessons

profile = course.profile(profile)
profile

# %% [markdown]
# ## The whole course in one picture
#
# One network was trained 128 times; only the *seed* differed, which sets the initial weights and the order of the images.
#
# - **Left:** one image. Each dot is one trained network, and its place is how sure that network is of one digit: *log-odds*,
#   0 for fifty to fifty, larger for surer. Slide *retrainings*: dots pile up under the grey bell. The width of the bell is
#   u(x), the standard uncertainty of this prediction due to retraining.
# - You have three trainings, not 128. *Other three* draws three others. Orange: the standard deviation of the three
#   (diamonds); it jumps. Blue: three networks and what they show for nothing; it hardly does.
# - **Right:** 500 images, u(x) as stated from three trainings against the true one. Switch from *plain* to *constant* to *all
#   that is free*: the cloud comes to the diagonal. *From one training*, with a scale that other networks taught, it keeps its
#   shape and may lie too high or too low. The error says by how many percent u is typically wrong, over all draws and images.
#
# **Why can three trainings be worth thirty?** Three numbers say little about the width of one bell. But the same three networks
# answer for thousands of images, and most bells are about equally wide. So the images lend each other their widths: *constant*.
# What the networks show of an image besides, such as how sure they are, says whether its bell is wider or narrower than most:
# *all that is free*. Nothing more is trained. `07_retraining_uncertainty` does it step by step, by hand.
#
# Try a foreign image as well, a piece of clothing.

# %%
again.Picture("00_train_again", title="What three retrainings know of u(x)")

# %% [markdown]
# ## The images
#
# MNIST: grey pictures of handwritten digits, 28 × 28 pixels. The data object says what it is; a stand-in, another set of
# images in the place of the one asked for, is never taken silently.

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
# `fit` trains one network for each seed, all by one *recipe*: how many *epochs* (passes through all training images), at
# which learning rate, and so on. What it returns is a *law*: a way to many networks. This one is the simplest there is, a
# list of three, called a **deep ensemble** [1].

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
# How good is one network, and how good is the mean of the three? The *log-loss*, or negative log-likelihood (NLL), is the
# mean of −ln p(right digit): 0 is perfect, and being sure and wrong is punished hard. Its unit is the *nat*, that of natural
# logarithms; a network that knows nothing of ten digits has ln 10 ≈ 2.30 nat. The bracket is the standard uncertainty of
# the reported score in units of its last digits, here because the test images are a sample: 0.195(37) nat is an estimate
# of 0.195 nat with a standard uncertainty of 0.037 nat. What another seed would change is *not* in it.

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
# Compare with your guess. Here are five of them, picked *because* they are disputed: above, the image; below, the
# probability that each of the three networks (three shades) gives to the three likeliest digits.

# %%
show = disputed[:5]
figure = figures.disputed_images(
    data.test.images[show, 0].numpy(),
    logp[:, show].exp().transpose(0, 1).numpy(),
    classes=data.classes,
    source=data.title,
    title="On some images the seed decides",
)
course.save_live(figure, "00_disputed")

# %% [markdown]
# **What we see.** Some networks hesitate, others sound sure of themselves, and they contradict each other: now and then
# one gives four fifths or more to a digit to which another gives less than a fifth. What a network says of its own doubt
# is not the doubt about the network. The standard deviation of a prediction over retrainings is a component of uncertainty
# of its own, the **standard uncertainty of the prediction due to retraining**, in short *retraining uncertainty*, written
# u(x) for an image x, and it is what this course is about. A metrologist would call three retrainings three repeated
# observations, and what is concluded from their scatter a *Type A* evaluation [4].
#
# Here is a u(x) that can be seen: the log-odds of one disputed image in the 128 stored trainings.

# %%
stored = ln.load_result("mnist-mlp")
place = stored.arrays["undecided"][0]
figure = lessons.retrainings_of_one_image(
    stored.arrays["undecided_pixels"][0, 0],
    ln.read_study("mnist-mlp")["log_odds"].values[:, place],
    source="MNIST, perceptron, 128 retrainings",
    title="u(x) is how widely retraining scatters one prediction",
)
course.save_live(figure, "00_u")

# %% [markdown]
# **What we see.** Each training is one entry of the histogram. Left of the dashed line it decides for another digit. The arrow is u(x) to either
# side of the mean: about two trainings of three fall inside.
#
# The honest way to know u(x) is to retrain often: ten times, a hundred times. For a network that takes a week,
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
# Worse than its ends: between the two the loss has a hill, a *barrier*. But weight space has some 200 000 dimensions, and a
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
course.save_live(figure, "00_path")

# %% [markdown]
# **What we see.** Half-way along the line (dotted) the test loss is three times that of its ends or more; close to an end
# it may even dip. The learned curve passes below the hill. It isn't flat, but stays under twice the loss of its ends:
# every point of that curve is a network, and a usable one. Note the price in the output above: the curve cost as much as
# one more training, so two ends and a curve make three. And note n = 1 in the legend: this is one pair of networks.

# %% [markdown]
# ## Many networks from one road
#
# A learned curve is a law as well: draw a time t at random, take the network there. Twenty of them, and their mean:

# %%
on_road = path.predict(data.test.images, n=20, seed=0)
road = ln.score(on_road, data.test.labels)
print("three retrainings          ", three["nll"])
print("20 networks along the curve", road["nll"])

right = data.test.labels.unsqueeze(1)
lost = [-ln.mean_prediction(p).gather(1, right).squeeze(1) for p in (on_road, logp)]
print("curve minus retrainings    ", ln.Estimate.mean(lost[0] - lost[1], unit="nat"))

# %% [markdown]
# **What we see.** Both laws are scored on the *same* test images, and a hard image is hard for both. So the difference is
# taken image by image, and its standard uncertainty is smaller than the two brackets suggest. On 5 000 images the
# difference can't be told from zero; on all of MNIST the curve is behind three retrainings. Its brackets speak of the
# test images only: other seeds and another curve would give another difference.

# %% [markdown]
# ## Trap: the spread along the road is not the spread of retraining
#
# Twenty networks for the price of three: is their spread the uncertainty of the prediction due to retraining? Let us
# look, at the log-odds q = ln p − ln(1 − p) of one class for each image, and its standard deviation over networks. The
# class is fixed before the comparison, or the two sides would speak of different things: the one that the mean of the
# three retrainings prefers.

# %%
chosen = ln.mean_prediction(logp).argmax(1)


def spread_of_log_odds(logp):
    one_class = chosen.expand(len(logp), -1).unsqueeze(2)
    inside = logp.double().gather(2, one_class).squeeze(2)
    outside = logp.double().scatter(2, one_class, -torch.inf).logsumexp(2)
    return (inside - outside).std(0)


ratio = (spread_of_log_odds(on_road) ** 2).mean().sqrt() / (spread_of_log_odds(logp) ** 2).mean().sqrt()
print(f"spread along the curve (20 networks) / spread of the retrainings (n = 3): {ratio:.2f}")

# %% [markdown]
# How far from 1 is that? It can't be said from here: a standard deviation from n = 3 has itself a relative standard
# uncertainty of about 50 % [4, annex E.4], and averaging over images helps little, since all images share the same three
# networks. The trap is to take a value near 1 for a confirmation. Nothing says that it should be 1: the law "uniform along
# the curve" is not the law of retraining. Whoever quotes the first as the second states a standard uncertainty of the
# prediction that is wrong by an unknown factor. The cure is to call it by its name, **local spread**, never u(x). Whether
# it can still be put to use, *with a few real retrainings to set its scale*, is the subject of later notebooks.

# %% [markdown]
# ## The same at full size
#
# Everything above was small, so that it runs while you read. The same on all of MNIST, for two architectures, five
# pairs of networks each, was computed once and stored with its provenance (code, data, machine, versions). We read it
# back. *CNN*: a small convolutional network. Brackets are here standard uncertainties of means: over n = 10 retrainings in
# the first line, over n = 5 pairs in the second.

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
figure = figures.score_against_cost(
    panels, source=mlp.provenance["data"]["title"], title="At equal cost, on MNIST, plain retrainings predict best"
)
course.save(figure, "00_score_against_cost")

# %% [markdown]
# **What we see.** The line to beat is the deep ensemble: its loss falls as members are added, most of it early. Its points
# are means over subsets of the same ten retrainings; they have no bars, since subsets overlap. Pale symbols are single
# repetitions, full ones their mean with one standard uncertainty of that mean, n = 5. A curve with its two ends has cost
# three trainings and is to be compared with the ensemble of three; a triangle learned from scratch [3], "simplex" in the
# legend, has cost one and is to be compared with one network. On MNIST, *as a way to better predictions*, neither beats
# plain retraining at its own cost; the MLP's curve is even behind one network. That is a result, and it is published as
# it fell. Whether the landscape can tell how *uncertain* a prediction is, is another question, which this figure leaves open.

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
# On the same machine, with the same versions, number of threads and networks trained together, the same seed gives the
# same network, bit for bit: a spread of exactly 0, which says nothing about retraining.

# %% [markdown]
# ### Exercise 2
#
# Is the hill as high for the *training* images as for the test images? Survey the line on `data.train` and compare the
# highest loss with the one on `data.test`.

# %% tags=["solution"] jupyter={"source_hidden": true}
some = data.train.subset(slice(0, 2000))
highest = ln.along(runs, line, some, n=11).loss.max()
print(f"training images {highest:.2f} nat, test images {on_line.loss.max():.2f} nat")
# Much the same: the hill is not a matter of overfitting. A likely reason: the half-way network is a mixture of unrelated
# units, and serves neither end.

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
    print(name, ln.along(own, way, data.test, n=11).loss.max().round(3), "nat")
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
# numbers are the same; elsewhere the arithmetic differs in the last digits, and training can enlarge that. Both sides are
# scored on the same test images, whose sampling is all that u holds: a mild test, which finds what is grossly wrong.

# %%
course.record(
    "00_start_here",
    profile,
    {
        "accuracy, one network": one["accuracy"],
        "NLL, one network": one["nll"],
        "NLL, mean of three retrainings": three["nll"],
        "NLL, 20 networks along the curve": road["nll"],
    },
    data=data,
    figures=["00_disputed", "00_u", "00_path"],
)

# %% [markdown]
# ## References
#
# 1. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, the line to beat.
# 2. Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, arXiv 1802.10026: curves of low loss between two networks.
# 3. Wortsman, Horton, Guestrin, Farhadi, Rastegari 2021, arXiv 2102.10472: the triangle learned from scratch.
# 4. JCGM 100:2008 (GUM): Type A evaluation of standard uncertainty (4.2); how well few observations give it (E.4).
#
# Symbols and words of the whole course, English and French: [glossary](glossary.md).
#
# **Next:** `01_weight_space` asks what it means that a network is a point. In a hurry to walk the road between two: `03_paths`.
