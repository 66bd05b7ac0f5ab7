# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Retraining uncertainty: u(x) from two or three trainings
#
# **Question.** Train the network again, and its prediction for the same image moves. By how much, for *each* image, and how sure can
# one be of that number, if only two or three trainings can be paid for?
#
# **What you will learn**
# - why the standard deviation of three numbers is a poor u(x), and why Student's t doesn't cure it;
# - *moderation*: all images together tell what single images can't, and how that is written with degrees of freedom;
# - which cheap observations tell beforehand where u(x) is large, and what each of them costs;
# - to judge a stated uncertainty by retrainings that it never saw, and to write the sentence for a certificate.
#
# **Before you start.** `02_uncertainty` (the GUM's words) and `05_mnist` (the reference retrainings, gates); `06_methods` says what SWAG
# and FGE are.
#
# **Minutes.** 35 minutes to read. To compute: under half a minute in the profile `quick`, about two minutes in `standard`, on one
# thread.

# %% tags=["parameters"]
profile = ""

# %%
import numpy as np
from scipy.stats import t as student

import lnescape as ln
from lnescape.retraining import relative_uncertainty
from notebooks import course
from report.studies import figures
from report.studies.dispersion import dithered, reach, satterthwaite

profile = course.profile(profile)

# %% [markdown]
# ## A guess to write down
#
# You have **three** trained networks, and look at everything that can be looked at without training again. How many plain retrainings
# would know u(x) as well: **3, 6, 12, or 30?**

# %% [markdown]
# ## The naive way: the standard deviation of three numbers
#
# The measurand is q, the log-odds of one class, fixed beforehand; u(x) is its standard deviation over retrainings. From M of them one
# has s², with ν = M − 1 degrees of freedom. The stored reference [4] holds 128 retrainings, so that we can play: three of them are the
# method, all others the judge.

# %%
seen = ln.read_study("mnist-mlp")
everything = dithered(seen["log_odds"].values)  # kept in half precision: spread over the step of rounding
q = everything[:, np.isin(seen["part"], ["test"])]
mine, others = q[:3], q[3:]

s = mine.std(0, ddof=1)
truth = others.std(0, ddof=1)
print(f"image 0: s = {s[0]:.2f} nat from three, {truth[0]:.2f} nat from {len(others)} others")
print(f"typical factor between the two: {np.exp(np.abs(np.log(s / truth)).mean()):.2f}")
print(f"relative standard uncertainty of s, in theory 1/√(2ν): {relative_uncertainty(3):.0%}")

# %% [markdown]
# A standard deviation that is known to half its value. The interval that allows for it is Student's:
# q̄ ± t s √(1 + 1/M). The 1 under the root is the next retraining's own scatter, 1/M that of the mean.

# %%
half = student.ppf(0.975, 2) * s * np.sqrt(1 + 1 / 3)
by_hand = mine.mean(0) - half, mine.mean(0) + half
plain = ln.type_a(mine)
assert np.allclose(by_hand, plain.interval(0.95))
inside = (others >= by_hand[0]) & (others <= by_hand[1])
print(f"inside the 95 % interval: {inside.mean():.1%} of the other retrainings")
for k, images in enumerate(np.array_split(np.argsort(s), 10)):
    if k in (0, 4, 9):
        print(f"   images whose s is in decile {k + 1:2}: {inside[:, images].mean():.1%}, half width {half[images].mean():.1f} nat")

# %% [markdown]
# **What we see.** On average 95 %, as promised. But the promise is kept by a swindle: where three numbers happen to lie close together
# the interval is far too short, where they happen to lie apart it is far too long. Nobody who looks at *one* image is told the
# truth. Student's t repairs the average, not the statement.

# %% [markdown]
# ## Moderation: the images help each other
#
# Three networks say little about one image, but they say something about *thousands*. Suppose that before an image is looked at, its
# true variance σ² = u²(x) is known as if d₀ degrees of freedom had shown s₀²: 1/σ² ~ χ²(d₀)/(d₀ s₀²). Then, for each image [1],
#
# $$ \tilde\sigma^2 = \frac{d_0 s_0^2 + \nu s^2}{d_0 + \nu}, \qquad \nu_\mathrm{eff} = d_0 + \nu . $$
#
# An average of what all images say and what this one says, weighted by degrees of freedom. The interval is Student's as before, with σ̃ in
# the place of s and ν_eff in that of ν. d₀ and s₀ together are the *prior*. They are read off the data: if all images had one and the same
# variance, their s² would scatter as χ² does. The more they scatter beyond that, the more the images differ, and the smaller is d₀ (under
# the model s²/s₀² follows Fisher's F(ν, d₀)). The prior is fitted on *other* images, those for calibration; it needs no labels.

