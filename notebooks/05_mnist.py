# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · MNIST: what a hundred retrainings look like
#
# **Question.** Train the same network a hundred times [1], on the same images, with another seed each time. What do the hundred
# say of one image? Is there a law in it, and how many of them does it take to know how far they scatter?
#
# **What you will learn**
# - what exactly is measured: the *log-odds* of one fixed class, and why not the probability;
# - how log-odds scatter over retrainings, for easy, undecided and foreign images;
# - which decisions hang on the seed, and how often they flip;
# - how slowly the standard uncertainty of a prediction due to retraining, u(x), becomes known, and what a reference is worth;
# - where the scatter comes from: initial weights, order of the images, arithmetic;
# - how a study of hundreds of trainings is run, so that it survives being killed.
#
# **Before you start.** `00_start_here`. Standard deviation, normal distribution; the rest is explained here.
#
# **Minutes.** 20 minutes to read. To compute: under half a minute in the profile `quick`, some two minutes in `standard`, on
# one thread. The hundred retrainings themselves were computed once and are read back.

# %% tags=["parameters"]
profile = ""

# %%
import textwrap

import numpy as np
import torch
from scipy.stats import norm, spearmanr

import lnescape as ln
from lnescape.retraining.judging import reliability
from notebooks import course
from report.studies import figures, lessons
from report.studies.dispersion import dithered, excess_kurtosis, relative_spread, spread_of_log_variance
from report.studies.gates import g0, g2

profile = course.profile(profile)
profile

# %% [markdown]
# ## A guess to write down
#
# 1. A colleague retrains a network *five* times and takes the standard deviation of the five predictions for an image.
#    By how many per cent is that standard deviation typically off?
# 2. Of 2 000 test images of MNIST: on how many does at least one of 128 retrained perceptrons decide otherwise than the
#    class that five other retrainings agreed on?

# %% [markdown]
# ## The smallest case: five numbers
#
# No network yet. Draw five numbers from a normal law whose standard deviation is 1, take their standard deviation s, and
# do it again ten thousand times. How far does s scatter? On the scale of its logarithm, so that half and twice count alike.

# %%
five = np.random.default_rng(0).normal(size=(5, 10_000))
s = np.sqrt(((five - five.mean(0)) ** 2).sum(0) / 4)  # four degrees of freedom
by_hand = np.log(s).std()
print(f"standard deviation of ln s: {by_hand:.3f}")

# %%
figure = lessons.few_numbers(
    s, 5, source="simulated, 10 000 samples", title="Five numbers know their standard deviation badly"
)
course.save_live(figure, "05_five")

# %% [markdown]
# For N normal numbers the answer is known: s² is distributed as σ²χ²/ν with ν = N − 1 degrees of freedom, and the standard
# deviation of ln s² is √ψ₁(ν/2), where ψ₁ is the trigamma function. For ln s it is half of that.

# %%
by_library = relative_spread(4) / 2
assert abs(by_hand - by_library) < 0.01
print(f"by library {by_library:.3f}; the GUM's rule of thumb 1/√(2ν) gives {1 / np.sqrt(8):.3f}")

# %% [markdown]
# So ln s from five observations scatters by 0.40, and s itself by 34 % of the truth (GUM, table E.1: 36 %) [2]. "Some 35 to 40 %" answers the
# first guess *if* log-odds over retrainings are normal. Whether they are, is what the rest of this notebook looks at.

# %% [markdown]
# ## Two dozen retrainings, live

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=10 if profile == "quick" else 5)
runs = ln.fit(net, data, seeds=range(24), recipe=recipe)
logp = runs.predict(data.test.images)
data

# %% [markdown]
# ### What is measured
#
# A *measurand* is a quantity that one sets out to measure, and it has to be fixed before measuring. Here: choose one class
# c for each image, and ask each network for the **log-odds** of that class,
#
# q = ln p_c − ln(1 − p_c).
#
# Its unit is the nat, as for the loss. 0 means "as likely as all others together"; +10 means p = 0.99995. Which class? If each network were asked for its own
# favourite, they would be asked different questions. We let the first four networks, the *scouts*, choose, and use them for nothing else.

# %%
scouts, rest = logp[:4], logp[4:]
chosen = ln.mean_prediction(scouts).argmax(1)

# %% [markdown]
# ### By hand

