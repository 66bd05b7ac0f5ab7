# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 · Local geometry: what the gradients of one network show
#
# **Question.** A network is trained *once*. Which of its predictions would change most if it were trained again? Does the
# landscape around its weights show this, without a step along any path?
#
# **What you will learn**
# - *gradient distance*: how far a small random displacement of the weights moves one prediction;
# - a linear model in which it is exact, and a change of its training for which it is not;
# - why all layers are needed, and why the scale of u(x) has to come from somewhere else;
# - what two trainings can state with it, what a single training can state (Type B evaluation), and when it fails.
#
# **Before you start.** `07_retraining_uncertainty` (prior, covariates, REN). `03_paths` and `04_simplexes` explore the
# landscape along paths; this notebook only looks at one point.
#
# **Minutes.** 45 minutes to read. To compute: under half a minute in the profile `quick`, some minutes in `standard`, on
# one thread.

# %% tags=["parameters"]
profile = ""

# %%
import textwrap

import numpy as np
import pandas as pd
import torch
from scipy.special import polygamma

import lnescape as ln
from lnescape.covariates import gradient_distance
from notebooks import course
from report.studies import figures, lessons, tables
from report.studies.pairs import FASHION_ATTENTION, FASHION_FIXED, HELD_OUT, JUDGES, PAIRS, WITH_GRADIENTS

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# u(x) is the standard deviation of the log-odds q(x) over retrainings. You have one trained network and compute one number per
# image. **How strongly can it correlate, over images, with ln u²(x): 0.1, 0.4, or 0.8?**

# %% [markdown]
# ## The idea
#
# Another training ends at other weights, θ + δθ. If δθ is small and random with covariance Σ, the prediction q moves by
# $g^\mathsf{T} \delta\theta$, with
#
# $$ g(x) = \frac{\partial q(x;\theta)}{\partial\theta}, \qquad \mathrm{Var}\, q(x) \approx g^\mathsf{T} \Sigma\, g . $$
#
# The gradient g takes one backward pass. Σ is not known. The classical guess [1] is that weights move far in directions that
# the training data do not fix, and little in directions that they fix. The *Fisher matrix* F measures how strongly the data
# fix each direction. It is the mean of $\nabla \ln p(y^*)\, \nabla \ln p(y^*)^\mathsf{T}$ over training inputs, with labels y* drawn from the network. So
# $\Sigma \propto F^{-1}$, and the **gradient distance** of an input is
#
# $$ h(x) = \ln\, g^\mathsf{T} (F + r I)^{-1} g . $$
#
# The ridge r keeps the inverse finite. If the guess holds, ln u² = constant + h, a line of slope one.
#
# ## The smallest case: a linear model, with known truth
#
# $f(x) = w^\mathsf{T} x$ with ten weights, fitted to 1 000 examples $y = \sum_j x_j + \mathrm{noise}$, the noise with σ = 0.5.
# Here g = x, and with normal noise $F = X^\mathsf{T} X / n$, up to σ². A seed draws the noise of the labels. Least squares then
# has the covariance $\sigma^2 (X^\mathsf{T} X)^{-1} = (\sigma^2/n)\, F^{-1}$, exactly. So
# $\operatorname{Var} f(x) = (\sigma^2/n)\, g^\mathsf{T} F^{-1} g$. All 200 retrainings are one call of `lstsq`.

# %%
torch.manual_seed(0)
n, d, sigma = 1000, 10, 0.5
widths = torch.logspace(0, -0.7, d)  # the ten inputs differ in size
X, truth = torch.randn(n, d) * widths, torch.ones(d)
# each test input leans to other directions:
tilts = torch.exp(torch.randn(300, 1) * torch.linspace(-1, 1, d))
x = torch.randn(300, d) * widths * tilts

F = X.T @ X / n
h = (x @ torch.linalg.inv(F) * x).sum(1).log()

labels = (X @ truth)[:, None] + sigma * torch.randn(n, 200)  # one column for each seed
weights = torch.linalg.lstsq(X, labels).solution
variance = (x @ weights).var(1)
slope = np.polyfit(h, variance.log(), 1)[0]
level = float((variance.log() - h).mean())
print(f"slope of ln s² on h: {slope:.3f}")
print(f"level {level:.2f}, in theory ln(σ²/n) = {np.log(sigma**2 / n):.2f}")
assert abs(slope - 1) < 0.05

# %% [markdown]
# ### The same model, trained by stochastic gradient descent
#
# Now the labels stay as they are, and a seed draws the *batches*. 200 trainings run side by side, one row of `w` each, at a
# constant learning rate η with batches of B = 8. We keep two results: the last weights, and the mean of the weights over the
# last T steps. Both have a known covariance, as long as η is small:
#
# | result | covariance | variance of a prediction |
# |---|---|---|
# | mean of T steps | $\sigma^2/(BT) \cdot F^{-1}$ [2] | $\propto g^\mathsf{T} F^{-1} g$ |
# | last weights | $\eta\sigma^2/(2B) \cdot I$ [3] | $\propto g^\mathsf{T} g$: F has dropped out |