# %%
calibration = np.isin(seen["part"], ["calibration"])
fitted = everything[:3, calibration]
nothing = np.empty((fitted.shape[1], 0))
prior = ln.fit_prior(fitted.var(0, ddof=1), 2, nothing)
print(f"d₀ = {prior.dof:.1f}: a common s₀ = {np.sqrt(prior.variance(nothing)[0]):.2f} nat is worth that many retrainings")

together = ln.moderated(mine, prior, np.empty((mine.shape[1], 0)))
d0, s0 = prior.dof, np.sqrt(prior.variance(np.empty((1, 0)))[0])
by_hand = np.sqrt((d0 * s0**2 + 2 * s**2) / (d0 + 2))
assert np.allclose(by_hand, together.scale)
low, high = together.interval()
inside = (others >= low) & (others <= high)
print(f"inside: {inside.mean():.1%}; by decile of σ̃: "
      + ", ".join(f"{inside[:, images].mean():.1%}" for images in np.array_split(np.argsort(together.scale), 10)))

# %% [markdown]
# **What we see.** Now each decile keeps the promise. The intervals hardly differ between images, though: a constant prior knows no image
# from another. To do better it must be told something about x. In the formula that is ln s₀²(x) = a + b·h(x), with **covariates** h(x),
# anything that can be observed without the truth. Where the images say little about a coefficient b, it is pulled towards zero
# (*shrinkage*). The groups of covariates:
#
# | group | what is looked at | further trainings |
# |---|---|---|
# | outputs | mean log-odds, logits, distance in the last layer | 0 |
# | classes | which class it is | 0 |
# | neighbourhood | spread of q when the image is moved by pixels | 0 |
# | training path | spread of q over the epochs' ends: the path that training itself walked | 0 |
# | noise | spread of q under noise on the weights | 0 |
# | differences | how the M networks differ in *other* quantities: on moved images, for other classes, at earlier epochs | 0 |
# | gradient distance | size of q's gradient in the metric of the Fisher matrix (`11_local_geometry`) | 0 |
# | bursts | spread of q over short restarts at a raised learning rate | some |
# | line, curve, simplex | spread of q along learned paths | 1 and more |
# | proxies | spread of q over cheap retrainings of a *narrower* network | some |
#
# Their scale may be wrong; the M real retrainings set it. What counts is their pattern over images.

# %% [markdown]
# ## Live: one call
#
# Three trainings, the three covariates that tell the most (outputs, classes, gradient distance), none of which needs a further training,
# and a page that says what is stated.

# %%
data = ln.load("mnist" if profile == "standard" else "mnist5k")
net = ln.network("mlp", data)
fast = {"batch": 256, "learning_rate": 0.2} if profile == "standard" else {}
recipe = ln.Recipe(epochs=10, precision="float32", **fast)
said = ln.state(net, data, seeds=range(3), recipe=recipe, progress=False)
said

# %%
figure = ln.plots.statement(said, title=f"Every prediction with its interval, from {said.evaluation.n} trainings")
course.save_live(figure, "07_statement")

# %%
doubtful = int(np.argsort(-said.flip)[0])
print(said.sentence(doubtful))
print()
print(said.sentence(int(np.argmax(said.evaluation.mean))))

# %% [markdown]
# Three things to know when you read such a page. The u that is stated is the standard deviation of Student's t, which is wider than its
# scale: u = σ̃ √(ν_eff/(ν_eff − 2)) [6]. The risk of another decision is taken from the contrast, as Exercise 2 does for everything. And
# *reservations* are no error. If they speak of a d₀ without bound, three networks see no difference between images beside what the covariates
# tell. `fit_prior` then keeps d₀ finite by an assumption of its own, a prior for 1/d₀ with the mean 0.1.
#
# Is it true, what the page says? Train again, and see whether the new networks fall inside.

