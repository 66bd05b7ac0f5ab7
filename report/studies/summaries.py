"""Summaries: the results of a complete study, as the numbers and arrays that notebooks and report read."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from lnescape.landscape import barrier
from lnescape.results import Estimate, normalised_error, provenance, save_result
from lnescape.retraining import Evaluation, contrast, fit_prior, log_odds, moderated
from lnescape.scores import deep_ensemble_equivalent
from lnescape.statement.page import DOUBTFUL
from lnescape.study.cells import Study, trainings
from lnescape.study.observation import PARTS, data_and_panel
from lnescape.study.reading import read_study
from lnescape.study.store import CellStore
from report.studies.beside import beside_companion
from report.studies.catalogue import CANDIDATES
from report.studies.comparison import WAYS, compared
from report.studies.comparison import candidates as candidates_of
from report.studies.dispersion import (
    crossed_components,
    dithered,
    jackknife,
    nested_components,
    relative_spread,
    spread_of_log_variance,
)
from report.studies.experiments import N_DRAWS, N_TRAINING_IMAGES
from report.studies.gates import g0, g2, g6
from report.studies.geometry import geometry
from report.studies.level import level
from report.studies.literature import beside_literature
from report.studies.lone import judge, one_training
from report.studies.moderation import Summary, draws
from report.studies.pairs import PAIRS
from report.studies.purchases import purchases
from report.studies.small import together
from report.studies.uncertainty import single, uncertainty
from report.studies.values import of_values


def crossed(study: Study, store: CellStore) -> Summary:
    """Split the variance into initialisation, order and their interaction, means over the test images."""
    ds = read_study(study, folder=store.folder)
    index = [np.unique(ds[name], return_inverse=True)[1] for name in ("initialisation", "order")]
    q = np.empty((*(i.max() + 1 for i in index), ds.sizes["image"]))
    q[tuple(index)] = ds["log_odds"].values
    numbers: dict = {"n": q.shape[0] * q.shape[1], "initialisations": q.shape[0], "orders": q.shape[1]}

    def means(q: np.ndarray) -> list[float]:
        return [part.mean() for part in crossed_components(q).values()]

    numbers |= dict(zip(crossed_components(q), jackknife(means, q, axes=(0, 1), unit="nat²"), strict=True))
    return numbers | {"images": q.shape[2]}, {}


def arithmetic(study: Study, store: CellStore) -> Summary:
    """Return the variance of one seed over orders of arithmetic, mean over the test images, for each seed."""
    found, different = [], []
    for cell in (cell for cell in study.cells if cell.method == "arithmetic"):
        arrays = store.load(cell).arrays
        rows = np.unique(arrays["same_bits_as"])  # runs that end in the same bits are one observation
        different.append(len(rows))
        found.append(arrays["log_odds"][rows].astype(float).var(0, ddof=1).mean() if len(rows) > 1 else 0.0)
    numbers = {"variance": Estimate.mean(found, unit="nat²"), "different_bits": different, "n": len(found)}
    return numbers, {}


def branches(study: Study, store: CellStore) -> Summary:
    """Give, for each epoch at which branches leave, the share κ of the variance that the trunk has fixed."""
    ds = read_study(study, folder=store.folder)
    rows = {}
    for epoch, part in ds[["log_odds", "trunk"]].groupby(ds["leaves"]):
        q = np.stack([part["log_odds"].values for _, part in part.groupby("trunk")])
        trunk, branch, kappa = jackknife(_split, q, unit="nat²")
        rows[str(int(epoch))] = {"trunk": trunk, "branch": branch, "kappa": replace(kappa, unit="")}
    numbers = {"leaves": rows, "trunks": q.shape[0], "branches": q.shape[1], "images": q.shape[2]}
    return numbers | {"epochs": study.cells[0].recipe.epochs, "n": q.shape[0]}, {}


def _split(q: np.ndarray) -> tuple[float, float, float]:
    """Return the variance that the trunk has fixed, that of the branches, and the share of the former."""
    fixed, free = (float(part.mean()) for part in nested_components(q).values())
    return fixed, free, fixed / (fixed + free)


CLASS_SIZES = (2, 3)  # M
N_EFF = 100.0  # independent inputs that the images of the fit are taken to be worth


def own_class(study: Study, store: CellStore) -> Summary:
    """Let M networks choose the class, as on a user's network, and compare with the class of the scouts."""
    # Of the images whose log-probabilities are kept, the even ones fit a prior with outputs, and the odd ones are
    # judged by the networks that are not among the M. A class that was chosen for its high probability is, on average,
    # less probable to those that did not choose. Means over draws, and the sd between draws: coverage of 95 % intervals
    # in %, the mean of q̄ less the judges' mean in nat, on all images and on those whose class is disputed.
    ds = read_study(study, folder=store.folder)
    logp = ds["log_probabilities"].values
    scouts = ds["chosen"].sel(image=ds["predicted_image"].values).values.astype(int)
    numbers: dict = {"n": len(logp), "images": logp.shape[1] // 2, "classes": logp.shape[2]}
    for members in CLASS_SIZES:
        rows: dict[str, list[float]] = {"other": []}
        for mine in draws(len(logp), members):
            own = np.exp(logp[list(mine)]).mean(0).argmax(1)
            rows["other"].append(float((own != scouts).mean()))
            for name, chosen in (("scouts", scouts), ("own", own)):
                q, apart = log_odds(logp, chosen), contrast(logp, chosen)
                found = _judged(q, list(mine), own != scouts) | _doubtful(q, apart, list(mine))
                for what, value in found.items():
                    rows.setdefault(f"{name}_{what}", []).append(value)
        rows["loss_of_coverage"] = np.subtract(rows["scouts_coverage"], rows["own_coverage"])
        numbers[str(members)] = {
            name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))} for name, values in rows.items()
        }
    return numbers, {}