# %%
y, eta, batch, steps, settled = labels[:, 0], 0.1, 8, 2500, 800
w, mean = torch.zeros(200, d), torch.zeros(200, d)
for step in range(steps):
    rows = torch.randint(n, (200, batch))
    drawn = X[rows]
    error = (drawn @ w[:, :, None])[:, :, 0] - y[rows]
    w -= eta / batch * (error[:, None] @ drawn)[:, 0]
    if step >= settled:
        mean += w / (steps - settled)

ends = {
    "labels drawn anew": variance,
    "SGD, mean of steps": (x @ mean.T).var(1),
    "SGD, last weights": (x @ w.T).var(1),
}
size = x.square().sum(1).log()  # ln gᵀg
table = {}
for name, found in ends.items():
    table[name] = {
        "slope on h": np.polyfit(h, found.log(), 1)[0],
        "correlation with h": np.corrcoef(h, found.log())[0, 1],
        "correlation with ln gᵀg": np.corrcoef(size, found.log())[0, 1],
    }
course.table(table, "ln s² of 200 retrainings", digits=2)

# %%
distance = h.exp().numpy()
line = np.array([distance.min(), distance.max()])
factors = {
    "labels drawn anew": sigma**2 / n,
    "SGD, mean of steps": sigma**2 / (batch * (steps - settled)),
}
figure = lessons.clouds(
    {name: (distance, found.numpy()) for name, found in ends.items()},
    {name: {"theory": (line, factor * line)} for name, factor in factors.items()},
    x="gᵀF⁻¹g",
    y="variance over retrainings",
    log=True,
    source="computed, linear model, 200 retrainings, 300 inputs",
    title="gᵀF⁻¹g is the variance for two kinds of seed, not for the third",
)
course.save_live(figure, "11_linear")

# %% [markdown]
# **What we see.** Each point is an input. The black lines are theory, with nothing fitted. If labels are drawn anew, or if
# steps are averaged, the variance *is* $g^\mathsf{T} F^{-1} g$, times a factor. The factor differs between the two panels by
# more than ten, and the gradients don't show it. At a constant learning rate the last weights scatter alike in all directions.
# There only the length of g matters, not F. We don't know beforehand which case a real network resembles. A schedule that
# lowers the learning rate to zero has much the same effect as averaging. So h is a *covariate*: a pattern over inputs.
# Retrainings must test it, and must give its slope and its level.

# %% [markdown]
# ## A network with a simple gradient
#
# Softmax regression has logits z = Wx + b. The chain rule gives g as a product of two factors:
#
# $$ \frac{\partial q}{\partial z_k} = \begin{cases} 1 & k = c \\ -p_k/(1-p_c) & k \ne c \end{cases}, \qquad
#    \frac{\partial q}{\partial W_{kj}} = \frac{\partial q}{\partial z_k}\, x_j . $$
#
# Its F is the mean of $(\operatorname{diag} p - p p^\mathsf{T}) \otimes x x^\mathsf{T}$ over training inputs. Here we sum over the labels instead of drawing them.

# %%
small = ln.load("digits")
net = ln.network("mlp", small, depth=0)
linear = ln.fit(net, small, seeds=range(1), recipe=ln.Recipe(epochs=10, batch=64), progress=False)


def distance_of_last_layer(z, p, features, training_features, chosen):
    """Return h from the logits z, and from the probabilities p of the training inputs."""
    features, training_features = (
        torch.nn.functional.pad(part, (0, 1), value=1.0).double()  # the bias is one more input
        for part in (features, training_features)
    )
    others = z.scatter(1, chosen[:, None], -torch.inf).softmax(1)  # p_k/(1 − p_c), safe for p_c near 1
    by_z = torch.nn.functional.one_hot(chosen, z.shape[1]) - others
    g = (by_z[:, :, None] * features[:, None]).flatten(1)
    of_logits = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    F = torch.einsum("nij,na,nb->iajb", of_logits, training_features, training_features)
    F = F.reshape(g.shape[1], g.shape[1]) / len(p)
    r = 0.01 * F.trace() / 2048  # the library's F has 2 048 rows: a hundredth of its mean eigenvalue
    return (g @ torch.linalg.inv(F + r * torch.eye(len(F))) * g).sum(1).log().numpy()


module = linear.module(linear[0])
z = module(small.test.images).detach().double()
p = module(small.train.images).detach().double().softmax(1)
inputs, training_inputs = small.test.images.flatten(1), small.train.images.flatten(1)
chosen = z.argmax(1)
by_hand = distance_of_last_layer(z, p, inputs, training_inputs, chosen)

