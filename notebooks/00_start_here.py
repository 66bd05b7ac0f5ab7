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
# **Question.** A network reads a digit and answers "7, with probability 0.81". The same network is trained once more,
# on the same images, with another seed. What would it answer then? Must we train it many times to know?
#
# **What you will learn**
# - why one trained network is one *observation*, not the truth;
# - what a deep ensemble is, and what it costs;
# - why three trainings can be worth thirty;
# - that two trained networks lie in two valleys with a hill between them, and that a curved road goes around the hill;
# - what the networks along that road are good for, and what they are not good for.
#
# **Before you start.** Some Python; PyTorch helps but isn't needed. Everything is explained briefly here, and at length
# in the later notebooks. Terms are in *italics* where they are first used. The [glossary](glossary.md) has them in
# English and French.
#
# **Minutes.** 15 minutes to read. To compute: under half a minute in the profile `quick` (5 000 images that come with
# the installation), some minutes in `standard` (all of MNIST), on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
import torch

import lnescape as ln
from notebooks import course
from report.studies import again, figures, lessons

profile = course.profile(profile)
profile

# %% [markdown]
# ## The whole course in one picture
#
# One architecture was trained 128 times; only the *seed* differed, which sets the initial weights and the order of the
# images.
#
# - **Left:** one image. Each dot is one trained network. Its position shows how sure that network is of one digit, in
#   *log-odds*: 0 means a probability of ½, more means surer. The digit is the one that five other trainings together preferred.
#   The dots pile up under the grey bell. The standard deviation of the bell is u(x), the standard uncertainty of this
#   prediction due to retraining.
# - You have three trainings, not 128. Below the dots, each line is one set of three trainings: its mean ± u. Orange: u is their
#   standard deviation. The length changes a lot from one set to the next. Blue: u comes from the same three networks, and from
#   everything else that they show at no extra cost. The length hardly changes. The middle still changes: it is the mean of
#   three.
# - **The three panels at the right:** 500 images, the u(x) stated from three trainings against the true one. *True* u(x)
#   comes from all other trainings. *Plain* is the standard deviation of three. *Constant* draws every u towards one
#   typical value and flattens the cloud; *with gradients* brings it to the diagonal. The error is the root mean square of
#   ln(stated u / true u), over all draws and images: 71 % is typically a factor of two, up or down.
#
# If the picture is live, move the slider *retrainings*, draw *other three*, and choose a garment. No network was trained on
# clothes, and the bell is wider. *From one training* borrows the overall size of u from other networks: the cloud keeps its
# shape, but may sit too high or too low.
#
# **Why can three trainings be worth thirty?** "Worth thirty" means: u is as accurate as from thirty plain trainings.
# Three numbers show little about the width of one bell. But the same three networks predict thousands of images, and
# most bells are about equally wide. So a typical width, learned from all images, helps each of them: this is
# *constant*. Each network also shows how sure it is of an image, and how easily this changes if its weights are moved a
# little. Both numbers indicate whether the bell is wider or narrower than most: this is *with gradients*. How much
# wider follows from the three networks, and from slopes that were learned once on other networks. Nothing more is
# trained. `07_retraining_uncertainty` does it step by step, by hand.

# %%
again.Picture("00_train_again", title="What three retrainings show of u(x)")

# %% [markdown]
# ## The images
#
# MNIST is a set of grey pictures of handwritten digits, 28 × 28 pixels each. The data object prints which images it
# holds.

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
data

# %% [markdown]
# A *multilayer perceptron*: two hidden layers of 200 units. `net` is a **builder**, a function that makes one fresh network
# each time it is called. Any function that returns an `nn.Module` will do.

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
# `fit` trains one network for each seed. The *recipe* is the same for all: the number of *epochs* (passes through all
# training images), the learning rate, and so on. `fit` returns a *law*, an object from which networks can be drawn.
# This is the simplest law, a list of three trained networks. Averaged, they are a **deep ensemble** [1].