# %%
again = ln.fit(net, data, seeds=range(100, 104), recipe=recipe, progress=False)
new = ln.log_odds(again.predict(data.test.images).numpy(), said.chosen)
low, high = said.evaluation.interval()
covered = ((new >= low) & (new <= high)).mean(1)
live_coverage = ln.Estimate.mean(100 * covered, unit="%")
live_u = ln.Estimate.mean(said.u, unit="nat")
print(f"inside the 95 % intervals: {live_coverage} (n = {len(covered)} new networks)")

# %% [markdown]
# Four networks are few judges. The stored studies have 128 and 32.
#
# ## What each covariate is worth
#
# To compare, one number: **REN**, the retraining equivalent number. Let V̂ be any estimate of the variance u²(x). Its error is the mean over
# images of (ln V̂ − ln u²)². If V̂ is the s² of plain retrainings, normal theory gives this error: ψ₁(ν/2) + [ψ(ν/2) − ln(ν/2)]². The first
# term is the variance of ln s² (`05_mnist`). The second is the square of its bias, since ln s² from few retrainings is too low on average
# (ψ, the digamma function, is the derivative of ln Γ). REN is 1 + ν where the two errors agree: *as many plain retrainings would err as much*.
#
# The truth isn't known exactly either. So the errors against two halves of the reference are multiplied: the halves' own noise drops out.
# Plain Type A must come out at REN = M; that is the scale's own test.

# %%
stored = {"MLP": ln.load_result("mnist-mlp-uncertainty"), "CNN": ln.load_result("mnist-cnn-uncertainty")}
first = stored["MLP"].numbers["mixes"]
order = sorted(first, key=lambda row: first[row]["3"]["ren"]["value"])
tables = {name: {row: result.numbers["mixes"][row] for row in order} for name, result in stored.items()}
for name, result in stored.items():
    n = result.numbers
    plain = ", ".join(f"M = {m}: {n['mixes']['none (plain Type A)'][m]['ren']['value']:.2f}" for m in ("2", "3", "4"))
    print(f"{name}: {n['n']} retrainings, {n['networks']} of which play the method in {n['draws']} draws. Plain Type A has REN {plain}")

# %%
def worth(row):
    return {int(m): tuple(own["ren"][end] for end in ("value", "low", "high")) for m, own in row.items() if m != "4"}


source = stored["MLP"].provenance["data"]["title"] + ", test images, held-out retrainings; bars: 95 % intervals"
figure = figures.covariate_worth(
    {name: {row: worth(own) for row, own in table.items()} for name, table in tables.items()},
    source=source,
    title="What covariates make of two and of three retrainings",
)
course.save(figure, "07_covariates")

# %%
for name, table in tables.items():
    print(f"{name}: covariates                   further  passes   M = 2                 M = 3                 M = 4")
    for row, own in table.items():
        rens = [f"{own[m]['ren']['value']:5.1f} [{own[m]['ren']['low']:4.1f}, {own[m]['ren']['high']:4.1f}]" for m in own]
        print(f"   {row:37} {own['3']['further']:5.2f}  {own['3']['passes']:4.0f}    ", "   ".join(rens))

# %% [markdown]
# **What we see.** Dotted lines: plain Type A, 2 and 3; dashed: the 30 that a gate asks for. Your guess: see *all free groups* at M = 3. It is 33
# for the MLP, and 21 for the CNN, with a long bar: nearest to the boldest answer.
#
# - A *constant* prior is worth more than anything two or three numbers can say. By itself it makes them worth three to six times as many.
# - *Outputs* are the strongest single group without further training on the MLP, and cost nothing; the *class* follows, and is as good on the
#   CNN: some digits are learned more steadily than others.
# - *Lines, curves and simplexes* cost a training or more and move the estimate little. Short bursts cost less, and move it as little. (*Further*:
#   trainings beside the M networks, for M = 3. *Passes*: forward passes for each input and network beside that of the prediction. The paths were
#   learned from other networks than the M; all that they cost is charged.)
# - *Proxies* are the strongest exploration on the MLP: forty networks of a sixth of the width scatter over images as the real ones do. The CNN's
#   narrow versions are hardly cheaper than itself, so that few can be paid for, and they bring little.
# - All free groups together beat each alone. Without shrinkage of their coefficients, part of that is lost: all images share the same two networks,
#   and a dozen covariates find patterns in what two networks happen to share.
#
# ### Which group could be left out?

