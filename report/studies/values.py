"""Measured values: the angle of a digit, and a table of patients; u(x) from few retrainings, beside the error.

Scouts choose the class of a measurand. A value is the measurand itself and needs no class, so there are no scouts here.
"""

from typing import Any

import numpy as np
import torch
from numpy import ndarray
from scipy.stats import spearmanr

from lnescape.covariates import explore
from lnescape.covariates.groups import Traces
from lnescape.data import Dataset, dataset, load
from lnescape.data.shifts import _rotate
from lnescape.data.splits import PARTS, SPLIT_SEED
from lnescape.laws import Law
from lnescape.results import Estimate
from lnescape.retraining import effective_number, shipped_prior
from lnescape.retraining.prior import assumed_number
from lnescape.statement import Statement
from lnescape.study.cells import Cell, Kind, Study, register
from lnescape.study.observation import COVARIATE_BITS, Observation, Panel
from lnescape.study.observation import PARTS as OF_PANEL
from lnescape.study.retrainings import train
from lnescape.study.store import CellStore
from report.studies.dispersion import dithered
from report.studies.gates import g0, g2, g5, g9, g11
from report.studies.geometry import lent, one_borrowed, one_network
from report.studies.moderation import Assembled, Mix, by_mix, judged_by_size
from report.studies.small import OF_VALUES, covered, single_sets

DIGITS = (4, 7)
MOST_TURNED = 45.0  # degrees, to either side
SIZES = dict(zip(PARTS, (5000, 500, 500, 500), strict=True))
OBSERVED = ("outputs", "neighbourhood", "noise", "differences", "gradient distance")


def angle(name: str = "mnist") -> Dataset:
    """Return fours and sevens, each turned by an angle drawn between ±45°, the angle in degrees."""
    whole, parts = load(name), {}
    for number, (part, n) in enumerate(SIZES.items()):
        split = getattr(whole, part)
        some = split.subset(np.flatnonzero(np.isin(split.labels.numpy(), DIGITS))[:n])
        turned = np.random.RandomState(number).uniform(-MOST_TURNED, MOST_TURNED, len(some)).astype(np.float32)
        pixels = _rotate(some.pixels.float(), torch.from_numpy(turned)).round().clamp(0, 255).to(torch.uint8)
        parts[part] = (pixels, turned)
    return dataset(**parts, name="MNIST, fours and sevens turned", classes=["angle"], unit="°")


def diabetes() -> Dataset:
    """Return the diabetes data of scikit-learn: 442 patients, 10 features, progression of the disease after a year."""
    from sklearn.datasets import load_diabetes

    raw = load_diabetes()
    rows = np.random.RandomState(SPLIT_SEED).permutation(len(raw.target))
    cut = [(raw.data[part].astype(np.float32), raw.target[part].astype(np.float32))
           for part in np.split(rows, (222, 242, 342))]  # fmt: skip
    parts = dict(zip(PARTS, cut, strict=True))
    return dataset(**parts, name="diabetes, 442 patients", classes=["progression"], unit="", normalise=True)


def signals(n: int = 1200, length: int = 64) -> Dataset:
    """Return noisy sines of one second, drawn, whose frequency in hertz is the target."""
    random = np.random.RandomState(SPLIT_SEED)
    frequency, phase = random.uniform(2, 8, (n, 1)), random.uniform(0, 2 * np.pi, (n, 1))
    clean = np.sin(2 * np.pi * frequency * np.arange(length) / length + phase)
    x = (clean + 0.5 * random.normal(size=clean.shape))[:, None].astype(np.float32)
    cut = [(x[rows], frequency[rows, 0].astype(np.float32)) for rows in np.split(np.arange(n), (600, 700, 1000))]
    return dataset(**dict(zip(PARTS, cut, strict=True)), name="drawn noisy sines", classes=["frequency"], unit="Hz",
                   stand_in=True)  # fmt: skip


def judged(stated: Statement, judges: Law, inputs: torch.Tensor) -> dict[str, float]:
    """Judge a statement by networks that it has not seen: coverage of its intervals in percent, and its scale."""
    q, (low, high) = judges.predict(inputs)[..., 0].numpy(), stated.evaluation.interval()
    inside, scale = (q >= low) & (q <= high), stated.evaluation.scale
    return {
        "judges": len(q), "inside 95 % intervals (%)": 100 * inside.mean(), "ν_eff": stated.evaluation.dof,
        "stated σ̃ over true u": float(np.exp(np.log(scale / q.std(0, ddof=1)).mean())),
    }  # fmt: skip


def values(cell: Cell, data: Dataset, panel: Panel, chosen: None) -> Observation:
    """Train one network for each seed; keep its value of every input and, where asked, what covariates are made of."""
    law, seen = train(cell, data, list(cell.seeds)), Observation()
    predicted = law.predict(panel.images)
    seen.add("value", predicted[..., 0].cpu().numpy(), "retraining", "image")
    seen.add("seed", np.array(cell.seeds), "retraining")
    for name, array in (("label", panel.labels[:, 0].cpu().numpy()), ("part", panel.part.astype(np.int16))):
        seen.add(name, array, "image")
    if cell.settings.get("explored"):
        first = np.zeros(len(panel.images), int)
        traces = explore.explored(law, data, panel.images, first, groups=OBSERVED, measurand=explore.value)
        for name, array, axes in (
            ("near_value", traces.shifted, ("near",)), ("noise_spread", traces.noise, ()),
            ("mahalanobis", traces.outputs[:, 2], ()), ("gradient_distance", traces.distance, ()),
        ):  # fmt: skip
            seen.add(name, array, "explored", *axes, "image", bits=COVARIATE_BITS)
    return seen


