# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · Uncertainty: "7, with probability 0.93", and when to trust it
#
# **Question.** A network reads a digit and answers "7, with probability 0.93". What do you have to know before you may rely
# on that number?
#
# **What you will learn**
# - scores that cannot be cheated (NLL, Brier), and the standard uncertainty of a reported score;
# - calibration: reliability diagram, calibration error and its bias, temperature;
# - what a deep ensemble improves, and what it does not;
# - to split the entropy of a prediction into an aleatoric and an epistemic part;
# - the terms of the GUM, the guide to uncertainty in metrology, and the difference between an entropy and u(x).
#
# **Before you start.** `00_start_here`. Mean, standard deviation, logarithm; the rest is explained here.
#
# **Minutes.** 25 minutes to read. To compute: under half a minute in the profile `quick`, about two minutes in `standard`, on
# one thread.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
import torch
from scipy.stats import spearmanr, t

import lnescape as ln
from notebooks import course
from report.studies import lessons

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# 1. A network was trained on upright digits and now gets digits turned by 30°. How probable does it call its answers, on
#    average, and how often is it right?
# 2. Average the probabilities of ten retrainings. What gains more, the share of right answers or the log-loss?
# 3. Will an image on which retrainings scatter widely also be one of high *entropy*?
#
# ## Two uncertainties that are never mixed
#
# | | uncertainty **of a prediction** | standard uncertainty **of a reported score** |
# |---|---|---|
# | belongs to | one image x | a mean over test images |
# | asks | what could the image be? What would another training predict? | what would other test images, or other seeds, give? |
# | written | entropies, u(x) | the bracket: 0.197(30) nat |
# | gets smaller | with better images, more training data | with more test images, more retrainings |
#
# The uncertainty of a prediction has two sources. **Aleatoric**: the image itself is ambiguous, a scribble between 1 and 7.
# **Epistemic**: training could have found another network, with another prediction. One part of this uncertainty appears when
# we train again with another seed. This *retraining* component is the subject of this course.

# %% [markdown]
# ## The smallest case: three classes, and scores that can't be cheated
#
# The truth is known: of ten images that look like this one, seven are class 1, two are class 2 and one is class 3. Three
# forecasters report probabilities. We score them on ten images in exactly these proportions.
#
# ### By hand
#
# The *negative log-likelihood* (NLL) is the mean of −ln p(right class), the *Brier score* the mean of $\sum_c (p_c - [c \text{ is right}])^2$.

# %%
truth = np.array([0.7, 0.2, 0.1])
reports = {
    "honest": truth,
    "too sure": np.array([0.97, 0.02, 0.01]),
    "hedging": np.array([0.4, 0.35, 0.25]),
}
labels = np.repeat([0, 1, 2], [7, 2, 1])
losses = {name: -np.log(p[labels]) for name, p in reports.items()}  # one number for each image
squares = {name: ((p - np.eye(3)[labels]) ** 2).sum(1) for name, p in reports.items()}

# %% [markdown]
# ### By library
#
# Scores take *logarithms* of probabilities, [images, classes] or [members, images, classes], and return an estimate with its
# standard uncertainty. We check that one by hand as well: it is $s/\sqrt{n}$, the standard deviation of a mean of n images.

# %%
rows = {}
for name, p in reports.items():
    logp, right = torch.tensor(p).log().expand(10, 3), torch.tensor(labels)
    nll, brier = ln.nll(logp, right), ln.scores.brier(logp, right)
    assert np.isclose(nll.value, losses[name].mean())
    assert np.isclose(brier.value, squares[name].mean())
    assert np.isclose(nll.u, losses[name].std(ddof=1) / np.sqrt(10))
    accuracy = ln.accuracy(logp, right).value
    rows[name] = {"NLL": str(nll), "Brier score": str(brier), "share right": accuracy}
course.table(rows)

# %% [markdown]
# The honest forecaster has the lowest NLL and the lowest Brier score. The share of right answers is the same for all three. The
# bracket is in units of the last digits: 0.80(23) nat is 0.80 nat with a standard uncertainty *of that score* of 0.23 nat. This
# uncertainty is large: there are only ten images.
#
# For a truth π and a report p, the expected scores are
#
# $$ \mathrm{E}[\mathrm{NLL}] = H(\pi) + \sum_c \pi_c \ln\frac{\pi_c}{p_c}, \qquad
#    \mathrm{E}[\mathrm{Brier}] = 1 - \sum_c \pi_c^2 + \sum_c (p_c - \pi_c)^2 . $$
#
# $H(\pi) = -\sum_c \pi_c \ln \pi_c$ is the *entropy* of the truth: the loss of the honest forecaster. In each score, the last part
# depends on the report, and is zero only at p = π. The rest belongs to the image. A score that is
# lowest at the truth is **proper** [1].