# %% [markdown]
# ### By library
#
# `gradient_distance` takes any `nn.Module`, with all its layers. It draws the labels. It stores each gradient as a *count
# sketch* of 2 048 numbers, so that F stays a small matrix: each parameter goes to one of 2 048 sums with a random sign. Inner
# products stay the same on average. Here each of the 650 weights has its own sum.

# %%
seen = gradient_distance(
    linear, linear[0], small.test.images, chosen.numpy(), training_images=small.train.images, seed=0
)
apart = np.abs(by_hand - seen.distance)
assert apart.max() < 0.5
print(f"h between {by_hand.min():.1f} and {by_hand.max():.1f} by hand")
print(f"difference to the library: {apart.mean():.2f} on average, {apart.max():.2f} at most")

# %% [markdown]
# The difference comes from drawing labels: the library uses no more than 5 000 gradients.
#
# ## A perceptron, and 24 retrainings that judge
#
# Now we take a perceptron, for which no formula is known. We train it once and compute its h. Then we train it 24 times more with
# other seeds. These *judges* stand for the truth.

# %%
quick = profile == "quick"
data = ln.load("mnist5k" if quick else "mnist")
net = ln.network("mlp", data, width=64)
recipe = ln.Recipe(epochs=10) if quick else ln.Recipe(epochs=5, batch=256, learning_rate=0.2)
mine = ln.fit(net, data, seeds=range(1), recipe=recipe, progress=False)
judges = ln.fit(net, data, seeds=range(100, 124), recipe=recipe, progress=False)

images = data.test.images[:2000]
chosen = mine.predict(images)[0].argmax(1).numpy()
q_fixed = ln.log_odds(judges.predict(images).numpy(), chosen)
log_variance = np.log(q_fixed.var(0, ddof=1))
right = judges.predict(images).argmax(2) == data.test.labels[:2000]
print(f"{data.title}: {len(judges)} judges, "
      f"{right.float().mean():.1%} of {len(images)} test images right")

# %%
part = data.train.images[:20_000]
seen = gradient_distance(mine, mine[0], images, chosen, training_images=part, seed=0)
h = seen.distance
correlation = np.corrcoef(h, log_variance)[0, 1]
slope, level = np.polyfit(h, log_variance, 1)
noise = polygamma(1, (len(judges) - 1) / 2)  # variance of ln s² for one and the same u: ψ₁(ν/2)
ceiling = np.sqrt(1 - noise / log_variance.var())
print(
    f"{mine.n_parameters} weights; slope of ln s² on h {slope:.2f}, correlation {correlation:.2f}"
)
print(f"correlation of the exact u(x) with ln s² of {len(judges)} retrainings: {ceiling:.2f}")

# %% [markdown]
# ### The last layer alone
#
# A classical shortcut uses the last layer only. The last layer is a softmax regression on the features of the layers below,
# so the same function applies, with features in place of inputs.

# %%
with mine.lend(mine[0]) as module, torch.no_grad():
    features, training_features = (module[:-1](inputs) for inputs in (images, part[:5000]))
    z, p = module(images).double(), module(part[:5000]).double().softmax(1)
last = distance_of_last_layer(z, p, features, training_features, torch.from_numpy(chosen))
points, lines, rows = {}, {}, {}
for name, values in (("all layers", h), ("last layer alone", last)):
    fitted, ends = np.polyfit(values, log_variance, 1), np.array([values.min(), values.max()])
    points[name] = values, log_variance
    lines[name] = {
        "fitted": (ends, np.polyval(fitted, ends)),
        "slope one": (ends, ends + (log_variance - values).mean()),
    }
    found = np.corrcoef(values, log_variance)[0, 1]
    rows[name] = {"slope": fitted[0], "correlation with ln s²": found}
course.table(rows, digits=2)

# %%
figure = lessons.clouds(
    points,
    lines,
    x="gradient distance h",
    y=f"ln s² of {len(judges)} retrainings",
    source=f"{data.title}, MLP, {len(judges)} retrainings, {len(images)} test images",
    title="One network predicts which images scatter",
)
course.save_live(figure, "11_all_layers")

# %% [markdown]
# **What we see.** Each point is a test image. One network, trained once, predicts which images scatter in independent trainings.
# Compare the correlation with your guess, and with that of the exact u(x): the noise of the judges explains why even the exact u(x)
# would not reach 1. With all layers the fitted slope is close to one, the classical guess. The four stored networks of the next table have 0.92 to 1.12, those on FashionMNIST
# about 0.8.
#
# **Trap: the classical shortcut.** With the last layer alone the cloud is wider and flatter. A retraining also changes the
# features, and the last layer treats them as fixed.
#
# ## Trap: the level is not universal
#
# Suppose that slope one and one level held everywhere. Then one training would give u(x) with its scale. But each pair of data
# and network in the stored studies has its own slope and level (the mean of ln s² − h):