# %%
one_class = chosen.expand(len(rest), -1).unsqueeze(2)
inside = rest.double().gather(2, one_class).squeeze(2)
others = rest.double().scatter(2, one_class, -torch.inf).logsumexp(2)  # ln Σ of the other classes, not ln(1 − p)
q_by_hand = inside - others

# %% [markdown]
# ### By library
#
# `log_odds` takes arrays, from whatever framework.

# %%
q = ln.log_odds(rest.numpy(), chosen.numpy())
assert np.allclose(q, q_by_hand.numpy(), atol=1e-9)
u = q.std(0, ddof=1)
print(f"{q.shape[0]} networks, {q.shape[1]} images; u(x) from {u.min():.2f} to {u.max():.2f} nat, median {np.median(u):.2f}")

# %% [markdown]
# **u(x)** is the standard uncertainty of the prediction due to retraining: the standard deviation of the log-odds of one further
# retraining. From twenty networks it has a relative standard uncertainty of some 16 %. As a yardstick for cheaper methods
# that is not enough.

# %% [markdown]
# ## A study: 128 retrainings on all of MNIST
#
# A *study* is a list of cells; a cell is a handful of networks trained together. Each cell has a name that follows from its
# content, is computed once, and is stored with its provenance. Killed half-way, the study goes on where it was; two
# computers may share it. In a terminal:
#
# ```text
# lnescape study mnist-mlp --dry-run     # what there is to compute, and how long it will take
# lnescape study mnist-mlp               # seven minutes on two cores
# ```
#
# In Python a cell is a few words, and a study is a list of them: five scouts that fix the class for each image, then
# retrainings in groups. The stored one has 128 retrainings of the perceptron (MLP); another has 32 of a convolutional network (CNN). These are the
# **reference retrainings**, in short *the reference*, by which cheaper methods will be judged.

# %%
scout = ln.Cell(method="scouts", data="mnist", network="mlp", seeds=range(1000, 1005), keep=(),
                recipe=ln.Recipe(epochs=10, batch=256, learning_rate=0.2, precision="float32"))
retrained = scout.but(method="retrainings", scouts=scout, keep=("panel", "log_probabilities"), seeds=range(12, 28))

mlp, cnn = ln.read_study("mnist-mlp"), ln.read_study("mnist-cnn")
for name, ds in (("MLP", mlp), ("CNN", cnn)):
    print(name, dict(ds[["log_odds", "log_probabilities"]].sizes))
assert retrained.name in mlp["cell"].values

# %% [markdown]
# 9 500 images: 5 000 calibration and 2 000 test images, both of the official test set; 250 each of nine altered sets (rotated, noisy, of
# faint contrast, three strengths); 250 foreign ones. Where 7 000 images are spoken of below, they are the first two.
#
# **Brackets from here on** are standard uncertainties over *n retrainings*; the images are held fixed. (In `00_start_here` it was
# the images that were a sample.)

# %%
stored = {"MLP": ln.load_result("mnist-mlp"), "CNN": ln.load_result("mnist-cnn")}
for name, result in stored.items():
    n = result.numbers
    print(f"{name}, n = {n['n']} retrainings: {n['accuracy']} of the official test images right, loss {n['nll']}")
    print(f"   accuracy of one retraining: standard deviation {n['accuracy_sd']:.3f} percentage points [4]")
    print(f"   median u(x) on the 2 000 test images: {n['u']['test']['median']:.2f} nat")

# %% [markdown]
# Log-odds are kept in 16 bits, steps of 1/128 nat for a q between 8 and 16. Is that fine enough? Rounding adds a
# variance of step²/12, to be compared with u². Two networks can even be rounded to the *same* number, and the logarithm
# of their variance would be −∞; `dithered` spreads each number evenly over its step again.

# %%
for name, result in stored.items():
    share = result.numbers["rounding"]
    print(f"{name}: rounding adds {share['median']:.0e} of u² for the median image, {share['highest']:.0e} at most")
q = dithered(mlp["log_odds"].values)
apart = mlp["contrast"].values

# %% [markdown]
# ## How log-odds scatter
#
# Twelve images: four test images whose mean log-odds is nearest to the median ("easy"); four on which the networks are most
# divided ("undecided"); and four that are not digits at all, the first of FashionMNIST ("foreign"). Before you scroll: where will
# the scatter be widest?