# %%
p1 = np.linspace(0.02, 0.995, 400)
family = np.stack([p1, (1 - p1) * 2 / 3, (1 - p1) / 3], 1)  # the rest stays divided as in the truth
expected = {
    "NLL (nat)": -(truth * np.log(family)).sum(1),
    "Brier score": 1 - truth @ truth + ((family - truth) ** 2).sum(1),
    "share of errors (%)": 100 * (1 - truth[family.argmax(1)]),
}
figure = lessons.proper_scores(
    p1,
    expected,
    truth[0],
    source="computed, three classes, truth 0.7, 0.2, 0.1",
    title="Proper scores are lowest at the truth (dashed) and nowhere else",
)
course.save_live(figure, "02_scores")

# %% [markdown]
# **What we see.** Both proper scores have their minimum at the truth. Near certainty the NLL rises without limit; the Brier
# score doesn't. The share of errors is a staircase: once class 1 leads, every report is as good as any other.
#
# ## The real case: ten retrainings

# %%
data = ln.load("mnist5k" if profile == "quick" else "mnist")
net = ln.network("mlp", data)
recipe = (
    ln.Recipe(epochs=10)
    if profile == "quick"
    else ln.Recipe(epochs=10, batch=256, learning_rate=0.2)
)
runs = ln.fit(net, data, seeds=range(10), recipe=recipe, progress=False)
logp, labels = runs.predict(data.test.images), data.test.labels
data

# %%
one = ln.score(logp[0], labels)
for name in ("accuracy", "nll", "brier"):
    print(f"{name:9} {one[name]}")
singles = np.array([float(ln.nll(p, labels)) for p in logp])
print(f"NLL, standard uncertainty over images {one['nll'].u:.4f} nat")
print(f"NLL, standard deviation over seeds    {singles.std(ddof=1):.4f} nat")

# %% [markdown]
# **What we see.** There are two answers to the question "how well is that score known?". The bracket shows how far the score
# would move with other test images. The last number shows how far it would move with another seed [2]. A report of a
# score must say which one it gives. Neither refers to a single image.
#
# ## Calibration: is 0.93 right 93 times in a hundred?
#
# Sort the images by their top probability, cut them into bins of *equal mass* (equally many images in each), and
# compare the mean top probability in each bin with the share that is
# right. The mean distance is the **calibration error**.
#
# By hand, then by library:

# %%
confidence, decided = logp[0].double().exp().clamp(max=1).max(1)
excess = (decided == labels).double() - confidence
# how many images are less sure than this one
rank = torch.searchsorted(confidence.sort().values, confidence)
n_bins = 15
bins = rank * n_bins // len(rank)
by_hand = sum(float(excess[bins == b].sum().abs()) for b in range(n_bins)) / len(excess)

found = ln.scores.calibration_error(logp[0], labels, n_bins=n_bins)
assert np.isclose(found.value.value, by_hand)
print(found)

# %% [markdown]
# The second number is the error that a *perfectly* calibrated network would show on as many images. Shares scatter and
# distances are not negative, so chance causes an error. An error that isn't well above this **bias** proves nothing.
#
# ### Temperature
#
# One number T, the *temperature*, can improve calibration: predict softmax(ln p / T). T > 1 makes predictions less sure
# but changes no
# decision. We fit T on the *calibration* images and judge it on the *test* images. By hand on a grid, then by
# library:

# %%
held, known = runs.predict(data.calibration.images), data.calibration.labels
grid = np.arange(0.5, 3, 0.02)
on_grid = grid[np.argmin([float(ln.nll((held[0] / T).log_softmax(1), known)) for T in grid])]
T_one, T_ten = ln.fit_temperature(held[0], known), ln.fit_temperature(held, known)
assert abs(T_one - on_grid) < 0.02
print(
    f"temperature of one network {T_one:.2f} (on the grid {on_grid:.2f}), of the mean {T_ten:.2f}"
)

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
# are wide, and all rows share the same images. Exercise 1 compares two of them in a better way.
#
# Now we turn the digits by 30°, and keep the temperature from the upright ones.