# %%
pairs = {pair.label: ln.load_result(f"{pair.key}-geometry") for pair in WITH_GRADIENTS}
levels = {"live": (log_variance - h).mean()} | {
    name: result.numbers["level"] for name, result in pairs.items()
}
rows = {
    "live": {
        "slope": slope,
        "level": levels["live"],
        "correlation": correlation,
        "retrainings": len(judges),
    }
}
for name, result in pairs.items():
    n = result.numbers
    rows[name] = {key: n[key] for key in ("slope", "level", "correlation")} | {
        "retrainings": n["n"]
    }
spread = np.std([value for name, value in levels.items() if name != "live"], ddof=1)
print(
    f"standard deviation of the level over the stored pairs: {spread:.1f}, "
    f"a factor of {np.exp(spread / 2):.1f} in u"
)
course.table(rows, digits=2)

# %% [markdown]
# **The cure.** The pattern over images comes from h. The scale comes from the retrainings at hand; two are enough.
#
# For one training, a better yardstick than h is the standard deviation of q *over images*, which one network shows. How
# large is a typical u compared with it? Every network with many retrainings answers this, since only q is needed:

# %%
ratios, later = tables.levels(), tables.judged_levels()
n_networks = sum(map(len, ratios.values())) + len(later)
figure = lessons.levels(
    ratios,
    later,
    source=f"All stored retrainings of {n_networks} networks, calibration images",
    title="How large is u beside the spread of q over images?",
)
course.save(figure, "11_levels")

# %% [markdown]
# **What we see.** First the filled dots. All nine networks with convolutions lie between 0.3 and 0.45, whatever the data and the
# accuracy. The perceptrons lie lower on average, and differ more from one another: from 0.2 to 0.4. (Vertical lines are the geometric means of
# the filled dots. Digits, garments, wine and breast cancer are small data sets with perceptrons.) So one network seems
# to give a fair guess of u(x): take the mean level of its kind, and the degrees of freedom from the spread of the
# dots. This is the rule of `ln.state` for a single training.
#
# **Trap: a rule that was found by looking.** The two kinds were distinguished after these dots had been seen. Two networks on new
# data, FashionMNIST (hollow), were trained later. Both lie to the left of all others of their kind: the rule was too certain, and a
# single network can't show this. The library now learns from all sixteen dots.
#
# **A better yardstick: a companion.** Train another seed for three tenths of the epochs. Predict q of the network from q of
# this *companion*, by a straight line over images. The residual contains the scatter of both. How large is a typical u compared
# with the residual?

# %%
factors, after = tables.yardsticks()
figure = lessons.yardsticks(
    factors,
    after,
    source=f"{len(next(iter(factors.values())))} networks, each without its own level",
    title="A companion shows the scale of one training",
)
course.save(figure, "11_yardsticks")

# %% [markdown]
# **What we see.** Each dot is a network whose scale is borrowed from the others; hollow ones had no part in the rule. Compared with
# the spread of q over images, u of later networks is wrong by up to a factor of 2.7; compared with that over the epochs of a
# training, by up to 2.2. Compared with a companion it is within a factor of 1.4. The price is three tenths of a training. (The lonely
# dot is breast cancer, 150 patients to compare on.) These are the yardsticks alone. In a statement the borrowed pattern adds its own
# error, and the factor reached 1.6 (`13_appendix`).
#
# ## The statement from two trainings, and from one
#
# By default `ln.state` uses three groups of covariates: gradient distance, outputs and classes. Two networks alone could not
# determine all coefficients. So the coefficients shrink towards those of *other pairs*, for which many retrainings are stored.
# This is a **prior of other pairs**. The package contains one.
#
# The outputs are four numbers for each image. *Log-sum-exp* is $\ln \sum_k e^{z_k}$ of the logits z, *ln Mahalanobis* the logarithm
# of a distance in the last layer, from the features of the training images. Each covariate is *standardised*: minus its mean over
# inputs, divided by its standard deviation. So a coefficient is per standard deviation. Only the gradient distance keeps its unit.
# (Class means and squares are left out.)

# %%
learned = ln.retraining.shipped_prior()
studies = [name for name in learned.provenance["studies"] if name.endswith("-geometry")]
studies = ", ".join(name.removesuffix("-geometry") for name in studies)
rows = {}
for k, name in enumerate(learned.names):
    if not name.startswith("class mean"):
        spread = learned.spread[learned.groups[k]][0]
        rows[name] = {"coefficient": learned.mean[0][k], "sd from pair to pair": spread}
course.table(rows, f"Learned on {studies}", digits=3)

# %% [markdown]
# One unit more of h raises ln u² by 0.83, nearly the slope of the table above.
#
# **Trap: a borrowed coefficient has a unit.** h scatters twice as much over the images of FashionMNIST as over those of MNIST. A slope
# that is borrowed per *standard deviation* would be half as steep there as it should be.

