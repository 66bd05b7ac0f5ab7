"""Wrong arguments, and a word of the cure that each meets; `site/build.py` prints them as a page.

In the code, `x` and `y` are images and labels of digits, `data` the data set, `net` and `wide` builders of two
perceptrons, `deep` of a residual network, `runs` three networks of `net`, `logp` their predictions, `q` the log-odds of
class 0.
"""

from functools import cache

import numpy as np
import torch
from torch import nn

import lnescape as ln
from lnescape.results import project_folder

NEWLINE = chr(10) * 2
ROWS: dict[str, list[tuple[str, str]]] = {
    "Data": [
        ('ln.load("mnits")', "did you mean 'mnist'"),
        ('ln.load("FashionMNIST")', "did you mean 'fashion_mnist'"),
        ("ln.dataset(train=x, test=(x, y))", "give (inputs, labels)"),
        ("ln.dataset(train={'images': x, 'labels': y}, test=(x, y))", "give (inputs, labels)"),
        ("ln.dataset(train=(x, y[:-1]), test=(x, y))", "one label per input"),
        ("ln.dataset(train=(x, y.float()), test=(x, y))", "for classes give int64"),
        ("ln.dataset(train=(x, nn.functional.one_hot(y)), test=(x, y))", "labels.argmax(1)"),
        ("ln.dataset(train=(x, [data.classes[c] for c in y]), test=(x, y))", "pass classes=names"),
        ("ln.dataset(train=(x, nn.functional.one_hot(y) + nn.functional.one_hot(9 - y)), test=(x, y))", "each class"),
        ("ln.dataset(train=(x, y[:, None, None].expand(-1, 8, 8)), test=(x, y))", "a row for each pixel"),
        ("ln.dataset(train=({'ids': x, 'mask': x}, y), test=(x, y))", "join them in one tensor"),
        ("ln.dataset(train=((x, x), y), test=(x, y))", "join them in one tensor"),
        ("ln.dataset(train=[((x[0], x[0]), 1)], test=(x, y))", "join them in one tensor"),
        ("ln.dataset(train=(x, y - 1), test=(x, y))", "numbered from 0"),
        ("ln.dataset(train=(x, y), test=(x, y), unit='mm')", "leave unit='mm' out"),
        ("ln.dataset(train=(x, y / 0.0), test=(x, y), unit='mm')", "leave these inputs out"),
        ("ln.dataset(train=(x, torch.where(y == 9, 2**31, y)), test=(x, y))", "correct that label"),
        ("ln.dataset(train=(x[y < 9], y[y < 9]), test=(x, y))", "name all classes in classes="),
        ("ln.dataset(train=(x / 0, y), test=(x, y))", "remove or repair them"),
        ("ln.dataset(train=(x > 0, y), test=(x, y))", "give uint8"),
        ("ln.dataset(train=(x.to_sparse(), y), test=(x, y))", "to_dense()"),
        ("ln.dataset(train=(x.to('meta'), y), test=(x, y))", "isn't a plain tensor"),
        ("ln.dataset(train=([x[0], x[1, :, 1:]], [0, 1]), test=(x, y))", "all have the same shape"),
        ("ln.dataset(train=(np.ma.masked_less(x.numpy(), x.mean()), y), test=(x, y))", "leave them out or fill them"),
        ("ln.dataset(train=(x, np.ma.masked_equal(y.numpy(), 9)), test=(x, y))", "leave them out or fill them"),
        ("ln.dataset(train=(x, y.numpy().astype('M8[s]')), test=(x, y))", "such as text, dates"),
        ("ln.dataset(train=(np.full((9, 2), 2**63), np.arange(9)), test=(x, y))", "give smaller ones"),
        ("ln.dataset(train=(x.double() + 1e10, y), test=(x, y), normalise=True)", "subtract an offset"),
        ("ln.dataset(train=(x, y.double() + 9.2e9), test=(x, y / 2), unit='Hz')", "subtract an offset"),
        ("ln.dataset(train=(x.double() * 1e-60, y), test=(x, y))", "change the unit"),
        ("ln.dataset(train=(x, y), test=(x, y), name=5)", "give it as text"),
        ("ln.dataset(train=(x, y * 9.1e-31), test=(x, y / 2), unit='kg')", "unit nearer to their size"),
        ("ln.dataset(train=(x, y), test=(x[:, :, 1:], y))", "resize them"),
        ("ln.dataset(train=(x, y), test=((255 * x).byte(), y))", "convert them"),
        ("ln.dataset(train=(x, y), test=(x, y), classes=10)", "name every class"),
        ("ln.dataset(train=(x, y), test=(x, y), classes=list('abcdebghij'))", "'b' stands at 1 and at 5"),
        ("data.prepare(x[:, 0])", "resize them"),
        ("data.test.subset([0.7])", "a mask of booleans"),
        ("data.test.subset([True, False])", "one boolean for each"),
        ("data.test.subset([10**6])", "give positions below"),
    ],
    "Networks": [
        ('ln.network("mlpp", data)', "did you mean 'mlp'"),
        ('ln.network("mlp", data, widht=3)', "did you mean 'width'"),
        ('ln.network("mlp", data, width=2.5)', "whole number of at least 1"),
        ('ln.network("mlp", data, dropout=1.5)', "below 1"),
        ("ln.fit(net(), data, seeds=[0])", "pass a function"),
        ("ln.fit(lambda n: net(), data, seeds=[0])", "wrap it in a lambda"),
        ("ln.fit(lambda: nn.Linear(64, 10), data, seeds=[0])", "nn.Flatten()"),
        ("ln.fit(lambda: nn.Bilinear(64, 64, 10), data, seeds=[0])", "let forward() take one tensor"),
        ("ln.fit(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), data, seeds=[0])", "shape (2, 10)"),
        ("ln.fit(lambda: nn.Sequential(net(), nn.Softmax(1)), data, seeds=[0])", "leave out the softmax"),
        ("ln.fit(lambda: nn.Sequential(net(), nn.Sigmoid()), data, seeds=[0])", "leave out the softmax or sigmoid"),
        ("ln.fit(lambda: nn.Sequential(deep(), nn.Softmax(1)), data, seeds=[0])", "leave out the softmax"),
        (
            "ln.fit(lambda: nn.Sequential(net(), nn.BatchNorm1d(10, track_running_stats=False)), data, seeds=[0])",
            "track_running_stats=True",
        ),
    ],
    "Training": [
        ('ln.Recipe(epochs="3")', "finite number"),
        ("ln.fit(net, data, seeds=[0], recipe=ln.Recipe(epochs=1, batch=1000))", "no step at a learning rate"),
        ("ln.state(net, data, seeds=[0], companion=True, recipe=ln.Recipe(3, batch=1000))", "would not be trained"),
        ("ln.Recipe(batch=True)", "whole number"),
        ("ln.Recipe(epochs=1e300)", "of at most 1000000"),
        ('ln.Recipe(schedule="linear")', "use one of"),
        ('ln.Recipe(optimiser="lion")', "use one of"),
        ("ln.fit(net, data, seeds=[])", "such as seeds=range(3)"),
        ("ln.fit(net, data, seeds=[0, 0])", "no second retraining"),
        ("ln.fit(net, data, seeds=[True])", "such as range(3)"),
        ("ln.fit(net, data, seeds=[-1])", "from 0 on"),
        ("ln.fit(net, data, seeds=3)", "give range(3)"),
        ("ln.fit(net, data, seeds=[0], progress='no')", "pass True or False"),
        ("ln.fit(net, data, seeds=[0], recipe='fast')", "pass lnescape.Recipe"),
        ("ln.fit(net, data, seeds=[0], recipe=ln.Recipe(batch=5000))", "pass recipe=Recipe"),
        ("ln.fit(net, data, seeds=[0], recipe=ln.Recipe(loss=lambda z, y: (z, y)))", "mean over the batch"),
        ("ln.fit(net, data, seeds=[0], recipe=ln.Recipe(loss=nn.CrossEntropyLoss(reduction='sum')))", "the mean"),
        ("ln.fit(net, data, seeds=[0], recipe=ln.Recipe(loss=nn.NLLLoss()))", "use F.cross_entropy"),
        ("ln.fit(net, data, seeds=[0], device='gpu')", "use 'cpu'"),
        ("ln.fit(net, data, seeds=[0], folder='/proc/none')", "folder that can be written"),
        ("ln.fit(net, data, seeds=[0], folder='~/trainings')", "expanduser()"),
        ("ln.members(net, net(), data)", "pass a list of networks"),
        ("ln.members(net, [wide()], data)", "in the network that is built"),
        ("data.to('nowhere')", "use 'cpu'"),
        ("ln.members(net, [runs[0] * np.nan], data)", "leave it out"),
    ],
    "Paths and methods": [
        ("ln.members(net, [net()], data, statistics='keep')", "did you mean 'kept'"),
        ("ln.Bezier.between(net(), net())", "see theta_of"),
        ("ln.fit_subspace(net, data, ln.Segment.between(runs[0], runs[1]))", "use Bezier.between"),
        ("ln.fit_subspace(wide, data, ln.Bezier.between(runs[0], runs[1]))", "the builder that the ends came from"),
        ("ln.fit_subspace(net, data, ln.Simplex.from_scratch(3), points=0)", "at least 1"),
        ("ln.plane(runs, runs[:2], data.test)", "torch.stack([a, b, c])"),
        ("ln.along(runs, runs[0], data.test)", "pass a Segment"),
        ("ln.swag(net, data, budget=0.01)", "needs at least"),
        ("ln.swag(net, data, seeds=3)", "did you mean 'seed'"),
        ("ln.swag(net, data, exploring=0.05)", "such as {'learning_rate': 0.05}"),
        ("ln.laplace(net, data, budget=0.1)", "for the curvature"),
        ("ln.dropout(net, data)", "put nn.Dropout"),
    ],
    "Predictions and scores": [
        ("runs.predict(data.test.pixels.byte())", "data.prepare(pixels)"),
        ("runs.predict(x, n=4)", "from 1 to 3"),
        ("runs.predict(x, n=2, seed=0.5)", "seed must be a whole number"),
        ("ln.score(logp.exp(), y)", "probabilities.log()"),
        ("ln.score(logp, y[:5])", "one label for each input"),
        ("ln.score(logp, nn.functional.one_hot(y).float())", "pass labels.argmax(1)"),
        ("ln.scores.with_noise(torch.zeros(2, 9, 2), [1, 2, 3])", "one for each output"),
        ("ln.score(torch.randn(2, 9, 2), torch.randn(9, 2), unit=('mm', 'V'))", "score each output k alone"),
        ("ln.score(logp, ['nine'] * len(y))", "numbers"),
        ("ln.score(torch.zeros(2, 3, 1), [['1'], ['2'], ['3']])", "pass numbers"),
        ("ln.scores.calibration_error(logp, y, bins='equal')", "There are: mass, width"),
        ("ln.scores.aurc(logp, y, certainty=np.full(len(y), np.nan))", "one finite number for each input"),
        ("ln.scores.aurc(logp, y, certainty='top')", "must be real numbers [inputs]"),
        ("ln.barrier([1, 0.5, 0], [1, 2, 3])", "from end to end"),
        ("ln.barrier([0, 0.5, 1], [1, np.nan, 1])", "take another path"),
    ],
    "Statements": [
        ("ln.log_odds(logp.exp().numpy(), np.zeros(len(y), int))", "np.log(probabilities)"),
        ("ln.log_odds(logp.numpy(), 3)", "one class, from 0 on, for each input"),
        ("ln.type_a(q[:1])", "train a second one"),
        ("ln.state_arrays(20 + logp.numpy())", "take log_softmax of logits"),
        ("ln.state_arrays(logp.exp().bfloat16())", "pass np.log(probabilities)"),
        ("ln.state_arrays(logp.sigmoid())", "state each label by itself"),
        ("ln.state_arrays(q[[0, 1, 1]], unit='mm')", "leave one out"),
        ("ln.state_arrays(q, unit='mm', title=3)", "give it as text"),
        ("ln.retraining.effective_number(np.full((5, 9), np.nan))", "leave out networks that diverged"),
        ("ln.fidelity([ln.type_a(q)], ln.retraining.Reference.of(np.ones((20, 9)), [(0, 1)]))", "leave it out"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, np.empty((9, 0)))", "give as many"),
        ("ln.state_arrays(q, unit='mm').certificate('page.pdf', date=None)", "give it as text"),
        ("ln.state_arrays(q, unit='mm').certificate('page.pdf', date='today', about={'number': 5})", "give it as text"),
        ("str(ln.state_arrays(q, unit='mm')[9:9])", "There is no input"),
        ("ln.type_a(q).interval(95)", "below 1"),
        ("ln.retrainings_needed('0.1')", "such as 0.1"),
        ("ln.type_a(q[0])", "[networks, inputs]"),
        ("ln.type_a(q.astype(str))", "real numbers"),
        ("ln.fit_prior(q.var(0, ddof=1), 0, np.empty((len(y), 0)))", "above 0"),
        ("ln.fit_prior(q, 2, np.empty((len(y), 0)))", "one axis for each"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, np.empty((len(y), 0)), n_eff=0)", "above 0"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, q.T, names=('a',))", "one name for each"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, np.empty((len(y), 0)), scale=3)", "deviation of the scale"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, np.empty((len(y), 0)), scale=(np.nan, 1))", "mean scale"),
        ("ln.fit_prior(q.var(0, ddof=1), 2, np.empty((len(y), 0)), scale=(0.0, -1))", "deviation of the scale"),
        ("ln.retraining.shipped_prior().scale_beside(q, q[0], n_eff=0)", "above 0"),
        ("ln.retraining.shipped_prior().scale_beside(q[0], q[0], n_eff=9)", "[networks, inputs]"),
        ("ln.state(net, data, companion=True, covariates=('outputs',))", "keep gradient distance"),
        ("ln.moderated(q, 0.5, np.empty((len(y), 0)))", "fit_prior"),
        ("ln.diagnose(q, None, np.empty((len(y), 0)))", "fit_prior"),
        ("ln.fidelity([ln.type_a(q)], q)", "Reference.of(q, members)"),
        ("ln.retraining.effective_number(q[0])", "[networks, inputs]"),
        ("ln.retraining.learn_prior([q, q])", "KnownPair("),
        ("ln.retraining.level_of(q[:1])", "two networks"),
        ("ln.state(net, data, runs=[net(), net()])", "pass what fit returns"),
        ("ln.state(net, data, level=95)", "below 1"),
        ("ln.state(net, data, runs=runs, neighbours=3)", "pass a function from inputs"),
        ("ln.state(net, data, covariates=('entropy',))", "There are: outputs"),
        ("ln.state(net, data, proxies='mlp')", "pass a function"),
        ("ln.state(net, data, measurand=lambda logp, chosen: logp)", "it must make"),
    ],
    "Studies and files": [
        ("cell(network='mlpp')", "did you mean 'mlp'"),
        ("cell(seeds=[0.5])", "such as range(3)"),
        ("cell(recipe=ln.Recipe())", "Recipe(precision='float32')"),
        ("ln.run_study(ln.Study('mine', '', (cell(network='torch.nn:ReLU6'),)), folder=folder)", "(image_shape, n_"),
        ("ln.run_study(ln.Study('mine', '', (cell(),)), workers=0)", "at least 1"),
        ("ln.load_result('nothing')", "list_results()"),
        ("ln.load_law('law', net())", "pass a function that makes a new one"),
        ("ln.load_law('/nowhere', net)", "law.save"),
    ],
}  # fmt: skip


