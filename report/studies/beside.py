"""The scale of u that a companion shows of two and three networks whose inputs move together."""

from typing import Any

import numpy as np

from lnescape.covariates.explore import movement_law
from lnescape.covariates.groups import DEFAULT
from lnescape.retraining import effective_number
from lnescape.retraining.prior import COMPANION, assumed_number, worth_of
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.dispersion import jackknife
from report.studies.gates import g11
from report.studies.geometry import learn, levels, levels_beside
from report.studies.moderation import Mix, Summary, accuracy_of, assembled
from report.studies.pairs import JUDGES, SMALL, WITH_GRADIENTS
from report.studies.small import SIZES, covered, movements, single_sets


def beside_companion(study: Study, store: CellStore) -> Summary:
    """Judge single sets of networks with their own scale, with that beside a companion as well, or a borrowed one.

    Nothing was learned on the data set: the level over a companion is that of all others. The borrowed scale is that
    over inputs, which needs no further training.
    """
    stored, name = assembled(study, store), study.name.removesuffix("-companion")
    images = stored.where("calibration")
    q, n = stored.q[:, images], len(images)
    (cell,) = (cell for cell in study.cells if cell.method == "companions")
    companions = store.load(cell).arrays["companion"].astype(float)[:, images]
    level = levels_beside(but=f"{name.replace('-', ' ')} perceptron" if name in SMALL else "")
    like = learn(WITH_GRADIENTS, store.folder.parent, companion_levels=level)
    taught = [f"{pair.key}-geometry" for pair in JUDGES]
    over_inputs = np.array([*levels(store.folder.parent, but=f"{name}-together", also=taught).values()])
    u = float(np.sqrt(over_inputs.var(ddof=1) * (1 + 1 / len(over_inputs))))
    noise = movements(study, store)["noise"]
    found: dict[str, Any] = {"n": len(q), "images": n, "networks": stored.n_networks, "trainings": COMPANION}
    found["accuracy"] = accuracy_of(study, store)
    found |= {"assumed": assumed_number(n), "estimated": worth_of(n, movement_law(noise.mean()))}
    found |= {"measured": jackknife(effective_number, q, n_blocks=12)[0], "single": {}}
    for m in SIZES:
        sets = single_sets(stored.n_networks, m)
        worth = [min(found["assumed"], worth_of(n, movement_law(noise[list(rows)].mean()))) for rows in sets]
        alone: list[tuple[float, float] | None] = [None] * len(sets)
        beside = [
            like.scale_beside(q[list(rows)], companions[k % len(companions)], n_eff=n_eff)
            for k, (rows, n_eff) in enumerate(zip(sets, worth, strict=True))
        ]
        borrowed = [(float(np.log(q[list(rows)].var(1)).mean() + over_inputs.mean()), u) for rows in sets]
        rows = {"own": alone, "borrowed": borrowed, "beside": beside}
        mix = Mix(DEFAULT, like=like)
        judged = {key: covered(stored, mix, sets, worth, scales=scales) for key, scales in rows.items()}
        found["single"][str(m)] = judged
    shares = {f"M = {m}": row["beside"]["share"] for m, row in found["single"].items()}
    return found | {"G11": g11(shares, n=len(q)).to_dict()}, {}