# %%
two = ln.state(net, data, seeds=range(2), recipe=recipe, progress=False)
two

# %% [markdown]
# One training shows no spread at all. But h gives the pattern, and the shipped prior gives slope and scale, relative to the
# variation of q from image to image. In terms of the GUM [4] this is a **Type B evaluation**: nothing was repeated, other
# knowledge is used. The scale differs from pair to pair; $\nu_\mathrm{eff}$ includes this uncertainty.

# %%
single = ln.state(net, data, seeds=range(1), recipe=recipe, progress=False)
single

# %% [markdown]
# With `companion=True`, a short training from another seed shows the scale:

# %%
compared = ln.state(
    net, data, seeds=range(1), companion=True, recipe=recipe, progress=False
)
for line in ("prior", "cost"):
    print(textwrap.fill(f"{line}: {compared.facts()[line]}", 90))

# %% [markdown]
# ### Judged by 24 retrainings
#
# Neither statement has used the judges.

# %%
predicted = judges.predict(data.test.images).numpy()
covered, rows, points, lines = {}, {}, {}, {}
stated = {"two trainings": two, "one training": single, "one and a companion": compared}
for name, statement in stated.items():
    q = ln.log_odds(predicted, statement.chosen)
    low, high = statement.evaluation.interval()
    inside, true = (q >= low) & (q <= high), q.std(0, ddof=1)
    fifths = np.array_split(np.argsort(statement.u), 5)
    covered[name] = inside.mean(1)
    rows[name] = {
        "inside (%)": 100 * inside.mean(),
        "by fifth of the stated u (%)": ", ".join(
            f"{100 * inside[:, k].mean():.0f}" for k in fifths
        ),
        "mean length (nat)": (high - low).mean(),
        "stated σ̃ / true u": np.exp(np.log(statement.evaluation.scale / true).mean()),
        "ν_eff": statement.dof,
    }
    if statement is not compared:
        points[name] = true, statement.u
        lines[name] = {"equal": (np.sort(true)[[0, -1]], np.sort(true)[[0, -1]])}
course.table(rows, "95 % intervals, and the further retrainings inside", digits=2)

# %%
figure = lessons.clouds(
    points,
    lines,
    x=f"u(x) of {len(judges)} other retrainings (nat)",
    y="stated u(x) (nat)",
    log=True,
    source=f"{data.title}, MLP, {len(judges)} other retrainings",
    title="Stated from two trainings, and from one",
)
course.save_live(figure, "11_stated")

# %% [markdown]
# **What we see.** The intervals from two trainings contain about 95 % of further retrainings, as do those from one and a companion.
# Those from one training contain somewhat fewer. With one training $\nu_\mathrm{eff}$ is much lower, since the whole scale is
# borrowed; a companion raises it. (σ̃ is the estimate of u. The u of a statement is larger: it is the standard deviation of Student's t
# with $\nu_\mathrm{eff}$ degrees of freedom.) Both clouds are flatter than the black line of equal u, for two reasons. The first is
# shrinkage: if little is known, the smallest stated u is too high and the largest too low. $\nu_\mathrm{eff}$ includes this. The
# second is the noise of the 24 judges, which widens the horizontal axis: even the exact u would show a flatter cloud.
#
# The single training has an advantage here. The pairs of the shipped prior include MNIST with a wider perceptron of the same
# kind. The tables under *At full size, on every pair* always leave the judged pair out of the prior.
#
# ## Trap: a scale that is borrowed from different networks
#
# The pairs of the prior are networks that were trained to the end, on 45 000 images and more. Take small digits, and stop
# after two epochs. A single network does not show that the borrowed scale is wrong.

# %%
net = ln.network("mlp", small, width=32)
rows = {}
for epochs, m, beside in ((30, 1, False), (2, 1, False), (2, 1, True), (2, 2, False)):
    short = ln.Recipe(epochs=epochs, batch=64)
    how = {"seeds": range(m), "companion": beside, "recipe": short, "progress": False}
    statement = ln.state(net, small, **how)
    more = ln.fit(net, small, seeds=range(100, 112), recipe=short, progress=False)
    further = more.predict(small.test.images)
    right = (further.argmax(2) == small.test.labels).float().mean()
    q = ln.log_odds(further.numpy(), statement.chosen)
    low, high = statement.evaluation.interval()
    rows[f"{epochs} epochs, from {m}{' and a companion' * beside}"] = {
        "right (%)": f"{100 * right:.0f}",
        "inside (%)": f"{100 * ((q >= low) & (q <= high)).mean():.0f}",
        "stated σ̃ / true u": np.exp(np.log(statement.evaluation.scale / q.std(0, ddof=1)).mean()),
    }
course.table(rows, digits=2)