# %%
shown = stored["MLP"].arrays
groups = {kind: (shown[f"{kind}_pixels"][:4, 0], q[:, shown[kind][:4]]) for kind in ("easy", "undecided", "foreign")}
figure = figures.log_odds_histograms(
    groups,
    source=stored["MLP"].provenance["data"]["title"] + " and FashionMNIST, MLP, 128 retrainings",
    title="Over retrainings, log-odds scatter almost like normal numbers",
)
course.save(figure, "05_log_odds")

# %% [markdown]
# **What we see.** Each panel is one image, each grey bar counts retrainings, the line is the normal law with the same mean and
# standard deviation u (mind that the axes differ). Bells everywhere. The easy images scatter by 0.98 to 1.14 nat, the undecided ones by 0.97 to 1.42,
# hardly more; what makes an image undecided is that its mean lies near 0 (dashed: as likely as all other classes together), where a
# change of sign mostly changes the decision. The clothes scatter most widely, by 1.50 to 1.94. These are twelve images of 9 500, chosen by rule, not by taste.
#
# ## Which decisions hang on the seed
#
# A network decides otherwise than the scouts where another class has the higher probability, that is, where the *contrast* to the
# runner-up, ln p_c − max ln p_k over the other classes k, is negative (it has nothing to do with the contrast
# of a picture). We call that a *flip*, and the share of the 128 retrainings that do it the flip share of the image.

# %%
test = (mlp["part"] == "test").values
flips = (apart < 0).mean(0)
for least, words in ((0, "at least one"), (0.05, "more than 5 %"), (0.25, "more than a quarter")):
    print(f"{(flips[test] > least).sum()} of {test.sum()} test images are decided otherwise by {words} of {len(apart)} retrainings")

figure = figures.undecided_images(
    shown["undecided_pixels"][:, 0],
    apart[:, shown["undecided"]],
    names=[f"“{mlp['chosen'].values[image]}”" for image in shown["undecided"]],
    source=stored["MLP"].provenance["data"]["title"] + ", MLP, 128 retrainings",
    title="On these test images the seed decides",
)
course.save(figure, "05_undecided")

# %% [markdown]
# **What we see.** Above each panel stands the class that the scouts chose; hatched bars are retrainings that decide otherwise.
# These eight were picked because their flip share is nearest to a half; it lies between 40 and 60 % (n = 128; the toss of a fair coin would
# scatter by 4.4 %). Somebody who trains once sees none of this: one network gives one
# number, perhaps a confident one. Compare with your second guess: 81 test images, one in 25, meet at least one
# among 128 retrainings that decides otherwise; on one in a hundred more than a quarter do.
#
# ## u(x) across the images

# %%
names = {"test": "test", "rotation ±45°": "rotation 3", "noise 20 %": "noise 3", "contrast 15 %": "contrast 3", "foreign": "foreign"}
where = {name: (mlp["part"] == part).values for name, part in names.items()}
u = q.std(0, ddof=1)
label, mean = mlp["label"].values, q.mean(0)
print("median u(x) of digits 0 to 9:", ", ".join(f"{np.median(u[test & (label == d)]):.2f}" for d in range(10)))
print(f"u(x) < 0.6 nat: {(test & (u < 0.6)).sum()} test images, {(test & (u < 0.6) & (label == 1)).sum()} of them ones")
print(f"rank correlation of mean log-odds and u(x), test images: {spearmanr(mean[test], u[test]).statistic:.2f}")
faint, originals = where["contrast 15 %"], np.flatnonzero(test)[:250]
for name, rows in (("the same 250 test images", originals), ("with faint contrast", faint)):
    print(f"{name}: median mean log-odds {np.median(mean[rows]):.2f} nat, mean flip share {100 * flips[rows].mean():.1f} %")

figure = figures.u_across_images(
    {name: q[:, rows].mean(0) for name, rows in where.items()},
    {name: u[rows] for name, rows in where.items()},
    scattered=("test", "foreign"),
    source=stored["MLP"].provenance["data"]["title"] + " and FashionMNIST, MLP, 128 retrainings",
    title="u(x) differs from image to image, and the mean prediction hardly tells how",
)
course.save(figure, "05_u_across_images")

