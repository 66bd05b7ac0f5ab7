# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 · Synthesis: what to use when
#
# **Question.** You have two or three trainings and want to know how far the predictions can be trusted. What should you
# *do*? Five pairs of data and network answer, on two axes: how good is the prediction, and how well is its uncertainty
# known?
#
# **What you will learn**
# - to read the results of the course on one page, each with its interval and its price;
# - to make the one comparison that decides: what a further training buys, and what else the same price buys;
# - why the best of many looks better than it is;
# - what to advise a student, a metrologist and an engineer, and the limits of this advice.
#
# **Before you start.** `06_methods` (DEE) and `07_retraining_uncertainty` (REN, covariates). Every further table is in
# `13_appendix`.
#
# **Minutes.** 15 minutes to read. To compute: seconds in either profile. Nothing is trained here; all results are
# stored.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student

import lnescape as ln
from notebooks import course
from report.studies import figures, tables
from report.studies.pairs import COMPARED

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# You have **two** trained networks, and use all free covariates. You can pay for one more training. Which purchase gives
# the best u(x): **a third training**, **bursts** (short restarts at a raised learning rate), **proxies** (many cheap
# retrainings of a narrower network), or **a curve** that is learned between two networks? Is your answer the same on all
# pairs?
#
# ## The pairs
#
# Each pair has its reference: n plain retrainings. The networks on CIFAR learn in few operations (`08_cifar10`).

# %%
reference, stored = tables.stored_of_pairs(), tables.stored_of_pairs("-uncertainty")
course.table(tables.references(reference))

# %% [markdown]
# **What we see.** From MNIST to CIFAR fewer decisions are right, and far more images are decided otherwise by a random
# retraining. But *the log-odds scatter by about one nat everywhere*. This is a plain result, and a useful one: images of
# CIFAR don't scatter more, they lie nearer to the point where the decision changes. *Ceiling* is the highest rank correlation
# that an estimate of u(x) can have with a reference of n retrainings.
#
# ## One page: what two and three trainings are worth
#
# REN, the retraining equivalent number, is the number of *plain* retrainings that would give u(x) as well. There are four ways
# to use the same M networks: their plain standard deviation; a constant prior [1]; a prior with all free covariates except the
# gradient of the prediction; and one with the gradient. A wide CNN and three networks on FashionMNIST complement the five pairs.

# %%
mixes = {name: result.numbers["mixes"] for name, result in stored.items()}
titles = dict.fromkeys(result.provenance["data"]["title"] for result in stored.values())
data_sets = ", ".join(titles)
figure = figures.worth_on_pairs(
    {
        name: {way: tables.triple_of(row) for way, row in ways.items()}
        for name, ways in tables.ways_on_networks().items()
    },
    source=data_sets + ", FashionMNIST, test images; bars: 95 % intervals",
    title="A prior makes two or three retrainings worth many",
)
course.save(figure, "10_worth")

# %% [markdown]
# **What we see.** Dotted lines are the M retrainings, the dashed line is the 30 of gates G7 and G8. Arrows: the interval goes
# on. Where a mark is missing, that way was not computed. Three steps are large. The first is from plain to *constant*:
# thousands of images together show the typical u. The second is from constant to *free, without gradients*: the networks show
# which images scatter more. The third is to the *gradient distance*, which shows this best. Two trainings then exceed 30 on
# five of nine networks; MNIST's CNN and the three networks on FashionMNIST, which came later, stay below. Note the bars. With few
# judges, an interval may extend to several times the value, and values within it can't be ranked.
#
# G7 asks for a REN of 30 within three trainings, G8 within two. Both were stated before the gradient distance was known. With
# it, in the point estimates, three trainings reach 30 on eight networks, though only just on three of them; on the attention network they are worth 18. (Here it is
# combined with outputs, classes and the prior of other pairs. Alone it does about as well: see `11_local_geometry`.)