# %% [markdown]
# **What we see.** After 30 epochs the borrowed scale is about a third too small. The large factor t of few degrees of freedom still
# keeps nine in ten retrainings inside. After two epochs the predictions scatter nearly four times as widely as the borrowed scale
# claims, and half of the retrainings are outside. A companion corrects most of the error, a second training more of it, not all. This is one set of two networks, judged on 200 inputs
# that move together (exercise 2). The u of a single set can be wrong by that much. **The cure.** Borrow a scale only for a network like those
# of the prior. If in doubt, train twice.
#
# ## At full size, on every pair
#
# REN is the number of plain retrainings that would give u(x) as well (`07_retraining_uncertainty`). Each pair below has tens of
# retrainings. The prior is always learned on the *other* pairs. "All" means outputs, classes and gradient distance. The last row
# is not a method: it takes h of one network with slope one, and the level from all retrainings. It shows the worth of the
# pattern if the scale were known.

# %%
ROWS = {
    "constant": "constant",
    "gradient distance": "gradient distance",
    "all": "outputs, classes, gradient distance",
    "all, prior of other pairs": "prior of other pairs",
}
table, rows = {}, {}
for name, result in pairs.items():
    n = result.numbers
    table[name] = {row: dict(n["test"][key]) for row, key in ROWS.items()}
    table[name]["all, prior of other pairs"]["1"] = n["one network, borrowed scale"]
    table[name]["slope 1, level known"] = {"1": n["one network"]}
    for row, by_m in table[name].items():
        inside = [f"{by_m[m]['coverage'].value:.1f}" for m in sorted(by_m)]
        rows[f"{name}: {row}"] = {f"M = {m}": tables.ren_of(by_m[m]) for m in sorted(by_m)}
        rows[f"{name}: {row}"]["inside (%)"] = ", ".join(inside)
columns = ["M = 1", "M = 2", "M = 3", "inside (%)"]
frame = pd.DataFrame.from_dict(rows, orient="index")[columns]
course.table(frame, "REN; coverage of 95 % intervals, in the order of the columns")

# %%
figure = figures.covariate_worth(
    {
        name: {row: tables.triple_of(m, sorted(m)) for row, m in ways.items()}
        for name, ways in table.items()
    },
    source="MNIST and CIFAR-10, test images, held-out retrainings; bars: 95 % intervals",
    title="What few trainings are worth with the gradient distance",
)
course.save(figure, "11_geometry")

# %% [markdown]
# **What we see.** Circles and triangles are two and three trainings, black diamonds a single one. Dotted lines are plain Type A
# evaluations; the dashed line is 30.
#
# - *Two trainings and gradient distance alone* are worth 59 and 28 plain trainings on MNIST, and 65 and 62 on CIFAR-10. That is from
#   twice to more than six times as many as with a constant prior.
# - *Outputs and classes* in addition lower the point estimate of REN on each pair: two networks can't determine so many coefficients. The
#   prior of the other pairs raises it again on each pair. The intervals overlap widely with those of gradient distance alone.
# - *One training with a borrowed scale* is worth 20 to 41 here. Gate G9 asks for 20, with a coverage near 95 %. It passes on two
#   pairs of the four. On the other two the borrowed scale is too high, and the intervals are too long.
#
# ### Two pairs that were held out
#
# Slope and groups were chosen with these four pairs in view, so the table is optimistic. Two fast networks came later, a CNN on
# CIFAR-10 and a residual network on CIFAR-100. We judged the prior of the four others on each of them once.

# %%
rows = {}
for pair in HELD_OUT:
    rows |= tables.by_trainings(pair, ROWS)
frame = pd.DataFrame.from_dict(rows, orient="index")[columns]
course.table(frame, "REN; coverage of 95 % intervals, in the order of the columns")

# %% [markdown]
# **What we see.** The prior also works for networks that were not used to learn it, even with a hundred classes: two trainings
# are worth 69 and 98. One training is worth 34 and 43. (> 300: the judges are too few to bound REN.)
#
# ### A network of another kind
#
# Perceptrons and networks with convolutions were all trained by SGD. Twenty later networks use *attention* between the patches of an
# image [5], and were trained by AdamW on FashionMNIST. They were brought in as your own would be: a builder, a data set with 1 200
# calibration images, and the prior that the package contains.

# %%
rows = tables.by_trainings(FASHION_ATTENTION, ROWS)
frame = pd.DataFrame.from_dict(rows, orient="index")[columns]
course.table(frame, "REN; coverage of 95 % intervals, in the order of the columns")

# %% [markdown]
# **What we see.** The coverage is near 95 %, as on the other networks. But the gradient shows less: two trainings are worth 9 with it alone,
# and 14 with outputs and classes, where a constant prior gives 6. Three are worth 18, an error of u of 18 %.
#
# What does the gradient miss there? With many retrainings we can ask. We average h over the players and fit a line to ln s²
# against h. Then we sort the images by their log-odds into tenths, and look at the mean of what the line leaves in each. Architecture
# and optimiser were changed together. So we add twenty networks in which only the attention is gone: a learned matrix mixes the patches
# of all images alike [6], under AdamW as before.