# %% [markdown]
# **What we see.** On the left, u(x) against the mean log-odds: the cloud is broad. A confident mean doesn't make for a small u(x), nor
# a doubtful one for a large one; the rank correlation (Spearman's, that of the ranks) is weak. The island below the cloud consists almost wholly of ones, the digit with the simplest shape. On the right, the share of images with
# less than a given u(x), 250 images in each altered or foreign set: foreign images scatter most at the median and above, rotated ones more than
# upright ones, noisy ones hardly differ, and images of faint contrast scatter *least*. That last line is a warning: their log-odds scatter little, and yet the networks decide otherwise on
# them far more often than on the originals, since their means have moved towards 0. A small u(x) does not make a good prediction.
#
# ## How slowly u(x) becomes known
#
# Divide the retrainings into disjoint groups of N. Each group gives its own estimate s of u(x) for an image; how far do these scatter? If
# log-odds are normal, ln s scatters by half of √ψ₁(ν/2), as for the five numbers above.

# %%
own = np.isin(mlp["part"], ["calibration", "test"])
groups_of_8 = np.sqrt((spread_of_log_variance(q[:, own], 8) ** 2).mean()) / 2
print(f"groups of 8: {groups_of_8:.3f} observed, {relative_spread(7) / 2:.3f} for normal numbers")

rows = {name: {key: np.array([row[key] for row in result.numbers["convergence"]]) for key in ("n", "observed", "theory")}
        for name, result in stored.items()}
figure = figures.convergence(
    {name: (row["n"], row["observed"]) for name, row in rows.items()},
    (rows["MLP"]["n"], rows["MLP"]["theory"]),
    source=stored["MLP"].provenance["data"]["title"] + ", n = 128 (MLP) and 32 (CNN) retrainings",
    title="u(x) becomes known as slowly as theory says",
)
course.save(figure, "05_convergence")

# %% [markdown]
# **What we see.** Root mean squares over 7 000 images: circles lie within 1 % of the line, triangles within 6 %; at the right-hand end of each series only two
# groups are left. From two retrainings ln s has a standard deviation of 1.11, a factor of three, and mostly downwards: one pair in four
# shows less than a third of u(x). From five it is 0.40, from 64 still 0.09. The relative standard uncertainty of s falls about as 1/√(2ν): ten times
# better takes a hundred times as many. That is the price which the methods of the later notebooks try not to pay. It also says what the
# reference is worth: 128 MLPs know each u(x) with a relative standard uncertainty of 6 %, 32 CNNs with 13 %.
#
# ## Two gates
#
# The plan of this work has *gates*, claims with a number attached that were written down beforehand and are published
# passed or failed. Two of them concern the reference itself.

# %%
for name, ds in (("MLP", mlp), ("CNN", cnn)):
    rows = np.isin(ds["part"], ["calibration", "test"])
    said = dithered(ds["log_odds"].values)[:, rows]
    verdict = g2(said)
    assert verdict.passed == stored[name].numbers["G2"]["passed"]
    print(f"{name}, {rows.sum()} images")
    for line in f"{g0(said)}\n{verdict}\n".splitlines():
        print(textwrap.fill(line, 100, subsequent_indent="      "))

# %% [markdown]
# **What we see.** G0 divides the retrainings at random into halves and takes the rank correlation r of s² between them, over
# images. The whole reference would agree with another of its size by about 2r/(1 + r) (Spearman and Brown), and with the true u(x) by about the
# root of that, the *ceiling*: on these images a perfect method would be expected to show 0.85 against 32 CNNs, and 0.9 only by chance. G0 passes if
# each of the three exceeds twice its standard uncertainty: a duty to report, not a high bar.
#
# G2 asks whether log-odds are normal, in two ways. First, the mean *excess kurtosis*: positive for heavy tails, 0 for a bell in the long run, and for samples of
# N normal numbers on average −6/(N + 1), here −0.047 for N = 128 and −0.18 for N = 32. Its band comes from simulated normal samples in which the images are correlated as here. For the
# MLP it lies above the band, 0.035 above what normal samples give on average: the tails are very slightly heavy. The CNN passes with a larger departure, 0.065:
# from 32 retrainings the band is five times as wide. Passed doesn't mean proved. Second, the scatter of s²: the standard deviation of ln s² exceeds theory by at most
# 0.8 % (MLP) and 1.6 % (CNN, standard uncertainty up to 2.2 %), against an allowance of 10 %. The gate's first condition had been written down without an allowance for size,
# so for the MLP it is published as failed.
#
# ## Where does the scatter come from?
#
# Two more studies. *Crossed*: 8 initialisations × 8 orders of the images, every combination once. *Arithmetic*: the same seed
# again, with other numbers of threads and of networks trained together, so that sums are rounded in another order. Means over 2 000 test images; brackets
# by leaving out one initialisation or order at a time, and over n = 4 seeds in the last line.