def _doubtful(q: np.ndarray, apart: np.ndarray, mine: list[int]) -> dict[str, float]:
    """Return the mean risk (%) of the odd images where it is above 5 %, and the share of others that fall otherwise."""
    risk = _on_odd_images(apart[mine], q[mine].mean(0)).below(0.0)
    some = risk > DOUBTFUL
    others = np.delete(apart, mine, axis=0)[:, 1::2][:, some]
    return {"risk": 100 * float(risk[some].mean()), "flips": 100 * float((others < 0).mean())}


def _judged(q: np.ndarray, mine: list[int], disputed: np.ndarray) -> dict[str, float]:
    """Return coverage and excess on the odd images, on all of them and on those whose class is disputed."""
    mean, others = q[mine].mean(0), np.delete(q, mine, axis=0)[:, 1::2]
    low, high = _on_odd_images(q[mine], mean).interval()
    inside, excess = 100.0 * ((others >= low) & (others <= high)), mean[1::2] - others.mean(0)
    found = {"coverage": float(inside.mean()), "excess": float(excess.mean())}
    some = disputed[1::2]
    if some.any():
        found |= {"coverage_disputed": float(inside[:, some].mean()), "excess_disputed": float(excess[some].mean())}
    return found


def _on_odd_images(measurand: np.ndarray, mean: np.ndarray) -> Evaluation:
    """Evaluate a measurand on the odd images, by a prior with the mean log-odds that is fitted on the even ones."""
    outputs = np.stack([mean, np.abs(mean)], 1)
    with warnings.catch_warnings(action="ignore"):  # few images: what is assumed of 1/d₀ decides now and then
        prior = fit_prior(measurand[:, ::2].var(0, ddof=1), len(measurand) - 1, outputs[::2], n_eff=N_EFF)
    return moderated(measurand[:, 1::2], prior, outputs[1::2])


def _parts(study: Study, store: CellStore, of_cell: dict[str, str]) -> dict[str, xr.Dataset]:
    """Separate the retrainings by the value of `of_cell` for their cell, in the order of their seeds."""
    ds = read_study(study, folder=store.folder)
    cell_of = np.array([of_cell[name] for name in ds["cell"].values])
    return {name: ds.isel(retraining=cell_of == name).sortby("seed") for name in dict.fromkeys(of_cell.values())}