# %%
for name, result in stored.items():
    left = result.numbers["leave_one_out"]
    print(f"{name}: without …          " + "   ".join(f"M = {m}: REN" for m in left))
    for row in left["2"]:
        print(f"   {row if row != 'none' else '(nothing left out)':20}", "       ".join(f"{left[m][row]['ren']['value']:5.1f}" for m in left))

# %% [markdown]
# **What we see.** *Outputs* and *classes* are missed where they are left out: both on the MLP, the classes on the CNN. Without any other single
# group REN changes by less than two, upwards or downwards: what it tells, the others tell as well.
#
# ## What it costs: the line to beat
#
# Every exploration competes with the dullest alternative: *train the real network once more*. The dashed line is REN = cost. Filled symbols
# beat everything that is cheaper.

# %%
def entries(result):
    rows = []
    for e in result.numbers["entries"]:
        name, m = e["name"].rsplit(", M = ", 1)
        told = {"constant": "constant", "all free groups": "all free"}.get(name, "") if m == "2" else ""
        rows.append((int(m), e["trainings"], e["ren"], told))
    return rows


figure = figures.frontier(
    {name: entries(result) for name, result in stored.items()},
    source=source.split(";")[0],
    title="A prior beats more retrainings by far",
)
course.save(figure, "07_frontier")

# %%
for name, result in stored.items():
    print(f"{name}: proxies of …               cost   REN of M = 3: alone   with all free groups   worth of the inputs")
    for row in result.numbers["proxies"]:
        if row["n"] in (10, 40):
            print(f"   {row['n']} of width {row['width']:3}, {row['epochs']:2} epochs  {row['trainings']:5.2f}        {row['alone']['ren']:5.1f}"
                  f"               {row['with_free']['ren']:5.1f}               {row['effective_inputs']:6.0f}")
    print(f"   {name}: bursts of …               cost a network   alone   with all free groups")
    for row in result.numbers["bursts"]:
        print(f"   {row['n']} of {row['epochs']:4} epochs, rate × {row['rate']:3}      {row['trainings']:5.2f}          {row['alone']['ren']:5.1f}"
              f"        {row['with_free']['ren']:5.1f}")
    print(f"   nothing but the free groups:{result.numbers['free']['ren']:45.1f}")

# %% [markdown]
# **What we see.** (These sweeps were judged on calibration images and chose the proxies and bursts of the table above; the test images had no
# say.) More proxies tell more, if they aren't *too* narrow or too short: some of those die, and their scatter is that of dying. (The
# last column is explained under *What has to be assumed*.) Bursts of a whole epoch at the full rate do carry pattern, nearly as much as proxies,
# at the price of a training or two for *each* network.
#
# And the line to beat? Forty proxies of the MLP cost one training. Three MLPs with them are worth about what *four* MLPs are worth without them: see the
# column M = 4 of the table. Exploring has drawn level with training once more; it has not won.
#
# ## Is the statement true?
#
# Coverage of 95 % intervals by decile of the *stated* u, on retrainings that were never used; and whether decisions flip as often as
# foreseen. The risk to flip comes from the contrast to the runner-up: the probability of Student's t below zero [3].

# %%
shown = {"plain, M = 3": ("none (plain Type A)", "3"), "all free, M = 2": ("all free groups", "2"), "all free, M = 3": ("all free groups", "3")}
figure = figures.coverage(
    {name: {label: [d.value for d in table[row][m]["deciles"]] for label, (row, m) in shown.items()} for name, table in tables.items()},
    {
        name: tuple(np.array([[r["said"], r["happened"].value] for r in result.numbers["flips"]]).T)
        for name, result in stored.items()
    },
    source=source.split(";")[0] + "; grey: 93 to 97 %",
    title="Moderated intervals keep their promise for sure and for unsure images",
)
course.save(figure, "07_coverage")

# %%
for name, result in stored.items():
    print(f"{name}, prior fitted in distribution:   REN at M = 2, 3         coverage at M = 2, 3")
    for part, rows in result.numbers["shift"].items():
        for row in ("constant", "outputs", "all free groups"):
            own = rows[row]
            rens = "   ".join(f"{own[m]['ren']['value']:5.1f}" for m in own)
            print(f"   {part:9} {row:16}            {rens}         ", "   ".join(f"{str(own[m]['coverage']):>9} %" for m in own))