# %%
crossed, arithmetic = ln.load_result("mnist-mlp-crossed").numbers, ln.load_result("mnist-mlp-arithmetic").numbers
rows = {part: {"variance": str(crossed[part])} for part in ("initialisation", "order", "interaction")}
rows["arithmetic"] = {"variance": str(arithmetic["variance"])}
course.table(rows, f"Arithmetic: {arithmetic['different_bits']} different results of 8 runs, four seeds")

# %% [markdown]
# **What we see.** The first three lines add up to the variance of a retraining, 1.02 nat². Initial weights alone make a fifth of it, the order alone 6 %. Each
# combination was trained once, so that the third line also holds what arithmetic adds: the fourth is no further part, it lies inside the third. If
# rounding acts everywhere as on these four seeds, some 0.19 nat² are left for the interaction proper. The last line is the startling one [3]: the same weights, the same images in the
# same order, only the last digits of some sums rounded differently, and that alone makes half of the variance of a retraining. Training is a chaotic path, on which a
# difference in the eighth digit grows, before the end, to half of the variance that another seed would give. "Fix the seed" fixes the prediction only as long as machine, versions, number of threads and
# grouping stay the same.
#
# And *branches* [5]: copies of a network in training that part ways after some epochs, with another order of the images from
# there on. What they share is the *trunk*; κ is the share of the final variance that was fixed in it, before the parting. 8 trunks with 3 branches each, brackets by leaving out one trunk at a time.

# %%
branches = ln.load_result("mnist-mlp-branches").numbers
rows = {}
for epoch, row in branches["leaves"].items():
    name = f"parting after {epoch} of {branches['epochs']} epochs"
    rows[name] = {"κ": str(row["kappa"]), "variance of the branches": str(row["branch"])}
course.table(rows)

# %% [markdown]
# **What we see.** Much is decided early [6]. After half of the training three quarters of the variance are fixed, and no exploration from
# there on can show them. With this schedule, whose learning rate falls towards 0, branches near the *end* are cheap and see little: the later
# notebooks must do with that, or raise the rate again.
#
# ## Trap: the standard deviation of probabilities
#
# Why log-odds, when people ask for probabilities? Because of this:

# %%
p = 1 / (1 + np.exp(-q[:, own]))
print(f"median excess kurtosis over images: log-odds {np.median(excess_kurtosis(q[:, own])):.2f}, "
      f"probabilities {np.median(excess_kurtosis(p)):.1f}")
beyond = (p.mean(0) + 2 * p.std(0, ddof=1) > 1).mean()
print(f"p̄ + 2s exceeds 1 for {100 * beyond:.0f} % of the images")

# %% [markdown]
# Probabilities are squeezed against 1; a few retrainings in the tail make nearly all of their variance, so that s from
# few retrainings is mostly far too small and sometimes far too large, and intervals reach beyond 1. The cure: state u(x) for the log-odds, form the interval there, and map its ends.

# %%
image = shown["undecided"][0]
ends = q[:, image].mean() + np.array([-2, 2]) * u[image]
print(f"one further retraining, about 95 %: log-odds {q[:, image].mean():.2f} ± {2 * u[image]:.2f} nat → probability from "
      f"{1 / (1 + np.exp(-ends[0])):.2f} to {1 / (1 + np.exp(-ends[1])):.2f}")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# How many retrainings does it take to know u(x) to 10 %? Use 1/√(2ν), then check with `relative_spread`.

# %% tags=["solution"] jupyter={"source_hidden": true}
needed = 1 + 1 / (2 * 0.1**2)
print(f"N = {needed:.0f}: {relative_spread(needed - 1) / 2:.3f}")
assert abs(relative_spread(needed - 1) / 2 - 0.1) < 0.002
# 51 retrainings. For 5 % it would be 201.

# %% [markdown]
# ### Exercise 2
#
# Predict the flip share of an image from two numbers, mean and standard deviation of the contrast over 64 retrainings, as if
# the contrast were normal, and compare with the flip share of the other 64. Does it do better than the flip share of the first 64 itself?

# %% tags=["solution"] jupyter={"source_hidden": true}
first, second = apart[:64], apart[64:]
predicted = norm.cdf(-first.mean(0) / first.std(0, ddof=1))
some, truth = test & (flips > 0.05) & (flips < 0.95), (second < 0).mean(0)
for name, guess in (("normal law", predicted), ("counted share", (first < 0).mean(0))):
    print(f"{name}: root mean square difference {np.sqrt(((guess - truth)[some] ** 2).mean()):.3f} on {some.sum()} images")