@cache
def names() -> dict:
    """Return what the code above is written with."""
    data = ln.load("digits")
    net, wide = (ln.network("mlp", data, width=width) for width in (4, 8))
    deep = ln.network("resnet", data, depth=8, width=4)
    runs = ln.members(net, [net(), net(), net()], data)
    x, y = data.test.images, data.test.labels
    logp = runs.predict(x)
    q = ln.log_odds(logp.numpy(), np.zeros(len(y), int))

    def cell(**changes) -> ln.Cell:
        usual = {"method": "scouts", "data": "digits", "network": "mlp", "seeds": [0, 1]}
        return ln.Cell(**usual | {"recipe": ln.Recipe(precision="float32")} | changes)

    return {"ln": ln, "np": np, "torch": torch, "nn": nn, "folder": "build/none"} | locals()


def refusal(code: str) -> Exception:
    """Return what a wrong argument meets."""
    try:
        eval(code, names())
    except Exception as error:
        return error
    raise AssertionError(f"{code} is accepted")


def page() -> str:
    """Return the table in Markdown: wrong argument, what it meets."""
    parts = [f"# What it refuses, and what to do\n\n{(__doc__ or '').partition(NEWLINE)[2]}"]
    for title, rows in ROWS.items():
        parts.append(f"## {title}\n\n| wrong argument | error message |\n|---|---|")
        for code, _ in rows:
            error = refusal(code)
            said = f"{type(error).__name__}: {error}".replace(f"{project_folder()}/", "").replace("|", r"\|")
            parts.append(f"| `{code}` | `` {said} `` |")
        parts.append("")
    return "\n".join(parts)