# %%
groups = {"MNIST and CIFAR": PAIRS, "FashionMNIST": (*JUDGES, FASHION_ATTENTION, FASHION_FIXED)}
figure = lessons.beyond_gradients(
    {data: tables.beyond_gradients(some) for data, some in groups.items()},
    source="retrainings on calibration images, h of all players; bars: 95 % intervals",
    title="Where u(x) is larger or smaller than its gradient predicts",
)
course.save(figure, "11_beyond_gradients")

# %%
rows = tables.explained([*WITH_GRADIENTS, *HELD_OUT, *groups["FashionMNIST"]])
course.table(rows, "Variance of ln u² over images that covariates of all players explain, in %")

# %% [markdown]
# **What we see.** The table gives the share of the variance of ln u² over images that a linear fit explains; the noise of ln s² is
# subtracted, and the brackets hold the uncertainty over retrainings. On MNIST and CIFAR the gradient tells nearly all: h
# explains 84 to 96 % (the wide CNN is in the table only), and what the line leaves hardly depends on the log-odds. On FashionMNIST's perceptron and CNN it
# explains 87 and 90 %. On the attention network it explains 62 %, and the line fails at both ends: u of disputed images is larger than
# their gradient predicts, u of images with high log-odds smaller, by a factor of 2 between the ends. The log-odds of that network end near 7,
# where retrainings agree best, although the gradient is as large as elsewhere. Given the log-odds as well, the share is 88 %.
#
# With the fixed mixing h explains 87 %, as on the perceptron. It is the attention, then: it weights the patches of each image by what
# they show, and the gradient describes that less well. **The cure.** Keep outputs and classes among the covariates, as `state` does. With
# the prior of other pairs they cost little where the gradient tells nearly all, and they supply a part of what it misses.
#
# A statement relies on how other networks behaved. On a new kind of network, check one statement against a few
# further trainings.
#
# `13_appendix` has more: the networks that judge the rules for one training and for a companion, nine networks that judge the
# borrowed pattern, and what each further purchase adds to the gradient distance: one more training adds most.
#
# ## Exercises
#
# ### Exercise 1: the ridge
#
# The ridge r is a free choice. Over how many powers of ten does it hardly matter? `gradient_distance` takes it as
# `ridge=`, a fraction of the mean eigenvalue of F.

# %% tags=["solution"] jupyter={"source_hidden": true}
asked = {"training_images": part, "seed": 0}
rows = {}
for r in (1e-4, 1e-2, 1.0, 100.0):
    distances = gradient_distance(mine, mine[0], images, chosen, ridge=r, **asked).distance
    fit = np.polyfit(distances, log_variance, 1)[0]
    rows[f"r = {r:g}"] = {"slope": fit, "correlation": np.corrcoef(distances, log_variance)[0, 1]}
course.table(rows, digits=2)
# From 10⁻⁴ to 1, four powers of ten, the correlation hardly changes.
# With a larger r, h comes close to ln gᵀg, which does not depend on F.

# %% [markdown]
# ### Exercise 2: inputs that move together
#
# Two inputs share their retrainings. In the linear model $g_i^\mathsf{T} F^{-1} g_j$ predicts how f(xᵢ) and f(xⱼ) move *together*. Compute the
# correlations that it predicts for the first 50 inputs, and those of the 200 retrainings. How many independent inputs are all
# 300 worth, $1/n_\mathrm{eff}$ = mean of $r^2_{ij}$? Why can't it be more than about ten?

# %% tags=["solution"] jupyter={"source_hidden": true}
kernel = x @ torch.linalg.inv(X.T @ X / len(X)) @ x.T
predicted = kernel / kernel.diag().outer(kernel.diag()).sqrt()
measured = torch.corrcoef(x @ weights)
apart = (predicted - measured)[:50, :50].std()
print(f"correlations of the first 50: typical difference {apart:.3f}")
print(f"by chance at most 1/√200 = {200**-0.5:.3f}")
by_retrainings = ln.retraining.effective_number((x @ weights).T.numpy())
print(
    f"n_eff by gradients {1 / predicted.square().mean():.1f}, by retrainings {by_retrainings:.1f}"
)
# It can't be more than about ten: all 300 predictions are sums of the same ten weights.

# %% [markdown]
# ### Exercise 3: how well is a borrowed scale known?
#
# The shipped prior gives one training of a perceptron ν degrees of freedom, `learned.levels["fully connected"][1]`. What is the
# relative standard uncertainty of u, $1/\sqrt{2\nu}$? How many plain retrainings know u as well? Compute both by hand and by
# library.