# %%
recipe = ln.Recipe(epochs=10 if profile == "quick" else 5)
runs = ln.fit(net, data, seeds=range(3), recipe=recipe)
runs

# %% [markdown]
# ### By hand
#
# A trained network is one point θ in weight space: all its weights in one long row of numbers. To see this, we put the
# first θ back into a fresh network, and compute the probabilities of that network.

# %%
module = net()
torch.nn.utils.vector_to_parameters(runs[0], module.parameters())
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
# How good is one network, and how good is the mean of the three? The *log-loss*, or negative log-likelihood (NLL), is
# the mean of −ln p(right digit). 0 is perfect; a network that is sure and wrong has a large log-loss. Its unit is the
# *nat*, that of natural logarithms. A network that knows nothing of ten digits has ln 10 ≈ 2.30 nat.
#
# Scores are printed with a bracket: 0.195(37) nat is 0.195 nat with a *standard uncertainty* of 0.037 nat, the standard
# deviation to expect if other test images had been drawn ($s/\sqrt{n}$ of the n images). The change that another seed
# would make is *not* included.

# %%
one, three = ln.score(logp[0], data.test.labels), ln.score(logp, data.test.labels)
rows = {}
for name, score in (("one network", one), ("mean of three", three)):
    rows[name] = {"accuracy": str(score["accuracy"]), "NLL": str(score["nll"])}
course.table(rows)

# %% [markdown]
# ## Where they disagree

# %%
decisions = logp.argmax(2)
disputed = (decisions != decisions[0]).any(0).nonzero().squeeze(1)
print(f"{1000 * len(disputed) / len(data.test):.0f} of 1 000 test images are disputed")

# %% [markdown]
# Compare with your guess. Here are five disputed images: above, the image; below, the probability that each of the
# three networks (three shades) gives to the three likeliest digits.

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
# **What we see.** Some networks hesitate, others are sure, and they contradict each other. On each of these images, the three
# do not agree on the digit. So the probability from one network does not show how far another training would move it.
#
# The standard deviation of a prediction over retrainings is a component of uncertainty. Its name is the **standard
# uncertainty of the prediction due to retraining**, in short *retraining uncertainty*. We write u(x) for an image x.
# This course is about u(x). The next figure shows it: the log-odds of one disputed image in the 128 stored trainings.

# %%
stored = ln.load_result("mnist-mlp")
place, cells = stored.arrays["undecided"][0], ln.read_study("mnist-mlp")
digit = cells["chosen"].values[place]
figure = lessons.retrainings_of_one_image(
    stored.arrays["undecided_pixels"][0, 0],
    cells["log_odds"].values[:, place],
    source="MNIST, perceptron, 128 retrainings",
    of=f"“{digit}”",
    title="u(x) is how widely retraining scatters one prediction",
)
course.save_live(figure, "00_u")

# %% [markdown]
# **What we see.** Each training is one entry of the histogram. q is the log-odds of *2*, the digit that five other trainings
# together preferred; the label is 7. Left of the dashed line, all other digits together are likelier than the 2. The arrow
# reaches from the mean less u(x) to the mean plus u(x). How many trainings fall inside? A normal law would give 68 %.

# %%
q = cells["log_odds"].values[:, place].astype(float)
inside = int((abs(q - q.mean()) < q.std(ddof=1)).sum())
print(f"{inside} of {len(q)} trainings fall inside, {inside / len(q):.0%}")

# %% [markdown]
# Close to it. Two peaks, as here, can be chance; `05_mnist` tests whether the scatter is normal.
#
# ## What are three trainings worth?
#
# The direct way to know u(x) is to retrain often: ten times, a hundred times. For a network that trains for a week, this is out
# of reach. Three trainings are affordable. How large is the error of u then? A stored study of this perceptron answers. *Worth*
# is the number of plain trainings that have the same error; the last two columns are the ends of its 95 % interval. (The first
# row uses other sets of three than the picture above: 72 %, not 71 %.)

