"""What else to buy beside the free covariates: one more training, or exploration, by what each adds for its price."""

from collections.abc import Iterator
from dataclasses import replace

from lnescape.covariates.groups import DEFAULT
from lnescape.results import list_results, load_result
from lnescape.study.cells import Study
from lnescape.study.store import CellStore
from report.studies.geometry import SIZES, learned_for
from report.studies.moderation import Assembled, Mix, Summary, assembled, by_mix, judged_by_size
from report.studies.uncertainty import gains, sweeps

FREE = "outputs, classes, gradient distance, with the prior of other pairs"


def purchases(study: Study, store: CellStore) -> Summary:
    """Judge each purchase beside what is free, on held-out retrainings and images."""
    stored = assembled(study, store)
    base = Mix(DEFAULT, like=learned_for(study.name.replace("-purchases", "-geometry")))
    mixes = {FREE: base} | {f"{FREE} + {name}": mix for name, mix in _bought(stored, base, study.name)}
    test = stored.where("test")
    kept, references = judged_by_size(stored, mixes, SIZES, test)
    further = {(name, members): mixes[name].further(stored, members) for name, members in kept}
    shown = ("ren", "coverage", "scale", "dof", "squared_error")
    table = by_mix({key: found.to_dict(*shown) | {"further": further[key]} for key, found in kept.items()})
    numbers = {"n": len(stored.q), "networks": stored.n_networks, "images": len(test), "mixes": table}
    return numbers | {"gains": gains(kept, references, further, base=FREE, joined=f"{FREE} + ")}, {}


def _bought(stored: Assembled, base: Mix, study: str) -> Iterator[tuple[str, Mix]]:
    """Add each exploration that is stored to the free covariates."""
    # As many, as long and at the rate that was chosen on calibration images, where there was a choice.
    whole = study.replace("-purchases", "-uncertainty")
    chosen: dict = {}
    if stored.proxies:
        chosen = (load_result(whole).numbers if whole in list_results() else sweeps(stored))["chosen"]
    if stored.bursts:
        cheap = tuple(chosen.get("bursts", ()))
        key = cheap if cheap in stored.bursts else max(stored.bursts)
        yield "bursts", replace(base, groups=(*DEFAULT, "bursts"), bursts=key)
    if stored.proxies:
        yield "proxies", replace(base, groups=(*DEFAULT, "proxies"), proxies=tuple(chosen["proxies"]))
    for name in stored.paths:
        yield name, replace(base, groups=(*DEFAULT, name))
