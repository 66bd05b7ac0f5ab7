"""What the page of a statement quotes: what single sets of networks delivered, and errors of u, on many retrainings.

`python -m report.studies.delivered` writes it into the package.
"""

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
    """Write both into the package."""
    known = list_results()
    rows, commits, errors = [], {}, {}
    of_values = [name for name in STUDIES if STUDIES[name].summary == "values" and name in known]
    for name in (name for name in STUDIES if name in known and (name.endswith("-together") or name in of_values)):
        stored, quantity = load_result(name), "value" if name in of_values else "log-odds"
        commits[name] = stored.provenance["code"]["commit"]
        for members, row in stored.numbers["single"].items():
            own = {key: row.get("after", row)[key] for key in ("share", "sets", "n_eff")}
            rows.append({"title": _title(stored), "dof": int(members) - 1, "quantity": quantity} | own)
    judged = [name for end in ("-uncertainty", "-geometry") for name in known if name.endswith(end)]
    judges = {pair.key: name for name, pair in NEW_JUDGES.items() if pair.key in known}
    for name in (*judged, *of_values, *judges):
        stored = load_result(name)
        commits[name] = stored.provenance["code"]["commit"]
        mixes = stored.numbers["mixes"] if "mixes" in stored.numbers else stored.numbers["test"]
        if name.endswith("-geometry"):
            mixes[TRANSFER] |= {"1": stored.numbers["one network, borrowed scale"]}
        if name in judges:
            mixes[TRANSFER] = {m: stored.numbers["per unit"][m] for m in ("1", "2", "3")}
        for mix, members in ((one, m) for one in JUDGED if one in mixes for m in mixes[one]):
            row = {
                "groups": list(JUDGED[mix]),
                "like": mix == TRANSFER,
                "networks": int(members),
                "quantity": "value" if name in of_values else "log-odds",
                "network": kind_of_network(STUDIES[name].cells[0].network),
            }
            title = judges.get(name) or _title(stored)
            row |= {"title": title, "error": mixes[mix][members]["squared_error"] ** 0.5 / 2}
            if members == "1":
                row["companion"] = name in judges
            errors[name.removesuffix("-uncertainty").removesuffix("-geometry"), mix, members] = row
    lone = load_result("one-training")
    commits["one-training"] = lone.provenance["code"]["commit"]
    for key, one in lone.numbers["pairs"].items():
        error = one["squared_error"] ** 0.5 / 2
        errors[key, TRANSFER, "companion"] = errors[key, TRANSFER, "1"] | {"companion": True, "error": error}
    origin = {"module": "report.studies.delivered", "summaries": commits}
    content = {"kind": "delivered", "rows": rows, "errors": list(errors.values()), "provenance": origin}
    write(DELIVERED, seal(content))


def _title(stored: Result) -> str:
    """Name the pair of a summary."""
    return f"{stored.provenance['data']['title']}, {stored.provenance['network']['name']}"


if __name__ == "__main__":
    write_delivered()