# %%
turned = data.shifted("rotation", 2)
panels = {}
for heading, p in (("test images", logp), ("the same, turned by 30°", runs.predict(turned.images))):
    panels[heading] = {
        "one network": p[0],
        "one, with temperature": (p[0] / T_one).log_softmax(1),
        "mean of ten": ln.mean_prediction(p),
    }
rows = {}
for name, p in panels["the same, turned by 30°"].items():
    rows[name] = {
        "top probability (%)": 100 * float(p.max(1).values.exp().mean()),
        "right (%)": 100 * float(ln.accuracy(p, labels)),
        "NLL": str(ln.nll(p, labels)),
    }
course.table(rows, "Turned by 30°, means over the test images", digits=0)

# %%
claimed, correct = (rows["one network"][column] for column in ("top probability (%)", "right (%)"))
figure = lessons.reliabilities(
    {heading: {way: p.numpy() for way, p in ways.items()} for heading, ways in panels.items()},
    labels.numpy(),
    source=f"{data.title}, {len(labels)} test images in 10 bins",
    title=f"On turned digits one network claims {claimed:.0f} % and is right on {correct:.0f} %",
)
course.save_live(figure, "02_reliability")

# %% [markdown]
# **What we see.** This is a *reliability diagram* with ten bins of equal mass. A bar is ±1 standard uncertainty of the share,
# over the images of the bin. (A bin with no error has no bar, but this is no proof of certainty.) On the left most bins
# are in the upper right corner: nearly always sure, nearly always right. On the right all three curves are below the diagonal:
# the networks are too sure (the first guess). The temperature from upright digits and the average of ten networks change the
# probabilities too little. **Calibration holds for images like those it was fitted on.** The number 0.93 does not show
# whether an image is like them.
#
# ## Trap: more bins, more error
#
# "Finer bins show more." We take the same prediction, with more and more bins.