# %%
course.table(tables.with_gradients(), "REN, with its 95 % interval")

# %% [markdown]
# A value with a unit is evaluated in the same way, without a prior of other pairs (`12_measured_values`). One training borrows
# a scale learned on classes, which is wrong for values. Two or more borrow no scale:

# %%
rows = {}
for name in ("angle-cnn", "diabetes-mlp"):
    result = ln.load_result(name)
    mix = result.numbers["mixes"]["gradient distance"]
    one = result.numbers["one network, borrowed scale"]
    row = {"M = 1, borrowed scale": tables.ren_of(one)}
    row |= {f"M = {m}": tables.ren_of(mix[m]) for m in ("2", "3")}
    rows[result.provenance["data"]["title"]] = row
course.table(rows, "REN with gradient distance alone, measured values")

# %% [markdown]
# **What we see.** Two trainings are worth eleven and fourteen here, fewer than for classes.
#
# ## REN against cost

# %%
figure = figures.frontier(
    {name: tables.frontier_of(result) for name, result in stored.items()},
    source=data_sets + ", test images",
    title="At every price, few retrainings with a prior beat many without",
)
course.save(figure, "10_frontier")

# %% [markdown]
# **What we see.** Filled symbols are better than everything cheaper; most others are drawn pale. The dashed line is plain
# retraining without a prior, the dotted one the 30 of the gates. All symbols with a prior lie far above the dashed line. Their
# upper edge *rises in steps*, at 2, 3 and 4 trainings. Between the steps, exploration costs part of a training and raises the
# edge by less.
#
# ## The comparison that decides
#
# The dashed line is too easy to beat. With the free groups, the question is: *how much does one more training gain, and how
# much does another purchase at that price?* For each purchase we take the gain in REN over its price in trainings. By hand, for
# bursts on one pair:

# %%
table, name = mixes["CIFAR-10 fast CNN"], "CIFAR-10 fast CNN"
before = table["all free groups"]["2"]["ren"]["value"]
training = table["all free groups"]["3"]["ren"]["value"] - before  # for one training
with_bursts = table["free + bursts"]["2"]
bursts = (with_bursts["ren"]["value"] - before) / with_bursts["further"]
kept = stored[name].numbers["gains"]["2"]["bursts"]
assert np.isclose(bursts, kept["rate"].value)
print(f"{name}: REN gained per further training: one more training {training:+.1f}, bursts {bursts:+.1f}")

# %% [markdown]
# A gain is a difference of two RENs. Both come from the same networks, so a part of their error is common. The study
# computed the difference again with one network left out at a time. By how much is one more training ahead?

# %%
course.table(
    tables.ahead(stored, "2"),
    "One more training, less the other purchase: REN gained per further training (± 95 %), M = 2",
)

# %% [markdown]
# **What we see.** A positive value means that one more training is ahead. All values are positive, for every purchase and every
# pair. If the interval contains zero, the question is open on that pair. It is decided for the perceptron and for both networks
# on CIFAR-10. On CIFAR-100 it is decided for the learned paths only. It is open on MNIST's CNN, which few retrainings judge, and
# for bursts and proxies on CIFAR-100. (Bursts are charged by their operations.) Without the free groups the order changes
# (`13_appendix`), but the free groups take no further training. This is the result of the course in two sentences: **exploring
# near a solution can show where u(x) is large. The networks that you already have show it at least as well, at no cost.**
#
# The gradient distance (`11_local_geometry`) came later and is also free. With it, the lead of one more training is larger
# still, in the point estimates.
#
# ## The other axis: the score
#
# How good is the *averaged* prediction? DEE [4] is the number of members of a deep ensemble [5] that would be as good
# (`06_methods`). The dotted lines are plain retraining at each cost.