# %% tags=["solution"] jupyter={"source_hidden": true}
nu = learned.levels["fully connected"][1]
relative = 1 / np.sqrt(2 * nu)
assert np.isclose(ln.retraining.relative_uncertainty(1, prior_dof=nu), relative)
print(f"ν = {nu:.1f}: u is known to {relative:.0%}, as from {1 + nu:.1f} plain retrainings")
print(f"needed for that without a prior: {ln.retrainings_needed(relative)} trainings")
# By its degrees of freedom the statement claims to be worth four plain trainings. The measured worth was 20 to 43
# on six networks, whose level was near that of the prior, and 3 to 8 on three whose level was not. One network
# can't show which case it is. (The page says 48 %, the root mean square of the error of ln σ̃ by the model: for so few
# degrees of freedom, $1/\sqrt{2\nu}$ is too small.)

# %% [markdown]
# ### Exercise 4: break it
#
# Compute h for an *untrained* network, at its initial weights. It has gradients and a Fisher matrix, too. Does h predict the
# scatter?

# %% tags=["solution"] jupyter={"source_hidden": true}
torch.manual_seed(0)
net = ln.network("mlp", data, width=64)
fresh = ln.members(net, [net()], data)
untrained = gradient_distance(fresh, fresh[0], images, chosen, training_images=part, seed=0)
found = np.corrcoef(untrained.distance, log_variance)[0, 1]
print(f"correlation with ln s²: {found:+.2f} untrained, {correlation:+.2f} trained")
# It does not: the pattern is learned.

# %% [markdown]
# ### Exercise 5: your own network
#
# Take a builder and data of your own. Train once and compute h. What is its correlation with ln s² of a dozen retrainings?
# Here, a small convolution on small digits stands in for yours.

# %% tags=["solution"] jupyter={"source_hidden": true}
def yours():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 10)
    )


brief = ln.Recipe(epochs=15, batch=64)
inputs = small.test.images
one = ln.fit(yours, small, seeds=range(1), recipe=brief, progress=False)
twelve = ln.fit(yours, small, seeds=range(100, 112), recipe=brief, progress=False).predict(inputs)
decided = one.predict(inputs)[0].argmax(1).numpy()
geometry = gradient_distance(one, one[0], inputs, decided, training_images=small.train.images, seed=0)
scatter = np.log(ln.log_odds(twelve.numpy(), decided).var(0, ddof=1))
found = np.corrcoef(geometry.distance, scatter)[0, 1]
print(f"correlation of h with ln s² of 12 retrainings: {found:.2f}")
# A variance of twelve values is noisy, so that even the true ln u² would not reach 1.

# %% [markdown]
# ## Summary
#
# The gradient of a prediction, with its length measured by the Fisher matrix of the training data, predicts from one
# network which predictions retraining
# moves. In a linear model this is a theorem, for some kinds of seed. In a real
# network it is an
# observation. All layers are needed. Gradient distance gives the pattern, not the scale. The scale comes from a second
# training, or is borrowed from other pairs and stated as Type B.
#
# ## What was recorded
#
# The brackets are over images or judges. On another machine the same seeds give other networks, whose scatter the
# brackets exclude: *no* marks sets of networks that differ by more than the brackets allow.

# %%
n = len(judges)
correlations, slopes = [], []
for k in range(n):  # leaving out one judge at a time
    left_out = np.log(np.delete(q_fixed, k, axis=0).var(0, ddof=1))
    correlations.append(np.corrcoef(h, left_out)[0, 1])
    slopes.append(np.polyfit(h, left_out, 1)[0])
course.record(
    "11_local_geometry",
    profile,
    {
        "correlation of h with ln s²": ln.Estimate(
            np.mean(correlations), np.sqrt(n - 1) * np.std(correlations)
        ),
        "slope of ln s² on h": ln.Estimate(slope, np.sqrt(n - 1) * np.std(slopes)),
        "coverage, two trainings": ln.Estimate.mean(100 * covered["two trainings"], unit="%"),
        "coverage, one training": ln.Estimate.mean(100 * covered["one training"], unit="%"),
    },
    data=data,
)

# %% [markdown]
# ## References
#
# 1. MacKay 1992, Neural Computation 4(3), 448: $g^\mathsf{T} H^{-1} g$ as the variance of a prediction.
# 2. Polyak, Juditsky 1992, SIAM J. Control Optim. 30(4), 838: the mean of the steps of stochastic gradient descent.
# 3. Mandt, Hoffman, Blei 2017, arXiv 1704.04289: the stationary covariance of stochastic gradient descent.
# 4. JCGM 100:2008 (GUM), 4.3 and G.4.2: Type B evaluations and their degrees of freedom.
# 5. Dosovitskiy and others 2021, arXiv 2010.11929: attention between the patches of an image.
# 6. Tolstikhin and others 2021, arXiv 2105.01601: a learned matrix between them.
#
# **Next:** `12_measured_values` does the same for values with a unit.