# %%
rows = {}
for n_bins in (5, 15, 50, len(labels) // 2):
    found = ln.scores.calibration_error(logp[0], labels, n_bins=n_bins)
    rows[f"{n_bins} bins"] = {"calibration error": found.value.value, "by chance": found.bias.value}
course.table(rows, digits=4)

# %% [markdown]
# The network hasn't changed. With two images in a bin, nearly all of the number is chance. Calibration errors from two papers
# can't be compared if bins or numbers of test images differ [3]. **The cure.** Use few bins, and print the bias beside the
# error. Decide by a proper score: the NLL before and after the temperature needs no bins.
#
# ## Deep ensembles: what averaging buys
#
# One thing is certain: the NLL of the mean is never above the mean of the members' NLLs (Jensen's inequality).

# %%
by_hand = -torch.logsumexp(logp.double(), 0).gather(1, labels[:, None]).mean() + np.log(10)
assert np.isclose(float(by_hand), float(ln.nll(logp, labels)))
assert float(by_hand) <= singles.mean()
print(f"mean of ten NLLs {singles.mean():.4f} nat, NLL of the mean of ten {float(by_hand):.4f} nat")

# %% [markdown]
# How many members are needed? We compare our ten with a stored *yardstick*: ensembles drawn from 40 retrainings of this
# network on all of MNIST, scored on the official test images. (`00_start_here` draws such a curve.) Our values are means
# over disjoint groups. In the profile `standard` both use the same recipe.

# %%
stored = ln.load_result("mnist-mlp-methods").arrays
nll, sd, calibrated = (stored[f"yardstick_{name}"] for name in ("nll_mean", "nll_sd", "cll_mean"))
errors = 100 * (1 - stored["yardstick_accuracy_mean"])
official, official_labels = torch.cat([held, logp], 1), data.evaluation.labels
rows = {}
for m in (1, 2, 3, 5, 10):
    groups = [float(ln.nll(official[k : k + m], official_labels)) for k in range(0, 11 - m, m)]
    rows[f"M = {m}"] = {
        "errors (%)": f"{errors[m - 1]:.2f}",
        "NLL (nat)": nll[m - 1],
        "sd of one ensemble (nat)": sd[m - 1],
        "here: NLL (nat)": np.mean(groups),
    }
print(f"ten against one: errors {errors[9] / errors[0] - 1:+.0%}, NLL {nll[9] / nll[0] - 1:+.0%}; "
      f"a temperature alone: NLL {-calibrated[0] / nll[0] - 1:+.0%}")
course.table(rows, f"Stored, and here: {data.title}", digits=4)

# %% [markdown]
# **What we see.** The first few members give most of the gain. Errors fall, and the log-loss falls by more (the second guess).
# It also falls by more than with a temperature alone: averaging does more than make predictions less sure. (The library averages
# probabilities; `06_methods` compares this with a mean of logits.)
#
# ## Total = aleatoric + epistemic
#
# *Entropy* $H(p) = -\sum p \ln p$ measures doubt in nat: 0 for a certain class, ln 10 for ten equal ones. For M members $p_m$ with
# the mean $\bar p$,
#
# $$ H(\bar p) = \frac1M\sum_m H(p_m) + \frac1M\sum_m\sum_c p_{mc}\ln\frac{p_{mc}}{\bar p_c} . $$
#
# The first term is the mean entropy of the members (*aleatoric*). The second is the *mutual information* between member and
# class (*epistemic*). It is zero unless the members differ. We write the mean entropy by hand, and try it on two pairs of
# members with the same mean:

# %%
def entropy(p):
    return float(-(p * p.log()).sum(-1).mean())


pairs = {
    "both in doubt": [[0.5, 0.5], [0.5, 0.5]],
    "sure and opposed": [[0.99, 0.01], [0.01, 0.99]],
}
for name, p in pairs.items():
    p = torch.tensor(p, dtype=torch.float64)
    total, aleatoric = entropy(p.mean(0)), entropy(p)
    epistemic = float((p * (p / p.mean(0)).log()).sum(1).mean())
    split = ln.entropy_split(p.log().unsqueeze(1))
    parts = [float(part) for part in (split.total, split.aleatoric, split.epistemic)]
    assert np.allclose(parts, [total, aleatoric, epistemic])
    assert np.isclose(total, aleatoric + epistemic)
    print(
        f"{name:17} total {total:.3f} nat = aleatoric {aleatoric:.3f} + epistemic {epistemic:.3f}"
    )
identical = logp[:1].expand(5, -1, -1)
assert float(ln.entropy_split(identical).epistemic.abs().max()) == 0

# %% [markdown]
# Both pairs have the mean 0.5 and 0.5, for different reasons. Identical members have an epistemic entropy of exactly 0,
# however wrong they are.
#
# ### Images that are no digits
#
# `data.foreign` holds clothes (FashionMNIST) beside all of MNIST, and drawn shapes beside the 5 000 images that come with
# the installation.

# %%
foreign = data.foreign.subset(slice(0, 1000))
of_test, strange = ln.entropy_split(logp), ln.entropy_split(runs.predict(foreign.images))
rows, panels, ratio = {}, {}, {}
for part in ("epistemic", "aleatoric", "total"):
    a, b = getattr(of_test, part), getattr(strange, part)
    rows[part] = {
        "test images": str(ln.Estimate.mean(a, unit="nat")),
        "foreign images": str(ln.Estimate.mean(b, unit="nat")),
        "AUROC": str(ln.scores.auroc(b, a)),
    }
    ratio[part] = float(b.mean() / a.mean())
    panels[f"{part} entropy (nat)"] = {"test images": a.numpy(), "foreign images": b.numpy()}
course.table(rows, "Mean entropy")

# %%
del panels["total entropy (nat)"]
figure = lessons.shares_below(
    panels,
    least=1e-6,
    source=f"{data.title}; foreign: {foreign.title}; ten retrainings",
    title=f"Foreign images: {ratio['epistemic']:.0f} times the epistemic entropy on average, "
    f"{ratio['aleatoric']:.0f} times the aleatoric",
)
course.save_live(figure, "02_foreign")

# %% [markdown]
# **What we see.** On foreign images members differ more, as they should: training gave them no answer for such images.
# But the aleatoric part also rises, though these pictures are not ambiguous
# digits. The aleatoric part is computed from the
# *members*, not from the image. So the split describes the ensemble. *AUROC* is the probability that a foreign image has a
# higher entropy than a test image. It differs by a few thousandths between the three rows: to detect foreign images, it hardly
# matters which of the entropies is used.
#
# ## Terms of the GUM
#
# Laboratories all over the world follow the *Guide to the expression of uncertainty in measurement* [4].
#
# | term | meaning | here |
# |---|---|---|
# | measurand | the quantity to be measured, fixed before measuring | log-odds $q = \ln p_c - \ln(1 - p_c)$ of one class c(x), from one training by a fixed recipe on fixed data |
# | standard uncertainty | stated as a standard deviation | u(x) = standard deviation of q over retrainings, in nat of log-odds |
# | Type A evaluation | from repeated observations | s, the standard deviation of M retrainings, estimates u(x) |
# | Type B evaluation | by other means: a certificate, earlier data, a resolution | stored log-odds are rounded to a step: $\mathrm{step}/\sqrt{12}$ |
# | degrees of freedom ν | how well s itself is known: relative standard uncertainty about $1/\sqrt{2\nu}$, more for small ν (`05_mnist`) | M − 1 |
# | coverage interval | contains the value with a stated probability [5] | $\bar q \pm t\,s\sqrt{1 + 1/M}$, for *one further* retraining (in statistics: a prediction interval) |
#
# Types A and B are ways to *evaluate* an uncertainty; aleatoric and epistemic are *sources*. Now we return to the question,
# and take the test image to which our first network gives a probability closest to 0.93.

# %%
chosen = mean.argmax(1)
q = ln.log_odds(logp.numpy(), chosen.numpy())
image = int(np.abs(1 / (1 + np.exp(-q[0])) - 0.93).argmin())
s, M = q[:, image].std(ddof=1), len(q)
half_width = t.ppf(0.975, M - 1) * s * np.sqrt(1 + 1 / M)
by_library = ln.Estimate.mean(q[:, image], unit="nat")  # its u is s/√M, that of the mean
assert np.isclose(half_width, by_library.expanded(0.95) * np.sqrt(M + 1))

ends = 1 / (1 + np.exp(-(by_library.value + np.array([-half_width, half_width]))))
p = 1 / (1 + np.exp(-q[:, image]))
print(f"first network: “{data.classes[chosen[image]]}” with {p[0]:.2f}; labelled {labels[image]}")
print("the ten:", " ".join(f"{one:.2f}" for one in np.sort(p)))
print(f"mean log-odds {by_library}; s = {s:.2f} nat, Type A, ν = {M - 1}")
print(f"one further retraining, 95 %: {by_library.value:.2f} ± {half_width:.2f} nat, "
      f"that is p from {ends[0]:.2f} to {ends[1]:.2f}")
print(f"entropy {of_test.total[image]:.3f} nat = aleatoric {of_test.aleatoric[image]:.3f} "
      f"+ epistemic {of_test.epistemic[image]:.3f}")

# %% [markdown]
# These lines are the answer for one image: they give the number, its scatter, how that scatter was evaluated, and how well it is
# known. (The class is the one that the mean of the ten prefers. The image was *picked* by the probability of one
# network, so it
# is not a typical one.)
#
# Do such intervals hold 95 % of further retrainings? We test this with 128 stored retrainings and 2 000 test images. Each group
# of five gives an interval, and we count how many of the others are inside. We do the same with a factor of 2 instead of t,
# as if s from five observations were exact.

# %%
mlp = ln.read_study("mnist-mlp")
test = (mlp["part"] == "test").values
q128 = mlp["log_odds"].values[:, test]
inside = []
for start in range(0, 125, 5):
    five, others = q128[start : start + 5], np.delete(q128, np.s_[start : start + 5], 0)
    away = np.abs(others - five.mean(0)) / (five.std(0, ddof=1) * np.sqrt(1 + 1 / 5))
    inside.append([(away <= k).mean() for k in (t.ppf(0.975, 4), 2.0)])
rows = {}
for k, name in enumerate(("t with 4 degrees of freedom", "factor 2")):
    share = 100 * np.array(inside)[:, k]
    rows[name] = {"inside (%)": share.mean(), "sd over groups of five (%)": share.std(ddof=1)}
course.table(rows)

# %% [markdown]
# ### What u(x) does not cover
#
# The *contrast* of a stored network is the logit of class c less the largest other logit. It is positive if the network decides
# for c.

# %%
astray = (mlp["chosen"] != mlp["label"]).values[test]
firm = (mlp["contrast"].values[:, test] > 0).all(0)
print(f"class c(x) is wrong on {astray.sum()} of {test.sum()} test images;")
print(f"on {(astray & firm).sum()} of these all {len(q128)} retrainings decide for it")

# %% [markdown]
# **What we see.** On those images retraining changes nothing: the networks agree, and they are wrong (or the label is).
# u(x) is *one component* of uncertainty. It covers initial weights, order of the images and arithmetic. It does not cover
# the choice of the training images, errors in their labels, the bias of network and recipe, and images unlike those of the
# training. An uncertainty budget of a prediction needs a line for each.
#
# ## An entropy is not u(x)
#
# Both are in nat, since both come from natural logarithms. They are different quantities:
#
# | | entropies | u(x) |
# |---|---|---|
# | of what | the distribution over classes | one number, the log-odds of class c(x), over retrainings |
# | unit | nat of information, from 0 to ln 10 | nat of log-odds, without upper limit |
# | zero means | total: certain; epistemic: all members equal | all members give the same log-odds |
# | depends on | mainly how near q̄ is to 0 | how far q scatters, wherever q̄ is |
#
# Between two classes and for small scatter, epistemic ≈ ½ p(1 − p) u². The factor p(1 − p) differs by powers of ten from
# image to image, u² doesn't. Here are five of the 1 000 test images whose probabilities are stored:

# %%
rows = mlp["predicted_image"].values
split128 = ln.entropy_split(torch.tensor(mlp["log_probabilities"].values))
epistemic, aleatoric = split128.epistemic.numpy(), split128.aleatoric.numpy()
q_rows = mlp["log_odds"].values[:, rows]
height, u = q_rows.mean(0), q_rows.std(0, ddof=1)
places = {
    "most epistemic": epistemic.argmax(),
    "most aleatoric": aleatoric.argmax(),
    "largest u(x)": u.argmax(),
    "smallest u(x)": u.argmin(),
    "median q̄": np.abs(height - np.median(height)).argmin(),
}
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
title = f"Epistemic entropy follows |q̄| (rank correlation {to_height:.2f}), not u(x) ({to_u:.2f})"
figure = lessons.entropies(
    {"size of the mean log-odds |q̄| (nat)": np.abs(height), "u(x) (nat of log-odds)": u},
    {"aleatoric": aleatoric, "epistemic": epistemic},
    source=f"{mlp.attrs['data']}, MLP, {len(q128)} retrainings, {len(rows)} test images",
    title=title.replace("-", "−"),
)
course.save(figure, "02_entropy")

# %% [markdown]
# **What we see.** On the left both entropies fall by many powers of ten as the mean log-odds moves away from 0, each along
# nearly one line. On the right there is no line at all (the third guess). A decision near its threshold has a high epistemic
# entropy even if retrainings scatter as usual. A prediction far from the threshold may scatter widely, and its entropy does not
# show it. The right choice depends on the use. Entropies select images for a second look. u(x) *states* a prediction with
# its standard uncertainty due to retraining. `07_retraining_uncertainty` asks how few trainings suffice for that.
#
# ## Exercises
#
# ### Exercise 1
#
# Is the mean of ten better than one network? Compare the two NLLs by $E_n = \lvert a - b \rvert / (2\sqrt{u^2(a) + u^2(b)})$, then take the
# difference image by image. Which of the two comparisons is right, and why?

# %% tags=["solution"] jupyter={"source_hidden": true}
each = [-p.gather(1, labels[:, None]).squeeze(1) for p in (logp[0], mean)]
paired = ln.Estimate.mean(each[0] - each[1], unit="nat")
separate = [ln.Estimate.mean(x, unit="nat") for x in each]
print(f"E_n of the two brackets {ln.results.normalised_error(*separate):.2f}")
print(f"difference {paired}, {paired.value / paired.u:.1f} standard uncertainties")
assert paired.u < np.hypot(separate[0].u, separate[1].u)
# The second. Both are scored on the same images, and an image that is hard for one is hard for
# both. So the two scores are correlated, and E_n assumes independent ones. Neither
# comparison covers another seed for the one network.

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
        p = official[0] / ln.fit_temperature(official[0, some], official_labels[some])
        both = [ln.nll(p[part].log_softmax(1), official_labels[part]) for part in (some, rest)]
        scores.append([float(score) for score in both])
    same, others = np.mean(scores, 0)
    print(f"n = {n:4}: on the same images {same:.4f} nat, on the others {others:.4f} nat")
# If the network is right on all ten images, the fit gives T → 0: perfect there, very bad elsewhere.
# On the images it was fitted on, a fit always looks better than it is; with one parameter and many
# images the difference is small.

# %% [markdown]
# ### Exercise 3
#
# A colleague finds logarithms unfair and scores by −p(right class). Is that proper? Compare its expectation for the three
# forecasters.

# %% tags=["solution"] jupyter={"source_hidden": true}
linear = {name: -float(truth @ p) for name, p in reports.items()}
print(", ".join(f"{name} {value:.3f}" for name, value in linear.items()))
assert linear["too sure"] < linear["honest"]
# No: a report that puts everything on the most probable class gets the lowest score.

# %% [markdown]
# ### Exercise 4
#
# Is the epistemic entropy of few members right on average? Take groups of 2, 5 and 16 of the stored retrainings, and
# compare with all 128. What would be a correction?

# %% tags=["solution"] jupyter={"source_hidden": true}
log_probabilities = torch.tensor(mlp["log_probabilities"].values)
for m in (2, 5, 16, 128):
    groups = [log_probabilities[k : k + m] for k in range(0, 129 - m, m)]
    found = np.mean([float(ln.entropy_split(group).epistemic.mean()) for group in groups])
    print(f"{m:3} members: {found:.5f} nat, times M/(M − 1): {found * m / (m - 1):.5f} nat")
# It is about 1 − 1/M of the right value, like a variance with the divisor M: the members are
# compared with their own mean.

# %% [markdown]
# ### Exercise 5: your own data
#
# Take log-probabilities of your own, from whatever framework: an array [networks, inputs, classes], and the right class of
# each input. Is the mean of your networks calibrated? How large is the epistemic part of its entropy? Here, five small
# networks on small digits stand in for yours.

# %% tags=["solution"] jupyter={"source_hidden": true}
small = ln.load("digits")
brief = ln.Recipe(epochs=10, batch=64)
few = ln.fit(
    ln.network("mlp", small, width=32), small, seeds=range(5), recipe=brief, progress=False
)
yours, right = few.predict(small.test.images), small.test.labels  # put your own arrays here
found = ln.scores.calibration_error(ln.mean_prediction(yours), right, n_bins=5)
print(f"NLL {ln.nll(yours, right)}; calibration error {found.value}, by chance {found.bias}")
split = ln.entropy_split(yours)
print(
    f"epistemic part of the entropy: {split.epistemic.mean() / split.total.mean():.0%} on average"
)
# Compare the error with the one by chance before you call a prediction miscalibrated.

# %% [markdown]
# ## Summary
#
# You may rely on a number such as 0.93 under three conditions. Such predictions were calibrated on images like this
# one. They were scored by a proper score, reported with its standard uncertainty. Another training would give about the
# same number. The entropy of an ensemble splits into the mean entropy of its members and a part from their differences.
# Neither part is u(x), the standard uncertainty of the prediction due to retraining. In terms of the GUM u(x) is one
# component, from a Type A evaluation with M − 1 degrees of freedom. It does not cover errors that all retrainings share.
#
# ## What was recorded
#
# Live numbers and stored reference, as explained in `00_start_here`. The first bracket is over ten retrainings, the
# others are over test images.

# %%
course.record(
    "02_uncertainty",
    profile,
    {
        "NLL of one network": ln.Estimate.mean(singles, unit="nat"),
        "NLL of the mean of ten": ln.nll(logp, labels),
        "calibration error of one network": ln.scores.calibration_error(logp[0], labels).value,
        "epistemic entropy, test images": ln.Estimate.mean(of_test.epistemic, unit="nat"),
        "AUROC of the epistemic entropy, foreign images": ln.scores.auroc(
            strange.epistemic, of_test.epistemic
        ),
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
# 4. JCGM 100:2008 (GUM): measurand, standard uncertainty, Types A and B (clauses 2.3 and 4), $1/\sqrt{2\nu}$ (annex E.4), t (annex G.3).
# 5. JCGM 101:2008: coverage intervals.
#
# The docstrings of `ln.nll`, `ln.scores.brier`, `ln.scores.calibration_error`, `ln.fit_temperature` and `ln.entropy_split` name the
# papers behind their formulas. Symbols and words: [glossary](glossary.md).
#
# **Next:** `03_paths` looks at the landscape between two retrainings; `07_retraining_uncertainty` takes up u(x) again.