# %%
methods = tables.stored_of_pairs("-methods", COMPARED)
twice = [name for name, result in methods.items() if result.numbers["bases"] == 2]
figure = figures.equivalents_on_pairs(
    {
        name: {way: r.numbers["ways"][way] for way in r.numbers["order"]}
        for name, r in methods.items()
    },
    largest={name: len(r.arrays["yardstick_cll_mean"]) for name, r in methods.items()},
    source=f"official test images; two bases on {', '.join(twice)}, one on the others",
    title="Plain training, repeated or longer, is hard to beat at its cost",
)
course.save(figure, "10_scores")

# %% [markdown]
# **What we see.** Most methods lie on the line of their colour or left of it: plain training is hard to beat at its cost.
# Exceptions differ from pair to pair. On MNIST they are dropout and, for the CNN, Laplace. On the two short ResNets FGE and SWAG
# lie right of the line at 1.5 trainings (on CIFAR-10 ESPRO, too), on CIFAR-10's CNN SWAG alone, and on CIFAR-10's fast CNN and
# fast ResNet ESPRO at three trainings. On CIFAR, longer plain training lies right of them all: one longer network (the deep
# ensemble at 1.5), or two of them (the long ensemble at 3). The symbols are means of two bases on MNIST and on the fast CNN, and *one* base elsewhere, so
# neighbours can't be distinguished. Paths that are learned from scratch [6] lie in the grey field, below one network, on every
# pair.
#
# The two axes answer two questions. A method can be a poor ensemble and show much of u(x): a proxy is a *bad* network, but its
# scatter can show the right pattern.
#
# ## Trap: the best of many
#
# "With the best of our twenty mixes, three trainings are worth …" Suppose that *k* mixes are all equally good. Each is
# measured with an error; we quote the best. How much better does it look than it is?

# %%
excess = {}
for k in (1, 5, 20):
    drawn = np.random.default_rng(k).normal(size=(20_000, k))  # errors of k mixes, 20 000 times
    excess[k] = ln.Estimate.mean(drawn.max(1))
    in_theory = quad(lambda x, k=k: x * k * norm.pdf(x) * norm.cdf(x) ** (k - 1), -9, 9)[0]
    assert abs(excess[k].value - in_theory) < 5 * excess[k].u
    print(f"best of {k:2}: too high by {excess[k]} standard deviations, in theory {in_theory:.3f}")

# %%
rows = {}
for name, found in mixes.items():
    ren = found["all free groups"]["3"]["ren"]
    # standard deviation of the error, on the scale of ln REN; 2.3 is Student's factor:
    sd = np.log(ren["high"] / ren["low"]) / (2 * 2.3)
    looks = {
        f"best of {k} looks like": ren["value"] * np.exp(sd * excess[k].value) for k in (5, 20)
    }
    rows[name] = {"each is worth": ren["value"]} | looks
course.table(rows, "If all mixes were equally good and their errors independent (M = 3)")