register("values", Kind(experiment=values, optional=("explored",)))


def assembled_values(study: Study, store: CellStore) -> Assembled:
    """Put together the cells of a study of values; the explored ones stand first."""
    arrays = [store.load(cell).arrays for cell in study.cells]
    explored = [own for own in arrays if "near_value" in own]
    q = dithered(np.concatenate([own["value"] for own in arrays]))
    n = sum(len(arrays["value"]) for arrays in explored)
    near, noise, far, distance = (
        np.concatenate([arrays[name] for arrays in explored]).astype(float)
        for name in ("near_value", "noise_spread", "mahalanobis", "gradient_distance")
    )
    outputs = np.stack([np.full_like(far, np.nan), np.full_like(far, np.nan), far], 1)
    chosen, part = np.zeros(q.shape[1], int), np.array(OF_PANEL)[arrays[0]["part"]]
    traces = Traces(q[:n], outputs, shifted=near, noise=noise, distance=distance, chosen=chosen, n_classes=1,
                    values=True)  # fmt: skip
    label = arrays[0]["label"].astype(float)
    return Assembled(q, q, traces, part, label, {}, int((part == "calibration").sum()))


MIXES = {"none (plain Type A)": Mix(None), "constant": Mix(())} | {name: Mix((name,)) for name in OBSERVED}
MIXES |= {OF_VALUES: Mix(("outputs", "gradient distance")), "all of them": Mix(OBSERVED)}
N_MEMBERS = (2, 3)


def of_values(study: Study, store: CellStore) -> tuple[dict[str, Any], dict[str, ndarray]]:
    """Judge u(x) from one, two and three retrainings, compare it with the error, and give the gates."""
    stored = assembled_values(study, store)
    test, fitted = stored.where("test"), stored.where("calibration")
    found: dict[str, Any] = {"n": len(stored.q), "networks": stored.n_networks, "inputs": len(test)}
    found |= _errors(stored.q[:, test], stored.label[test])
    found["effective_inputs"] = effective_number(stored.q[:, fitted])
    learned = shipped_prior()
    one = one_borrowed(stored, learned, study)
    found["one network"] = one_network(stored)
    found["one network, borrowed scale"] = one.to_dict() | lent(learned, study)
    kept, _ = judged_by_size(stored, MIXES, N_MEMBERS, test)
    table = by_mix({key: judged.to_dict() for key, judged in kept.items()})
    found["single"] = _single_sets(stored, len(fitted))
    shares = {f"M = {m}": row["share"] for m, row in found["single"].items()}
    n = found["n"]
    gates = (
        g0(stored.q[:, test]), g2(stored.q[:, test], what="values"), g5(kept[OF_VALUES, 2], {}, n=n), g9(one, n=n),
        g11(shares, n=n),
    )  # fmt: skip
    return found | {"mixes": table} | {verdict.gate: verdict.to_dict() for verdict in gates}, {}


def _single_sets(stored: Assembled, n_fitted: int) -> dict[str, Any]:
    """Return the share of single sets of networks whose 95 % intervals cover 90 to 99 %, with the assumed n_eff."""
    # A statement lowers n_eff where noise on the weights shows that inputs move together; that noise wasn't stored.
    mix, worth = MIXES[OF_VALUES], assumed_number(n_fitted)
    sets = {str(m): single_sets(stored.n_networks, m) for m in N_MEMBERS}
    return {m: covered(stored, mix, some, [worth] * len(some)) for m, some in sets.items()}


def _errors(q: ndarray, label: ndarray) -> dict[str, Any]:
    """Compare the error of one network with what scatters over retrainings, in the unit."""
    error, variance = (q - label) ** 2, q.var(0, ddof=1)
    mean = (q.mean(0) - label) ** 2
    share = Estimate.mean((variance - variance.mean() / error.mean() * error.mean(0)) / error.mean())
    return {
        "rmse": Estimate(np.sqrt(error.mean()), Estimate.mean(error.mean(0)).u / (2 * np.sqrt(error.mean()))),
        "rmse_of_mean": Estimate(np.sqrt(mean.mean()), Estimate.mean(mean).u / (2 * np.sqrt(mean.mean()))),
        "u": Estimate(np.sqrt(variance.mean()), Estimate.mean(variance).u / (2 * np.sqrt(variance.mean()))),
        "share_of_error": Estimate(variance.mean() / error.mean(), share.u, dof=share.dof, n=share.n),
        "rank_correlation": float(spearmanr(np.abs(q.mean(0) - label), variance).statistic),
    }


def cells_of_values(data: str, network: str, recipe: Any, *, n: int, group: int, **options: Any) -> tuple[Cell, ...]:
    """List the cells of n retrainings, of which the first eight are explored."""
    one = Cell(method="values", data=f"report.studies.values:{data}", network=network, seeds=(0,), recipe=recipe,
               options=options)  # fmt: skip
    first = one.but(seeds=range(8), settings={"explored": True})
    return (first, *(one.but(seeds=range(k, min(k + group, n))) for k in range(8, n, group)))