# %%
plain = ln.load_result("mnist-mlp-uncertainty").numbers["mixes"]["none (plain Type A)"]["3"]
study = ln.load_result("mnist-mlp-geometry").numbers["test"]
ways = {
    "the scatter of three": plain,
    "a typical u for all images (constant)": study["constant"]["3"],
    "with gradients, slopes of other networks": study["prior of other pairs"]["3"],
}
rows = {}
for name, found in ways.items():
    worth = found["ren"]
    error = 100 * 0.5 * found["squared_error"] ** 0.5  # stored for ln u²; half of it is that of ln u, here in %
    rows[name] = {
        "error of u (%)": error,
        "worth (trainings)": worth["value"],
        "95 % from": worth["low"],
        "95 % to": worth["high"],
    }
course.table(rows, "Three trainings of the perceptron on MNIST", digits=0)

# %% [markdown]
# On the other networks of the main studies, outputs, classes and gradients make three trainings worth from 18 to about 140
# plain ones, on all but one 30 or more; the largest of these values are the least certain. `07_retraining_uncertainty` has the table and the steps.
#
# Is there also a cheaper way to get *many networks*? The rest of this notebook looks for one.

# %% [markdown]
# ## The landscape between two networks
#
# Here is a tempting shortcut. We have two trained networks, two points in weight space. Their mean, and all points on
# the line between them, cost nothing. Are they good networks?
#
# **Guess:** both ends are right on more than 90 % of the images. What about the point half-way?

# %%
line = ln.Segment.between(runs[0], runs[1])
on_line = ln.along(runs, line, data.test)
right = on_line.accuracy  # at 31 points
print(f"accuracy at the ends {right[0]:.3f} and {right[-1]:.3f}, half-way {right[15]:.3f}")

# %% [markdown]
# The half-way point is worse than the ends. Between the two the loss has a hill, a *barrier*. But weight space has some
# 200 000 dimensions, and a path can go around a hill. `fit_subspace` learns a curve [2]. Both ends stay exactly where
# they are. Ordinary training moves one *control point* between them to where the loss is low **along the whole curve**.

# %%
path = ln.fit_subspace(net, data, ln.Bezier.between(runs[0], runs[1]), recipe=recipe)
path

# %%
on_curve = ln.along(runs, path.subspace, data.test)
figure = ln.plots.path_losses(
    {
        "test images": {
            "line": (on_line.coordinates, on_line.loss),
            "curve": (on_curve.coordinates, on_curve.loss),
        },
    },
    logarithmic=False,
    source=data.title,
    title="The straight line crosses a hill, the mode curve goes around it",
)
course.save_live(figure, "00_path")

# %% [markdown]
# **What we see.** Half-way along the line (dotted) the test loss is many times that of its ends. The mode curve
# passes below the hill. It isn't flat, but stays under twice the loss of its ends. Every point of that curve is a
# usable network. The output above states the cost: the curve cost as much as one more training, so two ends and a curve
# cost three. The legend has n = 1: this is one pair of networks.

# %% [markdown]
# ## Many networks from one road
#
# A mode curve is also a law: draw a time t at random and take the network there. We take the mean of twenty:

# %%
on_road = path.predict(data.test.images, n=20, seed=0)
road = ln.score(on_road, data.test.labels)
print("three retrainings          ", three["nll"])
print("20 networks along the curve", road["nll"])

right = data.test.labels.unsqueeze(1)
lost = [-ln.mean_prediction(p).gather(1, right).squeeze(1) for p in (on_road, logp)]
print("curve minus retrainings    ", ln.Estimate.mean(lost[0] - lost[1], unit="nat"))