def _scores(part: xr.Dataset) -> dict[str, Estimate]:
    return {
        "accuracy": Estimate.mean(100 * part["accuracy"].values, unit="%"),
        "nll": Estimate.mean(part["nll"].values, unit="nat"),
        "variance": jackknife(_mean_variance, part["log_odds"].values, unit="nat²")[0],
    }


def precision(study: Study, store: CellStore) -> Summary:
    """Compare retrainings in bfloat16 with those under the same seeds in float32, on the test images."""
    parts = _parts(study, store, {cell.name: cell.recipe.precision for cell in study.cells})
    single, half = parts["float32"], parts["bfloat16"]
    numbers: dict = {"n": single.sizes["retraining"], "images": single.sizes["image"]}
    numbers |= {name: _scores(part) for name, part in parts.items()}
    # The same seeds in both: differences are taken pair by pair.
    pairs = np.stack([single["log_odds"].values, half["log_odds"].values])
    differences = {
        "accuracy": Estimate.mean(100 * (half["accuracy"].values - single["accuracy"].values), unit="%"),
        "nll": Estimate.mean(half["nll"].values - single["nll"].values, unit="nat"),
        "variance": jackknife(lambda q: _mean_variance(q[1]) - _mean_variance(q[0]), pairs, axes=(1,), unit="nat²")[0],
    }
    errors = [abs(one.value) / (2 * one.u) for one in differences.values()]
    return numbers | {"differences": differences, "normalised_errors": errors}, {}


def control(study: Study, store: CellStore) -> Summary:
    """Compare retrainings of two networks that differ in their normalisation, on the test images."""
    # Are the same images uncertain? n retrainings with group normalisation, and the first n of those with batch
    # normalisation, each say u; the other ones with batch normalisation judge both.
    norm = {cell.name: f"{cell.options.get('norm', 'batch')} norm" for cell in study.cells}
    parts = _parts(study, store, norm)
    batch, group = parts["batch norm"], parts["group norm"]
    n = group.sizes["retraining"]
    numbers: dict = {"n": {name: part.sizes["retraining"] for name, part in parts.items()}}
    numbers |= {"images": batch.sizes["image"]} | {name: _scores(part) for name, part in parts.items()}
    q, other = (dithered(part["log_odds"].values) for part in (batch, group))
    judges = q[n:].std(0, ddof=1)
    for name, by_network in (("batch norm", q[:n]), ("group norm", other)):
        u = by_network.std(0, ddof=1)
        numbers[name] |= {"median_u": float(np.median(u)), "rank_correlation": float(spearmanr(u, judges).statistic)}
    return numbers, {}


def _mean_variance(q: np.ndarray) -> float:
    """Return the mean over images of the variance over retrainings."""
    return float(q.var(0, ddof=1).mean())


UNITS = {"nll": "nat", "cll": "nat", "logit_nll": "nat", "member_nll": "nat", "epistemic_entropy": "nat"}
PLAIN = ("accuracy", "nll", "cll", "disagreement", "member_accuracy", "trainings")
OF_COURSE = ("logit_nll", "calibration_error", "calibration_bias", "auroc")  # what the course shows on MNIST besides


def settings(study: Study, store: CellStore) -> Summary:
    """Give, for each way, the loss on the validation images under each candidate, and the best one."""
    scouts, cells = study.cells[0], iter(study.cells[1:])
    numbers: dict = {"n": 1}
    for way, own in candidates_of(scouts).items():
        losses = []
        for _ in own:
            arrays = store.load(next(cells)).arrays
            losses.append(math.inf if arrays["diverged"][0] else float(arrays["validation_nll"][0]))
        numbers[way] = {
            "candidates": [" ".join(f"{name}={value:g}" for name, value in _flat(changes)) for changes in own],
            "validation_nll": losses,
            "chosen": int(np.argmin(losses)),
        }
    return numbers, {}


def _flat(changes: dict) -> list[tuple[str, float]]:
    return [pair for own in changes.values() for pair in (own.items() if isinstance(own, dict) else [("prior", own)])]