# Two numbers and the normal law say more than 64 counts: a count of flips forgets how close each decision was.

# %% [markdown]
# ### Exercise 3
#
# Gate G0 by hand: halve the 128 retrainings once at random, and take the rank correlation of the two variances. What would it
# be with only 8 retrainings?

# %% tags=["solution"] jupyter={"source_hidden": true}
order = np.random.default_rng(1).permutation(len(q))
for size in (128, 8):
    halves = [q[rows][:, own].var(0, ddof=1) for rows in np.array_split(order[:size], 2)]
    print(f"{size} retrainings: {spearmanr(*halves).statistic:.2f} by hand, "
          f"{reliability(q[order[:size]][:, own], n_halvings=10).halves:.2f} by library, mean of 10 halvings")
# With few retrainings the two halves hardly agree on which images have a large u(x).

# %% [markdown]
# ### Exercise 4
#
# Run a study of your own: eight retrainings of a narrow perceptron (`options={"width": 8}`) on the embedded `"digits"`, in two cells of four. Kill the kernel in the midst of
# it, if you like, and run this notebook cell again. Is the median u(x) larger than that of the MLP on MNIST?

# %% tags=["solution"] jupyter={"source_hidden": true}
from pathlib import Path
from tempfile import gettempdir

scout = ln.Cell(method="scouts", data="digits", network="mlp", seeds=range(100, 103), options={"width": 8},
                recipe=ln.Recipe(epochs=10, batch=64, precision="float32"))
cells = [scout.but(method="retrainings", scouts=scout, seeds=range(k, k + 4)) for k in (0, 4)]
mine = ln.Study("narrow", "Narrow perceptrons on digits", tuple(cells))
folder = Path(gettempdir()) / "lnescape-narrow"
assert ln.run_study(mine, folder=folder, workers=1, progress=False) == {}
seen = ln.read_study(mine, folder=folder)
narrow = seen["log_odds"].sel(image=seen["part"] == "test").std("retraining", ddof=1).median().item()
wide = stored["MLP"].numbers["u"]["test"]["median"]
print(f"median u(x) {narrow:.2f} nat from n = 8 retrainings; MLP on MNIST {wide:.2f} nat from n = 128")
# Yes: 1.81 against 0.99 nat. Another data set and another width: a different recipe has a different u(x). It belongs to
# the network and its training, not to the image alone.

# %% [markdown]
# ## Summary
#
# Over retrainings the log-odds of a fixed class scatter nearly normally, by about 1 nat on MNIST with this perceptron, and by how much differs
# from image to image. One test image in 25 meets at least one among 128 retrainings that decides otherwise. From N retrainings, u(x) has a
# relative standard uncertainty of about 1/√(2(N − 1)): some 35 % from five, and 10 % takes fifty-one.

# %% [markdown]
# ## What was recorded
#
# The live numbers beside the stored reference, as explained in `00_start_here`. The first two brackets are standard uncertainties of means over 20
# retrainings (the scouts serve for nothing else); the last is that of a share of test images.

# %%
labels = data.test.labels
course.record(
    "05_mnist",
    profile,
    {
        "accuracy of one network": ln.Estimate.mean([100 * float(ln.accuracy(p, labels)) for p in rest], unit="%"),
        "NLL of one network": ln.Estimate.mean([float(ln.nll(p, labels)) for p in rest], unit="nat"),
        "disagreement of two retrainings": ln.scores.disagreement(rest),
    },
    data=data,
)

# %% [markdown]
# ## References
#
# 1. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, retraining as a way to uncertainty.
# 2. JCGM 100:2008 (GUM), annex E.4: the uncertainty of a standard deviation, 1/√(2ν).
# 3. Summers, Dinneen 2021, arXiv 2103.04514: how much one rounding changes a training.
# 4. Jordan 2024, arXiv 2304.01910: the accuracy of retrainings scatters too, and what that does not mean.
# 5. Frankle, Dziugaite, Roy, Carbin 2020, arXiv 1912.05671: branches of one training, and when they still belong together.
# 6. Fort, Hu, Lakshminarayanan 2019, arXiv 1912.02757: what retrainings explore that the neighbourhood of one doesn't.
#
# Symbols and words: [glossary](glossary.md).
#
# **Next:** `06_methods` compares ten ways from a budget of trainings to many networks.