# %% [markdown]
# **What we see.** Both laws are scored on the *same* test images, and a hard image is hard for both. So the difference is taken
# image by image, and its standard uncertainty is smaller than the two brackets suggest. Trained on all of MNIST (profile
# `standard`), the curve is clearly behind three retrainings; trained on 5 000 images (`quick`), the two can't be told apart.
# The brackets cover only the choice of the test images: other seeds and another curve would give another difference.

# %% [markdown]
# ## Trap: the spread along the road is not the spread of retraining
#
# Twenty networks for the price of three: is their spread the uncertainty of the prediction due to retraining? We take
# the log-odds q = ln p − ln(1 − p) of one class for each image, and its standard deviation over networks. The class is
# the one that the mean of the three retrainings prefers. The networks on the curve are read for the same class;
# otherwise we would compare two different quantities.

# %%
chosen = ln.mean_prediction(logp).argmax(1).numpy()
local, retrained = (ln.log_odds(p.numpy(), chosen).std(0, ddof=1) for p in (on_road, logp))
ratio = ((local**2).mean() / (retrained**2).mean()) ** 0.5
print(f"spread along the curve (20 networks) / spread of the retrainings (n = 3): {ratio:.2f}")

# %% [markdown]
# Can three retrainings show whether this ratio differs from 1? For one image they can't: their spread is typically wrong by 70 %.
# But the ratio is a mean over all images. How much would it change with three other retrainings? The stored ones answer:

# %%
test_images = cells["log_odds"].values[:, cells["part"].values == "test"].astype(float)
spreads = [test_images[k : k + 3].var(0, ddof=1).mean() ** 0.5 for k in range(0, 126, 3)]
print(f"mean spread, from one set of three to the next: {np.std(spreads, ddof=1) / np.mean(spreads):.1%}")

# %% [markdown]
# So the mean spread is known well, and *this* curve has another one. The trap is to expect them to agree: networks on a curve are
# not retrainings. Their spread differs from u(x) by a factor, which changes from one curve, and one kind of network, to the next.
# **The cure.** Call it by another name, **local spread**. With a few real retrainings to set its scale it may still be
# useful; later notebooks try that.

# %% [markdown]
# ## The same at full size
#
# Everything above was small, so that it runs while you read. We computed the same once on all of MNIST, for two networks, with
# five pairs of each. The results were stored with their provenance (code, data, machine, versions); we read them back. *MLP* is
# the multilayer perceptron, *CNN* a small convolutional network. The brackets are standard uncertainties of means: over n = 10
# retrainings in the first column, over n = 5 pairs in the other two.

# %%
mlp, cnn = ln.load_result("mnist-mlp-paths"), ln.load_result("mnist-cnn-paths")
rows = {}
for name, stored in (("MLP", mlp), ("CNN", cnn)):
    n = stored.numbers
    rows[name] = {
        "accuracy of one network": str(n["single_accuracy"]),
        "highest training loss on the line": str(n["line_train_maximum"]),
        "on the curve": str(n["curve_train_maximum"]),
    }
course.table(rows)

# %%
panels = {}
for name, stored in (("MLP", mlp), ("CNN", cnn)):
    a = stored.arrays
    methods = {"curve": (3, a["curve_ensemble"][:, 1]), "simplex": (1, a["simplex_ensemble"][:, 1])}
    panels[name] = (a["ensemble_nll"], methods)
figure = figures.score_against_cost(
    panels,
    source=mlp.provenance["data"]["title"],
    title="At equal cost, on MNIST, plain retrainings predict best",
)
course.save(figure, "00_score_against_cost")