# %% [markdown]
# **What we see.** In distribution, that is on images like those of the fit, the promise is kept, to about two per cent in each decile. Under rotation
# and noise it is, too, on the whole. Lowered contrast is the hard case. Faint images scatter least (`05_mnist`), so that a constant prior makes
# their intervals far too long: nearly all is covered. The free groups mend most of that, but most of their own worth is lost (REN). Foreign
# images (clothes) are covered too little, and nobody should state a digit's uncertainty for a shirt.
#
# The decisions (two networks, on test images and altered ones): on the MLP, risks up to a fifth are foreseen well; on the CNN, foreseen risks of some
# per cent up to a third are about twice too high, which is on the safe side. Above one half they are too high for both: whoever looks for images
# that two networks would flip finds those where the two were unlucky, and the next ones are closer to the crowd (regression to the mean).
#
# ### What has to be assumed
#
# All inputs share the same M networks, so that thousands of them are worth far fewer independent ones, n_eff. How many, two or three networks can't
# tell. Proxies can (last column of their table), but they see fewer than the real networks do. So `fit_prior` assumes a tenth of the inputs, at most
# 300, and takes the word of proxies only where it is above that. What if the assumption is wrong?

# %%
for name, result in stored.items():
    print(f"{name}: measured on all retrainings, {result.numbers['effective_inputs']:.0f}. All free groups, M = 2, if they were …")
    for row in result.numbers["sensitivity"]:
        ren = ln.retraining.RetrainingEquivalent(**row["ren"])
        print(f"   {row['n_eff']:5.0f}: REN {ren}, 95 % intervals cover {row['coverage']} %, ν_eff {row['dof']:.1f}")

# %% [markdown]
# **What we see.** Over a factor of twelve coverage moves by two to three per cent: assume fewer, and the intervals grow a little; assume more, and they
# promise a little too much, as the usual assumption does for the CNN, whose images are worth less. The stated degrees of freedom are what suffers most.
#
# ## Does exploring near a solution pay, and how would one know?
#
# Gate G3 asks whether an exploration tells of u(x) *beyond* constant and outputs. Its measure is the *partial R²*: over images, of what constant
# and outputs leave unexplained in ln u²(x), the share that the exploration explains. Gate G4 asks whether one fixed factor turns the local
# variance, that of bursts, into retraining variance. It is judged on test images, the sweep of the bursts on calibration images: their ratios for the
# same bursts differ a little. (Training loss and scatter of the gradients from batch to batch are needed in `08_cifar10`.)

# %%
for name, result in stored.items():
    n = result.numbers
    print(f"{name}: training loss {n['facts']['training_loss']} nat, scatter of the gradients {n['facts']['gradient_scatter']}")
    print("   partial R²:", ", ".join(f"{what} {value}" for what, value in n["partial_r2"].items()))
    for row in n["bursts"]:
        print(f"   bursts {row['epochs']:4} epochs × {row['rate']}: went {row['distance']} of the distance between solutions, "
              f"retraining variance / theirs {row['ratio']}, alone REN {row['alone']['ren']:.1f}")

# %%
from report.studies.gates import Verdict, over_pairs

for verdict in over_pairs({name: result.numbers for name, result in stored.items()}):
    print(verdict)
for name, result in stored.items():
    g1, g5 = (Verdict.from_dict(gate, result.numbers[gate]) for gate in ("G1", "G5"))
    print(f"G1 on {name} {g1.word}: {g1.claim}; measured {g1.numbers['worth']:.1f} [{g1.numbers['low']:.1f}, {g1.numbers['high']:.1f}]")
    print(f"G5 on {name} {g5.word}: {g5.claim}; fails: {g5.failing or 'nothing'}")

# %% [markdown]
# **What we see.** Proxies carry pattern on both networks. The training path and short bursts do on the MLP, lines, curves and simplexes on
# neither. Bursts tell more the farther they go, by and large and up to a point. So close to a solution there is little to learn on MNIST, and
# beside the free groups next to nothing: exploring there doesn't pay.
#
# The other gates: one pair that fails decides G7 and G8, and the CNN does. A constant prior is worth seven retrainings on the MLP, one less than G1
# asks. G5 fails for the faint images, on the CNN also for its least sure images, which are covered slightly too often. *Undecided* stands where pairs
# that aren't measured yet can still turn a verdict: these gates have seen two of five, both on MNIST, where training loss is nearly zero.
#
# ## Trap: two shortcuts that are unsound
#
# **One training and a factor.** Take the spread in a simplex around one network, multiply by a factor k learned elsewhere. If k were the same
# everywhere, one training would do. It isn't:

# %%
for name, result in stored.items():
    print(f"{name}: retraining variance over local variance, for each base")
    for path, values in result.numbers["path_ratios"].items():
        print(f"   {path:14}", ", ".join(f"{value:8.2f}" for value in values))

# %% [markdown]
# The factor differs between bases of the *same* data and network, and by orders of magnitude between kinds of paths. A number that must be
# measured by retraining can't replace retraining. **The cure:** a path may give the pattern over images; the M retrainings set the scale.
# (Bursts of one fixed setting behave better than paths. How far a factor from other pairs carries with them, and what trusting it costs, is measured in `10_synthesis`.)
#
# **Control variates.** If a cheap quantity z correlates with q over retrainings, subtracting b(z − z̄) sharpens the mean, at best with
# b = Cov(q, z)/Var(z). Tempting: let z come from the simplex around *another* network. But a fresh retraining knows nothing of that valley:

# %%
valleys, fresh = q[:60] - q.mean(0), q[60:120] - q.mean(0)  # what one valley says of an image, what another retraining says
b = (valleys * fresh).sum(0) / (valleys**2).sum(0)
print(f"optimal coefficient: {b.mean():+.4f} on average over images, scatter {b.std():.2f}, by chance alone {1 / np.sqrt(60):.2f}")

# %% [markdown]
# Zero, as it must be for independent trainings. Information flows across *images* (the pattern), not across *seeds*. **The cure:** moderation.
#
# ## The budget
#
# Where does the scatter come from? Two studies of `05_mnist` once more: initialisation × order of the images, and one seed repeated in other
# arithmetic. And its branches, copies of a network (the *trunk*) that part ways: κ is the share of the variance that the trunk fixed, ν_T the
# degrees of freedom of a variance that is estimated from them.

# %%
crossed, sums = ln.load_result("mnist-mlp-crossed"), ln.load_result("mnist-mlp-arithmetic")
parts = {name: (crossed.numbers[name].value, crossed.numbers[name].u) for name in ("initialisation", "order", "interaction")}
parts["interaction, arithmetic included"] = parts.pop("interaction")
parts["for comparison: arithmetic alone"] = (sums.numbers["variance"].value, sums.numbers["variance"].u)
figure = figures.budget(
    parts,
    source=crossed.provenance["data"]["title"] + f", MLP, {crossed.numbers['n']} networks",
    title="Arithmetic alone makes half of the variance",
)
course.save(figure, "07_budget")

# %%
whole = sum(crossed.numbers[name].value for name in ("initialisation", "order", "interaction"))
print(f"arithmetic alone: {sums.numbers['variance'].value / whole:.0%} of the whole variance, "
      f"{sums.numbers['variance'].value / crossed.numbers['interaction'].value:.0%} of the third bar")
for epoch, row in ln.load_result("mnist-mlp-branches").numbers["leaves"].items():
    kappa = row["kappa"].value
    print(f"leaving after {epoch} epochs: κ = {row['kappa']}; three trunks with four branches each: ν_T = {reach(kappa, 3, 4):.1f}, "
          f"with ever so many {reach(kappa, 3):.1f}")

# %% [markdown]
# **What we see.** Arithmetic alone makes half of the whole variance: training is chaotic [5]. About three quarters of the third
# bar are what it adds, so that a quarter is left for what initialisation and order do together (`05_mnist`). Branches that leave a trunk late
# share what it has fixed, and no number of them can lift the degrees of freedom of M trunks above (M − 1)/κ²: exploring near a solution is bounded by what is already decided there.
#
# ## How many retrainings do I need?
#
# Turn u(u)/u = r ≈ 1/√(2ν) around: N = 1 + 1/(2r²) plain retrainings, less the d₀ of a prior, and never fewer than two.

# %%
d0 = tables["MLP"]["all free groups"]["3"]["dof"] - 2
for r in (0.25, 0.15, 0.10):
    print(f"u to {r:.0%}: {ln.retrainings_needed(r)} plain, {ln.retrainings_needed(r, prior_dof=d0)} with this prior (d₀ = {d0:.0f})")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: the certificate
