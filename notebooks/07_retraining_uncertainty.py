# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Retraining uncertainty: how three trainings become worth thirty
#
# **Question.** Train a network again, and its prediction for the same image moves. u(x) is the size of this movement,
# for each image x. You can pay for three trainings. How well do you know u(x)?
#
# "Worth thirty" means: three trainings, well used, give u(x) with the same error as the plain scatter of thirty trainings. The
# number depends on the network: section 5 measures it for the perceptron of this notebook and has a table of all networks in
# the studies.
#
# **What you will learn**
# - why the scatter of three numbers is a poor u(x);
# - what thousands of images show together that no single image can show: a *prior*;
# - how one number for each image, computed from the same three networks, makes the prior much better;
# - how to measure the gain in trainings (REN), on arrays of your own;
# - what to write down at the end.
#
# **Before you start.** `00_start_here`: log-odds, u(x). Every other term is explained where it is first used. The words
# of metrology are in `02_uncertainty`.
#
# **Minutes.** 40 minutes to read. To compute: under half a minute in the profile `quick`, about two minutes in
# `standard`, on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import textwrap

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

import lnescape as ln
from notebooks import course
from report.studies import lessons, tables
from report.studies.dispersion import dithered

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# You have **three** trained networks. You may use everything that they show, but train no more. How many trainings would it
# take to know u(x) equally well from their scatter alone: **3, 6, 12, 30, or more?**

# %% [markdown]
# ## 1. Three numbers jump
#
# One perceptron was trained 128 times on MNIST, each time with another seed [4]. The results are stored, so that we can
# play. Three of the trainings are *ours*. The other 125 are the *judges*: we compare with them, and use them for
# nothing else.
#
# q is the log-odds of one class of each image, fixed beforehand. The array `q` has one row for each training and one column for
# each image. We learn from the *calibration* images and judge on the *test* images.

# %%
seen = ln.read_study("mnist-mlp-geometry")
watched = seen["watched_image"].values
q = dithered(seen["log_odds"].values[:, watched])  # stored rounded; noise below that breaks ties
part = seen["part"].values[watched]
calibration, test = part == "calibration", part == "test"

ours, judges = q[:3], q[3:]
s2 = ours.var(0, ddof=1)  # of three numbers, for each image
true_u = judges.std(0, ddof=1)
print(f"{q.shape[0]} trainings; {calibration.sum()} calibration images, {test.sum()} test images")
print(f"image 0: s = {s2[0] ** 0.5:.2f} nat from three, {true_u[0]:.2f} nat from {len(judges)}")

# %% [markdown]
# u(x) is a standard deviation over *all* possible trainings. The standard deviation s of the three that you have is an
# estimate of it. The figure shows how good that estimate is. Left: one image, and ten sets of three trainings each.
# Right: our three, on every test image.

