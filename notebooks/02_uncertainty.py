# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Uncertainty: "7, with 0.93", and what one has to know to trust it
#
# **Question.** A network reads a digit and says "7, with probability 0.93". What does one have to know before one may rely
# on that number?
#
# **What you will learn**
# - scores that cannot be cheated (NLL, Brier), and the standard uncertainty of a reported score;
# - calibration: reliability diagram, calibration error and its bias, temperature;
# - what a deep ensemble improves, and what it does not;
# - to split the doubt of a prediction into an aleatoric and an epistemic part;
# - the words of the GUM, the metrologist's guide, for all this, and the difference between an entropy and u(x).
#
# **Before you start.** `00_start_here`. Mean, standard deviation, logarithm; the rest is explained here.
#
# **Minutes.** 25 minutes to read. To compute: under half a minute in the profile `quick`, some two minutes in `standard`,
# on one thread.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
import torch
from scipy.stats import spearmanr, t

import lnescape as ln
from lnescape.plots import STYLE, canvas
from notebooks import course

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. A network was trained on upright digits and now sees digits turned by 30°. On average, how sure will it be of its
#    answers, and how often will it be right?
# 2. Average the probabilities of ten retrainings. What gains more, the share of right answers or the log-loss?
# 3. Will an image on which retrainings scatter widely also be one of high *entropy*?
#
# ## Two uncertainties that are never mixed
#
# | | standard uncertainty **of a prediction** | standard uncertainty **of a reported score** |
# |---|---|---|
# | belongs to | one image x | a mean over test images |
# | asks | what could the image be? What would another training say? | what would other test images, or other seeds, give? |
# | written | entropies, u(x) | the bracket: 0.197(30) nat |
# | gets smaller | with better images, more training data | with more test images, more retrainings |
#
# A prediction's doubt has two sources. **Aleatoric**: the image itself leaves it open, a scribble between 1 and 7.
# **Epistemic**: training could have found another network, which would see it otherwise. The part of it that shows when one
# trains again with another seed is the *retraining* component, the subject of this course.

# %% [markdown]
# ## The smallest case: three classes, and scores that can't be cheated
#
# The truth is known: of all images that look like this one, seven in ten are class 1, two class 2, one class 3. Three
# forecasters report probabilities, and are scored on ten images in just these proportions.
#
# ### By hand
#
# The *negative log-likelihood* (NLL) is the mean of −ln p(right class), the *Brier score* the mean of Σ_c (p_c − [c is
# right])².

# %%
truth = np.array([0.7, 0.2, 0.1])
reports = {"honest": truth, "too sure": np.array([0.97, 0.02, 0.01]), "hedging": np.array([0.4, 0.35, 0.25])}
labels = np.repeat([0, 1, 2], [7, 2, 1])
losses = {name: -np.log(p[labels]) for name, p in reports.items()}  # one number for each image
squares = {name: ((p - np.eye(3)[labels]) ** 2).sum(1) for name, p in reports.items()}

# %% [markdown]
# ### By library
#
# Functions of scores take *logarithms* of probabilities, [images, classes] or [members, images, classes], and return an
# estimate with its standard uncertainty. That one, too, by hand: s/√n, the standard deviation of a mean of n images.

# %%
for name, p in reports.items():
    logp, right = torch.tensor(p).log().expand(10, 3), torch.tensor(labels)
    nll, brier = ln.nll(logp, right), ln.scores.brier(logp, right)
    assert np.isclose(nll.value, losses[name].mean())
    assert np.isclose(brier.value, squares[name].mean())
    assert np.isclose(nll.u, losses[name].std(ddof=1) / np.sqrt(10))
    print(f"{name:9} NLL {nll}, Brier {brier}, share right {ln.accuracy(logp, right).value}")