#
# Write the sentence that you would sign for the first test image (`said.sentence`). Which words would you add so that a reader doesn't take it
# for the probability that the class is right?

# %% tags=["solution"] jupyter={"source_hidden": true}
print(said.sentence(0))
print("This component covers the repetition of the training only. Errors that all trainings share, the labels and the choice of the training "
      "images are not in it.")

# %% [markdown]
# ### Exercise 2: another measurand
#
# State the contrast to the runner-up instead of the log-odds. Which argument of `ln.state` changes? (`help(ln.state)`)

# %% tags=["solution"] jupyter={"source_hidden": true}
fast = ln.load("digits")
runs = ln.fit(ln.network("mlp", fast, width=32), fast, seeds=range(3), recipe=ln.Recipe(epochs=5, batch=64), path=True, progress=False)
contrast = ln.state(ln.network("mlp", fast, width=32), fast, runs=runs, measurand=ln.retraining.contrast, progress=False)
print(contrast.to_dataframe()[["class", "q", "u", "low", "high", "flip"]].head(3).round(3))

# %% [markdown]
# ### Exercise 3: Satterthwaite
#
# Three trunks, four branches each; mean squares between the trunks MS_B = 5 nat², within them MS_W = 1 nat². The variance of one further retraining is
# σ_T² = MS_B/4 + (1 − 1/4) MS_W. A sum Σ cᵢ MSᵢ has (Σ cᵢ MSᵢ)² / Σ (cᵢ MSᵢ)²/νᵢ degrees of freedom (Welch and Satterthwaite [2]). How many are ν_B and
# ν_W, how large σ_T², and how many degrees of freedom has it? By hand and by function.

# %% tags=["solution"] jupyter={"source_hidden": true}
total = 5 / 4 + (1 - 1 / 4) * 1
dof = total**2 / ((5 / 4) ** 2 / 2 + (3 / 4) ** 2 / 9)
assert np.allclose(satterthwaite([(1 / 4, 5.0, 2), (3 / 4, 1.0, 9)]), (total, dof))
print(f"σ_T² = {total:.2f} nat², ν_T = {dof:.1f}: hardly more than the two of the trunks alone")

# %% [markdown]
# ### Exercise 4: break it
#
# Fit the prior on one half of the test images, then apply it to images whose log-odds were doubled. Does `ln.diagnose`, which compares the variances
# of images with what a prior expects, notice?

# %% tags=["solution"] jupyter={"source_hidden": true}
first, second = np.arange(0, mine.shape[1], 2), np.arange(1, mine.shape[1], 2)
nothing = np.empty((len(first), 0))
own = ln.fit_prior(mine[:, first].var(0, ddof=1), 2, nothing)
print(ln.diagnose(mine[:, second], own, nothing))
print(ln.diagnose(2 * mine[:, second], own, nothing))

# %% [markdown]
# ## Summary
#
# Three plain retrainings know u(x) to half its value, and Student's t keeps the promise only on average. A prior that all images share, told by what
# the networks themselves show of each image, makes three retrainings worth many times their number, with intervals that hold for sure and for unsure images.
# Cheap narrow retrainings of the MLP add to it about what a training of their price would; learned lines, curves and simplexes hardly add anything, here. The statement covers
# one component, the repetition of the training, and says so.

# %% [markdown]
# ## What was recorded

# %%
course.record(
    "07_retraining_uncertainty",
    profile,
    {
        "coverage of 95 % intervals": live_coverage,
        "mean u(x)": live_u,
        "log-odds of all test images, mean of the networks": ln.Estimate.mean(said.evaluation.mean, unit="nat"),
    },
    data=data,
)

# %% [markdown]
# ## References
#
# 1. Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3(1), article 3: moderated variances, for genes; here, for images.
# 2. JCGM 100:2008 (GUM): Type A, degrees of freedom, analysis of variance (H.5), Welch and Satterthwaite (G.4).
# 3. JCGM 106:2012: the risk of a decision that is made with an uncertain quantity.
# 4. Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474: deep ensembles, the reference by brute force.
# 5. Summers, Dinneen 2021, arXiv 2103.04514: why one seed's arithmetic is enough to make another network.
# 6. JCGM 101:2008: the standard uncertainty of a Student's t.
#
# **Next:** `08_cifar10`, where training loss is not zero, and exploring may pay.