# %%
middle = np.argsort(true_u[test])[test.sum() // 2]
image = np.flatnonzero(test)[middle]  # its u(x) is the median one
figure = lessons.three_jump(
    q[:, image],
    s2[test] ** 0.5,
    true_u[test],
    source="MNIST, perceptron, 128 retrainings",
    title="Three trainings guess the width of the grey band, and often miss",
)
course.save_live(figure, "07_three_jump")

# %% [markdown]
# **What we see.** Grey is the truth, mean ± u(x). The diamonds are three trainings, the bar is their mean ± s. Some
# bars are half as long as the grey band is wide, others are longer. Nothing is wrong with the trainings: three numbers
# may lie close together by chance, and then s is small.
#
# How large is this error? If q is normal over trainings, s² is u² times a random factor, the same kind of factor for
# every image. It is the s² of three normal numbers with standard deviation 1, and can be simulated. We take logarithms:
# factors become sums, and a difference of 0.1 in ln u is an error of 10 %.

# %%
chance = np.random.default_rng(0).normal(size=(3, 100_000))
factor = chance.var(0, ddof=1)  # the effect of chance alone on s²
noise = np.log(s2[test] / true_u[test] ** 2)
for name, values in (("simulated factor", np.log(factor)), ("ln(s²/u²) of our three", noise)):
    print(f"{name:22}: mean {values.mean():.2f}, variance {values.var():.2f}")

# %% [markdown]
# The mean is below zero: from three trainings, ln s² is too low on average. The variance is large. Both are known
# functions of the number of *degrees of freedom* ν = M − 1 of M trainings (three numbers have two, since one is used
# for their mean) [5]:
#
# $$ \mathrm{E}\, \ln\frac{s^2}{u^2} = \psi(\nu/2) - \ln(\nu/2), \qquad \mathrm{Var}\, \ln\frac{s^2}{u^2} = \psi_1(\nu/2) . $$
#
# ψ and ψ₁ are tabulated (digamma and trigamma). You need no more of them than these lines, which we write by hand:

# %%
def bias(nu):
    """Return the mean of ln(s²/u²), negative: ln s² from few trainings is too low on average."""
    return digamma(nu / 2) - np.log(nu / 2)


nu = 2
mean_of_noise, variance_of_noise = bias(nu), polygamma(1, nu / 2)
print(f"in theory: mean {mean_of_noise:.2f}, variance {variance_of_noise:.2f}")

# %% [markdown]
# ## 2. All images together
#
# Three networks show little about one image. But they predict *thousands* of images, and the noise of s² is known. So
# look at how s² scatters from image to image; no judge is needed for that. For every image ln s² = ln u² + noise. Two
# things make it scatter: the noise of three numbers, and real differences of u between images. Variances of independent
# causes add:
#
# $$ \underbrace{\mathrm{Var}\,\ln s^2}_{\text{seen}} = \underbrace{\psi_1(\nu/2)}_{\text{noise, known}} + \underbrace{\mathrm{Var}\,\ln u^2}_{\text{real differences}} . $$
#
# We know *seen* and *noise*. Their difference shows how much u really differs between images. We use the calibration
# images for that, so that the test images stay untouched. No labels are needed.

# %%
seen_by_all = np.log(s2[calibration])
differences = seen_by_all.var() - variance_of_noise
print(f"variance of ln s² over images {seen_by_all.var():.2f}")
print(f"= noise {variance_of_noise:.2f} + real differences {differences:.2f}")
print(f"variance of ln u² of the judges {np.log(true_u[calibration] ** 2).var():.2f}")

# %% [markdown]
# Most of the scatter is noise: **u differs much less between images than s does.** So for one image the typical u is a
# better estimate than the s of that image. The best estimate lies between the two, and a *prior* determines where. A
# prior has two numbers:
#
# - s₀, the typical u;
# - d₀, its weight: as if the typical u had been measured on *this* image, with d₀ degrees of freedom.
#
# Why do the differences between images give a weight? Remember section 1. An estimate with ν degrees of freedom misses the
# truth by noise of variance ψ₁(ν/2). Take s₀ as an estimate of the u of one image, picked at random: it misses by the real
# differences. So s₀ is as good as an estimate with d₀ degrees of freedom, if ψ₁(d₀/2) equals the variance of these differences
# [1]. The less the images differ, the larger is d₀. The mean of ln s² then gives s₀:

# %%
def weight_of(differences):
    """Return the d₀ whose noise ψ₁(d₀/2) is as large as the real differences of ln u²."""
    return brentq(lambda d: polygamma(1, d / 2) - differences, 0.1, 1e4)


d0 = weight_of(differences)
s0_squared = np.exp(seen_by_all.mean() - bias(nu) + bias(d0))  # mean of ln u² = ln s₀² − bias(d₀)
print(f"by hand: d₀ = {d0:.1f}, s₀ = {s0_squared**0.5:.2f} nat")

# %% [markdown]
# The library instead takes the d₀ and s₀ for which the observed s² of all images are most probable (*maximum
# likelihood*). That uses the whole histogram, not only its mean and variance, and is more stable. Exercise 1 shows how
# far both differ from one set of three to another.

# %%
nothing = np.empty((len(q[0]), 0))  # no column: nothing is known of an image
constant = ln.fit_prior(s2[calibration], nu, nothing[calibration])
print(f"library: d₀ = {constant.dof:.1f}, s₀ = {constant.variance(nothing[:1])[0] ** 0.5:.2f} nat")

# %%
figure = lessons.spread_of_variances(
    s2[calibration],
    nu,
    (d0, s0_squared),
    source="MNIST, perceptron, three retrainings",
    title="Most of the scatter of s² is noise; the rest is real",
)
course.save_live(figure, "07_spread")

# %% [markdown]
# **What we see.** The grey histogram holds the s² of all calibration images. Orange: the noise of three numbers alone, one u
# for all images. Blue: noise and real differences. The two curves lie close together: the images differ little in u, so a
# typical u suits most of them.
#
# Now the variance of each image becomes a weighted mean of the typical variance s₀² and of its s². The weights are the
# degrees of freedom:
#
# $$ \tilde\sigma^2 = \frac{d_0 s_0^2 + \nu s^2}{d_0 + \nu}, \qquad \nu_\mathrm{eff} = d_0 + \nu . $$
#
# This is called *moderation* [1]. The method claims $\nu_\mathrm{eff}$ degrees of freedom instead of ν. Section 5 tests this
# claim.

# %%
by_hand = (constant.dof * constant.variance(nothing) + nu * s2) / (constant.dof + nu)
shared = ln.moderated(ours, constant, nothing)
assert np.allclose(by_hand, shared.scale**2)
print(f"{shared.dof:.0f} degrees of freedom claimed, instead of {nu}")

# %% [markdown]
# ## 3. One number that tells images apart
#
# The typical u is the same for every image. A typical u *for images like this one* would be better. For that we need a
# number that can be computed from the three networks and is correlated with u: a **covariate** h(x). Its scale may be
# wrong: the three trainings give the scale. Only its *pattern* over images matters.
#
# The best one that we know is the **gradient distance**. A step of the weights θ in some directions changes the predictions for
# the training images; training undoes such a step, so the images *fix* these directions. Other directions are free, and two
# trainings may end far apart along them. If a small step in a free direction moves q(x) far, another training moves q(x) far,
# too. Two kinds of gradients measure this. The gradient g shows how q depends on each weight. The *Fisher matrix* F is made of
# gradients on the training images. F is large along directions that these images fix, so its inverse is large along the free
# ones:
#
# $$ h(x) = \ln\, g^\mathsf{T} (F + rI)^{-1} g, \qquad g = \frac{\partial q(x)}{\partial\theta}, \qquad
# F = \text{mean over training images of } \nabla_\theta \ln p(y)\, \nabla_\theta \ln p(y)^\mathsf{T} . $$
#
# The labels y are drawn from the network, and a small r keeps the inverse finite. For a network with few weights it
# would be three lines:
#
# ```python
# F = torch.stack([torch.outer(d, d) for d in gradients_of_log_p]).mean(0)  # one gradient d for each training image
# g = torch.cat([part.flatten() for part in torch.autograd.grad(q, network.parameters())])
# h = (g @ torch.linalg.solve(F + r * torch.eye(len(g)), g)).log()
# ```
#
# For 200 000 weights F would not fit into memory. The library therefore projects all gradients at random onto 2 048
# numbers each, which keeps their inner products on average, and takes r as a hundredth of F's mean eigenvalue.
# `ln.state` does this; `lnescape.covariates.gradient_distance` does it for one network. A variance of the form
# $g^\mathsf{T} F^{-1} g$ is the classical one of a linear model [3], and `11_local_geometry` shows where it comes from.
# The gradient distance needs one gradient per image, no training; the study stores it. If u² were exactly
# proportional to $g^\mathsf{T} F^{-1} g$, then ln u² = constant + h: a line of slope 1.
#
# Is it? We fit a straight line, by ordinary least squares, to the noisy ln s² of the calibration images:

# %%
h = seen["gradient_distance"].values[:3].mean(0)  # of our three networks
slope, intercept = np.polyfit(h[calibration], np.log(s2[calibration]), 1)
left_over = (np.log(s2) - intercept - slope * h)[calibration].var() - variance_of_noise
print(f"slope {slope:.2f}")
print(f"real differences of ln u² beside the line: {left_over:.2f}, of {differences:.2f} before")

# %%
figure = lessons.regression(
    h[test],
    {
        "ours: ln s² of three": (np.log(s2[test]), intercept),
        "judges: ln u², and our line moved up": (
            np.log(true_u[test] ** 2),
            intercept - mean_of_noise,
        ),
    },
    slope,
    label="gradient distance h",
    source="MNIST, perceptron, test images; the lowest points stand at the edge",
    title="A line through noise finds the truth",
)
course.save_live(figure, "07_regression")

# %% [markdown]
# **What we see.** On the left is what we have: a cloud so wide that a line is hardly visible. Thousands of points
# determine it all the same. On the right are the values of the judges. Our line, moved up by the known bias of ln s²,
# runs through the middle.
#
# The estimate of the variance left around the line came out slightly below zero, though a variance can't be negative.
# The true value is too small for three networks to show. If we believed the estimate, the line would be exact. The
# library is more
# careful. All images share the same three networks, so the library counts thousands of images as a few hundred (at
# most 300, or a tenth of their number if that is less). Therefore the slope shrinks towards zero, more so with fewer
# images. The library also assumes that 1/d₀ is 0.1 on average, so that d₀ stays finite. Both numbers are assumptions, since
# two or three networks can't show them. `13_appendix` varies the first twelvefold; the coverage of intervals changes by a few
# per cent. From here on we take the library's prior.

# %%
with_h = ln.fit_prior(s2[calibration], nu, h[calibration, None], names=("gradient distance",))
s0_squared = with_h.variance(h[:, None])  # now one for each image
shrunk = np.polyfit(h[calibration], np.log(s0_squared[calibration]), 1)[0]
true_slope = np.polyfit(h[calibration], np.log(true_u[calibration] ** 2), 1)[0]
print(f"slope: by hand {slope:.2f}, by library {shrunk:.2f}, of the judges {true_slope:.2f}")
print(f"d₀ = {with_h.dof:.0f}")

by_library = ln.moderated(ours, with_h, h[:, None])
assert np.allclose((with_h.dof * s0_squared + nu * s2) / (with_h.dof + nu), by_library.scale**2)

# %% [markdown]
# ## 4. Before and after
#
# Three ways to state u(x), from the same three trainings. The truth comes from the judges. The error in each panel is
# the root mean square of ln(stated u / true u): 10 % means that u is typically wrong by a tenth.

# %%
stated = {
    "plain": s2,
    "constant prior": shared.scale**2,
    "prior with gradient distance": by_library.scale**2,
}
off = {way: np.log(variance[test] ** 0.5 / true_u[test]) for way, variance in stated.items()}
figure = lessons.stated_against_true(
    {way: variance[test] ** 0.5 for way, variance in stated.items()},
    true_u[test],
    {way: 100 * (values**2).mean() ** 0.5 for way, values in off.items()},
    source=f"MNIST, perceptron, {test.sum()} test images, three trainings judged by {len(judges)}",
    title="The same three trainings, before and after",
)
course.save_live(figure, "07_before_after")

# %% [markdown]
# **What we see.** Each dot is an image; on the diagonal, u is stated right. Dots that lie below the frame are drawn at
# its edge. A constant prior pulls all images to the typical u, which is nearly right for most of them. The gradient
# distance then puts them in order.
#
# ## 5. REN: how many trainings is that worth?
#
# An error in percent is hard to judge. The **retraining equivalent number** (REN) converts it into trainings. Section 1
# gives the mean squared error of ln s² from M plain trainings: the variance of the noise plus its squared mean. REN is
# the M at which plain trainings have the same error.
#
# One difficulty is left. The number of judges is finite: their s² is noisy, too, and that noise would count as our
# error. So we split the judges into two halves, and multiply our error against one half by our error against the other
# half. The noise of the two halves is independent, and averages to zero in the product. Our own error is in both
# factors, and stays. Here is REN by hand, as a function, since you will need it for your own arrays. Its arguments are
# a stated variance u² for each image, and the q of the judges. It also removes the known bias of ln s² in each half.
# (`ln.fidelity` gives REN with an interval.)

# %%
def ren(variance, judges):
    """Return how many plain trainings know u² as well, and the error of u in percent."""
    halves = judges[::2], judges[1::2]
    errors = [np.log(variance / half.var(0, ddof=1)) + bias(len(half) - 1) for half in halves]
    squared = (errors[0] * errors[1]).mean()
    if squared <= 0:
        return np.inf, 0.0  # an error below what so few judges can show
    nu = brentq(lambda nu: polygamma(1, nu / 2) + bias(nu) ** 2 - squared, 1e-3, 1e6)
    return 1 + nu, 50 * squared**0.5  # half, since ln u = ln u² / 2


# %% [markdown]
# First we try it on simulated arrays, in which u differs between images. Here the answer is known: M plain trainings
# must have a REN of M.

# %%
stream = np.random.default_rng(0)
simulated = stream.normal(size=(160, 5000)) * np.exp(0.3 * stream.normal(size=5000))
for m in (2, 3, 10, 30):
    worth, error = ren(simulated[:m].var(0, ddof=1), simulated[60:])
    print(f"{m:2} plain trainings: REN {worth:4.1f}, error {error:.0f} %")
    assert abs(np.log(worth / m)) < 0.15

# %% [markdown]
# Then we try it on the stored arrays:

# %%
found = {way: ren(variance[test], judges[:, test]) for way, variance in stated.items()}
rows = {way: {"REN (trainings)": n, "error of u (%)": error} for way, (n, error) in found.items()}
course.table(rows)

# %%
figure = lessons.scale_of_ren(
    found,
    source="theory (line); MNIST, perceptron, test images (marks)",
    title="REN: where the curve of plain retrainings has the same error",
)
course.save_live(figure, "07_scale_of_ren")

# %% [markdown]
# **What we see.** The last error is smaller than in the figure of section 4, since the noise of the judges is removed.
# Sections 2 and 3 claimed d₀ + ν degrees of freedom. With gradient distance the measured number, REN − 1, is larger: the
# method is cautious. With the constant prior it is a little smaller than claimed. The
# black curve falls slowly: from about ten trainings on, half the error takes three to four times as many trainings.
# This is why a prior is worth so much.
#
# Compare with your guess. This was one set of three trainings of one network. The stored study has many such sets, and
# 95 % intervals from all 128 trainings:

# %%
study = ln.load_result("mnist-mlp-geometry").numbers["test"]
rows = {}
for name in ("constant", "gradient distance"):
    for m in ("2", "3"):
        worth = study[name][m]["ren"]
        rows[f"{name}, M = {m}"] = {
            "REN": worth["value"],
            "95 % from": worth["low"],
            "95 % to": worth["high"],
        }
course.table(rows, "Perceptron on MNIST, many sets of two and of three trainings")

# %% [markdown]
# The perceptron is one of nine networks in the next table. The prior uses the gradient distance, the outputs (mean
# log-odds, size and spread of the logits, distance in the last layer) and the class. It starts from slopes that were
# learned on other networks (> 300: the judges are too few to bound REN):

# %%
rows = {}
for key, name in tables.HEADLINE.items():
    rows[name] = {"REN": tables.ren_of(tables.headline(key)[tables.WITH_GRADIENT]["3"])}
course.table(rows, "From three trainings with gradients, and the 95 % interval")

# %% [markdown]
# This is where "thirty" comes from: eight of the nine networks reach it, three of them only just. On the attention network,
# three trainings are worth 18. `13_appendix` has every other covariate that was tried, with its cost.
#
# Three cautions. REN is about u, not about the *mean* prediction, which remains that of three trainings. REN is an
# average over images. And the images must be like those that the prior was fitted on: on faint, noisy or foreign ones u
# is known less well (`13_appendix`).

# %% [markdown]
# ## 6. The statement
#
# A statement gives an interval for a further training: $\bar q \pm t\,\tilde\sigma\sqrt{1 + 1/M}$. Under the root, 1 is
# the scatter of the further training, and 1/M that of the mean q̄. t is Student's factor: 1.96 if σ̃ were known
# exactly, larger if $\nu_\mathrm{eff}$ is small. Do the intervals hold? We take the 95 % intervals of each method and
# count the judges inside. We also count them on two tenths of the images: those with the smallest stated u, and those with the
# largest.

# %%
ways = {
    "plain": ln.type_a(ours),
    "constant prior": shared,
    "prior with gradient distance": by_library,
}
rows = {}
for way, one in ways.items():
    low, high = (end[test] for end in one.interval(0.95))
    inside = (judges[:, test] >= low) & (judges[:, test] <= high)
    tenths = np.array_split(np.argsort(one.scale[test]), 10)
    rows[way] = {
        "degrees of freedom": one.dof,
        "mean length (nat)": (high - low).mean(),
        "inside (%)": 100 * inside.mean(),
        "tenth of smallest u (%)": 100 * inside[:, tenths[0]].mean(),
        "tenth of largest u (%)": 100 * inside[:, tenths[-1]].mean(),
    }
course.table(rows, "95 % intervals from three trainings, and where 125 others fall")

# %% [markdown]
# **What we see.** All three kinds of intervals hold about 95 % *on average*. But look at the tenths. If three numbers
# lie close together by chance, the plain interval is far too short; elsewhere it is too long. So for a single image the
# plain interval misleads. With a prior, both tenths hold about 95 %, though the intervals are hardly more than half as
# long.
#
# ### One call, live
#
# All this is one call. It trains three networks, computes outputs, classes and gradient distance, and fits the prior on
# the calibration images. It starts from slopes that were learned on other networks (`11_local_geometry`).

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
net = ln.network("mlp", data)
fast = {"batch": 256, "learning_rate": 0.2} if profile == "standard" else {}
recipe = ln.Recipe(epochs=10, precision="float32", **fast)
statement = ln.state(net, data, seeds=range(3), recipe=recipe, progress=False)
statement

# %%
title = f"Every prediction with its interval, from {statement.evaluation.n} trainings"
figure = ln.plots.statement(statement, title=title)
course.save_live(figure, "07_statement")

# %% [markdown]
# **What we see.** Left: some of the images, in the order of q̄, with their 95 % intervals. Orange intervals are decisions that a
# retraining may change. Right: the stated u of all images. The figure shows how u is distributed, not whether it is right;
# that is tested below.

# %%
doubtful = int(np.argsort(-statement.flip)[0])  # the image that is most likely to be decided otherwise
print(textwrap.fill(statement.sentence(doubtful), 100))

# %% [markdown]
# How to read the page, line by line:
#
# - *measurand*: the quantity that is stated, here our q.
# - *u* is the standard deviation of Student's t, a little larger than σ̃ [6]. In the table, a bracket with a point, such
#   as 0.0(1.2), is the mean and its u = 1.2. A bracket without a point, such as -0.97(89), counts in units of the last
#   digits: u = 0.89.
# - *decides otherwise* compares with the runner-up class, not with all others together. So it isn't the probability
#   that q falls below 0.
# - *reservations*: a list of assumptions, not errors.
# - *evaluation*: ν, d₀ and $\nu_\mathrm{eff}$ as above. *Type A evaluation* is the metrologist's name for an uncertainty that
#   comes from the scatter of repeated observations [2]. "By the model" is the error that $\nu_\mathrm{eff}$ would imply. The
#   range after it was measured, on networks that have many retrainings.
# - *prior*: the images are counted as fewer, because they share the networks (section 3).
# - *one set*: 95 % holds on average over sets of three networks. One set can be wrong for all images at once, since its
#   scale is common to all. This scale is evaluated with ν = 2 degrees of freedom from each independent image: 300 images that
#   count as independent give 600. The page compares with a stored study that has nearly as many.
#
# We train four more networks to test the page:

# %%
again = ln.fit(net, data, seeds=range(100, 104), recipe=recipe, progress=False)
new = ln.log_odds(again.predict(data.test.images).numpy(), statement.chosen)
low, high = statement.evaluation.interval()
covered = ((new >= low) & (new <= high)).mean(1)
live_coverage = ln.Estimate.mean(100 * covered, unit="%")
live_u = ln.Estimate.mean(statement.u, unit="nat")
print(f"inside the 95 % intervals: {live_coverage} (n = {len(covered)} new networks)")

# %% [markdown]
# ## Trap: the scale cannot be had from one training
#
# Why not explore the surroundings of *one* network, and take the spread there for u? Such a spread may show the pattern
# over images, but not the scale. The factor from a local spread to u differs between networks, kinds of exploration and
# data sets, and one network does not show it (`13_appendix` measures it). The second and third trainings give the
# scale. **The cure.** Explore for the pattern, retrain for the scale. (`ln.state` accepts a single training. It then
# borrows the scale from other networks and states this; `11_local_geometry` shows when it fails, and that a second training
# cut to three tenths of the epochs shows most of the scale.)

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: other threes
#
# Trainings 3 to 5, 6 to 8 and 9 to 11 are as good as ours. How much do d₀ (by hand and by library) and the slope differ
# from three to three?

# %% tags=["solution"] jupyter={"source_hidden": true}
rows, distances = {}, seen["gradient_distance"].values
for first in (0, 3, 6, 9):
    variances = q[first : first + 3][:, calibration].var(0, ddof=1)
    rows[f"trainings {first} to {first + 2}"] = {
        "d₀ by hand": weight_of(np.log(variances).var() - variance_of_noise),
        "d₀, library": ln.fit_prior(variances, nu, nothing[calibration]).dof,
        "slope": np.polyfit(distances[first : first + 3].mean(0)[calibration], np.log(variances), 1)[0],
    }
course.table(rows, digits=2)
# All images share the same three networks. So d₀ is less certain than thousands of images suggest.
# The likelihood is the more stable of the two. The slope lies between 0.89 and 1.15.

# %% [markdown]
# ### Exercise 2: two trainings
#
# Repeat sections 2 to 5 with *two* trainings. ν is 1 then. What are the three errors, and the three RENs?

# %% tags=["solution"] jupyter={"source_hidden": true}
two, rest = q[:2], q[2:]
variance = two.var(0, ddof=1)
h_of_two = seen["gradient_distance"].values[:2].mean(0)  # the third network is a judge here
ways = {"plain": ln.type_a(two)}
covariates_of = {"constant prior": nothing, "prior with gradient distance": h_of_two[:, None]}
for way, covariates in covariates_of.items():
    prior = ln.fit_prior(variance[calibration], 1, covariates[calibration])
    ways[way] = ln.moderated(two, prior, covariates)
worth = {way: ren(one.scale[test] ** 2, rest[:, test]) for way, one in ways.items()}
rows = {way: {"REN (trainings)": n, "error of u (%)": error} for way, (n, error) in worth.items()}
course.table(rows)
# With the gradient distance, two trainings are worth far more than three with a constant prior.

# %% [markdown]
# ### Exercise 3: break it
#
# Fit a constant prior on one half of the calibration images. Apply it to the other half, and to log-odds that were
# doubled. `ln.diagnose` compares the variances of images with those that a prior expects. Does it notice?

# %% tags=["solution"] jupyter={"source_hidden": true}
mine = ours[:, calibration]
first, second = mine[:, ::2], mine[:, 1::2]
fitted = ln.fit_prior(first.var(0, ddof=1), nu, np.empty((first.shape[1], 0)))
for images in (second, 2 * second):
    print(ln.diagnose(images, fitted, np.empty((images.shape[1], 0))))
# It notices the doubling: the variances are four times as large as the prior expects.

# %% [markdown]
# ### Exercise 4: your own network
#
# Take predictions of your own: three or more networks that differ in their seed only, from whatever framework. You need
# their log-odds of one class for each input, as an array [networks, inputs], for some hundred inputs to fit the prior
# on and for inputs to state. Any known number for each input may be a covariate. How many degrees of
# freedom does `ln.moderated` state? If you have ten networks more to judge by, what is your REN? Here, small networks on small digits stand in for
# yours. (There are few inputs, and the library warns that they count as even fewer.)

# %% tags=["solution"] jupyter={"source_hidden": true}
small = ln.load("digits")
recipe = ln.Recipe(epochs=8, batch=64)
builder = ln.network("mlp", small, width=32)
law = ln.fit(builder, small, seeds=range(13), recipe=recipe, progress=False)
inputs = torch.cat([small.calibration.images, small.test.images])
logp = law.predict(inputs).numpy()  # [networks, inputs, classes]; put your own array here
yours = ln.log_odds(logp, np.exp(logp[:3]).mean(0).argmax(1))  # [networks, inputs]
known = yours[:3].mean(0)[:, None]  # one covariate: the mean log-odds
fit = np.arange(len(known)) < len(small.calibration)  # for these inputs the prior is fitted
prior = ln.fit_prior(yours[:3, fit].var(0, ddof=1), 2, known[fit], names=("mean log-odds",))
others = yours[:, ~fit]  # for these u is stated
ways = {
    "plain": ln.type_a(others[:3]),
    "prior with mean log-odds": ln.moderated(others[:3], prior, known[~fit]),
}
rows = {}
for way, one in ways.items():
    rows[way] = {"REN": ren(one.scale**2, others[3:])[0], "degrees of freedom": one.dof}
course.table(rows)

# %% [markdown]
# ## Summary
#
# The s of three plain trainings is typically wrong by 70 %, since three numbers scatter so much. The size of that noise
# is known. So thousands of images together show that u differs little between images. A prior with a typical u makes
# three trainings worth about three times as many. A covariate distinguishes between images. With its slope learned from
# the same three networks, the three are worth tens of trainings. The statement covers one component of uncertainty, the
# repetition of the training. It does not cover labels, data and errors that all trainings share.

# %% [markdown]
# ## What was recorded
#
# The brackets are over images or judges. On another machine the same seeds give other networks, whose scatter the
# brackets exclude: *no* marks sets of networks that differ by more than the brackets allow.

# %%
course.record(
    "07_retraining_uncertainty",
    profile,
    {
        "coverage of 95 % intervals": live_coverage,
        "mean u(x)": live_u,
        "log-odds of all test images, mean of the networks": ln.Estimate.mean(
            statement.evaluation.mean, unit="nat"
        ),
    },
    data=data,
    figures=["07_statement"],
)

# %% [markdown]
# ## References
#
# 1. Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3: moderated variances, for genes; here, for images.
# 2. JCGM 100:2008 (GUM): Type A evaluation, degrees of freedom, Student's t (4.2, annexes E.4 and G.3).
# 3. MacKay 1992, Neural Computation 4(3), 448: $g^\mathsf{T} H^{-1} g$ as the variance of a prediction.
# 4. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, the reference by brute force.
# 5. Abramowitz, Stegun 1964, section 26.4: the logarithm of χ², ψ and ψ₁.
# 6. JCGM 101:2008: the standard uncertainty of a Student's t.
#
# **Next:** `08_cifar10`, where training loss is not zero.