# %% [markdown]
# The honest one has the lowest NLL and the lowest Brier score; the share of right answers is the same for all three. The
# bracket counts in units of the last digits: 0.80(23) nat is 0.80 nat with a standard uncertainty *of that score* of
# 0.23 nat. From ten images it is large.
#
# Why honesty wins: for a truth π and a report p, the expected scores are
#
# $$ \mathrm{E}[\mathrm{NLL}] = H(\pi) + \sum_c \pi_c \ln\frac{\pi_c}{p_c}, \qquad
#    \mathrm{E}[\mathrm{Brier}] = 1 - \sum_c \pi_c^2 + \sum_c (p_c - \pi_c)^2 . $$
#
# In each, the first part is the image's own and the last is zero only at p = π. A score that is lowest at the truth is
# **proper** [1].

# %%
p1 = np.linspace(0.02, 0.995, 400)
family = np.stack([p1, (1 - p1) * 2 / 3, (1 - p1) / 3], 1)  # the rest stays divided as in the truth
expected = {
    "NLL (nat)": -(truth * np.log(family)).sum(1),
    "Brier score": 1 - truth @ truth + ((family - truth) ** 2).sum(1),
    "share of errors (%)": 100 * (1 - truth[family.argmax(1)]),
}
with canvas(3, 2.3, "computed, three classes, truth 0.7, 0.2, 0.1") as (figure, axes):
    for axis, (name, values) in zip(axes, expected.items(), strict=True):
        axis.plot(p1, values, color="#0072B2")
        axis.axvline(truth[0], color="#D55E00", linestyle="--", linewidth=1)
        axis.set(title=name, xlabel="reported p of class 1", xlim=(0, 1))
    axes[0].set(ylabel="expected score", ylim=(0.7, 2.0))
    title = "Proper scores are lowest at the truth (dashed) and nowhere else"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "02_scores")

# %% [markdown]
# **What we see.** Both proper scores have their valley at the truth; NLL punishes the last step towards certainty without
# limit, the Brier score doesn't. The share of errors is a staircase: once class 1 leads, every report is as good as any
# other.
#
# ## The real case: ten retrainings

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
net = ln.network("mlp", data)
recipe = ln.Recipe(epochs=10) if profile == "quick" else ln.Recipe(epochs=10, batch=256, learning_rate=0.2)
runs = ln.fit(net, data, seeds=range(10), recipe=recipe, progress=False)
logp, labels = runs.predict(data.test.images), data.test.labels
data

# %%
one = ln.score(logp[0], labels)
for name in ("accuracy", "nll", "brier"):
    print(f"{name:9} {one[name]}")
singles = np.array([float(ln.nll(p, labels)) for p in logp])
print(f"NLL: standard uncertainty over images {one['nll'].u:.4f} nat, standard deviation over seeds {singles.std(ddof=1):.4f} nat")

# %% [markdown]
# **What we see.** Two answers to "how well is that score known?". The bracket says how far it would move with other test
# images; the last number, how far with another seed [2]. Whoever reports a score says which of the two stands in the
# bracket. Neither says anything about one image.
#
# ## Calibration: is 0.93 right 93 times in a hundred?
#
# Sort the images by their top probability, cut them into bins of *equal mass* (as many images in each), and compare in each
# bin the mean top probability with the share that is right. The mean distance is the **calibration error**.
#
# By hand, then by library:

# %%
confidence, decided = logp[0].double().exp().clamp(max=1).max(1)
excess = (decided == labels).double() - confidence
rank = torch.searchsorted(confidence.sort().values, confidence)  # how many images are less sure than this one
n_bins = 15
bins = rank * n_bins // len(rank)
by_hand = sum(float(excess[bins == b].sum().abs()) for b in range(n_bins)) / len(excess)

found = ln.scores.calibration_error(logp[0], labels, n_bins=n_bins)
assert np.isclose(found.value.value, by_hand)
print(found)

# %% [markdown]
# The second number is what a *perfectly* calibrated network would show on as many images: shares scatter, distances are
# never negative, so chance alone makes an error. An error that isn't well above this **bias** proves nothing.
#
# ### Temperature
#
# One number T may mend it: predict softmax(ln p / T). T > 1 makes a prediction less sure, and no decision changes. T is
# fitted on the *calibration* half of the held-back images and judged on the *test* half. By hand on a grid, then by
# library:

# %%
said, known = runs.predict(data.calibration.images), data.calibration.labels
grid = np.arange(0.5, 3, 0.02)
on_grid = grid[np.argmin([float(ln.nll((said[0] / T).log_softmax(1), known)) for T in grid])]
T_one, T_ten = ln.fit_temperature(said[0], known), ln.fit_temperature(said, known)
assert abs(T_one - on_grid) < 0.02
print(f"temperature of one network {T_one:.2f} (on the grid {on_grid:.2f}), of the mean of ten {T_ten:.2f}")

mean = ln.mean_prediction(logp)
versions = {
    "one network": logp[0],
    "one, with temperature": (logp[0] / T_one).log_softmax(1),
    "mean of ten": mean,
    "ten, with temperature": (mean / T_ten).log_softmax(1),
}
rows = {}
for name, p in versions.items():
    found = ln.scores.calibration_error(p, labels, n_bins=n_bins)
    rows[name] = {
        "right": str(ln.accuracy(p, labels)),
        "NLL": str(ln.nll(p, labels)),
        "calibration error": str(found.value),
        "under perfect calibration": str(found.bias),
    }
course.table(rows)

# %% [markdown]
# **What we see.** Averaging makes a prediction less sure, so ten networks need a lower temperature than one. The brackets
# are wide, and all rows share the same images: exercise 1 compares two of them better.
#
# Now digits turned by 30°, and the temperature from upright ones.

# %%
turned = data.shifted("rotation", 2)
logp_turned = runs.predict(turned.images)


def reliability(logp, n_bins=10):
    top, decided = ln.mean_prediction(logp).max(1)
    right = (decided == labels).double()
    groups = top.argsort().chunk(n_bins)
    shares = [ln.Estimate.mean(right[rows]) for rows in groups]
    return [float(top[rows].exp().mean()) for rows in groups], [s.value for s in shares], [s.u for s in shares]


rows = {}
for name, p in (("one network", logp_turned[0]), ("one, with temperature", (logp_turned[0] / T_one).log_softmax(1)),
                ("mean of ten", ln.mean_prediction(logp_turned))):
    claimed, correct = 100 * float(p.max(1).values.exp().mean()), 100 * float(ln.accuracy(p, labels))
    rows[name] = {"claims on average (%)": claimed, "right (%)": correct, "NLL": str(ln.nll(p, labels))}
course.table(rows, "Turned by 30°", digits=0)

# %%
claimed, correct = 100 * float(logp_turned[0].max(1).values.exp().mean()), 100 * float(ln.accuracy(logp_turned[0], labels))
tempered = {"color": "#CC79A7", "linestyle": "-", "marker": "D", "fillstyle": "none"}
with canvas(2, 3.1, f"{data.title}, {len(labels)} test images in 10 bins") as (figure, axes):
    for axis, name, p in zip(axes, ("test images", "the same, turned by 30°"), (logp, logp_turned), strict=True):
        axis.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
        for label, own, style in (
            ("one network", p[0], STYLE["single network"]),
            ("one, with temperature", (p[0] / T_one).log_softmax(1), tempered),
            ("mean of ten", p, STYLE["deep ensemble"]),
        ):
            x, y, u = reliability(own)
            axis.errorbar(x, y, u, **style, markersize=4, capsize=2, linewidth=1, label=label)
        axis.set(title=name, xlabel="mean top probability", xlim=(0.25, 1.03), ylim=(0, 1.05))
    axes[0].set_ylabel("share right, ±1 standard uncertainty")
    axes[0].legend(fontsize=8)
    title = f"On turned digits one network claims {claimed:.0f} % on average and is right on {correct:.0f} %"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "02_reliability")

# %% [markdown]
# **What we see.** A *reliability diagram*, ten bins of equal mass (fewer than above, so that bars stay short); bars: ±1 standard uncertainty of the share, over the
# images of the bin (a bin in which all are right has no bar, which is no proof of certainty). On the left most bins crowd into the upper right corner:
# nearly always sure, nearly always right. On the right all three curves run below the diagonal: too sure (the first guess).
# A temperature from upright digits and an average of ten networks change what is claimed by less than what is missing.
# **Calibration holds for the images it was made for**, and nothing in the number 0.93 says whether this image is one of
# them.
#
# ## Trap: more bins, more error
#
# "Finer bins see more." Deliberately, then: the same prediction, more and more bins.