# %% [markdown]
# **What we see.** All mixes are equal, and yet the best of twenty looks clearly better than each. The longer the interval,
# the larger this effect. Our mixes share their networks, so their errors are partly common, and the effect is smaller than
# this. **The cure.** Choose before you look (here: the row "all free groups", named in the plan). Or choose with some
# networks and judge with others. If neither was done, report every mix that was tried, as `13_appendix` does.
#
# ## What to use when
#
# | | a student | a metrologist, who must defend a number | an engineer with a budget of three trainings |
# |---|---|---|---|
# | wants | to see how far a prediction can be trusted | u(x) with its degrees of freedom, and proof that it holds | the most for the money, by tomorrow |
# | trains | twice, on a small problem | as often as the planner recommends, plus a few as judges | three times; nothing else first |
# | adds | a constant prior: one line of code | outputs, classes, gradient distance, by the prior of other pairs | the same, the default: `ln.state(builder, data, runs=…)` |
# | explores | to learn: curves, triangles, maps | only if retraining is impossible, and reports that the scale is borrowed | nothing: once gradient distance is used, no exploration is worth its price (`13_appendix`) |
# | states | q̄ and an interval | q̄, σ̃ or u (with its name), $\nu_\mathrm{eff}$, the interval, what it doesn't cover | the interval, and the risk that a retraining decides otherwise |
# | checks | coverage on a few retrainings | coverage by decile of the stated u, on held-out retrainings, under the shifts that are expected | that the images are like those that the prior was fitted on |
#
# The planner is `ln.retrainings_needed(r)`: u to 25 % takes nine plain retrainings, less the d₀ of the prior.
#
# ## What remains open
#
# - **Larger networks, other recipes.** `08_cifar10` compares five networks on CIFAR-10. u(x) belongs to the recipe, and so do
#   all findings about it.
# - **Values with a unit.** The same steps work, as `12_measured_values` shows on two small data sets. For one training they
#   fail: its scale would have to be learned on other values.
# - **Foreign inputs.** The prior is fitted on images of the same kind. Under shift its worth falls, and intervals may
#   contain too few retrainings (`13_appendix`).
# - **Proxies of a deep network.** They need a network that is cheap *and* similar; those of CIFAR-100 show little.
# - **One training.** Its scale is borrowed from other networks, and was wrong by up to 2.2 on three that came later. A companion,
#   three tenths of a training, shows the scale; the pattern remains borrowed (`11_local_geometry`).
# - **What all trainings share.** Data, labels, the choice of network: all retrainings can give the same wrong prediction. u(x)
#   is one line of an uncertainty budget, never its sum.
#
# ## Exercises
#
# ### Exercise 1: for a colleague
#
# A colleague has two trainings on CIFAR-10 and a statement with all free groups. She asks: "Will my next training lie inside the
# 95 % interval?" Answer in numbers: overall, in the tenth of the stated u whose coverage is farthest from 95 %, and
# on noisy images.
# (`mixes[name]["all free groups"]["2"]["deciles"]` holds the coverage by tenths.)

# %% tags=["solution"] jupyter={"source_hidden": true}
rows = {}
for name in (name for name in stored if name.startswith("CIFAR-10 ")):
    mix = mixes[name]["all free groups"]["2"]
    noise = stored[name].numbers["shift"]["noise"]["all free groups"]["2"]
    worst = max(mix["deciles"], key=lambda covered: abs(covered - 95))
    rows[name] = {
        "inside (%)": mix["coverage"].value,
        "farthest tenth (%)": worst,
        "noisy images (%)": noise["coverage"].value,
    }
course.table(rows)
# "On images like those of CIFAR-10, in about 96 of 100 cases on average, in the tenth farthest from 95 in 97.
# On noisy images in about 90.
# A training inside the interval may still be wrong."

# %% [markdown]
# ### Exercise 2: which pairs refute G7?
#
# Gate G7 claimed a REN of 30 within three trainings on every pair. Find the pairs that fail without gradient distance
# (`stored[name].numbers["best"]["3"]`). Would they fail at the upper end of their intervals?

# %% tags=["solution"] jupyter={"source_hidden": true}
best = {name: result.numbers["best"]["3"] for name, result in stored.items()}
rows = {
    name: {
        "REN": row["ren"],
        "to (95 %)": row["high"],
        "fails": row["ren"] < 30,
        "at its upper end": row["high"] < 30,
    }
    for name, row in best.items()
}
course.table(rows, "Best within three trainings")
# A gate is decided by the value, as was agreed beforehand. The interval shows how easily another
# study could have decided otherwise.

# %% [markdown]
# ### Exercise 3: a certificate for your own network
#
# Take two log-odds of your own. Here, two networks have q = 1.6 and q = 2.8 nat, and the prior has s₀ = 1.1 nat and d₀ =
# 12. Write the statement: q̄, σ̃, $\nu_\mathrm{eff}$, u in the sense of JCGM 101 [2] (the standard deviation of Student's
# t, $\tilde\sigma\sqrt{\nu/(\nu - 2)}$ with $\nu = \nu_\mathrm{eff}$), the 95 % interval of a further retraining, and the
# same as a probability. What is the interval of Student's t from the two numbers alone?