def methods(study: Study, store: CellStore) -> Summary:
    """Return every score of every way at every budget, means over bases, and what it is worth in ensemble members."""
    curve = store.load(study.cells[1]).arrays
    scouts = study.cells[0]
    found: dict[str, dict[str, list[dict]]] = {}
    wanted, bases = set(study.cells), set()
    for way, budget, base, cell in compared(scouts):
        if cell in wanted:
            row = {name: float(values[0]) for name, values in store.load(cell).arrays.items() if values.shape == (1,)}
            found.setdefault(way, {}).setdefault(f"{budget:g}", []).append(row)
            bases.add(base)
    names = (*PLAIN, *OF_COURSE) if study.cells[0].data == "mnist" else PLAIN
    table = {
        way: {budget: _row(rows, curve, names) for budget, rows in found[way].items()} for way in WAYS if way in found
    }
    numbers = {"n": len(bases), "bases": len(bases), "order": list(table), "ways": table}
    numbers["yardstick_networks"] = len(study.cells[1].seeds)
    entries = [
        (f"{way} at {budget}", row["trainings"].value, row["dee"]["value"])
        for way, rows in table.items()
        for budget, row in rows.items()
        if WAYS[way][0] != "deep_ensemble" and row["diverged"] == 0
    ]
    numbers["G6"] = g6(entries, n=len(bases)).to_dict()
    return numbers, {f"yardstick_{name}": values for name, values in curve.items()}


def _row(rows: list[dict[str, float]], curve: dict[str, np.ndarray], names: Sequence[str]) -> dict:
    """Join the bases: means with the uncertainty of a mean over bases, and DEE of the mean and of each base."""
    kept = [row for row in rows if not row["diverged"]]
    numbers: dict = {"diverged": len(rows) - len(kept), "n": len(kept)}
    if not kept:
        return numbers
    for name in names:
        values = [row[name] for row in kept if np.isfinite(row[name])]
        if values:
            numbers[name] = Estimate.mean(values, unit=UNITS.get(name, ""))
    scale = curve["cll_mean"], curve["cll_sd"]
    dee = deep_ensemble_equivalent(numbers["cll"].value, *scale)
    numbers["dee"] = {"value": dee.value, "low": dee.low, "high": dee.high, "text": str(dee)}
    numbers["dee"]["bases"] = [deep_ensemble_equivalent(row["cll"], *scale).value for row in kept]
    return numbers


def weights(study: Study, store: CellStore) -> Summary:
    """Return the scores for each weight of a penalty, λ or β, in the order of the cells."""
    rows = []
    for cell in study.cells:
        if cell.method != "law":
            continue
        options, arrays = cell.settings["options"], store.load(cell).arrays
        name = "volume_weight" if "volume_weight" in options else "cosine_weight"
        row = {"weight": options[name], "points": options.get("points", 1)}
        row |= {name: float(arrays[name][0]) for name in (*PLAIN, *OF_COURSE, "log_volume", "cosine") if name in arrays}
        rows.append(row | {"diverged": float(arrays["diverged"][0])})
    return {"n": 1, "rows": rows}, {}


def paths(study: Study, store: CellStore) -> Summary:
    """Reduce the bases to estimates: means over n bases or n retrainings."""
    found: dict[str, list[np.ndarray]] = {}
    for cell in study.cells:
        for name, array in store.load(cell).arrays.items():
            found.setdefault(name, []).append(array)
    arrays = {name: (np.stack if name == "t" else np.concatenate)(parts) for name, parts in found.items()}
    n = len(arrays["t"])
    numbers: dict[str, object] = {"n": n, "n_retrainings": len(arrays["single"]), "n_bases": n}
    numbers |= {"images_of_the_training_loss": N_TRAINING_IMAGES, "draws": N_DRAWS}
    for kind in ("line", "curve"):
        for where in ("train", "test"):
            loss, worst = arrays[f"{kind}_{where}_loss"], arrays[f"{kind}_{where}_accuracy"].min(1)
            barriers = [barrier(arrays["t"][0], row) for row in loss]
            numbers[f"{kind}_{where}_barrier"] = Estimate.mean(barriers, unit="nat")
            numbers[f"{kind}_{where}_maximum"] = Estimate.mean(loss.max(1), unit="nat")
            numbers[f"{kind}_{where}_worst_accuracy"] = Estimate.mean(100 * worst, unit="%")
        numbers[f"{kind}_length"] = Estimate.mean(arrays[f"{kind}_length"])
    numbers["length_ratio"] = Estimate.mean(arrays["curve_length"] / arrays["line_length"])
    for what in ("single", "simplex_midpoint", "simplex_ensemble", "curve_ensemble"):
        numbers[f"{what}_accuracy"] = Estimate.mean(100 * arrays[what][:, 0], unit="%")
        numbers[f"{what}_nll"] = Estimate.mean(arrays[what][:, 1], unit="nat")
    numbers["simplex_vertex_nll"] = Estimate.mean(arrays["simplex_vertices"][:, :, 1].mean(1), unit="nat")
    numbers["simplex_cosine"] = Estimate.mean(arrays["simplex_cosines"].mean(1))
    for members in range(2, len(arrays["single"]) + 1):
        numbers[f"ensemble_{members}_accuracy"] = 100 * float(arrays["ensemble_accuracy"][members - 1])
        numbers[f"ensemble_{members}_nll"] = float(arrays["ensemble_nll"][members - 1])
    return numbers, arrays