# %% [markdown]
# **What we see.** The standard of comparison is the deep ensemble. Its loss falls as members are added, most of all
# with the first ones. Its points are means over subsets of the same ten retrainings; they have no bars, since subsets
# overlap. Pale symbols are single repetitions. Full symbols are their mean with one standard uncertainty of that mean,
# n = 5.
#
# A curve with its two ends costs three trainings; compare it with the ensemble of three. "Simplex" is a triangle learned from
# scratch [3]. It costs one training; compare it with one network. On MNIST, *for better predictions*, neither beats plain
# retraining at the same cost. The curve predicts no better than *one* network: worse on the MLP, alike on the CNN. The figure
# leaves another question open: can the landscape show how *uncertain* a prediction is?

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# A colleague wants to save work and passes `seeds=[0, 0, 0]`. What spread would she find? How does the library answer? Then she
# passes three networks of seeds 0, 1 and 1, trained elsewhere. By which factor is her spread too small, on average?

# %% tags=["solution"] jupyter={"source_hidden": true}
try:
    ln.fit(net, data, seeds=[0, 0, 0])
except ValueError as error:
    print(error)
# On the same machine, with the same versions, number of threads and networks trained together,
# the same seed gives the same network, bit for bit. The spread would be exactly 0.
q0, q1 = ln.log_odds(logp[:2].numpy(), chosen)
honest, doubled = (np.var([q0, q1], axis=0, ddof=1).mean(), np.var([q0, q1, q1], axis=0, ddof=1).mean())
print(f"u² from seeds 0, 1, 1 / u² from seeds 0 and 1: {doubled / honest:.3f}")
# With a = q0 − q1, the variance is a²/2 from two and a²/3 from the three: u is √(2/3) = 0.82 of
# that from two, and it claims more degrees of freedom than it has.

# %% [markdown]
# ### Exercise 2
#
# Is the hill as high for the *training* images as for the test images? Survey the line on `data.train` and compare the
# highest loss with the one on `data.test`.

# %% tags=["solution"] jupyter={"source_hidden": true}
some = data.train.subset(slice(0, 2000))
highest = ln.along(runs, line, some, n=11).loss.max()
print(f"training images {highest:.2f} nat, test images {on_line.loss.max():.2f} nat")
# Much the same: overfitting does not explain the hill. A likely reason is that the half-way
# network mixes unrelated units.

# %% [markdown]
# ### Exercise 3
#
# Take a network of your own; here, one hidden layer with `tanh` and dropout. Take data of your own as well, if you have
# some: `ln.dataset(train=(images, labels), test=(images, labels))`. Train under two seeds, learn a curve between the
# two networks, and compare the highest loss on the line with the highest on the curve.

# %% tags=["solution"] jupyter={"source_hidden": true}
class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(784, 50), torch.nn.Linear(50, 10)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.hidden(x.flatten(1)))))


networks = ln.fit(Own, data, seeds=[0, 1], recipe=recipe)
path_between = ln.fit_subspace(Own, data, ln.Bezier.between(networks[0], networks[1]), recipe=recipe)
for name, way in (("line", ln.Segment.between(networks[0], networks[1])), ("curve", path_between.subspace)):
    print(name, ln.along(networks, way, data.test, n=11).loss.max().round(3), "nat")
# No layer had to be rewritten: the library only needs a builder.

# %% [markdown]
# ## Summary
#
# One trained network is one observation. Trained again with another seed, it decides otherwise on some images, sometimes in
# spite of a high probability. The scatter of three trainings is a poor estimate of u(x). If we also use what the three networks
# show of all images, the three are worth tens of trainings. Independent trainings end in separate valleys. A straight line
# between them crosses a hill; a mode curve goes around it, for the cost of about one training. Networks along the curve are
# good, but their spread is not the spread of retraining.

# %% [markdown]
# ## What was recorded
#
# Here are the numbers of this run and the reference stored when these notebooks were committed.
# $E_n = \lvert a - b \rvert / (2\sqrt{u^2(a) + u^2(b)})$ is at most 1 where the two agree. On the same machine with the same
# versions, they are identical.

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
#
# Symbols and words of the whole course, English and French: [glossary](glossary.md).
#
# **Next:** `01_weight_space` asks what it means that a network is a point. To learn a curve at once, go to `03_paths`.