# %% tags=["solution"] jupyter={"source_hidden": true}
q, s0, d0 = np.array([1.6, 2.8]), 1.1, 12  # put your own numbers here
scale, dof = np.sqrt((d0 * s0**2 + q.var(ddof=1)) / (d0 + 1)), d0 + 1
half = student.ppf(0.975, dof) * scale * np.sqrt(1 + 1 / 2)
low, high = q.mean() - half, q.mean() + half
u = scale * np.sqrt(dof / (dof - 2))
print(f"q̄ = {q.mean():.2f} nat, σ̃ = {scale:.2f} nat, ν_eff = {dof}, u = {u:.2f} nat")
print(f"a further retraining lies in [{low:.2f}, {high:.2f}] nat with 95 %,")
print(f"its probability of the class in [{expit(low):.2f}, {expit(high):.2f}]")
low, high = (end.item() for end in ln.type_a(q[:, None]).interval())
print(f"plain: [{low:.1f}, {high:.1f}] nat, too wide to use")
# The prior shortens the interval from 26 nat to under 6.

# %% [markdown]
# ## Summary of the course, in ten lines
#
# 1. A trained network is a point θ in weight space; another seed gives another point (`01`).
# 2. Retraining changes *predictions*. u(x) is the standard deviation of the log-odds of a class that was fixed beforehand
#    (`02`, `05`).
# 3. On the straight line between two solutions there is a hill; a mode curve of low loss goes around it (`03`, `04`).
# 4. As ensembles, the networks on such paths seldom beat plain training at the same price (`06`, `10`).
# 5. Over retrainings, log-odds are nearly normal, and scatter by about one nat on MNIST and CIFAR alike (`05`, `08`).
# 6. The scatter of three numbers is a poor estimate of u(x). Most images have about the same u(x): a constant prior makes
#    three trainings worth six to eighteen (`07`, `10`, `11`).
# 7. Free covariates show which images scatter more, and make three trainings worth tens (`07`, `08`, `11`).
# 8. Bursts show a pattern where training loss remains. The scale must come from real trainings, or be borrowed; the statement
#    must then say so (`08`, `11`).
# 9. On top of the free groups, one more training has the highest measured gain on every pair; on three of five its lead over
#    every other purchase is beyond its uncertainty (`10`).
# 10. State q̄, σ̃, $\nu_\mathrm{eff}$ and the interval. Check coverage by decile. State that data, labels and bias are excluded
#     (`07`).
#
# ## What was recorded
#
# Nothing was trained. Only the simulation in the trap has live numbers, the same in both profiles.

# %%
course.record(
    "10_synthesis",
    profile,
    {
        "error of the best of 5 equally good mixes, in standard deviations": excess[5],
        "error of the best of 20 equally good mixes, in standard deviations": excess[20],
    },
    data=None,
)

# %% [markdown]
# ## References
#
# 1. Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3: moderated variances.
# 2. JCGM 100:2008 (GUM) and JCGM 101:2008: Type A evaluation, degrees of freedom; the standard uncertainty of a
#    Student's t.
# 3. JCGM 200:2012 (VIM, in English and French): the words of metrology.
# 4. Ashukha, Lyzhov, Molchanov, Vetrov 2020, arXiv 2002.06470: the deep-ensemble equivalent; most methods are worth few
#    members.
# 5. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles.
# 6. Garipov and others 2018, arXiv 1802.10026; Wortsman and others 2021, arXiv 2102.10472; Benton and others 2021,
#    arXiv 2102.13042: curves, learned subspaces, simplexes.
#
# Symbols and words of the whole course, English and French: [glossary](glossary.md); those of metrology as in the VIM
# [3].
#
# **Next:** `11_local_geometry`: what the gradients of one trained network show, without further training.