def candidates(study: Study, store: CellStore) -> Summary:
    """Return the loss on the validation images under each candidate recipe of the triangle."""
    losses = []
    for cell in study.cells:
        value, u, n = store.load(cell).arrays["validation_nll"][0].astype(float)
        losses.append(Estimate(value, u, dof=n - 1, unit="nat", n=n))
    return dict(zip(CANDIDATES, losses, strict=True)), {}


SIZES = (2, 3, 4, 5, 8, 10, 16, 24, 32, 64)  # retrainings, for the curve of how slowly u(x) converges
N_SHOWN = 8  # images of the gallery


def reference(study: Study, store: CellStore) -> Summary:
    """Sum up reference retrainings: scores, u(x), flips, convergence, gates."""
    ds = read_study(study, folder=store.folder)
    in_part = np.isin(ds["part"], ["calibration", "test"])
    q, apart = dithered(ds["log_odds"].values), ds["contrast"].values
    u = q.std(0, ddof=1)
    scores = {
        "accuracy": Estimate.mean(100 * ds["accuracy"].values, unit="%"),
        "accuracy_sd": float(100 * ds["accuracy"].values.std(ddof=1)),
        "nll": Estimate.mean(ds["nll"].values, unit="nat"),
    }
    levels = {"low": 0.05, "median": 0.5, "high": 0.95}
    flips = (apart < 0).mean(0)
    parts = {}
    for part in PARTS:
        rows = (ds["part"] == part).values
        quantiles = {level: float(np.quantile(u[rows], at)) for level, at in levels.items()}
        parts[part] = quantiles | {"flips": float(flips[rows].mean())}  # mean share that decides otherwise
    counted = {"ever": 0.0, "twentieth": 0.05, "quarter": 0.25}
    shares = {name: int((flips[in_part] > least).sum()) for name, least in counted.items()}
    sizes = [size for size in SIZES if len(q) // size >= 2]
    spread = [np.sqrt((spread_of_log_variance(q[:, in_part], size) ** 2).mean()) / 2 for size in sizes]
    gates = {verdict.gate: verdict.to_dict() for verdict in (g0(q[:, in_part]), g2(q[:, in_part]))}
    numbers = {"n": len(q), "images": int(in_part.sum()), **scores, "u": parts, "flips": shares, **gates}
    numbers["rounding"] = _rounding(q, u)
    theory = [relative_spread(size - 1) / 2 for size in sizes]
    rows = zip(sizes, spread, theory, strict=True)
    numbers["convergence"] = [{"n": n, "observed": float(seen), "theory": known} for n, seen, known in rows]
    numbers |= _by_machine(study, store)
    shown = next((pair.shows for pair in PAIRS if pair.key == study.name), ())
    return numbers, _gallery(study, q, flips, ds["part"].values, shown)


def _by_machine(study: Study, store: CellStore) -> dict[str, Any]:
    """Compare the variance over retrainings of two kinds of machines; without numbers where all ran on one."""
    cells = [cell for cell in study.cells if cell.method == "retrainings"]
    device = {cell.name: store.load(cell).provenance["machine"]["device"] for cell in cells}
    if len(set(device.values())) != 2:
        return {}
    parts = _parts(study, store, device)
    found = {name: jackknife(_mean_variance, one["log_odds"].values, unit="nat²")[0] for name, one in parts.items()}
    return {"machines": found, "machines_agree": normalised_error(*found.values())}


def _rounding(q: np.ndarray, u: np.ndarray) -> dict[str, float]:
    """Compare the variance that rounding to float16 adds, a step squared over 12, with that of retraining."""
    share = (np.spacing(np.abs(q).astype(np.float16)).astype(float) ** 2 / 12).mean(0) / u**2
    return {"median": float(np.median(share)), "highest": float(share.max())}


def _gallery(
    study: Study, q: np.ndarray, flips: np.ndarray, part: np.ndarray, shown: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Choose images to look at, of the kinds to be shown: typical, the most undecided, and the first foreign ones."""
    data, _ = data_and_panel(study.cells[0].data, "cpu")
    test, foreign = np.flatnonzero(part == "test"), np.flatnonzero(part == "foreign")
    mean = q[:, test].mean(0)
    easy = test[np.argsort(np.abs(mean - np.median(mean)), kind="stable")[:N_SHOWN]]
    undecided = test[np.argsort(np.abs(flips[test] - 0.5), kind="stable")[:N_SHOWN]]
    every = {
        "easy": (easy, data.test.pixels[easy - test[0]]),
        "undecided": (undecided, data.test.pixels[undecided - test[0]]),
        "foreign": (foreign[:N_SHOWN], data.foreign.pixels[:N_SHOWN]),
    }
    chosen = {name: every[name][0] for name in shown}
    return chosen | {f"{name}_pixels": every[name][1].numpy() for name in shown}


_NAMED = (
    reference, crossed, arithmetic, branches, paths, candidates, precision, control, own_class, settings,
    methods, weights, uncertainty, single, geometry, level, purchases, together, beside_companion, one_training, judge,
)  # fmt: skip
SUMMARIES: dict[str, Callable[[Study, CellStore], Summary]]
SUMMARIES = {summary.__name__.replace("_", " "): summary for summary in _NAMED}
SUMMARIES |= {"literature": beside_literature, "values": of_values}


DIGITS = 6  # significant ones of a number in a summary


def keep_summary(study: Study) -> Path:
    """Store the summary of a complete study as report/results/STUDY.json."""
    store = CellStore(study)
    store.check_complete()
    numbers, arrays = SUMMARIES[study.summary](study, store)
    stored = [store.load(cell).provenance for cell in study.cells]
    first = study.cells[0]
    of_one: dict[str, Any] = {"data": None}
    if len({(cell.data, cell.network) for cell in study.cells}) == 1:  # a pair's
        of_one = {"recipe": first.recipe.describe(), "network": {"name": first.network, "options": first.options}}
        of_one["data"], _ = data_and_panel(first.data, "cpu")
    made_by: dict[str, list[str]] = {}
    for cell, facts in zip(study.cells, stored, strict=True):
        made_by.setdefault(facts["code"]["commit"], []).append(cell.name)
    origin = provenance(
        command=study.command,
        seed=sorted({seed for cell in study.cells for seed in cell.seeds}),
        n=numbers.get("n"),
        cost=sum(map(trainings, study.cells)),
        seconds=round(sum(facts["seconds"] for facts in stored), 1),
        computed_on=sorted({facts["machine"]["device"] for facts in stored}),  # "machine" is where it was summed up
        cells=made_by,  # commit: the cells that its code computed
        **of_one,
    )
    return save_result(study.name, numbers=rounded(numbers), arrays=arrays, provenance=origin)


def rounded(x: Any) -> Any:
    """Round nested numbers to `DIGITS`: further ones are noise, differ between machines, and fill the repository."""
    if isinstance(x, dict):
        return {key: rounded(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [rounded(value) for value in x]
    if isinstance(x, Estimate):
        return replace(x, value=rounded(x.value), u=rounded(x.u), dof=rounded(x.dof))
    return float(f"{x:.{DIGITS}g}") if isinstance(x, (float, np.floating)) else x
