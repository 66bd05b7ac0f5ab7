"""What the page of a statement quotes: what single sets of networks delivered, and errors of u, on many retrainings.

`python -m report.studies.delivered` writes it into the package.
"""

from collections.abc import Mapping
from typing import Any

from lnescape.covariates.groups import DEFAULT, FREE
from lnescape.results import Result, list_results, load_result
from lnescape.results.files import seal, write
from lnescape.statement.page import DELIVERED
from report.studies.catalogue import STUDIES
from report.studies.geometry import ALONE, TRANSFER
from report.studies.judges import NEW_JUDGES
from report.studies.pairs import kind_of_network
from report.studies.small import OF_VALUES

JUDGED = {"constant": (), "all free groups": FREE, "outputs": ("outputs",), "gradient distance": ("gradient distance",)}
JUDGED |= {OF_VALUES: ("outputs", "gradient distance")}
JUDGED |= {ALONE: DEFAULT, TRANSFER: DEFAULT}  # mixes whose errors the page of a statement quotes


def write_delivered() -> None:
    """Write delivered coverage and errors of u to `statement/delivered.json`."""
    known = set(list_results())
    values = [name for name in STUDIES if STUDIES[name].summary == "values" and name in known]
    together = [name for name in STUDIES if name.endswith("-together") and name in known]
    judges = {pair.key: name for name, pair in NEW_JUDGES.items() if pair.key in known}
    judged = [name for end in ("-uncertainty", "-geometry") for name in sorted(known) if name.endswith(end)]
    read = {name: load_result(name) for name in STUDIES if name in {*together, *values}}
    rows = [row for name, stored in read.items() for row in _single_sets(stored, name in values)]
    errors: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name in (*judged, *values, *judges):
        read[name] = load_result(name)
        errors |= _errors(name, read[name], of_values=name in values, judge=judges.get(name))
    read["one-training"] = load_result("one-training")
    for key, one in read["one-training"].numbers["pairs"].items():
        of_pair = errors[key, TRANSFER, "1"]
        errors[key, TRANSFER, "companion"] = of_pair | {"companion": True, "error": _error_of(one)}
    commits = {name: stored.provenance["code"]["commit"] for name, stored in read.items()}
    origin = {"module": "report.studies.delivered", "summaries": commits}
    content = {"kind": "delivered", "rows": rows, "errors": list(errors.values()), "provenance": origin}
    write(DELIVERED, seal(content))


def _single_sets(stored: Result, of_values: bool) -> list[dict[str, Any]]:
    """Return how often intervals from single sets of networks covered 90 to 99 %, a row for each number of networks."""
    about = {"title": _title(stored), "quantity": "value" if of_values else "log-odds"}
    rows = []
    for members, row in stored.numbers["single"].items():
        delivered = {key: row.get("after", row)[key] for key in ("share", "sets", "n_eff")}
        rows.append({"title": about["title"], "dof": int(members) - 1, "quantity": about["quantity"]} | delivered)
    return rows


def _errors(
    name: str, stored: Result, *, of_values: bool, judge: str | None
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the errors of u by pair, mix and number of networks; `judge` names a network that came last."""
    pair = name.removesuffix("-uncertainty").removesuffix("-geometry")
    about = {
        "quantity": "value" if of_values else "log-odds",
        "network": kind_of_network(STUDIES[name].cells[0].network),
        "title": judge or _title(stored),
    }
    found = {}
    for mix, by_size in _mixes_of(name, stored, judge=judge is not None).items():
        for members, row in by_size.items():
            kind = {"groups": list(JUDGED[mix]), "like": mix == TRANSFER, "networks": int(members)}
            alone = {"companion": judge is not None} if members == "1" else {}
            found[pair, mix, members] = kind | about | {"error": _error_of(row)} | alone
    return found


def _mixes_of(name: str, stored: Result, *, judge: bool) -> dict[str, dict[str, dict]]:
    """Return the rows of a summary, {mix: {M: row}}, of the mixes that the page quotes."""
    numbers = stored.numbers
    mixes = dict(numbers["mixes"] if "mixes" in numbers else numbers["test"])
    if name.endswith("-geometry"):
        mixes[TRANSFER] = mixes[TRANSFER] | {"1": numbers["one network, borrowed scale"]}
    if judge:
        mixes[TRANSFER] = {m: numbers["per unit"][m] for m in ("1", "2", "3")}
    return {mix: mixes[mix] for mix in JUDGED if mix in mixes}


def _error_of(row: Mapping[str, Any]) -> float:
    """Return the root mean square error of ln u; squared errors are stored of ln u²."""
    return row["squared_error"] ** 0.5 / 2


def _title(stored: Result) -> str:
    """Name the pair of a summary."""
    return f"{stored.provenance['data']['title']}, {stored.provenance['network']['name']}"


if __name__ == "__main__":
    write_delivered()