# %%
for n_bins in (5, 15, 50, len(labels) // 2):
    found = ln.scores.calibration_error(logp[0], labels, n_bins=n_bins)
    print(f"{n_bins:5} bins: {found.value.value:.4f}, perfectly calibrated {found.bias.value:.4f}")

# %% [markdown]
# The network hasn't changed; with two images a bin, mere chance fills the number. Two papers that use other bins, or other
# numbers of test images, report calibration errors that can't be compared [3]. **The cure:** few bins, the bias printed
# beside the error, and a proper score for every decision: NLL before and after the temperature needs no bins at all.
#
# ## Deep ensembles: what averaging buys
#
# The logarithm guarantees one thing: the NLL of the mean is never above the mean of the members' NLLs (Jensen's
# inequality).

# %%
by_hand = -torch.logsumexp(logp.double(), 0).gather(1, labels[:, None]).mean() + np.log(10)
assert np.isclose(float(by_hand), float(ln.nll(logp, labels)))
assert float(by_hand) <= singles.mean()
print(f"mean of ten NLLs {singles.mean():.4f} nat, NLL of the mean of ten {float(by_hand):.4f} nat")

# %% [markdown]
# How many members? Beside our ten stands the stored *yardstick*: ensembles drawn from 40 retrainings of this network on all
# of MNIST, scored on the official test images. (`00_start_here` draws such a curve.) Ours are means over disjoint groups;
# in the profile `standard` their recipe is the yardstick's.

# %%
stored = ln.load_result("mnist-mlp-methods").arrays
nll, sd, calibrated = (stored[f"yardstick_{name}"] for name in ("nll_mean", "nll_sd", "cll_mean"))
errors = 100 * (1 - stored["yardstick_accuracy_mean"])
official, official_labels = torch.cat([said, logp], 1), data.evaluation.labels
print(f"members   stored: errors   NLL          sd of one ensemble   here: NLL, {data.title}")
for m in (1, 2, 3, 5, 10):
    here = np.mean([float(ln.nll(official[k : k + m], official_labels)) for k in range(0, 11 - m, m)])
    print(f"{m:7}   {errors[m - 1]:13.2f} %   {nll[m - 1]:.4f} nat   {sd[m - 1]:.4f} nat           {here:.4f} nat")
print(f"stored, ten against one: errors {100 * errors[9] / errors[0] - 100:.0f} %, NLL {100 * nll[9] / nll[0] - 100:.0f} %; "
      f"a temperature alone: NLL {-100 * calibrated[0] / nll[0] - 100:.0f} %")

by_logits = ln.scores.logit_average(logp)
lost = [-p.gather(1, labels[:, None]).squeeze(1) for p in (by_logits, mean)]
print(f"here, NLL of the mean of logits {ln.nll(by_logits, labels)}, of probabilities {ln.nll(mean, labels)}")
print(f"difference image by image {ln.Estimate.mean(lost[0] - lost[1], unit='nat')}")

# %% [markdown]
# **What we see.** Most of what averaging gives comes with the first few members. Errors fall, the log-loss falls by more (the
# second guess), and by more than a temperature alone could bring: averaging is not only a softening. Average probabilities
# or logits? The last line compares them, once. A mean of logits is surer than a mean of probabilities:
# where members contradict each other, the former lets the loudest win. The library averages probabilities.
#
# ## Total = aleatoric + epistemic
#
# *Entropy* H(p) = −Σ p ln p measures doubt in nat: 0 for a certain class, ln 10 for ten equal ones. For M members p_m with
# the mean p̄,
#
# $$ H(\bar p) = \frac1M\sum_m H(p_m) + \frac1M\sum_m\sum_c p_{mc}\ln\frac{p_{mc}}{\bar p_c} . $$
#
# The first term is the doubt that the members themselves state (*aleatoric*); the second, the *mutual information* between
# member and class, is there only if they differ (*epistemic*). Two pairs of members with the same mean:

# %%
def entropy(p):
    return float(-(p * p.log()).sum(-1).mean())


pairs = {"both in doubt": [[0.5, 0.5], [0.5, 0.5]], "sure and opposed": [[0.99, 0.01], [0.01, 0.99]]}
for name, p in pairs.items():
    p = torch.tensor(p, dtype=torch.float64)
    total, aleatoric = entropy(p.mean(0)), entropy(p)
    epistemic = float((p * (p / p.mean(0)).log()).sum(1).mean())
    split = ln.entropy_split(p.log().unsqueeze(1))
    parts = [float(part) for part in (split.total, split.aleatoric, split.epistemic)]
    assert np.allclose(parts, [total, aleatoric, epistemic])
    assert np.isclose(total, aleatoric + epistemic)
    print(f"{name:17} total {total:.3f} nat = aleatoric {aleatoric:.3f} nat + epistemic {epistemic:.3f} nat")
assert float(ln.entropy_split(logp[:1].expand(5, -1, -1)).epistemic.abs().max()) == 0  # identical members

# %% [markdown]
# The mean 0.5 and 0.5 is the same; where it comes from is not. Identical members have an epistemic entropy of exactly 0,
# however wrong they are.
#
# ### Images that are no digits
#
# `data.foreign` holds clothes (FashionMNIST) beside all of MNIST, and drawn shapes beside the 5 000 images that come with
# the installation.

# %%
foreign = data.foreign.subset(slice(0, 1000))
own, strange = ln.entropy_split(logp), ln.entropy_split(runs.predict(foreign.images))
ratio = {}
for part in ("aleatoric", "epistemic", "total"):
    a, b = getattr(own, part), getattr(strange, part)
    ratio[part] = float(b.mean() / a.mean())
    print(f"{part:9} test images {ln.Estimate.mean(a, unit='nat')}, foreign {ln.Estimate.mean(b, unit='nat')}, AUROC {ln.scores.auroc(b, a)}")

with canvas(2, 2.8, f"{data.title}; foreign: {foreign.title}; ten retrainings") as (figure, axes):
    for axis, part in zip(axes, ("epistemic", "aleatoric"), strict=True):
        for name, split, colour, line in (("test images", own, "#000000", "-"), ("foreign images", strange, "#0072B2", "--")):
            values = np.sort(getattr(split, part).clamp(min=1e-9))
            axis.plot(values, 100 * np.arange(1, len(values) + 1) / len(values), color=colour, linestyle=line, label=name)
        axis.set(xscale="log", xlim=(1e-6, 3), ylim=(0, 100), xlabel=f"{part} entropy (nat)")
    axes[0].set_ylabel("images with less (%)")
    axes[1].legend(fontsize=8, loc="upper left")
    title = (f"Foreign images: {ratio['epistemic']:.0f} times the epistemic entropy on average, "
             f"{ratio['aleatoric']:.0f} times the aleatoric")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save_live(figure, "02_foreign")

# %% [markdown]
# **What we see.** On foreign images members differ more, as they should: nothing in training told them what to say. But the
# aleatoric part rises as well, though a picture that is no digit has no ambiguous digit in it. "Aleatoric" is what the
# *members state*, not what the image is; the split describes the ensemble. And does the epistemic part tell foreign images
# better than the total? Compare the three AUROC, the probability that of a foreign and a test image the foreign one has the
# higher entropy: they hardly differ.
#
# ## The GUM's words
#
# The *Guide to the expression of uncertainty in measurement* [4] is how laboratories all over the world state such things.
#
# | word | meaning | here |
# |---|---|---|
# | measurand | the quantity to be measured, fixed before measuring | log-odds q = ln p_c − ln(1 − p_c) of one class c(x), from one training by a fixed recipe on fixed data |
# | standard uncertainty | stated as a standard deviation | u(x) = standard deviation of q over retrainings, in nat of log-odds |
# | Type A evaluation | from repeated observations | s, the standard deviation of M retrainings, estimates u(x) |
# | Type B evaluation | by other means: a certificate, earlier data, a resolution | stored log-odds are rounded: step/√12 |
# | degrees of freedom ν | how well s itself is known: relative standard uncertainty about 1/√(2ν) | M − 1 |
# | coverage interval | contains the value with a stated probability [5] | q̄ ± t s √(1 + 1/M), for *one further* retraining (in statistics: a prediction interval) |
#
# Types A and B are ways to *evaluate*; they are not aleatoric and epistemic, which are *sources*. Back to the question: the
# test image to which our first network gives a probability closest to 0.93.

# %%
chosen = mean.argmax(1)
q = ln.log_odds(logp.numpy(), chosen.numpy())
image = int(np.abs(1 / (1 + np.exp(-q[0])) - 0.93).argmin())
s, M = q[:, image].std(ddof=1), len(q)
half_width = t.ppf(0.975, M - 1) * s * np.sqrt(1 + 1 / M)
by_library = ln.Estimate.mean(q[:, image], unit="nat")  # its u is s/√M, that of the mean
assert np.isclose(half_width, by_library.expanded(0.95) * np.sqrt(M + 1))

ends = 1 / (1 + np.exp(-(by_library.value + np.array([-half_width, half_width]))))
print(f"first network: “{data.classes[chosen[image]]}” with {1 / (1 + np.exp(-q[0, image])):.2f}; written as {labels[image]}")
print("the ten:", " ".join(f"{p:.2f}" for p in np.sort(1 / (1 + np.exp(-q[:, image])))))
print(f"mean log-odds {by_library}; s = {s:.2f} nat, Type A, ν = {M - 1}")
print(f"one further retraining, 95 %: {by_library.value:.2f} ± {half_width:.2f} nat, that is p from {ends[0]:.2f} to {ends[1]:.2f}")
print(f"entropy {own.total[image]:.3f} nat = aleatoric {own.aleatoric[image]:.3f} + epistemic {own.epistemic[image]:.3f}")

# %% [markdown]
# That is an answer: the number, its scatter, how the scatter was evaluated and how well it is known. (The class is the one
# that the mean of the ten prefers; the image was *picked* for what one network says of it, so it is not a typical one.) Do
# such intervals keep their promise? From 128 stored retrainings: intervals from each five, counted on all the others, over
# 2 000 test images. And the same with a factor of 2 instead of t, as if five observations told s exactly.

# %%
mlp = ln.read_study("mnist-mlp")
test = (mlp["part"] == "test").values
q128 = mlp["log_odds"].values[:, test]
inside = []
for start in range(0, 125, 5):
    five, others = q128[start : start + 5], np.delete(q128, np.s_[start : start + 5], 0)
    away = np.abs(others - five.mean(0)) / (five.std(0, ddof=1) * np.sqrt(1 + 1 / 5))
    inside.append([(away <= k).mean() for k in (t.ppf(0.975, 4), 2.0)])
for k, name in enumerate(("t with 4 degrees of freedom", "factor 2")):
    share = 100 * np.array(inside)[:, k]
    print(f"{name:28} {share.mean():.1f} % inside, standard deviation over groups of five {share.std(ddof=1):.1f} %")

# %% [markdown]
# ### What u(x) does not cover

# %%
astray = (mlp["chosen"] != mlp["label"]).values[test]
firm = (mlp["contrast"].values[:, test] > 0).all(0)
print(f"class c(x) is wrong on {astray.sum()} of {test.sum()} test images; on {(astray & firm).sum()} of these all {len(q128)} retrainings hold to it")

# %% [markdown]
# **What we see.** On those images retraining changes nothing: they agree, and they are wrong (or the label is). u(x) is
# *one component*. It holds initial weights, order of the images, arithmetic. Outside it: the choice of the training images,
# errors in their labels, the bias of model and recipe, and images unlike those of the training. An uncertainty budget of a
# prediction would need a line for each.
#
# ## An entropy is not u(x)
#
# Both are given in nat, since both come from natural logarithms. They are different quantities:
#
# | | entropies | u(x) |
# |---|---|---|
# | of what | the distribution over classes | one number, the log-odds of class c(x), over retrainings |
# | unit | nat of information, from 0 to ln 10 | nat of log-odds, without upper limit |
# | zero means | total: certain; epistemic: all members equal | all members give the same log-odds |
# | depends on | mainly how near q̄ is to 0 | how far q scatters, wherever q̄ is |
#
# Between two classes and for small scatter, epistemic ≈ ½ p(1 − p) u²: the factor p(1 − p) differs by powers of ten from
# image to image, u² doesn't. The 1 000 test images whose probabilities are stored:

# %%
rows = mlp["predicted_image"].values
split128 = ln.entropy_split(torch.tensor(mlp["log_probabilities"].values))
epistemic, aleatoric = split128.epistemic.numpy(), split128.aleatoric.numpy()
q_rows = mlp["log_odds"].values[:, rows]
height, u = q_rows.mean(0), q_rows.std(0, ddof=1)
places = {"most epistemic": epistemic.argmax(), "most aleatoric": aleatoric.argmax(), "largest u(x)": u.argmax()}
places |= {"smallest u(x)": u.argmin(), "median q̄": np.abs(height - np.median(height)).argmin()}
course.table({
    name: {
        "q̄ (log-odds, nat)": height[place],
        "u(x) (log-odds, nat)": u[place],
        "aleatoric (information, nat)": f"{aleatoric[place]:.1e}",
        "epistemic (information, nat)": f"{epistemic[place]:.1e}",
    }
    for name, place in places.items()
}, digits=2)

# %%
to_height, to_u = (spearmanr(epistemic, x).statistic for x in (np.abs(height), u))
with canvas(2, 2.9, f"{mlp.attrs['data']}, MLP, {len(q128)} retrainings, {len(rows)} test images") as (figure, axes):
    for axis, x, name in zip(axes, (np.abs(height), u), ("size of the mean log-odds |q̄| (nat)", "u(x) (nat of log-odds)"), strict=True):
        axis.plot(x, aleatoric, "x", color="#999999", markersize=3, alpha=0.6, label="aleatoric", rasterized=True)
        axis.plot(x, epistemic, ".", color="#0072B2", markersize=3, alpha=0.6, label="epistemic", rasterized=True)
        axis.set(yscale="log", xlabel=name)
    axes[0].set_ylabel("entropy (nat of information)")
    axes[0].legend(fontsize=8, markerscale=2)
    title = f"Epistemic entropy follows |q̄| (rank correlation {to_height:.2f}), not u(x) ({to_u:.2f})".replace("-", "−")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
course.save(figure, "02_entropy")

# %% [markdown]
# **What we see.** On the left both entropies fall over many powers of ten as the mean log-odds moves away from 0, each along
# nearly one line. On the right there is no line at all (the third guess). A decision near its threshold has a high
# epistemic entropy even if retrainings scatter as usual; a prediction far from it may scatter widely, and its entropy won't
# say so. Which of them is wanted depends on the use: entropies to pick out images for a second look, u(x) to *state* a
# prediction with its standard uncertainty due to retraining. How few trainings suffice for that is the question of
# `07_retraining_uncertainty`.
#
# ## Exercises
#
# ### Exercise 1
#
# Is the mean of ten better than one network? Compare the two NLLs by E_n = |a − b| / (2√(u²(a) + u²(b))), then take the
# difference image by image. Which of the two comparisons is right, and why?

# %% tags=["solution"] jupyter={"source_hidden": true}
each = [-p.gather(1, labels[:, None]).squeeze(1) for p in (logp[0], mean)]
paired = ln.Estimate.mean(each[0] - each[1], unit="nat")
separate = [ln.Estimate.mean(x, unit="nat") for x in each]
print(f"E_n of the two brackets {ln.results.normalised_error(*separate):.2f}; difference {paired}, {paired.value / paired.u:.1f} standard uncertainties")
assert paired.u < np.hypot(separate[0].u, separate[1].u)
# The second. Both are scored on the same images, and an image that is hard for one is hard for both: the two scores are
# correlated, and E_n supposes that they are independent. Another seed for the one network is in neither.

# %% [markdown]
# ### Exercise 2
#
# Fit the temperature of one network on n images and score it on the *same* n, then on all the others, for n = 10, 100, and
# half of them; average over 40 draws. What happens with few images?

# %% tags=["solution"] jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
for n in (10, 100, len(official_labels) // 2):
    scores = []
    for _ in range(40):
        some, rest = np.split(rng.permutation(len(official_labels)), [n])
        T = ln.fit_temperature(official[0, some], official_labels[some])
        scores.append([float(ln.nll((official[0, part] / T).log_softmax(1), official_labels[part])) for part in (some, rest)])
    print(f"n = {n:4}: on the same images {np.mean(scores, 0)[0]:.4f} nat, on the others {np.mean(scores, 0)[1]:.4f} nat")
# Ten images on which the network is right in all cases ask for T → 0: perfect there, a catastrophe elsewhere. Scored on
# its own images, a fit always looks better than it is; with one parameter and many images by little.

# %% [markdown]
# ### Exercise 3
#
# A colleague finds logarithms unfair and scores by −p(right class). Is that proper? Compare its expectation for the three
# forecasters.

# %% tags=["solution"] jupyter={"source_hidden": true}
linear = {name: -float(truth @ p) for name, p in reports.items()}
print(", ".join(f"{name} {value:.3f}" for name, value in linear.items()))
assert linear["too sure"] < linear["honest"]
# No: it is lowest for whoever puts everything on the most probable class. It pays to lie.

# %% [markdown]
# ### Exercise 4
#
# Is the epistemic entropy of few members right on average? Take groups of 2, 5 and 16 of the stored retrainings, and
# compare with all 128. What would be a correction?

# %% tags=["solution"] jupyter={"source_hidden": true}
log_probabilities = torch.tensor(mlp["log_probabilities"].values)
for m in (2, 5, 16, 128):
    mi = np.mean([float(ln.entropy_split(log_probabilities[k : k + m]).epistemic.mean()) for k in range(0, 129 - m, m)])
    print(f"{m:3} members: {mi:.5f} nat, times M/(M − 1): {mi * m / (m - 1):.5f} nat")
# Too low by a factor of about 1 − 1/M, like a variance with the divisor M: the members are compared with their own mean.

# %% [markdown]
# ## Summary
#
# A number such as 0.93 is to be trusted if predictions like it were calibrated on images like this one, scored by a proper
# score that is reported with its standard uncertainty, and if another training would say about the same. An ensemble's
# entropy splits into what members state and how they differ, and neither part is u(x), the standard uncertainty of the
# prediction due to retraining. In the words of the GUM u(x) is one component, by Type A evaluation with M − 1 degrees of
# freedom; what retrainings have in common, their shared errors, is outside it.
#
# ## What was recorded
#
# The live numbers beside the stored reference, as explained in `00_start_here`. The first bracket is over ten retrainings,
# the others are over test images.

# %%
course.record(
    "02_uncertainty",
    profile,
    {
        "NLL of one network": ln.Estimate.mean(singles, unit="nat"),
        "NLL of the mean of ten": ln.nll(logp, labels),
        "calibration error of one network": ln.scores.calibration_error(logp[0], labels).value,
        "epistemic entropy, test images": ln.Estimate.mean(own.epistemic, unit="nat"),
        "AUROC of the epistemic entropy, foreign images": ln.scores.auroc(strange.epistemic, own.epistemic),
    },
    data=data,
    figures=["02_reliability", "02_foreign"],
)

# %% [markdown]
# ## References
#
# 1. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, proper scores for them, means of probabilities.
# 2. Jordan 2024, arXiv 2304.01910: the accuracy of retrainings scatters too, and what that does not mean.
# 3. Ashukha, Lyzhov, Molchanov, Vetrov 2020, arXiv 2002.06470: temperature before comparing, pitfalls of the calibration error.
# 4. JCGM 100:2008 (GUM): measurand, standard uncertainty, Types A and B (clauses 2.3 and 4), 1/√(2ν) (annex E.4), t (annex G.3).
# 5. JCGM 101:2008: coverage intervals.
#
# The docstrings of `ln.nll`, `ln.scores.brier`, `ln.scores.calibration_error`, `ln.fit_temperature` and `ln.entropy_split` name the
# papers behind their formulas. Symbols and words: [glossary](glossary.md).
#
# **Next:** `03_paths` looks at the landscape between two retrainings; `07_retraining_uncertainty` takes up u(x) again.
